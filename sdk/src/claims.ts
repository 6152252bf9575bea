import { type Client, type Hash, encodeAbiParameters, keccak256, parseAbiParameters, parseEventLogs, zeroHash } from "viem";
import { getBlock, getLogs, readContract } from "viem/actions";
import { bridgeAbi, claimsAbi, inboxAbi } from "./abi.js";
import { type SuretyChain, l1Address } from "./chain.js";
import { SuretyError } from "./errors.js";

/** What a claim's id commits to: with this parent, this batch ends in these block hashes. */
export type Claim = {
  rollup: bigint;
  batchIndex: bigint;
  parentId: Hash;
  prevHash: Hash;
  /** The batch's last block. */
  lastHash: Hash;
  blockHashRoot: Hash;
};

/** A batch, as L1 took it. */
export type Batch = {
  /** Its number; 0 is genesis. */
  index: bigint;
  firstHeight: bigint;
  lastHeight: bigint;
};

const CLAIM = parseAbiParameters("uint64, uint64, bytes32, bytes32, bytes32, bytes32");

/** A claim's id. */
export function claimId(claim: Claim): Hash {
  const { rollup, batchIndex, parentId, prevHash, lastHash, blockHashRoot } = claim;
  return keccak256(encodeAbiParameters(CLAIM, [rollup, batchIndex, parentId, prevHash, lastHash, blockHashRoot]));
}

/** The claim that is final from the start. */
export function genesisClaim(chain: SuretyChain): Claim {
  const { genesisHash } = chain.surety;
  return { rollup: BigInt(chain.id), batchIndex: 0n, parentId: zeroHash, prevHash: zeroHash, lastHash: genesisHash, blockHashRoot: zeroHash };
}

/** Blocks asked for at once, at first. */
const RANGE = 1_000n;

const EVENTS = [
  ...inboxAbi.filter((entry) => entry.type === "event" && entry.name === "BatchPosted"),
  ...claimsAbi.filter((entry) => entry.type === "event" && (entry.name === "ClaimBonded" || entry.name === "ClaimCarried")),
] as const;

/**
 * What L1 wrote down of batches and claims, read backwards from one head, range by range, only as far as the question asks.
 *
 * Of a batch that nobody signed there may be several claims; of a final one there is always one, and all batches before it have
 * one too. So the last final claim is found by halves.
 */
export class Records {
  readonly #client: Client;
  readonly #chain: SuretyChain;
  /** Everything from this L1 block on was read. */
  #from: bigint;
  #range = RANGE;
  readonly #batches = new Map<bigint, Batch>();
  readonly #claims = new Map<bigint, Claim[]>();

  private constructor(
    client: Client,
    chain: SuretyChain,
    /** The head that all this is about. */
    readonly head: { number: bigint; timestamp: bigint },
  ) {
    this.#client = client;
    this.#chain = chain;
    this.#from = head.number + 1n;
    const genesis = genesisClaim(chain);
    if (head.number < chain.surety.l1Start)
      throw new SuretyError(`L1's head is ${head.number}, the contracts of ${chain.name} begin at ${chain.surety.l1Start}: is this node of L1 behind, or of another L1?`);
    this.#claims.set(0n, [genesis]);
  }

  /** Takes L1's head; reads nothing else yet. */
  static async at(client: Client, chain: SuretyChain): Promise<Records> {
    const { number, timestamp } = await getBlock(client);
    return new Records(client, chain, { number, timestamp });
  }

  /** Whether a claim can no longer be contested. */
  async isFinal(claim: Claim): Promise<boolean> {
    if (claim.batchIndex === 0n) return true;
    return readContract(this.#client, {
      address: l1Address(this.#chain, "claims"),
      abi: claimsAbi,
      functionName: "isFinal",
      args: [claimId(claim)],
      blockNumber: this.head.number,
    });
  }

  /** From when a claim is final if nobody contests it, in Unix seconds; `undefined` if L1 has no such claim. */
  async finalAt(claim: Claim): Promise<bigint | undefined> {
    const call = { address: l1Address(this.#chain, "claims"), abi: claimsAbi, args: [claimId(claim)], blockNumber: this.head.number } as const;
    const { postedAt } = await readContract(this.#client, { ...call, functionName: "claim" });
    return postedAt === 0 ? undefined : readContract(this.#client, { ...call, functionName: "finalAt" });
  }

  /** The claim that the chain ended on, if it has ended. */
  async end(): Promise<Claim | undefined> {
    const id = await readContract(this.#client, {
      address: l1Address(this.#chain, "bridge"),
      abi: bridgeAbi,
      functionName: "escapeClaim",
      blockNumber: this.head.number,
    });
    if (id === zeroHash) return undefined;
    if (id === claimId(genesisClaim(this.#chain))) return genesisClaim(this.#chain);
    for (;;) {
      for (const claims of this.#claims.values()) {
        const found = claims.find((claim) => claimId(claim) === id);
        if (found) return found;
      }
      if (!(await this.#readBack())) throw new SuretyError(`L1's endpoint knows no claim ${id}: use another`);
    }
  }

  /** The last final claim. */
  async lastFinal(): Promise<Claim> {
    let low: Claim;
    for (;;) {
      const oldest = this.#indexes()[0];
      const found = oldest === undefined ? undefined : await this.#finalOf(oldest);
      if (found) {
        low = found;
        break;
      }
      if (!(await this.#readBack())) {
        low = genesisClaim(this.#chain);
        break;
      }
    }
    let open = this.#indexes().filter((index) => index > low.batchIndex);
    while (open.length > 0) {
      const middle = Math.floor(open.length / 2);
      const found = await this.#finalOf(open[middle]!);
      if (found) low = found;
      open = found ? open.slice(middle + 1) : open.slice(0, middle);
    }
    return low;
  }

  /** The last L2 block of a batch that L1 has taken. */
  async lastHeight(index: bigint): Promise<bigint> {
    if (index === 0n) return 0n;
    for (;;) {
      const batch = this.#batches.get(index);
      if (batch) return batch.lastHeight;
      if (!(await this.#readBack())) throw new SuretyError(`L1's endpoint knows no batch ${index}: use another`);
    }
  }

  /** The batch that holds an L2 block; `undefined` if it is in none yet. */
  async batchAt(height: bigint): Promise<Batch | undefined> {
    if (height === 0n) return { index: 0n, firstHeight: 0n, lastHeight: 0n };
    for (;;) {
      let reached = false;
      for (const batch of this.#batches.values()) {
        if (batch.firstHeight <= height && height <= batch.lastHeight) return batch;
        reached ||= batch.firstHeight <= height;
      }
      if (reached || !(await this.#readBack())) return undefined;
    }
  }

  /** The claims that stand for a batch which was read. (A claim comes with its batch or later.) */
  claimsOf(index: bigint): readonly Claim[] {
    return this.#claims.get(index) ?? [];
  }

  /** The batches above genesis of which a claim was read, in order. */
  #indexes(): bigint[] {
    return [...this.#claims.keys()].filter((index) => index > 0n).sort((a, b) => (a < b ? -1 : 1));
  }

  async #finalOf(index: bigint): Promise<Claim | undefined> {
    for (const claim of this.claimsOf(index)) if (await this.isFinal(claim)) return claim;
    return undefined;
  }

  /** Reads the next older range; false if all was read. */
  async #readBack(): Promise<boolean> {
    const { l1Start } = this.#chain.surety;
    if (this.#from <= l1Start) return false;
    const address = [l1Address(this.#chain, "inbox"), l1Address(this.#chain, "claims")];
    const toBlock = this.#from - 1n;
    for (;;) {
      const lowest = this.#from - this.#range;
      const fromBlock = lowest > l1Start ? lowest : l1Start;
      try {
        const logs = await getLogs(this.#client, { address, events: EVENTS, fromBlock, toBlock });
        this.#take(logs);
        this.#from = fromBlock;
        return true;
      } catch (error) {
        // Endpoints bound the range or the answer, each with an error of its own; a single block is never too much.
        if (fromBlock === toBlock) throw error;
        this.#range = (toBlock - fromBlock + 2n) / 2n;
      }
    }
  }

  #take(logs: Parameters<typeof parseEventLogs>[0]["logs"]): void {
    for (const { args } of parseEventLogs({ abi: inboxAbi, eventName: "BatchPosted", logs })) {
      const { batchIndex: index, signers, statement } = args;
      const { rollup, firstHeight, lastHeight, parentClaim: parentId, prevHash, lastHash, blockHashRoot } = statement;
      this.#batches.set(index, { index, firstHeight, lastHeight });
      // A self-sequenced batch has no claim of its own.
      if (signers !== 0n) this.#add({ rollup, batchIndex: index, parentId, prevHash, lastHash, blockHashRoot });
    }
    for (const { args } of parseEventLogs({ abi: claimsAbi, eventName: ["ClaimBonded", "ClaimCarried"], logs })) this.#add(args.claim);
  }

  #add(claim: Claim): void {
    const known = this.#claims.get(claim.batchIndex) ?? [];
    if (!known.some((other) => claimId(other) === claimId(claim))) known.push(claim);
    this.#claims.set(claim.batchIndex, known);
  }
}

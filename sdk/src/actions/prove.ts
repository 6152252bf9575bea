import type { Client, Hash, Hex } from "viem";
import { bridgeAbi } from "../abi.js";
import { type SuretyChain, assertOnL1, l1Address, predeploys } from "../chain.js";
import type { Claim } from "../claims.js";
import { SuretyError } from "../errors.js";
import { headerRlp } from "../header.js";
import { type Withdrawal, withdrawalHash, withdrawalSlot } from "../withdrawal.js";
import { type SendParameters, send } from "./send.js";

/** What the bridge takes as proof of a withdrawal. */
export type WithdrawalProof = {
  withdrawal: Withdrawal;
  /** A final claim. */
  claim: Claim;
  /** RLP of the header of the claim's last block. */
  header: Hex;
  /** Proof of `sentMessages[hash]` under that header's `withdrawalsRoot`. */
  storageProof: readonly Hex[];
};

/** What the bridge takes as proof of several withdrawals. */
export type WithdrawalsProof = {
  withdrawals: readonly Withdrawal[];
  claim: Claim;
  header: Hex;
  /** The nodes of all proofs, each once. */
  nodes: readonly Hex[];
  /** For each withdrawal the places of its proof's nodes, from the root on, one byte each. */
  paths: readonly Hex[];
};

/** The most nodes that a place of one byte can name. */
const MAX_NODES = 256;

/** The header of a claim's last block, and proofs of withdrawals in its state. */
async function prove(client: Client, claim: Claim, withdrawals: readonly Withdrawal[]): Promise<{ header: Hex; proofs: Hex[][] }> {
  if (withdrawals.length === 0) throw new SuretyError("nothing to prove: name at least one withdrawal");
  for (const withdrawal of withdrawals)
    if (withdrawalHash(withdrawal) !== withdrawal.withdrawalHash)
      throw new SuretyError(`withdrawal ${withdrawal.withdrawalHash} has another hash than that: take it from the receipt as it is (getWithdrawals)`);
  const request = client.request as (call: { method: string; params: unknown[] }) => Promise<unknown>;
  const hash = claim.lastHash;
  const block = (await request({ method: "eth_getBlockByHash", params: [hash, false] })) as Record<string, unknown> | null;
  if (!block) throw new SuretyError(`the L2 node does not have block ${hash}: use one that is not behind, or a follower`);
  const header = headerRlp(block, hash);
  const slots = withdrawals.map((withdrawal) => withdrawalSlot(withdrawal.withdrawalHash));
  const answer = (await request({
    method: "eth_getProof",
    params: [predeploys.l2ToL1MessagePasser.address, slots, { blockHash: hash }],
  })) as { storageProof: { key: Hex; value: Hex; proof: Hex[] }[] };
  const proofs = withdrawals.map(({ withdrawalHash: name }, place) => {
    const found = answer.storageProof.find(({ key }) => BigInt(key) === BigInt(slots[place]!));
    if (!found) throw new SuretyError("the L2 node left a proof out: use another");
    if (BigInt(found.value) !== 1n)
      throw new SuretyError(`withdrawal ${name} is not in the state of the claim's last block ${hash}: is the claim older, or was its L2 block taken back?`);
    return found.proof;
  });
  return { header, proofs };
}

/** Asks L2 for the proof of a withdrawal against a final claim (see `waitToProve`), as `proveWithdrawal` takes it. */
export async function buildProveWithdrawal(client: Client, { withdrawal, claim }: { withdrawal: Withdrawal; claim: Claim }): Promise<WithdrawalProof> {
  const { header, proofs } = await prove(client, claim, [withdrawal]);
  return { withdrawal, claim, header, storageProof: proofs[0]! };
}

/** As {@link buildProveWithdrawal}, of several withdrawals at once: together they cost less. */
export async function buildProveWithdrawals(
  client: Client,
  { withdrawals, claim }: { withdrawals: readonly Withdrawal[]; claim: Claim },
): Promise<WithdrawalsProof> {
  const { header, proofs } = await prove(client, claim, withdrawals);
  return { withdrawals, claim, header, ...joinProofs(proofs) };
}

/** The nodes of several proofs, each once, and for each proof its nodes' places. */
export function joinProofs(proofs: readonly (readonly Hex[])[]): { nodes: Hex[]; paths: Hex[] } {
  const places = new Map<Hex, number>();
  const paths = proofs.map((proof): Hex => {
    const path = proof.map((node) => {
      if (!places.has(node)) places.set(node, places.size);
      return places.get(node)!.toString(16).padStart(2, "0");
    });
    return `0x${path.join("")}`;
  });
  if (places.size > MAX_NODES) throw new SuretyError("more proofs than one transaction can carry: prove fewer withdrawals at once");
  return { nodes: [...places.keys()], paths };
}

/** Proves a withdrawal on L1, which pays it in the same transaction. Gives that transaction's hash. */
export async function proveWithdrawal(client: Client, parameters: SendParameters & WithdrawalProof & { targetChain: SuretyChain }): Promise<Hash> {
  const { targetChain, withdrawal, claim, header, storageProof } = parameters;
  assertOnL1(client, targetChain);
  return send(client, parameters, {
    address: l1Address(targetChain, "bridge"),
    abi: bridgeAbi,
    functionName: "withdraw",
    args: [withdrawal, claim, header, storageProof],
  });
}

/** Proves several withdrawals on L1, which pays them; those that were proved before are passed over. Gives the transaction's hash. */
export async function proveWithdrawals(client: Client, parameters: SendParameters & WithdrawalsProof & { targetChain: SuretyChain }): Promise<Hash> {
  const { targetChain, withdrawals, claim, header, nodes, paths } = parameters;
  assertOnL1(client, targetChain);
  return send(client, parameters, {
    address: l1Address(targetChain, "bridge"),
    abi: bridgeAbi,
    functionName: "withdrawMany",
    args: [withdrawals, claim, header, nodes, paths],
  });
}

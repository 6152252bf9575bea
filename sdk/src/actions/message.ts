import { type Address, type Client, type Hash, type Log, type TransactionReceipt, TransactionReceiptNotFoundError } from "viem";
import { getContractEvents, getTransactionReceipt } from "viem/actions";
import { optimismMintableERC20FactoryAbi } from "../abi.js";
import type { SuretyChain } from "../chain.js";
import { SuretyError } from "../errors.js";
import { getL2TransactionHashes } from "../message.js";
import { type WaitParameters, waitFor } from "../wait.js";

export type WaitForMessageParameters = WaitParameters & {
  targetChain: SuretyChain;
  /** The receipt of the transaction on L1 that sent the message. */
  receipt: { logs: readonly Log[]; transactionHash: Hash; status?: "success" | "reverted" | undefined };
  /** Which of its messages, if it sent several; the first by default. */
  index?: number | undefined;
  /** A client of L1. With it the message is looked up again if L1 is reorganised, since it can then be another one. */
  l1Client?: Client | undefined;
};

/** How many looks at L2 there are for one at L1. */
const LOOKS = 10;

async function receiptOf(client: Client, hash: Hash): Promise<TransactionReceipt | undefined> {
  try {
    return await getTransactionReceipt(client, { hash });
  } catch (error) {
    if (error instanceof TransactionReceiptNotFoundError) return undefined;
    throw error;
  }
}

/**
 * Waits until a message from L1 is in a block of L2.
 *
 * @returns The receipt on L2. Its `status` is `reverted` if the call failed there; what was minted is then its sender's.
 */
export async function waitForMessage(client: Client, parameters: WaitForMessageParameters): Promise<TransactionReceipt> {
  const { targetChain, index = 0, l1Client, pollingInterval = client.pollingInterval, timeout } = parameters;
  const hashOf = (receipt: WaitForMessageParameters["receipt"]): Hash => {
    if (receipt.status === "reverted") throw new SuretyError(`transaction ${receipt.transactionHash} failed on L1: it sent no message`);
    const hash = getL2TransactionHashes(receipt, { targetChain })[index];
    if (!hash) throw new SuretyError(`transaction ${receipt.transactionHash} sent no message ${index} to ${targetChain.name}: is it one of L1, and of this chain?`);
    return hash;
  };
  let hash = hashOf(parameters.receipt);
  let looks = 0;
  return waitFor(`message ${hash} is on L2`, timeout, async () => {
    const found = await receiptOf(client, hash);
    if (found) return { found };
    if (l1Client && ++looks % LOOKS === 0) {
      const now = await receiptOf(l1Client, parameters.receipt.transactionHash);
      if (now) hash = hashOf(now);
    }
    return { again: pollingInterval };
  });
}

/** How final an L2 block is: in a block of the committee, in a batch on L1, in one that L1 has finalised, in a final claim. */
export type FinalityLevel = "soft" | "posted" | "settled" | "final";

/** What a node says of an L2 block's finality. */
export type Finality = {
  height: bigint;
  hash: Hash;
  level: FinalityLevel;
  /** Index of the batch that holds it. */
  batch: bigint | null;
  /** The claim that this batch made. */
  claim: Hash | null;
  /** The L1 block with the batch. */
  l1Block: bigint | null;
  /** The L1 transaction that posted it. */
  l1Transaction: Hash | null;
  /** When the claim's challenge period ends, Unix seconds of L1. */
  challengeEnds: bigint | null;
};

/** How final an L2 block is, as the node sees it (`surety_finality`); `null` beyond its head. */
export async function getFinality(client: Client, { blockNumber }: { blockNumber: bigint }): Promise<Finality | null> {
  if (blockNumber < 0n) throw new SuretyError("a block's number is not below zero");
  const request = client.request as (call: { method: string; params: unknown[] }) => Promise<unknown>;
  const answer = (await request({ method: "surety_finality", params: [`0x${blockNumber.toString(16)}`] })) as {
    [field in keyof Finality]: string | null;
  } | null;
  if (answer === null) return null;
  const integer = (value: string | null | undefined) => (value === null || value === undefined ? null : BigInt(value));
  return {
    height: BigInt(answer.height as string),
    hash: answer.hash as Hash,
    level: answer.level as FinalityLevel,
    batch: integer(answer.batch),
    claim: answer.claim as Hash | null,
    l1Block: integer(answer.l1Block),
    l1Transaction: answer.l1Transaction as Hash | null,
    challengeEnds: integer(answer.challengeEnds),
  };
}

/** The tokens of the factory on L2 that stand for a token of L1, in the order in which they were made. */
export async function getL2Tokens(client: Client, { token, targetChain }: { token: Address; targetChain: SuretyChain }): Promise<Address[]> {
  const { address } = targetChain.contracts.optimismMintableErc20Factory;
  const events = await getContractEvents(client, {
    address,
    abi: optimismMintableERC20FactoryAbi,
    eventName: "OptimismMintableERC20Created",
    args: { remoteToken: token },
    fromBlock: 0n,
    strict: true,
  });
  return events.map(({ args }) => args.localToken);
}

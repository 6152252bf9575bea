import {
  type Address,
  type Hash,
  type Hex,
  type Log,
  encodeAbiParameters,
  isAddressEqual,
  keccak256,
  parseAbiParameters,
  parseEventLogs,
} from "viem";
import { serializeTransaction } from "viem/op-stack";
import { inboxAbi } from "./abi.js";
import { type SuretyChain, l1Address } from "./chain.js";

/** What a message is, as the inbox numbers it. */
export const messageKinds = ["deposit", "forced", "l1Info"] as const;

/** A message from L1 to L2, as the inbox took it. */
export type Message = {
  /** Place in {@link messageKinds}. */
  kind: number;
  /** Its number. */
  index: bigint;
  l1Block: bigint;
  /** Unix seconds. */
  l1Time: bigint;
  /** Who sends it on L2, aliased already if need be. */
  sender: Address;
  to: Address;
  /** Wei sent along on L2. */
  value: bigint;
  /** Wei that L2 creates for the sender first. */
  mint: bigint;
  /** Gas limit on L2. */
  gas: bigint;
  data: Hex;
};

const MESSAGE = parseAbiParameters("uint8, uint64, uint64, uint64, address, address, uint256, uint256, uint64, bytes32");
const SOURCE = parseAbiParameters("uint256, bytes32");
const MOST_MINT = 2n ** 128n - 1n;

/** The hash that the inbox' accumulator takes up. */
export function messageHash(message: Message): Hash {
  const { kind, index, l1Block, l1Time, sender, to, value, mint, gas, data } = message;
  return keccak256(encodeAbiParameters(MESSAGE, [kind, index, l1Block, l1Time, sender, to, value, mint, gas, keccak256(data)]));
}

/** The source hash of a message's deposit transaction: OP's form, with the inbox' domain 2. */
export function messageSourceHash(message: Message): Hash {
  return keccak256(encodeAbiParameters(SOURCE, [2n, messageHash(message)]));
}

/** The hash of the L2 transaction that a message is. */
export function messageTransactionHash(message: Message): Hash {
  const { sender, to, value, mint, gas, data } = message;
  const serialized = serializeTransaction({
    type: "deposit",
    sourceHash: messageSourceHash(message),
    from: sender,
    to,
    mint: mint > MOST_MINT ? MOST_MINT : mint,
    value,
    gas,
    isSystemTx: false,
    data,
  });
  return keccak256(serialized);
}

/**
 * The messages that an L1 transaction sent to `targetChain`, in order.
 *
 * @param receipt A receipt of L1, or its logs.
 */
export function getMessages({ logs }: { logs: readonly Log[] }, { targetChain }: { targetChain: SuretyChain }): Message[] {
  const inbox = l1Address(targetChain, "inbox");
  const ours = logs.filter((log) => isAddressEqual(log.address, inbox));
  return parseEventLogs({ abi: inboxAbi, eventName: "MessageSent", logs: ours }).map(({ args }) => {
    const { acc: _, ...message } = args;
    return message;
  });
}

/** The hashes of the L2 transactions that the messages of an L1 transaction are. */
export function getL2TransactionHashes(receipt: { logs: readonly Log[] }, chain: { targetChain: SuretyChain }): Hash[] {
  return getMessages(receipt, chain).map(messageTransactionHash);
}

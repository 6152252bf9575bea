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
import { l2ToL1MessagePasserAbi } from "./abi.js";
import { predeploys } from "./chain.js";
import { SuretyError } from "./errors.js";

/** A withdrawal as L2 recorded it; the OP Stack's shape. */
export type Withdrawal = {
  nonce: bigint;
  sender: Address;
  target: Address;
  /** Wei. */
  value: bigint;
  /** Gas that its call on L1 has. */
  gasLimit: bigint;
  data: Hex;
  withdrawalHash: Hash;
};

const WITHDRAWAL = parseAbiParameters("uint256, address, address, uint256, uint256, bytes");
const SLOT = parseAbiParameters("bytes32, uint256");

/** The hash under which L2 records a withdrawal and L1 pays it. */
export function withdrawalHash(withdrawal: Omit<Withdrawal, "withdrawalHash">): Hash {
  const { nonce, sender, target, value, gasLimit, data } = withdrawal;
  return keccak256(encodeAbiParameters(WITHDRAWAL, [nonce, sender, target, value, gasLimit, data]));
}

/** The storage slot of `L2ToL1MessagePasser.sentMessages[hash]`. */
export function withdrawalSlot(hash: Hash): Hash {
  return keccak256(encodeAbiParameters(SLOT, [hash, 0n]));
}

/**
 * The withdrawals that an L2 transaction began, in order; empty if it began none.
 *
 * @param receipt A receipt of L2, or its logs.
 * @throws {@link SuretyError} if the transaction failed.
 */
export function getWithdrawals(receipt: {
  logs: readonly Log[];
  status?: "success" | "reverted" | undefined;
  transactionHash?: Hash | undefined;
}): Withdrawal[] {
  if (receipt.status === "reverted")
    throw new SuretyError(`transaction ${receipt.transactionHash ?? ""} failed on L2: it withdrew nothing; begin again`);
  const passer = predeploys.l2ToL1MessagePasser.address;
  const logs = receipt.logs.filter((log) => isAddressEqual(log.address, passer));
  return parseEventLogs({ abi: l2ToL1MessagePasserAbi, eventName: "MessagePassed", logs }).map(({ args }) => args);
}

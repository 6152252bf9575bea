import { type Hash, type Hex, keccak256, toRlp } from "viem";
import { SuretyError } from "./errors.js";

/** The header's fields in their order (Isthmus), and whether they are quantities, which RLP has without leading zeros. */
const FIELDS = [
  ["parentHash", false],
  ["sha3Uncles", false],
  ["miner", false],
  ["stateRoot", false],
  ["transactionsRoot", false],
  ["receiptsRoot", false],
  ["logsBloom", false],
  ["difficulty", true],
  ["number", true],
  ["gasLimit", true],
  ["gasUsed", true],
  ["timestamp", true],
  ["extraData", false],
  ["mixHash", false],
  ["nonce", false],
  ["baseFeePerGas", true],
  ["withdrawalsRoot", false],
  ["blobGasUsed", true],
  ["excessBlobGas", true],
  ["parentBeaconBlockRoot", false],
  ["requestsHash", false],
] as const;

function quantity(value: Hex): Hex {
  const digits = BigInt(value).toString(16);
  return digits === "0" ? "0x" : `0x${digits.length % 2 ? "0" : ""}${digits}`;
}

/**
 * RLP of the header of an L2 block as JSON-RPC shows it.
 *
 * @param hash The block's hash, which the header must have.
 * @throws {@link SuretyError} if it is the header of another block.
 */
export function headerRlp(block: Record<string, unknown>, hash: Hash): Hex {
  const fields = FIELDS.map(([name, isQuantity]) => {
    const value = block[name];
    if (typeof value !== "string" || !/^0x[0-9a-f]*$/i.test(value))
      throw new SuretyError(`the L2 node shows block ${hash} without ${name}: use another`);
    return isQuantity ? quantity(value as Hex) : (value as Hex);
  });
  const rlp = toRlp(fields);
  if (keccak256(rlp) !== hash) throw new SuretyError(`the L2 node shows another header for block ${hash}: use another`);
  return rlp;
}

// What L1 says, by Foundry's `cast` alone: nothing of ours has a part in it.

import { execFileSync } from "node:child_process";
import { CAST } from "./harness.mjs";

/** The event of every penalty. */
export const SLASHED = "Slashed(uint64,address,uint64,address,uint256,uint256)";
const SEAT = "seat(uint64)((address,uint64,address,uint96,bytes32,uint64))";

/** Runs `cast`. */
export const cast = (...args) => execFileSync(CAST, args, { encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } }).trim();
/** A word of an event's data. */
export const word = (data, place) => BigInt(`0x${data.slice(2 + 64 * place, 2 + 64 * (place + 1))}`);

/** A seat's bond at a block. */
export function bondOf(registry, seat, block, at) {
  const fields = cast("call", registry, SEAT, `${seat}`, "--block", `${block}`, ...at);
  return BigInt(fields.replace(/[()]/g, "").split(",")[3].trim().split(" ")[0]);
}

/** A number from hex. */
export const number = (hex) => Number(BigInt(hex));

/** What the other checks ask of an L1. */
export function reader(l1Url) {
  const at = ["--rpc-url", l1Url];
  return {
    at,
    events: (address, event) =>
      JSON.parse(cast("logs", "--json", "--from-block", "0", "--address", address, cast("keccak", event), ...at)),
    receipt: (tx) => JSON.parse(cast("receipt", "--json", tx, ...at)),
    time: (block) => number(JSON.parse(cast("block", "--json", `${block}`, ...at)).timestamp),
  };
}

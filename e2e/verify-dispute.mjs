// Reads the figures of drills about wrong claims from L1 again, by `cast` and plain JSON-RPC.

import assert from "node:assert/strict";
import { rpc } from "./harness.mjs";
import { SLASHED, bondOf, cast, number, reader, word } from "./l1.mjs";

/** The drills that this is for. */
export const DISPUTES = ["invalid-state", "invalid-data", "late-parent", "self-dispute", "rival-spam"];

const FELL = "ClaimFell(bytes32,address,uint8)";
const MOVES = [
  "Moved(bytes32,uint8,uint8,uint40,bytes32[32])",
  "ClaimMade(bytes32,bytes32,address,uint8,bytes32,bytes32[32])",
  "ContestOpened(bytes32,bytes32,uint40,bytes32,bytes32[2])",
  "StepReached(bytes32,uint40,bytes32,bytes32[2])",
];
const JOINED = "PartyJoined(address,uint256)";
const PARTY_FELL = "PartyFell(address,address,uint256,uint256)";
const FROZEN = "SeatFrozen(uint64,uint64,uint64)";
const PAID = "WithdrawalPaid(bytes32,address,uint256)";
const BY_STEP = 2n;

const sum = (numbers) => numbers.reduce((sum, next) => sum + next, 0n);
const address = (topic) => `0x${topic.slice(26)}`.toLowerCase();

/** As `verify`, of a drill about wrong claims: what fell, who paid, when, and what it cost. */
export async function verifyDispute(report, chain, l1Url) {
  const { dispute, claims, slasher, preimages, registry, bridge, invalidState } = chain.addresses;
  const l1 = reader(l1Url);
  const ask = (to, call, ...args) => cast("call", to, call, ...args, ...l1.at).split(" ")[0];
  const fell = l1.events(dispute, FELL);
  const penalties = l1.events(slasher, SLASHED);
  const frozen = l1.events(registry, FROZEN);
  const parties = l1.events(dispute, PARTY_FELL);

  assert.equal(parties.length, report.parties_fallen, "parties that fell");
  assert.equal(sum(parties.map((log) => word(log.data, 0))).toString(), report.party_bonds_lost, "their bonds");
  assert.equal(MOVES.flatMap((event) => l1.events(dispute, event)).length, report.moves, "moves");
  assert.equal(l1.events(bridge, PAID).length, 0, "nothing was paid out");
  if (report.right_claim) {
    assert.equal(ask(claims, "isFinal(bytes32)(bool)", report.right_claim), "true", "the right claim is final");
  }

  // Transactions and gas of each side.
  const told = [dispute, claims, preimages, slasher];
  const logs = await rpc(l1Url, "eth_getLogs", { fromBlock: "0x0", toBlock: "latest", address: told });
  const sides = { own: [], other: [] };
  for (const hash of new Set(logs.map((log) => log.transactionHash))) {
    const receipt = await rpc(l1Url, "eth_getTransactionReceipt", hash);
    const side = receipt.from.toLowerCase() === report.challenger.toLowerCase() ? sides.own : sides.other;
    side.push(number(receipt.gasUsed));
  }
  const gas = (side) => Number(sum(side.map(BigInt)));
  assert.deepEqual([sides.own.length, gas(sides.own)], [report.challenger_txs, report.challenger_gas], "the challenger's gas");
  assert.deepEqual([sides.other.length, gas(sides.other)], [report.other_txs, report.other_gas], "the others' gas");
  assert.equal(Math.max(0, ...sides.own), report.challenger_most_gas, "the dearest of its transactions");
  const isOwn = (topic) => address(topic) === report.challenger.toLowerCase();
  const joined = l1.events(dispute, JOINED).filter((log) => isOwn(log.topics[1]));
  assert.equal(sum(joined.map((log) => word(log.data, 0))).toString(), report.challenger_bond, "what it had at risk");
  const rewards = parties.filter((log) => isOwn(log.topics[2])).map((log) => word(log.data, 1));
  const reported = penalties.filter((log) => address(`0x${log.data.slice(2, 66)}`) === report.challenger.toLowerCase());
  assert.equal(sum([...rewards, ...reported.map((log) => word(log.data, 2))]).toString(), report.challenger_reward, "its reward");

  const falls = fell.filter((log) => log.topics[1] === report.claim);
  if (report.wrong_claims_fallen === 0) {
    assert.equal(falls.length, 0, "the claim stands");
    assert.equal(frozen.length, 0, "nobody is frozen");
    assert.equal(report.passed, false, "passed without a verdict");
    return;
  }
  assert.equal(falls.length, 1, "the wrong claim fell once");
  assert.equal(ask(claims, "isLive(bytes32,uint64)(bool)", report.claim, `${report.batch}`), "false");
  const last = fell.find((log) => log.transactionHash === report.fell_tx);
  assert.equal(number(last.blockNumber), report.fell_at_block, "the last fall");
  const fellAt = l1.time(report.fell_at_block);
  assert.equal(fellAt - l1.time(report.claimed_at_block), report.seconds_to_fall, "the time until then");
  const postedAt = report.right_claimed_at;
  const finalAt = Math.max(Number(ask(claims, "finalAt(bytes32)(uint64)", report.right_claim)), fellAt);
  assert.equal(finalAt - postedAt, report.seconds_to_final, "the time until the right claim is final");
  assert.equal(report.challenge_period, Number(chain.protocol.challengePeriod));
  if (report.step_tx) {
    const step = fell.filter((log) => log.transactionHash === report.step_tx && BigInt(log.data) === BY_STEP);
    assert.ok(step.length > 0, "the machine decided");
    assert.equal(number(l1.receipt(report.step_tx).gasUsed), report.step_gas);
  }

  // Who signed.
  const verdicts = new Set(fell.map((log) => log.transactionHash));
  const inVerdict = frozen.filter((log) => verdicts.has(log.transactionHash));
  assert.equal(inVerdict.length, report.seats_frozen, "frozen with the verdict");
  assert.equal(frozen.length - inVerdict.length, report.innocents_slashed, "frozen otherwise");
  const guilty = inVerdict.map((log) => BigInt(log.topics[1]));
  for (const seat of guilty) assert.equal(bondOf(registry, seat, "latest", l1.at), 0n, `bond of seat ${seat}`);
  assert.equal(guilty.length, report.seats_slashed);
  const taken = penalties.filter((log) => guilty.includes(BigInt(log.topics[1])));
  assert.equal(sum(taken.map((log) => word(log.data, 1))).toString(), report.seat_bonds_lost, "their bonds");
  for (const seat of guilty) {
    assert.ok(taken.some((log) => BigInt(log.topics[1]) === seat && BigInt(log.topics[2]) === BigInt(invalidState)), "for a wrong state");
  }
  if (report.passed) {
    assert.ok(report.seconds_to_final <= report.challenge_period + 90, "in time");
    assert.equal(BigInt(report.seat_bonds_lost), BigInt(chain.protocol.bond) * BigInt(guilty.length), "all of each bond");
    assert.equal(guilty.length, report.drill === "rival-spam" ? 0 : 3);
    if (report.drill === "invalid-state") assert.ok(report.step_tx, "down to a step");
  }
}

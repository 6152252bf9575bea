// Reads a drill's figures from L1 again, by Foundry's `cast` alone, and compares them with what the drill says. As a program:
//   node verify-drill.mjs REPORT.json CHAIN.json L1_URL

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import assert from "node:assert/strict";
import { SLASHED, bondOf, cast, number, reader, word } from "./l1.mjs";
import { DISPUTES, verifyDispute } from "./verify-dispute.mjs";


/** The bonds of all seats together, which must be one bond a seat: nobody's has changed. */
function untouchedBonds(registry, chain, at) {
  const seats = BigInt(cast("call", registry, "seatCount()(uint64)", ...at).split(" ")[0]);
  let sum = 0n;
  for (let seat = 1n; seat <= seats; seat++) sum += bondOf(registry, seat, "latest", at);
  assert.ok(seats >= 4n, `${seats} seats`);
  assert.equal(sum, seats * BigInt(chain.protocol.bond), "the sum of the bonds");
  return sum;
}

/** Throws unless every figure of the report is what L1 says. Returns what L1 says. */
export function verify(report, chain, l1Url) {
  const { slasher, registry, equivocation } = chain.addresses;
  const at = ["--rpc-url", l1Url];
  const topic = cast("keccak", SLASHED);
  const logs = JSON.parse(cast("logs", "--json", "--from-block", "0", "--address", slasher, topic, ...at));
  assert.equal(logs.length, report.seats_slashed, "seats slashed");
  if (logs.length === 0) {
    assert.equal(report.report_tx, null);
    assert.equal(report.slashed_at_block, null);
    assert.equal(report.passed && report.drill !== "crash", false, "passed without a penalty");
    if (report.drill === "crash") {
      const sum = untouchedBonds(registry, chain, at);
      assert.equal(sum.toString(), report.bond_before, "bonds before");
      assert.equal(sum.toString(), report.bond_after, "bonds after");
    }
    return { logs };
  }
  const [log] = logs;
  const [, seatTopic, faultTopic] = log.topics;
  const seat = BigInt(seatTopic).toString();
  const [penalty, reward] = [word(log.data, 1), word(log.data, 2)];
  const reporter = `0x${log.data.slice(26, 66)}`;
  assert.equal(log.transactionHash, report.report_tx, "the report's transaction");
  assert.equal(BigInt(faultTopic), BigInt(equivocation), "the fault");
  assert.equal(Number(BigInt(log.blockNumber)), report.slashed_at_block, "the block of the penalty");
  assert.equal(report.slashed_at_block - report.offence_at_block, report.l1_blocks_to_slash, "blocks to the penalty");
  assert.equal(reward.toString(), report.reward, "the reward");

  const receipt = JSON.parse(cast("receipt", "--json", report.report_tx, ...at));
  assert.equal(BigInt(receipt.status), 1n, "the report succeeded");
  assert.equal(receipt.to.toLowerCase(), slasher.toLowerCase(), "the report went to the slasher");
  assert.equal(Number(BigInt(receipt.gasUsed)), report.gas_used, "gas");

  const bond = (block) => bondOf(registry, seat, block, at);
  assert.equal(bond(report.offence_at_block).toString(), report.bond_before, "bond before");
  assert.equal(bond(report.slashed_at_block).toString(), report.bond_after, "bond after");
  assert.equal(BigInt(report.bond_before) - BigInt(report.bond_after), penalty, "the penalty left the bond");
  assert.ok(reward > 0n && reward < penalty, "the reward is a part of the penalty");
  const credited = BigInt(cast("call", slasher, "rewardOf(address)(uint256)", reporter, ...at).split(" ")[0]);
  assert.equal(credited, reward, "the reporter is credited");
  return { logs, seat, penalty, reward, reporter, gasUsed: Number(BigInt(receipt.gasUsed)) };
}

const ATTENDED = "Attended(uint64,uint64,uint64,bytes32)";
const MESSAGE = "MessageSent(uint64,uint8,uint64,uint64,address,address,uint256,uint256,uint64,bytes,bytes32)";
const BATCH = "(uint64,uint64,bytes32,uint64,uint64,bytes32,bytes32,bytes32,bytes32,uint64,uint64,bytes32,bytes32,bytes32)";
const POSTED = `BatchPosted(uint64,bytes32,uint64,${BATCH})`;
const BONDED = "ClaimBonded(bytes32,uint64,address,bool,(uint64,uint64,bytes32,bytes32,bytes32,bytes32))";
const PAID = "WithdrawalPaid(bytes32,address,uint256)";

/** Blocks with messages that an account sent to L2. */
function messagesOf(l1, inbox, account) {
  const needle = account.slice(2).toLowerCase();
  const sent = l1.events(inbox, MESSAGE).filter((log) => [...log.topics.slice(1), log.data].some((part) => part.toLowerCase().includes(needle)));
  return sent.map((log) => number(log.blockNumber));
}

/** As `verify`, of the drill of censorship: what was sent, attended to, sequenced and fined. */
export function verifyCensorship(report, chain, l1Url) {
  const { slasher, inbox, idle } = chain.addresses;
  const l1 = reader(l1Url);
  const fines = l1.events(slasher, SLASHED);
  const seats = fines.map((log) => number(log.topics[1]));
  const innocents = fines.filter((log) => BigInt(log.topics[2]) !== BigInt(idle) || number(log.topics[1]) === report.attended_seat);
  assert.equal(innocents.length, report.innocents_fined, "innocents fined");
  assert.equal(fines.length - innocents.length, report.seats_fined, "seats fined");
  assert.equal(new Set(seats).size, seats.length, "each seat once");
  assert.deepEqual(fines.map((log) => log.transactionHash), report.report_txs, "the reports");
  assert.equal(fines.reduce((sum, log) => sum + word(log.data, 1), 0n).toString(), report.fined, "the fines");
  const gas = report.report_txs.map((tx) => number(l1.receipt(tx).gasUsed));
  assert.equal(gas.length ? Math.max(...gas) : null, report.gas_used, "gas");

  const blocks = messagesOf(l1, inbox, report.account);
  assert.ok(blocks.includes(report.forced_at_block), "the forced transaction is on L1");
  if (report.lapsed_at_block !== null) assert.ok(blocks.includes(report.lapsed_at_block), "so is the other");
  if (report.attended_tx) {
    const log = l1.events(idle, ATTENDED).find((log) => log.transactionHash === report.attended_tx);
    assert.ok(log, "the attendance is on L1");
    assert.equal(number(log.topics[1]), report.attended_seat, "whose it is");
  }
  if (report.self_sequenced_tx) {
    const receipt = l1.receipt(report.self_sequenced_tx);
    assert.equal(BigInt(receipt.status), 1n);
    assert.equal(number(receipt.blockNumber), report.self_sequenced_at_block);
    const seconds = l1.time(report.self_sequenced_at_block) - l1.time(report.lapsed_at_block);
    assert.equal(seconds, report.seconds_to_self_sequencing, "the time until anyone sequenced it");
  }
  if (report.passed) {
    assert.ok(report.seconds_to_inclusion <= Number(chain.protocol.forceDelay), "forced in time");
    assert.equal(report.seats_fined, 3);
  }
}

/** As `verify`, of the drill without sequencers: what was forced, sequenced, claimed and paid. */
export function verifyHalt(report, chain, l1Url) {
  const { inbox, claims, bridge } = chain.addresses;
  const l1 = reader(l1Url);
  // In a control, a machine that is busy may keep the committee late: then somebody else sequences, too.
  const since = report.halted_at_block ?? 0;
  const sequenced = l1.events(inbox, POSTED).filter((log) => word(log.data, 0) === 0n && number(log.blockNumber) >= since);
  if (report.halted_at_block === null || report.self_sequenced_tx === null) {
    assert.equal(sequenced[0]?.transactionHash ?? null, report.self_sequenced_tx, "what was sequenced by anyone");
    assert.equal(report.passed, false);
    return;
  }
  assert.equal(sequenced[0].transactionHash, report.self_sequenced_tx);
  assert.equal(number(sequenced[0].blockNumber), report.self_sequenced_at_block);
  const [bonded] = l1.events(claims, BONDED);
  assert.equal(bonded.transactionHash, report.claimed_tx, "the claim");
  assert.equal(number(bonded.blockNumber), report.claimed_at_block);
  const paid = l1.events(bridge, PAID).find((log) => log.transactionHash === report.paid_tx);
  assert.equal(word(paid.data, 0).toString(), report.paid, "what was paid");
  assert.equal(number(paid.blockNumber), report.paid_at_block);
  const to = `0x${paid.topics[2].slice(26)}`;
  assert.equal(cast("balance", to, ...l1.at), report.paid, "the user has it");
  assert.equal(l1.time(report.paid_at_block) - l1.time(report.forced_at_block), report.seconds_to_payment);
  const period = number(cast("call", claims, "challengePeriod()(uint64)", ...l1.at).split(" ")[0]);
  assert.ok(l1.time(report.paid_at_block) - l1.time(report.claimed_at_block) >= period, "not before the claim was final");
  // No committee signed anything after the halt.
  const signed = l1.events(inbox, POSTED).filter((log) => word(log.data, 0) !== 0n);
  assert.ok(signed.every((log) => number(log.blockNumber) <= report.halted_at_block + 1), "the sequencers were dead");
}

/** As `verify`, of the drill in which nobody acts: who left with what. */
export function verifyEscape(report, chain, l1Url) {
  const { bridge, claims } = chain.addresses;
  const l1 = reader(l1Url);
  const opened = l1.events(bridge, "EscapeOpened(bytes32,bytes32)");
  if (report.opened_tx === null) {
    assert.equal(opened.length, 0, "the chain lives");
    assert.equal(report.passed, false);
    return;
  }
  assert.equal(opened[0].transactionHash, report.opened_tx);
  assert.equal(number(opened[0].blockNumber), report.opened_at_block);
  assert.equal(l1.time(report.opened_at_block) - l1.time(report.halted_at_block), report.seconds_to_opening);
  const escaped = l1.events(bridge, "Escaped(address,address,uint256)").filter((log) => BigInt(log.topics[1]) === BigInt(report.account));
  assert.equal(escaped.length, 1, "once");
  assert.equal(word(escaped[0].data, 0).toString(), report.escaped, "its ether");
  const to = `0x${escaped[0].topics[2].slice(26)}`;
  const refunds = l1.events(bridge, "MessageRefunded(uint64,address,uint256)");
  const refunded = refunds.reduce((sum, log) => sum + word(log.data, 0), 0n);
  assert.equal(refunded.toString(), report.refunded, "what came back");
  assert.equal(BigInt(cast("balance", to, ...l1.at)), BigInt(report.escaped) + refunded, "it has both");
  const tokens = l1.events(chain.genesis.l1StandardBridge, "TokensEscaped(address,address,address,uint256)");
  assert.equal(tokens.reduce((sum, log) => sum + word(log.data, 0), 0n).toString(), report.tokens, "its tokens");
  assert.notEqual(number(cast("call", claims, "endedAt()(uint64)", ...l1.at).split(" ")[0]), 0, "the chain has ended");
  assert.match(report.second_escape, /EscapedBefore/);
}

const FIELDS = "uint64 rollup,uint64 term,bytes32 genesis,uint64 firstHeight,uint64 lastHeight,bytes32 parentClaim,bytes32 prevHash,bytes32 lastHash,bytes32 blockHashRoot,uint64 lastBlockTime,uint64 messageCount,bytes32 messageAcc,bytes32 inboxTip,bytes32 dataHash";

/** A batch as its event states it. */
function statementOf(log) {
  // After the number of signers, all of it words.
  const words = log.data.slice(2 + 64);
  const at = (place) => number(`0x${words.slice(64 * place, 64 * (place + 1))}`);
  const dataHash = `0x${words.slice(64 * 13, 64 * 14)}`;
  const statement = cast("keccak", cast("keccak", `Batch(${FIELDS})`) + words.slice(0, 64 * 14));
  return { index: number(log.topics[1]), first: at(3), last: at(4), dataHash, statement };
}

const place = (log) => ({ block: number(log.blockNumber), block_hash: log.blockHash, transaction: log.transactionHash });

/**
 * As `verify`, of the drill in which L1 takes blocks back. `seen` are the events of batches that somebody else read from L1
 * while the drill ran: those that L1 has no more must be in the report as they were.
 */
export function verifyL1Reorg(report, chain, l1Url, seen = []) {
  const { slasher, registry, inbox } = chain.addresses;
  const l1 = reader(l1Url);
  const block = (which) => JSON.parse(cast("block", "--json", `${which}`, ...l1.at));
  for (const [key, name] of [["settled_depth", "settledDepth"], ["force_delay", "forceDelay"], ["max_gap", "maxGap"]]) {
    assert.equal(report[key], Number(chain.protocol[name]), name);
  }
  assert.ok(report.finality_lag >= report.settled_depth, "L1's finality is as far behind as what settles");
  assert.equal(number(block("latest").number) - number(block("finalized").number), report.finality_lag, "finality");
  assert.equal(block(report.ancestor_block).hash, report.ancestor_hash, "what stayed");
  assert.equal(l1.events(slasher, SLASHED).length, report.seats_slashed, "seats slashed");
  const bonds = untouchedBonds(registry, chain, l1.at);
  assert.equal(bonds.toString(), report.bond_before, "bonds before");
  assert.equal(bonds.toString(), report.bond_after, "bonds after");

  const posted = l1.events(inbox, POSTED).map((log) => ({ ...statementOf(log), at: place(log) }));
  assert.deepEqual(posted.map(({ index }) => index), posted.map((_, at) => at + 1), "each batch stands once, in order");
  const deposits = l1.events(inbox, MESSAGE).filter((log) => log.data.slice(2 + 64 * 4, 2 + 64 * 5).endsWith(report.deposit_to.slice(2).toLowerCase()));
  assert.equal(deposits.length, 1, "the deposit is on L1, once");

  if (report.reorg_depth === 0) {
    assert.equal(block(report.head_block).hash, report.head_hash, "L1 took nothing back");
    assert.deepEqual(place(deposits[0]), { ...place(deposits[0]), block: report.deposit_at_block, transaction: report.deposit_tx });
    assert.deepEqual(report.batches, []);
    assert.equal(report.passed, false);
    return;
  }
  assert.equal(report.head_block - report.ancestor_block, report.reorg_depth, "the depth");
  assert.notEqual(block(report.head_block).hash, report.head_hash, "L1 took blocks back");
  // A small reorg may have waited for a batch until the deposit was too deep for it.
  const isTaken = report.deposit_at_block > report.ancestor_block;
  if (isTaken) assert.ok(place(deposits[0]).block > report.head_block, "the deposit was taken back and came again");
  else assert.equal(place(deposits[0]).block, report.deposit_at_block, "the deposit stayed");

  for (const batch of report.batches) {
    const now = posted.find(({ index }) => index === batch.index);
    assert.equal(batch.identical, now?.statement === batch.statement, `batch ${batch.index}`);
    assert.ok(batch.before.block > report.ancestor_block && batch.before.block <= report.head_block);
    assert.notEqual(block(batch.before.block).hash, batch.before.block_hash, "its block is gone");
    if (!now) continue;
    assert.deepEqual(batch.after, now.at, "where it stands");
    assert.ok(now.at.block > report.head_block, "after the reorg");
    if (!batch.identical) continue;
    assert.deepEqual([batch.first_l2_block, batch.last_l2_block], [now.first, now.last]);
    if (batch.blobs.length) {
      const transaction = JSON.parse(cast("tx", "--json", now.at.transaction, ...l1.at));
      assert.deepEqual(transaction.blobVersionedHashes, batch.blobs, "its blobs, by their commitments");
      assert.equal(cast("keccak", `0x01${batch.blobs.map((hash) => hash.slice(2)).join("")}`), now.dataHash, "which the statement names");
    }
  }
  // A pause between two looks may hide some of what was there; nothing that was seen may be missing or other.
  const lost = seen.filter(({ blockHash }) => !posted.some(({ at }) => at.block_hash === blockHash));
  const isBefore = (log) => number(log.blockNumber) <= report.head_block;
  for (const log of lost.filter(isBefore)) {
    const said = report.batches.find(({ index }) => index === number(log.topics[1]));
    assert.deepEqual(said?.before, place(log), "seen before the reorg");
    assert.equal(said.statement, statementOf(log).statement, "as it was stated then");
  }
  assert.equal(report.batches_reorged, report.batches.length);
  assert.equal(report.batches_reposted_identical, report.batches.filter(({ identical }) => identical).length);
  if (report.l1_blocks_to_repost !== null) {
    const newest = Math.max(...report.batches.map(({ after }) => after.block));
    assert.equal(newest - report.head_block, report.l1_blocks_to_repost, "blocks until all stood again");
  }
  const later = posted.find(({ first, last }) => first <= report.later_tx_in_l2_block && report.later_tx_in_l2_block <= last);
  assert.equal(later?.at.block ?? null, report.later_batch_at_block, "the batch of the later transaction");
  if (report.passed) {
    assert.ok(report.batches_reorged > 0 && report.batches_reorged === report.batches_reposted_identical);
    assert.ok(report.later_batch_at_block > report.head_block, "the chain goes on");
    assert.ok(report.follower_safe >= report.deposit_in_l2_block && report.follower_safe <= posted.at(-1).last, "a follower has it from L1");
    assert.equal(report.l2_blocks_changed, 0);
    assert.equal(report.seats_slashed, 0);
  }
  return { lost: lost.filter(isBefore).length };
}

/** The event of a batch, and what to look for in all of L1. */
export const batchTopic = () => cast("keccak", POSTED);

/** The check of each drill. */
export const CHECKS = {
  censorship: verifyCensorship,
  halt: verifyHalt,
  escape: verifyEscape,
  "l1-reorg": verifyL1Reorg,
  ...Object.fromEntries(DISPUTES.map((name) => [name, verifyDispute])),
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [report, chain, l1Url] = process.argv.slice(2);
  if (!l1Url) {
    console.error("usage: node verify-drill.mjs REPORT.json CHAIN.json L1_URL");
    process.exit(2);
  }
  const read = (path) => JSON.parse(readFileSync(path, "utf8"));
  const said = read(report);
  await (CHECKS[said.drill] ?? verify)(said, read(chain), l1Url);
  console.log("L1 says the same");
}

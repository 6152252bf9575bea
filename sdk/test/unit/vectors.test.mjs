// Hashes against the golden vectors that the contracts and the Rust code are held to.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { concat, encodeAbiParameters, encodeEventTopics, keccak256, toHex, toRlp } from "viem";
import {
  claimId,
  getL2TransactionHashes,
  getMessages,
  getWithdrawals,
  inboxAbi,
  joinProofs,
  l2ToL1MessagePasserAbi,
  messageHash,
  messageSourceHash,
  messageTransactionHash,
  withdrawalHash,
  withdrawalSlot,
} from "@surety/sdk";
import { committed, generate } from "../../scripts/abi.mjs";
import { targetChain, log } from "./chain.mjs";

const vectors = (name) => JSON.parse(readFileSync(new URL(`../../../contracts/vectors/${name}.json`, import.meta.url), "utf8"));
const messages = vectors("messages").cases.map((one) => {
  const [index, l1Block, l1Time, value, mint, gas] = [one.index, one.l1Block, one.l1Time, one.value, one.mint, one.gas].map(BigInt);
  return { ...one, index, l1Block, l1Time, value, mint, gas };
});
const withdrawals = vectors("withdrawals").sent.map((one) => {
  const [nonce, value, gasLimit] = [one.nonce, one.value, one.gasLimit].map(BigInt);
  return { ...one, nonce, value, gasLimit };
});

test("the ABIs are those of the committed artifacts", () => {
  assert.equal(committed(), generate(), "npm run abi");
});

test("messages hash as the inbox and the chain do", () => {
  assert.ok(messages.length >= 4);
  for (const message of messages) {
    assert.equal(messageHash(message), message.messageHash);
    assert.equal(messageSourceHash(message), message.sourceHash);
  }
});

test("a message's transaction is the deposit of its fields, with a mint of at most 128 bits", () => {
  const [first] = messages;
  const beyond = { ...first, mint: 2n ** 200n };
  for (const message of [...messages, { ...beyond, sourceHash: messageSourceHash(beyond) }]) {
    const { sourceHash, sender, to, mint, value, gas, data } = message;
    const quantity = (wei) => (wei === 0n ? "0x" : toHex(wei));
    const most = 2n ** 128n - 1n;
    const rlp = toRlp([sourceHash, sender, to, quantity(mint > most ? most : mint), quantity(value), quantity(gas), "0x", data]);
    assert.equal(messageTransactionHash(message), keccak256(concat(["0x7e", rlp])));
  }
});

test("a receipt of L1 tells the messages of its chain and no others", () => {
  const inbox = targetChain.contracts.inbox[targetChain.sourceId].address;
  const logs = messages.slice(0, 3).map((message) => {
    const event = inboxAbi.find((entry) => entry.name === "MessageSent");
    const fields = event.inputs.filter((input) => !input.indexed);
    const values = fields.map(({ name }) => message[name]);
    const topics = encodeEventTopics({ abi: inboxAbi, eventName: "MessageSent", args: { index: message.index } });
    return log(inbox, topics, encodeAbiParameters(fields, values));
  });
  const receipt = { logs: [{ ...logs[2], address: `0x${"99".repeat(20)}` }, ...logs, log(inbox, [keccak256("0x")], "0x")] };
  assert.deepEqual(getL2TransactionHashes(receipt, { targetChain }), messages.slice(0, 3).map(messageTransactionHash));
  assert.deepEqual(getMessages(receipt, { targetChain }).map(messageHash), messages.slice(0, 3).map((message) => message.messageHash));
});

test("withdrawals have the hash and the slot that L2 records", () => {
  assert.ok(withdrawals.length >= 2);
  for (const withdrawal of withdrawals) {
    assert.equal(withdrawalHash(withdrawal), withdrawal.hash);
    assert.equal(withdrawalSlot(withdrawal.hash), withdrawal.slot);
  }
});

test("a receipt of L2 tells its withdrawals; one of a failed transaction is refused", () => {
  const passer = targetChain.contracts.l2ToL1MessagePasser.address;
  const logs = withdrawals.map(({ nonce, sender, target, value, gasLimit, data, hash }) => {
    const topics = encodeEventTopics({ abi: l2ToL1MessagePasserAbi, eventName: "MessagePassed", args: { nonce, sender, target } });
    const types = ["uint256", "uint256", "bytes", "bytes32"].map((type) => ({ type }));
    return log(passer, topics, encodeAbiParameters(types, [value, gasLimit, data, hash]));
  });
  const found = getWithdrawals({ logs: [...logs, { ...logs[0], address: `0x${"99".repeat(20)}` }] });
  assert.deepEqual(found.map((one) => one.withdrawalHash), withdrawals.map((one) => one.hash));
  assert.deepEqual(found.map(withdrawalHash), withdrawals.map((one) => one.hash));
  assert.deepEqual(getWithdrawals({ logs: [] }), []);
  assert.throws(() => getWithdrawals({ logs, status: "reverted", transactionHash: "0x01" }), /0x01 failed on L2/);
});

test("claims have the ids that L1 gives them", () => {
  const { claims } = vectors("claims");
  assert.ok(claims.length >= 3);
  for (const claim of claims) assert.equal(claimId({ ...claim, rollup: BigInt(claim.rollup), batchIndex: BigInt(claim.batchIndex) }), claim.id);
});

test("nodes of several proofs stand once, and paths lead back to the proofs", () => {
  const proofs = withdrawals.map(({ proof }) => proof);
  const { nodes, paths } = joinProofs(proofs);
  assert.equal(new Set(nodes).size, nodes.length);
  assert.ok(nodes.length < proofs.flat().length, "they share the root");
  const again = paths.map((path) => path.slice(2).match(/../g).map((place) => nodes[parseInt(place, 16)]));
  assert.deepEqual(again, proofs);
  assert.throws(() => joinProofs(Array.from({ length: 257 }, (_, place) => [toHex(place)])), /prove fewer/);
});

// Nodes that lie, lag or change their mind, made up here: what the actions on L2 do about it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createPublicClient, custom, encodeAbiParameters, encodeEventTopics, keccak256, toHex, toRlp } from "viem";
import { WaitTimeoutError, buildProveWithdrawal, genesisClaim, getFinality, inboxAbi, messageTransactionHash, waitForMessage, withdrawalHash, withdrawalSlot } from "@surety/sdk";
import { log, targetChain } from "./chain.mjs";

const word = (byte) => `0x${byte.repeat(32)}`;
const address = (byte) => `0x${byte.repeat(20)}`;

/** A client whose node answers from a table of functions. */
function clientOf(answers) {
  const request = async ({ method, params }) => {
    assert.ok(method in answers, `${method} is not asked for`);
    return answers[method](params);
  };
  return createPublicClient({ transport: custom({ request }, { retryCount: 0 }), pollingInterval: 1 });
}

describe("a proof", () => {
  const fields = {
    parentHash: word("01"), sha3Uncles: word("02"), miner: address("03"), stateRoot: word("04"), transactionsRoot: word("05"), receiptsRoot: word("06"),
    logsBloom: `0x${"00".repeat(256)}`, difficulty: "0x0", number: "0x80", gasLimit: "0x1c9c380", gasUsed: "0x0", timestamp: "0x6b49d200", extraData: "0x00", mixHash: word("07"),
    nonce: "0x0000000000000000", baseFeePerGas: "0x1", withdrawalsRoot: word("08"), blobGasUsed: "0x0", excessBlobGas: "0x0", parentBeaconBlockRoot: word("09"), requestsHash: word("0a"),
  };
  const quantities = { difficulty: "0x", number: "0x80", gasLimit: "0x01c9c380", gasUsed: "0x", timestamp: "0x6b49d200", baseFeePerGas: "0x01", blobGasUsed: "0x", excessBlobGas: "0x" };
  const header = toRlp(Object.entries(fields).map(([name, value]) => quantities[name] ?? value));
  const claim = { ...genesisClaim(targetChain), batchIndex: 3n, lastHash: keccak256(header) };
  const inner = { nonce: 1n, sender: address("aa"), target: address("bb"), value: 5n, gasLimit: 100_000n, data: "0x" };
  const withdrawal = { ...inner, withdrawalHash: withdrawalHash(inner) };
  const slot = withdrawalSlot(withdrawal.withdrawalHash);
  const build = (block, storageProof, of = withdrawal) =>
    buildProveWithdrawal(clientOf({ eth_getBlockByHash: () => block, eth_getProof: () => ({ storageProof }) }), { withdrawal: of, claim });
  const right = [{ key: slot, value: "0x1", proof: ["0x01", "0x02"] }];

  test("is what the bridge takes", async () => {
    const proof = await build({ ...fields, hash: claim.lastHash, transactions: [] }, right);
    assert.deepEqual(proof, { withdrawal, claim, header, storageProof: ["0x01", "0x02"] });
  });

  test("of a node that lags, leaves something out or shows another block is refused", async () => {
    await assert.rejects(build(null, right), /does not have block/);
    await assert.rejects(build({ ...fields, stateRoot: word("ff") }, right), /another header/);
    await assert.rejects(build({ ...fields, requestsHash: undefined }, right), /without requestsHash/);
    await assert.rejects(build({ ...fields, gasUsed: "zero" }, right), /without gasUsed/);
    await assert.rejects(build(fields, []), /left a proof out/);
    await assert.rejects(build(fields, [{ ...right[0], key: word("0b") }]), /left a proof out/);
    await assert.rejects(build(fields, [{ ...right[0], value: "0x0" }]), /not in the state/);
  });

  test("of a withdrawal that was changed is not asked for", async () => {
    await assert.rejects(build(fields, right, { ...withdrawal, value: 6n }), /another hash/);
  });
});

describe("a message", () => {
  const messageAt = (l1Block) => ({
    kind: 0, index: 4n, l1Block, l1Time: 2n * l1Block, sender: address("aa"), to: address("bb"), value: 5n, mint: 6n, gas: 100_000n, data: "0x",
  });
  const transactionHash = word("77");
  const receiptAt = (l1Block) => {
    const message = messageAt(l1Block);
    const fields = inboxAbi.find((entry) => entry.name === "MessageSent").inputs.filter((input) => !input.indexed);
    const topics = encodeEventTopics({ abi: inboxAbi, eventName: "MessageSent", args: { index: message.index } });
    const data = encodeAbiParameters(fields, fields.map(({ name }) => message[name] ?? word("00")));
    return { transactionHash, status: "0x1", logs: [log(targetChain.contracts.inbox[1337].address, topics, data, toHex(l1Block))] };
  };
  const sent = { ...receiptAt(10n), status: "success" };
  /** An L2 that knows the transactions of some messages. */
  const l2With = (...messages) => {
    const known = messages.map(messageTransactionHash);
    return clientOf({ eth_getTransactionReceipt: ([hash]) => (known.includes(hash) ? { transactionHash: hash, status: "0x1", logs: [] } : null) });
  };

  test("is found on L2 by its transaction's hash", async () => {
    const found = await waitForMessage(l2With(messageAt(10n)), { targetChain, receipt: sent });
    assert.deepEqual([found.transactionHash, found.status], [messageTransactionHash(messageAt(10n)), "success"]);
    await assert.rejects(waitForMessage(l2With(), { targetChain, receipt: sent, timeout: 20 }), WaitTimeoutError);
  });

  test("that is another one after a reorganisation of L1 is followed", async () => {
    let looks = 0;
    const l1Client = clientOf({ eth_getTransactionReceipt: () => (++looks < 3 ? null : receiptAt(12n)) });
    const found = await waitForMessage(l2With(messageAt(12n)), { targetChain, receipt: sent, l1Client });
    assert.equal(found.transactionHash, messageTransactionHash(messageAt(12n)));
    assert.equal(looks, 3);
  });

  test("that a transaction did not send is not waited for", async () => {
    const wait = (receipt, more) => waitForMessage(l2With(), { targetChain, receipt, ...more });
    await assert.rejects(wait({ ...sent, logs: [] }), /sent no message 0/);
    await assert.rejects(wait(sent, { index: 1 }), /sent no message 1/);
    await assert.rejects(wait({ ...sent, status: "reverted" }), /failed on L1/);
  });
});

test("finality is read as the node writes it", async () => {
  const answers = [];
  const client = clientOf({ surety_finality: ([height]) => (answers.push(height), height === "0x10" ? { height, hash: word("01"), level: "posted", batch: "0x2", claim: word("02"), l1Block: "0x64", l1Transaction: word("03"), challengeEnds: "0x6b49d200" } : height === "0x11" ? { height, hash: word("01"), level: "soft", batch: null, claim: null, l1Block: null, l1Transaction: null, challengeEnds: null } : null) });
  const finality = await getFinality(client, { blockNumber: 16n });
  assert.deepEqual(finality, { height: 16n, hash: word("01"), level: "posted", batch: 2n, claim: word("02"), l1Block: 100n, l1Transaction: word("03"), challengeEnds: 1_800_000_000n });
  assert.equal((await getFinality(client, { blockNumber: 17n })).batch, null);
  assert.equal(await getFinality(client, { blockNumber: 18n }), null);
  await assert.rejects(getFinality(client, { blockNumber: -1n }), /not below zero/);
  assert.deepEqual(answers, ["0x10", "0x11", "0x12"]);
});

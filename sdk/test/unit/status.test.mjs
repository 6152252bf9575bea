// Where withdrawals stand, as read from an L1 that is made up here: only its logs and the contracts' answers are given.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  createPublicClient,
  custom,
  decodeFunctionData,
  encodeAbiParameters,
  encodeEventTopics,
  encodeFunctionData,
  encodeFunctionResult,
  keccak256,
  parseAbiParameters,
  toHex,
  zeroHash,
} from "viem";
import { Records, SuretyError, WaitTimeoutError, bridgeAbi, claimId, claimsAbi, genesisClaim, inboxAbi, l1CrossDomainMessengerAbi, l2ToL1MessagePasserAbi, publicActionsL1, withdrawalHash } from "@surety/sdk";
import { log, targetChain } from "./chain.mjs";

const HEAD = 5_000n;
const NOW = 1_800_000_000n;
const [inbox, claims, bridge, messenger] = ["inbox", "claims", "bridge", "l1CrossDomainMessenger"].map((name) => targetChain.contracts[name][targetChain.sourceId].address);
const hash = (text) => keccak256(toHex(text));
const event = (abi, name) => abi.find((entry) => entry.type === "event" && entry.name === name);

/**
 * An L1 with a batch every 100 blocks, of ten L2 blocks each.
 *
 * @param batches For each batch the claims that stand: names, or none if it was self-sequenced and nobody claimed it.
 * @param finalAt Of a claim's name, when it is final.
 */
function makeL1({ batches, finalAt = () => 0n, isFinal = (name) => finalAt(name) <= NOW, bridgeStatus = 0, end, relay = {}, mostBlocks = 250n }) {
  const known = new Map([[claimId(genesisClaim(targetChain)), { name: "genesis", claim: genesisClaim(targetChain) }]]);
  const logs = [];
  let parent = genesisClaim(targetChain);
  batches.forEach((names, place) => {
    const batchIndex = BigInt(place + 1);
    const block = toHex(100n * batchIndex);
    const made = names.map((name) => ({
      name,
      claim: { rollup: BigInt(targetChain.id), batchIndex, parentId: claimId(parent), prevHash: parent.lastHash, lastHash: hash(name), blockHashRoot: hash(`${name} root`) },
    }));
    for (const one of made) known.set(claimId(one.claim), one);
    const signed = made.length === 1;
    const statement = {
      rollup: BigInt(targetChain.id), term: 1n, genesis: zeroHash, firstHeight: 10n * batchIndex - 9n, lastHeight: 10n * batchIndex,
      parentClaim: claimId(parent), prevHash: parent.lastHash, lastHash: signed ? made[0].claim.lastHash : zeroHash,
      blockHashRoot: signed ? made[0].claim.blockHashRoot : zeroHash, lastBlockTime: 1n, messageCount: 0n, messageAcc: zeroHash, inboxTip: zeroHash, dataHash: zeroHash,
    };
    const fields = event(inboxAbi, "BatchPosted").inputs.filter((input) => !input.indexed);
    const posted = signed ? claimId(made[0].claim) : zeroHash;
    const topics = encodeEventTopics({ abi: inboxAbi, eventName: "BatchPosted", args: { batchIndex, claimId: posted } });
    logs.push(log(inbox, topics, encodeAbiParameters(fields, [signed ? 7n : 0n, statement]), block));
    if (!signed)
      for (const { claim } of made) {
        const args = { claimId: claimId(claim), batchIndex, claimant: bridge };
        const rest = event(claimsAbi, "ClaimBonded").inputs.filter((input) => !input.indexed);
        logs.push(log(claims, encodeEventTopics({ abi: claimsAbi, eventName: "ClaimBonded", args }), encodeAbiParameters(rest, [false, claim]), block));
      }
    if (made.length > 0) parent = made[0].claim;
  });
  const asked = { logs: 0, refused: 0 };
  const answers = {
    eth_getBlockByNumber: () => ({ number: toHex(HEAD), timestamp: toHex(NOW), transactions: [] }),
    eth_getLogs: ([{ fromBlock, toBlock, topics }]) => {
      asked.logs += 1;
      if (BigInt(toBlock) - BigInt(fromBlock) >= mostBlocks) {
        asked.refused += 1;
        throw Object.assign(new Error("block range is too large"), { code: -32005 });
      }
      const between = ({ blockNumber }) => BigInt(fromBlock) <= BigInt(blockNumber) && BigInt(blockNumber) <= BigInt(toBlock);
      return logs.filter((one) => between(one) && topics[0].includes(one.topics[0]));
    },
    eth_call: ([{ to, data }, block]) => {
      assert.equal(BigInt(block), HEAD, "all is read at one head");
      const abi = to === claims ? claimsAbi : to === messenger ? l1CrossDomainMessengerAbi : bridgeAbi;
      const { functionName, args } = decodeFunctionData({ abi, data });
      const answer = (result) => encodeFunctionResult({ abi, functionName, result });
      if (to === messenger) return answer(Boolean(relay[functionName]));
      if (functionName === "status") return answer(bridgeStatus);
      if (functionName === "escapeClaim") return answer(end ? [...known].find(([, { name }]) => name === end)[0] : zeroHash);
      const found = known.get(args[0]);
      if (functionName === "isFinal") return answer(Boolean(found && isFinal(found.name)));
      if (functionName === "finalAt") return answer(finalAt(found.name));
      assert.equal(functionName, "claim");
      return answer({ postedAt: found ? 1 : 0, batchIndex: 0, childAt: 0, term: 0, signers: 0n, line: 0, fate: 0, isEnd: false });
    },
  };
  const request = async ({ method, params }) => answers[method](params);
  const client = createPublicClient({ transport: custom({ request }, { retryCount: 0 }) }).extend(publicActionsL1());
  return { client, asked };
}

/** The receipt of a withdrawal in an L2 block. */
function begunAt(blockNumber, more) {
  const withdrawal = { nonce: 1n, sender: bridge, target: claims, value: 5n, gasLimit: 100_000n, data: "0x", ...more };
  const { nonce, sender, target, value, gasLimit, data } = withdrawal;
  const topics = encodeEventTopics({ abi: l2ToL1MessagePasserAbi, eventName: "MessagePassed", args: { nonce, sender, target } });
  const words = encodeAbiParameters(parseAbiParameters("uint256, uint256, bytes, bytes32"), [value, gasLimit, data, withdrawalHash(withdrawal)]);
  const passer = targetChain.contracts.l2ToL1MessagePasser.address;
  return { blockNumber, status: "success", transactionHash: hash("transaction"), logs: [log(passer, topics, words)] };
}

const numbered = (count) => Array.from({ length: count }, (_, place) => [`${place + 1}`]);
/** Final up to a batch; the others are 10 s later each. */
const finalUpTo = (last) => (name) => (name === "genesis" || Number(name) <= last ? NOW : NOW + 10n * BigInt(Number(name) - last));
const status = (l1, height) => l1.client.getWithdrawalStatus({ targetChain, receipt: begunAt(height) });

describe("a withdrawal", () => {
  test("is unposted, open, ready in turn, against the last final claim", async () => {
    for (const last of [0, 1, 17, 39, 40]) {
      const l1 = makeL1({ batches: numbered(40), finalAt: finalUpTo(last) });
      const claim = await l1.client.getFinalClaim({ targetChain });
      assert.equal(claim.batchIndex, BigInt(last));
      if (last > 0) assert.equal(claim.lastHash, hash(`${last}`));
      const ready = await status(l1, BigInt(10 * last));
      assert.deepEqual([ready.status, ready.claim, ready.withdrawal.value], ["ready", claim, 5n]);
      if (last < 40) {
        const { status: open, batchIndex, finalAt } = await status(l1, BigInt(10 * last + 1));
        assert.deepEqual({ open, batchIndex, finalAt }, { open: "open", batchIndex: BigInt(last + 1), finalAt: NOW + 10n });
      }
      assert.equal((await status(l1, 401n)).status, "unposted");
      assert.ok(l1.asked.refused > 0, "a range that L1's endpoint finds too large is halved");
    }
  });

  test("in a batch of the last hour is found without reading all of L1", async () => {
    const l1 = makeL1({ batches: numbered(49), finalAt: finalUpTo(45), mostBlocks: 10_000n });
    assert.equal((await status(l1, 481n)).status, "open");
    assert.equal(l1.asked.logs, 1);
  });

  test("in a self-sequenced batch waits for a claim, and for a decision if claims contradict each other", async () => {
    const finalAt = () => NOW - 1n;
    const isFinal = (name) => ["genesis", "1"].includes(name);
    assert.equal((await status(makeL1({ batches: [["1"], []], finalAt, isFinal }), 15n)).status, "unclaimed");
    const records = await Records.at(makeL1({ batches: [["1"], [], ["3"]] }).client, targetChain);
    assert.deepEqual(await records.batchAt(15n), { index: 2n, firstHeight: 11n, lastHeight: 20n });
    assert.deepEqual(records.claimsOf(2n), [], "its statement claims nothing");
    assert.equal(records.claimsOf(3n).length, 1);
    const contested = await status(makeL1({ batches: [["1"], ["a", "b"]], finalAt, isFinal }), 15n);
    assert.deepEqual([contested.status, contested.batchIndex], ["contested", 2n]);
    const open = await status(makeL1({ batches: [["1"], ["a", "b"]], finalAt: () => NOW + 9n, isFinal }), 15n);
    assert.deepEqual([open.status, open.finalAt], ["open", NOW + 9n]);
  });

  test("is waited for as long as the caller wants", async () => {
    const l1 = makeL1({ batches: numbered(2), finalAt: finalUpTo(1) });
    const seen = [];
    const wait = { targetChain, receipt: begunAt(11n), timeout: 1, pollingInterval: 1, onStatus: ({ status }) => seen.push(status) };
    await assert.rejects(l1.client.waitToProve(wait), WaitTimeoutError);
    assert.deepEqual(seen, ["open"]);
    assert.equal((await l1.client.waitToProve({ ...wait, receipt: begunAt(10n) })).claim.batchIndex, 1n);
  });

  test("that the chain's end left out is lost, an earlier one is ready", async () => {
    const l1 = makeL1({ batches: numbered(5), finalAt: finalUpTo(3), end: "3" });
    assert.equal((await status(l1, 30n)).status, "ready");
    assert.equal((await status(l1, 31n)).status, "lost");
    await assert.rejects(l1.client.waitToProve({ targetChain, receipt: begunAt(31n) }), /escape/);
    assert.equal((await makeL1({ batches: numbered(5), end: "genesis" }).client.getFinalClaim({ targetChain })).batchIndex, 0n);
  });

  test("that was proved is paid or failed, whatever the claims are", async () => {
    assert.equal((await status(makeL1({ batches: [], bridgeStatus: 2 }), 1n)).status, "paid");
    const failed = makeL1({ batches: [], bridgeStatus: 1 });
    assert.equal((await status(failed, 1n)).status, "failed");
    await assert.rejects(failed.client.waitToProve({ targetChain, receipt: begunAt(1n) }), /retryWithdrawal/);
    await assert.rejects(status(makeL1({ batches: [], bridgeStatus: 3 }), 1n), /status 3/);
  });

  test("that the messenger on L1 could not deliver has failed until it is delivered", async () => {
    const data = encodeFunctionData({ abi: l1CrossDomainMessengerAbi, functionName: "relayMessage", args: [1n, bridge, claims, 0n, 0n, "0x"] });
    const stands = async (relay, more = { target: messenger, data }) => {
      const { client } = makeL1({ batches: [], bridgeStatus: 2, relay });
      return (await client.getWithdrawalStatus({ targetChain, receipt: begunAt(1n, more) })).status;
    };
    assert.equal(await stands({}), "paid");
    assert.equal(await stands({ failedMessages: true }), "failed");
    assert.equal(await stands({ failedMessages: true, successfulMessages: true }), "paid");
    assert.equal(await stands({ failedMessages: true }, { target: claims, data }), "paid", "another contract's call of that name");
    assert.equal(await stands({ failedMessages: true }, { target: messenger, data: "0x12345678" }), "paid", "another call");
  });

  test("that is none is refused", async () => {
    const { client } = makeL1({ batches: [] });
    const refused = (receipt, what) => assert.rejects(client.getWithdrawalStatus({ targetChain, receipt }), (error) => error instanceof SuretyError && what.test(error.message));
    await refused({ ...begunAt(1n), logs: [] }, /began no withdrawal 0/);
    await refused({ ...begunAt(1n), status: "reverted" }, /failed on L2/);
    await assert.rejects(client.getWithdrawalStatus({ targetChain, receipt: begunAt(1n), index: 1 }), /began no withdrawal 1/);
  });

  test("is not looked for on a node of L1 that is behind the contracts", async () => {
    const chain = { ...targetChain, surety: { ...targetChain.surety, l1Start: HEAD + 1n } };
    await assert.rejects(makeL1({ batches: [] }).client.getFinalClaim({ targetChain: chain }), /is this node of L1 behind/);
  });
});

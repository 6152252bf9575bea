import assert from "node:assert/strict";
import { test } from "node:test";
import { zeroAddress } from "viem";
import { SuretyError, genesisClaim, headerRlp, l1Address, suretyChain } from "@surety/sdk";
import { chainFile, targetChain } from "./chain.mjs";

test("a chain file becomes viem's chain", () => {
  const file = chainFile();
  assert.equal(targetChain.id, 75873);
  assert.equal(targetChain.sourceId, 1337);
  assert.equal(targetChain.blockTime, 200);
  assert.equal(targetChain.name, "Surety 75873");
  assert.equal(targetChain.contracts.bridge[1337].address, file.addresses.bridge);
  assert.equal(targetChain.contracts.l1CrossDomainMessenger[1337].address, file.genesis.l1Messenger);
  assert.equal(targetChain.contracts.l2ToL1MessagePasser.address, "0x4200000000000000000000000000000000000016");
  assert.equal(targetChain.surety.l1Start, 3n);
  assert.equal(targetChain.surety.challengePeriod, 120);
  assert.equal(suretyChain(file, { name: "Mine", testnet: true }).name, "Mine");
  assert.equal(genesisClaim(targetChain).lastHash, file.parameters.genesisHash);
});

test("a chain without a token bridge says so when one is needed", () => {
  for (const l1StandardBridge of [undefined, zeroAddress]) {
    const chain = suretyChain({ ...chainFile(), genesis: { chainId: 75873, l1StandardBridge } });
    assert.throws(() => l1Address(chain, "l1StandardBridge"), /no l1StandardBridge/);
    assert.ok(l1Address(chain, "bridge"));
  }
});

test("what is no chain file of this version is refused, and said what is wrong with it", () => {
  const refused = (change, what) => {
    const file = chainFile();
    change(file);
    assert.throws(() => suretyChain(file), (error) => error instanceof SuretyError && what.test(error.message), String(what));
  };
  refused((file) => (file.version = 2), /version 2/);
  refused((file) => delete file.addresses, /addresses is missing/);
  refused((file) => delete file.addresses.inbox, /addresses\.inbox is missing/);
  refused((file) => (file.addresses.bridge = zeroAddress), /addresses\.bridge/);
  refused((file) => (file.addresses.claims = "0x12"), /addresses\.claims/);
  refused((file) => (file.l1ChainId = 75873), /one chain id/);
  refused((file) => (file.l1Start = 0), /l1Start/);
  refused((file) => (file.parameters.rollup = "75873"), /parameters\.rollup/);
  refused((file) => (file.parameters.genesisHash = "0x"), /genesisHash/);
  refused((file) => (file.protocol.challengePeriod = -1), /challengePeriod/);
  refused((file) => (file.genesis.l1Messenger = "nobody"), /genesis\.l1Messenger/);
  for (const other of [null, undefined, 1, "", [], {}]) assert.throws(() => suretyChain(other), SuretyError);
});

test("a header that is not the block's is refused", () => {
  assert.throws(() => headerRlp({}, `0x${"00".repeat(32)}`), /without parentHash/);
});

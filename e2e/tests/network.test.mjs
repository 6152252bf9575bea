// The main job on real input: a network on L1, wallets' own libraries on both layers, a follower that trusts nobody, and
// ether in and out. Once on the embedded L1 and once on anvil.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ethers } from "ethers";
import {
  createPublicClient,
  createWalletClient,
  decodeErrorResult,
  decodeEventLog,
  decodeFunctionData,
  decodeFunctionResult,
  defineChain,
  encodeAbiParameters,
  encodeFunctionData,
  formatEther,
  http,
  keccak256,
  parseAbi,
  parseEther,
  parseSignature,
  serializeCompactSignature,
  signatureToCompactSignature,
  toHex,
  toRlp,
} from "viem";
import { mnemonicToAccount, privateKeyToAccount } from "viem/accounts";
import { CAST, MNEMONIC, Process, SURETY, rpc, scratch, startFollower, startNetwork, until } from "../harness.mjs";

const require = createRequire(import.meta.url);
const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const artifact = (name) => JSON.parse(readFileSync(join(root, "contracts/artifacts", `${name}.json`), "utf8"));
const uniswap = (name) => {
  const json = require(`@uniswap/${name}.json`);
  return { abi: json.abi, bytecode: `0x${(json.bytecode ?? json.evm.bytecode.object).replace(/^0x/, "")}` };
};

const PASSER = "0x4200000000000000000000000000000000000016";
const WETH = "0x4200000000000000000000000000000000000006";
const passerAbi = parseAbi([
  "function initiateWithdrawal(address target, uint256 gasLimit, bytes data) payable",
  "event MessagePassed(uint256 indexed nonce, address indexed sender, address indexed target, uint256 value, uint256 gasLimit, bytes data, bytes32 withdrawalHash)",
]);

/** RLP of a block's header as the RPC shows it; its hash must be the block's, so no field can be wrong. */
function headerRlp(block) {
  const quantity = (v) => (BigInt(v) === 0n ? "0x" : `0x${BigInt(v).toString(16).replace(/^(.(..)*)$/, "0$1")}`);
  const fields = [
    block.parentHash, block.sha3Uncles, block.miner, block.stateRoot, block.transactionsRoot, block.receiptsRoot,
    block.logsBloom, quantity(block.difficulty), quantity(block.number), quantity(block.gasLimit), quantity(block.gasUsed),
    quantity(block.timestamp), block.extraData, block.mixHash, block.nonce, quantity(block.baseFeePerGas),
    block.withdrawalsRoot, quantity(block.blobGasUsed), quantity(block.excessBlobGas), block.parentBeaconBlockRoot,
    block.requestsHash,
  ];
  const rlp = toRlp(fields);
  assert.equal(keccak256(rlp), block.hash, "the header that the RPC shows hashes to the block's hash");
  return rlp;
}

for (const l1 of ["embedded", "anvil"]) {
  describe(`a network on ${l1}`, { timeout: 600_000 }, () => {
    const place = scratch();
    let network, follower, contracts, l1Public, l1Wallet, l2Public, l2Wallet;
    const account = mnemonicToAccount(MNEMONIC, { addressIndex: 7 });
    // Blocks of L2 with something that is worth proving.
    const seen = {};
    const inboxAbi = artifact("Inbox").abi;
    const bridgeAbi = artifact("Bridge").abi;

    before(async () => {
      network = await startNetwork({ l1, directory: place.directory });
      follower = await startFollower(network, place.directory);
      contracts = network.chain.addresses;
      const chain = (id, name, url) =>
        defineChain({ id, name, nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 }, rpcUrls: { default: { http: [url] } } });
      const l1Chain = chain(Number(await rpc(network.l1Url, "eth_chainId")), "L1", network.l1Url);
      const l2Chain = chain(Number(await rpc(network.l2Url, "eth_chainId")), "Surety", network.l2Url);
      const pollingInterval = 100;
      l1Public = createPublicClient({ chain: l1Chain, transport: http(), pollingInterval });
      l2Public = createPublicClient({ chain: l2Chain, transport: http(), pollingInterval });
      l1Wallet = createWalletClient({ account, chain: l1Chain, transport: http() });
      l2Wallet = createWalletClient({ account, chain: l2Chain, transport: http() });
    });

    after(async () => {
      try {
        if (network) await network.stop();
      } finally {
        if (process.exitCode || process.env.KEEP) console.error(`logs: ${place.directory}`);
        else place.remove();
      }
    });

    test("a deposit on L1 becomes ether on L2", async () => {
      const had = await l2Public.getBalance({ address: account.address });
      const gas = 100_000n;
      const value = parseEther("5");
      const fee = await l1Public.readContract({ address: contracts.inbox, abi: inboxAbi, functionName: "messageFee", args: [gas, 0n] });
      const hash = await l1Wallet.writeContract({
        address: contracts.bridge, abi: bridgeAbi, functionName: "depositTransaction",
        args: [account.address, 0n, gas, "0x"], value: value + fee * 2n,
      });
      const receipt = await l1Public.waitForTransactionReceipt({ hash });
      assert.equal(receipt.status, "success");
      const sent = receipt.logs
        .filter((log) => log.address.toLowerCase() === contracts.inbox.toLowerCase())
        .map((log) => decodeEventLog({ abi: inboxAbi, ...log }))
        .find((event) => event.eventName === "MessageSent");
      const has = await until("the deposit arrives", 60, async () => {
        const balance = await l2Public.getBalance({ address: account.address });
        return balance > had && balance;
      });
      assert.equal(has - had, sent.args.mint, "exactly what was minted");
      assert.ok(sent.args.mint >= value);
    });

    test("cast sends a transaction", async () => {
      const to = "0x00000000000000000000000000000000000000aa";
      const key = ethers.HDNodeWallet.fromPhrase(MNEMONIC, undefined, "m/44'/60'/0'/0/7").privateKey;
      const out = execFileSync(CAST, ["send", "--json", "--rpc-url", network.l2Url, "--private-key", key, "--value", "0.25ether", to], { encoding: "utf8" });
      assert.equal(JSON.parse(out).status, "0x1");
      assert.equal(formatEther(await l2Public.getBalance({ address: to })), "0.25");
    });

    test("the real Uniswap V2 is deployed, filled and used with viem, and ethers reads the same", async () => {
      const deploy = async ({ abi, bytecode }, args = []) => {
        const hash = await l2Wallet.deployContract({ abi, bytecode, args });
        const receipt = await l2Public.waitForTransactionReceipt({ hash });
        assert.equal(receipt.status, "success");
        seen.creation = receipt.blockNumber;
        return receipt.contractAddress;
      };
      const write = async (address, abi, functionName, args, value) => {
        const hash = await l2Wallet.writeContract({ address, abi, functionName, args, value });
        const receipt = await l2Public.waitForTransactionReceipt({ hash });
        assert.equal(receipt.status, "success", functionName);
        return receipt;
      };
      const token = uniswap("v2-periphery/build/ERC20");
      const factoryArtifact = uniswap("v2-core/build/UniswapV2Factory");
      const routerArtifact = uniswap("v2-periphery/build/UniswapV2Router02");
      const pairAbi = uniswap("v2-core/build/UniswapV2Pair").abi;
      const supply = parseEther("1000000");
      const tokenAddress = await deploy(token, [supply]);
      const factory = await deploy(factoryArtifact, [account.address]);
      const router = await deploy(routerArtifact, [factory, WETH]);
      await write(tokenAddress, token.abi, "approve", [router, supply]);
      const deadline = BigInt(Math.floor(Date.now() / 1000) + 3600);
      await write(router, routerArtifact.abi, "addLiquidityETH", [tokenAddress, parseEther("1000"), 0n, 0n, account.address, deadline], parseEther("1"));
      const before = await l2Public.readContract({ address: tokenAddress, abi: token.abi, functionName: "balanceOf", args: [account.address] });
      // The pair writes two more slots in the first swap of a later second than its last change. An estimate made in the same
      // second would not know of them, on any chain: let the second pass.
      const { timestamp } = await l2Public.getBlock();
      await until("the next second", 10, async () => (await l2Public.getBlock()).timestamp > timestamp);
      const swap = await write(router, routerArtifact.abi, "swapExactETHForTokens", [0n, [WETH, tokenAddress], account.address, deadline], parseEther("0.1"));
      Object.assign(seen, { swap: swap.blockNumber, before: swap.blockNumber - 1n });
      const balance = await l2Public.readContract({ address: tokenAddress, abi: token.abi, functionName: "balanceOf", args: [account.address] });
      // Constant product with 0.3 % fee: 1000 × 0.0997 / 1.0997.
      const expected = (parseEther("1000") * 997n * parseEther("0.1")) / (parseEther("1") * 1000n + 997n * parseEther("0.1"));
      assert.equal(balance - before, expected);
      assert.ok(BigInt(swap.l1Fee ?? (await rpc(network.l2Url, "eth_getTransactionReceipt", swap.transactionHash)).l1Fee) >= 0n);

      const provider = new ethers.JsonRpcProvider(network.l2Url, undefined, { batchMaxCount: 1 });
      try {
        const pair = await new ethers.Contract(factory, factoryArtifact.abi, provider).getPair(WETH, tokenAddress);
        const [reserve0, reserve1] = await new ethers.Contract(pair, pairAbi, provider).getReserves();
        assert.equal([reserve0, reserve1].reduce((a, b) => (a > b ? a : b)), parseEther("1000") - expected);
        const block = await provider.getBlock("latest", true);
        assert.ok(block.prefetchedTransactions.length >= 1, "at least the system transaction");
        const logs = await provider.getLogs({ address: pair, fromBlock: 0, toBlock: "latest" });
        assert.ok(logs.length >= 3, "Transfer, Sync, Mint, Swap of the pair");
        assert.equal((await provider.getTransactionReceipt(swap.transactionHash)).blockHash, swap.blockHash);
      } finally {
        provider.destroy();
      }
    });

    test("batches reach L1 as blobs and the follower arrives at the same hashes", async () => {
      const target = await l2Public.getBlockNumber();
      await until("the batches reach the height", 90, async () =>
        (await l1Public.readContract({ address: contracts.inbox, abi: inboxAbi, functionName: "lastHeight" })) >= target);
      const logs = await l1Public.getContractEvents({ address: contracts.inbox, abi: inboxAbi, eventName: "BatchPosted", fromBlock: 0n });
      assert.ok(logs.length > 1);
      const posted = await l1Public.getTransaction({ hash: logs.at(-1).transactionHash });
      assert.equal(posted.typeHex, "0x3", "a blob transaction");
      const finalized = async (url) => BigInt((await rpc(url, "eth_getBlockByNumber", "finalized", false)).number);
      await until("the follower derives the height", 120, async () => {
        follower.process.assertRunning();
        return (await finalized(follower.url)) >= target;
      });
      for (const log of logs) {
        const { lastHeight, lastHash } = log.args.statement;
        if (lastHeight > target) break;
        const number = `0x${lastHeight.toString(16)}`;
        assert.equal((await rpc(follower.url, "eth_getBlockByNumber", number, false)).hash, lastHash);
        assert.equal((await rpc(network.l2Url, "eth_getBlockByNumber", number, false)).hash, lastHash);
      }
    });

    test("a hostile poster is refused, each time by its own error", async () => {
      // The honest post is tried again on the state right before it landed, with one thing changed; unchanged, it passes.
      const registryAbi = artifact("SequencerRegistry").abi;
      const abi = [...inboxAbi, ...registryAbi.filter((item) => item.type === "error" && !inboxAbi.some((known) => known.name === item.name))];
      const logs = await l1Public.getContractEvents({ address: contracts.inbox, abi: inboxAbi, eventName: "BatchPosted", fromBlock: 0n });
      const log = logs.at(-1);
      const blockNumber = log.blockNumber - 1n;
      const { timestamp } = await l1Public.getBlock({ blockNumber: log.blockNumber });
      const transaction = await l1Public.getTransaction({ hash: log.transactionHash });
      const honest = { args: decodeFunctionData({ abi: inboxAbi, data: transaction.input }).args, blobs: transaction.blobVersionedHashes };
      const input = (args) => encodeFunctionData({ abi: inboxAbi, functionName: "postBatch", args });
      const hex = (number) => `0x${number.toString(16)}`;
      const call = (to, data, blobs, { time = timestamp, accounts = {} } = {}) => {
        const carried = blobs.length ? { blobVersionedHashes: blobs, maxFeePerBlobGas: "0x3b9aca00" } : {};
        const transaction = { from: account.address, to, data, gas: "0x989680", ...carried };
        return rpc(network.l1Url, "eth_call", transaction, hex(blockNumber), accounts, { time: hex(time) });
      };
      const tried = async (change) => {
        const { args: [statement, ...rest], blobs } = structuredClone(honest);
        const changed = { statement, rest, blobs };
        change(changed);
        try {
          await call(contracts.inbox, input([changed.statement, ...changed.rest]), changed.blobs, { time: changed.time });
          return "taken";
        } catch (error) {
          assert.match(String(error.data), /^0x[0-9a-f]{8}/, error.message);
          return decodeErrorResult({ abi, data: error.data }).errorName;
        }
      };
      assert.equal(await tried(() => {}), "taken", "the honest post itself");

      const other = `0x01${"5a".repeat(31)}`;
      const [parent, siblings, signers, signatures, data] = [0, 1, 2, 3, 4];
      const committee = await l1Public.readContract({ address: contracts.registry, abi: registryAbi, functionName: "committee", args: [honest.args[0].term] });
      // Within `OVERLAP` the honest poster's term is the one before.
      const current = await l1Public.readContract({ address: contracts.registry, abi: registryAbi, functionName: "currentTerm", blockNumber: log.blockNumber });
      const refusals = {
        "another blob": ["WrongData", (c) => (c.blobs[0] = other)],
        "a blob more": ["WrongData", (c) => c.blobs.push(other)],
        "no data at all": ["WrongData", (c) => (c.blobs = [])],
        "other data, and the statement names them": ["SignatureInvalid", (c) => { c.blobs = []; c.statement.dataHash = `0x${"00".repeat(32)}`; }],
        "call data beside the blobs": ["TwoKindsOfData", (c) => (c.rest[data] = "0x00")],
        "a later first block": ["WrongFirstHeight", (c) => (c.statement.firstHeight += 1n)],
        "no block": ["WrongBlockCount", (c) => (c.statement.lastHeight = c.statement.firstHeight - 1n)],
        "more blocks than the root holds": [/^(WrongPath|PathLengthWrong)$/, (c) => (c.statement.lastHeight += 1n)],
        "another last block": ["WrongPath", (c) => (c.statement.lastHash = other)],
        "a path too long": ["PathLengthWrong", (c) => c.rest[siblings].push(other)],
        "another parent": ["WrongParentClaim", (c) => (c.rest[parent].blockHashRoot = other)],
        "another block before": ["WrongPrevHash", (c) => (c.statement.prevHash = other)],
        "messages that were never sent": ["MessagesNotSent", (c) => (c.statement.messageCount += 1_000_000n)],
        "messages given back": ["MessagesConsumedBefore", (c) => (c.statement.messageCount = 0n)],
        "another message history": ["WrongMessageAcc", (c) => (c.statement.messageAcc = other)],
        "another inbox history": ["WrongInboxTip", (c) => (c.statement.inboxTip = other)],
        "a time before the last batch": ["TimeBeforePrevious", (c) => (c.statement.lastBlockTime = 1n)],
        "a time to come": ["TimeInFuture", (c) => (c.statement.lastBlockTime += 10_000n)],
        "a second earlier": ["SignatureInvalid", (c) => (c.statement.lastBlockTime -= 1n)],
        "another rollup": ["WrongRollup", (c) => (c.statement.rollup += 1n)],
        "an old committee": ["TermMayNotPost", (c) => (c.time = timestamp + 2n * BigInt(network.chain.protocol.epochLength))],
        "a committee to come": ["TermMayNotPost", (c) => (c.statement.term = current + 1n)],
        "another genesis of the term": ["SignatureInvalid", (c) => (c.statement.genesis = other)],
        "a signature from elsewhere": ["SignatureInvalid", (c) => (c.rest[signatures] = c.rest[signatures].slice(0, -2) + "00")],
        "a signature short": ["SignaturesLengthWrong", (c) => (c.rest[signatures] = c.rest[signatures].slice(0, -128))],
        "two signers of four": ["NoQuorum", (c) => {
          const [first, second] = committee.map((_, place) => BigInt(place)).filter((place) => (c.rest[signers] >> place) & 1n);
          c.rest[signers] = (1n << first) | (1n << second);
          c.rest[signatures] = c.rest[signatures].slice(0, 2 + 2 * 128);
        }],
        "a signer who is no member": ["SignerOutsideCommittee", (c) => (c.rest[signers] |= 1n << BigInt(committee.length))],
      };
      const surprises = [];
      for (const [what, [error, change]] of Object.entries(refusals)) {
        const answer = await tried(change);
        if (error instanceof RegExp ? !error.test(answer) : answer !== error) surprises.push(`${what}: ${answer}, not ${error}`);
      }
      assert.deepEqual(surprises, []);

      // Twice at once: both in one transaction, by a contract that is put there for the call.
      const multicall = JSON.parse(readFileSync(join(root, "contracts/preinstalls/Multicall3.json"), "utf8"));
      const multicallAbi = parseAbi(["function tryAggregate(bool requireSuccess, (address target, bytes callData)[] calls) payable returns ((bool success, bytes returnData)[])"]);
      const target = "0x00000000000000000000000000000000000ca11a";
      const posted = { target: contracts.inbox, callData: input(honest.args) };
      const twice = encodeFunctionData({ abi: multicallAbi, functionName: "tryAggregate", args: [false, [posted, posted]] });
      const answer = await call(target, twice, honest.blobs, { accounts: { [target]: { code: multicall.runtime } } });
      const [once, again] = decodeFunctionResult({ abi: multicallAbi, functionName: "tryAggregate", data: answer });
      assert.deepEqual([once.success, again.success], [true, false]);
      assert.equal(decodeErrorResult({ abi, data: again.returnData }).errorName, "WrongFirstHeight");
      // And on the state of today, where it has long been posted: a replay.
      await assert.rejects(
        l1Public.simulateContract({ account, address: contracts.inbox, abi, functionName: "postBatch", args: honest.args }),
        (error) => error.walk?.((e) => e.data?.errorName)?.data?.errorName === "WrongFirstHeight",
      );
    });

    test("ether withdrawn on L2 is paid on L1", async (context) => {
      const target = "0x00000000000000000000000000000000000000bb";
      const value = parseEther("1.5");
      const hash = await l2Wallet.writeContract({ address: PASSER, abi: passerAbi, functionName: "initiateWithdrawal", args: [target, 100_000n, "0x"], value });
      const receipt = await l2Public.waitForTransactionReceipt({ hash });
      seen.withdrawal = receipt.blockNumber;
      const log = receipt.logs.find((l) => l.address.toLowerCase() === PASSER);
      const { nonce, sender, gasLimit, data, withdrawalHash } = decodeEventLog({ abi: passerAbi, ...log }).args;
      const claim = await until("a final claim holds the withdrawal", 180, async () => {
        const finality = await rpc(network.l2Url, "surety_finality", `0x${receipt.blockNumber.toString(16)}`);
        return finality?.level === "final" && finality.claim;
      });
      const logs = await l1Public.getContractEvents({ address: contracts.inbox, abi: inboxAbi, eventName: "BatchPosted", fromBlock: 0n });
      const batch = logs.find((l) => l.args.claimId === claim);
      assert.ok(batch, "the claim is one that L1 knows");
      const { statement } = batch.args;
      const number = `0x${statement.lastHeight.toString(16)}`;
      // Everything for the proof comes from the follower, which trusts no sequencer.
      const block = await rpc(follower.url, "eth_getBlockByNumber", number, false);
      const slot = keccak256(encodeAbiParameters([{ type: "bytes32" }, { type: "uint256" }], [withdrawalHash, 0n]));
      const proof = await rpc(follower.url, "eth_getProof", PASSER, [slot], number);
      const preimage = {
        rollup: statement.rollup, batchIndex: batch.args.batchIndex, parentId: statement.parentClaim,
        prevHash: statement.prevHash, lastHash: statement.lastHash, blockHashRoot: statement.blockHashRoot,
      };
      const before = await l1Public.getBalance({ address: target });
      const call = {
        address: contracts.bridge, abi: bridgeAbi, functionName: "withdraw",
        args: [{ nonce, sender, target, value, gasLimit, data }, preimage, headerRlp(block), proof.storageProof[0].proof],
      };
      const paid = await l1Public.waitForTransactionReceipt({ hash: await l1Wallet.writeContract(call) });
      assert.equal(paid.status, "success");
      context.diagnostic(`gas of the withdrawal on L1: ${paid.gasUsed}`);
      assert.equal((await l1Public.getBalance({ address: target })) - before, value);
      await assert.rejects(l1Public.simulateContract({ account, ...call }), /WithdrawalDone/);
    });

    test("a network that ended cleanly goes on where it was", async () => {
      const before = await l2Public.getBlock();
      const status = JSON.parse(execFileSync(SURETY, ["status", "--json", "--rpc", network.l2Url], { encoding: "utf8" }));
      assert.ok(BigInt(status.latest.number) >= before.number, JSON.stringify(status));
      assert.equal((await network.dev.stop()).code, 0, network.dev.output().slice(-2000));
      await network.run();
      const same = await l2Public.getBlock({ blockNumber: before.number });
      assert.equal(same.hash, before.hash, "no soft-final block was lost");
      const hash = await l2Wallet.sendTransaction({ to: account.address, value: 1n });
      const receipt = await l2Public.waitForTransactionReceipt({ hash });
      assert.ok(receipt.blockNumber > before.number);
      await until("its block reaches L1", 90, async () =>
        (await l1Public.readContract({ address: contracts.inbox, abi: inboxAbi, functionName: "lastHeight" })) >= receipt.blockNumber);
    });

    test("a watchtower of its own has a seat punished that contradicted itself, and takes the reward", async () => {
      const seat = privateKeyToAccount(keccak256(toHex("surety dev vote key 3")));
      const registryAbi = artifact("SequencerRegistry").abi;
      const slasherAbi = artifact("Slasher").abi;
      const term = await l1Public.readContract({ address: contracts.registry, abi: registryAbi, functionName: "currentTerm" });
      // Two blocks of one view under one key: a file as somebody might have found it.
      const rollup = BigInt(network.chain.parameters.rollup);
      const notarize = async (blockHash) => {
        const message = { rollup, term, genesis: keccak256("0x01"), view: 999_999n, parentView: 999_998n, blockHash };
        const fields = { rollup: "uint64", term: "uint64", genesis: "bytes32", view: "uint64", parentView: "uint64", blockHash: "bytes32" };
        const signature = await seat.signTypedData({
          domain: { name: "Surety", version: "1", chainId: network.chain.l1ChainId, verifyingContract: contracts.registry },
          types: { Notarize: Object.entries(fields).map(([name, type]) => ({ name, type })) },
          primaryType: "Notarize",
          message,
        });
        const numbers = Object.fromEntries(["rollup", "term", "view", "parentView"].map((name) => [name, toHex(message[name])]));
        return { kind: "notarize", ...message, ...numbers, signature: serializeCompactSignature(signatureToCompactSignature(parseSignature(signature))) };
      };
      const found = { first: await notarize(keccak256("0x02")), second: await notarize(keccak256("0x03")) };
      const path = (name) => join(place.directory, name);
      writeFileSync(path("evidence.jsonl"), `${JSON.stringify(found)}\n`);
      const reporter = ethers.HDNodeWallet.fromPhrase(MNEMONIC, undefined, "m/44'/60'/0'/0/6");
      // Ethers writes the field of the format with a capital letter, as few others do.
      const { Crypto: crypto, ...keystore } = JSON.parse(await ethers.encryptKeystoreJson(reporter, "a long password", { scrypt: { N: 1 << 12 } }));
      writeFileSync(path("reporter.json"), JSON.stringify({ ...keystore, crypto }), { mode: 0o600 });
      writeFileSync(path("password"), "a long password\n", { mode: 0o600 });
      const common = ["--chain", network.chainFile, "--l1", network.l1Url, "--data-dir", path("watch"), "--keystore", path("reporter.json"), "--password-file", path("password")];
      const watch = new Process("watch", SURETY, ["watch", ...common, "--feed", network.l2Url.replace("http", "ws"), "--evidence", path("evidence.jsonl"), "--json"], place.directory);
      network.processes.push(watch);
      // The network was away a moment ago, for which its seats may have been fined.
      const args = { fault: contracts.equivocation };
      const events = () => l1Public.getContractEvents({ address: contracts.slasher, abi: slasherAbi, eventName: "Slashed", args, fromBlock: 0n });
      const [slashed] = await until("the seat is punished", 60, async () => (watch.assertRunning(), (await events()).length && events()));
      assert.equal(slashed.args.reporter, reporter.address);
      const id = await l1Public.readContract({ address: contracts.registry, abi: registryAbi, functionName: "seatOfVoteKey", args: [seat.address] });
      assert.equal(slashed.args.seat, id);
      assert.equal(slashed.args.penalty, parseEther("1.6"), "a lone accident costs 5 % of 32 ether");
      assert.equal(slashed.args.reward, parseEther("0.08"));
      assert.equal((await watch.stop()).code, 0, watch.output().slice(-2000));
      const before = await l1Public.getBalance({ address: contracts.registry });
      const withdrawn = JSON.parse(execFileSync(SURETY, ["watch", "withdraw", ...common, "--json"], { encoding: "utf8" }));
      assert.equal(BigInt(withdrawn.withdrawn), slashed.args.reward);
      assert.equal(before - (await l1Public.getBalance({ address: contracts.registry })), slashed.args.reward);
      await until("the next term begins without the seat, and the chain goes on", 150, async () => {
        const now = await l1Public.readContract({ address: contracts.registry, abi: registryAbi, functionName: "currentTerm" });
        const members = await l1Public.readContract({ address: contracts.registry, abi: registryAbi, functionName: "committee", args: [now] });
        return members.length === 3 && members.every((member) => member.seat !== id);
      });
      const head = await l2Public.getBlockNumber();
      await until("blocks of three seats", 60, async () => (await l2Public.getBlockNumber({ cacheTime: 0 })) > head + 10n);
      assert.equal((await events()).length, 1, "nobody else was punished, and nobody twice");
    });

    test("the network ends cleanly", async () => {
      assert.equal((await follower.process.stop()).code, 0, follower.process.output().slice(-2000));
      assert.equal((await network.dev.stop()).code, 0, network.dev.output().slice(-2000));
    });

    test("the program that L1 judges by does what the network did, from the follower's own database", () => {
      const file = (name) => join(place.directory, name);
      const surety = (...args) => execFileSync(SURETY, args, { encoding: "utf8", stdio: "pipe" });
      const steps = {};
      for (const [name, height] of Object.entries(seen)) {
        const said = surety("witness", `${height}`, "--chain", network.chainFile, "--data-dir", file("follower"), "--out", file(`${name}.witness`));
        steps[name] = Number(said.match(/program: says so too, in (\d+) steps/)[1]);
      }
      console.log("steps of the program", steps);
      assert.equal(Object.keys(steps).length, 4);
      assert.ok(steps.swap > steps.before + 800_000, "a swap costs at least the recovery of who signed it");
      // Whoever has the file can do it again, anywhere, and on L1's contracts.
      const program = [join(root, "guest/program.elf"), "--witness", file("withdrawal.witness")];
      assert.match(surety("vm", "run", ...program), new RegExp(`steps: ${steps.withdrawal}\\b`));
      assert.match(surety("vm", "crosscheck", ...program, "--samples", "5000"), /compared: 5000 /);
      assert.throws(() => surety("vm", "crosscheck", ...program, "--samples", "3", "--falsify"), /the contract says/);
      const other = readFileSync(file("withdrawal.witness"));
      other[other.length - 1] ^= 1;
      writeFileSync(file("other.witness"), other);
      assert.throws(() => surety("vm", "run", program[0], "--witness", file("other.witness")), "a witness of which a byte is changed");
    });
  });
}

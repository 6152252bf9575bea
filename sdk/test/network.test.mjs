// The package against a real network: in, by force, out once, tokens both ways.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { createPublicClient, createWalletClient, defineChain, encodeFunctionData, erc20Abi, http, parseEther, parseEventLogs } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import {
  SuretyError,
  claimId,
  getL2TransactionHashes,
  getWithdrawals,
  l2ToL1MessagePasserAbi,
  optimismMintableERC20FactoryAbi,
  publicActionsL1,
  publicActionsL2,
  suretyChain,
  walletActionsL1,
  walletActionsL2,
} from "@surety/sdk";
import { runReadme } from "./readme.mjs";
import { MNEMONIC, scratch, startNetwork, until } from "../../e2e/harness.mjs";

const TARGET = "0x00000000000000000000000000000000000000bb";
/** A contract that takes ether only when a call with data has opened it: if (calldatasize) open = 1; else require(open). */
const GATE = "0x601880600b6000396000f336601157600054600f5760006000fd5b005b600160005500";
const WAIT = 180_000;

describe("a network", { timeout: 600_000 }, () => {
  const place = scratch();
  const funder = mnemonicToAccount(MNEMONIC, { addressIndex: 7 });
  /** An account for each test that waits, since they wait together. */
  const accounts = [50, 51, 52, 53, 54, 55].map((addressIndex) => mnemonicToAccount(MNEMONIC, { addressIndex }));
  const [depositing, forcing, alone, failing, trading, reading] = accounts;
  let network, chainFile, chain, l1, l2, walletOf;
  const onL1 = async (hash) => {
    const receipt = await l1.waitForTransactionReceipt({ hash });
    assert.equal(receipt.status, "success");
    return receipt;
  };
  const onL2 = async (hash) => {
    const receipt = await l2.waitForTransactionReceipt({ hash });
    assert.equal(receipt.status, "success");
    return receipt;
  };
  const arrival = async (hash) => {
    const receipt = await l2.waitForMessage({ targetChain: chain, receipt: await onL1(hash), l1Client: l1, timeout: WAIT });
    assert.equal(receipt.status, "success");
    return receipt;
  };
  const l1Balance = (address) => l1.getBalance({ address });

  before(async () => {
    network = await startNetwork({ l1: "embedded", directory: place.directory });
    chainFile = JSON.parse(readFileSync(network.chainFile, "utf8"));
    chain = suretyChain(chainFile, { rpcUrls: [network.l2Url] });
    const ether = { name: "Ether", symbol: "ETH", decimals: 18 };
    const l1Chain = defineChain({ id: chain.sourceId, name: "L1", nativeCurrency: ether, rpcUrls: { default: { http: [network.l1Url] } } });
    const pollingInterval = 200;
    l1 = createPublicClient({ chain: l1Chain, transport: http(), pollingInterval }).extend(publicActionsL1());
    l2 = createPublicClient({ chain, transport: http(), pollingInterval }).extend(publicActionsL2());
    walletOf = (account) => ({
      l1Wallet: createWalletClient({ account, chain: l1Chain, transport: http() }).extend(walletActionsL1()),
      l2Wallet: createWalletClient({ account, chain, transport: http() }).extend(walletActionsL2()),
    });
    const { l1Wallet } = walletOf(funder);
    const value = parseEther("20");
    let nonce = await l1.getTransactionCount({ address: funder.address });
    const hashes = [];
    for (const { address: to } of accounts) {
      hashes.push(await l1Wallet.sendTransaction({ to, value, nonce: nonce++ }));
      hashes.push(await l1Wallet.depositEther({ targetChain: chain, to, amount: value, maxFee: parseEther("0.1"), nonce: nonce++ }));
    }
    for (const hash of hashes) await onL1(hash);
    await arrival(hashes.at(-1));
  });

  after(async () => {
    try {
      if (network) await network.stop();
    } finally {
      place.remove();
    }
  });

  describe("at work", { concurrency: true }, () => {
    test("a deposit is credited by the transaction that its receipt tells of", async () => {
      const account = depositing;
      const { l1Wallet } = walletOf(account);
      const amount = parseEther("5");
      const to = "0x00000000000000000000000000000000000000aa";
      const had = await l2.getBalance({ address: account.address });
      const receipt = await onL1(await l1Wallet.depositEther({ targetChain: chain, amount, to }));
      const credited = await l2.waitForMessage({ targetChain: chain, receipt, timeout: WAIT });
      assert.deepEqual(getL2TransactionHashes(receipt, { targetChain: chain }), [credited.transactionHash]);
      assert.equal(credited.status, "success");
      assert.equal(await l2.getBalance({ address: to }), amount, "the recipient has exactly that");
      const transaction = await l2.getTransaction({ hash: credited.transactionHash });
      assert.equal(transaction.type, "deposit");
      assert.equal(transaction.value, amount);
      assert.ok((await l2.getBalance({ address: account.address })) > had, "what the price did not need is the sender's on L2");
    });

    test("what cannot work is refused before anything is sent", async () => {
      const { l1Wallet, l2Wallet } = walletOf(depositing);
      const fee = await l1.getMessageFee({ targetChain: chain });
      assert.ok(fee > 0n);
      const deposit = (more) => l1Wallet.depositEther({ targetChain: chain, amount: 1n, ...more });
      await assert.rejects(deposit({ maxFee: fee / 2n }), /maxFee/);
      await assert.rejects(deposit({ amount: 0n }), SuretyError);
      await assert.rejects(deposit({ l2Gas: 1n }), /MessageGasTooLow/);
      await assert.rejects(l1Wallet.depositEther({ targetChain: { ...chain, sourceId: 1 }, amount: 1n }), /use a client of L1/);
      await assert.rejects(l2Wallet.initiateWithdrawal({ request: {} }), /nothing to withdraw/);
      const nobody = createWalletClient({ chain, transport: http() }).extend(walletActionsL2());
      await assert.rejects(nobody.initiateWithdrawal({ request: { value: 1n } }), /who sends/);
    });

    test("a forced transaction arrives with its value and data", async () => {
      const { l1Wallet } = walletOf(forcing);
      const had = await l2.getBalance({ address: TARGET });
      const receipt = await arrival(
        await l1Wallet.forceTransaction({ targetChain: chain, request: { to: TARGET, value: 3n, gas: 60_000n, data: "0x1234" } }),
      );
      assert.equal(receipt.from.toLowerCase(), forcing.address.toLowerCase(), "from the sender's own address");
      assert.equal((await l2.getTransaction({ hash: receipt.transactionHash })).input, "0x1234");
      assert.equal((await l2.getBalance({ address: TARGET })) - had, 3n);

      const { address: to } = chain.contracts.l2ToL1MessagePasser;
      const data = encodeFunctionData({ abi: l2ToL1MessagePasserAbi, functionName: "initiateWithdrawal", args: [TARGET, 100_000n, "0x"] });
      const began = await arrival(await l1Wallet.forceTransaction({ targetChain: chain, request: { to, value: 4n, data } }));
      const { sender, value } = getWithdrawals(began)[0];
      assert.deepEqual([sender, value], [forcing.address, 4n], "a withdrawal can be forced");
    });

    test("withdrawals are paid on L1 once, alone and together", async () => {
      const { l1Wallet, l2Wallet } = walletOf(alone);
      const early = await l1.getFinalClaim({ targetChain: chain });
      const value = parseEther("1");
      const receipt = await onL2(await l2Wallet.initiateWithdrawal({ request: { to: TARGET, value } }));
      const [withdrawal] = getWithdrawals(receipt);
      assert.equal(withdrawal.value, value);
      const wait = { targetChain: chain, receipt };
      assert.match((await l1.getWithdrawalStatus(wait)).status, /^(unposted|open|ready)$/);
      assert.equal((await l2.getFinality({ blockNumber: receipt.blockNumber })).hash, receipt.blockHash);
      assert.equal(await l2.getFinality({ blockNumber: receipt.blockNumber + 1_000_000n }), null);
      await assert.rejects(l2.buildProveWithdrawal({ withdrawal, claim: early }), /not in the state/);
      const others = [];
      for (const amount of [11n, 12n, 13n]) others.push(await onL2(await l2Wallet.initiateWithdrawal({ request: { to: TARGET, value: amount } })));

      const seen = [];
      const { claim } = await l1.waitToProve({ ...wait, timeout: WAIT, onStatus: ({ status }) => seen.push(status) });
      assert.match(seen.join(), /^(unposted,)?(open,)?ready$/);
      const proof = await l2.buildProveWithdrawal({ withdrawal, claim });
      const had = await l1Balance(TARGET);
      await onL1(await l1Wallet.proveWithdrawal({ ...proof, targetChain: chain }));
      assert.equal((await l1Balance(TARGET)) - had, value);
      assert.equal((await l1.getWithdrawalStatus(wait)).status, "paid");
      await assert.rejects(l1Wallet.proveWithdrawal({ ...proof, targetChain: chain }), /WithdrawalDone/);
      await assert.rejects(l1.waitToProve(wait), /paid already/);
      await assert.rejects(l1Wallet.retryWithdrawal({ targetChain: chain, withdrawal }), /nothing to try again/);

      const last = await l1.waitToProve({ targetChain: chain, receipt: others.at(-1), timeout: WAIT });
      const withdrawals = others.flatMap((other) => getWithdrawals(other));
      await assert.rejects(l1Wallet.retryWithdrawal({ targetChain: chain, withdrawal: withdrawals[0] }), /not proved yet/);
      const finality = await until("the node sees it final", 60, async () => {
        const found = await l2.getFinality({ blockNumber: others[0].blockNumber });
        return found.level === "final" && found;
      });
      assert.equal(finality.height, others[0].blockNumber);
      assert.ok(finality.batch <= last.claim.batchIndex && finality.claim && finality.challengeEnds);
      if (finality.batch === last.claim.batchIndex) assert.equal(finality.claim, claimId(last.claim));
      const together = await l2.buildProveWithdrawals({ withdrawals, claim: last.claim });
      await onL1(await l1Wallet.proveWithdrawals({ ...together, targetChain: chain }));
      assert.equal((await l1Balance(TARGET)) - had, value + 36n);
    });

    test("a call that fails on L1 can be made again", async () => {
      const { l1Wallet, l2Wallet } = walletOf(failing);
      const gate = (await onL1(await l1Wallet.deployContract({ abi: [], bytecode: GATE }))).contractAddress;
      const receipt = await onL2(await l2Wallet.initiateWithdrawal({ request: { to: gate, value: 7n } }));
      const wait = { targetChain: chain, receipt };
      const { withdrawal, claim } = await l1.waitToProve({ ...wait, timeout: WAIT });
      await onL1(await l1Wallet.proveWithdrawal({ ...(await l2.buildProveWithdrawal({ withdrawal, claim })), targetChain: chain }));
      assert.equal((await l1.getWithdrawalStatus(wait)).status, "failed");
      assert.equal(await l1Balance(gate), 0n);
      await assert.rejects(l1.waitToProve(wait), /retryWithdrawal/);
      await onL1(await l1Wallet.sendTransaction({ to: gate, data: "0x01" }));
      await onL1(await l1Wallet.retryWithdrawal({ targetChain: chain, withdrawal }));
      assert.equal((await l1.getWithdrawalStatus(wait)).status, "paid");
      assert.equal(await l1Balance(gate), 7n);
    });

    test("tokens go to L2 and back", async () => {
      const account = trading;
      const { l1Wallet, l2Wallet } = walletOf(account);
      const weth = JSON.parse(readFileSync(new URL("../../contracts/artifacts/WETH.json", import.meta.url), "utf8"));
      const token = (await onL1(await l1Wallet.deployContract(weth))).contractAddress;
      await onL1(await l1Wallet.sendTransaction({ to: token, value: 1_000n }));
      assert.deepEqual(await l2.getL2Tokens({ token, targetChain: chain }), []);
      const made = await onL2(
        await l2Wallet.writeContract({
          address: chain.contracts.optimismMintableErc20Factory.address,
          abi: optimismMintableERC20FactoryAbi,
          functionName: "createOptimismMintableERC20WithDecimals",
          args: [token, "A token", "TKN", 18],
        }),
      );
      const [{ args }] = parseEventLogs({ abi: optimismMintableERC20FactoryAbi, eventName: "OptimismMintableERC20Created", logs: made.logs });
      assert.deepEqual(await l2.getL2Tokens({ token, targetChain: chain }), [args.localToken]);
      const l2Token = args.localToken;
      const deposit = { targetChain: chain, token, l2Token, amount: 600n };
      await assert.rejects(l1Wallet.depositToken(deposit), /approveToken/);
      await onL1(await l1Wallet.approveToken(deposit));
      await arrival(await l1Wallet.depositToken(deposit));
      const balance = (client, address) => client.readContract({ address, abi: erc20Abi, functionName: "balanceOf", args: [account.address] });
      assert.equal(await balance(l2, l2Token), 600n);
      const receipt = await onL2(await l2Wallet.initiateTokenWithdrawal({ token: l2Token, amount: 250n }));
      const { withdrawal, claim } = await l1.waitToProve({ targetChain: chain, receipt, timeout: WAIT });
      await onL1(await l1Wallet.proveWithdrawal({ ...(await l2.buildProveWithdrawal({ withdrawal, claim })), targetChain: chain }));
      assert.equal((await l1.getWithdrawalStatus({ targetChain: chain, receipt })).status, "paid");
      assert.equal(await balance(l1, token), 400n + 250n);
      assert.equal(await balance(l2, l2Token), 350n);
    });

    test("the examples of the README", async () => {
      const said = await runReadme({ chainFile, l1Url: network.l1Url, l2Url: network.l2Url, account: reading });
      assert.deepEqual([said[0][0], said[1][0]], ["success", "success"]);
      assert.equal(said[2][0][0].value, parseEther("0.1"));
      assert.match(said[2][1].status, /^(unposted|open|ready)$/);
      assert.equal(said[3][0].status, "paid");
      assert.match(said[3][1].level, /^(posted|settled|final)$/, "the node may learn of it later than L1 does");
    });
  });

  test("the network ends cleanly", async () => {
    assert.equal((await network.dev.stop()).code, 0, network.dev.output().slice(-2000));
  });
});

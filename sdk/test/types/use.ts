// Compiled, never run: the package's types as an application meets them.

import { type Hash, createPublicClient, createWalletClient, http } from "viem";
import { mainnet } from "viem/chains";
import { privateKeyToAccount } from "viem/accounts";
import {
  type Claim,
  type ChainFile,
  type WithdrawalStatus,
  getMessageFee,
  proveWithdrawal,
  publicActionsL1,
  publicActionsL2,
  suretyChain,
  waitForMessage,
  walletActionsL1,
  walletActionsL2,
} from "@surety/sdk";

export async function use(file: ChainFile, key: Hash): Promise<void> {
  const chain = suretyChain(file, { rpcUrls: [""], name: "" });
  const account = privateKeyToAccount(key);
  const l1 = createPublicClient({ chain: mainnet, transport: http() }).extend(publicActionsL1());
  const l2 = createPublicClient({ chain, transport: http() }).extend(publicActionsL2());
  const l1Wallet = createWalletClient({ account, chain: mainnet, transport: http() }).extend(walletActionsL1());
  const l2Wallet = createWalletClient({ account, chain, transport: http() }).extend(walletActionsL2());
  const fee: bigint = await getMessageFee(l1, { targetChain: chain });
  const hash: Hash = await l1Wallet.depositEther({ targetChain: chain, amount: 1n, maxFee: fee });
  const onL1 = await l1.waitForTransactionReceipt({ hash });
  const credited = await waitForMessage(l2, { targetChain: chain, receipt: onL1, l1Client: l1 });
  const status: "success" | "reverted" = credited.status;
  const begun = await l2Wallet.initiateWithdrawal({ request: { value: 1n } });
  const receipt = await l2.waitForTransactionReceipt({ hash: begun });
  const stands: WithdrawalStatus = await l1.getWithdrawalStatus({ targetChain: chain, receipt });
  if (stands.status === "open") stands.finalAt satisfies bigint;
  if (stands.status === "ready") stands.claim satisfies Claim;
  const { withdrawal, claim } = await l1.waitToProve({ targetChain: chain, receipt });
  const proof = await l2.buildProveWithdrawal({ withdrawal, claim });
  await l1Wallet.proveWithdrawal({ ...proof, targetChain: chain });
  await proveWithdrawal(l1Wallet, { ...proof, targetChain: chain, account });
  // @ts-expect-error An amount is wei, a bigint.
  await l1Wallet.depositEther({ targetChain: chain, amount: 1 });
  // @ts-expect-error A chain of viem's that is none of Surety's has no bridge.
  await l1.getMessageFee({ targetChain: mainnet });
  // @ts-expect-error Proofs come from L2.
  await l1.buildProveWithdrawal({ withdrawal, claim });
  const transaction = await l2.getTransaction({ hash: credited.transactionHash });
  if (transaction.type === "deposit") transaction.sourceHash satisfies Hash;
  void status;
}

import { type Address, type Client, type Hash, type Hex, type Log, type TransactionReceipt, decodeFunctionData, keccak256, toFunctionSelector } from "viem";
import { readContract } from "viem/actions";
import { bridgeAbi, l1CrossDomainMessengerAbi, l2StandardBridgeAbi, l2ToL1MessagePasserAbi, optimismMintableERC20Abi } from "../abi.js";
import { type SuretyChain, assertOnL1, l1Address, predeploys } from "../chain.js";
import { type Claim, Records } from "../claims.js";
import { SuretyError } from "../errors.js";
import { type WaitParameters, waitFor } from "../wait.js";
import { type Withdrawal, getWithdrawals } from "../withdrawal.js";
import { MAX_TRANSACTION_GAS, type SendParameters, accountOf, send } from "./send.js";

/** Gas that the recipient's call, and the token bridge's, has on L1. */
const CALL_GAS = 100_000n;
const TOKEN_CALL_GAS = 200_000;

export type InitiateWithdrawalParameters = SendParameters & {
  /** The call on L1. */
  request: {
    /** Whom it calls; the sender by default. */
    to?: Address | undefined;
    /** Wei. */
    value?: bigint | undefined;
    /** Gas that it has on L1; 100,000 by default. */
    gas?: bigint | undefined;
    data?: Hex | undefined;
  };
};

/** Begins a withdrawal of ether, or a call of L1, on L2. Gives the hash of the transaction on L2. */
export async function initiateWithdrawal(client: Client, parameters: InitiateWithdrawalParameters): Promise<Hash> {
  const { value = 0n, gas = CALL_GAS, data = "0x", to = accountOf(client, parameters).address } = parameters.request;
  if (value < 0n) throw new SuretyError("an amount below zero: `value` is wei");
  if (value === 0n && data === "0x") throw new SuretyError("nothing to withdraw: name an amount above zero, or call data");
  return send(client, parameters, {
    address: predeploys.l2ToL1MessagePasser.address,
    abi: l2ToL1MessagePasserAbi,
    functionName: "initiateWithdrawal",
    args: [to, gas, data],
    value,
  });
}

export type InitiateTokenWithdrawalParameters = SendParameters & {
  /** The token on L2. */
  token: Address;
  /** Units of the token. */
  amount: bigint;
  /** Who gets them on L1; the sender by default. */
  to?: Address | undefined;
  /** Gas of the token bridge's call on L1; 200,000 by default. */
  l1Gas?: number | undefined;
  extraData?: Hex | undefined;
};

/** Begins a withdrawal of tokens on L2. Gives the hash of the transaction on L2. */
export async function initiateTokenWithdrawal(client: Client, parameters: InitiateTokenWithdrawalParameters): Promise<Hash> {
  const { token, amount, l1Gas = TOKEN_CALL_GAS, extraData = "0x" } = parameters;
  if (amount <= 0n) throw new SuretyError("nothing to withdraw: name an amount above zero");
  const to = parameters.to ?? accountOf(client, parameters).address;
  const remote = await readContract(client, { address: token, abi: optimismMintableERC20Abi, functionName: "remoteToken" });
  return send(client, parameters, {
    address: predeploys.l2StandardBridge.address,
    abi: l2StandardBridgeAbi,
    functionName: "bridgeERC20To",
    args: [token, remote, to, amount, l1Gas, extraData],
  });
}

/** Where a withdrawal stands between L2 and its payment on L1. */
export type WithdrawalStatus = { withdrawal: Withdrawal } & (
  | {
      /** No batch on L1 holds its block yet. */
      status: "unposted";
    }
  | {
      /** Nobody has claimed what this self-sequenced batch leads to. A committee's next batch does, or anyone with a bond. */
      status: "unclaimed";
      batchIndex: bigint;
    }
  | {
      /** Its batch's claim can be contested until then, in Unix seconds of L1. */
      status: "open";
      batchIndex: bigint;
      finalAt: bigint;
    }
  | {
      /** The claims of its batch contradict each other, and no committee has decided. */
      status: "contested";
      batchIndex: bigint;
    }
  | {
      /** It can be proved, against this final claim. */
      status: "ready";
      claim: Claim;
    }
  | {
      /** It was proved; its call, or its delivery by the messenger on L1, failed: see `retryWithdrawal`. */
      status: "failed";
    }
  | {
      /** It was paid. */
      status: "paid";
    }
  | {
      /** The chain ended before: what the account has is paid by the escape. */
      status: "lost";
    }
);

export type GetWithdrawalStatusParameters = {
  targetChain: SuretyChain;
  /** The receipt on L2 of the transaction that began it. */
  receipt: Pick<TransactionReceipt, "blockNumber" | "status" | "transactionHash"> & { logs: readonly Log[] };
  /** Which of its withdrawals, if it began several; the first by default. */
  index?: number | undefined;
};

function withdrawalOf({ receipt, index = 0 }: GetWithdrawalStatusParameters): Withdrawal {
  const withdrawal = getWithdrawals(receipt)[index];
  if (!withdrawal) throw new SuretyError(`transaction ${receipt.transactionHash} on L2 began no withdrawal ${index}: is this the receipt of L2?`);
  return withdrawal;
}

const RELAY = toFunctionSelector("relayMessage(uint256,address,address,uint256,uint256,bytes)");

/** Whether a withdrawal that was paid to the messenger on L1 could not be delivered by it. */
async function relayFailed(client: Client, chain: SuretyChain, { target, data }: Withdrawal, at: { blockNumber?: bigint } = {}): Promise<boolean> {
  const address = chain.contracts.l1CrossDomainMessenger?.[chain.sourceId]?.address;
  if (!address || target.toLowerCase() !== address.toLowerCase() || !data.startsWith(RELAY)) return false;
  const call = { address, abi: l1CrossDomainMessengerAbi, args: [keccak256(data)], ...at } as const;
  const failed = await readContract(client, { ...call, functionName: "failedMessages" });
  return failed && !(await readContract(client, { ...call, functionName: "successfulMessages" }));
}

/** What `Bridge.status` answers. */
const [NONE, FAILED, DONE] = [0, 1, 2];

async function bridgeStatus(client: Client, chain: SuretyChain, hash: Hash, at: { blockNumber?: bigint } = {}): Promise<number> {
  const address = l1Address(chain, "bridge");
  const status = await readContract(client, { address, abi: bridgeAbi, functionName: "status", args: [hash], ...at });
  if (status !== NONE && status !== FAILED && status !== DONE)
    throw new SuretyError(`the bridge ${address} gives a withdrawal the status ${status}: use the release of this package for that chain`);
  return status;
}

/** The last final claim, or the one that the chain ended on. */
async function provable(records: Records): Promise<{ claim: Claim; ended: boolean }> {
  const end = await records.end();
  return end ? { claim: end, ended: true } : { claim: await records.lastFinal(), ended: false };
}

/** The claim against which withdrawals can be proved now: the last final one, or the one that the chain ended on. */
export async function getFinalClaim(client: Client, { targetChain }: { targetChain: SuretyChain }): Promise<Claim> {
  assertOnL1(client, targetChain);
  return (await provable(await Records.at(client, targetChain))).claim;
}

/** Where a withdrawal stands at L1's head. */
export async function getWithdrawalStatus(client: Client, parameters: GetWithdrawalStatusParameters): Promise<WithdrawalStatus> {
  return (await statusNow(client, parameters)).status;
}

async function statusNow(client: Client, parameters: GetWithdrawalStatusParameters): Promise<{ status: WithdrawalStatus; now: bigint }> {
  const { targetChain, receipt } = parameters;
  assertOnL1(client, targetChain);
  const withdrawal = withdrawalOf(parameters);
  const records = await Records.at(client, targetChain);
  const { number: blockNumber, timestamp: now } = records.head;
  const stands = await bridgeStatus(client, targetChain, withdrawal.withdrawalHash, { blockNumber });
  if (stands === FAILED) return { status: { withdrawal, status: "failed" }, now };
  if (stands === DONE) {
    const failed = await relayFailed(client, targetChain, withdrawal, { blockNumber });
    return { status: { withdrawal, status: failed ? "failed" : "paid" }, now };
  }
  const { claim, ended } = await provable(records);
  if (receipt.blockNumber <= (await records.lastHeight(claim.batchIndex))) return { status: { withdrawal, status: "ready", claim }, now };
  if (ended) return { status: { withdrawal, status: "lost" }, now };
  const batch = await records.batchAt(receipt.blockNumber);
  if (!batch) return { status: { withdrawal, status: "unposted" }, now };
  const batchIndex = batch.index;
  let status: WithdrawalStatus = { withdrawal, status: "unclaimed", batchIndex };
  for (const one of records.claimsOf(batchIndex)) {
    const finalAt = await records.finalAt(one);
    if (finalAt === undefined) continue;
    status = now >= finalAt ? { withdrawal, status: "contested", batchIndex } : { withdrawal, status: "open", batchIndex, finalAt };
  }
  return { status, now };
}

export type WaitToProveParameters = GetWithdrawalStatusParameters &
  WaitParameters & {
    /** Called when the status changes. */
    onStatus?: ((status: WithdrawalStatus) => void) | undefined;
  };

/** The longest pause between two looks, in milliseconds. */
const LONGEST_PAUSE = 60_000;

/**
 * Waits until a withdrawal can be proved: its batch is on L1 and a claim that holds it is final.
 *
 * @throws {@link SuretyError} if it was proved before, or can never be.
 */
export async function waitToProve(client: Client, parameters: WaitToProveParameters): Promise<{ withdrawal: Withdrawal; claim: Claim }> {
  const { pollingInterval = client.pollingInterval, timeout, onStatus } = parameters;
  let last: string | undefined;
  return waitFor("the withdrawal can be proved", timeout, async () => {
    const { status: found, now } = await statusNow(client, parameters);
    const { withdrawal, status } = found;
    const hash = withdrawal.withdrawalHash;
    if (status !== last) onStatus?.(found);
    last = status;
    switch (status) {
      case "ready":
        return { found: { withdrawal, claim: found.claim } };
      case "paid":
        throw new SuretyError(`withdrawal ${hash} was paid already`);
      case "failed":
        throw new SuretyError(`withdrawal ${hash} was proved and its call failed: retryWithdrawal tries again`);
      case "lost":
        throw new SuretyError(`the chain ended before withdrawal ${hash} was final: the account's ether and tokens are paid by the escape`);
      case "open": {
        const left = Number(found.finalAt - now) * 500;
        return { again: Math.max(pollingInterval, Math.min(left, LONGEST_PAUSE)) };
      }
      default:
        return { again: pollingInterval };
    }
  });
}

export type RetryWithdrawalParameters = SendParameters & { targetChain: SuretyChain; withdrawal: Withdrawal };

/**
 * Calls again what was proved and failed: the withdrawal's call, or its delivery by the messenger on L1. Anyone may.
 * Gives the hash of the transaction on L1.
 */
export async function retryWithdrawal(client: Client, parameters: RetryWithdrawalParameters): Promise<Hash> {
  const { targetChain, withdrawal } = parameters;
  assertOnL1(client, targetChain);
  const { withdrawalHash: hash, gasLimit, data } = withdrawal;
  // An estimate would be content with a call that fails again.
  const most = gasLimit * 2n + 1_000_000n;
  const gas = parameters.gas ?? (most < MAX_TRANSACTION_GAS ? most : MAX_TRANSACTION_GAS);
  const stands = await bridgeStatus(client, targetChain, hash);
  if (stands === NONE) throw new SuretyError(`withdrawal ${hash} is not proved yet: proveWithdrawal`);
  if (stands === FAILED)
    return send(client, { ...parameters, gas }, { address: l1Address(targetChain, "bridge"), abi: bridgeAbi, functionName: "retry", args: [withdrawal] });
  if (!(await relayFailed(client, targetChain, withdrawal))) throw new SuretyError(`withdrawal ${hash} is done: nothing to try again`);
  return relayAgain(client, { ...parameters, gas }, l1Address(targetChain, "l1CrossDomainMessenger"), data);
}

async function relayAgain(client: Client, parameters: SendParameters, address: Address, data: Hex): Promise<Hash> {
  const { args } = decodeFunctionData({ abi: l1CrossDomainMessengerAbi, data });
  return send(client, parameters, { address, abi: l1CrossDomainMessengerAbi, functionName: "relayMessage", args: args ?? [] });
}

import type { Account, Chain, Client, Transport } from "viem";
import * as deposit from "./actions/deposit.js";
import * as message from "./actions/message.js";
import * as prove from "./actions/prove.js";
import * as withdraw from "./actions/withdraw.js";

type Action<T> = T extends (client: Client, parameters: infer P) => infer R ? (parameters: P) => R : never;
type Bound<T> = { [name in keyof T]: Action<T[name]> };
type AnyClient = Client<Transport, Chain | undefined, Account | undefined>;

function decorator<T extends Record<string, (client: Client, parameters: never) => unknown>>(actions: T): () => (client: AnyClient) => Bound<T> {
  return () => (client) =>
    Object.fromEntries(Object.entries(actions).map(([name, action]) => [name, (parameters: never) => action(client, parameters)])) as Bound<T>;
}

const { getMessageFee, getTokenDepositFee, depositTransaction, forceTransaction, depositEther, depositToken, approveToken } = deposit;
const { waitForMessage, getFinality, getL2Tokens } = message;
const { buildProveWithdrawal, buildProveWithdrawals, proveWithdrawal, proveWithdrawals } = prove;
const { initiateWithdrawal, initiateTokenWithdrawal, getFinalClaim, getWithdrawalStatus, waitToProve, retryWithdrawal } = withdraw;

const publicL1 = { getMessageFee, getTokenDepositFee, getFinalClaim, getWithdrawalStatus, waitToProve };
const publicL2 = { waitForMessage, getFinality, getL2Tokens, buildProveWithdrawal, buildProveWithdrawals };
const walletL1 = { depositTransaction, forceTransaction, depositEther, depositToken, approveToken, proveWithdrawal, proveWithdrawals, retryWithdrawal };
const walletL2 = { initiateWithdrawal, initiateTokenWithdrawal };

export type PublicActionsL1 = Bound<typeof publicL1>;
export type PublicActionsL2 = Bound<typeof publicL2>;
export type WalletActionsL1 = Bound<typeof walletL1>;
export type WalletActionsL2 = Bound<typeof walletL2>;

/** What a public client of L1 can be asked: `client.extend(publicActionsL1())`. */
export const publicActionsL1: () => (client: AnyClient) => PublicActionsL1 = decorator(publicL1);
/** What a public client of L2 can be asked. */
export const publicActionsL2: () => (client: AnyClient) => PublicActionsL2 = decorator(publicL2);
/** What a wallet client of L1 can do. */
export const walletActionsL1: () => (client: AnyClient) => WalletActionsL1 = decorator(walletL1);
/** What a wallet client of L2 can do. */
export const walletActionsL2: () => (client: AnyClient) => WalletActionsL2 = decorator(walletL2);

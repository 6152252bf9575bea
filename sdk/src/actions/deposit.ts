import { type Abi, type Address, type Client, type Hash, type Hex, erc20Abi, formatEther, size } from "viem";
import { readContract } from "viem/actions";
import { bridgeAbi, inboxAbi, l1StandardBridgeAbi } from "../abi.js";
import { type SuretyChain, assertOnL1, l1Address } from "../chain.js";
import { SuretyError } from "../errors.js";
import { type SendParameters, accountOf, send } from "./send.js";

/** Gas on L2 of a plain deposit, of a token's deposit, and of a transaction of which nobody said how much it needs. */
const ETHER_GAS = 100_000n;
const TOKEN_GAS = 200_000;
const CALL_GAS = 200_000n;

/** The bridges' functions with the errors of the contracts that they call: so viem can name them. */
const errors = (abi: Abi): Abi => abi.filter((entry) => entry.type === "error");
const depositAbi: Abi = [...bridgeAbi, ...errors(inboxAbi)];
const tokenDepositAbi: Abi = [...l1StandardBridgeAbi, ...errors(bridgeAbi), ...errors(inboxAbi)];

export type GetMessageFeeParameters = {
  targetChain: SuretyChain;
  /** Gas on L2 that the message buys; 100,000 by default. */
  gas?: bigint | undefined;
  /** Its call data; none by default. */
  data?: Hex | undefined;
};

/** What a message to L2 costs in L1's newest block, in wei; it is burnt. The price can rise before the message is included. */
export async function getMessageFee(client: Client, { targetChain, gas = ETHER_GAS, data = "0x" }: GetMessageFeeParameters): Promise<bigint> {
  assertOnL1(client, targetChain);
  const address = l1Address(targetChain, "inbox");
  return readContract(client, { address, abi: inboxAbi, functionName: "messageFee", args: [gas, BigInt(size(data))] });
}

export type GetTokenDepositFeeParameters = {
  targetChain: SuretyChain;
  /** The token on L1. */
  token: Address;
  /** Gas of the token bridge's call on L2; 200,000 by default. */
  l2Gas?: number | undefined;
  extraData?: Hex | undefined;
};

/** What the message of a token's deposit costs in L1's newest block, in wei. */
export async function getTokenDepositFee(
  client: Client,
  { targetChain, token, l2Gas = TOKEN_GAS, extraData = "0x" }: GetTokenDepositFeeParameters,
): Promise<bigint> {
  assertOnL1(client, targetChain);
  const address = l1Address(targetChain, "l1StandardBridge");
  return readContract(client, { address, abi: l1StandardBridgeAbi, functionName: "depositFee", args: [token, l2Gas, extraData] });
}

/** The bound of a price: what the caller allows, or twice the price now. */
function bound(fee: bigint, maxFee: bigint | undefined): bigint {
  if (maxFee === undefined) return fee * 2n;
  if (fee > maxFee)
    throw new SuretyError(`the message costs ${formatEther(fee)} ETH now, maxFee is ${formatEther(maxFee)} ETH: wait until the price falls, or allow more`);
  return maxFee;
}

export type DepositTransactionParameters = SendParameters & {
  targetChain: SuretyChain;
  /** The transaction on L2. */
  request: {
    to: Address;
    /** Wei that it carries on L2, of what is minted and what the sender has there; what is minted by default. */
    value?: bigint | undefined;
    /** Wei to bring to L2 with it; none by default. */
    mint?: bigint | undefined;
    /** Gas on L2, bought on L1 whether it is used or not; 200,000 by default. */
    gas?: bigint | undefined;
    data?: Hex | undefined;
  };
  /** The most that the message may cost, in wei; twice its price now by default. What is not needed of it arrives on L2 too. */
  maxFee?: bigint | undefined;
};

/** Sends a transaction to L2 through L1. Gives the hash of the transaction on L1; see `waitForMessage`. */
export async function depositTransaction(client: Client, parameters: DepositTransactionParameters): Promise<Hash> {
  const { targetChain, request } = parameters;
  const { to, mint = 0n, value = mint, gas = CALL_GAS, data = "0x" } = request;
  if (mint < 0n || value < 0n) throw new SuretyError("an amount below zero: `mint` and `value` are wei");
  const maxFee = bound(await getMessageFee(client, { targetChain, gas, data }), parameters.maxFee);
  return send(client, parameters, {
    address: l1Address(targetChain, "bridge"),
    abi: depositAbi,
    functionName: "depositTransactionWithMaxFee",
    args: [to, value, gas, data, maxFee],
    value: mint + maxFee,
  });
}

/**
 * Forces a transaction: it is due on L2 `forceDelay` later, and no sequencer can leave it out. An account's own call of this
 * comes from its own address on L2; a contract's is aliased.
 */
export const forceTransaction = depositTransaction;

export type DepositEtherParameters = SendParameters & {
  targetChain: SuretyChain;
  /** Wei. */
  amount: bigint;
  /** Who gets it on L2; the sender by default. */
  to?: Address | undefined;
  /** Gas on L2, for a recipient that is a contract; 100,000 by default. */
  l2Gas?: bigint | undefined;
  data?: Hex | undefined;
  /** As of {@link depositTransaction}. */
  maxFee?: bigint | undefined;
};

/** Brings ether to L2. Gives the hash of the transaction on L1. */
export async function depositEther(client: Client, parameters: DepositEtherParameters): Promise<Hash> {
  const { amount, l2Gas = ETHER_GAS, data = "0x", to = accountOf(client, parameters).address, ...rest } = parameters;
  if (amount <= 0n) throw new SuretyError("nothing to deposit: name an amount above zero");
  return depositTransaction(client, { ...rest, request: { to, mint: amount, value: amount, gas: l2Gas, data } });
}

export type ApproveTokenParameters = SendParameters & {
  targetChain: SuretyChain;
  /** The token on L1. */
  token: Address;
  /** Units of the token. */
  amount: bigint;
};

/** Allows the token bridge on L1 to take an amount of a token: what {@link depositToken} needs first. */
export async function approveToken(client: Client, parameters: ApproveTokenParameters): Promise<Hash> {
  const { targetChain, token, amount } = parameters;
  assertOnL1(client, targetChain);
  return send(client, parameters, {
    address: token,
    abi: erc20Abi,
    functionName: "approve",
    args: [l1Address(targetChain, "l1StandardBridge"), amount],
  });
}

export type DepositTokenParameters = SendParameters &
  GetTokenDepositFeeParameters & {
    /** The token on L2 that stands for it: one of the factory's, see `getL2Tokens`. */
    l2Token: Address;
    /** Units of the token. */
    amount: bigint;
    /** Who gets them on L2; the sender by default. */
    to?: Address | undefined;
    /** The most that the message may cost, in wei; twice its price now by default. What is not needed comes back at once. */
    maxFee?: bigint | undefined;
  };

/** Brings tokens to L2. Gives the hash of the transaction on L1. */
export async function depositToken(client: Client, parameters: DepositTokenParameters): Promise<Hash> {
  const { targetChain, token, l2Token, amount, l2Gas = TOKEN_GAS, extraData = "0x" } = parameters;
  const owner = accountOf(client, parameters).address;
  if (amount <= 0n) throw new SuretyError("nothing to deposit: name an amount above zero");
  const maxFee = bound(await getTokenDepositFee(client, parameters), parameters.maxFee);
  const address = l1Address(targetChain, "l1StandardBridge");
  const allowed = await readContract(client, { address: token, abi: erc20Abi, functionName: "allowance", args: [owner, address] });
  if (allowed < amount)
    throw new SuretyError(`the token bridge may take ${allowed} units of ${token} from ${owner}, not ${amount}: allow it first, with approveToken`);
  return send(client, parameters, {
    address,
    abi: tokenDepositAbi,
    functionName: "depositERC20To",
    args: [token, l2Token, parameters.to ?? owner, amount, l2Gas, extraData],
    value: maxFee,
  });
}

import type { Abi, Account, Address, Client, Hash } from "viem";
import { parseAccount } from "viem/accounts";
import { estimateContractGas, writeContract } from "viem/actions";
import { SuretyError } from "../errors.js";

/** What a sender may say of its transaction, as in viem's own actions. */
export type SendParameters = {
  /** Who sends; the client's account by default. */
  account?: Account | Address | undefined;
  /** Gas limit; estimated by default, with an eighth to spare. */
  gas?: bigint | undefined;
  nonce?: number | undefined;
  maxFeePerGas?: bigint | undefined;
  maxPriorityFeePerGas?: bigint | undefined;
};

/** The most gas of one transaction (EIP-7825). */
export const MAX_TRANSACTION_GAS = 1n << 24n;

/** Who sends. */
export function accountOf(client: Client, { account = client.account }: SendParameters): Account {
  if (!account) throw new SuretyError("who sends? Give the client an account, or name one with `account`");
  return parseAccount(account);
}

/** Sends a call of a contract; fails with the contract's own error if it would fail. */
export async function send(
  client: Client,
  parameters: SendParameters,
  call: { address: Address; abi: Abi; functionName: string; args: readonly unknown[]; value?: bigint },
): Promise<Hash> {
  const account = accountOf(client, parameters);
  const { nonce, maxFeePerGas, maxPriorityFeePerGas } = parameters;
  let gas = parameters.gas;
  if (gas === undefined) {
    // What the call finds can change until it is included.
    const estimated = await estimateContractGas(client, { ...call, account });
    gas = estimated + estimated / 8n;
    if (gas > MAX_TRANSACTION_GAS) gas = MAX_TRANSACTION_GAS;
  }
  const fees = {
    ...(nonce !== undefined && { nonce }),
    ...(maxFeePerGas !== undefined && { maxFeePerGas }),
    ...(maxPriorityFeePerGas !== undefined && { maxPriorityFeePerGas }),
  };
  return writeContract(client, { ...call, ...fees, account, gas, chain: client.chain ?? null });
}

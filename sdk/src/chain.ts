import { type Address, type Chain, type ChainContract, type Client, type Hash, isAddress, isHash, zeroAddress } from "viem";
import { chainConfig } from "viem/op-stack";
import { SuretyError } from "./errors.js";

/** The version of the chain file's form that this package reads. */
export const CHAIN_FILE_VERSION = 1;

/** What this package reads of a chain file (the program's `--chain`); the file holds more. */
export type ChainFile = {
  /** {@link CHAIN_FILE_VERSION}. */
  version: number;
  /** EIP-155 chain id of L1. */
  l1ChainId: number;
  /** The L1 block of the first contract's creation. */
  l1Start: number;
  /** The contracts on L1. */
  addresses: { registry: Address; claims: Address; inbox: Address; bridge: Address };
  /** What decides L2 blocks; `blockTime` in milliseconds. */
  parameters: { rollup: number; genesisHash: Hash; blockTime: number };
  /** What L1 enforces, in seconds. */
  protocol: { forceDelay: number; grace: number; batchAge: number; slotTime: number; challengePeriod: number };
  /** L1's messenger and token bridge; zero or absent where there is none. */
  genesis: { l1Messenger?: Address | undefined; l1StandardBridge?: Address | undefined };
};

/** Contracts that are on every L2 chain from genesis, at the places where the OP Stack has them. */
export const predeploys = {
  weth: { address: "0x4200000000000000000000000000000000000006" },
  l2CrossDomainMessenger: { address: "0x4200000000000000000000000000000000000007" },
  gasPriceOracle: { address: "0x420000000000000000000000000000000000000F" },
  l2StandardBridge: { address: "0x4200000000000000000000000000000000000010" },
  optimismMintableErc20Factory: { address: "0x4200000000000000000000000000000000000012" },
  l1Block: { address: "0x4200000000000000000000000000000000000015" },
  l2ToL1MessagePasser: { address: "0x4200000000000000000000000000000000000016" },
} as const;

type OnL1 = { [sourceId: number]: ChainContract };

/** The contracts of a chain: those on L1 under L1's chain id, as viem keeps those of OP chains. */
export type SuretyContracts = {
  registry: OnL1;
  claims: OnL1;
  inbox: OnL1;
  bridge: OnL1;
  /** Absent where the chain has no token bridge. */
  l1StandardBridge?: OnL1;
  /** Absent where the chain has no messenger. */
  l1CrossDomainMessenger?: OnL1;
} & typeof predeploys;

/** A Surety chain: viem's `Chain` of L2 with the OP Stack's formatters and serializers, and what L1 knows of it. */
export type SuretyChain = Omit<Chain<typeof chainConfig.formatters>, "contracts" | "sourceId"> & {
  contracts: SuretyContracts;
  /** EIP-155 chain id of L1. */
  sourceId: number;
  /** The rest of what the chain file says. */
  surety: {
    /** The L1 block of the first contract's creation. */
    l1Start: bigint;
    genesisHash: Hash;
    /** Seconds from a message on L1 until it is due on L2. */
    forceDelay: number;
    /** Seconds after that until anyone may self-sequence it. */
    grace: number;
    /** Seconds after which a batch is complete. */
    batchAge: number;
    /** Seconds between two blocks of L1. */
    slotTime: number;
    /** Seconds for which a claim can be contested. */
    challengePeriod: number;
  };
};

/** What a chain is called and where it is reached; nothing of this stands in the chain file. */
export type SuretyChainOptions = {
  /** `Surety <chain id>` by default. */
  name?: string;
  /** L2's RPC endpoints, the default of `http()`. */
  rpcUrls?: readonly string[];
  blockExplorers?: Chain["blockExplorers"];
  testnet?: boolean;
};

const ADVICE = "get the file again from where the chain is published";

function read(holder: unknown, path: string, name: string): unknown {
  const value = typeof holder === "object" && holder !== null ? (holder as Record<string, unknown>)[name] : undefined;
  if (value === undefined) throw new SuretyError(`chain file: ${path}${name} is missing; ${ADVICE}`);
  return value;
}

function number(holder: unknown, path: string, name: string, least = 0): number {
  const value = read(holder, path, name);
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least)
    throw new SuretyError(`chain file: ${path}${name} is ${JSON.stringify(value)}, not a whole number of at least ${least}; ${ADVICE}`);
  return value;
}

function address(holder: unknown, path: string, name: string): Address {
  const value = read(holder, path, name);
  if (typeof value !== "string" || !isAddress(value, { strict: false }) || value === zeroAddress)
    throw new SuretyError(`chain file: ${path}${name} is ${JSON.stringify(value)}, not an address; ${ADVICE}`);
  return value;
}

/**
 * The chain that a chain file describes.
 *
 * @param chainFile The file's JSON, parsed.
 * @throws {@link SuretyError} if it is no chain file of this version, or its parts contradict each other.
 */
export function suretyChain(chainFile: ChainFile | Record<string, unknown>, options: SuretyChainOptions = {}): SuretyChain {
  const file: unknown = chainFile;
  const version = number(file, "", "version");
  if (version !== CHAIN_FILE_VERSION)
    throw new SuretyError(`chain file version ${version}, this package reads version ${CHAIN_FILE_VERSION}: use the matching release`);
  const [addresses, parameters, protocol, genesis] = ["addresses", "parameters", "protocol", "genesis"].map((name) => read(file, "", name));
  const sourceId = number(file, "", "l1ChainId", 1);
  const id = number(parameters, "parameters.", "rollup", 1);
  if (id === sourceId) throw new SuretyError(`chain file: L1 and L2 have one chain id, ${id}; ${ADVICE}`);
  const genesisHash = read(parameters, "parameters.", "genesisHash");
  if (typeof genesisHash !== "string" || !isHash(genesisHash))
    throw new SuretyError(`chain file: parameters.genesisHash is ${JSON.stringify(genesisHash)}, not a hash; ${ADVICE}`);
  const onL1 = (name: string): OnL1 => ({ [sourceId]: { address: address(addresses, "addresses.", name) } });
  const counterpart = (name: string): OnL1 | undefined => {
    const value = (genesis as Record<string, unknown> | null)?.[name];
    return value === undefined || value === zeroAddress ? undefined : { [sourceId]: { address: address(genesis, "genesis.", name) } };
  };
  const l1StandardBridge = counterpart("l1StandardBridge");
  const l1CrossDomainMessenger = counterpart("l1Messenger");
  return {
    ...chainConfig,
    id,
    sourceId,
    name: options.name ?? `Surety ${id}`,
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: options.rpcUrls ?? [] } },
    blockTime: number(parameters, "parameters.", "blockTime", 1),
    ...(options.blockExplorers && { blockExplorers: options.blockExplorers }),
    ...(options.testnet !== undefined && { testnet: options.testnet }),
    contracts: {
      registry: onL1("registry"),
      claims: onL1("claims"),
      inbox: onL1("inbox"),
      bridge: onL1("bridge"),
      ...(l1StandardBridge && { l1StandardBridge }),
      ...(l1CrossDomainMessenger && { l1CrossDomainMessenger }),
      ...predeploys,
    },
    surety: {
      l1Start: BigInt(number(file, "", "l1Start", 1)),
      genesisHash,
      forceDelay: number(protocol, "protocol.", "forceDelay"),
      grace: number(protocol, "protocol.", "grace"),
      batchAge: number(protocol, "protocol.", "batchAge"),
      slotTime: number(protocol, "protocol.", "slotTime"),
      challengePeriod: number(protocol, "protocol.", "challengePeriod"),
    },
  };
}

/** The names of the contracts on L1. */
export type L1ContractName = "registry" | "claims" | "inbox" | "bridge" | "l1StandardBridge" | "l1CrossDomainMessenger";

/** Where one of the chain's contracts on L1 is. */
export function l1Address(chain: SuretyChain, name: L1ContractName): Address {
  const found = chain.contracts[name]?.[chain.sourceId];
  if (!found) throw new SuretyError(`chain ${chain.id} has no ${name} on L1: its chain file names none`);
  return found.address;
}

/** Refuses a client of a chain that is not the L1 of `chain`. */
export function assertOnL1(client: Client, chain: SuretyChain): void {
  if (client.chain && client.chain.id !== chain.sourceId)
    throw new SuretyError(`this client is of chain ${client.chain.id}, the L1 of ${chain.name} is ${chain.sourceId}: use a client of L1`);
}

// A chain file as the program writes it, its chain, and logs as JSON-RPC has them.

import { suretyChain } from "@surety/sdk";

const address = (byte) => `0x${byte.repeat(20)}`;

export const chainFile = () => ({
  version: 1,
  l1ChainId: 1337,
  l1Start: 3,
  addresses: { registry: address("a1"), claims: address("a2"), inbox: address("a3"), bridge: address("a4"), equivocation: address("a5"), idle: address("a6"), slasher: address("a7") },
  parameters: { rollup: 75873, genesisHash: `0x${"02".repeat(32)}`, blockTime: 200 },
  protocol: { forceDelay: 40, grace: 30, batchAge: 6, slotTime: 2, challengePeriod: 120 },
  genesis: { chainId: 75873, l1Messenger: address("b1"), l1StandardBridge: address("b2") },
});

export const targetChain = suretyChain(chainFile(), { rpcUrls: ["http://127.0.0.1:1"] });

export const log = (address, topics, data, blockNumber = "0x1") => ({
  address,
  topics,
  data,
  blockNumber,
  blockHash: `0x${"11".repeat(32)}`,
  transactionHash: `0x${"22".repeat(32)}`,
  transactionIndex: "0x0",
  logIndex: "0x0",
  removed: false,
});

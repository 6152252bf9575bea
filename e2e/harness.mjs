// Starts the network as a user would and hands its endpoints to the tests. Everything listens on loopback, on free ports,
// and ends with the test.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, existsSync, openSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, dirname } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);

/** The program under test. */
export const SURETY = process.env.SURETY ?? join(root, "target/release/surety");
const FOUNDRY = join(root, "contracts/node_modules/@foundry-rs");
/** Foundry's programs, from npm. */
export const CAST = join(FOUNDRY, "cast-linux-amd64/bin/cast");
export const ANVIL = join(FOUNDRY, "anvil-linux-amd64/bin/anvil");
/** The well-known test mnemonic that every development chain funds. */
export const MNEMONIC = "test test test test test test test test test test test junk";

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A port of loopback that nobody listens on. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Asks until the answer is truthy; throws with `what` after `seconds`. */
export async function until(what, seconds, ask) {
  const end = Date.now() + seconds * 1000;
  let last;
  while (Date.now() < end) {
    try {
      const answer = await ask();
      if (answer) return answer;
    } catch (error) {
      last = error;
    }
    await sleep(200);
  }
  throw new Error(`not within ${seconds} s: ${what}${last ? ` (last: ${last.message ?? last})` : ""}`);
}

/** One JSON-RPC call. */
export async function rpc(url, method, ...params) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const { result, error } = await response.json();
  if (error) throw Object.assign(new Error(`${method}: ${error.message}`), error);
  return result;
}

/** A process whose output goes to a log; `stop` asks it to end as Ctrl-C does and checks that it does. */
export class Process {
  constructor(name, program, args, directory) {
    this.name = name;
    this.log = join(directory, `${name}.log`);
    const out = openSync(this.log, "a");
    this.child = spawn(program, args, { stdio: ["ignore", out, out], env: { ...process.env, NO_COLOR: "1" } });
    this.exit = new Promise((resolve) => this.child.on("exit", (code, signal) => resolve({ code, signal })));
    this.exit.then((how) => (this.ended = how));
  }
  output() {
    return existsSync(this.log) ? readFileSync(this.log, "utf8") : "";
  }
  assertRunning() {
    if (this.ended) throw new Error(`${this.name} ended (${JSON.stringify(this.ended)}):\n${this.output().slice(-4000)}`);
  }
  async stop(signal = "SIGINT") {
    if (this.ended) return this.ended;
    this.child.kill(signal);
    const how = await Promise.race([this.exit, sleep(20_000)]);
    if (!how) {
      this.child.kill("SIGKILL");
      await this.exit;
      throw new Error(`${this.name} did not end within 20 s of ${signal}`);
    }
    return how;
  }
}

/** A folder of its own for one test run. */
export function scratch() {
  const directory = mkdtempSync(join(tmpdir(), "surety-e2e-"));
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

/** A whole network under the `ci` profile, on the embedded L1 or on anvil. */
export async function startNetwork({ l1 = "embedded", directory }) {
  const [l1Port, beaconPort, l2Port, followerPort] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const chainFile = join(directory, "chain.json");
  const processes = [];
  const args = ["dev", "--profile", "ci", "--l2-port", `${l2Port}`, "--follower-port", `${followerPort}`, "--data-dir", join(directory, "dev"), "--chain-file", chainFile];
  let beacon = `http://127.0.0.1:${beaconPort}`;
  const l1Url = `http://127.0.0.1:${l1Port}`;
  if (l1 === "anvil") {
    const anvil = new Process(
      "anvil",
      ANVIL,
      ["--port", `${l1Port}`, "--block-time", "2", "--slots-in-an-epoch", "2", "--hardfork", "osaka", "--chain-id", "1337", "--mnemonic", MNEMONIC, "--silent"],
      directory,
    );
    processes.push(anvil);
    beacon = l1Url;
    await until("anvil answers", 30, () => rpc(l1Url, "eth_chainId"));
    args.push("--l1", l1Url, "--l1-beacon", beacon);
  } else {
    args.push("--l1-port", `${l1Port}`, "--l1-beacon-port", `${beaconPort}`);
  }
  const l2Url = `http://127.0.0.1:${l2Port}`;
  const network = { l1Url, l2Url, beacon, chainFile, processes };
  /** Starts the program, again if it was stopped, and waits until it makes blocks. */
  network.run = async () => {
    const dev = new Process("dev", SURETY, args, directory);
    processes.push(dev);
    network.dev = dev;
    const head = async () => BigInt(await rpc(l2Url, "eth_blockNumber"));
    try {
      const first = await until("the network answers", 90, async () => (dev.assertRunning(), { height: await head() }));
      await until("the network makes blocks", 90, async () => (dev.assertRunning(), (await head()) > first.height + 3n));
    } catch (error) {
      throw new Error(`${error.message}\n${dev.output().slice(-6000)}`);
    }
  };
  network.stop = async () => {
    for (const process of processes.reverse()) await process.stop();
  };
  try {
    await network.run();
  } catch (error) {
    await network.stop().catch(() => {});
    throw error;
  }
  network.chain = JSON.parse(readFileSync(chainFile, "utf8"));
  return network;
}

/** A follower in a process of its own, given L1 and the chain file alone. */
export async function startFollower(network, directory) {
  const port = await freePort();
  const follower = new Process(
    "follower",
    SURETY,
    ["follow", "--l1", network.l1Url, "--l1-beacon", network.beacon, "--chain", network.chainFile, "--rpc-port", `${port}`, "--data-dir", join(directory, "follower")],
    directory,
  );
  network.processes.push(follower);
  return { url: `http://127.0.0.1:${port}`, process: follower };
}

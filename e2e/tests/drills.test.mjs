// Every drill on the embedded L1, most on anvil too: what the drill says is read again from L1 by cast. Each has a control, the
// same run with honest behaviour, which must not pass.

import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ANVIL, MNEMONIC, Process, SURETY, freePort, rpc, scratch, sleep, until } from "../harness.mjs";
import { CHECKS, batchTopic, verify } from "../verify-drill.mjs";
import { DISPUTES } from "../verify-dispute.mjs";

const KEYS = ["drill", "offence_at_block", "report_tx", "slashed_at_block", "l1_blocks_to_slash", "gas_used", "seats_slashed", "bond_before", "bond_after", "reward", "innocents_slashed", "passed"];
const OTHER_KEYS = {
  censorship: ["drill", "account", "ignored_tx", "forced_at_block", "included_in_l2_block", "seconds_to_inclusion", "force_delay", "lapsed_at_block", "attended_tx", "attended_seat", "self_sequenced_tx", "self_sequenced_at_block", "seconds_to_self_sequencing", "report_txs", "gas_used", "seats_fined", "fined", "innocents_fined", "passed"],
  halt: ["drill", "halted_at_block", "forced_at_block", "self_sequenced_tx", "self_sequenced_at_block", "claimed_tx", "claimed_at_block", "paid_tx", "paid_at_block", "paid", "seconds_to_self_sequencing", "seconds_to_payment", "passed"],
  "l1-reorg": ["drill", "settled_depth", "force_delay", "max_gap", "finality_lag", "reorg_depth", "head_block", "head_hash", "ancestor_block", "ancestor_hash", "batches", "batches_reorged", "batches_reposted_identical", "l1_blocks_to_repost", "l2_nodes", "l2_blocks_compared", "l2_blocks_changed", "follower_safe", "later_tx", "later_tx_in_l2_block", "later_batch_at_block", "deposit_tx", "deposit_to", "deposit_at_block", "deposit_in_l2_block", "seats_slashed", "bond_before", "bond_after", "passed"],
  escape: ["drill", "account", "halted_at_block", "opened_tx", "opened_at_block", "seconds_to_opening", "escaped_tx", "escaped", "balance", "tokens", "refunded", "withdrawn", "second_escape", "passed"],
};
const DISPUTE_KEYS = ["drill", "batch", "claim", "claimed_tx", "claimed_at_block", "wrong_claims_fallen", "fell_tx", "fell_at_block", "seconds_to_fall", "right_claim", "right_claimed_at", "seconds_to_final", "challenge_period", "moves", "step_tx", "step_gas", "challenger", "challenger_txs", "challenger_gas", "challenger_most_gas", "challenger_bond", "challenger_reward", "other_txs", "other_gas", "parties_fallen", "party_bonds_lost", "seats_frozen", "seats_slashed", "seat_bonds_lost", "innocents_slashed", "theft_refused", "goes_on", "passed"];
for (const name of DISPUTES) OTHER_KEYS[name] = DISPUTE_KEYS;
const SLASHING = ["equivocation", "double-batch", "nullify-finalize"];

let place;
before(() => (place = scratch()));
after(() => place.remove());

/** Runs a drill with its L1 kept, hands report, chain file and L1 to `look`, and tells the exit code. */
async function drill(name, { control = false, anvil, depth, witness } = {}, look = () => {}) {
  const chainFile = join(place.directory, `${name}-${Math.random()}.json`);
  const port = await freePort();
  const l1Url = anvil ?? `http://127.0.0.1:${port}`;
  const args = ["drill", name, "--json", "--keep", "--chain-file", chainFile];
  args.push(...(anvil ? ["--l1", anvil, "--l1-beacon", anvil] : ["--l1-port", `${port}`]));
  if (control) args.push("--control", "honest");
  if (depth) args.push("--depth", `${depth}`);
  const child = spawn(SURETY, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" } });
  let [output, errors] = ["", ""];
  child.stdout.on("data", (data) => (output += data));
  child.stderr.on("data", (data) => (errors += data));
  const exit = new Promise((resolve) => child.on("exit", (code) => resolve(code)));
  try {
    const ended = exit.then(() => true);
    witness?.(l1Url, ended);
    await until(`the drill ${name} reports`, 600, async () => output.includes("}\n") || (await Promise.race([ended, false])));
    assert.ok(output, `no report:\n${errors.slice(-4000)}`);
    const report = JSON.parse(output);
    console.log(errors, output);
    assert.deepEqual(Object.keys(report).sort(), [...(OTHER_KEYS[name] ?? KEYS)].sort());
    assert.equal(report.drill, name);
    await look(report, JSON.parse(readFileSync(chainFile, "utf8")), l1Url);
    child.stdin.end();
    return { report, code: await exit };
  } finally {
    child.stdin.destroy();
    child.kill("SIGINT");
    await exit;
  }
}

// They wait for L1's blocks and terms most of the time.
describe("drills", { concurrency: 2 }, () => {
  for (const name of SLASHING) {
    test(`${name}: the sinner is punished, nobody else, and L1 says the same`, async () => {
      const { report, code } = await drill(name, {}, verify);
      assert.equal(report.passed, true, JSON.stringify(report));
      assert.ok(report.gas_used < 120_000, `${report.gas_used} gas`);
      assert.ok(report.l1_blocks_to_slash <= 1);
      assert.equal(code, 0);
    });
  }

  for (const name of [...SLASHING, "crash"]) {
    test(`${name}, control: with honest seats it does not pass`, async () => {
      const { report, code } = await drill(name, { control: true }, verify);
      assert.equal(report.passed, false);
      assert.equal(report.seats_slashed, 0);
      assert.equal(code, 1);
    });
  }

  for (const [name, what] of Object.entries({
    censorship: "forced in time, then sequenced by anyone; all are fined but the one that attended",
    halt: "every sequencer is dead, a forced withdrawal is sequenced, claimed and paid",
    escape: "nobody acts, holders leave by proofs, each once",
  })) {
    test(`${name}: ${what}`, async () => {
      const { report, code } = await drill(name, {}, CHECKS[name]);
      assert.equal(report.passed, true, JSON.stringify(report));
      assert.equal(code, 0);
    });

    test(`${name}, control: with honest seats it does not pass`, async () => {
      const { report, code } = await drill(name, { control: true }, CHECKS[name]);
      assert.equal(report.passed, false);
      assert.equal(code, 1);
    });
  }

  // A dispute takes a challenge period: the whole game in CI, the others by night.
  for (const name of DISPUTES) {
    const isNightly = name !== "invalid-state";
    const isSkipped = isNightly && !process.env.SURETY_NIGHTLY;
    const title = `${name}${isNightly ? " by night" : ""}`;
    test(`${title}: one challenger wins, those who were wrong pay, and L1 says the same`, { skip: isSkipped }, async () => {
      const { report, code } = await drill(name, {}, CHECKS[name]);
      assert.equal(report.passed, true, JSON.stringify(report));
      assert.equal(code, 0);
    });

    test(`${title}, control: when nobody is wrong it does not pass`, { skip: isSkipped }, async () => {
      const { report, code } = await drill(name, { control: true }, CHECKS[name]);
      assert.equal(report.passed, false);
      assert.equal(report.seats_frozen + report.parties_fallen + report.innocents_slashed, 0);
      assert.equal(code, 1);
    });
  }

  /** Reads the batches' events from L1 again and again until `ended`, and keeps all that were ever there. */
  const witness = () => {
    const [seen, topic] = [new Map(), batchTopic()];
    const watch = async (l1Url, ended) => {
      let over = false;
      ended.then(() => (over = true));
      while (!over) {
        const logs = await rpc(l1Url, "eth_getLogs", { fromBlock: "0x0", toBlock: "latest", topics: [topic] }).catch(() => []);
        for (const log of logs ?? []) seen.set(`${log.blockHash} ${log.logIndex}`, log);
        await sleep(200);
      }
    };
    return { seen, watch };
  };

  const reorg = async ({ depth, control }) => {
    const { seen, watch } = witness();
    const check = (report, chain, l1Url) => {
      const found = CHECKS["l1-reorg"](report, chain, l1Url, [...seen.values()]);
      if (!control) assert.ok(found.lost > 0, "a batch was seen in a block that L1 took back");
    };
    return drill("l1-reorg", { depth, control, witness: watch }, check);
  };

  test("l1-reorg: L1 takes 60 blocks back, the same batches stand on it again, and nobody is punished", async () => {
    const { report, code } = await reorg({});
    assert.equal(report.passed, true, JSON.stringify(report));
    assert.equal(report.reorg_depth, 60);
    assert.ok(report.deposit_at_block > report.ancestor_block, "L1 took a deposit back, too");
    assert.equal(code, 0);
  });

  test("l1-reorg, control: on an L1 that takes nothing back it does not pass", async () => {
    const { report, code } = await reorg({ control: true });
    assert.equal(report.passed, false);
    assert.equal(code, 1);
  });

  // By night: minutes.
  for (const [depth, passes] of [[10, true], [70, false]]) {
    test(`l1-reorg by night: ${depth} blocks, ${passes ? "which passes" : "more than settle, which does not pass"}`, { skip: !process.env.SURETY_NIGHTLY }, async () => {
      const { report, code } = await reorg({ depth });
      assert.equal(report.passed, passes, JSON.stringify(report));
      assert.equal(report.reorg_depth, depth);
      assert.equal(code, passes ? 0 : 1);
    });
  }

  // Every run draws another order of kills, so that many nights see many.
  test("crash: seats are killed and come back, nobody is punished", async () => {
    for (let round = 0; round < (process.env.SURETY_NIGHTLY ? 5 : 1); round++) {
      const { report, code } = await drill("crash", {}, verify);
      assert.equal(report.passed, true, JSON.stringify(report));
      assert.equal(code, 0);
    }
  });

  /** Runs drills one after the other, each on an anvil of its own. */
  const onAnvil = async (t, cases) => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    for (const { name, control = false } of cases) {
      const title = `${name}${control ? ", control" : ""}`;
      await t.test(title, async () => {
        const args = ["--port", `${port}`, "--block-time", "2", "--slots-in-an-epoch", "2", "--hardfork", "osaka", "--chain-id", "1337", "--mnemonic", MNEMONIC, "--silent"];
        const anvil = new Process(`anvil-${title}`, ANVIL, args, place.directory);
        try {
          await until("anvil answers", 30, () => rpc(url, "eth_chainId"));
          const { report, code } = await drill(name, { anvil: url, control }, CHECKS[name] ?? verify);
          assert.equal(report.passed, !control, JSON.stringify(report));
          assert.equal(code, control ? 1 : 0);
        } finally {
          await anvil.stop();
        }
      });
    }
  };
  // That nothing depends on our own L1 needs one that slashes and one that ends; the others are run there by night.
  const by = (night, ci) => (process.env.SURETY_NIGHTLY ? night : ci);
  const each = (names) => names.map((name) => ({ name }));
  test("on anvil: the sinner is punished and L1 says the same", (t) => onAnvil(t, each(by(SLASHING, ["equivocation"]))));
  test("on anvil: without the committee", (t) => onAnvil(t, each(by(["censorship", "escape"], ["escape"]))));
  test("on anvil by night: a wrong state", { skip: !process.env.SURETY_NIGHTLY }, (t) => onAnvil(t, each(["invalid-state"])));
  test("on anvil by night: crash", { skip: !process.env.SURETY_NIGHTLY }, (t) => onAnvil(t, [{ name: "crash" }, { name: "crash", control: true }]));

  test("there is a list, and an unknown drill is refused", async () => {
    const run = (...args) =>
      new Promise((resolve) => {
        const child = spawn(SURETY, args);
        let text = "";
        child.stdout.on("data", (data) => (text += data));
        child.stderr.on("data", (data) => (text += data));
        child.on("exit", (code) => resolve({ code, text }));
      });
    const list = await run("drill", "--list");
    assert.equal(list.code, 0);
    for (const name of [...SLASHING, ...Object.keys(CHECKS), "crash"]) assert.match(list.text, new RegExp(name));
    const unknown = await run("drill", "nonsense");
    assert.notEqual(unknown.code, 0);
    assert.match(unknown.text, /equivocation/);
  });
});

#!/usr/bin/env node
// Runs halmos on the checks in this folder. Installs halmos into `contracts/.halmos` from `requirements.txt` (exact versions
// and hashes), compiles with Foundry's profile `halmos`, and compares: every `check_` must pass, every `check_control_` must
// be refuted. Ends with a line of counts, and exits 1 when anything is otherwise.
import {spawnSync} from "node:child_process";
import {existsSync, readFileSync, rmSync, writeFileSync} from "node:fs";
import {delimiter, dirname, join} from "node:path";
import {fileURLToPath} from "node:url";

const contracts = dirname(dirname(fileURLToPath(import.meta.url)));
const venv = join(contracts, ".halmos", "venv");
const results = join(contracts, ".halmos", "results.json");
const bin = join(contracts, "node_modules", ".bin");

/** How many checks and controls there are: one that is no longer found is missed. */
const CHECKS = 14;
const CONTROLS = 12;

function run(program, ...args) {
  const env = {...process.env, FOUNDRY_PROFILE: "halmos", PATH: bin + delimiter + process.env.PATH};
  const {error, status} = spawnSync(program, args, {cwd: contracts, stdio: ["ignore", "inherit", "inherit"], env});
  if (error) throw error;
  return status;
}

function must(program, ...args) {
  if (run(program, ...args) !== 0) fail(`${program} ${args.join(" ")} failed`);
}

function fail(why) {
  console.error(why);
  process.exit(1);
}

function install() {
  const wanted = readFileSync(join(contracts, "symbolic", "requirements.txt"));
  const stamp = join(venv, ".installed-requirements");
  if (existsSync(stamp) && readFileSync(stamp).equals(wanted)) return;
  // What the pins are for.
  const recent = (name) =>
    spawnSync(name, ["-c", "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"]).status === 0;
  const python = ["python3", "python3.11"].find(recent);
  if (!python) fail("no Python 3.11 or later with venv: install python3 and python3-venv");
  rmSync(venv, {recursive: true, force: true});
  must(python, "-m", "venv", venv);
  const options = ["--quiet", "--disable-pip-version-check", "--require-hashes"];
  must(join(venv, "bin", "pip"), "install", ...options, "-r", join("symbolic", "requirements.txt"));
  writeFileSync(stamp, wanted);
}

if (!existsSync(join(bin, "forge"))) fail("node_modules is missing: run `npm ci --ignore-scripts` in contracts/ first");
install();
rmSync(results, {force: true});
// Loops are unrolled as often as any of the checks needs: a path that would go on is an error below. What is not decided
// within a minute counts as not shown.
const options = ["--loop", "64", "--solver-timeout-assertion", "60s", "--solver-threads", "1", "--early-exit"];
run(join(venv, "bin", "halmos"), "--no-status", "--forge-build-out", ".halmos/out", "--json-output", results, ...options);
if (!existsSync(results)) fail("halmos gave no results");
const tests = Object.values(JSON.parse(readFileSync(results, "utf8")).test_results).flat();
const isControl = ({name}) => name.startsWith("check_control_");
const [controls, checks] = [tests.filter(isControl), tests.filter((test) => !isControl(test))];
// Exit codes of halmos: 0 shown, 1 a counterexample; others are timeouts, errors and paths that all revert.
const shown = checks.filter(({exitcode, num_bounded_loops}) => exitcode === 0 && !num_bounded_loops);
const refuted = controls.filter(({exitcode, num_models}) => exitcode === 1 && num_models > 0);
for (const {name} of checks.filter((test) => !shown.includes(test))) console.error(`not shown: ${name}`);
for (const {name} of controls.filter((test) => !refuted.includes(test))) console.error(`not refuted, but wrong: ${name}`);
console.log(`halmos: ${shown.length} of ${CHECKS} checks shown, ${refuted.length} of ${CONTROLS} controls refuted`);
if (shown.length !== CHECKS || checks.length !== CHECKS) process.exit(1);
if (refuted.length !== CONTROLS || controls.length !== CONTROLS) process.exit(1);

#!/usr/bin/env node
// Compiles src/ and writes artifacts/<Contract>.json for each contract that has code: `abi`, `bytecode` and
// `deployedBytecode` (hex strings) and nothing else, so that equal sources give equal bytes on every machine.
// With --check it writes nothing and exits 1 with the list of files that differ, are missing or are left over.
import {execFileSync} from "node:child_process";
import {existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from "node:fs";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const check = process.argv.includes("--check");
const forge = join(root, "node_modules", ".bin", "forge");
if (!existsSync(forge)) {
  console.error("node_modules is missing: run `npm ci --ignore-scripts` in contracts/ first");
  process.exit(1);
}
// A build of its own (not the cached one that tests use): only src/, and no output of deleted sources.
const out = join(root, "out", "artifacts");
rmSync(out, {recursive: true, force: true});
execFileSync(forge, ["build", "src", "--force", "--out", out, "--cache-path", join(out, ".cache")], {
  cwd: root,
  stdio: ["ignore", "ignore", "inherit"],
});

/** Solidity files under `src/`, by their base name: Foundry's output has one folder for each. */
const sources = readdirSync(join(root, "src"), {recursive: true})
  .filter((path) => path.endsWith(".sol"))
  .map((path) => path.split(/[\\/]/).pop());

const wanted = new Map();
for (const source of sources.sort()) {
  const folder = join(out, source);
  if (!existsSync(folder)) continue;
  for (const file of readdirSync(folder).sort()) {
    const {abi, bytecode, deployedBytecode} = JSON.parse(readFileSync(join(folder, file), "utf8"));
    // Interfaces and abstract contracts have no code; a library of internal functions has a few bytes that revert.
    if (deployedBytecode.object.length <= 66) continue;
    if (!/^0x[0-9a-f]*$/.test(bytecode.object)) throw new Error(`${file}: unlinked library in the bytecode`);
    if (wanted.has(file)) throw new Error(`${file}: two contracts of one name`);
    wanted.set(file, JSON.stringify({abi, bytecode: bytecode.object, deployedBytecode: deployedBytecode.object}, null, 1) + "\n");
  }
}

const folder = join(root, "artifacts");
mkdirSync(folder, {recursive: true});
const present = readdirSync(folder).filter((file) => file.endsWith(".json"));
const stale = present.filter((file) => !wanted.has(file));
const changed = [...wanted].filter(([file, text]) => !present.includes(file) || readFileSync(join(folder, file), "utf8") !== text);
if (check) {
  for (const file of stale) console.error(`artifacts/${file}: no contract of src/ makes it`);
  for (const [file] of changed) console.error(`artifacts/${file}: differs from what src/ compiles to`);
  if (stale.length + changed.length > 0) {
    console.error("run `node contracts/artifacts.mjs` and commit the result");
    process.exit(1);
  }
} else {
  for (const file of stale) rmSync(join(folder, file));
  for (const [file, text] of changed) writeFileSync(join(folder, file), text);
}
console.log(`${wanted.size} artifacts, ${changed.length} changed, ${stale.length} left over`);

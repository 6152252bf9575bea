#!/usr/bin/env node
// Writes vectors/eip712.json, vectors/messages.json, vectors/claims.json, vectors/program.json and vectors/equivocation.json:
// the wire formats' golden vectors, which Rust and Solidity both read. It shares no code with either: hashing is js-sha3's, signatures and (once more) EIP-712 digests
// are cast's. With --check it writes nothing and exits 1 on a difference.
//
// Numbers above 2^53 are hex strings. Byte i of patterned data is (7 i + 3) mod 251.
import {execFileSync} from "node:child_process";
import {readFileSync, writeFileSync, existsSync} from "node:fs";
import {createHash} from "node:crypto";
import {createRequire} from "node:module";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const {keccak256} = createRequire(join(root, "node_modules", "solc", "index.js"))("js-sha3");
const check = process.argv.includes("--check");

const bytes = (hex) => Buffer.from(hex.replace(/^0x/, ""), "hex");
const hash = (...parts) => "0x" + keccak256(Buffer.concat(parts.map((p) => (typeof p === "string" ? bytes(p) : p))));
const text = (s) => hash(Buffer.from(s));
/** One ABI word of a number, address or bytes32. */
const word = (v) => (typeof v === "string" && v.startsWith("0x") ? v.slice(2) : BigInt(v).toString(16)).padStart(64, "0");
const encode = (...values) => "0x" + values.map(word).join("");
const number = (v) => (BigInt(v) > 2n ** 53n ? "0x" + BigInt(v).toString(16) : Number(v));
const pattern = (length) => Buffer.from(Array.from({length}, (_, i) => (7 * i + 3) % 251));

// Signed structs

const types = {
  Notarize: "uint64 rollup,uint64 term,bytes32 genesis,uint64 view,uint64 parentView,bytes32 blockHash",
  Finalize: "uint64 rollup,uint64 term,bytes32 genesis,uint64 view,uint64 parentView,bytes32 blockHash",
  Nullify: "uint64 rollup,uint64 term,bytes32 genesis,uint64 view",
  Batch:
    "uint64 rollup,uint64 term,bytes32 genesis,uint64 firstHeight,uint64 lastHeight,bytes32 parentClaim,bytes32 prevHash,bytes32 lastHash,bytes32 blockHashRoot,uint64 lastBlockTime,uint64 messageCount,bytes32 messageAcc,bytes32 inboxTip,bytes32 dataHash",
  Receipt: "uint64 rollup,uint64 term,bytes32 genesis,uint64 view,uint64 height,uint64 index,bytes32 txHash",
  VoteKey: "address owner,bytes32 peerKey",
};
const domain = {chainId: 1337, registry: "0x5fbdb2315678afecb367f032d93f642f64180aa3"};
const privateKey = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

function cast(...args) {
  return execFileSync(join(root, "node_modules", ".bin", "cast"), args, {encoding: "utf8", stdio: ["ignore", "pipe", "ignore"]}).trim();
}

/** r ‖ (yParity << 255 | s) of r ‖ s ‖ v. */
function compact(signature) {
  const raw = bytes(signature);
  if (raw[64] === 28) raw[32] |= 0x80;
  return "0x" + raw.subarray(0, 64).toString("hex");
}

function signed(type, values) {
  const fields = types[type].split(",").map((f) => f.split(" "));
  const structHash = hash(encode(text(`${type}(${types[type]})`), ...fields.map(([, name]) => values[name])));
  const digest = hash("0x1901", separator, structHash);
  const signature = compact(cast("wallet", "sign", "--no-hash", digest, "--private-key", privateKey));
  const typed = {
    types: {
      EIP712Domain: [["string", "name"], ["string", "version"], ["uint256", "chainId"], ["address", "verifyingContract"]].map(([type, name]) => ({name, type})),
      [type]: fields.map(([type, name]) => ({name, type})),
    },
    primaryType: type,
    domain: {name: "Surety", version: "1", chainId: domain.chainId, verifyingContract: domain.registry},
    message: Object.fromEntries(fields.map(([, name]) => [name, typeof values[name] === "string" ? values[name] : values[name].toString()])),
  };
  const again = compact(cast("wallet", "sign", "--data", JSON.stringify(typed), "--private-key", privateKey));
  if (again !== signature) throw new Error(`${type}: cast hashes it in another way`);
  const flat = Object.fromEntries(fields.map(([, name]) => [name, typeof values[name] === "string" ? values[name] : number(values[name])]));
  return {type, ...flat, structHash, digest, signature};
}

const separator = hash(
  encode(
    text("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
    text("Surety"), text("1"), domain.chainId, domain.registry,
  ),
);
const max = 2n ** 64n - 1n;
const ones = "0x" + "ff".repeat(32);
const genesis = text("genesis");
const batch = {
  rollup: 75873n, term: 3n, genesis, firstHeight: 31n, lastHeight: 60n, parentClaim: text("parent"), prevHash: text("30"),
  lastHash: text("60"), blockHashRoot: text("root"), lastBlockTime: 1_800_000_012n, messageCount: 9n, messageAcc: text("acc"),
  inboxTip: text("tip"), dataHash: text("data"),
};
const vote = {rollup: 75873n, term: 3n, genesis, view: 17n, parentView: 15n, blockHash: text("block")};
const full = (o) => Object.fromEntries(Object.entries(o).map(([k, v]) => [k, typeof v === "string" ? ones : max]));
const empty = (o) => Object.fromEntries(Object.entries(o).map(([k, v]) => [k, typeof v === "string" ? "0x" + "00".repeat(32) : 0n]));
const receipt = {rollup: 75873n, term: 3n, genesis, view: 17n, height: 44n, index: 5n, txHash: text("tx")};
const nullify = {rollup: 75873n, term: 3n, genesis, view: 17n};
const voteKey = {owner: "0x70997970c51812dc3a010c7d01b50e0d17dc79c8", peerKey: text("peer")};
const eip712 = {
  chainId: domain.chainId,
  registry: domain.registry,
  separator,
  privateKey,
  signer: "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
  cases: [
    ...[vote, full(vote), empty(vote)].flatMap((v) => [signed("Notarize", v), signed("Finalize", v)]),
    ...[nullify, full(nullify), empty(nullify)].map((v) => signed("Nullify", v)),
    ...[batch, full(batch), empty(batch)].map((v) => signed("Batch", v)),
    ...[receipt, full(receipt), empty(receipt)].map((v) => signed("Receipt", v)),
    ...[voteKey, {owner: "0x" + "ff".repeat(20), peerKey: ones}, {owner: "0x" + "00".repeat(20), peerKey: text("other")}].map((v) => signed("VoteKey", v)),
  ],
};

// Messages

let acc = "0x" + "00".repeat(32);
function message(m) {
  const messageHash = hash(
    encode(m.kind, m.index, m.l1Block, m.l1Time, m.sender, m.to, m.value, m.mint, m.gas, hash(m.data)),
  );
  const accBefore = acc;
  acc = hash(accBefore, messageHash);
  return {
    ...m, index: number(m.index), l1Block: number(m.l1Block), l1Time: number(m.l1Time), value: number(m.value),
    mint: number(m.mint), gas: number(m.gas), accBefore, messageHash, acc, sourceHash: hash(encode(2, messageHash)),
  };
}
const selector = text("reimburse(uint64,uint64,bytes32,bytes32,uint256,uint256,address,uint256)").slice(0, 10);
const info = selector + encode(1_005, 1_800_000_012, text("l1 hash"), text("randomness"), 7_000_000_000n, 1, "0x90f79bf6eb2c4f870365e785982e1f101e93b906", 10n ** 16n).slice(2);
const messages = {
  cases: [
    message({kind: 0, index: 0n, l1Block: 1_000n, l1Time: 1_800_000_000n, sender: "0x70997970c51812dc3a010c7d01b50e0d17dc79c8", to: "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc", value: 10n ** 18n, mint: 2n * 10n ** 18n, gas: 100_000n, data: "0x"}),
    message({kind: 2, index: 1n, l1Block: 1_006n, l1Time: 1_800_000_012n, sender: "0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001", to: "0x420000000000000000000000000000000000001a", value: 0n, mint: 0n, gas: 100_000n, data: info}),
    message({kind: 1, index: 2n, l1Block: 1_007n, l1Time: 1_800_000_014n, sender: "0x1111000000000000000000000000000000001112", to: "0x4200000000000000000000000000000000000016", value: 0n, mint: 0n, gas: 7_500_000n, data: "0x" + pattern(100).toString("hex")}),
    message({kind: 0, index: max, l1Block: max, l1Time: max, sender: "0x" + "ff".repeat(20), to: "0x" + "ff".repeat(20), value: 2n ** 256n - 1n, mint: 2n ** 128n - 1n, gas: max, data: "0x00"}),
  ],
};

// Claims, trees, tips, data

const leaf = (data) => hash("0x00", data);
const node = (a, b) => hash("0x01", a, b);
function tree(name, count) {
  const hashes = Array.from({length: count}, (_, i) => text(`${name} ${i}`));
  let level = hashes.map(leaf);
  let padding = leaf("0x" + "00".repeat(32));
  let index = count - 1;
  const path = [];
  const leftSiblings = [];
  for (let depth = 0; depth < 15; depth++) {
    const sibling = level[index ^ 1] ?? padding;
    path.push(sibling);
    if (index & 1) leftSiblings.push(sibling);
    level = Array.from({length: Math.ceil(level.length / 2)}, (_, i) => node(level[2 * i], level[2 * i + 1] ?? padding));
    padding = node(padding, padding);
    index >>= 1;
  }
  return {name, count, firstHash: hashes[0], lastHash: hashes[count - 1], index: count - 1, root: level[0], path, leftSiblings};
}
function claim(rollup, batchIndex, parentId, prevHash, lastHash, blockHashRoot) {
  const id = hash(encode(rollup, batchIndex, parentId, prevHash, lastHash, blockHashRoot));
  return {rollup: number(rollup), batchIndex: number(batchIndex), parentId, prevHash, lastHash, blockHashRoot, id};
}
const zero = "0x" + "00".repeat(32);
const first = claim(75873n, 0n, zero, zero, genesis, zero);
const trees = [tree("one", 1), tree("thirty", 30), tree("full pair", 2), tree("odd", 21), tree("all", 32768)];
function callData(length) {
  const data = pattern(length);
  let pages = [];
  for (let at = 0; at < length; at += 4096) pages.push(Buffer.concat([data.subarray(at, at + 4096), Buffer.alloc(4096)]).subarray(0, 4096));
  let width = 1;
  while (width < pages.length) width *= 2;
  let level = Array.from({length: width}, (_, i) => leaf(pages[i] ?? Buffer.alloc(4096)));
  while (level.length > 1) level = Array.from({length: level.length / 2}, (_, i) => node(level[2 * i], level[2 * i + 1]));
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(length));
  return {length, dataHash: hash("0x02", size, level[0])};
}
function blobs(count) {
  const versionedHashes = Array.from({length: count}, (_, i) => "0x01" + text(`blob ${i}`).slice(4));
  return {versionedHashes, dataHash: hash("0x01", ...versionedHashes)};
}
const tips = [];
for (const c of eip712.cases.filter((c) => c.type === "Batch")) {
  const tip = tips.at(-1)?.next ?? zero;
  tips.push({tip, structHash: c.structHash, next: hash(tip, c.structHash)});
}
const claims = {
  claims: [first, claim(75873n, 1n, first.id, genesis, trees[1].lastHash, trees[1].root), claim(max, max, ones, ones, ones, ones)],
  trees,
  tips,
  calldata: [1, 4096, 4097, 9000, 131072].map(callData),
  blobs: [1, 2, 6].map(blobs),
};

// What the program is told of a block, and what it answers

const chains = [
  {rollup: 75873n, genesisTime: 1_800_000_000n, genesisHash: genesis, blockTime: 200n, gasLimit: 30_000_000n, baseFeeDenominator: 250n, baseFeeElasticity: 6n, minBaseFee: 1_000_000n, l1BaseFeeScalar: 5_227n, l1BlobBaseFeeScalar: 1_014_213n, daFootprintGasScalar: 400n},
  {rollup: max, genesisTime: max, genesisHash: ones, blockTime: max, gasLimit: max, baseFeeDenominator: 2n ** 32n - 1n, baseFeeElasticity: 2n ** 32n - 1n, minBaseFee: max, l1BaseFeeScalar: 2n ** 32n - 1n, l1BlobBaseFeeScalar: 2n ** 32n - 1n, daFootprintGasScalar: 2n ** 16n - 1n},
];
const statementHashes = eip712.cases.filter((c) => c.type === "Batch").map((c) => c.structHash);
function program(chain, statementHash, beforeBatch, height, parentHash, blockHash) {
  const parametersHash = hash(encode(text("Surety.Parameters.v1"), ...Object.values(chain)));
  const input = encode(parametersHash, statementHash, beforeBatch, height, parentHash);
  const inputHash = hash(input);
  const output = "0x" + createHash("sha256").update(Buffer.concat([bytes(inputHash), bytes(blockHash)])).digest("hex");
  const numbers = Object.fromEntries(Object.entries(chain).map(([k, v]) => [k, typeof v === "string" ? v : number(v)]));
  return {parameters: numbers, parametersHash, statementHash, beforeBatch, height: number(height), parentHash, input, inputHash, blockHash, output};
}
const programs = {
  cases: [
    program(chains[0], statementHashes[0], text("30"), 31n, text("30"), text("31")),
    program(chains[1], statementHashes[1], ones, max, ones, ones),
  ],
};

// Evidence of equivocations, and what comes of it: the error of `IEquivocation` (none: guilty)

const kinds = {Notarize: 1, Finalize: 2, Nullify: 3, Batch: 4, Receipt: 5};
const otherKey = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a";
/** A statement as L1 takes it, signed by `key`. */
function statement(type, values, key = privateKey) {
  const fields = types[type].split(",").map((f) => f.split(" ")[1]);
  const structHash = hash(encode(text(`${type}(${types[type]})`), ...fields.map((name) => values[name])));
  const digest = hash("0x1901", separator, structHash);
  return {
    kind: kinds[type],
    statement: encode(...fields.map((name) => values[name])),
    signature: compact(cast("wallet", "sign", "--no-hash", digest, "--private-key", key)),
  };
}
/** abi.encode(uint8, bytes, bytes, uint8, bytes, bytes). */
function evidence(a, b) {
  const parts = [a.statement, a.signature, b.statement, b.signature].map((p) => bytes(p));
  const padded = parts.map((p) => Buffer.concat([p, Buffer.alloc((32 - (p.length % 32)) % 32)]));
  let at = 6 * 32;
  const offsets = padded.map((p) => [at, (at += 32 + p.length)][0]);
  return (
    encode(a.kind, offsets[0], offsets[1], b.kind, offsets[2], offsets[3]) +
    padded.map((p, i) => word(parts[i].length) + p.toString("hex")).join("")
  );
}
const cases = [];
function judged(name, error, a, b) {
  cases.push({name, error, evidence: evidence(a, b)});
}
const cut = (hex, size) => hex.slice(0, 2 + 2 * size);
const setWord = (hex, place, value) => "0x" + hex.slice(2, 2 + 64 * place) + word(value) + hex.slice(66 + 64 * place);
const getWord = (hex, place) => BigInt("0x" + hex.slice(2 + 64 * place, 66 + 64 * place));
const otherVote = {...vote, blockHash: text("other")};
const otherParent = {...vote, parentView: 14n};
const otherBatch = {...batch, lastHash: text("other")};
const end = {rollup: vote.rollup, term: vote.term, genesis, view: vote.view};
const [N, F, X, B] = [["Notarize", vote], ["Finalize", vote], ["Nullify", end], ["Batch", batch]].map((s) => statement(...s));
const [N2, F2, B2] = [["Notarize", otherVote], ["Finalize", otherVote], ["Batch", otherBatch]].map((s) => statement(...s));

for (const [name, a, b] of [["two notarisations", N, N2], ["two finalisations", F, F2], ["given up and finalised", X, F], ["two batches", B, B2]]) {
  judged(name, "", a, b);
  judged(`${name}, the other way round`, "", b, a);
}
judged("two notarisations of one block on two parents", "", N, statement("Notarize", otherParent));
judged("two finalisations of one block on two parents", "", F, statement("Finalize", otherParent));
judged("two block hash roots", "", B, statement("Batch", {...batch, blockHashRoot: text("other")}));
const innocent = ["firstHeight", "parentClaim", "prevHash", "lastBlockTime", "messageCount", "messageAcc", "inboxTip", "dataHash"];
const plus = (v) => (typeof v === "string" ? text(v) : v + 1n);
const allInnocent = Object.fromEntries(innocent.map((name) => [name, plus(batch[name])]));
judged("two batches that differ in everything that may differ, and in the last hash", "", B, statement("Batch", {...otherBatch, ...allInnocent}));
judged("two batches that differ in everything that may differ", "NoContradiction", B, statement("Batch", {...batch, ...allInnocent}));
for (const name of innocent) judged(`two batches that differ in ${name}`, "NoContradiction", B, statement("Batch", {...batch, [name]: plus(batch[name])}));
for (const [name, a] of [["notarisation", N], ["finalisation", F], ["batch", B]]) judged(`one ${name} twice`, "NoContradiction", a, a);
judged("one view given up twice", "KindsDoNotContradict", X, X);
for (const [a, b] of [[N, F2], [F2, N], [N, X], [X, N], [N, B], [F, B], [X, B]]) judged(`kinds ${a.kind} and ${b.kind}`, "KindsDoNotContradict", a, b);
const R = statement("Receipt", receipt);
judged("two receipts", "UnknownKind", R, statement("Receipt", {...receipt, txHash: text("other")}));
judged("a kind of zero", "UnknownKind", {...N, kind: 0}, N2);
judged("a kind of nine bits", "EvidenceMalformed", {...N, kind: 257}, N2);
for (const [pair, a, type, values] of [["notarisations", N, "Notarize", otherVote], ["finalisations", F, "Finalize", otherVote], ["views", X, "Finalize", vote], ["batches", B, "Batch", otherBatch]]) {
  judged(`${pair} of two rollups`, "WrongRollup", a, statement(type, {...values, rollup: values.rollup + 1n}));
  judged(`${pair} of two terms`, "DifferentTerms", a, statement(type, {...values, term: values.term + 1n}));
  judged(`${pair} of two histories`, "DifferentGenesis", a, statement(type, {...values, genesis: text("fork")}));
  const place = type === "Batch" ? "lastHeight" : "view";
  judged(`${pair} of two places`, type === "Batch" ? "DifferentHeights" : "DifferentViews", a, statement(type, {...values, [place]: values[place] + 1n}));
  const b = statement(type, values);
  judged(`${pair} of two keys`, "DifferentSigners", a, statement(type, values, otherKey));
  judged(`${pair}, the second changed after it was signed`, "DifferentSigners", a, {...b, statement: setWord(b.statement, 5, getWord(b.statement, 5) ^ 1n)});
  judged(`${pair}, with a number of 65 bits`, "FieldOutOfRange", a, {...b, statement: setWord(b.statement, 1, getWord(b.statement, 1) | (1n << 64n))});
  judged(`${pair}, a word short`, "StatementLengthWrong", a, {...b, statement: cut(b.statement, bytes(b.statement).length - 32)});
  judged(`${pair}, a byte short`, "StatementLengthWrong", a, {...b, statement: cut(b.statement, bytes(b.statement).length - 1)});
  judged(`${pair}, a word long`, "StatementLengthWrong", a, {...b, statement: b.statement + word(0)});
  judged(`${pair}, no signature`, "SignatureInvalid", a, {...b, signature: "0x"});
  judged(`${pair}, a signature of zeros`, "SignatureInvalid", a, {...b, signature: "0x" + "00".repeat(64)});
  judged(`${pair}, a signature of 65 bytes`, "SignatureInvalid", a, {...b, signature: b.signature + "1b"});
  judged(`${pair}, a high s`, "SignatureInvalid", a, {...b, signature: setWord(b.signature, 1, getWord(b.signature, 1) | ((1n << 255n) - 1n))});
}
judged("the signatures exchanged", "DifferentSigners", {...N, signature: N2.signature}, {...N2, signature: N.signature});
judged("a key of no seat", "SignerIsNoSeat", statement("Notarize", vote, otherKey), statement("Notarize", otherVote, otherKey));
const whole = evidence(N, N2);
for (const [name, bytes_] of [["nothing", "0x"], ["a byte short", cut(whole, bytes(whole).length - 1)], ["a byte long", whole + "00"], ["a word long", whole + word(0)], ["heads alone", cut(whole, 192)], ["a head that points elsewhere", setWord(whole, 2, getWord(whole, 2) + 32n)], ["a length beyond the end", setWord(whole, 6, ones)]]) {
  cases.push({name: `evidence: ${name}`, error: "EvidenceMalformed", evidence: bytes_});
}
const equivocation = {chainId: domain.chainId, registry: domain.registry, rollup: 75873, signer: eip712.signer, term: 3, cases};

let bad = 0;
for (const [name, content] of Object.entries({eip712, messages, claims, program: programs, equivocation})) {
  const path = join(root, "vectors", `${name}.json`);
  const json = JSON.stringify(content, null, 1) + "\n";
  if (existsSync(path) && readFileSync(path, "utf8") === json) continue;
  if (check) {
    console.error(`vectors/${name}.json differs: run \`node contracts/vectors.mjs\` and look at the difference`);
    bad = 1;
  } else writeFileSync(path, json);
}
process.exit(bad);

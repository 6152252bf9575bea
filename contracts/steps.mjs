#!/usr/bin/env node
// Writes vectors/steps.json: golden steps of the machine that runs the program, which Rust and Solidity both make. It shares no
// code with either: RV64IM is written here once more, from the RISC-V Instruction Set Manual (volume I, unprivileged), and
// state hash, memory tree, calls and witness from src/dispute/IRiscV.sol; hashing is js-sha3's. With --check it writes nothing
// and exits 1 on a difference.
//
// The lists of the file have an element for each case, in the same order:
//
// | list | element |
// |---|---|
// | names | what the case shows |
// | mnemonics | its instruction; of an ECALL also which call; else `illegal` (it traps), `fetch` (pc is not allowed) or `ended` |
// | states | the state before: pc, registers that are not zero, memory that is not zero, output; or its end; and the part that a READ brings |
// | witnesses | witness of the step |
// | before, next | hash of the state before and after it |
//
// `table` says how many cases each mnemonic has, `count` how many there are. `values` are the preimages whose parts are
// read; the elements that are read stand in vectors/blob-element.json. Numbers are hex strings.
import {readFileSync, writeFileSync, existsSync} from "node:fs";
import {createRequire} from "node:module";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const {keccak256} = createRequire(join(root, "node_modules", "solc", "index.js"))("js-sha3");
const check = process.argv.includes("--check");

const hash = (...parts) => Buffer.from(keccak256.arrayBuffer(Buffer.concat(parts)));
const hex = (bytes) => "0x" + bytes.toString("hex");
const number = (v) => "0x" + v.toString(16);
/** A number as so many bytes, big endian or little endian. */
const big = (v, size) => Buffer.from(v.toString(16).padStart(2 * size, "0"), "hex");
const little = (v, size) => big(v, size).reverse();
const fromLittle = (bytes) => BigInt(hex(Buffer.from(bytes).reverse()));

// Memory: 2^27 leaves of 32 bytes under a tree of keccak256(left ‖ right)

const SIZE = 1n << 32n;
const PAGE = 4096n;
const DEPTH = 27;
const PAGE_DEPTH = 7;
const zeros = [Buffer.alloc(32)];
while (zeros.length <= DEPTH) zeros.push(hash(zeros.at(-1), zeros.at(-1)));

class Memory {
  /** Its leaves that were written, by index. */
  constructor(leaves = new Map()) {
    this.leaves = leaves;
    this.nodes = new Map();
  }

  read(address, size) {
    const from = Number(address % 32n);
    return (this.leaves.get(Number(address / 32n)) ?? zeros[0]).subarray(from, from + size);
  }

  /** The memory after bytes were written. */
  written(address, bytes) {
    const leaves = new Map(this.leaves);
    for (let done = 0; done < bytes.length; ) {
      const index = Number((address + BigInt(done)) / 32n);
      const from = Number((address + BigInt(done)) % 32n);
      const leaf = Buffer.from(leaves.get(index) ?? zeros[0]);
      done += bytes.copy(leaf, from, done);
      leaves.set(index, leaf);
    }
    return new Memory(leaves);
  }

  node(level, index) {
    if (level === 0) return this.leaves.get(index) ?? zeros[0];
    const name = `${level} ${index}`;
    if (!this.nodes.has(name)) {
      const touched = [...this.leaves.keys()].some((leaf) => leaf >>> level === index);
      this.nodes.set(name, touched ? hash(this.node(level - 1, 2 * index), this.node(level - 1, 2 * index + 1)) : zeros[level]);
    }
    return this.nodes.get(name);
  }

  root() {
    return this.node(DEPTH, 0);
  }

  /** The node over an address at a level, and its siblings from below. */
  proof(address, level) {
    const path = [this.node(level, Number(address / 32n) >>> level)];
    for (; level < DEPTH; level++) path.push(this.node(level, (Number(address / 32n) >>> level) ^ 1));
    return Buffer.concat(path);
  }
}

// Instructions: the listing of the manual's chapter "RV32/64G Instruction Set Listings"

/**
 * Formats: which bits say which instruction it is, which registers there are, and how wide the immediate is and where its bits
 * stand, as in the manual's figures: from bit, to bit, the lowest bit of the immediate there. Amounts of shifts have no sign.
 */
const formats = {
  R: {mask: 0xfe00707fn, registers: ["rd", "rs1", "rs2"], width: 0, fields: []},
  I: {mask: 0x707fn, registers: ["rd", "rs1"], width: 12, fields: [[31, 20, 0]]},
  S: {mask: 0x707fn, registers: ["rs1", "rs2"], width: 12, fields: [[31, 25, 5], [11, 7, 0]]},
  B: {mask: 0x707fn, registers: ["rs1", "rs2"], width: 13, fields: [[31, 31, 12], [30, 25, 5], [11, 8, 1], [7, 7, 11]]},
  U: {mask: 0x7fn, registers: ["rd"], width: 32, fields: [[31, 12, 12]]},
  J: {mask: 0x7fn, registers: ["rd"], width: 21, fields: [[31, 31, 20], [30, 21, 1], [20, 20, 11], [19, 12, 12]]},
  shift: {mask: 0xfc00707fn, registers: ["rd", "rs1"], width: 7, fields: [[25, 20, 0]]},
  shiftw: {mask: 0xfe00707fn, registers: ["rd", "rs1"], width: 6, fields: [[24, 20, 0]]},
  whole: {mask: 0xffffffffn, registers: [], width: 0, fields: []},
};
/** Format, opcode, funct3, funct7. */
const instructions = {
  lui: ["U", 0x37], auipc: ["U", 0x17], jal: ["J", 0x6f], jalr: ["I", 0x67, 0],
  beq: ["B", 0x63, 0], bne: ["B", 0x63, 1], blt: ["B", 0x63, 4], bge: ["B", 0x63, 5], bltu: ["B", 0x63, 6], bgeu: ["B", 0x63, 7],
  lb: ["I", 0x03, 0], lh: ["I", 0x03, 1], lw: ["I", 0x03, 2], ld: ["I", 0x03, 3], lbu: ["I", 0x03, 4], lhu: ["I", 0x03, 5], lwu: ["I", 0x03, 6],
  sb: ["S", 0x23, 0], sh: ["S", 0x23, 1], sw: ["S", 0x23, 2], sd: ["S", 0x23, 3],
  addi: ["I", 0x13, 0], slti: ["I", 0x13, 2], sltiu: ["I", 0x13, 3], xori: ["I", 0x13, 4], ori: ["I", 0x13, 6], andi: ["I", 0x13, 7],
  slli: ["shift", 0x13, 1, 0], srli: ["shift", 0x13, 5, 0], srai: ["shift", 0x13, 5, 0x20],
  add: ["R", 0x33, 0, 0], sub: ["R", 0x33, 0, 0x20], sll: ["R", 0x33, 1, 0], slt: ["R", 0x33, 2, 0], sltu: ["R", 0x33, 3, 0],
  xor: ["R", 0x33, 4, 0], srl: ["R", 0x33, 5, 0], sra: ["R", 0x33, 5, 0x20], or: ["R", 0x33, 6, 0], and: ["R", 0x33, 7, 0],
  fence: ["I", 0x0f, 0], ecall: ["whole", 0x73],
  addiw: ["I", 0x1b, 0], slliw: ["shiftw", 0x1b, 1, 0], srliw: ["shiftw", 0x1b, 5, 0], sraiw: ["shiftw", 0x1b, 5, 0x20],
  addw: ["R", 0x3b, 0, 0], subw: ["R", 0x3b, 0, 0x20], sllw: ["R", 0x3b, 1, 0], srlw: ["R", 0x3b, 5, 0], sraw: ["R", 0x3b, 5, 0x20],
  mul: ["R", 0x33, 0, 1], mulh: ["R", 0x33, 1, 1], mulhsu: ["R", 0x33, 2, 1], mulhu: ["R", 0x33, 3, 1],
  div: ["R", 0x33, 4, 1], divu: ["R", 0x33, 5, 1], rem: ["R", 0x33, 6, 1], remu: ["R", 0x33, 7, 1],
  mulw: ["R", 0x3b, 0, 1], divw: ["R", 0x3b, 4, 1], divuw: ["R", 0x3b, 5, 1], remw: ["R", 0x3b, 6, 1], remuw: ["R", 0x3b, 7, 1],
};

const bits = (word, from, to) => (word >> BigInt(to)) & ((1n << BigInt(from - to + 1)) - 1n);

/** Where the registers stand. */
const places = {rd: 7, rs1: 15, rs2: 20};

/** A word without immediate. */
function encode([opcode, funct3 = 0, funct7 = 0], {rd = 0, rs1 = 0, rs2 = 0} = {}) {
  return BigInt(((funct7 << 25) | (rs2 << 20) | (rs1 << 15) | (funct3 << 12) | (rd << 7) | opcode) >>> 0);
}

/** The word of an instruction. Of the registers it takes those that its format has. */
function assemble(name, {immediate = 0n, ...chosen} = {}) {
  const [format, ...codes] = instructions[name];
  const {registers, fields} = formats[format];
  const bare = encode(codes, Object.fromEntries(registers.map((register) => [register, chosen[register]])));
  return fields.reduce((word, [from, to, at]) => word | (bits(immediate, at + from - to, at) << BigInt(to)), bare);
}

function decode(word) {
  const found = Object.entries(instructions).find(([, [format, ...codes]]) => (word & formats[format].mask) === encode(codes));
  if (!found) return undefined;
  const [name, [format]] = found;
  const {registers, width, fields} = formats[format];
  const immediate = fields.reduce((sum, [from, to, at]) => sum | (bits(word, from, to) << BigInt(at)), 0n);
  const fieldOf = (register) => (registers.includes(register) ? Number(bits(word, places[register] + 4, places[register])) : 0);
  return {name, rd: fieldOf("rd"), rs1: fieldOf("rs1"), rs2: fieldOf("rs2"), immediate: BigInt.asIntN(width, immediate)};
}

// What they compute, from the manual's text

const u64 = (v) => BigInt.asUintN(64, v);
const s64 = (v) => BigInt.asIntN(64, v);
const u32 = (v) => BigInt.asUintN(32, v);
const s32 = (v) => BigInt.asIntN(32, v);
/** BigInt's division is towards zero, its remainder has the dividend's sign: so has the manual. By zero: all ones, the dividend. */
const quotient = (a, b) => (b === 0n ? -1n : a / b);
const remainder = (a, b) => (b === 0n ? a : a % b);
/** Of registers. Those with an immediate are the same with an `i`, but that `sltiu` has it in the middle. */
const compute = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  sll: (a, b) => a << (b & 63n),
  slt: (a, b) => (s64(a) < s64(b) ? 1n : 0n),
  sltu: (a, b) => (a < b ? 1n : 0n),
  xor: (a, b) => a ^ b,
  srl: (a, b) => a >> (b & 63n),
  sra: (a, b) => s64(a) >> (b & 63n),
  or: (a, b) => a | b,
  and: (a, b) => a & b,
  addw: (a, b) => s32(a + b),
  subw: (a, b) => s32(a - b),
  sllw: (a, b) => s32(a << (b & 31n)),
  srlw: (a, b) => s32(u32(a) >> (b & 31n)),
  sraw: (a, b) => s32(a) >> (b & 31n),
  mul: (a, b) => a * b,
  mulh: (a, b) => (s64(a) * s64(b)) >> 64n,
  mulhsu: (a, b) => (s64(a) * b) >> 64n,
  mulhu: (a, b) => (a * b) >> 64n,
  div: (a, b) => quotient(s64(a), s64(b)),
  divu: quotient,
  rem: (a, b) => remainder(s64(a), s64(b)),
  remu: remainder,
  mulw: (a, b) => s32(a * b),
  divw: (a, b) => s32(quotient(s32(a), s32(b))),
  divuw: (a, b) => s32(quotient(u32(a), u32(b))),
  remw: (a, b) => s32(remainder(s32(a), s32(b))),
  remuw: (a, b) => s32(remainder(u32(a), u32(b))),
};
const ofImmediates = {
  addi: "add", slti: "slt", sltiu: "sltu", xori: "xor", ori: "or", andi: "and", slli: "sll", srli: "srl", srai: "sra", addiw: "addw",
  slliw: "sllw", srliw: "srlw", sraiw: "sraw",
};
const branches = {
  beq: (a, b) => a === b,
  bne: (a, b) => a !== b,
  blt: (a, b) => s64(a) < s64(b),
  bge: (a, b) => s64(a) >= s64(b),
  bltu: (a, b) => a < b,
  bgeu: (a, b) => a >= b,
};
/** Bytes, and what a register gets of them. */
const loads = {
  lb: [1, (v) => BigInt.asIntN(8, v)], lh: [2, (v) => BigInt.asIntN(16, v)], lw: [4, s32], ld: [8, (v) => v], lbu: [1, (v) => v],
  lhu: [2, (v) => v], lwu: [4, (v) => v],
};
const stores = {sb: 1, sh: 2, sw: 4, sd: 8};

// States and steps, from IRiscV.sol

/** A state that runs: registers and memory as lists of what is not zero. */
function running({pc, x = {}, memory = [], output}) {
  const registers = Array.from({length: 32}, (_, i) => x[i] ?? 0n);
  return {pc, x: registers, memory: memory.reduce((all, [address, bytes]) => all.written(address, bytes), new Memory()), output};
}
const trapped = {trapped: true};

function preimage(s) {
  if (s.trapped) return Buffer.from([2]);
  if (s.exitCode !== undefined) return Buffer.concat([Buffer.from([1]), big(s.exitCode, 8), s.output]);
  return Buffer.concat([Buffer.from([0]), big(s.pc, 8), ...s.x.slice(1).map((v) => big(v, 8)), s.memory.root(), s.output]);
}

/** The values that can be read, by their keccak256. */
const pattern = (length) => Buffer.from(Array.from({length}, (_, i) => ((7 * i + 3) % 251) + 1));
const values = [0, 33, 4096, 4129].map(pattern);
const blob = JSON.parse(readFileSync(join(root, "vectors", "blob-element.json"), "utf8"));
const keccakOf = (value) => hex(hash(value));

function partOf(kind, key, index) {
  if (kind === 2n) return {length: 32n, page: Buffer.from(blob.elements.find((e) => BigInt(e.index) === index).element.slice(2), "hex")};
  const value = values.find((value) => keccakOf(value) === key);
  const start = index * PAGE < value.length ? Number(index * PAGE) : value.length;
  return {length: BigInt(value.length), page: value.subarray(start, start + Number(PAGE))};
}

/** The state after an ECALL, and what a READ brings and needs as witness. */
function call(s, goOn) {
  const [t0, a0, a1] = [s.x[5], s.x[10], s.x[11]];
  if (t0 === 0x00n) return {name: "halt", next: {exitCode: a0, output: s.output}};
  if (t0 === 0x02n) return {name: "write", next: goOn()};
  if (t0 === 0x1an) return {name: "commit_deferred", next: goOn()};
  if (t0 === 0x10n) {
    if (a0 >= 8n) return {name: "commit", next: trapped};
    const output = Buffer.from(s.output);
    little(u32(a1), 4).copy(output, 4 * Number(a0));
    return {name: "commit", next: goOn({output})};
  }
  if (t0 !== 0x5355n) return {name: "unknown", next: trapped};
  const [kind, index, address] = [a0, s.x[15], s.x[16]];
  const good = (kind === 1n || (kind === 2n && index < 4096n)) && address % PAGE === 0n && address < SIZE;
  if (!good) return {name: "read", next: trapped};
  const key = hex(Buffer.concat(s.x.slice(11, 15).map((word) => little(word, 8))));
  const {length, page} = partOf(kind, key, index);
  const memory = s.memory.written(address, Buffer.concat([page, Buffer.alloc(Number(PAGE))]).subarray(0, Number(PAGE)));
  const pageRoot = memory.node(PAGE_DEPTH, Number(address / PAGE));
  const part = {kind: number(kind), key, index: number(index), length: number(length), page: hex(page), pageRoot: hex(pageRoot)};
  return {name: "read", next: goOn({memory, rd: 5, value: length}), proof: s.memory.proof(address, PAGE_DEPTH), part};
}

/** What the instruction of a state is, the state after it, and the witness. */
function step(s) {
  const witness = [preimage(s)];
  const done = (mnemonic, next, part) => ({mnemonic, next, part, witness: Buffer.concat(witness)});
  if (s.trapped || s.exitCode !== undefined) return done("ended", s);
  if (s.pc % 4n !== 0n || s.pc >= SIZE) return done("fetch", trapped);
  witness.push(s.memory.proof(s.pc, 0));
  const instruction = decode(fromLittle(s.memory.read(s.pc, 4)));
  if (!instruction) return done("illegal", trapped);
  const {name, rd, rs1, rs2, immediate} = instruction;
  const [a, b] = [s.x[rs1], s.x[rs2]];
  const goOn = ({pc = s.pc + 4n, rd = 0, value = 0n, memory = s.memory, output = s.output} = {}) => ({
    pc: u64(pc), x: s.x.map((old, i) => (i === rd && i !== 0 ? u64(value) : old)), memory, output,
  });
  if (name in compute) return done(name, goOn({rd, value: compute[name](a, b)}));
  if (name in ofImmediates) return done(name, goOn({rd, value: compute[ofImmediates[name]](a, u64(immediate))}));
  if (name in branches) return done(name, goOn({pc: branches[name](a, b) ? s.pc + immediate : s.pc + 4n}));
  if (name in loads || name in stores) {
    const address = u64(a + immediate);
    const [size, extended] = loads[name] ?? [stores[name]];
    if (address % BigInt(size) !== 0n || address >= SIZE) return done(name, trapped);
    witness.push(s.memory.proof(address, 0));
    if (extended) return done(name, goOn({rd, value: extended(fromLittle(s.memory.read(address, size)))}));
    return done(name, goOn({memory: s.memory.written(address, little(b, 8).subarray(0, size))}));
  }
  if (name === "ecall") {
    const {name, next, proof, part} = call(s, goOn);
    if (proof) witness.push(proof);
    return done(`ecall ${name}`, next, part);
  }
  if (name === "lui") return done(name, goOn({rd, value: immediate}));
  if (name === "auipc") return done(name, goOn({rd, value: s.pc + immediate}));
  if (name === "jal") return done(name, goOn({rd, value: s.pc + 4n, pc: s.pc + immediate}));
  if (name === "jalr") return done(name, goOn({rd, value: s.pc + 4n, pc: (a + immediate) & ~1n}));
  return done(name, goOn()); // fence
}

// Cases

const file = {count: 0, table: {}, values: values.map(hex), names: [], mnemonics: [], states: [], witnesses: [], before: [], next: []};
const output = hash(Buffer.from("output"));

/** Adds a case; `mnemonic` is what it was made for, if its instruction is known. */
function add(start, what, mnemonic) {
  const s = start.pc === undefined ? start : running({output, ...start});
  const made = step(s);
  if (mnemonic && made.mnemonic !== mnemonic) throw new Error(`${mnemonic}: ${what} is ${made.mnemonic}`);
  file.names.push(`${made.mnemonic}: ${what}`);
  file.mnemonics.push(made.mnemonic);
  file.states.push({
    ...(start.trapped && {trapped: true}),
    ...(start.exitCode !== undefined && {exitCode: number(start.exitCode), output: hex(start.output)}),
    ...(start.pc !== undefined && {
      pc: number(start.pc),
      registers: Object.fromEntries(Object.entries(start.x ?? {}).filter(([, v]) => v !== 0n).map(([i, v]) => [i, number(v)])),
      memory: (start.memory ?? []).map(([address, bytes]) => ({address: number(address), bytes: hex(bytes)})),
      output: hex(s.output),
    }),
    ...(made.part && {part: made.part}),
  });
  file.witnesses.push(hex(made.witness));
  file.before.push(hex(hash(preimage(s))));
  file.next.push(hex(hash(preimage(made.next))));
}

/** Where instructions stand; each case takes the next. Every other has words around it that are none. */
const pcs = [0x1000n, 0x7800_0004n, 0n, 0x8000_0018n, 0x2_0ffcn, 0xffff_fffcn, 0x1_0008n];
let turn = 0;
function code(word, pc) {
  const leaf = Buffer.alloc(32, 0xff);
  little(word, 4).copy(leaf, Number(pc % 32n));
  return turn % 2 ? [pc, little(word, 4)] : [pc - (pc % 32n), leaf];
}
/** Three different registers, other ones each time: not x0. */
function registers() {
  turn++;
  const rd = 1 + ((7 * turn) % 31);
  const rs1 = 1 + ((rd + 2 + (turn % 13)) % 31);
  return {rd, rs1, rs2: 1 + ((rs1 + 3 + (turn % 5)) % 31)};
}
/** A word, or that of an instruction by its name, which must say all that it was made of. */
function assembled(name, chosen) {
  if (typeof name === "bigint") return name;
  const word = assemble(name, chosen);
  const {registers, width} = formats[instructions[name][0]];
  const decoded = decode(word);
  const whole = registers.every((register) => decoded[register] === chosen[register]) && decoded.immediate === BigInt.asIntN(width, chosen.immediate ?? 0n);
  if (decoded.name !== name || !whole) throw new Error(`${name} is not ${number(word)}`);
  return word;
}
/** A case of a word, or of an instruction by its name, whose source registers hold `a` and `b`. */
function run(name, chosen, {a = 0n, b = 0n, immediate, pc = pcs[turn % pcs.length], memory = [], what} = {}) {
  const [source, second] = [u64(a), u64(b)];
  const x = {[chosen.rd]: 0xdddd_dddd_dddd_ddddn, [chosen.rs2]: second, [chosen.rs1]: source};
  delete x[0];
  const operands = [number(source), immediate === undefined ? number(second) : `${immediate}`].join(", ");
  add({pc, x, memory: [...memory, code(assembled(name, {...chosen, immediate}), pc)]}, what ?? operands, typeof name === "bigint" ? undefined : name);
}

const least = -(1n << 63n);
const most = (1n << 63n) - 1n;
const [low, high] = [1n << 31n, 0xffff_ffff_8000_0000n];
const [m, n] = [0x9234_5678_89ab_cdefn, 0x0fed_cba9_7654_3210n];
const arithmetic = [[most, 1n], [least, -1n], [least, least], [low - 1n, 1n], [low, 0xffff_ffffn], [-1n, -1n], [m, n]];
const comparison = [[0n, -1n], [-1n, 0n], [least, most], [most, least], [high, low], [low, high], [m, m]];
const logic = [[0n, -1n], [least, most], [m, n], [m, m]];
const shifts = [0n, 1n, 31n, 32n, 63n, 64n, -1n, 0x1_0000_0005n].map((amount, i) => [i % 4 === 3 ? n : m, amount]);
const division = [
  [7n, 0n], [0n, 0n], [least, -1n], [-7n, 2n], [7n, -2n], [-7n, -3n], [high, -1n], [low, 0xffff_ffffn], [0x5_8000_0007n, 0x3_0000_0000n],
  [least, 1n], [m, n],
];
const operands = (name) =>
  /^(div|rem)/.test(name) ? division : /^s[lr][la]/.test(name) ? shifts : /^slt/.test(name) ? comparison : /^(xor|or|and)$/.test(name) ? logic : arithmetic;

// Two registers: the result also over its first operand, over its second, over the only one, and to x0.
for (const name of Object.keys(compute)) {
  operands(name).forEach(([a, b], i) => {
    const chosen = registers();
    if (i === 1) chosen.rd = chosen.rs1;
    if (i === 2) chosen.rd = chosen.rs2;
    if (a === b && a !== 0n) chosen.rs2 = chosen.rs1;
    if (b === 0n && i === 0) chosen.rs2 = 0;
    run(name, chosen, {a, b});
  });
  run(name, {...registers(), rd: 0}, {a: m, b: n, what: "to x0"});
}

// A register and an immediate.
for (const name of Object.keys(ofImmediates)) {
  const word = name.endsWith("w");
  const pairs = instructions[name][0].startsWith("shift")
    ? (word ? [0n, 1n, 15n, 31n] : [0n, 1n, 31n, 32n, 63n]).map((amount, i) => [i % 2 ? m : n, amount])
    : [[most, 1n], [0n, -1n], [low - 1n, 2047n], [high, -2048n], [m, 0x555n]];
  pairs.forEach(([a, immediate], i) => {
    const chosen = registers();
    if (i === 1) chosen.rd = chosen.rs1;
    if (i === 2 && a === 0n) chosen.rs1 = 0;
    run(name, chosen, {a, immediate});
  });
  run(name, {...registers(), rd: 0}, {a: m, immediate: 3n, what: "to x0"});
}

for (const name of ["lui", "auipc"]) {
  for (const upper of [0n, 1n, 0x7_ffffn, 0x8_0000n, 0xf_ffffn]) run(name, registers(), {immediate: upper << 12n});
  run(name, {...registers(), rd: 0}, {immediate: 1n << 12n, what: "to x0"});
}
run("auipc", registers(), {immediate: 0xf_ffffn << 12n, pc: 0n, what: "below address 0"});

// Turns. What they lead to is looked at by the step after them.
const offsets = [8n, -4096n, -4n, 4094n, -1024n, 2n, 2048n];
const middle = 0x7800_0404n; // of a page
for (const name of Object.keys(branches)) {
  [[5n, 5n], [-1n, 1n], [1n, -1n], [least, most], [most, least], [high, low], [0n, 0n]].forEach(([a, b], i) => {
    const chosen = registers();
    if (a === b) chosen.rs2 = chosen.rs1;
    if (a === 0n) chosen.rs1 = chosen.rs2 = 0;
    const immediate = offsets[(turn + i) % offsets.length];
    run(name, chosen, {a, b, immediate, pc: middle, what: `${number(u64(a))}, ${number(u64(b))} by ${immediate}`});
  });
}
run("beq", {rd: 0, rs1: 0, rs2: 0}, {immediate: -4n, pc: 0n, what: "below address 0"});
run("beq", {rd: 0, rs1: 0, rs2: 0}, {immediate: 4n, pc: 0xffff_fffcn, what: "behind the last address"});
run("bne", {rd: 0, rs1: 0, rs2: 0}, {immediate: 8n, pc: 0xffff_fffcn, what: "not taken, behind the last address"});
run("beq", {rd: 0, rs1: 0, rs2: 0}, {immediate: 0n, what: "to itself"});
for (const immediate of [8n, -(1n << 20n), (1n << 20n) - 2n, 2n, 0n, 2048n, -1024n]) run("jal", registers(), {immediate, pc: middle});
run("jal", {...registers(), rd: 0}, {immediate: 12n, what: "to x0"});
run("jal", registers(), {immediate: -4n, pc: 0n, what: "below address 0"});
run("jal", registers(), {immediate: 4n, pc: 0xffff_fffcn, what: "behind the last address"});
for (const [a, immediate] of [[0x1234n, 0n], [0x1234n, 3n], [0x1235n, 0n], [0x1001n, -2048n], [0x1000n, 2047n], [-8n, 12n], [1n << 32n, 0n], [most, 1n], [-1n, 0n]]) {
  run("jalr", registers(), {a, immediate, pc: 0x1000n});
}
const both = registers();
run("jalr", {...both, rd: both.rs1}, {a: 0x1400n, immediate: 16n, pc: 0x1000n, what: "the link over its own base"});
run("jalr", {...registers(), rd: 0}, {a: 0x1400n, immediate: 0n, pc: 0x1000n, what: "to x0"});
run("jalr", {...registers(), rs1: 0}, {immediate: -4n, what: "below address 0"});

// Loads and stores
const positive = Buffer.from(Array.from({length: 32}, (_, i) => (5 * i + 3) % 128));
const negative = positive.map((byte) => byte | 0x80);
const data = 0x3_0000n;
for (const name of [...Object.keys(loads), ...Object.keys(stores)]) {
  const size = BigInt(name in loads ? loads[name][0] : stores[name]);
  const [last, b] = [SIZE - size, 0x8877_6655_4433_2211n];
  const at = (pc) => ({b, pc, memory: [[data, name in loads ? positive : negative]]});
  run(name, registers(), {...at(0x1000n), a: data + 24n, immediate: 0n, what: "in a leaf"});
  const leaf = {...at(0x2_0ffcn), memory: [[data, negative]]};
  run(name, registers(), {...leaf, a: data + 8n + size + 2048n, immediate: -2048n, what: "below its base"});
  const end = {b, pc: 0x8000_0018n, memory: [[SIZE - 32n, negative]]};
  run(name, registers(), {...end, a: last - 2047n, immediate: 2047n, what: "the last bytes"});
  run(name, registers(), {...at(0x1000n), memory: [[0n, positive]], a: -8n, immediate: 16n, what: "around 2^64"});
  const same = registers();
  if (name in loads) {
    run(name, {...same, rd: same.rs1}, {...at(0x1_0008n), memory: [], a: 0x7_0000n, immediate: 32n, what: "zeros, over its own base"});
    run(name, {...registers(), rd: 0}, {...leaf, a: data, immediate: 0n, what: "to x0"});
  } else {
    run(name, {...same, rs2: same.rs1}, {...at(0x1_0008n), memory: [], a: 0x7_0000n, immediate: 32n, what: "its own base, among zeros"});
    run(name, {...registers(), rs2: 0}, {...leaf, b: 0n, a: data, immediate: 0n, what: "of x0"});
  }
  if (size > 1n) run(name, registers(), {...at(0x1000n), a: data, immediate: size / 2n, what: "misaligned"});
  run(name, registers(), {...at(0x1000n), a: SIZE, immediate: 0n, what: "behind the last address"});
  run(name, {...registers(), rs1: 0}, {...at(0x1000n), immediate: -size, what: "below address 0"});
}
run("ld", registers(), {a: 0x1000n, immediate: 0n, pc: 0x1000n, what: "its own instruction"});
run("sw", registers(), {a: 0x1000n, immediate: 0n, b: m, pc: 0x1000n, what: "over its own instruction"});
run("sd", registers(), {a: 0x1000n, immediate: 24n, b: m, pc: 0x1004n, what: "beside its own instruction"});

// Fences of all kinds
for (const word of [0x0000_000fn, 0x0ff0_000fn, 0x8330_000fn, 0x0100_000fn, 0xffff_8f8fn]) run(word, registers(), {a: m, b: n, what: number(word)});

// Words that are no instructions here
const illegal = {
  "no word": [0x0000_0000n, 0xffff_ffffn],
  "FENCE.I and other MISC-MEM": [0x0000_100fn, 0x0000_200fn, 0x0000_700fn],
  EBREAK: [0x0010_0073n],
  "ECALL with a register": [0x0000_00f3n, 0x0000_8073n],
  "URET, SRET, MRET, WFI": [0x0020_0073n, 0x1020_0073n, 0x3020_0073n, 0x1050_0073n],
  "CSRRW, CSRRS, CSRRC, CSRRWI, CSRRSI, CSRRCI": [1, 2, 3, 5, 6, 7].map((funct3) => encode([0x73, funct3, 0x60], {rd: 1, rs1: 2})),
  compressed: [0x0001n, 0x8082n, 0x0000_9002n, 0x1234_0000n],
  "LR, SC, AMOADD": [encode([0x2f, 2, 0x08], {rd: 1, rs1: 2}), encode([0x2f, 3, 0x0c], {rd: 1, rs1: 2, rs2: 3}), encode([0x2f, 3, 0], {rd: 1, rs1: 2, rs2: 3})],
  "FLW, FSD, FADD.S, FMADD.S": [[0x07, 2], [0x27, 3], [0x53, 0], [0x43, 0]].map((codes) => encode(codes, {rd: 1, rs1: 2, rs2: 3})),
  "opcodes that are not used": [0x0b, 0x1f, 0x57, 0x5b, 0x77, 0x7f].map((opcode) => encode([opcode], {rd: 1})),
  "BRANCH, funct3": [2, 3].map((funct3) => encode([0x63, funct3, 0], {rd: 8})),
  "JALR, funct3": [1, 7].map((funct3) => encode([0x67, funct3, 0], {rd: 1})),
  "LOAD, funct3": [encode([0x03, 7, 0], {rd: 1})],
  "STORE, funct3": [4, 7].map((funct3) => encode([0x23, funct3])),
  "OP, funct7": [[1, 0x20], [2, 0x20], [4, 0x20], [7, 0x20], [0, 0x02], [0, 0x40], [5, 0x10], [1, 0x30], [4, 0x05], [0, 0x21]].map(([funct3, funct7]) =>
    encode([0x33, funct3, funct7], {rd: 1, rs1: 2, rs2: 3}),
  ),
  "OP-32": [[2, 0], [7, 0], [1, 0x20], [1, 1], [3, 1], [0, 0x04], [5, 0x10]].map((codes) => encode([0x3b, ...codes], {rd: 1, rs1: 2, rs2: 3})),
  "OP-IMM, funct6": [[1, 0x20], [1, 0x02], [5, 0x10], [5, 0x40], [5, 0x30]].map((codes) => encode([0x13, ...codes], {rd: 1, rs1: 2, rs2: 3})),
  "OP-IMM-32, funct3 and funct7": [[2, 0], [4, 0], [7, 0], [1, 0x01], [1, 0x20], [5, 0x01], [5, 0x21]].map((codes) =>
    encode([0x1b, ...codes], {rd: 1, rs1: 2, rs2: 3}),
  ),
};
for (const [what, words] of Object.entries(illegal)) {
  for (const word of words) {
    turn++;
    run(word, {rd: 1, rs1: 2, rs2: 3}, {a: data, b: 5n, what: `${what}: ${number(word)}`});
    if (file.mnemonics.at(-1) !== "illegal") throw new Error(`${what}: ${number(word)} is an instruction`);
  }
}

// What a jump can lead to
for (const pc of [1n, 2n, 0x1002n, 0xffff_fffen, SIZE, SIZE + 0x1000n, 1n << 63n, u64(-4n), u64(-1n)]) {
  add({pc, x: {5: 1n}, memory: [[0x1000n, Buffer.alloc(32, 0x13)]]}, number(pc), "fetch");
}

// Calls
function calls(name, what, t0, [a0 = 0n, ...others] = [], memory = []) {
  turn++;
  const x = {5: t0, 10: a0, ...Object.fromEntries(others.map((v, i) => [11 + i, v])), 31: m};
  const pc = pcs[turn % pcs.length];
  add({pc, x, memory: [...memory, code(assemble("ecall"), pc)]}, what, `ecall ${name}`);
}
for (const exitCode of [0n, 1n, 1n << 32n, u64(-1n)]) calls("halt", number(exitCode), 0n, [exitCode, 7n]);
for (const a0 of [0n, 1n, u64(-1n)]) calls("write", number(a0), 2n, [a0, data, 9n]);
for (let a0 = 0n; a0 < 8n; a0++) calls("commit", number(a0), 0x10n, [a0, 0xaabb_ccdd_1122_3344n]);
for (const a0 of [8n, 1n << 32n, u64(-1n)]) calls("commit", number(a0), 0x10n, [a0, 1n]);
for (const a0 of [0n, 8n, u64(-1n)]) calls("commit_deferred", number(a0), 0x1an, [a0, 1n]);
for (const t0 of [1n, 3n, 0x0fn, 0x11n, 0x1bn, 0xf0n, 0x30_0105n, 0x5354n, 0x5356n, 1n << 32n, 0x1_0000_0010n, 0x1_0000_5355n, u64(-1n)]) {
  calls("unknown", number(t0), t0, [0n, 1n]);
}
function reads(what, kind, key, index, address, memory) {
  const words = [1, 2, 3, 4].map((i) => fromLittle(Buffer.from(key.slice(2), "hex").subarray(8 * i - 8, 8 * i)));
  calls("read", what, 0x5355n, [kind, ...words, index, address], memory);
}
const [empty, short, page, long] = values.map(keccakOf);
const target = 0x4_0000n;
reads("nothing", 1n, empty, 0n, target);
reads("a leaf and a byte", 1n, short, 0n, target, [[target + 64n, negative]]);
reads("a short value into the first page", 1n, short, 0n, 0n);
reads("a short value into the last page", 1n, short, 0n, SIZE - PAGE, [[SIZE - 32n, negative]]);
reads("one page", 1n, page, 0n, target);
reads("behind one page", 1n, page, 1n, target, [[target, negative]]);
reads("the second page", 1n, long, 1n, target);
for (const index of [2n, 4096n, 1n << 52n, u64(-1n)]) reads(`behind the value: ${number(index)}`, 1n, long, index, target);
for (const {index} of blob.elements) reads(`element ${index}`, 2n, blob.versionedHash, BigInt(index), target);
for (const kind of [0n, 3n, 0x1_0000_0001n, u64(-1n)]) reads(`kind ${number(kind)}`, kind, short, 0n, target);
for (const address of [1n, 2048n, target + 32n, SIZE, SIZE + PAGE, u64(-PAGE)]) reads(`into ${number(address)}`, 1n, short, 0n, address);
for (const index of [4096n, 1n << 32n, u64(-1n)]) reads(`element ${number(index)}`, 2n, blob.versionedHash, index, target);

// Ends
for (const exitCode of [0n, 3n, u64(-1n)]) add({exitCode, output}, `halted with ${number(exitCode)}`, "ended");
add(trapped, "trapped", "ended");

// By chance, the same each time: splitmix64

let seed = 0x5375_7265_7479n;
function random(below = 1n << 64n) {
  seed = u64(seed + 0x9e37_79b9_7f4a_7c15n);
  let z = u64((seed ^ (seed >> 30n)) * 0xbf58_476d_1ce4_e5b9n);
  z = u64((z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn);
  return (z ^ (z >> 31n)) % below;
}
const edges = [0n, 1n, u64(-1n), most, u64(least), low - 1n, low, high, 0xffff_ffffn, 1n << 32n];
const value = () => (random(3n) ? random() >> random(64n) : edges[random(BigInt(edges.length))]);
const bytes = (length) => Buffer.from(Array.from({length}, () => Number(random(256n))));
function byChance(word, {rs1, size, immediate} = {}) {
  turn++;
  const x = Object.fromEntries(Array.from({length: 31}, (_, i) => [i + 1, value()]));
  const pc = random(SIZE / 4n) * 4n;
  const memory = [];
  if (size && rs1) {
    // Three of four are where they may be.
    const address = random(SIZE / size) * size + (random(4n) ? 0n : random(size));
    x[rs1] = u64(address - immediate);
    memory.push([address - (address % 32n), bytes(32)]);
  }
  add({pc, x, memory: [...memory, code(word, pc)], output: bytes(32)}, `by chance: ${number(word)}`);
}
const plain = Object.keys(instructions).filter((name) => name !== "ecall");
for (let i = 0; i < 90; i++) {
  const name = plain[random(BigInt(plain.length))];
  const [rd, rs1, rs2] = [0, 0, 0].map(() => Number(random(32n)));
  const immediate = s64(random());
  const word = assemble(name, {rd, rs1, rs2, immediate});
  const size = BigInt(loads[name]?.[0] ?? stores[name] ?? 0);
  byChance(word, {rs1, size, immediate: decode(word).immediate});
}
for (let i = 0; i < 12; i++) byChance(random(1n << 32n));

// The file

const mnemonics = [...new Set(file.mnemonics)].sort();
file.table = {mnemonics, counts: mnemonics.map((mnemonic) => file.mnemonics.filter((other) => other === mnemonic).length)};
file.count = file.names.length;
/** One line for each element of a list. */
const lines = (v) => (Array.isArray(v) ? `[\n${v.map((element) => "  " + JSON.stringify(element)).join(",\n")}\n ]` : JSON.stringify(v));
const json = `{\n${Object.entries(file).map(([name, v]) => ` ${JSON.stringify(name)}: ${lines(v)}`).join(",\n")}\n}\n`;
const path = join(root, "vectors", "steps.json");
if (existsSync(path) && readFileSync(path, "utf8") === json) process.exit(0);
if (check) {
  console.error("vectors/steps.json differs: run `node contracts/steps.mjs` and look at the difference");
  process.exit(1);
}
writeFileSync(path, json);

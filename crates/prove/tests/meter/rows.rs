//! What the EVM can be made to do, each as code that does it again and again.

use super::support::{
    common::{Entry, World},
    inputs::{Curves, P256, concat, padded, point_evaluation},
};
use alloy_primitives::{Address, Bytes, U256, address, hex};
use surety_types::Account;

/// The contract that a row's code is put at.
pub(crate) const CONTRACT: Address = address!("0x00000000000000000000000000000000c0ffee00");
/// The account whose code is a row's input: call data would have a price of their own.
const INPUT: u64 = 0x1_0000;
/// Accounts with code of the greatest length, each with its own, from here on.
const GREAT: u64 = 0x10_0000;
/// How many.
const GREAT_COUNT: u64 = 24;
/// The greatest length of code (EIP-170).
const MAX_CODE: usize = 24_576;
/// The longest init code (EIP-3860).
const MAX_INIT_CODE: usize = 2 * MAX_CODE;

/// Something that costs gas.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Once, before all.
    prelude: Vec<u8>,
    /// Again and again, with the number of rounds that are left on the stack's top; the stack is as before after it.
    body: Vec<u8>,
    /// How often the body stands in the loop.
    unrolled: usize,
    /// Rounds of the longer run: so many that they cost far more than recovering a sender differs from one transaction to another,
    /// some ten thousand steps.
    pub(crate) rounds: u64,
    /// What the precompiled contract is called with: the code of [`INPUT`].
    input: Vec<u8>,
    /// Slots that the contract has at first.
    slots: u64,
    /// Whether the accounts with great code are there.
    great: bool,
    /// Copies of another pair, PUSH and POP, in the body: their cost is taken off.
    pub(crate) pairs: u64,
}

impl Row {
    fn new(name: &str, body: Vec<u8>) -> Self {
        Self {
            name: name.into(),
            prelude: vec![],
            body,
            unrolled: 32,
            rounds: 200,
            input: vec![],
            slots: 0,
            great: false,
            pairs: 0,
        }
    }

    pub(crate) fn once(mut self, rounds: u64) -> Self {
        (self.unrolled, self.rounds) = (1, rounds);
        self
    }

    fn prelude(mut self, prelude: Vec<u8>) -> Self {
        self.prelude = prelude;
        self
    }

    fn pairs(mut self, pairs: u64) -> Self {
        self.pairs = pairs;
        self
    }

    fn input(mut self, input: Vec<u8>) -> Self {
        self.input = input;
        self
    }

    fn slots(mut self, slots: u64) -> Self {
        self.slots = slots;
        self
    }

    fn great(mut self) -> Self {
        self.great = true;
        self
    }

    /// How often the body is run for each round.
    pub(crate) fn bodies(&self) -> u64 {
        self.unrolled as u64
    }

    /// The whole code: as many rounds as the first word of the call data says.
    pub(crate) fn code(&self) -> Bytes {
        let mut code = self.prelude.clone();
        code.extend([PUSH0, 0x35]);
        let start = u16::try_from(code.len()).unwrap().to_be_bytes();
        code.push(0x5b);
        (0..self.unrolled).for_each(|_| code.extend(&self.body));
        // Rounds less one; again unless that is none.
        code.extend([0x60, 1, 0x90, 0x03, 0x80, 0x61, start[0], start[1], 0x57, 0x00]);
        assert!(code.len() <= MAX_CODE, "{}", self.name);
        code.into()
    }

    /// The state that the code finds.
    pub(crate) fn world(&self, mut world: World) -> World {
        world.put(CONTRACT, U256::from(1u64 << 40), 1, self.code());
        (1..=self.slots).for_each(|slot| world.set(CONTRACT, U256::from(slot), U256::MAX));
        world.put(Address::from_word(U256::from(INPUT).into()), U256::ZERO, 1, self.input.clone().into());
        if self.great {
            for n in 0..GREAT_COUNT {
                // Ends at once, with jump destinations after it.
                let mut code = vec![0x5b; MAX_CODE];
                code[0] = 0x00;
                code[1..9].copy_from_slice(&n.to_be_bytes());
                world.put(Address::from_word(U256::from(GREAT + n).into()), U256::ZERO, 1, code.into());
            }
        }
        world.accounts.entry(Address::repeat_byte(0x77)).or_insert_with(|| Entry {
            account: Account { balance: U256::ONE, ..Account::default() },
            ..Entry::default()
        });
        world
    }
}

const PUSH0: u8 = 0x5f;
const POP: u8 = 0x50;
const STATICCALL: u8 = 0xfa;
const GAS: u8 = 0x5a;

fn push(value: U256) -> Vec<u8> {
    let bytes = value.to_be_bytes_trimmed_vec();
    let mut code = vec![PUSH0 + bytes.len() as u8];
    code.extend(bytes);
    code
}

fn push_all(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| push(U256::from(*value))).collect()
}

/// An instruction that takes words and gives `gives` of them. The words stand below the number of rounds and are copied.
pub(crate) fn instruction(name: &str, code: u8, takes: &[U256], gives: usize) -> Row {
    let count = takes.len();
    let prelude: Vec<u8> = takes.iter().rev().flat_map(|word| push(*word)).collect();
    // The number of rounds lies on them; each copy moves the next one as far away as this one was.
    let mut body: Vec<u8> = (0..count).map(|_| 0x80 + count as u8).collect();
    body.push(code);
    body.extend(vec![POP; gives]);
    Row::new(name, body).prelude(prelude).pairs(gives.min(count) as u64)
}

const MAX: U256 = U256::MAX;

fn words() -> Vec<Row> {
    let half = U256::from_limbs([u64::MAX, u64::MAX, 1, 0]);
    let odd = U256::from_limbs([0x1234_5678_9abc_def1, 0xfedc_ba98_7654_3211, u64::MAX, 1 << 62]);
    let minus = MAX - U256::from(77);
    let two = |name: &str, code: u8, a: U256, b: U256| instruction(name, code, &[a, b], 1);
    let mut rows = vec![
        two("ADD", 0x01, MAX, odd),
        two("MUL", 0x02, MAX, odd),
        two("SUB", 0x03, odd, MAX),
        two("DIV", 0x04, MAX, half),
        two("DIV by 255 bits", 0x04, MAX, odd),
        two("DIV by 64 bits", 0x04, MAX, U256::from(u64::MAX - 2)),
        two("SDIV", 0x05, minus, half),
        two("MOD", 0x06, MAX, half),
        two("MOD by 255 bits", 0x06, MAX, odd),
        two("SMOD", 0x07, minus, half),
        instruction("ADDMOD", 0x08, &[MAX, minus, odd], 1),
        instruction("ADDMOD by 129 bits", 0x08, &[MAX, minus, half], 1),
        instruction("MULMOD", 0x09, &[MAX, minus, odd], 1),
        instruction("MULMOD by 129 bits", 0x09, &[MAX, minus, half], 1),
        instruction("MULMOD by 64 bits", 0x09, &[MAX, minus, U256::from(u64::MAX - 2)], 1),
        two("EXP, exponent of 32 bytes", 0x0a, odd, MAX),
        two("EXP, exponent of 1 byte", 0x0a, odd, U256::from(255)),
        two("SIGNEXTEND", 0x0b, U256::from(15), half),
        two("LT", 0x10, MAX, odd),
        two("SLT", 0x12, minus, odd),
        two("EQ", 0x14, MAX, MAX),
        instruction("ISZERO", 0x15, &[U256::ZERO], 1),
        two("AND", 0x16, MAX, odd),
        two("XOR", 0x18, MAX, odd),
        instruction("NOT", 0x19, &[odd], 1),
        two("BYTE", 0x1a, U256::from(13), odd),
        two("SHL", 0x1b, U256::from(133), odd),
        two("SHR", 0x1c, U256::from(133), odd),
        two("SAR", 0x1d, U256::from(133), minus),
        instruction("CLZ", 0x1e, &[U256::ONE], 1),
    ];
    for (name, code) in [
        ("ADDRESS", 0x30),
        ("ORIGIN", 0x32),
        ("CALLER", 0x33),
        ("CALLVALUE", 0x34),
        ("CALLDATASIZE", 0x36),
        ("CODESIZE", 0x38),
        ("GASPRICE", 0x3a),
        ("RETURNDATASIZE", 0x3d),
        ("COINBASE", 0x41),
        ("TIMESTAMP", 0x42),
        ("NUMBER", 0x43),
        ("PREVRANDAO", 0x44),
        ("GASLIMIT", 0x45),
        ("CHAINID", 0x46),
        ("SELFBALANCE", 0x47),
        ("BASEFEE", 0x48),
        ("BLOBBASEFEE", 0x4a),
        ("PC", 0x58),
        ("MSIZE", 0x59),
        ("GAS", 0x5a),
    ] {
        rows.push(instruction(name, code, &[], 1));
    }
    rows.push(Row::new("PUSH0 POP", vec![PUSH0, POP]));
    rows.push(Row::new("PUSH32 POP", [&[0x7f][..], &[0xff; 32], &[POP]].concat()));
    rows.push(Row::new("DUP16 POP", vec![0x8f, POP]).prelude(vec![PUSH0; 16]));
    rows.push(Row::new("SWAP16", vec![0x9f, 0x9f]).prelude(vec![PUSH0; 17]));
    rows.push(Row::new("JUMPDEST", vec![0x5b]).once(20_000));
    rows.push(Row::new("PUSH PC JUMP", vec![0x58, 0x60, 5, 0x01, 0x56, 0x5b]));
    rows.push(instruction("CALLDATALOAD", 0x35, &[U256::ZERO], 1));
    rows.push(instruction("BLOBHASH", 0x49, &[U256::ZERO], 1));
    rows.push(instruction("MLOAD", 0x51, &[U256::from(31)], 1));
    rows.push(instruction("MSTORE", 0x52, &[U256::from(31), MAX], 0));
    rows.push(instruction("MSTORE8", 0x53, &[U256::from(31), MAX], 0));
    rows.push(instruction("TLOAD", 0x5c, &[U256::from(31)], 1));
    rows.push(Row::new("TSTORE, another slot each", vec![0x80, 0x80, 0x5d]).once(1_000));
    rows
}

/// Copies, hashes and logs of some length.
fn lengths() -> Vec<Row> {
    let mut rows = vec![];
    for bytes in [0u64, 32, 136, 1_024, 16_384] {
        let n = U256::from(bytes);
        let rounds = if bytes < 1_024 { 100 } else { 1 + 100_000 / bytes };
        let mut hash = instruction(&format!("KECCAK256 of {bytes} bytes"), 0x20, &[U256::ZERO, n], 1);
        hash.rounds = rounds;
        rows.push(hash);
        for (name, code) in [("CALLDATACOPY", 0x37), ("CODECOPY", 0x39), ("MCOPY", 0x5e)] {
            let mut copy = instruction(&format!("{name} of {bytes} bytes"), code, &[U256::ONE, U256::ZERO, n], 0);
            copy.rounds = rounds;
            rows.push(copy);
        }
        for topics in [0usize, 4] {
            let operands: Vec<U256> = [U256::ZERO, n].into_iter().chain(vec![MAX; topics]).collect();
            let log = instruction(&format!("LOG{topics} of {bytes} bytes"), 0xa0 + topics as u8, &operands, 0);
            rows.push(log.once(if bytes < 1_024 { 200 } else { 10 }));
        }
    }
    let returned = [push_all(&[0, 0, 16_384, 0, 4]), vec![GAS, STATICCALL, POP]].concat();
    let copied = [push_all(&[16_384, 0, 0]), vec![0x3e]].concat();
    rows.push(Row::new("RETURNDATACOPY of 16384 bytes, with what returned it", [returned, copied].concat()).once(200));
    // Memory grows by a word in each round.
    rows.push(Row::new("MSTORE into new memory", vec![0x80, 0x59, 0x52]).once(5_000));
    rows
}

/// Accounts, slots, calls and creations.
fn state() -> Vec<Row> {
    // Another address for each round, where so many operands lie on the number of rounds.
    let add = |operands: u8, base: u64| [&[0x80 + operands][..], &push(U256::from(base)), &[0x01]].concat();
    let absent = |operands| add(operands, 0x2000);
    let great = |operands| add(operands, GREAT - 1);
    let with = |address: Vec<u8>, code: &[u8]| [&address, code].concat();
    let call = |name: &str, code: u8, operands: &[u64], address: Vec<u8>| {
        Row::new(name, [push_all(operands), address, vec![GAS, code, POP]].concat())
    };
    let store = |name: &str, value: u8, slots: u64| {
        // The slot is the number of rounds: one or two places down, as the value is one more.
        Row::new(name, vec![value, 0x81, 0x55]).once(if slots == 16 { 16 } else { 200 }).slots(slots)
    };
    let load = |name: &str, slots: u64| {
        Row::new(name, vec![0x80, 0x54, POP]).once(if slots == 16 { 16 } else { 200 }).slots(slots)
    };
    let init = |code: &[u8]| [&push(U256::from_be_slice(code))[..], &[PUSH0, 0x52]].concat();
    const SAME: u8 = 0x80;
    vec![
        Row::new("BALANCE, warm", vec![0x30, 0x31, POP]),
        Row::new("BALANCE, cold, no such account", with(absent(0), &[0x31, POP])).once(200),
        Row::new("EXTCODEHASH, cold, no such account", with(absent(0), &[0x3f, POP])).once(200),
        Row::new("EXTCODESIZE, cold, of 24576 bytes", with(great(0), &[0x3b, POP])).once(GREAT_COUNT).great(),
        Row::new(
            "EXTCODECOPY of nothing, cold, from 24576 bytes",
            [push_all(&[0, 0, 0]), great(3), vec![0x3c]].concat(),
        )
        .once(GREAT_COUNT)
        .great(),
        Row::new("EXTCODECOPY of 16384 bytes, warm", [push_all(&[16_384, 0, 0]), vec![0x30, 0x3c]].concat()).once(300),
        call("CALL, cold, code of 24576 bytes", 0xf1, &[0; 5], great(5)).once(GREAT_COUNT).great(),
        call("CALLCODE, cold, code of 24576 bytes", 0xf2, &[0; 5], great(5)).once(GREAT_COUNT).great(),
        call("DELEGATECALL, cold, code of 24576 bytes", 0xf4, &[0; 4], great(4)).once(GREAT_COUNT).great(),
        call("STATICCALL, cold, no such account", STATICCALL, &[0; 4], absent(4)).once(200),
        call("STATICCALL, warm, no code", STATICCALL, &[0; 4], vec![0x60, 0x77]),
        call("CALL with value, to a new account", 0xf1, &[0, 0, 0, 0, 1], absent(5)).once(100),
        call("CALL with value, to the sender", 0xf1, &[0, 0, 0, 0, 1], vec![0x33]).once(200),
        load("SLOAD, cold, without any slot", 0),
        load("SLOAD, cold, of 16 slots", 16),
        load("SLOAD, cold, of 4096 slots", 4_096),
        Row::new("SLOAD, warm", vec![PUSH0, 0x54, POP]),
        store("SSTORE, nothing to something, the only slots", SAME, 0),
        store("SSTORE, something to something, of 16 slots", SAME, 16),
        store("SSTORE, something to something, of 4096 slots", SAME, 4_096),
        store("SSTORE, something to nothing, of 4096 slots", PUSH0, 4_096),
        Row::new("SSTORE, warm, changed before", vec![0x80, PUSH0, 0x55]).once(2_000),
        Row::new("BLOCKHASH of a block that is none", vec![PUSH0, 0x40, POP]),
        Row::new("CREATE with nothing", [push_all(&[0; 3]), vec![0xf0, POP]].concat()).once(100),
        // Zeros stop at once; they are looked through for jump destinations and hashed all the same.
        Row::new(
            "CREATE2 with init code of 49152 bytes",
            [vec![0x80], push_all(&[MAX_INIT_CODE as u64, 0, 0]), vec![0xf5, POP]].concat(),
        )
        .once(8),
        // RETURN(0, 24576)
        Row::new("CREATE of code of 24576 bytes", [push_all(&[5, 27, 0]), vec![0xf0, POP]].concat())
            .prelude(init(&hex!("6160005ff3")))
            .once(2),
        // SELFDESTRUCT(CALLER)
        Row::new("CREATE of what destroys itself", [push_all(&[2, 30, 0]), vec![0xf0, POP]].concat())
            .prelude(init(&hex!("33ff")))
            .once(100),
    ]
}

/// A call of a precompiled contract with the whole input, which is in memory. It must succeed.
pub(crate) fn precompile(name: &str, address: u64, input: Vec<u8>, rounds: u64) -> Row {
    let size = input.len() as u64;
    // EXTCODECOPY(INPUT, 0, 0, size)
    let prelude = [push_all(&[size, 0, 0, INPUT]), vec![0x3c]].concat();
    // A word of output goes behind the input. Without success the loop would read memory that is too far away to be paid for.
    let check = [0x60, 1, 0x90, 0x03, 0x51, POP];
    let body = [&push_all(&[32, size, size, 0, address])[..], &[GAS, STATICCALL], &check].concat();
    Row::new(name, body).prelude(prelude).input(input).once(rounds)
}

/// MODEXP's input (EIP-198): numbers of such lengths, all their bits set; the modulus odd.
fn modexp(base: usize, exponent: usize, modulus: usize, even: bool) -> Vec<u8> {
    let length = |n: usize| U256::from(n).to_be_bytes::<32>();
    let mut input = concat(&[&length(base), &length(exponent), &length(modulus)]);
    input.extend(vec![0xff; base + exponent + modulus]);
    if even && modulus > 0 {
        *input.last_mut().unwrap() = 0x00;
    }
    input
}

fn precompiles() -> Vec<Row> {
    let word = |n: u64| U256::from(n).to_be_bytes::<32>();
    let signature = {
        let key = k256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        let digest = alloy_primitives::keccak256(b"a row of the meter");
        let (signature, id) = key.sign_prehash_recoverable(digest.as_slice()).unwrap();
        concat(&[digest.as_slice(), &word(27 + u64::from(id.to_byte())), &signature.to_bytes()])
    };
    let mut rows = vec![precompile("ECRECOVER", 1, signature, 20)];
    for bytes in [0usize, 55, 64, 1_024, 16_384] {
        let rounds = if bytes > 1_024 { 30 } else { 200 };
        for (name, address) in [("SHA2-256", 2), ("RIPEMD-160", 3), ("IDENTITY", 4)] {
            rows.push(precompile(&format!("{name} of {bytes} bytes"), address, vec![0xa5; bytes], rounds));
        }
    }
    for (base, exponent, modulus) in [
        (1, 1, 1),
        (8, 8, 8),
        (32, 32, 32),
        (32, 2, 32),
        (64, 64, 64),
        (128, 3, 128),
        (256, 1, 256),
        (256, 256, 256),
        (1_024, 2, 1_024),
        (512, 32, 512),
        (1_024, 0, 1_024),
        (1, 1_024, 1),
        (0, 1_024, 32),
    ] {
        for even in [false, true] {
            let kind = if even { "even" } else { "odd" };
            let name = format!("MODEXP, base {base}, exponent {exponent}, {kind} modulus {modulus} bytes");
            let rounds = [(1 << 14, 100), (1 << 20, 9), (usize::MAX, 2)];
            let rounds = rounds
                .iter()
                .find(|(work, _)| exponent * Ord::max(modulus, 32usize).pow(2) <= *work)
                .map_or(2, |(_, rounds)| *rounds);
            rows.push(precompile(&name, 5, modexp(base, exponent, modulus, even), rounds));
        }
    }
    rows.extend(bn254());
    for rounds in [0u32, 1, 12, 1_000, 20_000] {
        let input = concat(&[&rounds.to_be_bytes(), &[0x5a; 208], &[1]]);
        rows.push(precompile(&format!("BLAKE2F of {rounds} rounds"), 9, input, if rounds < 1_000 { 200 } else { 6 }));
    }
    rows.push(precompile("KZG point evaluation", 10, point_evaluation(1), 2));
    rows.extend(bls12_381());
    rows.push(precompile("P256VERIFY", 0x100, P256.to_vec(), 6));
    rows
}

fn bn254() -> Vec<Row> {
    let Curves { bn254_g1: g1, bn254_g2: g2, .. } = Curves::new();
    let mut rows = vec![
        precompile("BN254 addition", 6, g1.repeat(2), 60),
        precompile("BN254 multiplication", 7, concat(&[&g1, &[0xff; 32]]), 10),
        precompile("BN254 pairing of none", 8, vec![], 100),
    ];
    for pairs in [1usize, 2, 8] {
        rows.push(precompile(&format!("BN254 pairing of {pairs}"), 8, concat(&[&g1, &g2]).repeat(pairs), 2));
    }
    rows
}

fn bls12_381() -> Vec<Row> {
    let Curves { bls_g1: g1, bls_g2: g2, .. } = Curves::new();
    let scalar = [0xff; 32];
    let field = padded(&[[0x11; 48]]);
    let mut rows = vec![
        precompile("BLS12-381 G1 addition", 0x0b, g1.repeat(2), 30),
        precompile("BLS12-381 G2 addition", 0x0d, g2.repeat(2), 30),
        precompile("BLS12-381 map to G1", 0x10, field.clone(), 4),
        precompile("BLS12-381 map to G2", 0x11, field.repeat(2), 4),
    ];
    for count in [1usize, 2, 16, 128] {
        let rounds = if count < 16 { 3 } else { 2 };
        let input = concat(&[&g1, &scalar]).repeat(count);
        rows.push(precompile(&format!("BLS12-381 G1 multiplication of {count}"), 0x0c, input, rounds));
        let input = concat(&[&g2, &scalar]).repeat(count);
        rows.push(precompile(&format!("BLS12-381 G2 multiplication of {count}"), 0x0e, input, rounds));
    }
    for pairs in [1usize, 2, 8] {
        let input = concat(&[&g1, &g2]).repeat(pairs);
        rows.push(precompile(&format!("BLS12-381 pairing of {pairs}"), 0x0f, input, 2));
    }
    rows
}

/// A loop that does nothing: what each round of the others costs besides.
pub(crate) fn nothing() -> Row {
    Row::new("nothing", vec![]).once(200)
}

/// DUP and POP, once more for each pair.
pub(crate) fn pair() -> Row {
    Row::new("DUP1 POP", vec![0x80, POP])
}

/// All rows.
pub(crate) fn all() -> Vec<Row> {
    [words(), lengths(), state(), precompiles()].concat()
}

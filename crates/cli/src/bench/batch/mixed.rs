//! The chain's own mixed load: transfers, token transfers, swaps and deployments, signed, the same at every run.
//!
//! Of 200 transactions 90 are transfers of ether, 70 of tokens, 39 are swaps through one router and one creates a
//! contract. 300 senders take turns at random; half of the recipients are among them, the others are new. Amounts have one
//! to four digits before their zeros, as people choose them, except what a swap expects, which has no such form.

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559, TxLegacy},
    network::TxSignerSync as _,
    primitives::{Address, B256, Bytes, TxKind, U256, keccak256},
    signers::local::PrivateKeySigner,
};
use anyhow::{Context as _, Result};
use surety_contracts::bindings::Bridge;
use surety_types::{RollupId, Transaction};

/// The chain of this load.
const ROLLUP: RollupId = RollupId::new(75_873);
const SENDERS: u64 = 300;
const TOKENS: u64 = 12;
const GWEI: u128 = 1_000_000_000;
/// `transfer(address,uint256)`.
const TRANSFER: [u8; 4] = [0xa9, 0x05, 0x9c, 0xbb];
/// `swapExactTokensForTokens(uint256,uint256,address[],address,uint256)`.
const SWAP: [u8; 4] = [0x38, 0xed, 0x17, 0x39];

/// Numbers by a seed (SplitMix64).
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    const fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// An amount in the smallest unit of 18 decimals.
    fn amount(&mut self) -> U256 {
        let digits = 10u64.pow(1 + self.below(4) as u32);
        let zeros = 13 + self.below(5);
        U256::from(1 + self.below(digits)) * U256::from(10).pow(U256::from(zeros))
    }
}

struct Sender {
    signer: PrivateKeySigner,
    nonce: u64,
    legacy: bool,
    tip: u128,
}

fn named(what: &str, number: u64) -> Address {
    Address::from_word(keccak256(format!("surety bench {what} {number}")))
}

fn senders(random: &mut Random) -> Result<Vec<Sender>> {
    (0..SENDERS)
        .map(|number| {
            let key: B256 = keccak256(format!("surety bench batch sender {number}"));
            let signer = PrivateKeySigner::from_bytes(&key).context("a hash is a key")?;
            let tip = [1_000_000, 100_000, GWEI, 1_500_000_000][random.below(4) as usize];
            Ok(Sender { signer, nonce: random.below(500), legacy: random.below(10) == 0, tip })
        })
        .collect()
}

fn call(selector: [u8; 4], words: &[U256]) -> Bytes {
    selector.into_iter().chain(words.iter().flat_map(U256::to_be_bytes::<32>)).collect::<Vec<_>>().into()
}

fn word(address: Address) -> U256 {
    address.into_word().into()
}

/// What a transaction does: receiver, value, input and gas limit.
fn action(random: &mut Random, number: usize, from: Address, known: Address) -> (TxKind, U256, Bytes, u64) {
    let someone = if random.below(2) == 0 { known } else { named("recipient", number as u64) };
    match random.below(200) {
        0..90 => (TxKind::Call(someone), random.amount(), Bytes::new(), 21_000),
        90..160 => {
            let token = named("token", random.below(TOKENS));
            let gas = [65_000, 60_000, 51_234 + random.below(2_000)][random.below(3) as usize];
            (TxKind::Call(token), U256::ZERO, call(TRANSFER, &[word(someone), random.amount()]), gas)
        }
        160..199 => {
            let (sold, bought) = (random.below(TOKENS), random.below(TOKENS));
            let expected = U256::from(random.next()) * U256::from(1 + random.below(100));
            let deadline = U256::from(1_750_000_000 + number as u64 / 100 + 1_200);
            let [sold, bought] = [sold, bought].map(|token| word(named("token", token)));
            let words = [random.amount(), expected, U256::from(160), word(from), deadline, U256::from(2), sold, bought];
            (TxKind::Call(named("router", 0)), U256::ZERO, call(SWAP, &words), 150_000 + random.below(60_000))
        }
        _ => {
            let code = Bridge::BYTECODE.iter().copied().chain(word(from).to_be_bytes::<32>());
            (TxKind::Create, U256::ZERO, code.collect::<Vec<_>>().into(), 4_000_000)
        }
    }
}

fn sign(sender: &mut Sender, (to, value, input, gas_limit): (TxKind, U256, Bytes, u64)) -> Result<Transaction> {
    let (chain_id, nonce) = (ROLLUP.get(), sender.nonce);
    sender.nonce += 1;
    if sender.legacy {
        let gas_price = 2 * GWEI;
        let mut tx = TxLegacy { chain_id: Some(chain_id), nonce, gas_price, gas_limit, to, value, input };
        let signature = sender.signer.sign_transaction_sync(&mut tx)?;
        return Ok(Transaction::Legacy(tx.into_signed(signature)));
    }
    let mut tx = TxEip1559 {
        chain_id,
        nonce,
        gas_limit,
        max_fee_per_gas: 2 * GWEI + sender.tip,
        max_priority_fee_per_gas: sender.tip,
        to,
        value,
        input,
        ..TxEip1559::default()
    };
    let signature = sender.signer.sign_transaction_sync(&mut tx)?;
    Ok(Transaction::Eip1559(tx.into_signed(signature)))
}

/// As many transactions, in blocks of `block` each.
///
/// # Errors
/// None that a run without a fault in the signer has.
pub(super) fn load(transactions: usize, block: usize) -> Result<(RollupId, Vec<Vec<Transaction>>)> {
    let mut random = Random(4);
    let mut senders = senders(&mut random)?;
    let addresses: Vec<_> = senders.iter().map(|sender| sender.signer.address()).collect();
    let mut blocks: Vec<Vec<Transaction>> = Vec::new();
    for number in 0..transactions {
        let from = random.below(SENDERS) as usize;
        let known = addresses[random.below(SENDERS) as usize];
        let action = action(&mut random, number, addresses[from], known);
        let transaction = sign(&mut senders[from], action)?;
        match blocks.last_mut() {
            Some(last) if last.len() < block => last.push(transaction),
            _ => blocks.push(vec![transaction]),
        }
    }
    Ok((ROLLUP, blocks))
}

//! Blocks of everything at once: what native code makes of them the compiled program does too, block by block along one chain.
//! Transfers, tokens, storage, creation, destruction, delegation, precompiled contracts, messages, what fails, and lists that
//! cannot be executed.

mod support;

use alloy_consensus::{TxEip1559, TxEip7702, TxLegacy};
use alloy_eips::{eip2930::AccessListItem, eip7702::Authorization};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use std::collections::BTreeMap;
use support::{
    common::{
        Key, TOKEN, TOKEN_CODE, World,
        chain::{Chain, Form, TARGET, TARGET_CODE},
        l2_world, parameters,
    },
    judge,
};
use surety_stf::{StateReader as _, batch::BatchBlock};
use surety_types::{L1Height, Message, MessageIndex, Transaction, message::L1Info};

const GWEI: u128 = 1_000_000_000;
/// Keeps a word in a slot: both from call data.
const STORE: Address = Address::repeat_byte(0x51);
/// Creates what it is given, calls it and keeps its address.
const FACTORY: Address = Address::repeat_byte(0x52);
/// Reverts with what it is given.
const REVERTS: Address = Address::repeat_byte(0x53);
/// Runs until there is no gas.
const ENDLESS: Address = Address::repeat_byte(0x54);
/// Calls the address in the first word with the rest, and logs what came back under two topics.
const CALLER: Address = Address::repeat_byte(0x55);
/// Calls itself with all gas, deeper and deeper.
const DEEP: Address = Address::repeat_byte(0x56);

const CODES: [(Address, &[u8]); 7] = [
    (STORE, &hex!("6020355f355500")),
    (FACTORY, &hex!("365f5f37 365f5ff0 5f5f5f5f5f 85 5a f1 55 00")),
    (REVERTS, &hex!("365f5f37 365ffd")),
    (ENDLESS, &hex!("5b5a5f525f56")),
    (CALLER, &hex!("602036036020 5f37 5f5f 60203603 5f 34 5f35 5a f1 3d5f5f3e 5f52 42333d5f a2 00")),
    (DEEP, &hex!("5f5f60405f5f305af1 5f55 00")),
    (TARGET, &TARGET_CODE),
];

/// A chain and those who use it.
struct Load {
    chain: Chain,
    chance: StdRng,
    senders: Vec<Key>,
    /// Delegate, and send nothing.
    authorities: Vec<Key>,
    nonces: BTreeMap<Address, u64>,
    blocks: u64,
    lists_refused: u64,
    transactions: u64,
    steps: u64,
}

impl Load {
    fn new(seed: u64) -> Self {
        println!("seed {seed}");
        let senders: Vec<Key> = (1..=12).map(Key::new).collect();
        let funded: Vec<Address> = senders.iter().map(Key::address).collect();
        let mut world: World = l2_world(&funded);
        for (address, code) in CODES {
            world.put(address, U256::from(7), 1, Bytes::from_static(code));
        }
        world.put(TOKEN, U256::ZERO, 1, Bytes::from_static(&TOKEN_CODE));
        for owner in &funded {
            world.set(TOKEN, keccak256([owner.into_word(), B256::ZERO].concat()).into(), U256::from(1_000_000));
        }
        (0..200).for_each(|slot| world.set(STORE, U256::from(slot), U256::from(slot + 1)));
        Self {
            chain: Chain::on(world),
            chance: StdRng::seed_from_u64(seed),
            senders,
            authorities: (50..60).map(Key::new).collect(),
            nonces: BTreeMap::new(),
            blocks: 0,
            lists_refused: 0,
            transactions: 0,
            steps: 0,
        }
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; self.chance.random_range(0..=most)];
        self.chance.fill_bytes(&mut bytes);
        bytes
    }

    fn word(&mut self) -> U256 {
        match self.chance.random_range(0..4) {
            0 => U256::ZERO,
            1 => U256::from_limbs(self.chance.random()),
            _ => U256::from(self.chance.random_range(0..300u64)),
        }
    }

    /// Somebody that is there, or may be.
    fn someone(&mut self) -> Address {
        let senders: Vec<Address> = self.senders.iter().chain(&self.authorities).map(Key::address).collect();
        match self.chance.random_range(0..4) {
            0 => Address::left_padding_from(&[self.chance.random_range(0..0x14u8)]),
            1 => CODES.choose(&mut self.chance).unwrap().0,
            2 => *senders.choose(&mut self.chance).unwrap(),
            _ => Address::from_word(keccak256([self.chance.random_range(0..64u8)])),
        }
    }

    /// Init code: of a contract that destroys itself, of one that is stored, or any.
    fn init_code(&mut self) -> Vec<u8> {
        match self.chance.random_range(0..4) {
            0 => hex!("33ff").to_vec(),
            1 => hex!("6133ff5f526002601ef3").to_vec(),
            2 => [&hex!("61")[..], &(self.chance.random_range(0..2_000u16)).to_be_bytes(), &hex!("5ff3")].concat(),
            _ => self.bytes(100),
        }
    }

    /// To whom, with what, and how much gas at most.
    fn call(&mut self) -> (TxKind, Bytes, u64) {
        let words = |words: &[U256]| -> Vec<u8> { words.iter().flat_map(|word| word.to_be_bytes::<32>()).collect() };
        match self.chance.random_range(0..11) {
            0 | 1 => (self.someone().into(), Bytes::new(), 60_000),
            2 => {
                let to = self.someone().into_word();
                let amount = U256::from(self.chance.random_range(0..3_000u64)).to_be_bytes::<32>();
                (TOKEN.into(), [&hex!("a9059cbb")[..], to.as_slice(), &amount].concat().into(), 100_000)
            }
            3 | 4 => {
                let (slot, value) = (self.word(), self.word());
                (STORE.into(), words(&[slot, value]).into(), 80_000)
            }
            5 => (TxKind::Create, self.init_code().into(), 700_000),
            6 => (FACTORY.into(), self.init_code().into(), 900_000),
            7 => (REVERTS.into(), self.bytes(200).into(), 50_000),
            8 => {
                let to = *[ENDLESS, DEEP].choose(&mut self.chance).unwrap();
                (to.into(), Bytes::new(), self.chance.random_range(40_000..400_000))
            }
            9 => {
                let to = self.someone();
                let input = self.bytes(400);
                (CALLER.into(), [to.into_word().as_slice(), &input].concat().into(), 400_000)
            }
            _ => (TARGET.into(), words(&[self.word()]).into(), 60_000),
        }
    }

    fn transaction(&mut self) -> Transaction {
        let sender = self.senders.choose(&mut self.chance).unwrap().clone();
        let world = &self.chain.world;
        let known = || world.account(sender.address()).unwrap().unwrap().nonce;
        let entry = self.nonces.entry(sender.address()).or_insert_with(known);
        let nonce = *entry;
        *entry += 1;
        // Now and then the whole list cannot be executed.
        let nonce = nonce + u64::from(self.chance.random_range(0..200) == 0);
        let (to, input, gas) = self.call();
        let value = U256::from(self.chance.random_range(0..3u64));
        let id = parameters().rollup.get();
        let gas_limit = gas + 21_000 + 60 * input.len() as u64;
        match self.chance.random_range(0..8) {
            0 => Transaction::Legacy(sender.sign(TxLegacy {
                chain_id: self.chance.random::<bool>().then_some(id),
                nonce,
                gas_price: 20 * GWEI,
                gas_limit,
                to,
                value,
                input,
            })),
            1 => {
                let authorization_list = (0..self.chance.random_range(1..4)).map(|_| self.authorization()).collect();
                let to = to.to().copied().unwrap_or(TARGET);
                let gas_limit = gas_limit + 100_000;
                Transaction::Eip7702(sender.sign(TxEip7702 {
                    chain_id: id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: 20 * GWEI,
                    max_priority_fee_per_gas: 1_000,
                    to,
                    value,
                    authorization_list,
                    input,
                    ..TxEip7702::default()
                }))
            }
            _ => {
                let count = self.chance.random_range(0..4u64).saturating_sub(1);
                let item = |this: &mut Self| AccessListItem {
                    address: this.someone(),
                    storage_keys: (0..count).map(|_| this.word().into()).collect(),
                };
                let access_list = (0..count).map(|_| item(self)).collect::<Vec<_>>().into();
                Transaction::Eip1559(sender.sign(TxEip1559 {
                    chain_id: id,
                    nonce,
                    gas_limit: gas_limit + 10_000 * count,
                    max_fee_per_gas: 20 * GWEI,
                    max_priority_fee_per_gas: u128::from(self.chance.random_range(0..1_000_000u64)),
                    to,
                    value,
                    access_list,
                    input,
                }))
            }
        }
    }

    /// Mostly one that holds.
    fn authorization(&mut self) -> alloy_eips::eip7702::SignedAuthorization {
        let authority = self.authorities.choose(&mut self.chance).unwrap().clone();
        let nonce = self.chain.world.account(authority.address()).unwrap().map_or(0, |account| account.nonce);
        let address = if self.chance.random_range(0..5) == 0 { Address::ZERO } else { self.someone() };
        let chain_id = *[0, parameters().rollup.get(), 1].choose(&mut self.chance).unwrap();
        let nonce = nonce + self.chance.random_range(0..2u64);
        authority.sign_authorization(Authorization { chain_id: U256::from(chain_id), address, nonce })
    }

    fn message(&mut self, n: u64) -> Message {
        if self.chance.random_range(0..4) == 0 {
            let info = L1Info {
                number: L1Height::new(self.blocks + n + 1),
                base_fee: U256::from(self.chance.random_range(1..100u64)) * U256::from(GWEI),
                ..L1Info::default()
            };
            let index = MessageIndex::new(self.chain.position().count.get() + n);
            return info.to_message(index, L1Height::new(self.blocks + n + 1));
        }
        let (to, input, gas) = self.call();
        let to = to.to().copied().unwrap_or(Address::ZERO);
        let mint = self.chance.random_range(0..100u64);
        let gas = 21_000 + 40 * input.len() as u64 + gas.min(300_000);
        let mut message = self.chain.message(n, to, mint, gas);
        // Of nobody who also sends: it takes a nonce.
        message.sender = Address::repeat_byte(self.chance.random_range(0x60..0x6f));
        message.value = U256::from(self.chance.random_range(0..100u64));
        message.data = input;
        message
    }

    /// A batch of some blocks.
    fn batch(&mut self) {
        self.nonces.clear();
        let (mut rows, mut messages): (Vec<BatchBlock>, Vec<Message>) = (vec![], vec![]);
        for n in 1..=self.chance.random_range(1..4u64) {
            let list: Vec<_> = (0..self.chance.random_range(0..12)).map(|_| self.transaction()).collect();
            self.transactions += list.len() as u64;
            let count = self.chance.random_range(0..4u64).saturating_sub(1);
            for _ in 0..count {
                messages.push(self.message(messages.len() as u64));
            }
            rows.push(self.chain.row(n, count, list));
        }
        // Proofs of blobs take most of the time.
        let form = if self.chance.random_range(0..20) == 0 { Form::Blobs } else { Form::Calldata };
        for block in self.chain.post(&rows, messages, form, None) {
            self.steps += judge(&block).steps;
            self.lists_refused += u64::from(block.invalid);
            self.blocks += 1;
        }
    }

    fn run(seed: u64, blocks: u64) -> Self {
        let mut load = Self::new(seed);
        while load.blocks < blocks {
            load.batch();
        }
        let Self { blocks, transactions, lists_refused, steps, .. } = &load;
        println!("{blocks} blocks with {transactions} transactions, {lists_refused} lists refused, {steps} steps");
        load
    }
}

#[test]
fn the_program_does_with_blocks_of_everything_what_native_code_does() {
    let load = Load::run(3, 40);
    assert!(
        load.lists_refused > 0 && load.lists_refused < load.blocks / 2,
        "{} of {}",
        load.lists_refused,
        load.blocks
    );
    // All kinds of contracts were at work.
    let world = &load.chain.world;
    let (store, senders) = (&world.accounts[&STORE].storage, &load.senders);
    assert_ne!(store.len(), 200);
    assert!(world.code.values().any(|code| code.starts_with(&[0xef, 0x01, 0x00])), "nobody delegated");
    assert!(senders.iter().all(|key| world.account(key.address()).unwrap().unwrap().nonce > 0));
    assert!(world.account(FACTORY).unwrap().unwrap().nonce > 1, "nothing was created");
}

#[test]
#[ignore = "thousands of blocks: some minutes"]
fn the_program_does_with_thousands_of_blocks_what_native_code_does() {
    let seed: u64 = std::env::var("SURETY_MIXED_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    let worlds: u64 = std::env::var("SURETY_MIXED_WORLDS").map_or(20, |worlds| worlds.parse().unwrap());
    for n in 0..worlds {
        Load::run(seed + n, 100);
    }
}

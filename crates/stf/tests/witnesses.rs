//! Writes witnesses of full blocks, for measurements of the program: what an instruction count is of, anyone can make again.

mod common;

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use common::{
    Key, TOKEN, TOKEN_CODE,
    chain::{Chain, Form},
};
use surety_types::Transaction;

/// Transactions of a block.
const COUNT: u64 = 200;
/// Accounts beside, so that paths in the state are as long as in a used chain.
const OTHERS: u64 = 10_000;
/// Calls itself with all gas and 10 KB of memory as the input, and returns as much.
const DEEP: Address = Address::repeat_byte(0x71);
const DEEP_CODE: [u8; 16] = hex!("5f5f6127105f5f305af1506127105ff3");

fn someone(n: u64) -> Address {
    Address::from_word(keccak256(n.to_be_bytes()))
}

/// Writes the witness of a block with this list, whose data came in such a form, into the folder that `SURETY_WITNESSES` names.
fn write(name: &str, form: Form, count: u64, list: impl Fn(u64, &Key, u64) -> Transaction) {
    let folder = std::env::var_os("SURETY_WITNESSES").expect("SURETY_WITNESSES names a folder");
    let keys: Vec<_> = (0..50).map(Key::new).collect();
    let funded: Vec<_> = keys.iter().map(Key::address).collect();
    let mut world = common::l2_world(&funded);
    (0..OTHERS).for_each(|n| world.put(someone(n), U256::from(n + 1), 0, Bytes::new()));
    world.put(DEEP, U256::ZERO, 1, Bytes::from(DEEP_CODE.to_vec()));
    world.put(TOKEN, U256::ZERO, 1, Bytes::from(TOKEN_CODE.to_vec()));
    for owner in funded.into_iter().chain((0..OTHERS).map(someone)) {
        let slot = keccak256([owner.into_word(), B256::ZERO].concat());
        world.set(TOKEN, slot.into(), U256::from(1_000_000));
    }
    let mut chain = Chain::on(world);
    let transactions = (0..count).map(|n| list(n, &keys[n as usize % keys.len()], n / keys.len() as u64)).collect();
    let row = chain.row(1, 0, transactions);
    let blocks = chain.post(&[row], vec![], form, None);
    assert!(!blocks[0].invalid, "the list cannot be executed");
    let path = std::path::Path::new(&folder).join(name);
    std::fs::write(&path, blocks[0].to_witness().encode()).unwrap();
    println!("{}: {count} transactions, {} gas", path.display(), chain.head.gas_used);
}

#[test]
#[ignore = "writes files, for measurements"]
fn witnesses_of_full_blocks_are_written() {
    write("blob.witness", Form::Blobs, COUNT, |_, key, nonce| key.transfer(nonce, key.address()));
    write("transfers.witness", Form::Calldata, COUNT, |n, key, nonce| key.transfer(nonce, someone(n * 37 % OTHERS)));
    write("tokens.witness", Form::Calldata, COUNT, |n, key, nonce| {
        let to = someone(n * 41 % OTHERS).into_word();
        let input = [&hex!("a9059cbb")[..], to.as_slice(), &U256::from(5 + n).to_be_bytes::<32>()].concat();
        key.call(common::parameters().rollup.get(), nonce, TOKEN, U256::ZERO, 100_000, input.into())
    });
    let gas = 14_900_000;
    write("deep.witness", Form::Calldata, 2, |_, key, nonce| {
        key.call(common::parameters().rollup.get(), nonce, DEEP, U256::ZERO, gas, Bytes::new())
    });
}

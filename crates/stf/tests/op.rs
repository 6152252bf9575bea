//! L2 blocks: what they hold, what messages may do, what pushes leave behind.

mod common;

use alloy_consensus::{TxEip7702, TxLegacy};
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256};
use common::{Key, World, l2_world, parameters};
use proptest::prelude::*;
use surety_stf::{
    Payload,
    execute::op::{
        BlockExecutor, ExecuteError, ExecutedPayload, HeaderParts, L1Attributes, PushError, Refusal, When,
        execute_payload, genesis_block, message_gas_room, next_base_fee, seal,
    },
};
use surety_types::{
    Block, Gas, Header, L1Height, Message, MessageIndex, MessageKind, Milliseconds, Receipt, Recovered, Seconds,
    Transaction, message::L1Info, predeploys,
};

const PARTS: HeaderParts = HeaderParts {
    context_root: B256::repeat_byte(0xcc),
    milliseconds: Milliseconds::new(1_700_000_001_400),
    beneficiary: Address::repeat_byte(0xfe),
};

/// A chain of one account set, block by block.
struct Chain {
    world: World,
    head: Header,
}

impl Chain {
    fn new(funded: &[Address]) -> Self {
        let world = l2_world(funded);
        let head =
            genesis_block(&parameters(), world.root(), world.storage_root(predeploys::L2_TO_L1_MESSAGE_PASSER)).header;
        Self { world, head }
    }

    fn begin(&self, messages: &[Message]) -> Result<BlockExecutor<&World>, ExecuteError<std::convert::Infallible>> {
        BlockExecutor::new(&parameters(), &self.head, self.head.hash_slow(), PARTS, messages, &self.world)
    }

    fn seal(&mut self, executed: &ExecutedPayload) -> Block {
        self.world.apply(&executed.changes);
        let block = seal(executed, self.world.root(), self.world.storage_root(predeploys::L2_TO_L1_MESSAGE_PASSER));
        self.head = block.header.clone();
        self.world.hashes.insert(self.head.number, block.hash());
        block
    }

    fn block(&mut self, messages: &[Message], list: &[Transaction]) -> (ExecutedPayload, Block) {
        let payload = Payload {
            context: None,
            milliseconds: PARTS.milliseconds,
            beneficiary: PARTS.beneficiary,
            messages: messages.to_vec(),
            transactions: list.to_vec(),
        };
        let executed =
            execute_payload(&parameters(), &self.head, self.head.hash_slow(), &payload, &self.world).unwrap();
        let block = self.seal(&executed);
        (executed, block)
    }
}

fn info(n: u64) -> L1Info {
    L1Info {
        number: L1Height::new(n),
        time: Seconds::new(1_600_000_000 + n),
        hash: B256::with_last_byte(n as u8),
        prev_randao: B256::repeat_byte(n as u8),
        base_fee: U256::from(30_000_000_000u64),
        blob_base_fee: U256::from(7),
        recipient: Address::ZERO,
        amount: U256::ZERO,
    }
}

fn deposit(index: u64, sender: Address, to: Address, value: u64, mint: u64, gas: u64, data: Bytes) -> Message {
    Message {
        kind: MessageKind::Deposit,
        index: MessageIndex::new(index),
        l1_block: L1Height::new(5),
        l1_time: Seconds::new(1_600_000_000),
        sender,
        to,
        value: U256::from(value),
        mint: U256::from(mint),
        gas: Gas::new(gas),
        data,
    }
}

fn recovered(tx: Transaction) -> Recovered<Transaction> {
    let sender = surety_stf::execute::recover(std::slice::from_ref(&tx)).unwrap()[0];
    Recovered::new_unchecked(tx, sender)
}

fn refusal<T: std::fmt::Debug>(result: Result<T, PushError<std::convert::Infallible>>) -> Refusal {
    match result {
        Err(PushError::Refused(refusal)) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn the_system_transaction_writes_the_attributes_of_the_last_l1_info_and_the_position() {
    let mut chain = Chain::new(&[]);
    let messages = [
        info(7).to_message(MessageIndex::ZERO, L1Height::new(8)),
        info(9).to_message(MessageIndex::new(1), L1Height::new(10)),
    ];
    let (executed, block) = chain.block(&messages, &[]);
    assert_eq!(block.transactions.len(), 3);
    assert!(executed.receipts.iter().all(|r| r.success() && r.deposit_receipt_version == Some(1)));
    assert_eq!(block.header.mix_hash, info(9).prev_randao);
    let read = L1Attributes::read(&chain.world).unwrap();
    assert_eq!(read, executed.attributes);
    assert_eq!((read.number.get(), read.time, read.hash), (9, info(9).time, info(9).hash));
    assert_eq!((read.base_fee, read.blob_base_fee, read.sequence_number), (info(9).base_fee, U256::from(7), 0));
    let acc = messages[1].accumulate(messages[0].accumulate(B256::ZERO));
    assert_eq!((read.message_count, read.message_acc), (MessageIndex::new(2), acc));

    let (_, next) = chain.block(&[], &[]);
    let read = L1Attributes::read(&chain.world).unwrap();
    assert_eq!((read.sequence_number, read.number.get(), read.message_acc), (1, 9, acc));
    assert_eq!(next.header.mix_hash, info(9).prev_randao, "randomness stays that of the last L1Info");
}

#[test]
fn system_contracts_hold_the_parent_hash_and_the_context_root() {
    let mut chain = Chain::new(&[]);
    let genesis = chain.head.hash_slow();
    let executed = chain.begin(&[]).unwrap().finish().unwrap();
    chain.seal(&executed);
    let history = &chain.world.accounts[&alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS].storage;
    assert_eq!(history[&U256::ZERO], U256::from_be_bytes(genesis.0));
    let roots = &chain.world.accounts[&alloy_eips::eip4788::BEACON_ROOTS_ADDRESS].storage;
    let slot = U256::from(PARTS.milliseconds.get() / 1000 % 8191 + 8191);
    assert_eq!(roots[&slot], U256::from_be_bytes(PARTS.context_root.0));
}

#[test]
fn a_transfer_pays_its_fees_to_the_vaults() {
    let key = Key::new(1);
    let mut chain = Chain::new(&[key.address()]);
    chain.block(&[info(1).to_message(MessageIndex::ZERO, L1Height::new(2))], &[]);
    let before = chain.world.accounts[&key.address()].account.balance;
    let (executed, block) = chain.block(&[], &[key.transfer(0, Address::repeat_byte(9))]);
    assert!(executed.receipts[1].success());
    let gained = |a: Address| chain.world.accounts.get(&a).map_or(U256::ZERO, |e| e.account.balance);
    let base = U256::from(21_000) * U256::from(block.header.base_fee_per_gas.unwrap());
    assert_eq!(gained(predeploys::BASE_FEE_VAULT), base);
    assert_eq!(gained(PARTS.beneficiary), U256::from(21_000u64 * 1_000_000));
    assert!(!gained(predeploys::L1_FEE_VAULT).is_zero());
    let spent = before - gained(key.address());
    assert_eq!(
        spent,
        base + gained(PARTS.beneficiary) + gained(predeploys::L1_FEE_VAULT) + U256::from(1),
        "nothing is lost on the way"
    );
    assert!(executed.da_footprint() > 0 && executed.da_footprint() % 400 == 0);
}

/// Where the tests put code.
const CODE: Address = Address::repeat_byte(0xc0);
const USER: Address = Address::repeat_byte(0x11);

fn one_message(world: impl FnOnce(&mut World), message: &Message) -> (Receipt, World, ExecutedPayload) {
    let mut chain = Chain::new(&[]);
    world(&mut chain.world);
    let (executed, _) = chain.block(std::slice::from_ref(message), &[]);
    (executed.receipts[1].clone(), chain.world, executed)
}

/// The failing message keeps its mint and the sender's nonce, moves no value, and has a receipt without logs.
fn assert_failed(world: impl Fn(&mut World), message: &Message, nonce: u64) -> Receipt {
    let mut before = l2_world(&[]);
    world(&mut before);
    let (receipt, after, _) = one_message(world, message);
    assert!(!receipt.success());
    assert_eq!((receipt.deposit_nonce, receipt.logs.len()), (Some(nonce), 0));
    let balance = |w: &World, a: Address| w.accounts.get(&a).map_or(U256::ZERO, |e| e.account.balance);
    let sender = after.accounts[&message.sender].account;
    assert_eq!(sender.nonce, nonce + 1);
    assert_eq!(sender.balance, balance(&before, message.sender) + message.mint);
    if message.to != message.sender {
        assert_eq!(balance(&after, message.to), balance(&before, message.to));
    }
    receipt
}

#[test]
fn a_message_that_reverts_keeps_its_mint_and_reports_the_gas_it_used() {
    let revert = |w: &mut World| w.put(CODE, U256::ZERO, 1, hex!("60006000fd").into());
    let receipt = assert_failed(revert, &deposit(0, USER, CODE, 5, 7, 90_000, Bytes::new()), 0);
    assert!(receipt.cumulative_gas_used < 90_000 + 200_000);
}

#[test]
fn a_message_that_halts_uses_all_its_gas() {
    let cases: [(&str, Bytes, Message); 4] = [
        ("invalid opcode", hex!("fe").into(), deposit(0, USER, CODE, 0, 7, 90_000, Bytes::new())),
        ("out of gas", hex!("5b600056").into(), deposit(0, USER, CODE, 0, 7, 90_000, Bytes::new())),
        ("value that the sender has not", Bytes::new(), deposit(0, USER, CODE, 8, 7, 90_000, Bytes::new())),
        ("gas below the intrinsic cost", Bytes::new(), deposit(0, USER, CODE, 0, 7, 20_999, Bytes::new())),
    ];
    for (what, code, message) in cases {
        let gas = message.gas.get();
        let receipt = assert_failed(|w| w.put(CODE, U256::ZERO, 1, code.clone()), &message, 0);
        let (_, _, executed) = one_message(|w| w.put(CODE, U256::ZERO, 1, code.clone()), &message);
        assert_eq!(receipt.cumulative_gas_used - executed.receipts[0].cumulative_gas_used, gas, "{what}");
    }
}

#[test]
fn value_and_mint_beyond_all_ether_fail_no_block() {
    let mut message = deposit(0, USER, CODE, 0, 0, 90_000, Bytes::new());
    message.value = U256::MAX;
    assert_failed(|_| {}, &message, 0);

    // The mint is cut to 128 bits on the way (types::Message); here it meets a full account.
    message.value = U256::ZERO;
    message.mint = U256::MAX;
    let (receipt, world, _) = one_message(|w| w.put(USER, U256::MAX, 0, Bytes::new()), &message);
    assert!(receipt.success());
    assert_eq!(world.accounts[&USER].account.balance, U256::MAX, "a balance stops at its greatest value");
    let (receipt, world, _) = one_message(|_| {}, &message);
    assert!(receipt.success());
    assert_eq!(world.accounts[&USER].account.balance, U256::from(u128::MAX));
}

#[test]
fn contracts_and_delegated_accounts_may_send_messages() {
    let delegation: Vec<u8> = [hex!("ef0100").as_slice(), CODE.as_slice()].concat();
    for code in [hex!("60006000fd").to_vec(), delegation] {
        let to = Address::repeat_byte(0x22);
        let message = deposit(0, USER, to, 3, 7, 90_000, Bytes::new());
        let (receipt, world, _) = one_message(|w| w.put(USER, U256::from(1), 4, code.clone().into()), &message);
        assert!(receipt.success());
        assert_eq!(receipt.deposit_nonce, Some(4));
        let sender = world.accounts[&USER].account;
        assert_eq!((sender.nonce, sender.balance), (5, U256::from(1 + 7 - 3)));
        assert_eq!(world.accounts[&to].account.balance, U256::from(3));
    }
}

#[test]
fn a_message_may_ask_for_more_gas_than_a_transaction_of_the_list_may() {
    let gas = 20_000_000;
    let message = deposit(0, USER, CODE, 0, 0, gas, Bytes::new());
    let large = surety_types::ChainParameters { gas_limit: Gas::new(60_000_000), ..parameters() };
    let world = l2_world(&[]);
    let genesis = genesis_block(&large, world.root(), B256::ZERO).header;
    let executor = BlockExecutor::new(&large, &genesis, genesis.hash_slow(), PARTS, &[message], &world).unwrap();
    assert!(executor.receipts()[1].success());
    let key = Key::new(1);
    let chain = Chain::new(&[key.address()]);
    let tx = key.call(75873, 0, CODE, U256::ZERO, gas, Bytes::new());
    let refusal = refusal(chain.begin(&[]).unwrap().push(recovered(tx)));
    assert_eq!(refusal.when(), When::Never, "{refusal}");
}

#[test]
fn blocks_that_a_dispute_could_not_hold_are_their_messages_alone() {
    let key = Key::new(1);
    let world = l2_world(&[key.address()]);
    let most = surety_types::parameters::MAX_BLOCK_GAS_LIMIT;
    for (gas_limit, admitted) in [(most, true), (most.saturating_add(1), false)] {
        let parameters = surety_types::ChainParameters { gas_limit, ..parameters() };
        let genesis = genesis_block(&parameters, world.root(), B256::ZERO).header;
        let message = deposit(0, USER, CODE, 0, 0, 21_000, Bytes::new());
        let mut executor =
            BlockExecutor::new(&parameters, &genesis, genesis.hash_slow(), PARTS, &[message], &world).unwrap();
        let pushed = executor.push(recovered(key.transfer(0, CODE)));
        assert_eq!(pushed.is_ok(), admitted);
        if !admitted {
            let refusal = refusal(pushed);
            assert!(matches!(refusal, Refusal::StepMeter { .. }), "{refusal}");
            assert_eq!(refusal.when(), When::Never);
        }
        assert_eq!(executor.receipts().len(), if admitted { 3 } else { 2 }, "system and message are there in any case");
    }
}

#[test]
fn messages_that_are_not_next_or_too_much_are_refused_before_anything_runs() {
    let chain = Chain::new(&[]);
    let skipped = [deposit(1, USER, CODE, 0, 0, 21_000, Bytes::new())];
    assert!(matches!(chain.begin(&skipped), Err(ExecuteError::MessageOrder { .. })));
    let twice =
        [deposit(0, USER, CODE, 0, 0, 21_000, Bytes::new()), deposit(0, USER, CODE, 0, 0, 21_000, Bytes::new())];
    assert!(matches!(chain.begin(&twice), Err(ExecuteError::MessageOrder { .. })));
    let room = message_gas_room(&parameters());
    assert!(chain.begin(&[deposit(0, USER, CODE, 0, 0, room, Bytes::new())]).is_ok());
    for gas in [room + 1, u64::MAX] {
        let much = [deposit(0, USER, CODE, 0, 0, gas, Bytes::new())];
        assert!(matches!(chain.begin(&much), Err(ExecuteError::MessageGas { .. })));
    }
}

#[test]
fn each_refusal_says_when_to_try_again() {
    let key = Key::new(1);
    let poor = Key::new(2);
    let mut chain = Chain::new(&[key.address()]);
    chain.block(&[info(1).to_message(MessageIndex::ZERO, L1Height::new(2))], &[key.transfer(0, CODE)]);
    let id = parameters().rollup.get();
    let call = |nonce, gas| key.call(id, nonce, CODE, U256::ZERO, gas, Bytes::new());
    let cheap = Transaction::Legacy(key.sign(TxLegacy {
        chain_id: Some(id),
        nonce: 1,
        gas_price: 1,
        gas_limit: 21_000,
        to: TxKind::Call(CODE),
        ..Default::default()
    }));
    let big = key.call(id, 1, CODE, U256::ZERO, 10_000_000, random_bytes(90_000).into());
    let cases = [
        (call(0, 21_000), When::Never, "nonce too low"),
        (call(2, 21_000), When::Later, "nonce too high"),
        (call(1, 20_999), When::Never, "gas cost"),
        (call(1, 31_000_000), When::Never, "gas limit"),
        (cheap, When::Later, "base fee"),
        (poor.transfer(0, CODE), When::Later, "insufficient funds"),
        (key.call(id + 1, 1, CODE, U256::ZERO, 21_000, Bytes::new()), When::Never, "chain id"),
        (big, When::Never, "data footprint"),
        (deposit(1, USER, CODE, 0, 0, 21_000, Bytes::new()).to_transaction(), When::Never, "type"),
    ];
    let mut executor = chain.begin(&[]).unwrap();
    for (tx, when, what) in cases {
        let refusal = refusal(executor.push(recovered(tx)));
        assert_eq!(refusal.when(), when, "{what}: {refusal}");
        assert!(refusal.to_string().contains(what), "{what}: {refusal}");
    }
    // Room runs out: gas first, then data.
    chain.world.put(CODE, U256::ZERO, 1, hex!("5b600056").into());
    let mut executor = chain.begin(&[]).unwrap();
    executor.push(recovered(call(1, 16_000_000))).unwrap();
    let left = executor.gas_left();
    let no_room = refusal(executor.push(recovered(call(2, left + 1))));
    assert_eq!(no_room.when(), When::NextBlock, "{no_room}");
    executor.push(recovered(call(2, left))).unwrap();
    assert_eq!(executor.gas_left(), 0);

    let mut executor = chain.begin(&[]).unwrap();
    let half = |nonce| key.call(id, nonce, USER, U256::ZERO, 2_500_000, random_bytes(50_000).into());
    executor.push(recovered(half(1))).unwrap();
    let left = executor.da_left();
    assert!(left < 15_000_000);
    let no_room = refusal(executor.push(recovered(half(2))));
    assert!(matches!(no_room, Refusal::DataLeft { left: l, .. } if l == left), "{no_room}");
    assert_eq!(no_room.when(), When::NextBlock);
}

fn random_bytes(n: usize) -> Vec<u8> {
    (0..n.div_ceil(32)).flat_map(|i| keccak256(i.to_be_bytes()).0).take(n).collect()
}

/// Reads the balance of the address in its call data, so that its gas shows whether that account was warm.
const PROBE: [u8; 5] = hex!("600035" "31" "00");

#[test]
fn a_refused_transaction_leaves_no_trace() {
    let (key, other) = (Key::new(1), Key::new(2));
    let mut chain = Chain::new(&[key.address(), other.address()]);
    chain.world.put(CODE, U256::ZERO, 1, Bytes::from_static(&PROBE));
    let id = parameters().rollup.get();
    let probe = |nonce, who: Address| key.call(id, nonce, CODE, U256::ZERO, 60_000, who.into_word().into());
    let refused = [
        other.transfer(7, Address::repeat_byte(3)),
        other.call(id, 0, Address::repeat_byte(3), U256::MAX, 21_000, Bytes::new()),
        other.call(id, 0, Address::repeat_byte(3), U256::ZERO, 20_000, Bytes::new()),
        Key::new(9).transfer(0, other.address()),
    ];
    let mut clean = chain.begin(&[]).unwrap();
    let mut tried = chain.begin(&[]).unwrap();
    for (nonce, who) in [(0, other.address()), (1, Address::repeat_byte(3)), (2, PARTS.beneficiary)] {
        for tx in &refused {
            refusal(tried.push(recovered(tx.clone())));
        }
        let a = clean.push(recovered(probe(nonce, who))).unwrap();
        let b = tried.push(recovered(probe(nonce, who))).unwrap();
        assert_eq!(a, b, "gas differs: a refused transaction warmed something");
    }
    let (clean, tried) = (clean.finish().unwrap(), tried.finish().unwrap());
    assert_eq!((clean.changes, clean.receipts, clean.header), (tried.changes, tried.receipts, tried.header));
}

#[test]
fn a_delegation_is_set_used_and_seen_by_the_next_block() {
    let (key, relay) = (Key::new(1), Key::new(2));
    let mut chain = Chain::new(&[key.address(), relay.address()]);
    // Stores the caller.
    chain.world.put(CODE, U256::ZERO, 1, hex!("33600055").into());
    let id = parameters().rollup.get();
    let authorization = Authorization { chain_id: U256::from(id), address: CODE, nonce: 0 };
    let signed = key.sign_authorization(authorization);
    let tx = Transaction::Eip7702(relay.sign(TxEip7702 {
        chain_id: id,
        gas_limit: 200_000,
        max_fee_per_gas: 20_000_000_000,
        to: key.address(),
        authorization_list: vec![signed],
        ..Default::default()
    }));
    let (executed, _) = chain.block(&[], &[tx]);
    assert!(executed.receipts[1].success());
    let account = &chain.world.accounts[&key.address()];
    assert_eq!(account.storage[&U256::ZERO], U256::from_be_bytes(relay.address().into_word().0));
    assert_eq!(chain.world.code[&account.account.code_hash].len(), 23);
    let (executed, _) = chain.block(&[], &[key.transfer(1, Address::repeat_byte(3))]);
    assert!(executed.receipts[1].success(), "a delegated account still sends");
}

#[test]
fn a_payload_with_a_bad_transaction_is_refused_as_a_whole() {
    let key = Key::new(1);
    let chain = Chain::new(&[key.address()]);
    let payload = Payload {
        context: None,
        milliseconds: PARTS.milliseconds,
        beneficiary: PARTS.beneficiary,
        messages: vec![],
        transactions: vec![key.transfer(0, CODE), key.transfer(0, CODE)],
    };
    let result = execute_payload(&parameters(), &chain.head, chain.head.hash_slow(), &payload, &chain.world);
    assert!(matches!(result, Err(ExecuteError::Transaction { index: 1, refusal: Refusal::NonceTooLow { .. } })));
}

proptest! {
    /// EIP-1559 by alloy's own function, the Jovian rule on top.
    #[test]
    fn the_base_fee_follows_eip_1559_with_a_floor(used in 0u64..=30_000_000, footprint in 0u64..=30_000_000, fee in 1u64..1 << 40) {
        let p = parameters();
        let parent = Header { gas_limit: 30_000_000, gas_used: used, blob_gas_used: Some(footprint), base_fee_per_gas: Some(fee), ..Default::default() };
        let params = alloy_eips::eip1559::BaseFeeParams::new(p.base_fee_denominator.into(), p.base_fee_elasticity.into());
        let expected = alloy_eips::calc_next_block_base_fee(used.max(footprint), 30_000_000, fee, params).max(p.min_base_fee);
        prop_assert_eq!(next_base_fee(&p, &parent), expected);
    }

    /// Whatever parameters and parents say, there is a base fee.
    #[test]
    fn the_base_fee_is_total(used: u64, limit: u64, footprint: Option<u64>, fee: Option<u64>, denominator: u32, elasticity: u32) {
        let p = surety_types::ChainParameters { base_fee_denominator: denominator, base_fee_elasticity: elasticity, ..parameters() };
        let parent = Header { gas_limit: limit, gas_used: used, blob_gas_used: footprint, base_fee_per_gas: fee, ..Default::default() };
        prop_assert!(next_base_fee(&p, &parent) >= p.min_base_fee);
    }
}

fn arbitrary_address() -> impl Strategy<Value = Address> {
    prop_oneof![
        Just(CODE),
        Just(USER),
        Just(predeploys::L1_BLOCK),
        Just(predeploys::DEPOSITOR),
        Just(predeploys::L1_FEE_VAULT),
        Just(alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS),
        Just(PARTS.beneficiary),
        (0u64..0x101).prop_map(|n| Address::from_word(U256::from(n).into())),
        any::<[u8; 20]>().prop_map(Address::from),
    ]
}

fn arbitrary_amount() -> impl Strategy<Value = U256> {
    prop_oneof![
        Just(U256::ZERO),
        Just(U256::MAX),
        Just(U256::from(u128::MAX)),
        (0u64..1000).prop_map(U256::from),
        any::<[u8; 32]>().prop_map(U256::from_be_bytes),
    ]
}

fn arbitrary_data() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..600).prop_map(Bytes::from),
        any::<u64>().prop_map(|n| info(n % 250).encode()),
    ]
}

prop_compose! {
    fn arbitrary_message()(
        kind in prop_oneof![Just(MessageKind::Deposit), Just(MessageKind::Forced), Just(MessageKind::L1Info)],
        sender in arbitrary_address(), to in arbitrary_address(), value in arbitrary_amount(), mint in arbitrary_amount(),
        gas in prop_oneof![0u64..60_000, Just(700_000)], data in arbitrary_data(),
    ) -> Message {
        Message {
            kind, index: MessageIndex::ZERO, l1_block: L1Height::new(1), l1_time: Seconds::new(1), sender, to, value, mint,
            gas: Gas::new(gas), data,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The one thing that must always hold: a block of messages alone can be built, twice with the same result, and its
    /// position is after them.
    #[test]
    fn a_block_of_any_messages_always_executes(
        mut messages in prop::collection::vec(arbitrary_message(), 0..20),
        code in prop::collection::vec(any::<u8>(), 0..200),
        delegate: bool,
    ) {
        for (i, message) in messages.iter_mut().enumerate() {
            message.index = MessageIndex::new(i as u64);
        }
        let mut chain = Chain::new(&[]);
        chain.world.put(CODE, U256::from(100), 1, code.into());
        if delegate {
            chain.world.put(USER, U256::MAX, u64::MAX, [hex!("ef0100").as_slice(), CODE.as_slice()].concat().into());
        }
        let first = chain.begin(&messages).unwrap().finish().unwrap();
        let again = chain.begin(&messages).unwrap().finish().unwrap();
        prop_assert_eq!(first.receipts.len(), messages.len() + 1);
        prop_assert!(first.receipts[0].success(), "the system transaction succeeds before any message can interfere");
        prop_assert!(first.gas_used() <= parameters().gas_limit.get());
        prop_assert_eq!((&first.changes, &first.receipts, &first.header), (&again.changes, &again.receipts, &again.header));
        prop_assert_eq!(first.attributes.message_count.get(), messages.len() as u64);
        chain.seal(&first);
        // A message from the depositor itself could write L1Block; only the inbox sends as the depositor.
        if messages.iter().all(|m| m.sender != predeploys::DEPOSITOR && m.to != predeploys::L1_BLOCK) {
            prop_assert_eq!(L1Attributes::read(&chain.world).unwrap(), first.attributes);
        }
        // And the chain goes on.
        prop_assert!(chain.begin(&[]).unwrap().finish().is_ok() || L1Attributes::read(&chain.world).unwrap() != first.attributes);
    }
}

#[test]
fn the_highest_fees_of_l1_price_transactions_out_and_break_nothing() {
    let key = Key::new(1);
    let mut chain = Chain::new(&[key.address()]);
    let dear = L1Info { base_fee: U256::MAX, blob_base_fee: U256::MAX, ..info(1) };
    chain.block(&[dear.to_message(MessageIndex::ZERO, L1Height::new(2))], &[]);
    let refusal = refusal(chain.begin(&[]).unwrap().push(recovered(key.transfer(0, CODE))));
    assert!(matches!(refusal, Refusal::Funds { .. }), "{refusal}");
}

#[test]
fn a_poster_is_repaid_from_the_vault_and_never_more_than_it_holds() {
    let poster = Address::repeat_byte(0x77);
    for (held, owed, paid) in [(1_000, 400, 400), (1_000, 5_000, 1_000)] {
        let mut chain = Chain::new(&[]);
        let code = chain.world.code[&chain.world.accounts[&predeploys::L1_FEE_VAULT].account.code_hash].clone();
        chain.world.put(predeploys::L1_FEE_VAULT, U256::from(held), 1, code);
        let info = L1Info { recipient: poster, amount: U256::from(owed), ..info(1) };
        let (executed, _) = chain.block(&[info.to_message(MessageIndex::ZERO, L1Height::new(2))], &[]);
        assert!(executed.receipts[1].success());
        assert_eq!(chain.world.accounts[&poster].account.balance, U256::from(paid));
    }
}

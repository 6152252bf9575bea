//! L2 blocks: what they hold, what messages may do, what pushes leave behind.

mod common;

use alloy_primitives::{Address, B256, U256};
use common::{Key, World, l2_world, parameters};
use surety_stf::{
    Payload,
    execute::op::{
        BlockExecutor, ExecuteError, ExecutedPayload, HeaderParts, L1Attributes, execute_payload, genesis_block, seal,
    },
};
use surety_types::{
    Block, Header, L1Height, Message, MessageIndex, Milliseconds, Seconds, Transaction, message::L1Info, predeploys,
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

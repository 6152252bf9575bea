//! The genesis under the execution rules of L2 (op-revm, Karst): what the rules and the predeploys must agree on.

use alloy_primitives::{Address, B256, Bytes, Log, TxKind, U256, keccak256};
use alloy_sol_types::{SolCall, SolEvent, SolValue, sol};
use op_revm::{DefaultOp, L1BlockInfo, OpBuilder, OpContext, OpHaltReason, OpSpecId, OpTransaction};
use revm::{
    Context, Database, ExecuteCommitEvm,
    context::{BlockEnv, CfgEnv, TxEnv, result::ExecutionResult},
    database::{CacheDB, EmptyDB},
    state::{AccountInfo, Bytecode},
};
use surety_contracts::genesis::{
    L2Genesis,
    bindings::{L1Block, L1FeeVault, L2CrossDomainMessenger, L2ToL1MessagePasser, WETH},
    predeploys, preinstalls,
    withdrawal::Withdrawal,
};

const CHAIN: u64 = 75_873;
const ALICE: Address = Address::repeat_byte(0xa1);
const L1_MESSENGER: Address = Address::repeat_byte(0x1e);
/// Runtime code that loops until its gas is gone: JUMPDEST PUSH0 JUMP.
const GAS_BURNER: [u8; 3] = [0x5b, 0x5f, 0x56];

sol! {
    function getChainId() external view returns (uint256);
    function DOMAIN_SEPARATOR() external view returns (bytes32);
}

/// A chain of one state and no blocks.
struct Chain {
    db: CacheDB<EmptyDB>,
}

impl Chain {
    fn new() -> Self {
        let genesis = L2Genesis { l1_messenger: L1_MESSENGER, ..L2Genesis::new(CHAIN) };
        let mut db = CacheDB::new(EmptyDB::default());
        for (address, account) in genesis.alloc().unwrap() {
            let code = Bytecode::new_raw(account.code.unwrap());
            let info = AccountInfo::new(account.balance, account.nonce.unwrap(), code.hash_slow(), code);
            db.insert_account_info(address, info);
            for (slot, value) in account.storage.unwrap_or_default() {
                db.insert_account_storage(address, slot.into(), value.into()).unwrap();
            }
        }
        Self { db }
    }

    /// A transaction as a message or the system makes it.
    fn deposit(
        &mut self,
        from: Address,
        to: Address,
        value: u128,
        gas: u64,
        data: Vec<u8>,
    ) -> ExecutionResult<OpHaltReason> {
        let base = TxEnv::builder()
            .caller(from)
            .kind(TxKind::Call(to))
            .value(U256::from(value))
            .gas_limit(gas)
            .data(data.into())
            .chain_id(Some(CHAIN));
        let transaction = OpTransaction::builder()
            .base(base)
            .is_deposit_tx()
            .source_hash(B256::repeat_byte(7))
            .mint(value)
            .not_system_transaction()
            .build()
            .unwrap();
        let mut config = CfgEnv::new_with_spec(OpSpecId::KARST);
        config.chain_id = CHAIN;
        let context: OpContext<&mut CacheDB<EmptyDB>> = Context::op()
            .with_db(&mut self.db)
            .with_cfg(config)
            .with_block(BlockEnv { number: U256::ONE, ..Default::default() });
        context.build_op().transact_commit(transaction).unwrap()
    }

    /// What a call returns.
    fn call(&mut self, to: Address, call: impl SolCall) -> Bytes {
        let result = self.deposit(ALICE, to, 0, 1_000_000, call.abi_encode());
        assert!(result.is_success(), "{result:?}");
        result.into_output().unwrap()
    }

    fn balance(&mut self, of: Address) -> U256 {
        self.db.basic(of).unwrap().unwrap_or_default().balance
    }
}

/// The system transaction's calldata, packed by hand.
fn attributes() -> Vec<u8> {
    [
        &keccak256("setL1BlockValuesSurety()")[..4],
        &5_227_u32.to_be_bytes(),
        &1_014_213_u32.to_be_bytes(),
        &3_u64.to_be_bytes(),
        &1_700_000_000_u64.to_be_bytes(),
        &77_u64.to_be_bytes(),
        &U256::from(11).to_be_bytes::<32>(),
        &U256::from(13).to_be_bytes::<32>(),
        &[0xaa; 32],
        &[0; 32],
        &17_u32.to_be_bytes(),
        &19_u64.to_be_bytes(),
        &400_u16.to_be_bytes(),
        &23_u64.to_be_bytes(),
        &[0xbb; 32],
    ]
    .concat()
}

fn reimburse(recipient: Address, amount: u128) -> Vec<u8> {
    // The vault leaves the attributes unnamed: it does not read them.
    L1FeeVault::reimburseCall {
        number: u64::MAX,
        _1: u64::MAX,
        _2: B256::repeat_byte(0xff),
        _3: B256::repeat_byte(0xff),
        _4: U256::MAX,
        _5: U256::MAX,
        recipient,
        amount: U256::from(amount),
    }
    .abi_encode()
}

#[test]
fn execution_reads_from_l1_block_what_the_system_transaction_wrote() {
    let mut chain = Chain::new();
    let result = chain.deposit(predeploys::DEPOSITOR, predeploys::L1_BLOCK, 0, 1_000_000, attributes());
    assert!(result.is_success(), "{result:?}");
    let info = L1BlockInfo::try_fetch(&mut chain.db, U256::ONE, OpSpecId::KARST).unwrap();
    assert_eq!(info.l1_base_fee, U256::from(11));
    assert_eq!(info.l1_base_fee_scalar, U256::from(5_227));
    assert_eq!(info.l1_blob_base_fee, Some(U256::from(13)));
    assert_eq!(info.l1_blob_base_fee_scalar, Some(U256::from(1_014_213)));
    assert_eq!(info.operator_fee_scalar, Some(U256::from(17)));
    assert_eq!(info.operator_fee_constant, Some(U256::from(19)));
    assert_eq!(info.da_footprint_gas_scalar, Some(400));
    let count = chain.call(predeploys::L1_BLOCK, L1Block::messageCountCall {});
    assert_eq!(u64::abi_decode(&count).unwrap(), 23);
    let acc = chain.call(predeploys::L1_BLOCK, L1Block::messageAccCall {});
    assert_eq!(B256::abi_decode(&acc).unwrap(), B256::repeat_byte(0xbb));
}

#[test]
fn the_system_transaction_of_anyone_else_changes_nothing() {
    let mut chain = Chain::new();
    let result = chain.deposit(ALICE, predeploys::L1_BLOCK, 0, 1_000_000, attributes());
    assert!(!result.is_success());
    let info = L1BlockInfo::try_fetch(&mut chain.db, U256::ONE, OpSpecId::KARST).unwrap();
    assert_eq!(info.l1_base_fee, U256::ZERO);
}

#[test]
fn the_gas_of_an_l1_info_message_is_enough_whoever_is_repaid() {
    let burner = Address::repeat_byte(0x6b);
    // A new account costs most to pay; a contract that burns its gas costs most when it is not paid.
    for (recipient, paid) in [(ALICE, 5_u64), (burner, 0)] {
        let mut chain = Chain::new();
        chain.deposit(ALICE, predeploys::L1_FEE_VAULT, 10, 100_000, vec![]);
        chain.db.insert_account_info(
            burner,
            AccountInfo::default().with_code(Bytecode::new_raw(Bytes::from_static(&GAS_BURNER))),
        );
        let fresh = Address::repeat_byte(0x99);
        let recipient = if recipient == ALICE { fresh } else { recipient };
        let result =
            chain.deposit(predeploys::DEPOSITOR, predeploys::L1_FEE_VAULT, 0, 100_000, reimburse(recipient, 5));
        assert!(result.is_success(), "{result:?}");
        let event = L1FeeVault::Reimbursed::decode_log(&result.logs()[0]).unwrap();
        assert_eq!(event.paid, U256::from(paid), "{} gas used", result.tx_gas_used());
        assert_eq!(chain.balance(recipient), U256::from(paid));
        assert_eq!(chain.balance(predeploys::L1_FEE_VAULT), U256::from(10 - paid));
    }
}

#[test]
fn a_withdrawal_leaves_the_flag_that_l1_looks_for_and_burning_its_ether_leaves_nothing() {
    let mut chain = Chain::new();
    let data = L2ToL1MessagePasser::initiateWithdrawalCall {
        target: ALICE,
        gasLimit: U256::from(50_000),
        data: Bytes::from_static(b"call"),
    };
    let result = chain.deposit(ALICE, predeploys::L2_TO_L1_MESSAGE_PASSER, 1_000, 200_000, data.abi_encode());
    assert!(result.is_success(), "{result:?}");
    let log: &Log = &result.logs()[0];
    let event = L2ToL1MessagePasser::MessagePassed::decode_log(log).unwrap().data;
    let hash = event.withdrawalHash;
    let withdrawal = Withdrawal::from(event);
    assert_eq!(withdrawal.hash(), hash);
    assert_eq!(withdrawal.nonce, Withdrawal::nonce(0));
    let passer = predeploys::L2_TO_L1_MESSAGE_PASSER;
    assert_eq!(chain.db.storage(passer, withdrawal.slot().into()).unwrap(), U256::ONE);

    chain.call(passer, L2ToL1MessagePasser::burnCall {});
    let left: U256 = chain.db.cache.accounts.values().map(|account| account.info.balance).sum();
    assert_eq!(left, U256::ZERO, "every wei that was minted is gone");
}

#[test]
fn the_messenger_takes_messages_from_the_aliased_l1_messenger_alone() {
    let mut chain = Chain::new();
    let aliased = Address::from_word(
        (U256::from_be_bytes(L1_MESSENGER.into_word().0)
            + U256::from_be_bytes(
                "0x1111000000000000000000000000000000001111".parse::<Address>().unwrap().into_word().0,
            ))
        .into(),
    );
    let relay = L2CrossDomainMessenger::relayMessageCall {
        nonce: Withdrawal::nonce(0),
        sender: ALICE,
        target: predeploys::WETH,
        value: U256::from(9),
        minGasLimit: U256::from(50_000),
        message: WETH::depositCall {}.abi_encode().into(),
    };
    let messenger = predeploys::L2_CROSS_DOMAIN_MESSENGER;
    for (from, delivered) in [(L1_MESSENGER, false), (aliased, true)] {
        let result = chain.deposit(from, messenger, 9, 500_000, relay.abi_encode());
        assert_eq!(result.is_success(), delivered, "{result:?}");
    }
    let balance = chain.call(predeploys::WETH, WETH::balanceOfCall(messenger));
    assert_eq!(U256::abi_decode(&balance).unwrap(), U256::from(9));
}

#[test]
fn preinstalls_run_on_this_chain() {
    let mut chain = Chain::new();
    let multicall = "0xcA11bde05977b3631167028862bE2a173976CA11".parse().unwrap();
    assert_eq!(U256::abi_decode(&chain.call(multicall, getChainIdCall {})).unwrap(), U256::from(CHAIN));
    let domain_type = keccak256("EIP712Domain(string name,uint256 chainId,address verifyingContract)");
    let domain = (domain_type, keccak256("Permit2"), U256::from(CHAIN), preinstalls::PERMIT2).abi_encode();
    let answer = chain.call(preinstalls::PERMIT2, DOMAIN_SEPARATORCall {});
    assert_eq!(B256::abi_decode(&answer).unwrap(), keccak256(domain));
}

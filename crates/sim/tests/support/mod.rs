//! L1 in one process: the compiled contracts, deployed as on any L1, in revm.

use alloy_primitives::{Address, Bytes, TxKind, U256, keccak256};
use alloy_sol_types::SolCall;
use commonware_cryptography::Signer as _;
use revm::{
    Context, DatabaseRef as _, ExecuteCommitEvm as _, ExecuteEvm as _, MainBuilder as _, MainContext as _,
    context::{
        BlockEnv, CfgEnv, TxEnv,
        result::{ExecutionResult, Output},
    },
    database::{CacheDB, EmptyDB},
    primitives::hardfork::SpecId,
    state::AccountInfo,
};
use surety_contracts::{
    Parameters, Profile,
    bindings::{Equivocation, SequencerRegistry, Slasher},
    deploy::{Addresses, DeployPlan, Deployment, FoundingSeat, ProgramStart},
};
use surety_node::{
    consensus::testing::{DEPLOYER, L1_CHAIN, ROLLUP, domain, peer_key, vote_key},
    signer::Signer as _,
};
use surety_sim::{scenario::Scenario, world::Report};
use surety_types::evidence::{Equivocation as Evidence, SignedStatement};

/// When the contracts are put on L1, in Unix seconds.
const START: u64 = 1_000;
const REPORTER: Address = Address::repeat_byte(0x77);

/// An L1 with the contracts of one rollup on it, and its registry open.
#[derive(Clone)]
pub(crate) struct L1 {
    db: CacheDB<EmptyDB>,
    addresses: Addresses,
    time: u64,
    bond: U256,
}

/// What the contracts made of a world.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    /// Pairs of honest seats that were refused.
    pub(crate) refused: usize,
    /// Seats slashed.
    pub(crate) slashed: Vec<usize>,
    /// Most gas of a report.
    pub(crate) gas: u64,
    /// What should not be.
    pub(crate) wrong: Vec<String>,
}

impl L1 {
    /// Deploys the contracts, with the simulation's seats as founders.
    pub(crate) fn new(seats: usize) -> Self {
        let registry = DEPLOYER.create(0);
        assert_eq!(domain().separator(), surety_types::signing::Domain::new(L1_CHAIN, registry).separator());
        let seats: Vec<_> = (0..seats as u64)
            .map(|seat| {
                let key = k256::ecdsa::SigningKey::from_slice(keccak256(seat.to_be_bytes()).as_slice()).unwrap();
                let peer = alloy_primitives::B256::from_slice(peer_key(seat).public_key().as_ref());
                let owner = Address::with_last_byte(seat as u8 + 1);
                let seat = FoundingSeat::prove(L1_CHAIN, registry, owner, &key, peer).unwrap();
                assert_eq!(seat.vote_key, vote_key(u64::from(owner.0[19]) - 1).address());
                seat
            })
            .collect();
        let parameters = Parameters::of(Profile::Ci, ROLLUP.get());
        let plan = DeployPlan::new(&Deployment {
            deployer: DEPLOYER,
            nonce: 0,
            l1_chain_id: L1_CHAIN,
            parameters: &parameters,
            l2_genesis_hash: keccak256("genesis"),
            l2_genesis_time: START,
            program: ProgramStart::default(),
            seats: &seats,
        })
        .unwrap();
        let mut db = CacheDB::new(EmptyDB::default());
        let rich = AccountInfo { balance: plan.value() + U256::from(10).pow(U256::from(20)), ..Default::default() };
        db.insert_account_info(DEPLOYER, rich);
        let mut l1 = Self { db, addresses: plan.addresses, time: START, bond: parameters.bond };
        for step in plan.steps {
            let result = l1.send(DEPLOYER, step.to, step.value, step.input);
            assert!(result.is_success(), "{}: {result:?}", step.what);
        }
        l1
    }

    fn environment(&self, from: Address, to: TxKind, value: U256, data: Bytes) -> (CfgEnv, BlockEnv, TxEnv) {
        let mut config = CfgEnv::new_with_spec(SpecId::OSAKA);
        config.chain_id = L1_CHAIN;
        let block = BlockEnv { number: U256::from(self.time), timestamp: U256::from(self.time), ..Default::default() };
        let nonce = self.db.basic_ref(from).unwrap().unwrap_or_default().nonce;
        let transaction = TxEnv::builder()
            .caller(from)
            .nonce(nonce)
            .kind(to)
            .value(value)
            .gas_limit(16_000_000)
            .data(data)
            .chain_id(Some(L1_CHAIN))
            .build()
            .unwrap();
        (config, block, transaction)
    }

    fn send(&mut self, from: Address, to: TxKind, value: U256, data: Bytes) -> ExecutionResult {
        let (config, block, transaction) = self.environment(from, to, value, data);
        let context = Context::mainnet().with_db(&mut self.db).with_cfg(config).with_block(block);
        context.build_mainnet().transact_commit(transaction).unwrap()
    }

    /// What a call would return; an error holds what it reverts with.
    fn call(&mut self, to: Address, data: Vec<u8>) -> Result<Bytes, Bytes> {
        let (config, block, transaction) = self.environment(REPORTER, TxKind::Call(to), U256::ZERO, data.into());
        let context = Context::mainnet().with_db(&mut self.db).with_cfg(config).with_block(block);
        match context.build_mainnet().transact(transaction).unwrap().result {
            ExecutionResult::Success { output: Output::Call(output), .. } => Ok(output),
            ExecutionResult::Revert { output, .. } => Err(output),
            other => panic!("{other:?}"),
        }
    }

    fn view<C: SolCall>(&mut self, to: Address, call: &C) -> C::Return {
        C::abi_decode_returns(&self.call(to, call.abi_encode()).unwrap()).unwrap()
    }

    /// Offers everything that the honest seats signed, pair by pair, and reports what the others did.
    pub(crate) fn judge(&mut self, scenario: &Scenario, report: &Report) -> Judgement {
        let mut judgement = Judgement::default();
        let mut found = Vec::new();
        for seat in 0..scenario.seats {
            let key = vote_key(seat as u64).address();
            if scenario.sin(seat).is_none() {
                for (first, second) in report.seen.record.pairs(key) {
                    self.must_refuse(seat, first, second, &mut judgement);
                }
            } else if let Some((first, second)) = report.seen.record.contradictions(key).first() {
                found.push((first.statement.term(), seat, (*first).clone(), (*second).clone()));
            }
        }
        found.sort_by_key(|(term, seat, ..)| (*term, *seat));
        for (term, seat, first, second) in found {
            let start = self.view(self.addresses.registry, &SequencerRegistry::termStartCall { term });
            self.time = self.time.max(start + 1);
            self.report(seat, first, second, &mut judgement);
        }
        for seat in 0..scenario.seats {
            let stake = self.view(self.addresses.registry, &SequencerRegistry::stakeCall { id: seat as u64 + 1 });
            let whole = U256::from(stake.bond) == self.bond && stake.frozenAt.is_zero();
            if whole == judgement.slashed.contains(&seat) {
                judgement
                    .wrong
                    .push(format!("seat {seat} has {} wei and was frozen at {}", stake.bond, stake.frozenAt));
            }
        }
        judgement
    }

    fn must_refuse(&mut self, seat: usize, a: &SignedStatement, b: &SignedStatement, judgement: &mut Judgement) {
        let evidence = Evidence { first: a.clone(), second: b.clone() }.abi_encode();
        let call = Equivocation::judgeCall { evidence: evidence.into() };
        match self.call(self.addresses.equivocation, call.abi_encode()) {
            // A verdict of innocence, not of bad form: the pair was read and found to be none of the table.
            Err(error) => {
                let selector = error.get(..4).and_then(|s| s.try_into().ok()).unwrap_or_default();
                if !INNOCENT.contains(&selector) {
                    judgement.wrong.push(format!("seat {seat}: refused by {error}: {a:?} {b:?}"));
                }
                judgement.refused += 1;
            }
            Ok(_) => judgement.wrong.push(format!("seat {seat} is honest and guilty: {a:?} {b:?}")),
        }
    }

    fn report(&mut self, seat: usize, first: SignedStatement, second: SignedStatement, judgement: &mut Judgement) {
        let evidence: Bytes = Evidence { first, second }.abi_encode().into();
        let data: Bytes = Slasher::reportCall { fault: self.addresses.equivocation, evidence }.abi_encode().into();
        let result = self.send(REPORTER, TxKind::Call(self.addresses.slasher), U256::ZERO, data.clone());
        if result.is_success() {
            judgement.slashed.push(seat);
            judgement.gas = judgement.gas.max(result.tx_gas_used());
        } else {
            judgement.wrong.push(format!("seat {seat} is guilty and was not slashed: {result:?}"));
        }
        // Once.
        let again = self.send(REPORTER, TxKind::Call(self.addresses.slasher), U256::ZERO, data);
        if again.is_success() {
            judgement.wrong.push(format!("seat {seat} was slashed twice for one act"));
        }
    }
}

/// The errors that say: no contradiction.
const INNOCENT: [[u8; 4]; 3] = {
    use alloy_sol_types::SolError as _;
    [
        Equivocation::NoContradiction::SELECTOR,
        Equivocation::KindsDoNotContradict::SELECTOR,
        Equivocation::DifferentGenesis::SELECTOR,
    ]
};

//! The transactions that put a rollup on L1.
//!
//! The contracts name each other in their constructors and can be changed by nobody afterwards, so their addresses are
//! computed first (`CREATE`: deployer and nonce). The order is registry, claims, inbox, bridge, equivocation, idle, invalid
//! state, slasher, messenger, token bridge, fee split (which the L2 genesis names: [`Counterparts`]), pre-images, machine, dispute, then
//! one registration for each founding seat, then `open()`, which fixes the first committee and starts the terms. All come from one account with
//! consecutive nonces.

use crate::{
    bindings::{
        Bridge, Claims, Dispute, Equivocation, FeeSplit, Idle, Inbox, InvalidState, L1CrossDomainMessenger,
        L1StandardBridge, Preimages, RiscV, SequencerRegistry, Slasher,
    },
    parameters::{ParameterError, Parameters},
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_sol_types::{SolCall, SolConstructor};
use k256::ecdsa::SigningKey;
use serde::{Deserialize, Serialize};
use surety_types::signing::{Domain, Signature, VoteKey, vote_address};

/// Where a rollup's contracts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Addresses {
    /// `SequencerRegistry`.
    pub registry: Address,
    /// `Claims`.
    pub claims: Address,
    /// `Inbox`.
    pub inbox: Address,
    /// `Bridge`.
    pub bridge: Address,
    /// `Equivocation`.
    pub equivocation: Address,
    /// `Idle`.
    pub idle: Address,
    /// `InvalidState`.
    pub invalid_state: Address,
    /// `Slasher`.
    pub slasher: Address,
    /// `Preimages`.
    pub preimages: Address,
    /// `RiscV`.
    pub riscv: Address,
    /// `Dispute`.
    pub dispute: Address,
}

impl Addresses {
    /// All of them.
    pub const fn all(&self) -> [Address; 11] {
        let Self { registry, claims, inbox, bridge, equivocation, idle, invalid_state, slasher, .. } = *self;
        let Self { preimages, riscv, dispute, .. } = *self;
        [registry, claims, inbox, bridge, equivocation, idle, invalid_state, slasher, preimages, riscv, dispute]
    }

    /// Where they will be if `deployer` sends a [`DeployPlan`] from `nonce` on.
    pub fn predict(deployer: Address, nonce: u64) -> Self {
        let at = |place: u64| deployer.create(nonce.saturating_add(place));
        Self {
            registry: at(0),
            claims: at(1),
            inbox: at(2),
            bridge: at(3),
            equivocation: at(4),
            idle: at(5),
            invalid_state: at(6),
            slasher: at(7),
            preimages: at(11),
            riscv: at(12),
            dispute: at(13),
        }
    }
}

/// The contracts on L1 that those of the L2 genesis speak with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counterparts {
    /// `L1CrossDomainMessenger`: `L2Genesis::l1_messenger`.
    pub messenger: Address,
    /// `L1StandardBridge`: `L2Genesis::l1_standard_bridge`.
    pub standard_bridge: Address,
    /// `FeeSplit`: `L2Genesis::l1_fee_split`.
    pub fee_split: Address,
}

impl Counterparts {
    /// Where they will be if `deployer` sends a [`DeployPlan`] from `nonce` on.
    pub fn predict(deployer: Address, nonce: u64) -> Self {
        let at = |place: u64| deployer.create(nonce.saturating_add(place));
        Self { messenger: at(8), standard_bridge: at(9), fee_split: at(10) }
    }
}

/// A seat that is registered before the chain opens. Its bond is paid by the deployer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundingSeat {
    /// Who will control it.
    pub owner: Address,
    /// Address of its vote key.
    pub vote_key: Address,
    /// Its ed25519 key.
    pub peer_key: B256,
    /// The vote key's signature over `VoteKey(owner, peerKey)`.
    pub proof: Signature,
}

impl FoundingSeat {
    /// Proves a vote key to the registry at `registry` on `l1_chain_id`. `None` only if the key cannot sign (of negligible
    /// probability).
    pub fn prove(
        l1_chain_id: u64,
        registry: Address,
        owner: Address,
        vote_key: &SigningKey,
        peer_key: B256,
    ) -> Option<Self> {
        let digest = Domain::new(l1_chain_id, registry).digest(&VoteKey { owner, peerKey: peer_key });
        let proof = Signature::sign(vote_key, &digest)?;
        Some(Self { owner, vote_key: vote_address(vote_key), peer_key, proof })
    }

    /// The call that registers this seat.
    pub fn register_call(&self) -> SequencerRegistry::registerCall {
        SequencerRegistry::registerCall {
            owner: self.owner,
            voteKey: self.vote_key,
            peerKey: self.peer_key,
            proof: self.proof.0.into(),
        }
    }
}

/// One transaction of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployStep {
    /// What it does, for people.
    pub what: String,
    /// The deployer's nonce for it.
    pub nonce: u64,
    /// Whom it calls, or a creation.
    pub to: TxKind,
    /// Wei to send along.
    pub value: U256,
    /// Call data or creation code.
    pub input: Bytes,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeployError {
    /// The parameters do not fit together.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    /// A chain opens with 4 to 64 seats.
    #[error("a chain opens with 4 to 64 seats, {0} were given")]
    SeatCount(usize),
    /// A founding seat's key is not its own, or used twice, or zero.
    #[error(
        "founding seat {0} (counted from 0) has no valid proof for the predicted registry, or a key that another has"
    )]
    Seat(usize),
}

/// The transactions that put a rollup on L1, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployPlan {
    /// Where the contracts will be.
    pub addresses: Addresses,
    /// Where the contracts will be that the L2 genesis names.
    pub counterparts: Counterparts,
    /// What to send, from the deployer, with consecutive nonces.
    pub steps: Vec<DeployStep>,
}

/// How the program begins, as disputes have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProgramStart {
    /// `ChainParameters::hash`.
    pub parameters: B256,
    /// Root of the memory that it starts with.
    pub memory_root: B256,
    /// Address of its first instruction.
    pub entry: u64,
}

/// What a plan is for.
#[derive(Debug, Clone)]
pub struct Deployment<'a> {
    /// The account that sends everything and pays the founding bonds.
    pub deployer: Address,
    /// Its next nonce.
    pub nonce: u64,
    /// The L1 chain.
    pub l1_chain_id: u64,
    /// What L1 enforces.
    pub parameters: &'a Parameters,
    /// Hash of the L2 genesis block.
    pub l2_genesis_hash: B256,
    /// Its time, in Unix seconds; not later than the L1 block that takes the inbox.
    pub l2_genesis_time: u64,
    /// What disputes are decided by.
    pub program: ProgramStart,
    /// The first committee, in order.
    pub seats: &'a [FoundingSeat],
}

impl DeployPlan {
    /// Plans a deployment; refuses what the contracts would refuse, and two seats with one peer key, of which the second
    /// would not be on the network.
    ///
    /// # Errors
    /// If the parameters do not fit together, or the seats are too few, too many or not proved.
    pub fn new(deployment: &Deployment<'_>) -> Result<Self, DeployError> {
        let Deployment { deployer, nonce, parameters, seats, .. } = *deployment;
        parameters.check()?;
        if !(4..=64).contains(&seats.len()) {
            return Err(DeployError::SeatCount(seats.len()));
        }
        let addresses = Addresses::predict(deployer, nonce);
        check_seats(Domain::new(deployment.l1_chain_id, addresses.registry), seats)?;

        let counterparts = Counterparts::predict(deployer, nonce);
        let mut steps = Vec::with_capacity(seats.len().saturating_add(15));
        let mut push = |what: String, to, value, input: Vec<u8>| {
            let nonce = nonce.saturating_add(steps.len() as u64);
            steps.push(DeployStep { what, nonce, to, value, input: input.into() });
        };
        let creations = [
            (
                "create SequencerRegistry",
                create(
                    &SequencerRegistry::BYTECODE,
                    &SequencerRegistry::constructorCall {
                        p: SequencerRegistry::ProtocolParameters::from(parameters),
                        slasher_: addresses.slasher,
                        inbox_: addresses.inbox,
                    },
                ),
            ),
            (
                "create Claims",
                create(
                    &Claims::BYTECODE,
                    &Claims::constructorCall {
                        registry_: addresses.registry,
                        inbox_: addresses.inbox,
                        dispute_: addresses.dispute,
                        genesisHash: deployment.l2_genesis_hash,
                    },
                ),
            ),
            (
                "create Inbox",
                create(
                    &Inbox::BYTECODE,
                    &Inbox::constructorCall {
                        registry_: addresses.registry,
                        claims_: addresses.claims,
                        bridge_: addresses.bridge,
                        l2GenesisTime_: deployment.l2_genesis_time,
                    },
                ),
            ),
            ("create Bridge", create(&Bridge::BYTECODE, &Bridge::constructorCall { inbox_: addresses.inbox })),
            (
                "create Equivocation",
                create(&Equivocation::BYTECODE, &Equivocation::constructorCall { registry_: addresses.registry }),
            ),
            (
                "create Idle",
                create(
                    &Idle::BYTECODE,
                    &Idle::constructorCall { registry_: addresses.registry, inbox_: addresses.inbox },
                ),
            ),
            (
                "create InvalidState",
                create(&InvalidState::BYTECODE, &InvalidState::constructorCall { claims_: addresses.claims }),
            ),
            (
                "create Slasher",
                create(
                    &Slasher::BYTECODE,
                    &Slasher::constructorCall {
                        registry_: addresses.registry,
                        equivocation_: addresses.equivocation,
                        idle_: addresses.idle,
                        invalidState_: addresses.invalid_state,
                    },
                ),
            ),
            (
                "create L1CrossDomainMessenger",
                create(
                    &L1CrossDomainMessenger::BYTECODE,
                    &L1CrossDomainMessenger::constructorCall { bridge_: addresses.bridge },
                ),
            ),
            (
                "create L1StandardBridge",
                create(
                    &L1StandardBridge::BYTECODE,
                    &L1StandardBridge::constructorCall { messenger_: counterparts.messenger },
                ),
            ),
            (
                "create FeeSplit",
                create(&FeeSplit::BYTECODE, &FeeSplit::constructorCall { registry_: addresses.registry }),
            ),
            ("create Preimages", Preimages::BYTECODE.to_vec()),
            ("create RiscV", create(&RiscV::BYTECODE, &RiscV::constructorCall { preimages_: addresses.preimages })),
            (
                "create Dispute",
                create(
                    &Dispute::BYTECODE,
                    &Dispute::constructorCall {
                        registry: addresses.registry,
                        claims_: addresses.claims,
                        riscv_: addresses.riscv,
                        parametersHash_: deployment.program.parameters,
                        programRoot_: deployment.program.memory_root,
                        entry_: deployment.program.entry,
                    },
                ),
            ),
        ];
        for (what, code) in creations {
            push(what.into(), TxKind::Create, U256::ZERO, code);
        }
        let registry = TxKind::Call(addresses.registry);
        for (place, seat) in seats.iter().enumerate() {
            push(
                format!("register founding seat {place}"),
                registry,
                parameters.bond,
                seat.register_call().abi_encode(),
            );
        }
        push("open".into(), registry, U256::ZERO, SequencerRegistry::openCall {}.abi_encode());
        Ok(Self { addresses, counterparts, steps })
    }

    /// Wei that the deployer needs beside gas.
    pub fn value(&self) -> U256 {
        self.steps.iter().fold(U256::ZERO, |sum, step| sum.saturating_add(step.value))
    }
}

fn create(code: &Bytes, constructor: &impl SolConstructor) -> Vec<u8> {
    [code.as_ref(), &constructor.abi_encode()].concat()
}

fn check_seats(domain: Domain, seats: &[FoundingSeat]) -> Result<(), DeployError> {
    for (place, seat) in seats.iter().enumerate() {
        let digest = domain.digest(&VoteKey { owner: seat.owner, peerKey: seat.peer_key });
        let proved = seat.proof.recover(&digest) == Some(seat.vote_key);
        let before = seats.iter().take(place);
        let fresh = before.clone().all(|other| other.vote_key != seat.vote_key && other.peer_key != seat.peer_key);
        if !proved || !fresh || seat.owner.is_zero() || seat.peer_key.is_zero() {
            return Err(DeployError::Seat(place));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

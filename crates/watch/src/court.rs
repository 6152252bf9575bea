//! What is asked of the contracts: is there guilt, was it punished, what would it bring.

use crate::faults::Fault;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_sol_types::{SolCall, SolError};
use std::sync::Arc;
use surety_contracts::{
    Addresses, ChainFile,
    bindings::{Equivocation, Idle, Slasher},
};
use surety_l1::{
    BlockAt, Call, L1, L1Error, Revert,
    submit::{Included, Outgoing, SubmitError, Submitter},
};

/// What the contracts say of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Guilty: what the penalty and the reporter's reward would be at L1's head, in wei.
    Guilty {
        /// The penalty.
        penalty: U256,
        /// The reporter's reward.
        reward: U256,
    },
    /// The seat was punished for this already.
    Punished,
    /// The fault's contract finds no guilt. In its words.
    NotGuilty {
        /// Its words.
        why: String,
    },
    /// Guilt that cannot be punished. In the slasher's words.
    Refused {
        /// Its words.
        why: String,
    },
    /// Not yet: ask again.
    Later {
        /// Its words.
        why: String,
    },
}

/// The contracts that judge, asked through an L1.
#[derive(Clone)]
pub struct Court {
    l1: Arc<dyn L1>,
    addresses: Addresses,
}

impl std::fmt::Debug for Court {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Court").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Court {
    /// The contracts of a chain.
    pub fn new(l1: Arc<dyn L1>, chain: &ChainFile) -> Self {
        Self { l1, addresses: chain.addresses }
    }

    const fn contract(&self, fault: Fault) -> Address {
        fault.contract(&self.addresses)
    }

    async fn ask<C: SolCall>(&self, from: Address, to: Address, call: &C) -> Result<C::Return, L1Error> {
        let request = Call { from, to: Some(to), input: Bytes::from(call.abi_encode()), ..Default::default() };
        let data = self.l1.call(&request, BlockAt::Latest).await?;
        C::abi_decode_returns(&data).map_err(|error| L1Error::Invalid {
            method: "eth_call",
            reason: format!("{} of {to}: {error}; is this the chain's L1?", C::SIGNATURE),
        })
    }

    /// Whether the seat was punished for this fault in this term.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn is_punished(&self, fault: Fault, seat: u64, term: u64) -> Result<bool, L1Error> {
        let call = Slasher::isSlashedCall { seat, fault: self.contract(fault), term };
        self.ask(Address::ZERO, self.addresses.slasher, &call).await
    }

    /// Asks the fault's contract whether it is guilt, and the slasher what it would bring `from`.
    ///
    /// # Errors
    /// [`L1Error`], but for reverts, which are verdicts.
    pub async fn judge(&self, from: Address, fault: Fault, evidence: &Bytes) -> Result<Verdict, L1Error> {
        let (fault, evidence) = (self.contract(fault), evidence.clone());
        // Every fault's contract has this call.
        match self.ask(from, fault, &Equivocation::judgeCall { evidence: evidence.clone() }).await {
            Err(L1Error::Reverted { revert, .. }) => {
                return Ok(match of_revert(&revert) {
                    Verdict::Refused { why } => Verdict::NotGuilty { why },
                    other => other,
                });
            }
            other => other?,
        };
        match self.ask(from, self.addresses.slasher, &Slasher::reportCall { fault, evidence }).await {
            Err(L1Error::Reverted { revert, .. }) => Ok(of_revert(&revert)),
            other => other.map(|report| Verdict::Guilty { penalty: report.taken, reward: report.reward }),
        }
    }

    /// Gas of the report, by simulation at L1's head.
    ///
    /// # Errors
    /// [`L1Error`]; [`L1Error::Reverted`] if it would revert.
    pub async fn gas(&self, from: Address, fault: Fault, evidence: &Bytes) -> Result<u64, L1Error> {
        let Outgoing { input, .. } = self.report(fault, evidence);
        self.l1.estimate_gas(&Call { from, to: Some(self.addresses.slasher), input, ..Default::default() }).await
    }

    /// The report.
    pub fn report(&self, fault: Fault, evidence: &Bytes) -> Outgoing {
        let call = Slasher::reportCall { fault: self.contract(fault), evidence: evidence.clone() };
        Outgoing { to: TxKind::Call(self.addresses.slasher), input: call.abi_encode().into(), ..Default::default() }
    }

    /// Rewards that a reporter may withdraw, in wei.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn rewards(&self, reporter: Address) -> Result<U256, L1Error> {
        self.ask(Address::ZERO, self.addresses.slasher, &Slasher::rewardOfCall { reporter }).await
    }

    /// Has all rewards of the submitter's account paid to `to`. `None` if there are none.
    ///
    /// # Errors
    /// See [`WithdrawError`].
    pub async fn withdraw(
        &self,
        submitter: &Submitter,
        to: Address,
    ) -> Result<Option<(U256, Included)>, WithdrawError> {
        let rewards = self.rewards(submitter.address()).await?;
        if rewards.is_zero() {
            return Ok(None);
        }
        let input = Slasher::withdrawRewardCall { to }.abi_encode().into();
        let outgoing = Outgoing { to: TxKind::Call(self.addresses.slasher), input, ..Default::default() };
        let included = submitter.submit(outgoing).await?;
        if included.inclusion.success { Ok(Some((rewards, included))) } else { Err(WithdrawError::Reverted(included)) }
    }
}

/// Why rewards were not withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum WithdrawError {
    /// L1.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// The transaction was not sent or did not arrive.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// It reverted.
    #[error("the withdrawal reverted on L1 (transaction {})", .0.transaction)]
    Reverted(Included),
}

fn of_revert(revert: &Revert) -> Verdict {
    let why = revert.to_string();
    match revert.selector() {
        Some(Slasher::AlreadySlashed::SELECTOR) => Verdict::Punished,
        Some(Idle::NotIdle::SELECTOR | Idle::NotOnDuty::SELECTOR) => Verdict::NotGuilty { why },
        Some(Slasher::TermNotStarted::SELECTOR | Idle::TermNotOver::SELECTOR) => Verdict::Later { why },
        _ => Verdict::Refused { why },
    }
}

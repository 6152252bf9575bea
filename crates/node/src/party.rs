//! An account that stands behind claims with a bond: what a keeper and a challenger send to L1.

use crate::follower::block_hashes;
use alloy_primitives::{Bytes, TxKind, U256};
use alloy_sol_types::SolCall;
use core::fmt;
use std::sync::Arc;
use surety_contracts::{
    ChainFile,
    bindings::{Claims, Dispute},
};
use surety_dispute::posting::posting;
use surety_l1::{
    BlockAt, L1, L1Error,
    contracts::Contracts,
    records::Records,
    submit::{Included, Outgoing, SubmitError, Submitter, Ticket},
};
use surety_state::Store;
use surety_types::claim::Claim;

/// An account, and what it needs to claim what its node derived.
#[derive(Clone)]
pub struct Party {
    /// L1.
    pub l1: Arc<dyn L1>,
    /// The chain.
    pub chain: ChainFile,
    /// Its blocks.
    pub store: Store,
    /// Sends and pays.
    pub submitter: Arc<Submitter>,
}

impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Party").field(&self.submitter.address()).finish()
    }
}

/// Why a party did not do something.
#[derive(Debug, thiserror::Error)]
pub enum PartyError {
    /// L1.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// A transaction.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The node's database.
    #[error(transparent)]
    State(#[from] surety_state::Error),
    /// L1 has another batch than this node.
    #[error("L1 or this node's database does not have batch {0} as it is to be claimed; wait, or follow L1 anew")]
    Batch(u64),
    /// It lost.
    #[error(
        "a claim of this account fell, so it can make no more: is the node's database damaged? Follow L1 anew, with another account"
    )]
    Fallen,
}

impl Party {
    /// The contracts.
    pub fn contracts(&self) -> Contracts<'_> {
        Contracts::new(&*self.l1, self.chain.addresses)
    }

    /// Sees to it that this account has a bond; false if somebody is in the way.
    ///
    /// # Errors
    /// [`PartyError`].
    pub async fn join(&self) -> Result<bool, PartyError> {
        let party = self.contracts().party(self.submitter.address(), BlockAt::Latest).await?;
        if !party.fellAt.is_zero() {
            return Err(PartyError::Fallen);
        }
        if !party.bond.is_zero() {
            return Ok(true);
        }
        let (dispute, bond) = (self.chain.addresses.dispute, self.chain.protocol.claim_bond);
        let included = self.send(dispute.into(), bond, Dispute::joinCall {}.abi_encode().into()).await?;
        if let Some(included) = &included {
            tracing::info!(%bond, transaction = %included.transaction, "the bond behind this account's claims is paid");
        }
        Ok(included.is_some())
    }

    /// Posts a claim with the account's bond, which must be paid; `None` if somebody was faster.
    ///
    /// # Errors
    /// [`PartyError`].
    pub async fn post(&self, parent: &Claim, claim: &Claim) -> Result<Option<Included>, PartyError> {
        let mut records = Records::new(&*self.l1, &self.chain).await?;
        let wrong = || PartyError::Batch(claim.batch_index.get());
        let (statement, later) = records.posted(claim.batch_index).await?.ok_or_else(wrong)?;
        let siblings = records.claims_of(claim.batch_index).await?;
        let first = siblings.iter().find(|other| other.parent == claim.parent);
        let hashes = block_hashes(&self.store, &statement)?.ok_or_else(wrong)?;
        let posting = posting(claim, parent, first, &statement, later, &hashes).ok_or_else(wrong)?;
        let call = Claims::postBondedCall { claim_: claim.into(), posting };
        let included = self.send(self.chain.addresses.claims.into(), U256::ZERO, call.abi_encode().into()).await?;
        if let Some(included) = &included {
            tracing::info!(batch = %claim.batch_index, id = %claim.id(), transaction = %included.transaction, "claimed");
        }
        Ok(included)
    }

    /// Sends a transaction and waits for it; `None` if it reverted or would, because somebody else was faster.
    ///
    /// # Errors
    /// [`PartyError::Submit`].
    pub async fn send(&self, to: TxKind, value: U256, input: Bytes) -> Result<Option<Included>, PartyError> {
        match self.hand_over(to, value, input).await? {
            Some(ticket) => self.wait(ticket).await,
            None => Ok(None),
        }
    }

    /// Sends a transaction; `None` if it would revert.
    ///
    /// # Errors
    /// [`PartyError::Submit`].
    pub async fn hand_over(&self, to: TxKind, value: U256, input: Bytes) -> Result<Option<Ticket>, PartyError> {
        let outgoing = Outgoing { to, value, input, ..Outgoing::default() };
        match self.submitter.send(outgoing).await {
            Ok(ticket) => Ok(Some(ticket)),
            Err(SubmitError::WouldRevert(revert)) => {
                tracing::debug!(%revert, "not sent");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until a transaction is in a block; `None` if it reverted there.
    ///
    /// # Errors
    /// [`PartyError::Submit`].
    pub async fn wait(&self, ticket: Ticket) -> Result<Option<Included>, PartyError> {
        let included = self.submitter.wait(ticket).await?;
        Ok(Some(included).filter(|included| included.inclusion.success))
    }
}

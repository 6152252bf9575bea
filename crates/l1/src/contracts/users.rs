//! What users ask of the bridge, the inbox and the claims.

use super::Contracts;
use crate::{L1Error, chain::BlockAt};
use alloy_primitives::{Address, B256, Bytes, U256};
use surety_contracts::bindings::{Bridge, Claims, Inbox, L1StandardBridge};
use surety_types::{MessageIndex, Seconds};

/// Where a withdrawal stands on L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithdrawalStatus {
    /// Not proven yet.
    None,
    /// Proven; its call failed and can be made again.
    Failed,
    /// Done, for ever.
    Done,
}

/// The end of a chain (protocol §10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// The claim that the chain ended on.
    pub claim: B256,
    /// The state that is paid out.
    pub state_root: B256,
    /// How many messages that state has consumed; `None` until somebody showed it.
    pub consumed: Option<MessageIndex>,
}

impl Contracts<'_> {
    /// The price of a deposit through the token bridge, in wei; `token` is zero for ether.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn deposit_fee(
        &self,
        token_bridge: Address,
        token: Address,
        min_gas: u32,
        at: BlockAt,
    ) -> Result<U256, L1Error> {
        let call = L1StandardBridge::depositFeeCall { token, minGasLimit: min_gas, extraData: Bytes::new() };
        self.read(token_bridge, &call, at).await
    }

    /// Whether anyone may self-sequence, and why (`IInbox.Opening`).
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn opening(&self, at: BlockAt) -> Result<u8, L1Error> {
        self.read(self.addresses.inbox, &Inbox::openingCall {}, at).await
    }

    /// Messages consumed by the batches so far.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn consumed_messages(&self, at: BlockAt) -> Result<MessageIndex, L1Error> {
        self.read(self.addresses.inbox, &Inbox::consumedMessagesCall {}, at).await.map(MessageIndex::new)
    }

    /// From when the chain may end on a claim, if no child of it becomes final before.
    ///
    /// # Errors
    /// [`L1Error`]; reverts with `UnknownClaim`.
    pub async fn ends_from(&self, id: B256, at: BlockAt) -> Result<Seconds, L1Error> {
        self.read(self.addresses.claims, &Claims::endsFromCall { id }, at).await.map(Seconds::new)
    }

    /// The end of the chain; `None` while it goes on.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn ending(&self, at: BlockAt) -> Result<Option<Ending>, L1Error> {
        let bridge = self.addresses.bridge;
        let claim = self.read(bridge, &Bridge::escapeClaimCall {}, at).await?;
        if claim.is_zero() {
            return Ok(None);
        }
        let state_root = self.read(bridge, &Bridge::escapeStateRootCall {}, at).await?;
        let shown = self.read(bridge, &Bridge::escapeConsumptionCall {}, at).await?;
        let consumed = shown.proven.then_some(MessageIndex::new(shown.messages));
        Ok(Some(Ending { claim, state_root, consumed }))
    }

    /// Where a withdrawal stands.
    ///
    /// # Errors
    /// [`L1Error`]; also if the bridge names a standing that this version does not know.
    pub async fn withdrawal(&self, hash: B256, at: BlockAt) -> Result<WithdrawalStatus, L1Error> {
        match self.read(self.addresses.bridge, &Bridge::statusCall { hash }, at).await? {
            0 => Ok(WithdrawalStatus::None),
            1 => Ok(WithdrawalStatus::Failed),
            2 => Ok(WithdrawalStatus::Done),
            other => Err(L1Error::invalid("eth_call", format!("withdrawal status {other}"))),
        }
    }

    /// Whether an account's ether was paid after the chain's end.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn escaped(&self, account: Address, at: BlockAt) -> Result<bool, L1Error> {
        self.read(self.addresses.bridge, &Bridge::escapedCall { account }, at).await
    }

    /// Whether a message's ether was paid back after the chain's end.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn refunded(&self, index: MessageIndex, at: BlockAt) -> Result<bool, L1Error> {
        self.read(self.addresses.bridge, &Bridge::refundedCall { index: index.get() }, at).await
    }

    /// The L1 token that an L2 token was shown to stand for, after the chain's end; zero if nobody showed it.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn proven_token(
        &self,
        token_bridge: Address,
        l2_token: Address,
        at: BlockAt,
    ) -> Result<Address, L1Error> {
        let call = L1StandardBridge::provenTokensCall { l2Token: l2_token };
        Ok(self.read(token_bridge, &call, at).await?.l1Token)
    }

    /// Whether an account's tokens were paid after the chain's end.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn token_escaped(
        &self,
        token_bridge: Address,
        l2_token: Address,
        account: Address,
        at: BlockAt,
    ) -> Result<bool, L1Error> {
        self.read(token_bridge, &L1StandardBridge::escapedCall { l2Token: l2_token, account }, at).await
    }
}

//! Having paid what is owed, each thing once.

use super::{
    End, Paid, Session,
    owed::{Door, Owed, OwedMessage, OwedToken},
};
use crate::user::{
    l2::L2,
    on_l1,
    prove::{self, Recorded},
    step,
};
use alloy_primitives::{Address, Bytes, U256, utils::format_ether};
use anyhow::{Result, bail, ensure};
use serde_json::json;
use surety_contracts::bindings::{
    Bridge::{self, escapeCall, refundCall},
    L1CrossDomainMessenger::returnMessageCall,
    L1StandardBridge::{escapeTokenCall, proveTokenCall, returnDepositCall},
};
use surety_l1::{BlockAt, contracts::WithdrawalStatus, submit::Included};
use surety_types::Message;

/// Whether payments can at least be tried out.
pub(super) fn is_possible(session: &Session, end: &End) -> bool {
    // In a dry run nobody opens the escape.
    end.from.is_none() || !session.manner.dry_run
}

/// Pays all of it. What fails is told and does not hold up the rest.
pub(super) async fn all(session: &Session, l2: &L2, end: &End, owed: &Owed, to: Address) -> Result<()> {
    let mut paid = Vec::new();
    let mut failed = Vec::new();
    let mut note = |what: &str, outcome: Result<Option<Paid>>| match outcome {
        Ok(one) => paid.extend(one),
        Err(error) => {
            step(&format!("{what}: {error:#}"));
            failed.push(format!("{what}: {error:#}"));
        }
    };
    let payer = Payer { session, owed, to, possible: is_possible(session, end) };
    note("ether", payer.ether().await);
    for token in &owed.tokens {
        note(&format!("token {}", token.l2_token), payer.token(token).await);
    }
    for message in &owed.messages {
        note(&message.what, payer.message(message).await);
    }
    note("earlier withdrawals", payer.withdrawals(l2, end).await);
    let dry = session.manner.dry_run;
    let lines: Vec<_> = paid.iter().map(|one| one.text.clone()).collect();
    let each: Vec<_> = paid.iter().map(|one| one.json.clone()).collect();
    let json = json!({
        "open": !dry || end.from.is_none(),
        "claim": end.claim.id(),
        "account": owed.account,
        "to": to,
        "paid": each,
        "failed": failed,
    });
    let nothing = paid.is_empty() && failed.is_empty();
    let text = if nothing { "nothing is owed to this account (any more)".to_owned() } else { lines.join("\n") };
    session.conclude(&text, json);
    ensure!(failed.is_empty(), "not all of it was paid: {}", failed.join("; "));
    if nothing {
        bail!("nothing to pay: L1 pays each thing once, and the last final state owes {} nothing more", owed.account);
    }
    Ok(())
}

struct Payer<'a> {
    session: &'a Session,
    owed: &'a Owed,
    to: Address,
    possible: bool,
}

impl Payer<'_> {
    /// Sends a call, or says what it would be.
    async fn call(&self, what: &str, to: Address, call: &impl alloy::sol_types::SolCall) -> Result<Option<Included>> {
        if !self.possible {
            step(&format!("{what}: when the escape is open"));
            return Ok(None);
        }
        self.session.send(what, to, U256::ZERO, call).await
    }

    fn paid(&self, kind: &str, what: String, included: Option<&Included>) -> Paid {
        let verb = if self.session.manner.dry_run { "would be paid" } else { "paid" };
        Paid {
            text: format!("{verb}: {what} to {}", self.to),
            json: json!({ "kind": kind, "what": what, "l1": on_l1(included) }),
        }
    }

    async fn ether(&self) -> Result<Option<Paid>> {
        let (session, owed) = (self.session, self.owed);
        if owed.balance.is_zero() {
            return Ok(None);
        }
        ensure!(!owed.is_contract, "{} has code on L2: what contracts hold is out of reach", owed.account);
        let what = format!("{} ETH", format_ether(owed.balance));
        if session.contracts().escaped(owed.account, BlockAt::Latest).await? {
            step(&format!("{what}: paid before"));
            return Ok(None);
        }
        let call = escapeCall {
            account: owed.account,
            delegate: owed.delegate,
            proof: owed.account_proof.clone(),
            to: self.to,
            signature: Bytes::new(),
        };
        let included = self.call(&what, session.chain.addresses.bridge, &call).await?;
        Ok(Some(self.paid("ether", what, included.as_ref())))
    }

    async fn token(&self, token: &OwedToken) -> Result<Option<Paid>> {
        let (session, owed) = (self.session, self.owed);
        let bridge = session.token_bridge()?;
        let contracts = session.contracts();
        let what = format!("{} units of {} (on L2 {})", token.amount, token.l1_token, token.l2_token);
        ensure!(!owed.is_contract, "{} has code on L2: what contracts hold is out of reach", owed.account);
        if contracts.token_escaped(bridge, token.l2_token, owed.account, BlockAt::Latest).await? {
            step(&format!("{what}: paid before"));
            return Ok(None);
        }
        let mut shown = !contracts.proven_token(bridge, token.l2_token, BlockAt::Latest).await?.is_zero();
        if !shown {
            let call = proveTokenCall {
                l2Token: token.l2_token,
                l1Token: token.l1_token,
                factoryProof: token.factory_proof.clone(),
                deploymentProof: token.deployment_proof.clone(),
                tokenProof: token.token_proof.clone(),
            };
            shown = self.call(&format!("showing token {}", token.l2_token), bridge, &call).await?.is_some();
        }
        let call = escapeTokenCall {
            l2Token: token.l2_token,
            account: owed.account,
            delegate: owed.delegate,
            accountProof: owed.account_proof.clone(),
            balanceProof: token.balance_proof.clone(),
            to: self.to,
            signature: Bytes::new(),
        };
        let included = if shown { self.call(&what, bridge, &call).await? } else { None };
        Ok(Some(self.paid("token", what, included.as_ref())))
    }

    async fn message(&self, owed: &OwedMessage) -> Result<Option<Paid>> {
        let (session, message, to) = (self.session, &owed.message, self.to);
        if session.contracts().refunded(message.index, BlockAt::Latest).await? {
            step(&format!("{}: given back before", owed.what));
            return Ok(None);
        }
        let (acc_before, following) = (owed.acc_before, owed.following.clone());
        let genesis = &session.chain.genesis;
        let queued = queued(message);
        let included = match owed.door {
            Door::Bridge => {
                let call = refundCall { message: queued, accBefore: acc_before, following, to };
                self.call(&owed.what, session.chain.addresses.bridge, &call).await?
            }
            Door::Messenger => {
                let call = returnMessageCall { queued: queued.into(), accBefore: acc_before, following, to };
                self.call(&owed.what, genesis.l1_messenger, &call).await?
            }
            Door::TokenBridge => {
                let call = returnDepositCall { queued: queued.into(), accBefore: acc_before, following, to };
                self.call(&owed.what, genesis.l1_standard_bridge, &call).await?
            }
        };
        Ok(Some(self.paid("refund", owed.what.clone(), included.as_ref())))
    }

    async fn withdrawals(&self, l2: &L2, end: &End) -> Result<Option<Paid>> {
        let contracts = self.session.contracts();
        let mut open: Vec<Recorded> = Vec::new();
        for one in &self.owed.withdrawals {
            match contracts.withdrawal(one.hash, BlockAt::Latest).await? {
                WithdrawalStatus::None => open.push(one.clone()),
                WithdrawalStatus::Failed => step(&format!(
                    "withdrawal {} was proven and its call failed: surety withdraw --retry {} tries again",
                    one.hash, one.transaction
                )),
                WithdrawalStatus::Done => {}
            }
        }
        if open.is_empty() {
            return Ok(None);
        }
        // The state that the chain ends on was final before, so this needs no open escape.
        let sent = prove::pay(self.session, l2, &end.claim, &open).await?;
        let sum = open.iter().fold(U256::ZERO, |sum, one| sum.saturating_add(one.withdrawal.value));
        let what = format!("{} earlier withdrawals of {} ETH together", open.len(), format_ether(sum));
        let mut paid = self.paid("withdrawals", what.clone(), sent.last());
        // Each goes where it was to go.
        paid.text = format!("{what}: proven");
        Ok(Some(paid))
    }
}

/// A message as the bridge takes it.
fn queued(message: &Message) -> Bridge::QueuedMessage {
    Bridge::QueuedMessage {
        kind: message.kind as u8,
        index: message.index.get(),
        l1Block: message.l1_block.get(),
        l1Time: message.l1_time.get(),
        sender: message.sender,
        to: message.to,
        value: message.value,
        mint: message.mint,
        gas: message.gas.get(),
        data: message.data.clone(),
    }
}

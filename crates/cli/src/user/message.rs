//! Messages to L2: their price, their sending, and what becomes of them there.

use super::{Session, Waiting, amount::Amount, due, l2::L2, l2::Receipt, on_l1, step};
use alloy_primitives::{Address, B256, Bytes, U256, utils::format_ether};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::time::Instant;
use surety_contracts::bindings::Bridge::depositTransactionWithMaxFeeCall;
use surety_l1::{
    BlockAt,
    contracts::Contracts,
    records::{SentMessage, sent_message},
    submit::Included,
};

/// How often a transaction's logs are looked for before it is held to have none of the kind.
const READS: u32 = 4;

/// A transaction on L2 that a message makes.
pub(super) struct Order {
    pub(super) to: Address,
    /// Wei that it carries on L2.
    pub(super) value: U256,
    /// Wei that L2 is to create for the sender, beside what is left of the price's bound.
    pub(super) mint: U256,
    pub(super) gas: u64,
    pub(super) data: Bytes,
}

/// What a message may cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Price {
    /// What it costs in the newest block, in wei.
    pub(super) now: U256,
    /// What it may cost at most.
    pub(super) most: U256,
}

impl Price {
    /// The price now against a bound, which is twice that if nobody named one.
    pub(super) fn new(now: U256, bound: Option<&Amount>) -> Result<Self> {
        let most = bound.map_or_else(|| Ok(now.saturating_mul(U256::from(2))), Amount::wei)?;
        ensure!(
            now <= most,
            "the message costs {} ETH now, --max-fee is {} ETH: wait until the price falls, or allow more",
            format_ether(now),
            format_ether(most)
        );
        Ok(Self { now, most })
    }

    pub(super) fn tell(&self) {
        step(&format!(
            "price of the message: {} ETH now, {} ETH at most (it is burnt)",
            format_ether(self.now),
            format_ether(self.most)
        ));
    }
}

/// A message that L1 has taken.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) included: Included,
    pub(super) sent: SentMessage,
    /// Its transaction on L2.
    pub(super) transaction: B256,
}

impl Sent {
    pub(super) fn json(&self, session: &Session) -> Value {
        let message = &self.sent.message;
        let (due_at, opens_at) = session.deadlines(self);
        json!({
            "l1": on_l1(Some(&self.included)),
            "message": message.index.get(),
            "l2Transaction": self.transaction,
            "dueAt": due_at,
            "selfSequenceFrom": opens_at,
        })
    }
}

impl Session {
    /// Sends a message through the bridge; `None` in a dry run.
    pub(super) async fn send_message(&self, order: &Order, bound: Option<&Amount>) -> Result<Option<Sent>> {
        let now = self.contracts().message_fee(order.gas, order.data.len(), BlockAt::Latest).await;
        let price = Price::new(now.context("the price of the message")?, bound)?;
        price.tell();
        let call = depositTransactionWithMaxFeeCall {
            to: order.to,
            value: order.value,
            gasLimit: order.gas,
            data: order.data.clone(),
            maxFee: price.most,
        };
        let with = order.mint.saturating_add(price.most);
        let included = self.send("the message", self.chain.addresses.bridge, with, &call).await?;
        let Some(included) = included else { return Ok(None) };
        self.message_of(included).await.map(Some)
    }

    /// The message that a transaction on L1 has sent.
    pub(super) async fn message_of(&self, mut included: Included) -> Result<Sent> {
        for attempt in 1.. {
            let logs = self.logs_of(&included, self.chain.addresses.inbox).await?;
            if let Some(sent) = logs.iter().find_map(|log| sent_message(log).ok()) {
                let transaction = *sent.message.to_transaction().hash();
                return Ok(Sent { included, sent, transaction });
            }
            if attempt == READS {
                break;
            }
            // Endpoints behind one address may be a block apart, and a block may give way to another.
            tokio::time::sleep(self.pace()).await;
            if let Some(inclusion) = self.l1.inclusion(included.transaction).await? {
                included.inclusion = inclusion;
            }
        }
        bail!("transaction {} sent no message to L2", included.transaction)
    }

    /// When a message is due, and when anyone may self-sequence it if no batch has it by then; Unix seconds.
    fn deadlines(&self, sent: &Sent) -> (u64, u64) {
        let due_at = sent.sent.message.l1_time.get().saturating_add(self.chain.protocol.force_delay);
        (due_at, due_at.saturating_add(self.chain.protocol.grace))
    }

    pub(super) fn tell_deadlines(&self, sent: &Sent) {
        let now = sent.sent.message.l1_time.get();
        let (due_at, opens_at) = self.deadlines(sent);
        step(&format!("message {}, on L2 transaction {}", sent.sent.message.index, sent.transaction));
        step(&format!("it is due on L2 {}", due(due_at, now)));
        step(&format!("if the sequencers leave it out, anyone may self-sequence {}", due(opens_at, now)));
    }

    /// Waits until a message's transaction is in a block of L2. If L1 is reorganised meanwhile, the message may be another one.
    pub(super) async fn arrival(&self, sent: &Sent, l2: &L2) -> Result<Receipt> {
        let mut sent = sent.clone();
        let mut waiting = Waiting::default();
        let mut asked: Option<Instant> = None;
        loop {
            if let Some(receipt) = l2.receipt(sent.transaction).await? {
                step(&format!("in L2 block {}", receipt.height));
                return Ok(receipt);
            }
            if asked.is_none_or(|asked| asked.elapsed() >= self.pace()) {
                asked = Some(Instant::now());
                let text = self.look_after(&mut sent).await?;
                waiting.says(&text, &text);
            }
            tokio::time::sleep(L2::pace()).await;
        }
    }

    /// Whether L1 still has a message as it was, and what it waits for.
    async fn look_after(&self, sent: &mut Sent) -> Result<String> {
        let transaction = sent.included.transaction;
        let Some(inclusion) = self.l1.inclusion(transaction).await? else {
            return Ok(format!("L1 was reorganised: transaction {transaction} is in no block now, and is waited for"));
        };
        if inclusion.block_hash != sent.included.inclusion.block_hash {
            *sent = self.message_of(Included { transaction, inclusion }).await?;
            step(&format!("L1 was reorganised: on L2 the transaction is {} now", sent.transaction));
        }
        let now = self.head().await?.time.get();
        let (due_at, opens_at) = self.deadlines(sent);
        if now >= opens_at {
            self.overdue(sent).await
        } else if now >= due_at {
            Ok(format!("the message is due and not on L2; anyone may self-sequence at {opens_at}"))
        } else {
            Ok("waiting for L2 …".into())
        }
    }

    /// Words for a message that nobody brought to this L2 node in time.
    async fn overdue(&self, sent: &Sent) -> Result<String> {
        let contracts = Contracts::new(&*self.l1, self.chain.addresses);
        if contracts.consumed_messages(BlockAt::Latest).await? > sent.sent.message.index {
            return Ok("a batch on L1 holds the message; this L2 node has not derived it yet".into());
        }
        Ok("the message is overdue: anyone may sequence it now, with `surety force --self-sequence`".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_costs_at_most_its_bound_or_twice_what_it_costs_now() {
        let now = U256::from(1_000);
        assert_eq!(Price::new(now, None).unwrap().most, U256::from(2_000));
        let bound = |text: &str| text.parse::<Amount>().unwrap();
        assert_eq!(Price::new(now, Some(&bound("1000wei"))).unwrap().most, now);
        assert_eq!(Price::new(now, Some(&bound("1gwei"))).unwrap().most, U256::from(1_000_000_000));
        let refused = Price::new(now, Some(&bound("999wei"))).unwrap_err().to_string();
        assert!(refused.contains("--max-fee"), "{refused}");
        assert!(Price::new(now, Some(&bound("1"))).is_err(), "a bound without a unit");
    }
}

//! Transactions sent to one seat reach all, since each leads in its turn.
//!
//! Message: `{ length (4, big endian) ‖ transaction (EIP-2718) }*`, at most [`MAX_BYTES`] in all. A seat sends on what its
//! own users sent, never what peers sent: all seats are connected to each other.

use super::{
    application::{Shared, blocking},
    engine::Runtime,
};
use crate::pool::{Origin, PoolTransaction};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Receiver, Recipients, Sender};
use std::{sync::Arc, time::Duration};
use surety_types::{Recovered, Transaction};
use tokio::sync::broadcast::error::RecvError;

/// The longest message. Holds any one transaction.
pub(super) const MAX_BYTES: usize = 256 << 10;
/// How long transactions are gathered into one message.
const GATHER: Duration = Duration::from_millis(5);

fn push(message: &mut Vec<u8>, tx: &PoolTransaction) {
    message.extend_from_slice(&(tx.size as u32).to_be_bytes());
    tx.transaction.inner().encode_2718(message);
}

fn decode(mut bytes: &[u8]) -> Option<Vec<Transaction>> {
    let mut transactions = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (mut tx, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        transactions.push(Transaction::decode_2718(&mut tx).ok().filter(|_| tx.is_empty())?);
        bytes = rest;
    }
    Some(transactions)
}

pub(super) fn start<E: Runtime, S, R>(context: &E, shared: Arc<Shared>, (mut sender, mut receiver): (S, R))
where
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
{
    let mut added = shared.pool.subscribe();
    context.child("transactions_out").spawn(|context| async move {
        loop {
            let mut message = Vec::new();
            match added.recv().await {
                Ok(tx) if tx.origin == Origin::User => push(&mut message, &tx),
                // Of peers; or too many at once: those that were missed wait for this seat's own turn.
                Ok(_) | Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return,
            }
            context.sleep(GATHER).await;
            while let Ok(tx) = added.try_recv() {
                if tx.origin != Origin::User {
                    continue;
                }
                if message.len().saturating_add(tx.size).saturating_add(4) > MAX_BYTES {
                    sender.send(Recipients::All, std::mem::take(&mut message), false);
                }
                push(&mut message, &tx);
            }
            sender.send(Recipients::All, message, false);
        }
    });
    context.child("transactions_in").spawn(|context| async move {
        while let Ok((_, message)) = receiver.recv().await {
            let shared = shared.clone();
            let time = shared.clock.now();
            let work = move || {
                // One bad transaction spoils the message: a seat checks what it sends.
                let transactions = decode(message.as_ref())?;
                let senders = surety_stf::execute::recover(&transactions).ok()?;
                for (tx, sender) in transactions.into_iter().zip(senders) {
                    // The pool knows best; what it refuses is no fault of the peer, whose head may differ.
                    let _ = shared.pool.add(Recovered::new_unchecked(tx, sender), Origin::Peer, time);
                }
                Some(())
            };
            if blocking(&context, work).await.flatten().is_none() {
                tracing::debug!("a peer sent transactions that do not decode");
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn arbitrary_messages_are_refused_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Some(transactions) = decode(&bytes) {
                prop_assert!(transactions.len() * 4 <= bytes.len());
            }
        }
    }

    #[test]
    fn transactions_survive_the_journey() {
        let txs: Vec<_> = (0..3).map(|nonce| crate::builder::testing::transfer(1, nonce, 5)).collect();
        let mut message = Vec::new();
        for tx in &txs {
            let size = tx.inner().encode_2718_len();
            let tx = PoolTransaction {
                transaction: tx.clone(),
                size,
                max_cost: Default::default(),
                sequence: 0,
                arrived: Default::default(),
                origin: Origin::User,
            };
            push(&mut message, &tx);
        }
        let decoded = decode(&message).unwrap();
        assert_eq!(decoded, txs.into_iter().map(Recovered::into_inner).collect::<Vec<_>>());
    }
}

//! The messages of L1 that this node knows to be settled, waiting to be consumed.

use parking_lot::RwLock;
use std::{collections::VecDeque, sync::Arc};
use surety_types::{Gas, Message, MessageIndex, Seconds};
use tokio::sync::watch;

/// Settled messages in order. Cheap to clone; all clones are one queue. Filled by the L1 follower.
#[derive(Debug, Clone)]
pub struct Inbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    queue: RwLock<Queue>,
    count: watch::Sender<u64>,
    /// When the oldest message was sent that stands on L1 and is not settled.
    unsettled: watch::Sender<Option<Seconds>>,
}

#[derive(Debug)]
struct Queue {
    first: u64,
    messages: VecDeque<Message>,
}

/// A message that does not follow the last one: the follower must start again where it left off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("message {found} does not follow: the next one is {expected}")]
pub struct OutOfOrder {
    /// The next one.
    pub expected: MessageIndex,
    /// The one that came.
    pub found: MessageIndex,
}

impl Inbox {
    /// An empty queue whose first message will have this index. Messages that the chain has consumed need not be in it.
    pub fn new(first: MessageIndex) -> Self {
        let queue = Queue { first: first.get(), messages: VecDeque::new() };
        let (count, _) = watch::channel(first.get());
        let (unsettled, _) = watch::channel(None);
        Self { inner: Arc::new(Inner { queue: RwLock::new(queue), count, unsettled }) }
    }

    /// Adds a settled message. One that is there already is left as it is.
    ///
    /// # Errors
    /// [`OutOfOrder`] if messages before it are missing.
    pub fn push(&self, message: Message) -> Result<(), OutOfOrder> {
        let mut queue = self.inner.queue.write();
        let expected = queue.end();
        if message.index.get() > expected {
            return Err(OutOfOrder { expected: MessageIndex::new(expected), found: message.index });
        }
        if message.index.get() == expected {
            queue.messages.push_back(message);
            self.inner.count.send_replace(expected.saturating_add(1));
        }
        Ok(())
    }

    /// How many messages there are, from the first of all: one more than the index of the last known.
    pub fn count(&self) -> MessageIndex {
        MessageIndex::new(self.inner.queue.read().end())
    }

    /// The messages `from..from + count`, or `None` while one of them is missing here.
    pub fn range(&self, from: MessageIndex, count: usize) -> Option<Vec<Message>> {
        let queue = self.inner.queue.read();
        if count == 0 {
            return Some(Vec::new());
        }
        let start = usize::try_from(from.get().checked_sub(queue.first)?).ok()?;
        let end = start.checked_add(count)?;
        (end <= queue.messages.len()).then(|| queue.messages.range(start..end).cloned().collect())
    }

    /// Waits until the message with this index is here.
    pub async fn wait(&self, index: MessageIndex) {
        let mut count = self.inner.count.subscribe();
        // The sender lives as long as `self`.
        let _ = count.wait_for(|count| *count > index.get()).await;
    }

    /// Says when the oldest message was sent that stands on L1 but is not settled, if there is one.
    pub fn set_unsettled(&self, oldest: Option<Seconds>) {
        self.inner.unsettled.send_if_modified(|known| std::mem::replace(known, oldest) != oldest);
    }

    /// Waits until no unsettled message is due at `time`. While L1 stalls, a message can become due before it is settled:
    /// blocks may not consume it yet, and with a block as late as that L1 would not take their batch without it.
    pub async fn wait_unsettled(&self, time: Seconds, delay: Seconds) {
        let mut unsettled = self.inner.unsettled.subscribe();
        let is_due = |sent: Seconds| sent.saturating_add(delay.get()) <= time;
        // The sender lives as long as `self`.
        let _ = unsettled.wait_for(|oldest| !oldest.is_some_and(is_due)).await;
    }

    /// The messages for the next block: from `position` on, in order, as many as `room` holds of their gas limits.
    pub fn choose(&self, position: MessageIndex, room: Gas) -> Vec<Message> {
        let queue = self.inner.queue.read();
        let Some(start) = position.get().checked_sub(queue.first).and_then(|s| usize::try_from(s).ok()) else {
            return Vec::new();
        };
        let mut left = room.get();
        let fits = |message: &&Message| match left.checked_sub(message.gas.get()) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        };
        queue.messages.iter().skip(start).take_while(fits).cloned().collect()
    }

    /// The next message after some were consumed, if it is known here and was due at `time`: sent `delay` before.
    pub fn due(&self, position: MessageIndex, time: Seconds, delay: Seconds) -> Option<Message> {
        let queue = self.inner.queue.read();
        let start = usize::try_from(position.get().checked_sub(queue.first)?).ok()?;
        let message = queue.messages.get(start)?;
        (message.l1_time.saturating_add(delay.get()) <= time).then(|| message.clone())
    }

    /// The index of the first message that is still here, or would be.
    pub fn first(&self) -> MessageIndex {
        MessageIndex::new(self.inner.queue.read().first)
    }

    /// Puts forgotten messages back in front, since the blocks that consumed them were taken back. Those that do not end
    /// where the queue begins are left out.
    pub fn restore(&self, messages: Vec<Message>) {
        let mut queue = self.inner.queue.write();
        for message in messages.into_iter().rev() {
            if message.index.next().get() == queue.first {
                queue.first = message.index.get();
                queue.messages.push_front(message);
            }
        }
    }

    /// Forgets messages before this index: they are consumed by final blocks.
    pub fn prune(&self, before: MessageIndex) {
        let mut queue = self.inner.queue.write();
        while queue.first < before.get() && queue.messages.pop_front().is_some() {
            queue.first = queue.first.saturating_add(1);
        }
    }
}

impl Queue {
    fn end(&self) -> u64 {
        self.first.saturating_add(self.messages.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, B256, U256};
    use surety_types::{L1Height, message::L1Info};

    fn message(index: u64, gas: u64, time: u64) -> Message {
        let info = L1Info { recipient: Address::ZERO, amount: U256::ZERO, hash: B256::ZERO, ..Default::default() };
        Message {
            gas: Gas::new(gas),
            l1_time: Seconds::new(time),
            ..info.to_message(MessageIndex::new(index), L1Height::new(1))
        }
    }

    #[test]
    fn messages_come_in_order_and_are_chosen_in_order() {
        let inbox = Inbox::new(MessageIndex::new(5));
        assert!(inbox.push(message(6, 1, 0)).is_err());
        for (index, gas) in [(5, 40), (6, 50), (7, 20), (8, 1)] {
            inbox.push(message(index, gas, index)).unwrap();
        }
        inbox.push(message(6, 99, 0)).unwrap();
        let chosen = |from, room| {
            let messages = inbox.choose(MessageIndex::new(from), Gas::new(room));
            messages.iter().map(|m| m.index.get()).collect::<Vec<_>>()
        };
        assert_eq!(chosen(5, 100), [5, 6], "a message is not skipped for a smaller one");
        assert_eq!(chosen(7, 100), [7, 8]);
        assert_eq!(chosen(9, 100), [] as [u64; 0]);
        assert_eq!(inbox.range(MessageIndex::new(6), 2).unwrap()[0].gas.get(), 50, "the first to come stays");
        assert!(inbox.range(MessageIndex::new(8), 2).is_none());
        inbox.prune(MessageIndex::new(7));
        assert!(inbox.range(MessageIndex::new(6), 1).is_none());
        assert_eq!(inbox.count().get(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn a_block_waits_while_an_unsettled_message_is_due() {
        let inbox = Inbox::new(MessageIndex::ZERO);
        let wait = |time| {
            let inbox = inbox.clone();
            async move {
                let waits = inbox.wait_unsettled(Seconds::new(time), Seconds::new(30));
                tokio::time::timeout(std::time::Duration::from_secs(1), waits).await.is_ok()
            }
        };
        assert!(wait(1_000).await, "nothing is known to be unsettled");
        inbox.set_unsettled(Some(Seconds::new(100)));
        assert!(wait(129).await, "not due yet");
        assert!(!wait(130).await, "due, and no block may consume it");
        inbox.set_unsettled(Some(Seconds::new(101)));
        assert!(wait(130).await, "the oldest is settled");
    }

    #[test]
    fn a_message_is_due_after_the_delay() {
        let inbox = Inbox::new(MessageIndex::ZERO);
        inbox.push(message(0, 1, 100)).unwrap();
        let due =
            |position, time| inbox.due(MessageIndex::new(position), Seconds::new(time), Seconds::new(30)).is_some();
        assert!(!due(0, 129));
        assert!(due(0, 130));
        assert!(!due(1, 500));
    }
}

//! Which keys are seats': from the registry's events, rotated keys included, since they stay liable.

use alloy_primitives::Address;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};
use surety_l1::follow::RegistryEvent;

/// Vote keys and their seats. Cheap to clone; all clones are one list. A registration costs a bond, so it is bounded by that.
#[derive(Debug, Clone, Default)]
pub(crate) struct VoteKeys(Arc<RwLock<BTreeMap<Address, u64>>>);

/// As stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Registered(pub(crate) Vec<(Address, u64)>);

impl VoteKeys {
    pub(crate) fn restore(stored: Registered) -> Self {
        Self(Arc::new(RwLock::new(stored.0.into_iter().collect())))
    }

    pub(crate) fn store(&self) -> Registered {
        Registered(self.0.read().iter().map(|(key, seat)| (*key, *seat)).collect())
    }

    /// The seat of a key.
    pub(crate) fn seat(&self, key: Address) -> Option<u64> {
        self.0.read().get(&key).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.read().len()
    }

    /// Takes the registry's word. What a reorg takes back stays here: the contract decides in the end.
    pub(crate) fn take(&self, event: &RegistryEvent) {
        let (key, seat) = match event {
            RegistryEvent::SeatRegistered(event) => (event.voteKey, event.seat),
            RegistryEvent::KeysRotated(event) => (event.voteKey, event.seat),
            _ => return,
        };
        self.0.write().insert(key, seat);
    }
}

//! The faults that a watchtower finds, one module each (protocol §9), and what shows them to L1.

pub mod equivocation;
pub mod idle;

use alloy_primitives::{Address, Bytes};
use idle::Idleness;
use serde::{Deserialize, Serialize};
use surety_contracts::Addresses;
use surety_types::evidence::Equivocation;

/// A kind of fault, judged by a contract of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// Two contradicting statements of one key.
    Equivocation,
    /// Duty that was not done.
    Idle,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Equivocation, Self::Idle];

    /// As the audit log and the metrics have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equivocation => "equivocation",
            Self::Idle => "idle",
        }
    }

    /// The contract that judges it.
    pub const fn contract(self, addresses: &Addresses) -> Address {
        match self {
            Self::Equivocation => addresses.equivocation,
            Self::Idle => addresses.idle,
        }
    }
}

/// What shows a fault. In JSON the form tells the kind: `{"first": …, "second": …}`, or `{"term": …, "seat": …, "seconds": …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Evidence {
    /// Two contradicting statements of one key.
    Equivocation(Box<Equivocation>),
    /// Seconds of duty that L1 counts against a seat.
    Idle(Idleness),
}

impl Evidence {
    /// What it shows.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Equivocation(_) => Fault::Equivocation,
            Self::Idle(_) => Fault::Idle,
        }
    }

    /// The term of the fault.
    pub fn term(&self) -> u64 {
        match self {
            Self::Equivocation(pair) => pair.first.statement.term(),
            Self::Idle(idleness) => idleness.term,
        }
    }

    /// What the fault's contract judges.
    pub fn abi_encode(&self) -> Bytes {
        match self {
            Self::Equivocation(pair) => pair.abi_encode().into(),
            Self::Idle(idleness) => idleness.abi_encode(),
        }
    }
}

//! Numbers that cannot be mixed up.
//!
//! Each unit is a `u64` behind a name. There is no `From<u64>`: the caller says what a number is ([`L2Height::new`])
//! and takes it out by name ([`L2Height::get`]). Arithmetic is checked or saturating and says which by its name.

use core::fmt;

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
        pub struct $name(u64);

        impl $name {
            /// Zero of this unit.
            pub const ZERO: Self = Self(0);
            /// The largest value.
            pub const MAX: Self = Self(u64::MAX);

            /// Names a number.
            pub const fn new(value: u64) -> Self {
                Self(value)
            }
            /// The bare number.
            pub const fn get(self) -> u64 {
                self.0
            }
            /// This plus `n`, or `None` beyond `u64`.
            pub const fn checked_add(self, n: u64) -> Option<Self> {
                match self.0.checked_add(n) {
                    Some(v) => Some(Self(v)),
                    None => None,
                }
            }
            /// This minus `n`, or `None` below zero.
            pub const fn checked_sub(self, n: u64) -> Option<Self> {
                match self.0.checked_sub(n) {
                    Some(v) => Some(Self(v)),
                    None => None,
                }
            }
            /// This plus `n`, stopping at the maximum.
            #[must_use]
            pub const fn saturating_add(self, n: u64) -> Self {
                Self(self.0.saturating_add(n))
            }
            /// This minus `n`, stopping at zero.
            #[must_use]
            pub const fn saturating_sub(self, n: u64) -> Self {
                Self(self.0.saturating_sub(n))
            }
            /// The next one, stopping at the maximum.
            #[must_use]
            pub const fn next(self) -> Self {
                self.saturating_add(1)
            }
            /// How far this is past `earlier`; zero if it is not.
            pub const fn since(self, earlier: Self) -> u64 {
                self.0.saturating_sub(earlier.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

unit!(
    /// The identity of a rollup in every signed struct: its EIP-155 chain id.
    RollupId
);
unit!(
    /// The number of an L1 block.
    L1Height
);
unit!(
    /// The number of an L2 block; genesis is 0.
    L2Height
);
unit!(
    /// An interval of L1 time between two epoch boundaries, counted from the registry's opening.
    Epoch
);
unit!(
    /// The one counter of time of the committee (protocol §3): starts at 1, grows at each epoch boundary and at each L1
    /// event that starts a term.
    Term
);
unit!(
    /// A view (round) of consensus within a term; the first is 1.
    View
);
unit!(
    /// The number of a batch; the genesis claim has 0, the first posted batch 1.
    BatchIndex
);
unit!(
    /// The place of a message in the inbox, from 0. As a count: how many messages there are before a point.
    MessageIndex
);
unit!(
    /// Unix time, or a span of it, in seconds.
    Seconds
);
unit!(
    /// Unix time, or a span of it, in milliseconds.
    Milliseconds
);
unit!(
    /// EVM gas.
    Gas
);

impl Milliseconds {
    /// Whole seconds, rounded down: what a header's timestamp shows.
    pub const fn to_seconds(self) -> Seconds {
        Seconds(self.0 / 1000)
    }
}

impl Seconds {
    /// The same time in milliseconds, stopping at the maximum.
    pub const fn to_milliseconds(self) -> Milliseconds {
        Milliseconds(self.0.saturating_mul(1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stops_where_it_says() {
        assert_eq!(L2Height::MAX.next(), L2Height::MAX);
        assert_eq!(L2Height::MAX.checked_add(1), None);
        assert_eq!(L2Height::ZERO.checked_sub(1), None);
        assert_eq!(L2Height::new(3).since(L2Height::new(5)), 0);
        assert_eq!(Milliseconds::new(1999).to_seconds(), Seconds::new(1));
    }
}

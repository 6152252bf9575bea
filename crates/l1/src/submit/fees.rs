//! What a transaction offers, and how much more its replacement must. Pure: no I/O.

use crate::chain::Fees;
use alloy_primitives::U256;

/// Gas of one blob (EIP-4844).
pub(super) const GAS_PER_BLOB: u128 = 1 << 17;

/// Bounds on what is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeLimits {
    /// The most for gas, wei per gas.
    pub max_fee: u128,
    /// The most for blob gas, wei per blob gas.
    pub max_blob_fee: u128,
    /// The least tip, wei per gas.
    pub min_priority_fee: u128,
    /// The most, wei per gas. Of an offer the tip alone is paid in full whatever blocks cost, so this is what an endpoint can
    /// take that tells of tips as nobody pays them.
    pub max_priority_fee: u128,
}

impl Default for FeeLimits {
    /// 500 gwei for gas and blob gas, a tip of 0.01 to 10 gwei.
    fn default() -> Self {
        Self {
            max_fee: 500_000_000_000,
            max_blob_fee: 500_000_000_000,
            min_priority_fee: 10_000_000,
            max_priority_fee: 10_000_000_000,
        }
    }
}

/// What a transaction offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) max_fee: u128,
    pub(super) priority_fee: u128,
    /// Zero for a transaction without blobs.
    pub(super) blob_fee: u128,
}

/// Fees are above the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AboveLimit;

impl Offer {
    /// An offer that stands for several blocks of rising fees: twice the base fees, and the usual tip.
    pub(super) fn at(fees: &Fees, limits: &FeeLimits, blobs: bool) -> Result<Self, AboveLimit> {
        let priority_fee =
            fees.priority_fee.max(limits.min_priority_fee).min(limits.max_priority_fee).min(limits.max_fee);
        if fees.base_fee.saturating_add(priority_fee) > limits.max_fee
            || (blobs && fees.blob_base_fee > limits.max_blob_fee)
        {
            return Err(AboveLimit);
        }
        Ok(Self {
            max_fee: fees.base_fee.saturating_mul(2).saturating_add(priority_fee).min(limits.max_fee),
            priority_fee,
            blob_fee: if blobs { fees.blob_base_fee.saturating_mul(2).clamp(1, limits.max_blob_fee.max(1)) } else { 0 },
        })
    }

    /// The least that may replace this: an eighth more, with blobs twice as much (pools ask for a tenth, and for double).
    pub(super) fn bumped(&self) -> Self {
        let blobs = self.blob_fee != 0;
        let more = |fee: u128| {
            if blobs { fee.saturating_mul(2).max(1) } else { fee.saturating_add(fee / 8).saturating_add(1) }
        };
        Self {
            max_fee: more(self.max_fee),
            priority_fee: more(self.priority_fee),
            blob_fee: if blobs { more(self.blob_fee) } else { 0 },
        }
    }

    /// The replacement of `old` in a market of `fees`: bumped, and not below what a new transaction would offer.
    pub(super) fn replacing(old: &Self, fees: &Fees, limits: &FeeLimits) -> Result<Self, AboveLimit> {
        let least = old.bumped();
        let now = Self::at(fees, limits, old.blob_fee != 0)?;
        let offer = Self {
            max_fee: least.max_fee.max(now.max_fee),
            priority_fee: least.priority_fee.max(now.priority_fee),
            blob_fee: least.blob_fee.max(now.blob_fee),
        };
        if offer.max_fee > limits.max_fee
            || offer.blob_fee > limits.max_blob_fee
            || offer.priority_fee > limits.max_priority_fee
        {
            return Err(AboveLimit);
        }
        Ok(offer)
    }

    /// The most that a transaction with this offer can cost, value aside.
    pub(super) fn worst_cost(&self, gas: u64, blobs: usize) -> U256 {
        let gas = U256::from(gas) * U256::from(self.max_fee);
        gas + U256::from(blobs) * U256::from(GAS_PER_BLOB) * U256::from(self.blob_fee)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_replacement_is_taken_by_pools_and_never_above_the_limits(
            base in 1u128..1 << 40, blob in 1u128..1 << 40, tip in 0u128..1 << 36, later in 1u128..1 << 40, blobs: bool,
        ) {
            let limits = FeeLimits::default();
            let fees = |base_fee| Fees { base_fee, blob_base_fee: blob, priority_fee: tip };
            let Ok(old) = Offer::at(&fees(base), &limits, blobs) else { return Ok(()) };
            prop_assert!(old.max_fee <= limits.max_fee && old.priority_fee <= old.max_fee);
            prop_assert!(old.priority_fee <= limits.max_priority_fee);
            let Ok(new) = Offer::replacing(&old, &fees(later), &limits) else { return Ok(()) };
            prop_assert!(new.max_fee <= limits.max_fee && new.blob_fee <= limits.max_blob_fee);
            prop_assert!(new.priority_fee <= new.max_fee && new.priority_fee <= limits.max_priority_fee);
            if blobs {
                prop_assert!(new.max_fee >= 2 * old.max_fee && new.priority_fee >= 2 * old.priority_fee && new.blob_fee >= 2 * old.blob_fee);
            } else {
                prop_assert!(new.max_fee * 100 >= old.max_fee * 110 && new.priority_fee * 100 >= old.priority_fee * 110);
            }
        }
    }

    #[test]
    fn fees_above_the_limit_are_not_offered() {
        let limits = FeeLimits { max_fee: 100, max_blob_fee: 10, min_priority_fee: 1, max_priority_fee: 5 };
        let fees = Fees { base_fee: 100, blob_base_fee: 1, priority_fee: 0 };
        assert_eq!(Offer::at(&fees, &limits, false), Err(AboveLimit));
        let fees = Fees { base_fee: 10, blob_base_fee: 11, priority_fee: 0 };
        assert_eq!(Offer::at(&fees, &limits, true), Err(AboveLimit));
        assert!(Offer::at(&fees, &limits, false).is_ok());
        // Whatever an endpoint says that tips are.
        let fees = Fees { priority_fee: 1_000_000, ..fees };
        assert_eq!(Offer::at(&fees, &limits, false).map(|offer| offer.priority_fee), Ok(5));
    }
}

//! Reward against gas: whether a report pays for itself.

use alloy_primitives::U256;
use serde::Serialize;
use surety_l1::chain::Fees;

/// What a report would bring and cost at the fees of L1's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// Gas of the report.
    pub gas: u64,
    /// Wei per gas: the next block's base fee and the usual tip.
    pub gas_price: u128,
    /// What the reporter is credited, in wei.
    pub reward: U256,
}

impl Estimate {
    /// At these fees.
    pub fn new(gas: u64, fees: &Fees, reward: U256) -> Self {
        Self { gas, gas_price: fees.base_fee.saturating_add(fees.priority_fee), reward }
    }

    /// What the report costs, in wei.
    pub fn cost(&self) -> U256 {
        U256::from(self.gas).saturating_mul(U256::from(self.gas_price))
    }

    /// Whether the reward is more than the cost.
    pub fn pays(&self) -> bool {
        self.reward > self.cost()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_report_pays_when_the_reward_is_above_the_cost(gas: u32, base: u64, tip: u32, reward: u128) {
            let fees = Fees { base_fee: base.into(), blob_base_fee: 1, priority_fee: tip.into() };
            let estimate = Estimate::new(gas.into(), &fees, U256::from(reward));
            let cost = u128::from(gas) * (u128::from(base) + u128::from(tip));
            prop_assert_eq!(estimate.cost(), U256::from(cost));
            prop_assert_eq!(estimate.pays(), reward > cost);
        }
    }

    #[test]
    fn absurd_fees_do_not_overflow() {
        let fees = Fees { base_fee: u128::MAX, blob_base_fee: 1, priority_fee: u128::MAX };
        assert!(!Estimate::new(u64::MAX, &fees, U256::from(1)).pays());
    }
}

//! Amounts of ether and tokens, as people write them: a number and its unit.

use alloy_primitives::{
    U256,
    utils::{ParseUnits, parse_units},
};
use anyhow::{Context, Result, bail, ensure};

/// An amount as it was written: checked when it is known what it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Amount {
    number: String,
    unit: String,
}

impl std::str::FromStr for Amount {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        ensure!(
            number.chars().any(|c| c.is_ascii_digit()) && number.matches('.').count() <= 1,
            "{text:?} is no amount: write one like 1.5ether, 20gwei or 7wei"
        );
        Ok(Self { number: number.to_owned(), unit: unit.trim().to_lowercase() })
    }
}

impl Amount {
    /// Of ether, in wei.
    pub(crate) fn wei(&self) -> Result<U256> {
        let decimals = match self.unit.as_str() {
            "ether" | "eth" => 18,
            "gwei" => 9,
            "wei" => 0,
            "" => bail!(
                "{} of what? Add the unit: {}ether, {}gwei or {}wei",
                self.number,
                self.number,
                self.number,
                self.number
            ),
            other => bail!("{other:?} is no unit of ether: ether, gwei or wei"),
        };
        self.scaled(decimals)
    }

    /// Of a token with so many decimals, in its smallest units. Without a unit whole tokens are meant.
    pub(crate) fn units(&self, decimals: u8) -> Result<U256> {
        match self.unit.as_str() {
            "" | "tokens" | "token" => self.scaled(decimals),
            "units" | "unit" => self.scaled(0),
            other => {
                bail!("{other:?} is no unit of a token: write whole tokens like 12.5, or the smallest like 12500units")
            }
        }
    }

    fn scaled(&self, decimals: u8) -> Result<U256> {
        let places = self.number.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        ensure!(places <= usize::from(decimals), "{} has more than {decimals} decimal places", self.number);
        match parse_units(&self.number, decimals).with_context(|| format!("amount {}", self.number))? {
            ParseUnits::U256(value) => Ok(value),
            ParseUnits::I256(_) => bail!("{} is negative", self.number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wei(text: &str) -> Result<u128> {
        Ok(text.parse::<Amount>()?.wei()?.to())
    }

    #[test]
    fn amounts_of_ether_need_their_unit() {
        assert_eq!(wei("1.5ether").unwrap(), 1_500_000_000_000_000_000);
        assert_eq!(wei("1.5 ETH").unwrap(), 1_500_000_000_000_000_000);
        assert_eq!(wei("20gwei").unwrap(), 20_000_000_000);
        assert_eq!(wei("7wei").unwrap(), 7);
        for bad in ["1.5", "1.5wei", "1.2.3ether", "ether", "-1ether", "", "5 tokens", "0.0000000000000000001ether"] {
            assert!(wei(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn amounts_of_tokens_have_the_tokens_decimals() {
        let units = |text: &str, decimals| text.parse::<Amount>().unwrap().units(decimals);
        assert_eq!(units("12.5", 6).unwrap(), U256::from(12_500_000));
        assert_eq!(units("12500units", 6).unwrap(), U256::from(12_500));
        assert!(units("0.1234567", 6).is_err());
        assert!(units("1ether", 18).is_err());
    }
}

//! ERC-20 tokens on L1, and their counterparts on L2.

use super::{Session, l2::L2};
use alloy::{rpc::types::Filter, sol, sol_types::SolEvent};
use alloy_primitives::{Address, B256, U256, utils::format_units};
use anyhow::{Context, Result, bail};
use surety_contracts::genesis::{bindings::OptimismMintableERC20Factory::OptimismMintableERC20Created, predeploys};
use surety_l1::BlockAt;

sol! {
    function balanceOf(address account) external view returns (uint256);
    function allowance(address owner, address spender) external view returns (uint256);
    function decimals() external view returns (uint8);
    function symbol() external view returns (string);
    function approve(address spender, uint256 value) external returns (bool);
    function remoteToken() external view returns (address);
}

/// The longest symbol that is shown.
const MAX_SYMBOL: usize = 32;

/// A token on L1. What it says of itself is shown and nothing more.
pub(super) struct Token {
    pub(super) address: Address,
    pub(super) decimals: u8,
    symbol: Option<String>,
}

impl Token {
    pub(super) async fn read(session: &Session, address: Address) -> Result<Self> {
        let contracts = session.contracts();
        let decimals = contracts.read(address, &decimalsCall {}, BlockAt::Latest).await;
        let decimals =
            decimals.with_context(|| format!("{address} does not tell its decimals: is it an ERC-20 token of L1?"))?;
        let symbol = contracts.read(address, &symbolCall {}, BlockAt::Latest).await.ok();
        Ok(Self { address, decimals, symbol: symbol.map(|text| printable(&text)) })
    }

    pub(super) async fn balance(&self, session: &Session, account: Address) -> Result<U256> {
        Ok(session.contracts().read(self.address, &balanceOfCall { account }, BlockAt::Latest).await?)
    }

    pub(super) async fn allowance(&self, session: &Session, owner: Address, spender: Address) -> Result<U256> {
        Ok(session.contracts().read(self.address, &allowanceCall { owner, spender }, BlockAt::Latest).await?)
    }

    /// An amount with the token's name.
    pub(super) fn show(&self, amount: U256) -> String {
        let number = format_units(amount, self.decimals).unwrap_or_else(|_| format!("{amount}units"));
        format!("{number} {}", self.symbol.as_deref().unwrap_or("tokens"))
    }
}

/// A stranger's text, fit for a terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric() || "-_.$₮".contains(*c)).take(MAX_SYMBOL).collect()
}

/// The token on L2 that stands for one of L1, if the factory made just one.
pub(super) async fn counterpart(l2: &L2, l1_token: Address) -> Result<Address> {
    let filter = Filter::new()
        .from_block(0u64)
        .address(predeploys::OPTIMISM_MINTABLE_ERC20_FACTORY)
        .event_signature(OptimismMintableERC20Created::SIGNATURE_HASH)
        .topic2(B256::left_padding_from(l1_token.as_slice()));
    let logs = l2.logs(&filter).await?;
    let made: Vec<_> = logs
        .iter()
        .filter_map(|log| OptimismMintableERC20Created::decode_log(&log.inner).ok())
        .map(|event| event.data.localToken)
        .collect();
    match made.as_slice() {
        [token] => Ok(*token),
        [] => bail!(
            "no token on L2 stands for {l1_token}: make one first, by a call of createOptimismMintableERC20WithDecimals of {}",
            predeploys::OPTIMISM_MINTABLE_ERC20_FACTORY
        ),
        many => bail!("{} tokens on L2 stand for {l1_token}: name one with --l2-token, of {many:?}", many.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tokens_name_cannot_write_on_the_terminal_what_it_likes() {
        assert_eq!(printable("USD₮"), "USD₮");
        assert_eq!(printable("\u{1b}[31mETH 100\n"), "31mETH100");
        assert_eq!(printable(&"A".repeat(100)).len(), MAX_SYMBOL);
        let token = Token { address: Address::ZERO, decimals: 6, symbol: None };
        assert_eq!(token.show(U256::from(1_500_000)), "1.500000 tokens");
    }
}

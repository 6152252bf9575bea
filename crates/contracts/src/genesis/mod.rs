//! The accounts of the L2 genesis: predeploys, system contracts and pre-installs, and no ether.
//!
//! [`L2Genesis::alloc`] is a function of its few fields and of data that is compiled in, so two builds of one commit
//! make the same genesis. `contracts/vectors/l2-genesis.json` holds its state root and every account's code hash for the
//! dev chain; a test compares. The genesis *header* is made elsewhere, from these accounts.
//!
//! # Predeploys
//!
//! Plain contracts of `contracts/src/l2`: no proxy, no owner, no upgrade, none with a constructor or immutable values.
//! The addresses are the OP Stack's and the interfaces are those that its SDKs call.
//!
//! | address | contract | storage at genesis |
//! |---|---|---|
//! | `0x4200…0006` | `WETH`: ether as a token, WETH9's interface | – |
//! | `0x4200…0007` | `L2CrossDomainMessenger`: calls between the chains, with retries | slot 0: [`L2Genesis::l1_messenger`] |
//! | `0x4200…000F` | `GasPriceOracle`: what a transaction will cost besides gas | – |
//! | `0x4200…0010` | `L2StandardBridge`: ether and tokens to L1 and back | slot 0: [`L2Genesis::l1_standard_bridge`] |
//! | `0x4200…0011` | `FeeVault` as SequencerFeeVault | slot 0: [`L2Genesis::l1_fee_split`] |
//! | `0x4200…0012` | `OptimismMintableERC20Factory`: makes L2 tokens for L1 ones | – |
//! | `0x4200…0015` | `L1Block`: L1's attributes and the consumed position; written by each block's system transaction | – |
//! | `0x4200…0016` | `L2ToL1MessagePasser`: withdrawals; its storage root is the header's `withdrawalsRoot` | – |
//! | `0x4200…0019` | `FeeVault` as BaseFeeVault | slot 0: the same |
//! | `0x4200…001A` | `L1FeeVault`: L1 data fees, from which `L1Info` messages repay posting costs | slot 0: the same |
//! | `0x4200…001B` | `FeeVault` as OperatorFeeVault | slot 0: the same |
//!
//! Not there, though an OP chain has them: proxies and ProxyAdmin (`…18`), the ERC-721 bridge and factory (`…14`, `…17`),
//! GovernanceToken (`…42`), EAS (`…20`, `…21`), the legacy contracts (`…00` to `…02`, `…13`) and interop.
//!
//! **Fees.** Priority fees go straight to the leader. Base, L1-data and operator fees gather in the vaults. Posting costs are
//! repaid from `L1FeeVault.reimburse`, called by `L1Info` messages alone. All else, but for that vault's reserve, anyone may send
//! to `FeeSplit` on L1, which divides it among the seats that are not suspended.
//!
//! **Counterparts on L1.** Ether leaves by the message passer and needs only the L1 bridge. `sendMessage` and tokens need
//! a messenger and a token bridge on L1; where the genesis names none (zero), they revert with `NoCounterpart`, and vaults without
//! a fee split with `NoRecipient`.
//!
//! # System contracts
//!
//! EIP-2935 at `0x0000…2935` and EIP-4788 at `0x000F…ac02`, runtime code from the EIPs, nonce 1. The second one holds
//! consensus context roots (the header's `parentBeaconBlockRoot`), not beacon roots.
//!
//! # Pre-installs
//!
//! Contracts of others at the addresses that they have everywhere: Permit2, EntryPoint v0.6 and v0.7 with their sender
//! creators, CreateX, Multicall3, the deterministic deployment proxy, the Safe singleton factory, Create2Deployer, and
//! Safe v1.3.0 (`Safe`, `SafeL2`, `MultiSend`, `MultiSendCallOnly`). Their runtime code is data, one file each under
//! `contracts/preinstalls/` with its source, licence, code hash and how it was verified; [`preinstalls`] lists them.
//! Permit2 alone depends on the chain id: its two immutable values are computed here.

use std::collections::BTreeMap;

use alloy_eips::{eip2935, eip4788};
use alloy_genesis::GenesisAccount;
use alloy_primitives::{Address, B256, Bytes, U256};
pub use surety_types::predeploys;

pub mod bindings;
pub mod preinstalls;
pub mod withdrawal;

#[cfg(test)]
mod tests;

use preinstalls::PreinstallError;

/// Slot of `otherMessenger` in `L2CrossDomainMessenger`, of `otherBridge` in `L2StandardBridge` and of `recipient` in the vaults.
const COUNTERPART_SLOT: B256 = B256::ZERO;

/// What the accounts of a genesis depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct L2Genesis {
    /// EIP-155 chain id of L2.
    pub chain_id: u64,
    /// The cross-domain messenger on L1 (its own address, not the aliased one), or zero where there is none.
    #[serde(default)]
    pub l1_messenger: Address,
    /// The token bridge on L1, or zero where there is none.
    #[serde(default)]
    pub l1_standard_bridge: Address,
    /// Who divides fees on L1, or zero where nobody does.
    #[serde(default)]
    pub l1_fee_split: Address,
}

impl L2Genesis {
    /// The genesis of a chain without messenger, token bridge and fee split on L1.
    pub const fn new(chain_id: u64) -> Self {
        Self { chain_id, l1_messenger: Address::ZERO, l1_standard_bridge: Address::ZERO, l1_fee_split: Address::ZERO }
    }

    /// Every account of the genesis, by address. No account has a balance; each has code and a nonce of at least 1.
    ///
    /// # Errors
    ///
    /// When a pre-install's file, which is compiled in, does not say what it should: the build is broken.
    pub fn alloc(&self) -> Result<BTreeMap<Address, GenesisAccount>, PreinstallError> {
        let mut alloc: BTreeMap<_, _> = predeploy_code()
            .into_iter()
            .map(|(address, code)| (address, contract(1, code.clone(), BTreeMap::new())))
            .collect();
        for (address, counterpart) in [
            (predeploys::L2_CROSS_DOMAIN_MESSENGER, self.l1_messenger),
            (predeploys::L2_STANDARD_BRIDGE, self.l1_standard_bridge),
            (predeploys::SEQUENCER_FEE_VAULT, self.l1_fee_split),
            (predeploys::BASE_FEE_VAULT, self.l1_fee_split),
            (predeploys::L1_FEE_VAULT, self.l1_fee_split),
            (predeploys::OPERATOR_FEE_VAULT, self.l1_fee_split),
        ] {
            // A slot of value zero does not exist in the trie.
            if let Some(account) = alloc.get_mut(&address)
                && !counterpart.is_zero()
            {
                account.storage = Some(BTreeMap::from([(COUNTERPART_SLOT, counterpart.into_word())]));
            }
        }
        for (address, code) in [
            (eip2935::HISTORY_STORAGE_ADDRESS, &eip2935::HISTORY_STORAGE_CODE),
            (eip4788::BEACON_ROOTS_ADDRESS, &eip4788::BEACON_ROOTS_CODE),
        ] {
            alloc.insert(address, contract(1, code.clone(), BTreeMap::new()));
        }
        for preinstall in preinstalls::all()? {
            let code = preinstall.code(self.chain_id)?;
            alloc.insert(preinstall.address, contract(preinstall.nonce, code, preinstall.storage));
        }
        Ok(alloc)
    }
}

/// Runtime code of each predeploy.
fn predeploy_code() -> [(Address, &'static Bytes); 11] {
    use bindings::{
        FeeVault, GasPriceOracle, L1Block, L1FeeVault, L2CrossDomainMessenger, L2StandardBridge, L2ToL1MessagePasser,
        OptimismMintableERC20Factory, WETH,
    };
    [
        (predeploys::WETH, &WETH::DEPLOYED_BYTECODE),
        (predeploys::L2_CROSS_DOMAIN_MESSENGER, &L2CrossDomainMessenger::DEPLOYED_BYTECODE),
        (predeploys::GAS_PRICE_ORACLE, &GasPriceOracle::DEPLOYED_BYTECODE),
        (predeploys::L2_STANDARD_BRIDGE, &L2StandardBridge::DEPLOYED_BYTECODE),
        (predeploys::SEQUENCER_FEE_VAULT, &FeeVault::DEPLOYED_BYTECODE),
        (predeploys::OPTIMISM_MINTABLE_ERC20_FACTORY, &OptimismMintableERC20Factory::DEPLOYED_BYTECODE),
        (predeploys::L1_BLOCK, &L1Block::DEPLOYED_BYTECODE),
        (predeploys::L2_TO_L1_MESSAGE_PASSER, &L2ToL1MessagePasser::DEPLOYED_BYTECODE),
        (predeploys::BASE_FEE_VAULT, &FeeVault::DEPLOYED_BYTECODE),
        (predeploys::L1_FEE_VAULT, &L1FeeVault::DEPLOYED_BYTECODE),
        (predeploys::OPERATOR_FEE_VAULT, &FeeVault::DEPLOYED_BYTECODE),
    ]
}

fn contract(nonce: u64, code: Bytes, storage: BTreeMap<B256, B256>) -> GenesisAccount {
    GenesisAccount {
        nonce: Some(nonce),
        balance: U256::ZERO,
        code: Some(code),
        storage: (!storage.is_empty()).then_some(storage),
        ..Default::default()
    }
}

//! Addresses that exist on every L2 chain from genesis, at the places where the OP Stack has them, and the system's own.

use alloy_primitives::{Address, address};

/// The account that system transactions come from; nobody has its key (OP specification, "L1 attributes depositor").
pub const DEPOSITOR: Address = address!("0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001");
/// Wrapped ether.
pub const WETH: Address = address!("0x4200000000000000000000000000000000000006");
/// Messenger between the layers.
pub const L2_CROSS_DOMAIN_MESSENGER: Address = address!("0x4200000000000000000000000000000000000007");
/// Estimates of the L1 data fee.
pub const GAS_PRICE_ORACLE: Address = address!("0x420000000000000000000000000000000000000F");
/// ETH and token bridge.
pub const L2_STANDARD_BRIDGE: Address = address!("0x4200000000000000000000000000000000000010");
/// Receives priority fees where a block names it as beneficiary.
pub const SEQUENCER_FEE_VAULT: Address = address!("0x4200000000000000000000000000000000000011");
/// Creates the L2 side of L1 tokens.
pub const OPTIMISM_MINTABLE_ERC20_FACTORY: Address = address!("0x4200000000000000000000000000000000000012");
/// What L2 knows of L1, and how far the inbox has been consumed.
pub const L1_BLOCK: Address = address!("0x4200000000000000000000000000000000000015");
/// Withdrawals begin here; the header's `withdrawalsRoot` is its storage root.
pub const L2_TO_L1_MESSAGE_PASSER: Address = address!("0x4200000000000000000000000000000000000016");
/// Receives base fees.
pub const BASE_FEE_VAULT: Address = address!("0x4200000000000000000000000000000000000019");
/// Receives L1 data fees and repays posters from them; beneficiary of default blocks.
pub const L1_FEE_VAULT: Address = address!("0x420000000000000000000000000000000000001A");
/// Receives operator fees (none are charged).
pub const OPERATOR_FEE_VAULT: Address = address!("0x420000000000000000000000000000000000001b");

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title The name of a withdrawal, and the most gas that it may ask for
/// @notice The same on both sides; golden vectors in `vectors/withdrawals.json`.
library WithdrawalHash {
    /// @notice The most gas that a withdrawal may ask for on L1. With what proves it, that fits into one L1 transaction, which
    /// has at most 2^24 gas (EIP-7825); what asked for more could never be paid.
    uint256 internal constant MAX_GAS_LIMIT = 10_000_000;

    /// @notice keccak256(abi.encode(nonce, sender, target, value, gasLimit, data)).
    function compute(uint256 nonce, address sender, address target, uint256 value, uint256 gasLimit, bytes memory data)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(nonce, sender, target, value, gasLimit, data));
    }
}

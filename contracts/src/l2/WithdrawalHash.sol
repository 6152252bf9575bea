// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title The name of a withdrawal
/// @notice The same on both sides; golden vectors in `vectors/withdrawals.json`.
library WithdrawalHash {
    /// @notice keccak256(abi.encode(nonce, sender, target, value, gasLimit, data)).
    function compute(uint256 nonce, address sender, address target, uint256 value, uint256 gasLimit, bytes memory data)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(nonce, sender, target, value, gasLimit, data));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title The way out of L2
/// @notice Each withdrawal leaves a flag in `sentMessages`. The contract's storage root is the `withdrawalsRoot` of each
/// header, so L1's bridge proves the flag against the header of a final claim and makes the call. The ether of a
/// withdrawal stays here; L1 pays it from the bridge. Storage: slot 0 `sentMessages`, slot 1 the nonce's counter.
interface IL2ToL1MessagePasser {
    /// @notice A withdrawal: its fields and `withdrawalHash = keccak256(abi.encode(nonce, sender, target, value,
    /// gasLimit, data))`.
    event MessagePassed(
        uint256 indexed nonce,
        address indexed sender,
        address indexed target,
        uint256 value,
        uint256 gasLimit,
        bytes data,
        bytes32 withdrawalHash
    );

    /// @notice `amount` wei, withdrawn before, left L2's supply.
    event WithdrawerBalanceBurnt(uint256 indexed amount);

    /// @notice No L1 transaction could give the call so much gas: ask for at most 10,000,000.
    error GasLimitTooHigh(uint256 gasLimit, uint256 most);
    /// @notice Could not remove the balance from L2 (give more gas).
    error BurnFailed();

    /// @notice Version of the withdrawal format, in the upper two bytes of each nonce: 1.
    function MESSAGE_VERSION() external pure returns (uint16);
    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory);
    /// @notice True for each withdrawal hash that was sent.
    function sentMessages(bytes32 withdrawalHash) external view returns (bool);
    /// @notice Nonce of the next withdrawal, with its version.
    function messageNonce() external view returns (uint256);

    /// @notice Sends `msg.value` and `data` to `target` on L1, to be called there with at least `gasLimit` gas, at most
    /// 10,000,000. The
    /// caller's address is what L1 sees as sender.
    function initiateWithdrawal(address target, uint256 gasLimit, bytes calldata data) external payable;

    /// @notice Ether sent without data is a withdrawal to the sender's own address on L1.
    receive() external payable;

    /// @notice Takes the ether of past withdrawals out of L2's supply. Anyone may call it; nobody gains.
    function burn() external;
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IL2ToL1MessagePasser} from "./IL2ToL1MessagePasser.sol";
import {WithdrawalHash} from "./WithdrawalHash.sol";

/// @notice See `IL2ToL1MessagePasser`.
contract L2ToL1MessagePasser is IL2ToL1MessagePasser {
    /// @inheritdoc IL2ToL1MessagePasser
    uint16 public constant MESSAGE_VERSION = 1;
    /// Gas on L1 for a withdrawal by plain transfer.
    uint256 private constant RECEIVE_GAS_LIMIT = 100_000;

    // Slot 0: proofs on L1 rest on it.
    mapping(bytes32 => bool) public sentMessages;
    uint240 private _counter;

    /// @inheritdoc IL2ToL1MessagePasser
    receive() external payable {
        _initiate(msg.sender, RECEIVE_GAS_LIMIT, "");
    }

    /// @inheritdoc IL2ToL1MessagePasser
    function initiateWithdrawal(address target, uint256 gasLimit, bytes calldata data) external payable {
        _initiate(target, gasLimit, data);
    }

    /// @inheritdoc IL2ToL1MessagePasser
    function burn() external {
        uint256 amount = address(this).balance;
        bool created;
        // Init code ADDRESS SELFDESTRUCT: a contract that destroys itself in the transaction that made it, in favour of
        // itself, takes its balance out of existence (EIP-6780).
        assembly ("memory-safe") {
            mstore8(0, 0x30)
            mstore8(1, 0xff)
            created := iszero(iszero(create(amount, 0, 2)))
        }
        if (!created) revert BurnFailed();
        emit WithdrawerBalanceBurnt(amount);
    }

    /// @inheritdoc IL2ToL1MessagePasser
    function messageNonce() public view returns (uint256) {
        return uint256(MESSAGE_VERSION) << 240 | _counter;
    }

    /// @inheritdoc IL2ToL1MessagePasser
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    function _initiate(address target, uint256 gasLimit, bytes memory data) private {
        if (gasLimit > WithdrawalHash.MAX_GAS_LIMIT) revert GasLimitTooHigh(gasLimit, WithdrawalHash.MAX_GAS_LIMIT);
        uint256 nonce = messageNonce();
        bytes32 hash = WithdrawalHash.compute(nonce, msg.sender, target, msg.value, gasLimit, data);
        sentMessages[hash] = true;
        unchecked {
            ++_counter;
        }
        emit MessagePassed(nonce, msg.sender, target, msg.value, gasLimit, data, hash);
    }
}

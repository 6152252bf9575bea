// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IFeeVault} from "./IFeeVault.sol";
import {IL2ToL1MessagePasser} from "./IL2ToL1MessagePasser.sol";
import {Predeploys} from "./Predeploys.sol";

/// @notice See `IFeeVault`.
contract FeeVault is IFeeVault {
    /// @inheritdoc IFeeVault
    uint256 public constant minWithdrawalAmount = 0.05 ether;
    /// What `FeeSplit` needs to take ether, with room.
    uint256 private constant GAS_ON_L1 = 50_000;

    // Slot 0: the genesis writes it.
    /// @inheritdoc IFeeVault
    address public recipient;
    /// @inheritdoc IFeeVault
    uint256 public totalWithdrawn;

    /// @inheritdoc IFeeVault
    receive() external payable {}

    /// @inheritdoc IFeeVault
    function withdraw() external returns (uint256 value) {
        address to = recipient;
        if (to == address(0)) revert NoRecipient();
        uint256 kept = reserve();
        uint256 balance = address(this).balance;
        value = balance > kept ? balance - kept : 0;
        if (value < minWithdrawalAmount) revert TooLittle(value, minWithdrawalAmount);
        totalWithdrawn += value;
        emit Withdrawal(value, to, msg.sender);
        IL2ToL1MessagePasser(payable(Predeploys.L2_TO_L1_MESSAGE_PASSER)).initiateWithdrawal{value: value}(
            to, GAS_ON_L1, ""
        );
    }

    /// @inheritdoc IFeeVault
    function reserve() public view virtual returns (uint256) {
        return 0;
    }

    /// @inheritdoc IFeeVault
    function version() external pure returns (string memory) {
        return "1.0.0";
    }
}

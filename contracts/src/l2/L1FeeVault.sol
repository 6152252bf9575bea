// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

import {FeeVault} from "./FeeVault.sol";
import {IFeeVault, IL1FeeVault} from "./IFeeVault.sol";
import {Predeploys} from "./Predeploys.sol";

/// @notice See `IL1FeeVault` in IFeeVault.sol.
contract L1FeeVault is FeeVault, IL1FeeVault {
    /// What is left of the message's 100,000 gas after intrinsic gas and this call is enough for storage and the event.
    uint256 private constant RECIPIENT_GAS = 30_000;

    /// @inheritdoc IL1FeeVault
    uint256 public totalProcessed;

    /// @inheritdoc IFeeVault
    function reserve() public pure override(FeeVault, IFeeVault) returns (uint256) {
        return 5 ether;
    }

    /// @inheritdoc IL1FeeVault
    function reimburse(uint64 number, uint64, bytes32, bytes32, uint256, uint256, address recipient, uint256 amount)
        external
    {
        if (msg.sender != Predeploys.DEPOSITOR) revert NotDepositor();
        if (amount == 0 || recipient == address(0)) return;

        uint256 balance = address(this).balance;
        uint256 paid = amount < balance ? amount : balance;
        if (paid != 0 && !SafeTransferLib.trySafeTransferETH(recipient, paid, RECIPIENT_GAS)) paid = 0;
        totalProcessed += paid;
        emit Reimbursed(number, recipient, amount, paid);
    }
}

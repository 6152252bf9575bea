// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IFeeVault} from "./IFeeVault.sol";

/// @notice See `IFeeVault`.
contract FeeVault is IFeeVault {
    /// @inheritdoc IFeeVault
    receive() external payable {}

    /// @inheritdoc IFeeVault
    function version() external pure returns (string memory) {
        return "1.0.0";
    }
}

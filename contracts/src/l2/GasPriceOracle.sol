// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {LibZip} from "solady/utils/LibZip.sol";

import {FjordCost} from "./FjordCost.sol";
import {IGasPriceOracle} from "./IGasPriceOracle.sol";
import {IL1Block} from "./IL1Block.sol";
import {Predeploys} from "./Predeploys.sol";

/// @notice See `IGasPriceOracle`.
contract GasPriceOracle is IGasPriceOracle {
    /// Bytes that a signature adds to an unsigned transaction; it does not compress.
    uint256 private constant SIGNATURE = 68;
    /// Jovian counts the operator fee's scalar in hundreds of wei per gas.
    uint256 private constant OPERATOR_FEE_UNIT = 100;
    IL1Block private constant L1_BLOCK = IL1Block(Predeploys.L1_BLOCK);

    /// @inheritdoc IGasPriceOracle
    function getL1Fee(bytes calldata data) external view returns (uint256) {
        return _fee(LibZip.flzCompress(data).length + SIGNATURE);
    }

    /// @inheritdoc IGasPriceOracle
    function getL1FeeUpperBound(uint256 unsignedTxSize) external view returns (uint256) {
        // FastLZ writes literals in runs of up to 32, each with one byte before it.
        uint256 size = unsignedTxSize + SIGNATURE;
        return _fee(size + size / 32 + 16);
    }

    /// @inheritdoc IGasPriceOracle
    function getL1GasUsed(bytes calldata data) external pure returns (uint256) {
        return FjordCost.estimatedSize(LibZip.flzCompress(data).length + SIGNATURE) * 16 / 1e6;
    }

    /// @inheritdoc IGasPriceOracle
    function getOperatorFee(uint256 gasUsed) external view returns (uint256) {
        return gasUsed * L1_BLOCK.operatorFeeScalar() * OPERATOR_FEE_UNIT + L1_BLOCK.operatorFeeConstant();
    }

    /// @inheritdoc IGasPriceOracle
    function l1BaseFee() external view returns (uint256) {
        return L1_BLOCK.basefee();
    }

    /// @inheritdoc IGasPriceOracle
    function blobBaseFee() external view returns (uint256) {
        return L1_BLOCK.blobBaseFee();
    }

    /// @inheritdoc IGasPriceOracle
    function baseFeeScalar() external view returns (uint32) {
        return L1_BLOCK.baseFeeScalar();
    }

    /// @inheritdoc IGasPriceOracle
    function blobBaseFeeScalar() external view returns (uint32) {
        return L1_BLOCK.blobBaseFeeScalar();
    }

    /// @inheritdoc IGasPriceOracle
    function gasPrice() external view returns (uint256) {
        return block.basefee;
    }

    /// @inheritdoc IGasPriceOracle
    function baseFee() external view returns (uint256) {
        return block.basefee;
    }

    /// @inheritdoc IGasPriceOracle
    function DECIMALS() external pure returns (uint256) {
        return 6;
    }

    /// @inheritdoc IGasPriceOracle
    function decimals() external pure returns (uint256) {
        return 6;
    }

    /// @inheritdoc IGasPriceOracle
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// @inheritdoc IGasPriceOracle
    function isEcotone() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IGasPriceOracle
    function isFjord() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IGasPriceOracle
    function isIsthmus() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IGasPriceOracle
    function isJovian() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IGasPriceOracle
    function overhead() external pure returns (uint256) {
        revert Deprecated();
    }

    /// @inheritdoc IGasPriceOracle
    function scalar() external pure returns (uint256) {
        revert Deprecated();
    }

    function _fee(uint256 fastLz) private view returns (uint256) {
        return FjordCost.fee(
            fastLz, L1_BLOCK.basefee(), L1_BLOCK.baseFeeScalar(), L1_BLOCK.blobBaseFee(), L1_BLOCK.blobBaseFeeScalar()
        );
    }
}

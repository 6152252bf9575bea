// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What a transaction will cost besides its gas
/// @notice Figures for wallets and contracts from `L1Block` and this block. The rules of execution do not read this
/// contract: they compute the fee on the signed transaction, this one on the unsigned with 68 bytes more for a signature.
interface IGasPriceOracle {
    /// @notice The function exists for its name only and has had no meaning since Ecotone.
    error Deprecated();

    /// @notice Decimals of the fee scalars.
    function DECIMALS() external pure returns (uint256);
    /// @notice As `DECIMALS`.
    function decimals() external pure returns (uint256);
    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory);
    /// @notice True from genesis.
    function isEcotone() external pure returns (bool);
    /// @notice True from genesis.
    function isFjord() external pure returns (bool);
    /// @notice True from genesis.
    function isIsthmus() external pure returns (bool);
    /// @notice True from genesis.
    function isJovian() external pure returns (bool);
    /// @notice L2 base fee, wei per gas.
    function gasPrice() external view returns (uint256);
    /// @notice L2 base fee, wei per gas.
    function baseFee() external view returns (uint256);
    /// @notice L1 base fee as L2 knows it, wei per gas.
    function l1BaseFee() external view returns (uint256);
    /// @notice L1 blob base fee as L2 knows it, wei per blob gas.
    function blobBaseFee() external view returns (uint256);
    /// @notice `IL1Block.baseFeeScalar`.
    function baseFeeScalar() external view returns (uint32);
    /// @notice `IL1Block.blobBaseFeeScalar`.
    function blobBaseFeeScalar() external view returns (uint32);
    /// @notice Always reverts with `Deprecated`.
    function overhead() external pure returns (uint256);
    /// @notice Always reverts with `Deprecated`.
    function scalar() external pure returns (uint256);
    /// @notice L1 data fee in wei of the unsigned, RLP-encoded transaction `data`.
    function getL1Fee(bytes calldata data) external view returns (uint256);
    /// @notice Bound for the L1 data fee in wei of any unsigned transaction of `unsignedTxSize` bytes.
    function getL1FeeUpperBound(uint256 unsignedTxSize) external view returns (uint256);
    /// @notice L1 gas that the unsigned transaction `data` would use as calldata, by the same estimate.
    function getL1GasUsed(bytes calldata data) external view returns (uint256);
    /// @notice Operator fee in wei for `gasUsed` gas.
    function getOperatorFee(uint256 gasUsed) external view returns (uint256);
}

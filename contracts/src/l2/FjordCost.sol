// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title The L1 data fee since Fjord
/// @notice `fee = size × (16 × baseFee × baseFeeScalar + blobBaseFee × blobBaseFeeScalar) / 10^12`, where `size`, in
/// millionths of a byte, estimates what the transaction adds to a compressed batch from its length under FastLZ:
/// `max(100 × 10^6, 836,500 × fastLz − 42,585,600)`.
library FjordCost {
    uint256 private constant COEFFICIENT = 836_500;
    uint256 private constant INTERCEPT = 42_585_600;
    uint256 private constant MIN_SIZE = 100_000_000;

    /// @notice Estimated compressed size, in millionths of a byte, of a signed transaction of `fastLz` bytes under FastLZ.
    function estimatedSize(uint256 fastLz) internal pure returns (uint256) {
        uint256 scaled = fastLz * COEFFICIENT;
        return scaled < MIN_SIZE + INTERCEPT ? MIN_SIZE : scaled - INTERCEPT;
    }

    /// @notice The L1 data fee in wei.
    function fee(uint256 fastLz, uint256 baseFee, uint256 baseFeeScalar, uint256 blobBaseFee, uint256 blobBaseFeeScalar)
        internal
        pure
        returns (uint256)
    {
        uint256 scaled = 16 * baseFee * baseFeeScalar + blobBaseFee * blobBaseFeeScalar;
        return estimatedSize(fastLz) * scaled / 1e12;
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What L2 knows of L1
/// @notice The attributes of the last `L1Info` message that a block up to this one consumed, the parameters of the L1
/// data fee, and the position in the inbox after this block's messages. The system transaction at the head of each block
/// writes it all. Nothing else of L1 is visible to L2. Interface and storage of slots 0 to 8 are the OP Stack's (Jovian),
/// which the execution rules read; slots 9 and 10 are Surety's.
///
/// | slot | from the low bits up |
/// |---|---|
/// | 0 | `number` u64, `timestamp` u64 |
/// | 1 | `basefee` u256 |
/// | 2 | `hash` |
/// | 3 | `sequenceNumber` u64, `blobBaseFeeScalar` u32, `baseFeeScalar` u32 |
/// | 4 | `batcherHash` (zero) |
/// | 5, 6 | `l1FeeOverhead`, `l1FeeScalar` (unused since Ecotone, zero) |
/// | 7 | `blobBaseFee` u256 |
/// | 8 | `operatorFeeConstant` u64, `operatorFeeScalar` u32, `daFootprintGasScalar` u16 |
/// | 9 | `messageCount` u64 |
/// | 10 | `messageAcc` |
interface IL1Block {
    /// @notice Only the depositor account may write.
    error NotDepositor();
    /// @notice The packed calldata have another length than 218 bytes.
    error WrongLength(uint256 length);

    /// @notice The only account that may write: `0xDeaD…0001`.
    function DEPOSITOR_ACCOUNT() external pure returns (address);
    /// @notice Number of the L1 block whose hash is `hash()`.
    function number() external view returns (uint64);
    /// @notice L1 time in seconds.
    function timestamp() external view returns (uint64);
    /// @notice L1 base fee in wei per gas.
    function basefee() external view returns (uint256);
    /// @notice Hash of L1 block `number()`.
    function hash() external view returns (bytes32);
    /// @notice L2 blocks since these L1 attributes came.
    function sequenceNumber() external view returns (uint64);
    /// @notice Weight of the L1 blob base fee in the L1 data fee, in millionths.
    function blobBaseFeeScalar() external view returns (uint32);
    /// @notice Weight of sixteen times the L1 base fee in the L1 data fee, in millionths.
    function baseFeeScalar() external view returns (uint32);
    /// @notice Zero: there is no batcher to be told by its key.
    function batcherHash() external view returns (bytes32);
    /// @notice Zero: unused since Ecotone.
    function l1FeeOverhead() external view returns (uint256);
    /// @notice Zero: unused since Ecotone.
    function l1FeeScalar() external view returns (uint256);
    /// @notice L1 blob base fee in wei per blob gas.
    function blobBaseFee() external view returns (uint256);
    /// @notice Constant part of the operator fee, in wei.
    function operatorFeeConstant() external view returns (uint64);
    /// @notice Operator fee per gas, in hundreds of wei.
    function operatorFeeScalar() external view returns (uint32);
    /// @notice Gas of the data footprint per estimated compressed byte (Jovian).
    function daFootprintGasScalar() external view returns (uint16);
    /// @notice Messages of the inbox consumed by this block and all before it.
    function messageCount() external view returns (uint64);
    /// @notice The inbox's accumulator after the last of them.
    function messageAcc() external view returns (bytes32);

    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory);
    /// @notice Ether, with 18 decimals.
    function gasPayingToken() external pure returns (address token, uint8 decimals);
    /// @notice "Ether".
    function gasPayingTokenName() external pure returns (string memory);
    /// @notice "ETH".
    function gasPayingTokenSymbol() external pure returns (string memory);
    /// @notice False: gas is paid in ether.
    function isCustomGasToken() external pure returns (bool);

    /// @notice Writes all of the above from tightly packed big-endian calldata after the selector: `baseFeeScalar` u32,
    /// `blobBaseFeeScalar` u32, `sequenceNumber` u64, `timestamp` u64, `number` u64, `basefee` u256, `blobBaseFee` u256,
    /// `hash` b32, `batcherHash` b32, `operatorFeeScalar` u32, `operatorFeeConstant` u64, `daFootprintGasScalar` u16,
    /// `messageCount` u64, `messageAcc` b32.
    function setL1BlockValuesSurety() external;
}

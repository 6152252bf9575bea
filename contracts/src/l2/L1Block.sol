// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IL1Block} from "./IL1Block.sol";
import {Predeploys} from "./Predeploys.sol";

/// @notice See `IL1Block`.
contract L1Block is IL1Block {
    // The order of these variables is the table of `IL1Block`: the execution rules read the slots.
    uint64 public number;
    uint64 public timestamp;
    uint256 public basefee;
    bytes32 public hash;
    uint64 public sequenceNumber;
    uint32 public blobBaseFeeScalar;
    uint32 public baseFeeScalar;
    bytes32 public batcherHash;
    uint256 public l1FeeOverhead;
    uint256 public l1FeeScalar;
    uint256 public blobBaseFee;
    uint64 public operatorFeeConstant;
    uint32 public operatorFeeScalar;
    uint16 public daFootprintGasScalar;
    // A slot of its own for each of the two, so that a proof of the consumed position needs no masks.
    uint256 private _messageCount;
    bytes32 public messageAcc;

    /// Selector, two u32, three u64, two u256, two words, u32, u64, u16, u64 and a word.
    uint256 private constant CALLDATA_LENGTH = 218;

    /// @inheritdoc IL1Block
    function setL1BlockValuesSurety() external {
        if (msg.sender != Predeploys.DEPOSITOR) revert NotDepositor();
        if (msg.data.length != CALLDATA_LENGTH) revert WrongLength(msg.data.length);
        // Packed fields that share a slot lie in the calldata as they lie in the slot.
        assembly ("memory-safe") {
            sstore(sequenceNumber.slot, shr(128, calldataload(4)))
            sstore(number.slot, shr(128, calldataload(20)))
            sstore(basefee.slot, calldataload(36))
            sstore(blobBaseFee.slot, calldataload(68))
            sstore(hash.slot, calldataload(100))
            sstore(batcherHash.slot, calldataload(132))
            let operatorFee := shr(160, calldataload(164))
            let footprint := shr(240, calldataload(176))
            sstore(operatorFeeConstant.slot, or(shl(96, footprint), operatorFee))
            sstore(_messageCount.slot, shr(192, calldataload(178)))
            sstore(messageAcc.slot, calldataload(186))
        }
    }

    /// @inheritdoc IL1Block
    function messageCount() external view returns (uint64) {
        return uint64(_messageCount);
    }

    /// @inheritdoc IL1Block
    function DEPOSITOR_ACCOUNT() external pure returns (address) {
        return Predeploys.DEPOSITOR;
    }

    /// @inheritdoc IL1Block
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// @inheritdoc IL1Block
    function gasPayingToken() external pure returns (address token, uint8 decimals) {
        return (Predeploys.ETHER, 18);
    }

    /// @inheritdoc IL1Block
    function gasPayingTokenName() external pure returns (string memory) {
        return "Ether";
    }

    /// @inheritdoc IL1Block
    function gasPayingTokenSymbol() external pure returns (string memory) {
        return "ETH";
    }

    /// @inheritdoc IL1Block
    function isCustomGasToken() external pure returns (bool) {
        return false;
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice What a claim's id commits to (protocol §15.3).
struct ClaimPreimage {
    uint64 rollup;
    uint64 batchIndex;
    bytes32 parentId;
    bytes32 prevHash;
    bytes32 lastHash;
    bytes32 blockHashRoot;
}

/// @notice Hashes that tie batches, claims and the inbox together (protocol §15.2, §15.3, §15.5). Golden vectors:
/// `vectors/claims.json` and `vectors/messages.json`.
library Commitments {
    /// The path must have one sibling for each set bit of the leaf's index.
    error PathLengthWrong(uint256 length, uint256 index);

    /// @notice Depth of the tree over a batch's block hashes.
    uint256 internal constant TREE_DEPTH = 15;
    /// @notice Bytes of one page of call data.
    uint256 internal constant PAGE = 4096;

    /// @notice Id of a claim.
    function claimId(ClaimPreimage memory claim) internal pure returns (bytes32) {
        return keccak256(abi.encode(claim));
    }

    /// @notice The inbox tip after a statement.
    function nextTip(bytes32 tip, bytes32 structHash) internal pure returns (bytes32) {
        return _pair(tip, structHash);
    }

    /// @notice The accumulator after a message.
    function accumulate(bytes32 acc, bytes32 hash) internal pure returns (bytes32) {
        return _pair(acc, hash);
    }

    /// @notice Hash of one message.
    function messageHash(
        uint8 kind,
        uint64 index,
        uint64 l1Block,
        uint64 l1Time,
        address sender,
        address to,
        uint256 value,
        uint256 mint,
        uint64 gas_,
        bytes memory data
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(kind, index, l1Block, l1Time, sender, to, value, mint, gas_, keccak256(data)));
    }

    /// @notice A leaf: `keccak256(0x00 ‖ hash)`.
    function leaf(bytes32 hash) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            mstore8(0, 0)
            mstore(1, hash)
            result := keccak256(0, 33)
        }
    }

    /// @notice An inner node: `keccak256(0x01 ‖ left ‖ right)`.
    function node(bytes32 left, bytes32 right) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore8(start, 1)
            mstore(add(start, 1), left)
            mstore(add(start, 33), right)
            result := keccak256(start, 65)
        }
    }

    /// @notice The root of the block tree whose last leaf before the padding is `hash` at `index`.
    /// @param leftSiblings Of the path, from the leaf up, only the siblings to the left (one for each set bit of
    /// `index`): those to the right cover nothing but padding, so they are known.
    function rootOfLastLeaf(bytes32 hash, uint256 index, bytes32[] calldata leftSiblings)
        internal
        pure
        returns (bytes32 root)
    {
        root = leaf(hash);
        bytes32 padding = leaf(0);
        uint256 used;
        unchecked {
            for (uint256 level; level < TREE_DEPTH; ++level) {
                if (index >> level & 1 == 1) {
                    require(used < leftSiblings.length, PathLengthWrong(leftSiblings.length, index));
                    root = node(leftSiblings[used++], root);
                } else {
                    root = node(root, padding);
                }
                padding = node(padding, padding);
            }
        }
        require(used == leftSiblings.length, PathLengthWrong(leftSiblings.length, index));
    }

    /// @notice The root of the block tree with one block.
    function rootOfSingle(bytes32 hash) internal pure returns (bytes32 root) {
        root = leaf(hash);
        bytes32 padding = leaf(0);
        for (uint256 level; level < TREE_DEPTH; ++level) {
            root = node(root, padding);
            padding = node(padding, padding);
        }
    }

    /// @notice Commitment to data in blobs: `keccak256(0x01 ‖ versioned hashes)`.
    function blobDataHash(bytes32[] memory versionedHashes) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(uint8(1), versionedHashes));
    }

    /// @notice Commitment to data in call data: `keccak256(0x02 ‖ uint64 length ‖ page root)`. The length is not bounded
    /// here.
    function calldataDataHash(bytes calldata data) internal pure returns (bytes32) {
        uint256 pages = (data.length + PAGE - 1) / PAGE;
        uint256 width = 1;
        while (width < pages) width *= 2;
        bytes32[] memory level = new bytes32[](width);
        assembly ("memory-safe") {
            // One buffer above the free pointer: the domain byte, then a page.
            let buffer := mload(0x40)
            mstore8(buffer, 0)
            for { let i := 0 } lt(i, width) { i := add(i, 1) } {
                let start := mul(i, 4096)
                let size := 0
                if lt(start, data.length) {
                    size := sub(data.length, start)
                    if gt(size, 4096) { size := 4096 }
                }
                calldatacopy(add(buffer, 1), add(data.offset, start), size)
                // Beyond the end of all call data there are zeros.
                calldatacopy(add(add(buffer, 1), size), calldatasize(), sub(4096, size))
                mstore(add(add(level, 32), mul(i, 32)), keccak256(buffer, 4097))
            }
        }
        for (; width > 1; width /= 2) {
            for (uint256 i; i < width / 2; ++i) {
                level[i] = node(level[2 * i], level[2 * i + 1]);
            }
        }
        return keccak256(abi.encodePacked(uint8(2), uint64(data.length), level[0]));
    }

    function _pair(bytes32 a, bytes32 b) private pure returns (bytes32 result) {
        assembly ("memory-safe") {
            mstore(0, a)
            mstore(32, b)
            result := keccak256(0, 64)
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title The machine's memory, as a Merkle tree.
/// @notice 2^32 bytes in 2^27 leaves of 32, in the order of addresses (a leaf's first byte has the lowest address).
/// A node is `keccak256(left ‖ right)`; the depth is fixed, so leaves and nodes need no tags. The index of a leaf is
/// `address >> 5`; bit i of it says whether the node at level i above the leaf is a right child. A page of 4096 bytes is a
/// subtree of depth 7.
library MemoryTree {
    /// @notice Bytes of memory.
    uint64 internal constant SIZE = 1 << 32;
    /// @notice Levels above a leaf.
    uint256 internal constant DEPTH = 27;
    /// @notice Bytes of a page.
    uint64 internal constant PAGE = 4096;
    /// @notice Levels of a page.
    uint256 internal constant PAGE_DEPTH = 7;

    /// @notice The root above `node`.
    /// @param index Which node it is at its level.
    /// @param siblings Beside the way up, 32 bytes each, from below.
    function climb(bytes32 node, uint256 index, bytes calldata siblings) internal pure returns (bytes32 root) {
        assembly ("memory-safe") {
            root := node
            let sibling := siblings.offset
            for { let end := add(sibling, siblings.length) } lt(sibling, end) { sibling := add(sibling, 32) } {
                // A left child is hashed first, a right one behind its sibling.
                let place := shl(5, and(index, 1))
                mstore(place, root)
                mstore(xor(place, 32), calldataload(sibling))
                root := keccak256(0, 64)
                index := shr(1, index)
            }
        }
    }

    /// @notice The root of a page with the bytes of `value` from `start` on, zeros where it has ended.
    function pageRoot(bytes memory value, uint256 start) internal pure returns (bytes32 root) {
        uint256 size = start < value.length ? value.length - start : 0;
        if (size > PAGE) size = PAGE;
        assembly ("memory-safe") {
            let nodes := mload(0x40)
            mcopy(nodes, add(add(value, 32), start), size)
            mstore(add(nodes, size), 0)
            // Only what is not zero is hashed, and the first leaf of a page of zeros.
            let count := add(shr(5, add(size, 31)), iszero(size))
            let zeros := 0
            for { let level := 0 } lt(level, PAGE_DEPTH) { level := add(level, 1) } {
                // If the last node is a left child, this is its sibling.
                mstore(add(nodes, shl(5, count)), zeros)
                count := shr(1, add(count, 1))
                for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                    mstore(add(nodes, shl(5, i)), keccak256(add(nodes, shl(6, i)), 64))
                }
                mstore(0, zeros)
                mstore(32, zeros)
                zeros := keccak256(0, 64)
            }
            root := mload(nodes)
        }
    }

    /// @notice The eight bytes of a leaf from an address on, little endian; beyond the leaf's end they are zeros.
    function read(bytes32 leaf, uint64 place) internal pure returns (uint64) {
        return swap(uint64(bytes8(leaf << 8 * (place % 32))));
    }

    /// @notice The leaf with the low `size` bytes of a number written at an address, little endian. They must fit.
    function write(bytes32 leaf, uint64 place, uint256 size, uint64 value) internal pure returns (bytes32) {
        uint256 shift = 8 * (place % 32);
        bytes32 written = bytes32(type(uint256).max << 256 - 8 * size);
        bytes32 bytes_ = bytes32(bytes8(swap(value)));
        return leaf & ~(written >> shift) | (bytes_ & written) >> shift;
    }

    /// @notice A number with its bytes in the other order.
    function swap(uint64 v) internal pure returns (uint64) {
        v = (v & 0x00ff00ff00ff00ff) << 8 | v >> 8 & 0x00ff00ff00ff00ff;
        v = (v & 0x0000ffff0000ffff) << 16 | v >> 16 & 0x0000ffff0000ffff;
        return v << 32 | v >> 32;
    }
}

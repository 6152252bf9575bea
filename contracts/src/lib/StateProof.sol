// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Memory} from "@openzeppelin/contracts/utils/Memory.sol";
import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";

/// @notice What a block of L2 holds, shown by Merkle-Patricia proofs in the form of `eth_getProof`: the nodes from the root
/// on, and also that something is **not** there (an account that nobody ever touched holds nothing, and has no code).
library StateProof {
    using Memory for Memory.Slice;

    /// The header has another hash.
    error WrongHeader(bytes32 hash, bytes32 expected);
    /// The header has fewer fields.
    error HeaderTooShort(uint256 fields);
    /// A node does not have the hash that the one before (or the root) states.
    error WrongNode(uint256 place, bytes32 expected);
    /// The proof ends before the key does.
    error ProofTooShort(uint256 nodes);
    /// There are nodes behind the one that answers.
    error ProofTooLong(uint256 nodes, uint256 used);
    /// A node that no trie over 32-byte keys has.
    error BadNode(uint256 place);
    /// The account has code that is no delegation to the given address.
    error AccountHasCode(address account, bytes32 codeHash);

    /// @dev Root of a trie without entries: keccak256(0x80).
    bytes32 internal constant EMPTY_ROOT = 0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421;
    /// @dev keccak256 of no code.
    bytes32 internal constant EMPTY_CODE = 0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470;
    uint256 internal constant STATE_ROOT = 3;
    uint256 internal constant WITHDRAWALS_ROOT = 16;
    uint256 private constant NIBBLES = 64;

    struct Account {
        uint256 balance;
        bytes32 storageRoot;
        bytes32 codeHash;
    }

    /// @notice The word at a place of the header with this hash.
    function headerWord(bytes memory header, bytes32 expected, uint256 place) internal pure returns (bytes32) {
        bytes32 hash = keccak256(header);
        require(hash == expected, WrongHeader(hash, expected));
        Memory.Slice[] memory fields = RLP.decodeList(header);
        require(fields.length > place, HeaderTooShort(fields.length));
        return RLP.readBytes32(fields[place]);
    }

    /// @notice An account; one that is not in the state has no balance, no storage and no code.
    function account(bytes32 stateRoot, address who, bytes[] memory proof) internal pure returns (Account memory) {
        bytes memory value = entry(stateRoot, keccak256(abi.encodePacked(who)), proof);
        if (value.length == 0) return Account(0, EMPTY_ROOT, EMPTY_CODE);
        Memory.Slice[] memory fields = RLP.decodeList(value);
        return Account(RLP.readUint256(fields[1]), RLP.readBytes32(fields[2]), RLP.readBytes32(fields[3]));
    }

    /// @notice The balance of an account without code, or with no more than a delegation (EIP-7702): such an account
    /// belongs to a key.
    /// @param delegate Whom it delegates to; ignored if it has no code.
    function keyedBalance(bytes32 stateRoot, address who, address delegate, bytes[] memory proof)
        internal
        pure
        returns (uint256)
    {
        Account memory found = account(stateRoot, who, proof);
        require(
            found.codeHash == EMPTY_CODE || found.codeHash == keccak256(abi.encodePacked(bytes3(0xef0100), delegate)),
            AccountHasCode(who, found.codeHash)
        );
        return found.balance;
    }

    /// @notice A storage slot; one that is not in the trie is zero.
    function slot(bytes32 storageRoot, bytes32 key, bytes[] memory proof) internal pure returns (uint256) {
        bytes memory value = entry(storageRoot, keccak256(abi.encode(key)), proof);
        return value.length == 0 ? 0 : RLP.decodeUint256(value);
    }

    /// @notice What a trie holds under a 32-byte key; empty if nothing.
    function entry(bytes32 root, bytes32 key, bytes[] memory proof) internal pure returns (bytes memory) {
        if (root == EMPTY_ROOT) {
            require(proof.length == 0, ProofTooLong(proof.length, 0));
            return "";
        }
        bytes32 expected = root;
        uint256 depth;
        for (uint256 i; i < proof.length; ++i) {
            bytes memory node = proof[i];
            require(keccak256(node) == expected, WrongNode(i, expected));
            Memory.Slice[] memory items = RLP.decodeList(node);
            while (true) {
                Memory.Slice next;
                bool ends;
                (next, depth, ends) = _step(items, key, depth, i);
                if (ends) {
                    require(i + 1 == proof.length, ProofTooLong(proof.length, i + 1));
                    return next.length() == 0 ? bytes("") : RLP.readBytes(next);
                }
                if (next.length() >= 32) {
                    expected = RLP.readBytes32(next);
                    break;
                }
                // A node of less than 32 bytes stands in its parent itself.
                items = RLP.readList(next);
            }
        }
        revert ProofTooShort(proof.length);
    }

    /// @dev One node: the child that the key leads to, or the value where it ends, which is empty if nothing is there.
    function _step(Memory.Slice[] memory items, bytes32 key, uint256 depth, uint256 place)
        private
        pure
        returns (Memory.Slice next, uint256 after_, bool ends)
    {
        // Below the last nibble there is nothing but leaves, which have no nibbles left.
        if (items.length == 17) {
            require(depth < NIBBLES, BadNode(place));
            next = items[_nibble(key, depth)];
            return (next, depth + 1, next.length() == 1);
        }
        require(items.length == 2, BadNode(place));
        bytes memory path = RLP.readBytes(items[0]);
        require(path.length != 0 && uint8(path[0]) < 0x40, BadNode(place));
        bool leaf = uint8(path[0]) & 0x20 != 0;
        // Hex-prefix: an odd path begins in the first byte.
        uint256 from = uint8(path[0]) & 0x10 != 0 ? 1 : 2;
        uint256 count = 2 * path.length - from;
        require(leaf ? depth + count == NIBBLES : depth + count < NIBBLES && count != 0, BadNode(place));
        for (uint256 i; i < count; ++i) {
            uint256 position = from + i;
            uint256 nibble = position % 2 == 0 ? uint8(path[position / 2]) >> 4 : uint8(path[position / 2]) & 15;
            // Another key lives here: ours does not exist.
            if (nibble != _nibble(key, depth + i)) return (Memory.asSlice(""), depth, true);
        }
        return (items[1], depth + count, leaf);
    }

    function _nibble(bytes32 key, uint256 place) private pure returns (uint256) {
        return uint256(key) >> (252 - 4 * place) & 15;
    }
}

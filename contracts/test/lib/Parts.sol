// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Preimages} from "../../src/dispute/Preimages.sol";
import {Test} from "./Test.sol";

/// @notice An element of the blob in `vectors/blob-element.json`.
struct Element {
    uint64 index;
    bytes32 value;
    bytes proof;
}

/// @notice Values to load, and the roots of their pages, computed over all 128 leaves.
abstract contract Parts is Test {
    uint64 internal constant KECCAK = 1;
    uint64 internal constant BLOB = 2;

    /// Bytes without a pattern that pages or leaves share.
    function valueOf(uint256 length) internal pure returns (bytes memory value) {
        value = new bytes(length);
        for (uint256 i; i < length; i += 32) {
            bytes32 word = keccak256(abi.encode(length, i));
            for (uint256 k; k < 32 && i + k < length; ++k) {
                value[i + k] = word[k];
            }
        }
    }

    /// The leaf of a page, zeros where the value has ended.
    function leafOf(bytes memory value, uint256 page, uint256 leaf) internal pure returns (bytes32) {
        bytes memory bytes_ = new bytes(32);
        uint256 start = 4096 * page + 32 * leaf;
        for (uint256 i; i < 32 && start + i < value.length; ++i) {
            bytes_[i] = value[start + i];
        }
        return bytes32(bytes_);
    }

    function pageRootOf(bytes memory value, uint256 page) internal pure returns (bytes32) {
        bytes32[] memory nodes = new bytes32[](128);
        for (uint256 i; i < 128; ++i) {
            nodes[i] = leafOf(value, page, i);
        }
        for (uint256 width = 64; width != 0; width /= 2) {
            for (uint256 i; i < width; ++i) {
                nodes[i] = keccak256(bytes.concat(nodes[2 * i], nodes[2 * i + 1]));
            }
        }
        return nodes[0];
    }

    /// Bytes `from … to` of a value.
    function cut(bytes memory value, uint256 from, uint256 to) internal pure returns (bytes memory piece) {
        piece = new bytes(to - from);
        assembly ("memory-safe") {
            mcopy(add(piece, 32), add(add(value, 32), from), sub(to, from))
        }
    }

    /// Nothing of a value is stored.
    function none() internal pure returns (address[] memory) {
        return new address[](0);
    }

    function list(uint64 index) internal pure returns (uint64[] memory indices) {
        indices = new uint64[](1);
        indices[0] = index;
    }

    /// All of a value's, and one beyond.
    function allOf(bytes memory value) internal pure returns (uint64[] memory indices) {
        indices = new uint64[](value.length / 4096 + 2);
        for (uint64 i; i < indices.length; ++i) {
            indices[i] = i;
        }
    }

    /// The vector's blob: its versioned hash, its commitment and the elements of it that are proved.
    function blob() internal view returns (bytes32 versionedHash, bytes memory commitment, Element[] memory elements) {
        string memory json = vm.readFile("vectors/blob-element.json");
        versionedHash = vm.parseJsonBytes32(json, ".versionedHash");
        commitment = vm.parseJsonBytes(json, ".commitment");
        uint256 count;
        while (vm.keyExistsJson(json, _at(count, "index"))) ++count;
        elements = new Element[](count);
        for (uint256 i; i < count; ++i) {
            elements[i] = Element(
                uint64(vm.parseJsonUint(json, _at(i, "index"))),
                vm.parseJsonBytes32(json, _at(i, "element")),
                vm.parseJsonBytes(json, _at(i, "proof"))
            );
        }
    }

    function _at(uint256 i, string memory name) private pure returns (string memory) {
        return string.concat(".elements[", vm.toString(i), "].", name);
    }
}

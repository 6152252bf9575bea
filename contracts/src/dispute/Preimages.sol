// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {BLOB_ELEMENTS, IPreimages, KIND_BLOB, KIND_KECCAK} from "./IPreimages.sol";
import {MemoryTree} from "./MemoryTree.sol";
import {SSTORE2} from "solady/utils/SSTORE2.sol";

/// @notice What the program reads; what everything means stands in `IPreimages`.
contract Preimages is IPreimages {
    /// @inheritdoc IPreimages
    uint256 public constant MAX_VALUE = 128 * 1024;
    /// @dev A contract's code has at most 24,576 bytes (EIP-170); the first keeps it from being called.
    uint256 private constant MAX_CHUNK = 24_575;
    /// @dev Point evaluation (EIP-4844), and the order of the field that elements are of.
    address private constant POINT_EVALUATION = address(0x0a);
    uint256 private constant BLS_MODULUS = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001;
    /// @dev 7^((BLS_MODULUS − 1) / 4096): its powers are the roots of unity at which a blob's elements are values.
    uint256 private constant ROOT_OF_UNITY = 0x564c0a11a0f704f4fc3e8acfe0f8245f0ad1347b378fbf96e206da11a5d36306;
    uint64 private constant ELEMENT_LENGTH = 32;

    struct Value {
        bool known;
        uint64 length;
    }

    /// @dev Values of kind 1 of which anything is loaded.
    mapping(bytes32 key => Value) private _values;
    /// @dev Their pages; no page's root is zero.
    mapping(bytes32 key => mapping(uint64 index => bytes32 pageRoot)) private _pages;
    /// @dev The pages of blobs' elements.
    mapping(bytes32 versionedHash => mapping(uint64 index => bytes32 pageRoot)) private _elements;

    /// @inheritdoc IPreimages
    function part(uint64 kind, bytes32 key, uint64 index)
        external
        view
        returns (bool known, uint64 length, bytes32 pageRoot)
    {
        if (kind == KIND_BLOB) {
            pageRoot = _elements[key][index];
            if (pageRoot != 0) length = ELEMENT_LENGTH;
        } else if (kind == KIND_KECCAK && _values[key].known) {
            length = _values[key].length;
            pageRoot = index < _pagesOf(length) ? _pages[key][index] : MemoryTree.pageRoot("", 0);
        }
        known = pageRoot != 0;
    }

    /// @inheritdoc IPreimages
    function store(bytes calldata chunk) external returns (address pointer) {
        require(chunk.length != 0 && chunk.length <= MAX_CHUNK, ChunkLengthWrong(chunk.length, MAX_CHUNK));
        bytes memory data = chunk;
        pointer = SSTORE2.predictCounterfactualAddress(data, 0);
        if (pointer.code.length != 0) return pointer;
        SSTORE2.writeCounterfactual(data, 0);
        emit ChunkStored(pointer, data.length);
    }

    /// @inheritdoc IPreimages
    function loadKeccak(address[] calldata pointers, bytes calldata rest, uint64[] calldata indices)
        external
        returns (bytes32 key)
    {
        bytes memory value = _joined(pointers, rest);
        key = keccak256(value);
        uint64 length = uint64(value.length);
        if (!_values[key].known) _values[key] = Value(true, length);
        for (uint256 i; i < indices.length; ++i) {
            uint64 index = indices[i];
            // Beyond the end there is nothing to keep.
            if (index >= _pagesOf(length) || _pages[key][index] != 0) continue;
            bytes32 pageRoot = MemoryTree.pageRoot(value, index * MemoryTree.PAGE);
            _pages[key][index] = pageRoot;
            emit PartLoaded(KIND_KECCAK, key, index, length, pageRoot);
        }
    }

    /// @inheritdoc IPreimages
    function loadBlobElement(
        bytes32 versionedHash,
        uint64 index,
        bytes32 element,
        bytes calldata commitment,
        bytes calldata proof
    ) external {
        require(index < BLOB_ELEMENTS, ElementIndexTooHigh(index));
        bytes memory claim = bytes.concat(versionedHash, _rootOfUnity(index), element, commitment, proof);
        (bool proven, bytes memory answer) = POINT_EVALUATION.staticcall(claim);
        // It answers what it is about; where there is no such precompile, an empty answer comes as success.
        proven = proven && keccak256(answer) == keccak256(abi.encode(BLOB_ELEMENTS, BLS_MODULUS));
        require(proven, ElementNotProven(versionedHash, index));
        if (_elements[versionedHash][index] != 0) return;
        bytes32 pageRoot = MemoryTree.pageRoot(abi.encode(element), 0);
        _elements[versionedHash][index] = pageRoot;
        emit PartLoaded(KIND_BLOB, versionedHash, index, ELEMENT_LENGTH, pageRoot);
    }

    /// @dev What is stored, chunk by chunk, and the rest.
    function _joined(address[] calldata pointers, bytes calldata rest) private view returns (bytes memory value) {
        uint256 length = rest.length;
        for (uint256 i; i < pointers.length; ++i) {
            uint256 size = pointers[i].code.length;
            require(size != 0, ChunkNotStored(pointers[i]));
            length += size - 1;
        }
        require(length <= MAX_VALUE, ValueTooLong(length, MAX_VALUE));
        value = new bytes(length);
        uint256 end;
        assembly ("memory-safe") {
            end := add(value, 32)
        }
        for (uint256 i; i < pointers.length; ++i) {
            address pointer = pointers[i];
            assembly ("memory-safe") {
                let size := sub(extcodesize(pointer), 1)
                extcodecopy(pointer, end, 1, size)
                end := add(end, size)
            }
        }
        assembly ("memory-safe") {
            calldatacopy(end, rest.offset, rest.length)
        }
    }

    function _pagesOf(uint64 length) private pure returns (uint64) {
        return (length + MemoryTree.PAGE - 1) / MemoryTree.PAGE;
    }

    /// @dev The root of unity whose exponent is the index with its 12 bits in the other order: so the highest bit of the
    /// index stands for the root itself, the next for its square.
    function _rootOfUnity(uint64 index) private pure returns (bytes32) {
        uint256 result = 1;
        uint256 power = ROOT_OF_UNITY;
        for (uint64 bit = BLOB_ELEMENTS / 2; bit != 0; bit /= 2) {
            if (index & bit != 0) result = mulmod(result, power, BLS_MODULUS);
            power = mulmod(power, power, BLS_MODULUS);
        }
        return bytes32(result);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @dev The kinds of values.
uint64 constant KIND_KECCAK = 1;
uint64 constant KIND_BLOB = 2;
/// @dev Elements of a blob, 32 bytes each.
uint64 constant BLOB_ELEMENTS = 4096;

/// @title What the program reads (protocol §8): values by key, a page at a time.
/// @notice A **part** is what READ puts into one page of memory: (kind, key, index) → the page's root (see `MemoryTree`) and
/// the whole value's length in bytes.
///
/// | kind | key | value | part |
/// |---|---|---|---|
/// | 1 | its keccak256 | any bytes, at most 128 KiB | bytes `4096·index …` of it, zeros where it has ended |
/// | 2 | a blob's versioned hash (EIP-4844) | 32 bytes | element `index` (below 4096) of the blob, as it stands there, then zeros |
///
/// Anyone may load parts; what the key does not commit to is refused, so a part is the same for all and for ever. To load one
/// again changes nothing. Once anything of a value is loaded, all parts beyond its end are known: they are zeros.
///
/// What of a value does not fit one transaction is stored first, as the code of small contracts (`store`). A stored byte
/// costs five times as much as one in the call that loads, so store no more than need be: L1's nodes pass on transactions of
/// up to 128 KiB. A program must not read longer values than `MAX_VALUE`: nobody could show the step.
interface IPreimages {
    /// A part can be read now.
    event PartLoaded(uint64 indexed kind, bytes32 indexed key, uint64 index, uint64 length, bytes32 pageRoot);
    /// A chunk stands in the code of `pointer`.
    event ChunkStored(address indexed pointer, uint256 length);

    /// No value may be longer than `most` bytes.
    error ValueTooLong(uint256 length, uint256 most);
    /// A chunk has 1 to `most` bytes: cut the value into such.
    error ChunkLengthWrong(uint256 length, uint256 most);
    /// Nothing is stored there: `store` the chunk first, and give the address that it returns.
    error ChunkNotStored(address pointer);
    /// A blob has 4096 elements.
    error ElementIndexTooHigh(uint64 index);
    /// The precompile refuses the proof: give commitment and proof of this very element at the root of unity of this index.
    error ElementNotProven(bytes32 versionedHash, uint64 index);

    /// @notice A part: whether it is loaded, the value's length in bytes (0 if not known), the root of the page.
    function part(uint64 kind, bytes32 key, uint64 index)
        external
        view
        returns (bool known, uint64 length, bytes32 pageRoot);

    /// @notice Stores 1 to 24,575 bytes as the code of a contract whose address depends on nothing else, for `loadKeccak`. If
    /// they are there already, it only returns the address.
    function store(bytes calldata chunk) external returns (address pointer);

    /// @notice Loads parts of kind 1. The value, at most `MAX_VALUE` bytes, is what is stored and the rest.
    /// @param pointers Where its first chunks are stored, in order.
    /// @param rest What follows; all of it, if nothing is stored.
    /// @param indices Which parts.
    /// @return key keccak256 of the value.
    function loadKeccak(address[] calldata pointers, bytes calldata rest, uint64[] calldata indices)
        external
        returns (bytes32 key);

    /// @notice Loads a part of kind 2.
    /// @param versionedHash The blob's.
    /// @param index The element's place in the blob.
    /// @param element The blob's 32 bytes there: the polynomial's value at the root of unity with the bit-reversed index.
    /// @param commitment KZG commitment to the blob, 48 bytes.
    /// @param proof KZG proof of that value, 48 bytes.
    function loadBlobElement(
        bytes32 versionedHash,
        uint64 index,
        bytes32 element,
        bytes calldata commitment,
        bytes calldata proof
    ) external;

    /// @notice The longest value, in bytes.
    function MAX_VALUE() external view returns (uint256);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../bonding/ISequencerRegistry.sol";
import {IFault} from "./IFault.sol";

/// @title Two statements of one key that contradict each other (protocol §9).
/// @notice Evidence is exactly `abi.encode(uint8 firstKind, bytes first, bytes firstSignature, uint8 secondKind, bytes second,
/// bytes secondSignature)`: kind 1 `Notarize`, 2 `Finalize`, 3 `Nullify`, 4 `Batch`; `first` and `second` the struct of
/// `Messages.sol` as `abi.encode` writes it, a word a field; signatures of 64 bytes (EIP-2098, low s). Which comes first
/// does not matter to the verdict. Both must be of this registry's rollup, of one term and one genesis, and:
///
/// | pair | of the same | and differ in |
/// |---|---|---|
/// | `Notarize`, `Notarize` | view | block hash or parent view |
/// | `Finalize`, `Finalize` | view | block hash or parent view |
/// | `Nullify`, `Finalize` | view | – |
/// | `Batch`, `Batch` | last height | last hash; or, with the same first height, block hash root |
///
/// Every other field of a `Batch` may differ innocently. So may the root if the first height does, for it is over the hashes from
/// there on: a seat that attended (`IIdle`) with blocks 1 to 9 signs a batch of 5 to 9 when another of 1 to 4 has come.
///
/// `Notarize(A)` beside `Finalize(B)` alone is none. Messages are compared, never signatures. Receipts are judged in a later
/// step.
///
/// **Order of the checks** (the first that fails names the error): form; kinds; lengths and ranges, first then second;
/// rollup; term; genesis; view or height; contents; signatures, first then second; signer; seat.
interface IEquivocation is IFault {
    /// The bytes are not exactly what `abi.encode` makes of two statements and their signatures.
    error EvidenceMalformed();
    /// No statement of this kind is judged.
    error UnknownKind(uint8 kind);
    /// Two kinds that never contradict each other.
    error KindsDoNotContradict(uint8 firstKind, uint8 secondKind);
    /// A statement of this kind has another length.
    error StatementLengthWrong(uint8 kind, uint256 length, uint256 expected);
    /// The field at this place of a statement does not fit its type.
    error FieldOutOfRange(uint8 kind, uint256 place);
    /// A statement is of another rollup than this registry's.
    error WrongRollup(uint64 rollup, uint64 expected);
    /// Two terms.
    error DifferentTerms(uint64 first, uint64 second);
    /// Two histories before the term: nobody signs both unless L1 was reorganised below what was settled.
    error DifferentGenesis(bytes32 first, bytes32 second);
    /// Two views.
    error DifferentViews(uint64 first, uint64 second);
    /// Two last heights.
    error DifferentHeights(uint64 first, uint64 second);
    /// Both say the same of all that counts.
    error NoContradiction();
    /// This statement's signature (0 the first, 1 the second) is not 64 bytes of EIP-2098 with low `s` that an address can be
    /// recovered from.
    error SignatureInvalid(uint256 place);
    /// Two keys signed.
    error DifferentSigners(address first, address second);
    /// Nobody registered this key; so it is, too, when a statement was changed after it was signed.
    error SignerIsNoSeat(address signer);

    /// @notice The registry whose seats are judged.
    function registry() external view returns (ISequencerRegistry);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../bonding/ISequencerRegistry.sol";
import {Messages} from "../lib/Messages.sol";
import {IEquivocation} from "./IEquivocation.sol";
import {Verdict} from "./IFault.sol";

/// @notice Judges equivocations; what everything means stands in `IEquivocation`.
contract Equivocation is IEquivocation {
    uint256 private constant NOTARIZE = 1;
    uint256 private constant FINALIZE = 2;
    uint256 private constant NULLIFY = 3;
    uint256 private constant BATCH = 4;

    /// @dev Places of fields, in words.
    uint256 private constant TERM = 1;
    uint256 private constant GENESIS = 2;
    uint256 private constant VIEW = 3;
    uint256 private constant PARENT_VIEW = 4;
    uint256 private constant BLOCK_HASH = 5;
    uint256 private constant FIRST_HEIGHT = 3;
    uint256 private constant LAST_HEIGHT = 4;
    uint256 private constant LAST_HASH = 7;
    uint256 private constant BLOCK_HASH_ROOT = 8;

    ISequencerRegistry public immutable registry;
    uint64 private immutable _rollup;
    bytes32 private immutable _domainSeparator;
    uint256 private immutable _chainId;

    /// @param registry_ Whose seats are judged.
    constructor(ISequencerRegistry registry_) {
        registry = registry_;
        _rollup = registry_.parameters().rollup;
        _domainSeparator = registry_.domainSeparator();
        _chainId = block.chainid;
    }

    /// @notice See `IEquivocation`.
    function judge(bytes calldata evidence) external view returns (Verdict memory) {
        require(evidence.length >= 6 * 32, EvidenceMalformed());
        uint256 firstKind = _word(evidence, 0);
        uint256 secondKind = _word(evidence, 3);
        (bytes calldata first, uint256 next) = _part(evidence, 1, 6 * 32);
        bytes calldata firstSignature;
        bytes calldata second;
        bytes calldata secondSignature;
        (firstSignature, next) = _part(evidence, 2, next);
        (second, next) = _part(evidence, 4, next);
        (secondSignature, next) = _part(evidence, 5, next);
        require(
            next == evidence.length && firstKind <= type(uint8).max && secondKind <= type(uint8).max,
            EvidenceMalformed()
        );

        _checkKinds(firstKind, secondKind);
        _checkForm(firstKind, first);
        _checkForm(secondKind, second);
        _checkContradiction(firstKind, first, secondKind, second);

        // After a fork of L1 the seats sign for the chain that they are on.
        bytes32 separator = block.chainid == _chainId ? _domainSeparator : registry.domainSeparator();
        address signer = _signer(separator, firstKind, first, firstSignature, 0);
        address other = _signer(separator, secondKind, second, secondSignature, 1);
        require(signer == other, DifferentSigners(signer, other));
        uint64 seat = registry.seatOfVoteKey(signer);
        require(seat != 0, SignerIsNoSeat(signer));
        return Verdict({seat: seat, term: uint64(_word(first, TERM)), rollup: _rollup});
    }

    /// @dev The bytes at `offset`, to which the head at place `head` must point, and where the next begin. Bytes of a length that
    /// is no multiple of a word never pass what follows, so their padding is not looked at.
    function _part(bytes calldata evidence, uint256 head, uint256 offset)
        private
        pure
        returns (bytes calldata part, uint256 next)
    {
        require(_word(evidence, head) == offset && offset + 32 <= evidence.length, EvidenceMalformed());
        uint256 length = _word(evidence, offset / 32);
        uint256 start = offset + 32;
        require(length <= evidence.length - start, EvidenceMalformed());
        part = evidence[start:start + length];
        next = start + (length + 31) / 32 * 32;
    }

    /// @dev The two kinds are in the table, in either order.
    function _checkKinds(uint256 first, uint256 second) private pure {
        require(first >= NOTARIZE && first <= BATCH, UnknownKind(uint8(first)));
        require(second >= NOTARIZE && second <= BATCH, UnknownKind(uint8(second)));
        bool same = first == second && first != NULLIFY;
        bool ends = first + second == FINALIZE + NULLIFY && (first == FINALIZE || second == FINALIZE);
        require(same || ends, KindsDoNotContradict(uint8(first), uint8(second)));
    }

    /// @dev A statement has its kind's length, and each number fits into 64 bits.
    function _checkForm(uint256 kind, bytes calldata statement) private pure {
        uint256 expected = kind == BATCH ? 14 * 32 : kind == NULLIFY ? 4 * 32 : 6 * 32;
        require(statement.length == expected, StatementLengthWrong(uint8(kind), statement.length, expected));
        uint256 all = _word(statement, 0) | _word(statement, TERM) | _word(statement, VIEW);
        if (kind != NULLIFY) all |= _word(statement, PARENT_VIEW);
        if (kind == BATCH) all |= _word(statement, 9) | _word(statement, 10);
        if (all > type(uint64).max) _refuseField(kind, statement);
    }

    /// @dev Names the first number that is too large.
    function _refuseField(uint256 kind, bytes calldata statement) private pure {
        // Bit i: the field at place i is a number.
        uint256 numbers = kind == BATCH ? 0x61b : kind == NULLIFY ? 0x0b : 0x1b;
        for (uint256 place;; ++place) {
            if (numbers >> place & 1 == 0) continue;
            require(_word(statement, place) <= type(uint64).max, FieldOutOfRange(uint8(kind), place));
        }
    }

    /// @dev The table.
    function _checkContradiction(uint256 firstKind, bytes calldata first, uint256 secondKind, bytes calldata second)
        private
        view
    {
        require(_word(first, 0) == _rollup, WrongRollup(uint64(_word(first, 0)), _rollup));
        require(_word(second, 0) == _rollup, WrongRollup(uint64(_word(second, 0)), _rollup));
        (uint256 a, uint256 b) = (_word(first, TERM), _word(second, TERM));
        require(a == b, DifferentTerms(uint64(a), uint64(b)));
        (a, b) = (_word(first, GENESIS), _word(second, GENESIS));
        require(a == b, DifferentGenesis(bytes32(a), bytes32(b)));
        if (firstKind == BATCH) {
            (a, b) = (_word(first, LAST_HEIGHT), _word(second, LAST_HEIGHT));
            require(a == b, DifferentHeights(uint64(a), uint64(b)));
            bool isSame = _word(first, LAST_HASH) == _word(second, LAST_HASH)
                && (_word(first, BLOCK_HASH_ROOT) == _word(second, BLOCK_HASH_ROOT)
                    || _word(first, FIRST_HEIGHT) != _word(second, FIRST_HEIGHT));
            require(!isSame, NoContradiction());
        } else {
            (a, b) = (_word(first, VIEW), _word(second, VIEW));
            require(a == b, DifferentViews(uint64(a), uint64(b)));
            require(firstKind != secondKind || _differ(first, second, PARENT_VIEW, BLOCK_HASH), NoContradiction());
        }
    }

    /// @dev Whether two statements differ in one of two fields.
    function _differ(bytes calldata a, bytes calldata b, uint256 one, uint256 other) private pure returns (bool) {
        return _word(a, one) != _word(b, one) || _word(a, other) != _word(b, other);
    }

    /// @dev Who signed a statement.
    function _signer(bytes32 separator, uint256 kind, bytes calldata statement, bytes calldata signature, uint256 place)
        private
        view
        returns (address signer)
    {
        bytes32 typeHash = kind == NOTARIZE
            ? Messages.NOTARIZE_TYPEHASH
            : kind == FINALIZE
                ? Messages.FINALIZE_TYPEHASH
                : kind == NULLIFY ? Messages.NULLIFY_TYPEHASH : Messages.BATCH_TYPEHASH;
        bytes32 structHash = keccak256(abi.encodePacked(typeHash, statement));
        signer = Messages.recover(Messages.digest(separator, structHash), signature);
        require(signer != address(0), SignatureInvalid(place));
    }

    /// @dev The word at a place; the caller knows that it is there.
    function _word(bytes calldata data, uint256 place) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(data.offset, mul(place, 32)))
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../bonding/ISequencerRegistry.sol";
import {Batch, Messages} from "../lib/Messages.sol";
import {Parameters, ProtocolParameters} from "../lib/Parameters.sol";
import {IInbox, Lapse, ParentClaim} from "../rollup/IInbox.sol";
import {Verdict} from "./IFault.sol";
import {IIdle} from "./IIdle.sol";
import {SSTORE2} from "solady/utils/SSTORE2.sol";

/// @notice Judges idleness; what everything means stands in `IIdle`.
contract Idle is IIdle {
    using Messages for Batch;

    /// @notice The most lapses of one term that count: each costs somebody a batch.
    uint256 public constant MAX_LAPSES = 64;

    ISequencerRegistry public immutable registry;
    IInbox public immutable inbox;
    uint64 public immutable idleDelay;
    uint64 private immutable _rollup;
    uint256 private immutable _overlap;
    uint256 private immutable _grace;

    mapping(uint64 batchIndex => mapping(uint64 term => mapping(uint64 seat => bool))) public attended;

    /// @param registry_ Whose seats are judged.
    /// @param inbox_ What they work for.
    constructor(ISequencerRegistry registry_, IInbox inbox_) {
        require(inbox_.registry() == registry_, InboxOfAnotherRegistry(address(inbox_)));
        ProtocolParameters memory p = registry_.parameters();
        registry = registry_;
        inbox = inbox_;
        idleDelay = uint64(Parameters.idleDelay(p));
        _rollup = p.rollup;
        _overlap = p.overlap;
        _grace = p.grace;
    }

    /// @inheritdoc IIdle
    function attend(
        Batch calldata statement,
        ParentClaim[] calldata ancestry,
        bytes32[] calldata leftSiblings,
        uint256 place,
        bytes calldata signature,
        bytes calldata data
    ) external {
        uint64 since = inbox.waitingSince();
        require(since <= block.timestamp, NothingToAttendTo(since));
        inbox.checkBatch(statement, ancestry, leftSiblings, data);
        uint64 term = registry.currentTerm();
        require(statement.term == term, NotTheCurrentTerm(statement.term, term));
        bytes memory members = SSTORE2.read(registry.postingCommittee(term));
        uint256 n = members.length / 60;
        bytes32 structHash = statement.hash();
        address signer = Messages.recover(Messages.digest(registry.domainSeparator(), structHash), signature);
        require(
            place < n && signer != address(0) && signer == address(uint160(_read(members, place * 20, 20))),
            SignatureInvalid(place)
        );
        uint64 seat = uint64(_read(members, n * 20 + place * 8, 8));
        uint64 batchIndex = inbox.batchIndex();
        require(!attended[batchIndex][term][seat], AttendedBefore(seat));
        attended[batchIndex][term][seat] = true;
        emit Attended(seat, term, batchIndex, structHash);
    }

    /// @notice See `IIdle`.
    function judge(bytes calldata evidence) external view returns (Verdict memory verdict) {
        (verdict,) = assess(evidence);
    }

    /// @inheritdoc IIdle
    function assess(bytes calldata evidence) public view returns (Verdict memory verdict, uint256 counted) {
        require(evidence.length == 64, EvidenceMalformed());
        (uint256 term, uint256 seat) = abi.decode(evidence, (uint256, uint256));
        require(term | seat <= type(uint64).max, EvidenceMalformed());
        verdict = Verdict(uint64(seat), uint64(term), _rollup);
        uint64 end = registry.termStart(verdict.term + 1);
        require(block.timestamp >= uint256(end) + idleDelay, TermNotOver(verdict.term, end + idleDelay));
        require(_isOnDuty(verdict.seat, verdict.term, end), NotOnDuty(verdict.seat, verdict.term));
        counted = idleSeconds(verdict.term, verdict.seat);
        require(counted != 0, NotIdle(verdict.seat, verdict.term));
    }

    /// @inheritdoc IIdle
    function idleSeconds(uint64 term, uint64 seat) public view returns (uint256 counted) {
        uint256 start = registry.termStart(term) + _overlap;
        uint256 end = registry.termStart(term + 1);
        uint256 n = inbox.lapseCount();
        // The first lapse that ends after the start; the one at place n is not over.
        uint256 place;
        for (uint256 high = n; place < high;) {
            uint256 middle = (place + high) / 2;
            if (inbox.lapse(middle).to > start) high = middle;
            else place = middle + 1;
        }
        for (uint256 last = place + MAX_LAPSES; place <= n && place < last; ++place) {
            Lapse memory l = inbox.lapse(place);
            if (l.from >= end) break;
            uint256 from = l.from > start ? l.from : start;
            uint256 to = l.to < end ? l.to : end;
            if (to <= from + l.missed || attended[l.batch][term][seat]) continue;
            if (uint256(l.from) + _grace > end && attended[l.batch][term + 1][seat]) continue;
            counted += to - from - l.missed;
        }
    }

    /// @dev Whether a seat is on a term's committee, and was not frozen before the term's end.
    function _isOnDuty(uint64 seat, uint64 term, uint256 end) private view returns (bool) {
        uint256 frozenAt = registry.stake(seat).frozenAt;
        if (frozenAt != 0 && frozenAt < end) return false;
        bytes memory members = SSTORE2.read(registry.committeeOf(term));
        uint256 n = members.length / 60;
        // Members stand in ascending order.
        uint256 low;
        for (uint256 high = n; low < high;) {
            uint256 middle = (low + high) / 2;
            if (_read(members, n * 20 + middle * 8, 8) < seat) low = middle + 1;
            else high = middle;
        }
        return low < n && _read(members, n * 20 + low * 8, 8) == seat;
    }

    /// @dev A big-endian number of `size` bytes; the caller knows that it is there.
    function _read(bytes memory data, uint256 offset, uint256 size) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := shr(sub(256, mul(8, size)), mload(add(add(data, 32), offset)))
        }
    }
}

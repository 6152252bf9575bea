// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IEquivocation} from "../faults/IEquivocation.sol";
import {IFault, Verdict} from "../faults/IFault.sol";
import {IIdle} from "../faults/IIdle.sol";
import {IInvalidState} from "../faults/IInvalidState.sol";
import {Parameters, ProtocolParameters} from "../lib/Parameters.sol";
import {ISequencerRegistry, Member, Stake} from "./ISequencerRegistry.sol";
import {ISlasher, Offence} from "./ISlasher.sol";
import {LibBit} from "solady/utils/LibBit.sol";

/// @notice Takes the stake for what was shown; what everything means stands in `ISlasher`.
/// @dev The first offence of a seat is noted in the seat's own slot in the registry (`Stake.record`), which a report writes
/// anyway; further ones are here. A note is `others ‖ term ‖ fault ‖ count` of 16, 40, 8 and 8 bits.
contract Slasher is ISlasher {
    /// @notice The most records of offences that one call reads to count.
    uint256 public constant MAX_READS = 2048;
    /// @notice The most fines that one report drops from the window.
    uint256 public constant MAX_FINES = 256;
    address public constant BURN_ADDRESS = 0x000000000000000000000000000000000000dEaD;
    /// @dev The numbers of faults in notes.
    uint256 private constant EQUIVOCATION = 1;
    uint256 private constant INVALID_STATE = 2;

    /// @dev One slot that each report writes.
    struct Books {
        /// Wei that the registry holds for nobody.
        uint96 unburnt;
        /// Places taken in the list of offenders; place 0 holds none.
        uint32 offenders;
        /// The seats of the list's last group of four places, 32 bits each, the first in the lowest.
        uint128 group;
    }

    /// @dev What idleness cost a seat in the last `idleWindow`: fines from place `first` on, up to `next`.
    struct Fines {
        uint40 first;
        uint40 next;
        uint96 sum;
    }

    struct Fine {
        uint40 time;
        uint96 amount;
    }

    /// @dev What is being counted, and how much may still be read.
    struct Count {
        uint64 seat;
        uint64 term;
        uint256 fault;
        uint256 reads;
    }

    ISequencerRegistry public immutable registry;
    IFault public immutable equivocation;
    IFault public immutable idle;
    IFault public immutable invalidState;
    uint64 public immutable evidenceWindow;
    uint64 private immutable _rollup;
    uint64 private immutable _unbonding;
    uint64 private immutable _window;
    uint64 private immutable _freezeDelay;
    uint256 private immutable _bond;
    uint256 private immutable _shareBasisPoints;
    uint256 private immutable _shareCap;
    uint256 private immutable _idleCap;
    uint256 private immutable _idleLimit;
    uint256 private immutable _idleWindow;

    Books private _books;
    /// @dev Seats in order of their first offence but for the last group, eight to a word, the first in the lowest bits.
    mapping(uint256 word => uint256 seats) private _offenders;
    /// @dev A seat's offences from the second on, by their place.
    mapping(uint64 seat => mapping(uint256 place => uint72 note)) private _notes;
    mapping(uint64 seat => Fines) private _fines;
    mapping(uint64 seat => mapping(uint256 place => Fine)) private _fineAt;
    /// @dev Terms whose idleness was punished, of 256 seats a word.
    mapping(uint64 term => mapping(uint64 word => uint256 seats)) private _fined;
    mapping(address reporter => uint256 amount) public rewardOf;

    /// @param registry_ Holds the bonds; must have been made with this contract as its slasher.
    /// @param equivocation_ Judges equivocations of that registry's seats.
    /// @param idle_ Judges their idleness.
    /// @param invalidState_ Judges what they sign to be the state.
    constructor(
        ISequencerRegistry registry_,
        IEquivocation equivocation_,
        IIdle idle_,
        IInvalidState invalidState_
    ) {
        require(registry_.slasher() == address(this), RegistryOfAnotherSlasher(registry_.slasher()));
        require(address(equivocation_.registry()) == address(registry_), FaultOfAnotherRegistry(address(equivocation_)));
        require(address(idle_.registry()) == address(registry_), FaultOfAnotherRegistry(address(idle_)));
        require(
            address(invalidState_.registry()) == address(registry_), FaultOfAnotherRegistry(address(invalidState_))
        );
        ProtocolParameters memory p = registry_.parameters();
        registry = registry_;
        equivocation = equivocation_;
        idle = idle_;
        invalidState = invalidState_;
        _idleCap = Parameters.idleCap(p);
        _idleLimit = p.idle.limit;
        _idleWindow = p.idle.window;
        evidenceWindow = uint64(Parameters.evidenceWindow(p));
        _rollup = p.rollup;
        _unbonding = p.unbonding;
        _window = p.correlationWindow;
        _freezeDelay = registry_.freezeDelay();
        _bond = p.bond;
        _shareBasisPoints = p.reporterShareBasisPoints;
        _shareCap = p.reporterShareCap;
        // The slots that reports write are not zero: a first report costs what later ones do.
        _books = Books(0, 1, 0);
        _offenders[0] = type(uint32).max;
    }

    /// @inheritdoc ISlasher
    function report(address fault, bytes calldata evidence)
        external
        returns (uint64 seat, uint256 taken, uint256 reward)
    {
        if (fault == address(idle)) return _reportIdle(evidence);
        if (fault == address(invalidState)) return _reportInvalidState(evidence);
        require(fault == address(equivocation), UnknownFault(fault));
        Verdict memory verdict = IFault(fault).judge(evidence);
        require(verdict.rollup == _rollup, FaultOfAnotherRollup(verdict.rollup, _rollup));
        seat = verdict.seat;
        (Stake memory stake, uint64 start) = registry.standing(seat, verdict.term);
        _checkTerm(verdict.term, start);
        _checkLiable(seat, stake, start);
        require(!_slashed(seat, stake.record, EQUIVOCATION, verdict.term), AlreadySlashed(seat, fault, verdict.term));

        (uint256 others, uint256 f) = _others(Count(seat, verdict.term, EQUIVOCATION, 0), start);
        taken = _penalty(others, f);
        if (taken > stake.bond) taken = stake.bond;
        reward = _rewardFor(taken);

        uint72 record = _remember(seat, stake.record, _note(EQUIVOCATION, verdict.term, others));
        _book(seat, stake.record == 0, taken - reward);
        rewardOf[msg.sender] += reward;
        registry.punish(seat, taken, record);
        emit Slashed(seat, fault, verdict.term, msg.sender, taken, reward);
    }

    /// @dev Fines a seat for the idleness of one term.
    function _reportIdle(bytes calldata evidence) private returns (uint64 seat, uint256 taken, uint256 reward) {
        (Verdict memory verdict, uint256 idleSeconds) = IIdle(address(idle)).assess(evidence);
        require(verdict.rollup == _rollup, FaultOfAnotherRollup(verdict.rollup, _rollup));
        seat = verdict.seat;
        (Stake memory stake, uint64 start) = registry.standing(seat, verdict.term);
        _checkTerm(verdict.term, start);
        _checkLiable(seat, stake, start);
        uint256 word = _fined[verdict.term][seat / 256];
        require(word >> seat % 256 & 1 == 0, AlreadySlashed(seat, address(idle), verdict.term));
        _fined[verdict.term][seat / 256] = word | 1 << seat % 256;

        Fines memory fines = _recentFines(seat);
        uint256 room = _idleCap - fines.sum;
        taken = _idleCap * idleSeconds / _idleLimit;
        bool suspend = taken >= room;
        if (suspend) taken = room;
        if (taken > stake.bond) taken = stake.bond;
        if (taken != 0) _fineAt[seat][fines.next++] = Fine(uint40(block.timestamp), uint96(taken));
        fines.sum += uint96(taken);
        _fines[seat] = fines;

        reward = _rewardFor(taken);
        _books.unburnt += uint96(taken - reward);
        rewardOf[msg.sender] += reward;
        registry.fine(seat, taken, suspend);
        emit Slashed(seat, address(idle), verdict.term, msg.sender, taken, reward);
    }

    /// @inheritdoc ISlasher
    function freeze(uint64 term, uint64 signers) external {
        require(msg.sender == address(IInvalidState(address(invalidState)).claims()), NotClaims(msg.sender));
        Member[] memory members = registry.committee(term);
        for (; signers != 0; signers &= signers - 1) {
            uint64 seat = members[LibBit.ffs(signers)].seat;
            Stake memory stake = registry.stake(seat);
            if (_hasSignedWrong(seat, stake.record)) continue;
            _punishInvalidState(Verdict(seat, term, _rollup), stake, 0, address(0));
        }
    }

    /// @dev Freezes a signer, or takes its whole bond.
    function _reportInvalidState(bytes calldata evidence)
        private
        returns (uint64 seat, uint256 taken, uint256 reward)
    {
        (Verdict memory verdict, bool isSettled, address winner) =
            IInvalidState(address(invalidState)).assess(evidence);
        require(verdict.rollup == _rollup, FaultOfAnotherRollup(verdict.rollup, _rollup));
        seat = verdict.seat;
        Stake memory stake = registry.stake(seat);
        if (isSettled) {
            require(stake.bond != 0, NothingAtStake(seat));
            taken = stake.bond;
        } else {
            require(!_hasSignedWrong(seat, stake.record), RightClaimNotFinal(seat));
        }
        reward = _punishInvalidState(verdict, stake, taken, winner);
    }

    /// @dev The first time the seat is frozen and put into the books.
    function _punishInvalidState(Verdict memory verdict, Stake memory stake, uint256 taken, address winner)
        private
        returns (uint256 reward)
    {
        if (winner != address(0)) reward = _rewardFor(taken);
        uint72 record = stake.record;
        if (!_hasSignedWrong(verdict.seat, record)) {
            record = _remember(verdict.seat, record, _note(INVALID_STATE, verdict.term, 0));
        }
        _book(verdict.seat, stake.record == 0, taken - reward);
        rewardOf[winner] += reward;
        registry.punish(verdict.seat, taken, record);
        emit Slashed(verdict.seat, address(invalidState), verdict.term, winner, taken, reward);
    }

    /// @dev Whether a seat is noted for a wrong state. Once is enough: it costs all.
    function _hasSignedWrong(uint64 seat, uint72 record) private view returns (bool) {
        return _within(seat, record, INVALID_STATE, 0, type(uint40).max);
    }

    /// @dev A seat's fines without those that left the window; what the next fine may be depends on the rest.
    function _recentFines(uint64 seat) private view returns (Fines memory fines) {
        fines = _fines[seat];
        for (uint256 n; n < MAX_FINES && fines.first < fines.next; ++n) {
            Fine memory oldest = _fineAt[seat][fines.first];
            if (oldest.time + _idleWindow > block.timestamp) break;
            fines.sum -= oldest.amount;
            ++fines.first;
        }
    }

    /// @inheritdoc ISlasher
    function recentFines(uint64 seat) external view returns (uint256) {
        return _recentFines(seat).sum;
    }

    /// @inheritdoc ISlasher
    function settle(uint64 seat) external returns (uint256 amount) {
        Stake memory stake = registry.stake(seat);
        uint72[] memory notes;
        (amount, notes) = _owed(seat, stake);
        if (amount == 0) return 0;
        for (uint256 i = 1; i < notes.length; ++i) {
            _notes[seat][i] = notes[i];
        }
        _books.unburnt += uint96(amount);
        registry.punish(seat, amount, notes[0]);
        emit PenaltyRaised(seat, amount);
    }

    /// @inheritdoc ISlasher
    function withdrawReward(address payable to) external {
        uint256 amount = rewardOf[msg.sender];
        require(amount != 0, NoReward(msg.sender));
        rewardOf[msg.sender] = 0;
        emit RewardWithdrawn(msg.sender, to, amount);
        registry.pay(to, amount);
    }

    /// @inheritdoc ISlasher
    function burn() external {
        uint256 amount = _books.unburnt;
        require(amount != 0, NothingToBurn());
        _books.unburnt = 0;
        emit Burnt(amount);
        registry.pay(payable(BURN_ADDRESS), amount);
    }

    /// @inheritdoc ISlasher
    function unburnt() external view returns (uint256) {
        return _books.unburnt;
    }

    /// @inheritdoc ISlasher
    function offences(uint64 seat) external view returns (Offence[] memory list) {
        uint72[] memory notes = _all(seat, registry.stake(seat).record);
        list = new Offence[](notes.length);
        for (uint256 i; i < notes.length; ++i) {
            address fault = address(_faultOf(notes[i]) == EQUIVOCATION ? equivocation : invalidState);
            list[i] = Offence(fault, _termOf(notes[i]), _othersOf(notes[i]));
        }
    }

    /// @inheritdoc ISlasher
    function isSlashed(uint64 seat, address fault, uint64 term) external view returns (bool) {
        if (fault == address(idle)) return _fined[term][seat / 256] >> seat % 256 & 1 == 1;
        uint72 record = registry.stake(seat).record;
        if (fault == address(invalidState)) return _slashed(seat, record, INVALID_STATE, term);
        return fault == address(equivocation) && _slashed(seat, record, EQUIVOCATION, term);
    }

    /// @inheritdoc ISlasher
    function owed(uint64 seat) external view returns (uint256 amount) {
        (amount,) = _owed(seat, registry.stake(seat));
    }

    /// @inheritdoc ISlasher
    function penalty(uint256 k, uint256 n) external view returns (uint256) {
        return _penalty(k == 0 ? 0 : k - 1, _faulty(n));
    }

    /// @dev What is paid for a report that took this much.
    function _rewardFor(uint256 taken) private view returns (uint256 reward) {
        reward = taken * _shareBasisPoints / 10_000;
        if (reward > _shareCap) reward = _shareCap;
    }

    /// @dev The term has started and can still be judged.
    function _checkTerm(uint64 term, uint64 start) private view {
        require(start <= block.timestamp, TermNotStarted(term));
        uint64 until = start + evidenceWindow;
        require(block.timestamp < until, TermTooOld(term, until));
    }

    /// @dev The seat answers for a term that starts at `start`, and has something to answer with.
    function _checkLiable(uint64 seat, Stake memory stake, uint64 start) private view {
        if (stake.withdrawableAt != 0) {
            uint64 since = uint64(stake.withdrawableAt) - _unbonding;
            require(start < since, SeatNotLiable(seat, since, start));
        }
        if (stake.frozenAt != 0) {
            uint64 since = uint64(stake.frozenAt) + _freezeDelay;
            require(start < since, SeatNotLiable(seat, since, start));
        }
        require(stake.bond != 0, NothingAtStake(seat));
    }

    /// @dev What is burnt, and the list of offenders.
    function _book(uint64 seat, bool isFirst, uint256 burnt) private {
        Books memory books = _books;
        if (isFirst) {
            uint256 place = books.offenders++;
            if (place % 4 == 0) {
                _offenders[(place - 1) / 8] |= uint256(books.group) << (place - 1) % 8 / 4 * 128;
                books.group = 0;
            }
            books.group |= uint128(seat) << uint128(place % 4 * 32);
        }
        books.unburnt += uint96(burnt);
        _books = books;
    }

    // Notes

    function _note(uint256 fault, uint64 term, uint256 others) private pure returns (uint72) {
        return uint72(others << 56 | uint256(term) << 16 | fault << 8);
    }

    function _termOf(uint72 note) private pure returns (uint64) {
        return uint40(note >> 16);
    }

    function _faultOf(uint72 note) private pure returns (uint256) {
        return uint8(note >> 8);
    }

    function _othersOf(uint72 note) private pure returns (uint64) {
        return uint16(note >> 56);
    }

    /// @dev Adds a note; returns the seat's record with the new count.
    function _remember(uint64 seat, uint72 record, uint72 note) private returns (uint72) {
        uint256 count = uint8(record);
        if (count == 0) return note | 1;
        // A base penalty is a twentieth of the bond: there are at most 21, the last for what rounding leaves, and one that
        // costs all.
        _notes[seat][count] = note;
        return record + 1;
    }

    /// @dev All notes of a seat; the first with its count.
    function _all(uint64 seat, uint72 record) private view returns (uint72[] memory notes) {
        notes = new uint72[](uint8(record));
        for (uint256 i; i < notes.length; ++i) {
            notes[i] = i == 0 ? record : _notes[seat][i];
        }
    }

    function _slashed(uint64 seat, uint72 record, uint256 fault, uint64 term) private view returns (bool) {
        return _within(seat, record, fault, term, term);
    }

    /// @dev Whether a seat was punished for a fault in a term from `first` to `last`.
    function _within(uint64 seat, uint72 record, uint256 fault, uint64 first, uint64 last) private view returns (bool) {
        uint256 count = uint8(record);
        for (uint256 i; i < count; ++i) {
            uint72 note = i == 0 ? record : _notes[seat][i];
            uint64 term = _termOf(note);
            if (_faultOf(note) == fault && term >= first && term <= last) return true;
        }
        return false;
    }

    // Correlation

    /// @dev f of a committee of `n`, at least 1.
    function _faulty(uint256 n) private pure returns (uint256) {
        return n < 7 ? 1 : (n - 1) / 3;
    }

    /// @dev base + (par − base) × min(1, others / f).
    function _penalty(uint256 others, uint256 f) private view returns (uint256) {
        uint256 base = _bond * Parameters.BASE_PENALTY_BASIS_POINTS / 10_000;
        return others >= f ? _bond : base + (_bond - base) * others / f;
    }

    /// @dev How many other seats have the same fault near this one, at most f, and f. (f is 1 where nobody was counted.)
    ///
    /// A seat is in the list since its first report, at `frozenAt`, in that order. It answers for terms that start before
    /// `frozenAt + freezeDelay`, and its first report came within the evidence window of its term's start, as each does. So
    /// only those count whose `frozenAt` is in (start − window − freezeDelay, start + window + evidenceWindow].
    function _others(Count memory c, uint64 start) private view returns (uint256 others, uint256 f) {
        f = 1;
        Books memory books = _books;
        uint256 place = _firstAfter(books, uint256(start) + _window + evidenceWindow);
        (uint64 first, uint64 last) = (0, 0);
        while (place > 1 && c.reads < MAX_READS) {
            uint64 seat = _offender(books, --place);
            Stake memory stake = registry.stake(seat);
            c.reads += uint8(stake.record);
            if (uint256(stake.frozenAt) + _freezeDelay + _window <= start) break;
            if (seat == c.seat) continue;
            if (last == 0) {
                (first, last) = registry.termsStartingIn(start < _window ? 0 : start - _window, start + _window);
                f = _faulty(registry.committeeSize(c.term));
            }
            if (!_within(seat, stake.record, c.fault, first, last)) continue;
            if (++others == f) break;
        }
    }

    /// @dev The seat at a place of the list.
    function _offender(Books memory books, uint256 place) private view returns (uint64) {
        if (place / 4 == (books.offenders - 1) / 4) return uint32(books.group >> place % 4 * 32);
        return uint32(_offenders[place / 8] >> place % 8 * 32);
    }

    /// @dev The first place of the list whose seat was frozen after `time`; the end if there is none.
    function _firstAfter(Books memory books, uint256 time) private view returns (uint256 high) {
        high = books.offenders;
        // Ordinary reports are about times whose offenders are all in.
        if (time >= block.timestamp + _window) return high;
        uint256 low = 1;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (registry.stake(_offender(books, middle)).frozenAt > time) high = middle;
            else low = middle + 1;
        }
    }

    /// @dev What a seat owes beyond what was taken, at most its bond, and its notes as they are when that is paid.
    function _owed(uint64 seat, Stake memory stake) private view returns (uint256 amount, uint72[] memory notes) {
        notes = _all(seat, stake.record);
        if (stake.bond == 0) return (0, notes);
        uint256 reads;
        for (uint256 i; i < notes.length; ++i) {
            // One that costs all has nothing to grow to.
            if (_faultOf(notes[i]) != EQUIVOCATION) continue;
            uint64 term = _termOf(notes[i]);
            uint256 paid = _othersOf(notes[i]);
            Count memory c = Count(seat, term, EQUIVOCATION, reads);
            (uint256 others, uint256 f) = _others(c, registry.termStart(term));
            reads = c.reads;
            if (others <= paid) continue;
            amount += _penalty(others, f) - _penalty(paid, f);
            notes[i] = uint72(notes[i] & (1 << 56) - 1 | others << 56);
        }
        if (amount > stake.bond) amount = stake.bond;
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Messages, VoteKey} from "../lib/Messages.sol";
import {Parameters, ProtocolParameters} from "../lib/Parameters.sol";
import {ISequencerRegistry, Member, Seat, Stake} from "./ISequencerRegistry.sol";
import {ISlasher} from "./ISlasher.sol";
import {LibBit} from "solady/utils/LibBit.sol";
import {SSTORE2} from "solady/utils/SSTORE2.sol";

/// @notice The seats and terms; what everything means stands in `ISequencerRegistry`.
contract SequencerRegistry is ISequencerRegistry {
    using Messages for VoteKey;

    /// @notice The most seats, and members of a committee: one bit each in a bitmap.
    uint256 public constant MAX_SEATS = 64;
    /// @notice The least members of a committee.
    uint256 public constant MIN_SEATS = 4;
    /// @notice Bytes of one member in a committee's data: vote key, seat id, peer key.
    uint256 private constant MEMBER_BYTES = 60;

    /// @dev What every post reads, in one slot: when terms began, the last segment of the term counter, and the state of
    /// the committees.
    struct Head {
        /// Start of epoch 0; 0 before `open()`.
        uint40 genesisTime;
        /// Start, first term and epoch of the last segment.
        uint40 segmentStart;
        uint40 segmentTerm;
        uint40 segmentEpoch;
        /// 1 + the epoch of the last change of seats that no committee shows yet; 0 if there is none.
        uint32 changed;
        /// How many committees were written.
        uint24 committees;
        /// How many segments there are.
        uint32 segments;
        /// Whether the last segment began by an L1 event: nothing signed in the terms before is taken.
        bool cut;
    }

    /// @dev Between two L1 events, terms follow epochs: term = first term + epoch − epoch of the start.
    struct Segment {
        uint40 start;
        uint40 term;
        uint40 epoch;
        /// Seats with a `frozenAt` up to this are out, however short before the start it was.
        uint40 frozenUntil;
    }

    /// @dev A committee and the first epoch that it serves. One slot, which each post reads.
    struct Checkpoint {
        uint32 fromEpoch;
        /// Bit i: the seat at place i was frozen since the committee was fixed.
        uint64 frozen;
        address data;
    }

    /// @dev A seat. What a fault changes is in one slot, the last.
    struct Entry {
        address owner;
        address voteKey;
        /// What idleness took of the bond and was not topped up. (88 bits hold more wei than there are.)
        uint88 fined;
        bool suspended;
        bytes32 peerKey;
        uint96 bond;
        uint40 withdrawableAt;
        uint40 frozenAt;
        uint72 record;
        /// Whether it was eligible when it was frozen: then a committee that was fixed before lists it.
        bool wasFull;
    }

    address public immutable deployer;
    address public immutable slasher;
    address public immutable inbox;
    uint64 public immutable freezeDelay;
    bytes32 private immutable _domainSeparator;
    uint256 private immutable _chainId;
    uint256 private immutable _bond;
    uint64 private immutable _epochLength;
    uint64 private immutable _overlap;
    uint64 private immutable _unbonding;
    address private immutable _parameters;

    Head private _head;
    uint64 public seatCount;
    /// @dev Seats that have not asked to leave, ascending: at most `MAX_SEATS`, so every loop over them is bounded. Frozen ones
    /// stay until their places are needed.
    uint32[] private _live;
    mapping(uint256 seat => Entry) private _seats;
    mapping(uint256 index => Checkpoint) private _checkpoints;
    mapping(uint256 index => Segment) private _segments;
    mapping(address voteKey => uint64 seat) public seatOfVoteKey;
    mapping(bytes32 peerKey => uint64 seat) public seatOfPeerKey;
    /// @dev Data contracts of the committees that lost members: by checkpoint and the places that are out.
    mapping(uint256 checkpoint => mapping(uint64 out => address)) private _reduced;

    /// @param p All parameters; refused unless they fit together (`Parameters.check`).
    /// @param slasher_ Who may punish; it may not exist yet.
    /// @param inbox_ Who may start terms by self-sequencing; it may not exist yet.
    constructor(ProtocolParameters memory p, address slasher_, address inbox_) {
        Parameters.check(p);
        deployer = msg.sender;
        slasher = slasher_;
        inbox = inbox_;
        freezeDelay = p.settledDepth * p.slotTime;
        _domainSeparator = Messages.domainSeparator(address(this));
        _chainId = block.chainid;
        _parameters = SSTORE2.write(abi.encode(p));
        _bond = p.bond;
        _epochLength = p.epochLength;
        _overlap = p.overlap;
        _unbonding = p.unbonding;
    }

    // Seats

    /// @inheritdoc ISequencerRegistry
    function register(address owner, address voteKey, bytes32 peerKey, bytes calldata proof)
        external
        payable
        returns (uint64 id)
    {
        require(_head.genesisTime != 0 || msg.sender == deployer, NotDeployer(msg.sender));
        require(msg.value == _bond, BondMustBe(_bond, msg.value));
        require(owner != address(0), OwnerIsZero());
        _beforeChange();
        if (_live.length == MAX_SEATS) _dropFrozen();
        require(_live.length < MAX_SEATS, TooManySeats());
        id = ++seatCount;
        peerKey = _claimKeys(id, owner, voteKey, peerKey, proof);
        Entry storage s = _seats[id];
        (s.owner, s.voteKey, s.peerKey, s.bond) = (owner, voteKey, peerKey, uint96(msg.value));
        _live.push(uint32(id));
        emit SeatRegistered(id, owner, voteKey, peerKey, msg.value);
    }

    /// @inheritdoc ISequencerRegistry
    function topUp(uint64 id) external payable {
        Entry storage s = _liveSeat(id);
        require(msg.value != 0, NothingPaid());
        uint256 bond = s.bond + msg.value;
        require(bond <= _bond, BondAbovePar(bond, _bond));
        _beforeChange();
        s.bond = uint96(bond);
        if (s.fined > _bond - bond) s.fined = uint88(_bond - bond);
        emit BondToppedUp(id, bond);
    }

    /// @inheritdoc ISequencerRegistry
    function resume(uint64 id) external {
        _ownSeat(id);
        Entry storage s = _liveSeat(id);
        require(s.suspended, SeatIsNotSuspended(id));
        require(s.bond >= _bond, BondBelowPar(s.bond, _bond));
        _beforeChange();
        s.suspended = false;
        emit SeatResumed(id);
    }

    /// @inheritdoc ISequencerRegistry
    function rotateKeys(uint64 id, address voteKey, bytes32 peerKey, bytes calldata proof) external {
        _ownSeat(id);
        Entry storage s = _liveSeat(id);
        _beforeChange();
        peerKey = _claimKeys(id, s.owner, voteKey, peerKey, proof);
        s.voteKey = voteKey;
        s.peerKey = peerKey;
        emit KeysRotated(id, voteKey, peerKey);
    }

    /// @inheritdoc ISequencerRegistry
    function requestExit(uint64 id) external {
        Entry storage s = _ownSeat(id);
        require(s.withdrawableAt == 0, SeatIsLeaving(id));
        _beforeChange();
        _removeLive(uint32(id));
        Head memory head = _head;
        uint64 free = uint64(block.timestamp);
        // The committees of this epoch and the next are fixed; its duty ends where the one after begins.
        if (head.genesisTime != 0) free = _epochStart(head, _epoch(head, free) + 2) + _unbonding;
        s.withdrawableAt = uint40(free);
        emit ExitRequested(id, free);
    }

    /// @inheritdoc ISequencerRegistry
    function withdraw(uint64 id, address payable to) external {
        Entry storage s = _ownSeat(id);
        uint64 free = s.withdrawableAt;
        require(free != 0, SeatIsNotLeaving(id));
        require(block.timestamp >= free, StillUnbonding(id, free));
        require(s.bond != 0, NothingToWithdraw(id));
        if (s.frozenAt != 0) ISlasher(slasher).settle(id);
        uint256 amount = s.bond;
        s.bond = 0;
        emit BondWithdrawn(id, to, amount);
        (bool paid,) = to.call{value: amount}("");
        require(paid, PaymentRefused(to));
    }

    /// @inheritdoc ISequencerRegistry
    function open() external {
        require(msg.sender == deployer, NotDeployer(msg.sender));
        require(_head.genesisTime == 0, AlreadyOpen());
        (bytes memory data, uint256 members,) = _eligible(block.timestamp);
        require(members >= MIN_SEATS, TooFewSeats(members));
        uint40 time = uint40(block.timestamp);
        address pointer = SSTORE2.write(data);
        _checkpoints[0] = Checkpoint(0, 0, pointer);
        _segments[0] = Segment(time, 1, 0, 0);
        _head = Head(time, time, 1, 0, 0, 1, 1, false);
        emit Opened(time);
        emit CommitteeSealed(0, pointer, members);
    }

    // Committees

    /// @inheritdoc ISequencerRegistry
    function sealCommittee() external {
        Head memory head = _opened();
        require(_mustSeal(head), NothingToSeal());
        _seal(head);
    }

    /// @inheritdoc ISequencerRegistry
    function postingCommittee(uint64 term) external returns (address) {
        Head memory head = _opened();
        uint64 epoch = _epoch(head, uint64(block.timestamp));
        uint64 current = _term(head, epoch);
        if (term != current) {
            uint64 start = current == head.segmentTerm ? head.segmentStart : _epochStart(head, epoch);
            require(
                term != 0 && term == current - 1 && block.timestamp < uint256(start) + _overlap,
                TermMayNotPost(term, current)
            );
            require(!head.cut || current != head.segmentTerm, TermCutShort(term, current));
            // A term that an event ended lies in the epoch of that event.
            if (current != head.segmentTerm) epoch -= 1;
        }
        // What is fixed is written at once, an epoch before it is needed: who will serve is then on record.
        if (_mustSeal(head)) _seal(head);
        uint256 index = _checkpointOf(head, epoch);
        Checkpoint memory c = _checkpoints[index];
        return c.frozen == 0 ? c.data : _reduce(head, term, index, c);
    }

    /// @inheritdoc ISequencerRegistry
    function committeeOf(uint64 term) public view returns (address) {
        Head memory head = _opened();
        uint64 epoch = epochOfTerm(term);
        require(epoch <= _epoch(head, uint64(block.timestamp)) + 1, CommitteeNotFixed(epoch));
        require(head.changed == 0 || epoch < head.changed + 1, CommitteeNotSealed(epoch));
        return _checkpoints[_checkpointOf(head, epoch)].data;
    }

    /// @inheritdoc ISequencerRegistry
    function committee(uint64 term) external view returns (Member[] memory members) {
        bytes memory data = SSTORE2.read(committeeOf(term));
        Head memory head = _head;
        uint64 frozen = _checkpoints[_checkpointOf(head, epochOfTerm(term))].frozen;
        if (frozen != 0) data = _without(data, _out(head, term, frozen, data));
        uint256 n = data.length / MEMBER_BYTES;
        members = new Member[](n);
        for (uint256 i; i < n; ++i) {
            (address voteKey, uint64 id, bytes32 peerKey) = _memberAt(data, n, i);
            members[i] = Member(id, voteKey, peerKey);
        }
    }

    /// @inheritdoc ISequencerRegistry
    function committeeSize(uint64 term) external view returns (uint256 members) {
        Head memory head = _opened();
        uint64 epoch = epochOfTerm(term);
        bytes memory data;
        uint64 frozen;
        if (head.changed != 0 && epoch > head.changed) {
            // Fixed but not written yet: a report need not wait for that.
            (data, members, frozen) = _eligible(_epochStart(head, head.changed));
            members = data.length / MEMBER_BYTES;
        } else {
            Checkpoint memory c = _checkpoints[_checkpointOf(head, epoch)];
            frozen = c.frozen;
            members = (c.data.code.length - 1) / MEMBER_BYTES;
            if (frozen != 0) data = SSTORE2.read(c.data);
        }
        if (frozen != 0) members -= LibBit.popCount(_out(head, term, frozen, data));
    }

    // Faults

    /// @inheritdoc ISequencerRegistry
    function punish(uint64 id, uint256 amount, uint72 record) external {
        require(msg.sender == slasher, NotSlasher(msg.sender));
        Entry storage s = _seats[id];
        if (s.frozenAt == 0) _freeze(id, s);
        (s.bond, s.record) = (s.bond - uint96(amount), record);
    }

    /// @inheritdoc ISequencerRegistry
    function fine(uint64 id, uint256 amount, bool suspend) external {
        require(msg.sender == slasher, NotSlasher(msg.sender));
        Entry storage s = _seats[id];
        if (suspend && !s.suspended) {
            // One that is frozen or leaving is out anyway.
            if (s.frozenAt == 0 && s.withdrawableAt == 0) _beforeChange();
            s.suspended = true;
            emit SeatSuspended(id);
        }
        (s.bond, s.fined) = (s.bond - uint96(amount), s.fined + uint88(amount));
        emit SeatFined(id, amount, s.bond);
    }

    /// @inheritdoc ISequencerRegistry
    function suspension(uint64 id) external view returns (bool, uint256) {
        return (_seats[id].suspended, _seats[id].fined);
    }

    /// @inheritdoc ISequencerRegistry
    function pay(address payable to, uint256 amount) external {
        require(msg.sender == slasher, NotSlasher(msg.sender));
        (bool paid,) = to.call{value: amount}("");
        require(paid, PaymentRefused(to));
    }

    /// @inheritdoc ISequencerRegistry
    function stake(uint64 id) public view returns (Stake memory) {
        Entry storage s = _seats[id];
        return Stake(s.bond, s.withdrawableAt, s.frozenAt, s.record);
    }

    /// @inheritdoc ISequencerRegistry
    function standing(uint64 id, uint64 term) external view returns (Stake memory, uint64) {
        return (stake(id), termStart(term));
    }

    // Terms

    /// @inheritdoc ISequencerRegistry
    function currentTerm() external view returns (uint64) {
        Head memory head = _opened();
        return _term(head, _epoch(head, uint64(block.timestamp)));
    }

    /// @inheritdoc ISequencerRegistry
    function termAt(uint64 time) external view returns (uint64) {
        Head memory head = _opened();
        require(time >= head.genesisTime, TimeBeforeGenesis(time));
        return _termAt(head, time);
    }

    /// @inheritdoc ISequencerRegistry
    function termsStartingIn(uint64 from, uint64 to) external view returns (uint64 first, uint64 last) {
        Head memory head = _opened();
        if (to > block.timestamp) to = uint64(block.timestamp);
        if (to < head.genesisTime) return (1, 0);
        last = _termAt(head, to);
        if (from <= head.genesisTime) return (1, last);
        // The last term that starts before `from`; of several that start in one second, each does.
        first = _termAt(head, from - 1) + 1;
    }

    /// @inheritdoc ISequencerRegistry
    function termStart(uint64 term) public view returns (uint64) {
        Head memory head = _opened();
        if (term > head.segmentTerm && term <= type(uint40).max) {
            return _epochStart(head, uint64(head.segmentEpoch) + term - head.segmentTerm);
        }
        if (term == head.segmentTerm) return head.segmentStart;
        return _termStart(head, _segmentOf(head, term), term);
    }

    /// @inheritdoc ISequencerRegistry
    function epochOfTerm(uint64 term) public view returns (uint64) {
        Segment memory s = _segmentOf(_opened(), term);
        return uint64(s.epoch) + term - s.term;
    }

    /// @inheritdoc ISequencerRegistry
    function startTerm() external returns (uint64) {
        require(msg.sender == inbox, NotInbox(msg.sender));
        Head memory head = _opened();
        if (_mustSeal(head)) _seal(head);
        return _startTerm(head, 0);
    }

    /// @dev Starts a term now; `frozenUntil` is not 0 when it is because a third was frozen.
    function _startTerm(Head memory head, uint40 frozenUntil) private returns (uint64 term) {
        uint40 time = uint40(block.timestamp);
        uint40 epoch = uint40(_epoch(head, time));
        term = _term(head, epoch) + 1;
        head.cut = true;
        // Who is out stays out.
        if (frozenUntil == 0) frozenUntil = _segments[head.segments - 1].frozenUntil;
        _segments[head.segments] = Segment(time, uint40(term), epoch, frozenUntil);
        (head.segmentStart, head.segmentTerm, head.segmentEpoch) = (time, uint40(term), epoch);
        head.segments += 1;
        _head = head;
        emit TermStarted(term, time);
    }

    // Reading

    /// @inheritdoc ISequencerRegistry
    function liveSeats() external view returns (uint64[] memory ids) {
        uint256 n = _live.length;
        ids = new uint64[](n);
        uint256 live;
        for (uint256 i; i < n; ++i) {
            if (_seats[_live[i]].frozenAt == 0) ids[live++] = _live[i];
        }
        assembly ("memory-safe") {
            mstore(ids, live)
        }
    }

    /// @inheritdoc ISequencerRegistry
    function seat(uint64 id) external view returns (Seat memory) {
        Entry storage s = _seats[id];
        require(s.owner != address(0), UnknownSeat(id));
        return Seat(s.owner, s.withdrawableAt, s.voteKey, s.bond, s.peerKey, s.frozenAt);
    }

    /// @inheritdoc ISequencerRegistry
    function genesisTime() external view returns (uint64) {
        return _head.genesisTime;
    }

    /// @inheritdoc ISequencerRegistry
    function domainSeparator() public view returns (bytes32) {
        return block.chainid == _chainId ? _domainSeparator : Messages.domainSeparator(address(this));
    }

    /// @inheritdoc ISequencerRegistry
    function parameters() external view returns (ProtocolParameters memory) {
        return abi.decode(SSTORE2.read(_parameters), (ProtocolParameters));
    }

    // Inner workings

    function _opened() private view returns (Head memory head) {
        head = _head;
        require(head.genesisTime != 0, NotOpen());
    }

    function _epoch(Head memory head, uint64 time) private view returns (uint64) {
        return (time - head.genesisTime) / _epochLength;
    }

    function _epochStart(Head memory head, uint64 epoch) private view returns (uint64) {
        return head.genesisTime + epoch * _epochLength;
    }

    function _term(Head memory head, uint64 epoch) private pure returns (uint64) {
        return head.segmentTerm + epoch - head.segmentEpoch;
    }

    function _termAt(Head memory head, uint64 time) private view returns (uint64) {
        uint256 i = head.segments - 1;
        // Recent times are what is asked for; else the last segment that starts by then is searched.
        if (head.segmentStart > time) {
            uint256 low;
            while (low < i) {
                uint256 middle = (low + i) / 2;
                if (_segments[middle].start > time) i = middle;
                else low = middle + 1;
            }
            --i;
        }
        Segment memory s = _segments[i];
        return uint64(s.term) + _epoch(head, time) - s.epoch;
    }

    function _termStart(Head memory head, Segment memory s, uint64 term) private view returns (uint64) {
        return term == s.term ? s.start : _epochStart(head, uint64(s.epoch) + term - s.term);
    }

    /// @dev The last segment that begins with this term or before.
    function _segmentOf(Head memory head, uint64 term) private view returns (Segment memory) {
        require(term != 0 && term <= type(uint40).max, UnknownTerm(term));
        uint256 i = head.segments - 1;
        if (head.segmentTerm > term) {
            uint256 low;
            while (low < i) {
                uint256 middle = (low + i) / 2;
                if (_segments[middle].term > term) i = middle;
                else low = middle + 1;
            }
            --i;
        }
        return _segments[i];
    }

    /// @dev A change in epoch k shows in the committee of epoch k + 2, which is fixed when epoch k + 1 begins.
    function _mustSeal(Head memory head) private view returns (bool) {
        return head.changed != 0 && _epoch(head, uint64(block.timestamp)) >= head.changed;
    }

    /// @dev Called before each change: what earlier changes amount to is written first, since it is fixed.
    function _beforeChange() private {
        Head memory head = _head;
        if (head.genesisTime == 0) return;
        if (_mustSeal(head)) _seal(head);
        uint32 changed = uint32(_epoch(head, uint64(block.timestamp)) + 1);
        if (head.changed != changed) {
            head.changed = changed;
            _head = head;
        }
    }

    /// @dev Writes the committee of the seats as they were when epoch `changed` began, for the epochs from `changed + 1` on.
    function _seal(Head memory head) private {
        (bytes memory data,, uint64 frozen) = _eligible(_epochStart(head, head.changed));
        uint32 fromEpoch = head.changed + 1;
        head.changed = 0;
        address last = _checkpoints[head.committees - 1].data;
        // Changes that cancel out (a seat that came and left) write nothing.
        if (keccak256(SSTORE2.read(last)) != keccak256(data)) {
            address pointer = SSTORE2.write(data);
            _checkpoints[head.committees] = Checkpoint(fromEpoch, frozen, pointer);
            head.committees += 1;
            emit CommitteeSealed(fromEpoch, pointer, data.length / MEMBER_BYTES);
        }
        _head = head;
    }

    /// @dev The last checkpoint that serves from this epoch or before.
    function _checkpointOf(Head memory head, uint64 epoch) private view returns (uint256 i) {
        i = head.committees - 1;
        if (_checkpoints[i].fromEpoch <= epoch) return i;
        uint256 low;
        while (low < i) {
            uint256 middle = (low + i) / 2;
            if (_checkpoints[middle].fromEpoch > epoch) i = middle;
            else low = middle + 1;
        }
        --i;
    }

    /// @dev The committee's bytes as of `fixedAt`: eligible seats in order, or nothing if they are fewer than `MIN_SEATS`; how
    /// many are eligible; and which of them were frozen since. (Nothing but freezing changes a seat without sealing first.)
    function _eligible(uint256 fixedAt) private view returns (bytes memory data, uint256 members, uint64 frozen) {
        uint256 n = _live.length;
        bytes memory voteKeys;
        bytes memory ids;
        bytes memory peerKeys;
        for (uint256 i; i < n; ++i) {
            uint64 id = _live[i];
            Entry storage s = _seats[id];
            uint256 frozenAt = s.frozenAt;
            if (frozenAt == 0 ? !_isFull(s) : frozenAt < fixedAt || !s.wasFull) continue;
            if (frozenAt != 0) frozen |= uint64(1 << members);
            voteKeys = abi.encodePacked(voteKeys, s.voteKey);
            ids = abi.encodePacked(ids, id);
            peerKeys = abi.encodePacked(peerKeys, s.peerKey);
            ++members;
        }
        if (members < MIN_SEATS) return ("", members, 0);
        data = bytes.concat(voteKeys, ids, peerKeys);
    }

    /// @dev Whether a seat is in, unless it is frozen or leaves: its bond is full but for fines, and it is not suspended.
    function _isFull(Entry storage s) private view returns (bool) {
        return !s.suspended && uint256(s.bond) + s.fined >= _bond;
    }

    // Freezing

    /// @dev Freezes a seat; starts a term when a third of the current one's members are frozen now.
    function _freeze(uint64 id, Entry storage s) private {
        Head memory head = _opened();
        uint64 epoch = _epoch(head, uint64(block.timestamp));
        uint40 frozenAt = uint40(block.timestamp);
        // After the seats that the last cut left out: who is frozen in that very block serves the term that began with it.
        uint40 cutAt = head.segments == 1 ? 0 : _segments[head.segments - 1].frozenUntil;
        if (frozenAt <= cutAt) frozenAt = cutAt + 1;
        (s.frozenAt, s.wasFull) = (frozenAt, _isFull(s));
        emit SeatFrozen(id, frozenAt, frozenAt + freezeDelay);
        // Only if nobody posted for an epoch: the committee of now must be known.
        if (head.changed != 0 && head.changed < epoch) _seal(head);

        uint256 index = head.committees - 1;
        Checkpoint memory c = _checkpoints[index];
        if (c.fromEpoch > epoch) {
            // The next epoch's is on record too.
            _mark(index, c, SSTORE2.read(c.data), id);
            c = _checkpoints[--index];
        }
        bytes memory data = SSTORE2.read(c.data);
        uint64 others = c.frozen;
        if (!_mark(index, c, data, id)) return;
        // The seat itself serves the current term: it was not frozen before that.
        uint64 out = others == 0 ? 0 : _out(head, _term(head, epoch), others, data);
        uint256 members = data.length / MEMBER_BYTES - LibBit.popCount(out);
        if (3 * LibBit.popCount(c.frozen & ~out) >= members) _startTerm(head, frozenAt);
    }

    /// @dev Notes in a checkpoint that a member is frozen; false if the seat is none.
    function _mark(uint256 index, Checkpoint memory c, bytes memory data, uint64 id) private returns (bool) {
        uint256 n = data.length / MEMBER_BYTES;
        // Members stand in ascending order.
        uint256 low;
        uint256 high = n;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (_idAt(data, n, middle) < id) low = middle + 1;
            else high = middle;
        }
        if (low == n || _idAt(data, n, low) != id) return false;
        c.frozen |= uint64(1 << low);
        _checkpoints[index].frozen = c.frozen;
        return true;
    }

    /// @dev Which of the frozen members of a term's sealed committee are out of it.
    function _out(Head memory head, uint64 term, uint64 frozen, bytes memory data) private view returns (uint64 out) {
        Segment memory s = _segmentOf(head, term);
        uint256 start = _termStart(head, s, term);
        uint256 n = data.length / MEMBER_BYTES;
        for (; frozen != 0; frozen &= frozen - 1) {
            uint256 place = LibBit.ffs(frozen);
            uint256 frozenAt = _seats[_idAt(data, n, place)].frozenAt;
            if (frozenAt <= s.frozenUntil || frozenAt + freezeDelay <= start) out |= uint64(1 << place);
        }
    }

    /// @dev The data contract of a term's committee without the members that are out; written when first needed.
    function _reduce(Head memory head, uint64 term, uint256 index, Checkpoint memory c) private returns (address to) {
        bytes memory data = SSTORE2.read(c.data);
        uint256 left = data.length / MEMBER_BYTES - LibBit.popCount(c.frozen);
        if (head.changed == 0 && left >= MIN_SEATS) {
            // The next committee to be sealed does not list them.
            head.changed = uint32(_epoch(head, uint64(block.timestamp)) + 1);
            _head = head;
        }
        uint64 out = _out(head, term, c.frozen, data);
        if (out == 0) return c.data;
        to = _reduced[index][out];
        if (to == address(0)) {
            to = SSTORE2.write(_without(data, out));
            _reduced[index][out] = to;
        }
    }

    /// @dev A committee's bytes without the members at some places.
    function _without(bytes memory data, uint64 out) private pure returns (bytes memory) {
        if (out == 0) return data;
        uint256 n = data.length / MEMBER_BYTES;
        bytes memory voteKeys;
        bytes memory ids;
        bytes memory peerKeys;
        for (uint256 place; place < n; ++place) {
            if (out >> place & 1 != 0) continue;
            (address voteKey, uint64 id, bytes32 peerKey) = _memberAt(data, n, place);
            voteKeys = abi.encodePacked(voteKeys, voteKey);
            ids = abi.encodePacked(ids, id);
            peerKeys = abi.encodePacked(peerKeys, peerKey);
        }
        return bytes.concat(voteKeys, ids, peerKeys);
    }

    function _memberAt(bytes memory data, uint256 n, uint256 place)
        private
        pure
        returns (address voteKey, uint64 id, bytes32 peerKey)
    {
        id = _idAt(data, n, place);
        assembly ("memory-safe") {
            let start := add(data, 32)
            voteKey := shr(96, mload(add(start, mul(place, 20))))
            peerKey := mload(add(start, add(mul(n, 28), mul(place, 32))))
        }
    }

    function _idAt(bytes memory data, uint256 n, uint256 place) private pure returns (uint64 id) {
        assembly ("memory-safe") {
            id := shr(192, mload(add(add(data, 32), add(mul(n, 20), mul(place, 8)))))
        }
    }

    // Keys and places

    /// @dev Takes two keys for a seat, for ever. Returns the peer key that the seat has from now on: another's is replaced by
    /// a hash, so that it neither stops a registration nor takes the other off the network.
    function _claimKeys(uint64 id, address owner, address voteKey, bytes32 peerKey, bytes calldata proof)
        private
        returns (bytes32)
    {
        require(peerKey != 0, PeerKeyIsZero());
        uint64 user = seatOfVoteKey[voteKey];
        require(user == 0, VoteKeyUsed(voteKey, user));
        bytes32 digest = Messages.digest(domainSeparator(), VoteKey(owner, peerKey).hash());
        address signer = Messages.recover(digest, proof);
        require(signer != address(0) && signer == voteKey, VoteKeyNotProved(voteKey));
        seatOfVoteKey[voteKey] = id;
        user = seatOfPeerKey[peerKey];
        if (user != 0 && user != id) return keccak256(abi.encode("Surety.CopiedPeerKey.v1", id, voteKey, peerKey));
        if (user == 0) seatOfPeerKey[peerKey] = id;
        return peerKey;
    }

    function _ownSeat(uint64 id) private view returns (Entry storage s) {
        s = _seats[id];
        require(s.owner != address(0), UnknownSeat(id));
        require(s.owner == msg.sender, NotOwner(id, msg.sender));
    }

    function _liveSeat(uint64 id) private view returns (Entry storage s) {
        s = _seats[id];
        require(s.owner != address(0), UnknownSeat(id));
        require(s.withdrawableAt == 0, SeatIsLeaving(id));
        require(s.frozenAt == 0, SeatIsFrozen(id));
    }

    /// @dev Removes a seat and keeps the order. A frozen one may be gone already.
    function _removeLive(uint32 id) private {
        uint256 n = _live.length;
        uint256 kept;
        for (uint256 i; i < n; ++i) {
            uint32 other = _live[i];
            if (other == id) continue;
            if (kept != i) _live[kept] = other;
            ++kept;
        }
        if (kept != n) _live.pop();
    }

    /// @dev Makes room for newcomers.
    function _dropFrozen() private {
        uint256 n = _live.length;
        uint256 kept;
        for (uint256 i; i < n; ++i) {
            uint32 id = _live[i];
            if (_seats[id].frozenAt != 0) continue;
            if (kept != i) _live[kept] = id;
            ++kept;
        }
        for (; kept < n; ++kept) {
            _live.pop();
        }
    }
}

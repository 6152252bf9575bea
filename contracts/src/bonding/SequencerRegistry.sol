// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {Messages, VoteKey} from "../lib/Messages.sol";
import {Parameters, ProtocolParameters} from "../lib/Parameters.sol";
import {ISequencerRegistry, Member, Seat} from "./ISequencerRegistry.sol";

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
        uint40 changed;
        /// How many committees were written.
        uint24 committees;
        /// How many segments there are.
        uint32 segments;
    }

    /// @dev Between two L1 events, terms follow epochs: term = first term + epoch − epoch of the start.
    struct Segment {
        uint40 start;
        uint40 term;
        uint40 epoch;
    }

    /// @dev A committee and the first epoch that it serves.
    struct Checkpoint {
        uint40 fromEpoch;
        address data;
    }

    address public immutable deployer;
    bytes32 private immutable _domainSeparator;
    uint256 private immutable _chainId;
    uint256 private immutable _bond;
    uint64 private immutable _epochLength;
    uint64 private immutable _overlap;
    uint64 private immutable _unbonding;
    address private immutable _parameters;

    Head private _head;
    uint64 public seatCount;
    /// @dev Seats that have not asked to leave, ascending: at most `MAX_SEATS`, so every loop over them is bounded.
    uint32[] private _live;
    mapping(uint256 seat => Seat) private _seats;
    mapping(uint256 index => Checkpoint) private _checkpoints;
    mapping(uint256 index => Segment) private _segments;
    mapping(address voteKey => uint64 seat) public seatOfVoteKey;
    mapping(bytes32 peerKey => uint64 seat) public seatOfPeerKey;

    /// @param p All parameters; refused unless they fit together (`Parameters.check`).
    constructor(ProtocolParameters memory p) {
        Parameters.check(p);
        deployer = msg.sender;
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
        require(_live.length < MAX_SEATS, TooManySeats());
        _beforeChange();
        id = ++seatCount;
        peerKey = _claimKeys(id, owner, voteKey, peerKey, proof);
        _seats[id] = Seat(owner, 0, voteKey, uint96(msg.value), peerKey);
        _live.push(uint32(id));
        emit SeatRegistered(id, owner, voteKey, peerKey, msg.value);
    }

    /// @inheritdoc ISequencerRegistry
    function topUp(uint64 id) external payable {
        Seat storage s = _liveSeat(id);
        require(msg.value != 0, NothingPaid());
        uint256 bond = s.bond + msg.value;
        require(bond <= _bond, BondAbovePar(bond, _bond));
        _beforeChange();
        s.bond = uint96(bond);
        emit BondToppedUp(id, bond);
    }

    /// @inheritdoc ISequencerRegistry
    function rotateKeys(uint64 id, address voteKey, bytes32 peerKey, bytes calldata proof) external {
        Seat storage s = _ownSeat(id);
        require(s.withdrawableAt == 0, SeatIsLeaving(id));
        _beforeChange();
        peerKey = _claimKeys(id, s.owner, voteKey, peerKey, proof);
        s.voteKey = voteKey;
        s.peerKey = peerKey;
        emit KeysRotated(id, voteKey, peerKey);
    }

    /// @inheritdoc ISequencerRegistry
    function requestExit(uint64 id) external {
        Seat storage s = _ownSeat(id);
        require(s.withdrawableAt == 0, SeatIsLeaving(id));
        _beforeChange();
        _removeLive(uint32(id));
        Head memory head = _head;
        uint64 free = uint64(block.timestamp);
        // The committees of this epoch and the next are fixed; its duty ends where the one after begins.
        if (head.genesisTime != 0) free = _epochStart(head, _epoch(head, free) + 2) + _unbonding;
        s.withdrawableAt = free;
        emit ExitRequested(id, free);
    }

    /// @inheritdoc ISequencerRegistry
    function withdraw(uint64 id, address payable to) external {
        Seat storage s = _ownSeat(id);
        uint64 free = s.withdrawableAt;
        require(free != 0, SeatIsNotLeaving(id));
        require(block.timestamp >= free, StillUnbonding(id, free));
        uint256 amount = s.bond;
        require(amount != 0, NothingToWithdraw(id));
        s.bond = 0;
        emit BondWithdrawn(id, to, amount);
        (bool paid,) = to.call{value: amount}("");
        require(paid, PaymentRefused(to));
    }

    /// @inheritdoc ISequencerRegistry
    function open() external {
        require(msg.sender == deployer, NotDeployer(msg.sender));
        require(_head.genesisTime == 0, AlreadyOpen());
        (bytes memory data, uint256 members) = _eligible();
        require(members >= MIN_SEATS, TooFewSeats(members));
        uint40 time = uint40(block.timestamp);
        address pointer = SSTORE2.write(data);
        _checkpoints[0] = Checkpoint(0, pointer);
        _segments[0] = Segment(time, 1, 0);
        _head = Head(time, time, 1, 0, 0, 1, 1);
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
            // A term that an event ended lies in the epoch of that event.
            if (current != head.segmentTerm) epoch -= 1;
        }
        // What is fixed is written at once, an epoch before it is needed: who will serve is then on record.
        if (_mustSeal(head)) _seal(head);
        return _committeeOfEpoch(head, epoch);
    }

    /// @inheritdoc ISequencerRegistry
    function committeeOf(uint64 term) public view returns (address) {
        Head memory head = _opened();
        uint64 epoch = epochOfTerm(term);
        require(epoch <= _epoch(head, uint64(block.timestamp)) + 1, CommitteeNotFixed(epoch));
        require(head.changed == 0 || epoch < head.changed + 1, CommitteeNotSealed(epoch));
        return _committeeOfEpoch(head, epoch);
    }

    /// @inheritdoc ISequencerRegistry
    function committee(uint64 term) external view returns (Member[] memory members) {
        bytes memory data = SSTORE2.read(committeeOf(term));
        uint256 n = data.length / MEMBER_BYTES;
        members = new Member[](n);
        for (uint256 i; i < n; ++i) {
            address voteKey;
            uint64 id;
            bytes32 peerKey;
            assembly ("memory-safe") {
                let start := add(data, 32)
                voteKey := shr(96, mload(add(start, mul(i, 20))))
                id := shr(192, mload(add(start, add(mul(n, 20), mul(i, 8)))))
                peerKey := mload(add(start, add(mul(n, 28), mul(i, 32))))
            }
            members[i] = Member(id, voteKey, peerKey);
        }
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
        // From the last segment backwards: recent times are what is asked for.
        uint256 i = head.segments - 1;
        while (_segments[i].start > time) --i;
        Segment memory s = _segments[i];
        return uint64(s.term) + _epoch(head, time) - s.epoch;
    }

    /// @inheritdoc ISequencerRegistry
    function termStart(uint64 term) external view returns (uint64) {
        Head memory head = _opened();
        Segment memory s = _segmentOf(head, term);
        return term == s.term ? s.start : _epochStart(head, uint64(s.epoch) + term - s.term);
    }

    /// @inheritdoc ISequencerRegistry
    function epochOfTerm(uint64 term) public view returns (uint64) {
        Segment memory s = _segmentOf(_opened(), term);
        return uint64(s.epoch) + term - s.term;
    }

    /// @dev Starts a term now, because of an L1 event. The committee is the epoch's; whoever calls this for frozen seats
    /// must also put a committee without them in its place.
    function _startTerm() internal returns (uint64 term) {
        Head memory head = _opened();
        if (_mustSeal(head)) _seal(head);
        uint40 time = uint40(block.timestamp);
        uint40 epoch = uint40(_epoch(head, time));
        term = _term(head, epoch) + 1;
        _segments[head.segments] = Segment(time, uint40(term), epoch);
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
        for (uint256 i; i < n; ++i) {
            ids[i] = _live[i];
        }
    }

    /// @inheritdoc ISequencerRegistry
    function seat(uint64 id) external view returns (Seat memory s) {
        s = _seats[id];
        require(s.owner != address(0), UnknownSeat(id));
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

    function _segmentOf(Head memory head, uint64 term) private view returns (Segment memory s) {
        require(term != 0 && term <= type(uint40).max, UnknownTerm(term));
        uint256 i = head.segments - 1;
        while (_segments[i].term > term) --i;
        s = _segments[i];
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
        uint40 changed = uint40(_epoch(head, uint64(block.timestamp)) + 1);
        if (head.changed != changed) {
            head.changed = changed;
            _head = head;
        }
    }

    /// @dev Writes the committee of the seats as they are, for the epochs from `changed + 1` on.
    function _seal(Head memory head) private {
        (bytes memory data,) = _eligible();
        uint40 fromEpoch = head.changed + 1;
        head.changed = 0;
        address last = _checkpoints[head.committees - 1].data;
        // Changes that cancel out (a seat that came and left) write nothing.
        if (keccak256(SSTORE2.read(last)) != keccak256(data)) {
            address pointer = SSTORE2.write(data);
            _checkpoints[head.committees] = Checkpoint(fromEpoch, pointer);
            head.committees += 1;
            emit CommitteeSealed(fromEpoch, pointer, data.length / MEMBER_BYTES);
        }
        _head = head;
    }

    function _committeeOfEpoch(Head memory head, uint64 epoch) private view returns (address) {
        uint256 i = head.committees - 1;
        Checkpoint memory c = _checkpoints[i];
        while (c.fromEpoch > epoch) c = _checkpoints[--i];
        return c.data;
    }

    /// @dev The committee's bytes as of now: eligible seats in order, or nothing if they are fewer than `MIN_SEATS`; and how
    /// many are eligible.
    function _eligible() private view returns (bytes memory data, uint256 members) {
        uint256 n = _live.length;
        bytes memory voteKeys;
        bytes memory ids;
        bytes memory peerKeys;
        for (uint256 i; i < n; ++i) {
            uint64 id = _live[i];
            Seat storage s = _seats[id];
            if (s.bond < _bond) continue;
            voteKeys = abi.encodePacked(voteKeys, s.voteKey);
            ids = abi.encodePacked(ids, id);
            peerKeys = abi.encodePacked(peerKeys, s.peerKey);
            ++members;
        }
        if (members < MIN_SEATS) return ("", members);
        data = bytes.concat(voteKeys, ids, peerKeys);
    }

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

    function _ownSeat(uint64 id) private view returns (Seat storage s) {
        s = _seats[id];
        require(s.owner != address(0), UnknownSeat(id));
        require(s.owner == msg.sender, NotOwner(id, msg.sender));
    }

    function _liveSeat(uint64 id) private view returns (Seat storage s) {
        s = _seats[id];
        require(s.owner != address(0), UnknownSeat(id));
        require(s.withdrawableAt == 0, SeatIsLeaving(id));
    }

    /// @dev Removes a seat and keeps the order.
    function _removeLive(uint32 id) private {
        uint256 last = _live.length - 1;
        uint256 i;
        while (_live[i] != id) ++i;
        for (; i < last; ++i) {
            _live[i] = _live[i + 1];
        }
        _live.pop();
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ProtocolParameters} from "../lib/Parameters.sol";

/// @notice One seat: one vote, one bond.
struct Seat {
    /// Who may rotate keys, ask to leave and withdraw.
    address owner;
    /// From when the bond may be withdrawn; 0 as long as the seat has not asked to leave.
    uint64 withdrawableAt;
    /// Address of the key that votes.
    address voteKey;
    /// Wei held for it.
    uint96 bond;
    /// ed25519 key in the peer-to-peer network.
    bytes32 peerKey;
    /// When a fault froze it; 0 if none did. Two freezes of one second may differ by a second or more here, so that their
    /// order shows.
    uint64 frozenAt;
}

/// @notice What a fault can take of a seat, and what is known of its faults.
struct Stake {
    /// Wei held for it.
    uint96 bond;
    /// From when the bond may be withdrawn; 0 as long as the seat has not asked to leave.
    uint40 withdrawableAt;
    /// When a fault froze it; 0 if none did.
    uint40 frozenAt;
    /// The slasher's own notes; the registry does not read them.
    uint72 record;
}

/// @notice A member of a committee.
struct Member {
    uint64 seat;
    address voteKey;
    bytes32 peerKey;
}

/// @title The seats, their keys and bonds, and the terms (protocol §3).
/// @notice **Time.** Epochs are intervals of `epochLength` from `genesisTime`. A term starts at each epoch boundary, and
/// at each L1 event that says so; terms count from 1. **Committees.** Epoch e's members are the seats that were eligible
/// when epoch e − 1 began, in order of seat id; of epochs 0 and 1, those at `open()`. Eligible is a seat that has not asked
/// to leave, is not suspended, and holds its full bond (or would, had it not been fined for idleness). With fewer than 4 eligible seats the committee is empty: nobody may post, and what
/// the inbox allows without a committee applies. A committee is written as a data contract, once for all epochs that
/// share it, and never removed: `0x00 ‖ n × 20-byte vote keys ‖ n × 8-byte seat ids ‖ n × 32-byte peer keys`.
/// **Keys.** A vote key is proved by its signature over `VoteKey(owner, peerKey)` and never used twice, by anyone, also
/// after rotation or exit. `seatOfVoteKey` remembers every key for ever: a seat answers for its old ones. A peer key cannot
/// be proved here (no ed25519), so anyone may name another's; it belongs to the seat that named it first, and a seat that
/// names it later gets `keccak256(abi.encode("Surety.CopiedPeerKey.v1", uint64 seat, address voteKey, bytes32 peerKey))` in its
/// place: a dummy that nobody holds. It can vote, but is on the network only after it has rotated to a key of its own. Were
/// the copy refused, copying a key first would block a registration; were it taken, any seat could push another off the
/// network by rotating to its key. (Nodes replace a key that is no ed25519 point by a dummy as well.)
/// **Leaving.** Ask, serve until the first committee without the seat begins, wait `unbonding`, withdraw.
/// **Freezing.** A fault that was shown freezes a seat, for good (`frozenAt`). It is out of every term that starts at or after
/// `frozenAt + freezeDelay` (`settledDepth × slotTime`, so the members of a term are final when L1 has settled `start −
/// freezeDelay`, and everybody reads the same), and serves until then. A committee that loses members this way goes on with
/// those that are left, also if they are fewer than 4. When a third or more of the current term's members are frozen, the
/// same transaction starts a term without any seat frozen so far, and statements of the terms before are refused. A frozen
/// seat can neither be topped up nor have new keys; it can ask to leave, and withdraw what is left. Its place among the 64
/// is free.
/// **Idleness.** A fine for it (`ISlasher`) is taken from the bond and leaves the seat eligible: what is missing for that reason
/// alone does not count as below par. A seat whose fines reach their cap is suspended: out of every committee that is not
/// fixed yet, until its bond is full again and its owner asks with `resume`. It keeps its place among the 64.
interface ISequencerRegistry {
    /// A seat came in.
    event SeatRegistered(
        uint64 indexed seat, address indexed owner, address indexed voteKey, bytes32 peerKey, uint256 bond
    );
    /// A seat's bond was raised to `bond`.
    event BondToppedUp(uint64 indexed seat, uint256 bond);
    /// A seat has new keys; the old ones stay its own.
    event KeysRotated(uint64 indexed seat, address indexed voteKey, bytes32 peerKey);
    /// A seat leaves; its bond is free from `withdrawableAt`.
    event ExitRequested(uint64 indexed seat, uint64 withdrawableAt);
    /// A seat's bond was paid out.
    event BondWithdrawn(uint64 indexed seat, address to, uint256 amount);
    /// Terms count from this moment.
    event Opened(uint64 genesisTime);
    /// From `fromEpoch` on, until the next such event, this data contract lists the committee.
    event CommitteeSealed(uint64 indexed fromEpoch, address committee, uint256 members);
    /// An L1 event, not a boundary, started a term.
    event TermStarted(uint64 indexed term, uint64 time);
    /// Idleness cost a seat `amount` wei; its bond is `bond` now.
    event SeatFined(uint64 indexed seat, uint256 amount, uint256 bond);
    /// A seat was idle for so long that it is out from the next committee that is not fixed yet.
    event SeatSuspended(uint64 indexed seat);
    /// A suspended seat is in again from the next committee that is not fixed yet.
    event SeatResumed(uint64 indexed seat);
    /// A fault froze a seat: it is out of every term that starts at or after `outFrom`.
    event SeatFrozen(uint64 indexed seat, uint64 frozenAt, uint64 outFrom);

    /// Only the deployer may open, and register seats before that.
    error NotDeployer(address caller);
    /// It was opened before.
    error AlreadyOpen();
    /// Terms do not count yet: wait for `open()`.
    error NotOpen();
    /// There must be at least 4 eligible seats to open.
    error TooFewSeats(uint256 seats);
    /// All 64 places are taken: wait for a seat to leave.
    error TooManySeats();
    /// A registration pays exactly one bond.
    error BondMustBe(uint256 bond, uint256 paid);
    /// A top-up must not lift the bond above par.
    error BondAbovePar(uint256 bond, uint256 par);
    /// A top-up of nothing.
    error NothingPaid();
    /// The owner must not be the zero address.
    error OwnerIsZero();
    /// The peer key must not be zero.
    error PeerKeyIsZero();
    /// This vote key was used before, by this seat.
    error VoteKeyUsed(address voteKey, uint64 seat);
    /// The proof is not the vote key's low-s EIP-2098 signature over `VoteKey(owner, peerKey)` in this registry's domain.
    error VoteKeyNotProved(address voteKey);
    /// There is no such seat.
    error UnknownSeat(uint64 seat);
    /// Only the seat's owner may do this.
    error NotOwner(uint64 seat, address caller);
    /// The seat has asked to leave.
    error SeatIsLeaving(uint64 seat);
    /// The seat has not asked to leave.
    error SeatIsNotLeaving(uint64 seat);
    /// The bond is not free yet.
    error StillUnbonding(uint64 seat, uint64 withdrawableAt);
    /// The bond was withdrawn before.
    error NothingToWithdraw(uint64 seat);
    /// The recipient refused the bond.
    error PaymentRefused(address to);
    /// Nothing is to be sealed: the last committee still holds, or its epoch is not fixed yet.
    error NothingToSeal();
    /// This committee is fixed but not written: call `sealCommittee()`.
    error CommitteeNotSealed(uint64 epoch);
    /// This committee is not fixed yet.
    error CommitteeNotFixed(uint64 epoch);
    /// There is no such term.
    error UnknownTerm(uint64 term);
    /// A time before terms began.
    error TimeBeforeGenesis(uint64 time);
    /// Only the current term's committee may post, or the one before within `overlap`.
    error TermMayNotPost(uint64 term, uint64 currentTerm);
    /// A third of this term's committee was frozen, or somebody self-sequenced; only the term that began then may post.
    error TermCutShort(uint64 term, uint64 currentTerm);
    /// A fault froze the seat.
    error SeatIsFrozen(uint64 seat);
    /// Only the slasher may do this.
    error NotSlasher(address caller);
    /// Only the inbox may do this.
    error NotInbox(address caller);
    /// The seat is not suspended.
    error SeatIsNotSuspended(uint64 seat);
    /// The seat must hold its full bond again: top it up.
    error BondBelowPar(uint256 bond, uint256 par);

    /// @notice Registers a seat: anyone pays one bond for `owner`; before `open()` only the deployer, who so chooses the
    /// first committee.
    /// @param owner Who will control the seat.
    /// @param voteKey Address of the vote key.
    /// @param peerKey ed25519 public key; one that another seat has named before is replaced by a dummy.
    /// @param proof The vote key's signature (64 bytes, EIP-2098) over `VoteKey(owner, peerKey)`.
    /// @return seat Its id, from 1 upward.
    function register(address owner, address voteKey, bytes32 peerKey, bytes calldata proof)
        external
        payable
        returns (uint64 seat);

    /// @notice Raises a seat's bond, at most to par; it is eligible again at par.
    function topUp(uint64 seat) external payable;

    /// @notice Replaces both keys; the committee that has the new ones begins two boundaries later at the latest.
    function rotateKeys(uint64 seat, address voteKey, bytes32 peerKey, bytes calldata proof) external;

    /// @notice Leaves: the seat serves the committees that are already fixed, then waits `unbonding`. Before `open()` the
    /// bond is free at once.
    function requestExit(uint64 seat) external;

    /// @notice Pays the bond of a seat that has left to `to`, less what it owes for its faults (`ISlasher.settle`).
    function withdraw(uint64 seat, address payable to) external;

    /// @notice Takes wei from a seat's bond, freezes it if it was not, and notes `record`. Only the slasher. Starts a term if
    /// a third of the current committee is now frozen.
    function punish(uint64 seat, uint256 amount, uint72 record) external;

    /// @notice Takes wei from a seat's bond for idleness. It is not frozen, and stays eligible though its bond is below par by
    /// that, unless it is suspended. Only the slasher.
    function fine(uint64 seat, uint256 amount, bool suspend) external;

    /// @notice The owner of a suspended seat asks that it be in again; it must hold its full bond.
    function resume(uint64 seat) external;

    /// @notice Starts a term now, because somebody self-sequenced (protocol §6): statements of the terms before are refused
    /// from here on. Only the inbox.
    function startTerm() external returns (uint64 term);

    /// @notice Pays wei that were taken from bonds. Only the slasher.
    function pay(address payable to, uint256 amount) external;

    /// @notice Starts terms and fixes the first committee. Once, by the deployer.
    function open() external;

    /// @notice Writes the next committee down if it is fixed and differs from the last. Anyone may; the first change of
    /// seats, post or L1 event after the committee is fixed does it too, so it is on record an epoch ahead.
    function sealCommittee() external;

    /// @notice The data contract of the committee of `term`, if it may post now; seals what is fixed first.
    function postingCommittee(uint64 term) external returns (address);

    /// @notice The current term.
    function currentTerm() external view returns (uint64);

    /// @notice The term at a time (not before genesis; of a future time, if no L1 event comes).
    function termAt(uint64 time) external view returns (uint64);

    /// @notice When a term started (or will, if no L1 event comes).
    function termStart(uint64 term) external view returns (uint64);

    /// @notice The epoch in which a term starts.
    function epochOfTerm(uint64 term) external view returns (uint64);

    /// @notice The data contract that a term's committee was sealed in: its members, and seats that are out for being frozen.
    function committeeOf(uint64 term) external view returns (address);

    /// @notice The members of a term's committee, in L1 order, without those that are out for being frozen. Final at an L1
    /// block whose time is `termStart(term) − freezeDelay()` or later.
    function committee(uint64 term) external view returns (Member[] memory);

    /// @notice How many they are.
    function committeeSize(uint64 term) external view returns (uint256);

    /// @notice The terms that start in [from, to], if there is one and if `to` is not of the future (else it is taken for
    /// now); `first > last` if there is none.
    function termsStartingIn(uint64 from, uint64 to) external view returns (uint64 first, uint64 last);

    /// @notice What a fault can take of a seat.
    function stake(uint64 seat) external view returns (Stake memory);

    /// @notice The same, and when a term started or will: what a report asks for.
    function standing(uint64 seat, uint64 term) external view returns (Stake memory stake, uint64 start);

    /// @notice How long after it was frozen a seat is out of the terms that start, in seconds.
    function freezeDelay() external view returns (uint64);

    /// @notice Who may punish.
    function slasher() external view returns (address);

    /// @notice Who may start terms by self-sequencing.
    function inbox() external view returns (address);

    /// @notice Whether a seat is suspended, and what idleness took of its bond and was not topped up, in wei.
    function suspension(uint64 seat) external view returns (bool suspended, uint256 fined);

    /// @notice The seats that have not asked to leave and are not frozen, in order.
    function liveSeats() external view returns (uint64[] memory);

    /// @notice One seat.
    function seat(uint64 id) external view returns (Seat memory);

    /// @notice How many seats were ever registered: the last id.
    function seatCount() external view returns (uint64);

    /// @notice The seat that this vote key is or was the key of; 0 if none.
    function seatOfVoteKey(address voteKey) external view returns (uint64);

    /// @notice The seat that named this peer key first, whose key it is or was; 0 if none.
    function seatOfPeerKey(bytes32 peerKey) external view returns (uint64);

    /// @notice Start of epoch 0; 0 before `open()`.
    function genesisTime() external view returns (uint64);

    /// @notice EIP-712 domain separator of everything that seats sign; of the chain that this is called on, also after a
    /// fork of L1.
    function domainSeparator() external view returns (bytes32);

    /// @notice All parameters.
    function parameters() external view returns (ProtocolParameters memory);
}

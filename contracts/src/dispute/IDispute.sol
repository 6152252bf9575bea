// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IParties} from "./IParties.sol";
import {IRiscV} from "./IRiscV.sol";
import {Selection} from "./Openings.sol";

/// @dev The levels of claims, by what their leaves are.
uint8 constant LEVEL_BLOCKS = 0;
uint8 constant LEVEL_STRETCHES = 1;
uint8 constant LEVEL_STEPS = 2;

/// @notice What the program is asked about a batch, but for the block (see `surety_stf::program`).
struct Question {
    /// EIP-712 struct hash of the statement that was posted.
    bytes32 statement;
    /// Hash of the block before the batch, as the claims have it.
    bytes32 beforeBatch;
    /// Height of the batch's first block.
    uint64 firstHeight;
}

/// @notice A claim of any level.
struct Claim {
    /// Root of its tree.
    bytes32 root;
    /// What it stands in: the id of a contest; of a claim about a batch, its parent's.
    bytes32 contest;
    /// Whose bond stands behind it; zero: those who signed the batch.
    address party;
    /// When it was made.
    uint40 postedAt;
    /// Its side of the contest, 0 or 1. At level 0: 0 for the claim that a dispute began with, 1 for those that came against it.
    uint8 side;
    /// 0, 1 or 2.
    uint8 level;
    bool fallen;
    /// Whether its party's bond is free of it.
    bool released;
}

/// @notice A leaf in which two claims first differ, and what is known of it. The two values are its sides.
struct Contest {
    /// The claims: of side 0 and of side 1.
    bytes32 first;
    bytes32 second;
    /// Hash of the machine's state where the leaf begins: both claims agree on it.
    bytes32 start;
    /// What the last state of a claim of this side must be; zero: none that says a block hash (`none`, protocol §8).
    bytes32[2] ends;
    /// When it began.
    uint40 since;
    /// What side 0 and side 1 had left then, in seconds.
    uint40 firstLeft;
    uint40 secondLeft;
    /// How many claims of side 0 and of side 1 have not fallen.
    uint32 firstStanding;
    uint32 secondStanding;
    /// Level of the claims in it, 1 or 2.
    uint8 level;
}

/// @notice How far two claims are.
struct Match {
    /// Where the trees differ, of side 0 and 1. At height 0 the states that they say.
    bytes32[2] nodes;
    /// At height 0: the state before the step that both agree on.
    bytes32 start;
    /// Which node of its height.
    uint40 index;
    /// Levels above the leaves.
    uint8 height;
    /// Side to move.
    uint8 turn;
    /// Whether a leaf was reached; then a contest goes on, or a step decides.
    bool divided;
    /// Since when that side's clock runs.
    uint40 movedAt;
    /// Time left to side 0 and side 1, in seconds.
    uint40 firstLeft;
    uint40 secondLeft;
}

/// @title Which of two claims about a batch is wrong (protocol §8).
/// @notice A claim is a Merkle root over **all states** of its level: the block hashes of the batch (depth 15); every 2^20th
/// state of the machine in one block; every state of one such stretch (depth 20 each). Two claims that differ have a first leaf
/// in which they differ. A **match** finds it in moves of five levels: the side to move names the first child that differs
/// and shows the 32 children under its own. There is one way only to do so, thus anybody may move for either side and nobody
/// can spoil a claim by moving for it. The leaf becomes a **contest**, where claims of the next level argue about what leads
/// from the leaf before to each of the two values; at the last level `IRiscV.step` decides.
///
/// **Sides.** In a contest, claims of one side all end in that side's value, and each is matched with each of the other side.
/// A claim falls when it loses one match, or with its party (`IParties`). A side falls when no claim of it stands and its time
/// is over: then the claim above falls that holds this value. Somebody who makes wrong claims for the right side does it no
/// harm, therefore: the right one stands beside them.
///
/// **Clocks.** Of two claims about a batch the later has `clock` minus the time since the earlier was posted, the
/// earlier all of `clock`. Only the side to move is charged; the earlier moves first. When a leaf becomes a contest, each side's
/// claims have what the side has left, less the time that goes by until they are made. Of two claims in a contest the earlier
/// moves first, charged since the later was made. Who has no time left falls (`expire`). So against somebody who answers at once
/// the other side has `clock` in all, whatever it does and however many it are, counted from the claim of the one who answers,
/// which may be the later: that is the longest dispute. What the one who answers takes is added, in at most ten turns.
///
/// **Floods.** A party has at most one claim on each side of a contest, and (which `claims` sees to) one chain of claims about
/// batches: who makes a right claim needs no more, and each further one costs a bond.
///
/// **Orphans.** The id of a claim about a batch does not name who posted it. So nobody may kill a right one by being first to
/// post it and then losing the bond elsewhere: it stands when its party falls, goes on being argued about, and any other party
/// may take it over (`adopt`); it falls if nobody has for `adoptionPeriod`. Claims in contests name their party: whoever
/// holds one to be right makes it in its own name, though it is there already.
///
/// **Properties**, if L1 includes the honest party's transactions within its clock:
/// 1. *A right claim never falls.* It loses no match: where it differs first from another, the leaf before is agreed on and
///    right, so the machine's next state is its own. In a contest its side's right claim of the next level exists and
///    is known to whoever executes the batch; it ends in the right value; it loses no match either; so its side does not fall.
///    Nobody else's claim is needed, and none does harm: falling is a claim's (or its party's) own.
/// 2. *A wrong claim falls*, if a right one of the same batch and parent is there: their match ends in a leaf, and there each of
///    the wrong side's claims ends in a wrong value, so differs from the right one, and is matched with it. By induction over
///    levels each falls, at the last by a step; and new ones can only be made while that side has time.
/// 3. *Time.* In each match and contest with the right claim the wrong side's time is one clock that is never refilled.
/// 4. *Capital.* One bond: right claims never fall, so one party may stand behind all of them.
/// 5. *Nothing after the end.* No move, claim, step or expiry counts once one of the claims above has fallen: nobody
///    is held to a match that is of no account.
///
/// **Refunds and rewards** are `IParties`'s.
interface IDispute is IParties {
    /// A claim about a batch is argued about from now on.
    event DisputeBegun(
        bytes32 indexed claimId, bytes32 indexed parentId, address indexed party, bytes32 root, Question question
    );
    /// A claim about a batch was posted against those that are there; `children` are its root's.
    event ClaimEntered(
        bytes32 indexed claimId, bytes32 indexed parentId, address indexed party, bytes32 root, bytes32[32] children
    );
    /// A claim of a stretch or of steps was made; `children` are its root's.
    event ClaimMade(
        bytes32 indexed contestId,
        bytes32 indexed claimId,
        address indexed party,
        uint8 side,
        bytes32 root,
        bytes32[32] children
    );
    /// Side `side` moved: its node at `height` and `index` has these children (above leaves, the values of the leaves).
    event Moved(bytes32 indexed matchId, uint8 side, uint8 height, uint40 index, bytes32[32] children);
    /// Two claims differ first in leaf `index`, which begins at state `start`.
    event ContestOpened(
        bytes32 indexed contestId, bytes32 indexed matchId, uint40 index, bytes32 start, bytes32[2] values
    );
    /// Two claims of steps differ first after the step from `start`.
    event StepReached(bytes32 indexed matchId, uint40 index, bytes32 start, bytes32[2] values);
    /// A claim fell.
    event ClaimFell(bytes32 indexed claimId, address indexed party, Cause cause);
    /// Another party stands behind a claim about a batch whose own had fallen.
    event ClaimAdopted(bytes32 indexed claimId, address indexed party);
    /// A claim's party is free of it.
    event ClaimReleased(bytes32 indexed claimId, address indexed party);

    /// Why a claim fell.
    enum Cause {
        /// Its clock ran out.
        Time,
        /// Its side of a contest has no claim and no time left.
        Side,
        /// The machine's next state is another.
        Step,
        /// Another claim of its party fell.
        Party,
        /// It says a hash of a block after one that has none.
        AfterNone
    }

    /// Only `claims` may do this.
    error NotClaims(address caller);
    /// With this parent a dispute has begun: `enter` further claims.
    error AlreadyBegun(bytes32 parentId);
    /// With this parent no dispute has begun.
    error NotBegun(bytes32 parentId);
    /// There is no such claim.
    error NoSuchClaim(bytes32 claimId);
    /// There is no such contest.
    error NoSuchContest(bytes32 contestId);
    /// The claim is there already; a party has one on each side of a contest.
    error ClaimExists(bytes32 claimId);
    /// These two are not matched: they must be of one contest and of its sides 0 and 1, in this order; claims of a batch must
    /// have one parent, the earlier first. Two with one root have nothing to argue about.
    error NotMatched(bytes32 first, bytes32 second);
    /// It is decided already: this claim does not stand, or one above it.
    error Decided(bytes32 claimId);
    /// The side to move has no time left: let it fall (`expire`).
    error TimeIsOver(uint8 side);
    /// The side to move has time until `until`.
    error TimeIsNotOver(uint64 until);
    /// The next move of this match is of another kind: `move` above leaves' parents, `divide` there, then `step` or claims.
    error WrongMove(uint8 height, bool divided);
    /// The side has claims that stand, or time to make some until `until`.
    error SideStands(uint32 standing, uint64 until);
    /// Show that the last state is not one that says a block hash.
    error EndNotShown();
    /// The witness is not of the state that both sides agree on.
    error WrongState(bytes32 given, bytes32 agreed);
    /// The claim's party stands; or it may be adopted, being about a batch, for `adoptionPeriod`.
    error NotFallenWithParty(bytes32 claimId);
    /// Only a claim about a batch whose party fell can be adopted.
    error NotAnOrphan(bytes32 claimId);
    /// The claim stands and may still count.
    error NotReleasable(bytes32 claimId);

    /// @notice Takes up the first claim about a batch with this parent, when another is about to come against it. Only `claims`.
    /// It moves first against all that come later, so nobody need know more of it than its root.
    /// @param claimId Its id.
    /// @param parentId Its parent's: what it competes for.
    /// @param root Its `blockHashRoot`.
    /// @param party Whose bond stands behind it; zero: those who signed.
    /// @param postedAt When it was posted.
    /// @param question What the program is asked about the batch.
    function begin(
        bytes32 claimId,
        bytes32 parentId,
        bytes32 root,
        address party,
        uint40 postedAt,
        Question calldata question
    ) external;

    /// @notice Takes up another claim, in the transaction that posts it. Only `claims`.
    /// @param root Its `blockHashRoot`, which no other claim with this parent has.
    /// @param children The root's 32 children: who moves against it must say where it differs.
    function enter(bytes32 claimId, bytes32 parentId, bytes32 root, address party, bytes32[32] calldata children)
        external;

    /// @notice Makes a claim in a contest, in the caller's name, who must be a party.
    /// @param contestId The contest.
    /// @param side Which of the two values it leads to.
    /// @param root Root over its states.
    /// @param lastState Empty; if the side says `none`, the preimage of the last state's hash.
    /// @param path The siblings of the last leaf, from below.
    /// @param children The root's 32 children.
    function make(
        bytes32 contestId,
        uint8 side,
        bytes32 root,
        bytes calldata lastState,
        bytes32[] calldata path,
        bytes32[32] calldata children
    ) external returns (bytes32 claimId);

    /// @notice Takes over a claim about a batch whose party fell. The caller must be a party.
    function adopt(bytes32 claimId) external;

    /// @notice Moves for the side whose turn it is: where the trees differ, and the children under its own node there. Anyone.
    function move(bytes32 first, bytes32 second, Selection calldata selection, bytes32[32] calldata children) external;

    /// @notice The last move of a match, which finds the leaf. Anyone.
    /// @param before What the leaf before holds; anything if the leaf is the first.
    /// @param path The siblings of the leaf before in the tree of the side that moves; empty if there is none.
    function divide(
        bytes32 first,
        bytes32 second,
        Selection calldata selection,
        bytes32 before,
        bytes32[] calldata path
    ) external;

    /// @notice Decides a match of steps: who says another next state falls. Anyone.
    /// @param witness For `IRiscV.step`.
    function step(bytes32 first, bytes32 second, bytes calldata witness) external;

    /// @notice The side to move has let its time run out: its claim falls. Anyone.
    function expire(bytes32 first, bytes32 second) external;

    /// @notice A side has no claim left and no time: the claim above that holds its value falls. Anyone.
    function fallSide(bytes32 contestId, uint8 side) external;

    /// @notice Another claim of a claim's party fell: it falls too. Anyone.
    function fallWithParty(bytes32 claimId) external;

    /// @notice Frees a party's bond of a claim whose contest is decided. Anyone.
    function release(bytes32 claimId) external;

    /// @notice A claim; all zero if there is none.
    function claim(bytes32 claimId) external view returns (Claim memory);

    /// @notice A contest; all zero if there is none.
    function contest(bytes32 contestId) external view returns (Contest memory);

    /// @notice How far two claims are, moved or not.
    function matchOf(bytes32 first, bytes32 second) external view returns (Match memory);

    /// @notice Whether what is argued about a claim is of account: it stands, as do all above it and their rivals, and they are
    /// not final.
    function counts(bytes32 claimId) external view returns (bool);

    /// @notice The id of a match.
    function matchId(bytes32 first, bytes32 second) external pure returns (bytes32);

    /// @notice The id of a party's claim in a contest.
    function claimIdOf(bytes32 contestId, uint8 side, address party) external pure returns (bytes32);

    /// @notice Hash of the machine's first state when it is asked with this input.
    function startState(bytes32 inputHash) external view returns (bytes32);

    /// @notice The time of one side of a match, in seconds.
    function clock() external view returns (uint64);

    /// @notice How long a claim about a batch stands after its party fell, in seconds.
    function adoptionPeriod() external view returns (uint64);

    /// @notice The contract of claims about batches.
    function claims() external view returns (address);

    /// @notice The last word.
    function riscv() external view returns (IRiscV);
}

/// @notice What a dispute asks of the contract of claims, which also sees to it that a party's claims about batches are one
/// chain.
interface IRivals {
    /// @notice Whether a claim stands, and is not final: what is argued about it counts. Once it is not so, it never is again.
    function isOpen(bytes32 claimId) external view returns (bool);

    /// @notice A claim fell. Only the dispute.
    /// @param hasLost Whether to another claim; else it fell with its party.
    function fall(bytes32 claimId, bytes32 parentId, bool hasLost) external;
}

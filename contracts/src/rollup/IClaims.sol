// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../bonding/ISequencerRegistry.sol";
import {IDispute} from "../dispute/IDispute.sol";
import {ClaimPreimage} from "../lib/Commitments.sol";
import {Batch} from "../lib/Messages.sol";

/// @notice What a dispute did to a claim. Claims that stand on it share its end, and show nothing here.
enum Fate {
    Stands,
    /// Another claim of its party lost, and nobody took it over: it is dead, whether it was right or not, and says nothing of
    /// those who signed it.
    FellWithParty,
    /// It lost to another claim.
    Lost
}

/// @notice What is kept of a claim: one storage slot.
struct ClaimRecord {
    /// When it was posted, in Unix seconds; 0 if there is no such claim. The genesis claim has the contract's own birth.
    uint40 postedAt;
    /// The batch.
    uint40 batchIndex;
    /// When its first child was posted (when all had fallen, the first after that); 0 if there is none.
    uint40 childAt;
    /// The term whose committee signed it.
    uint32 term;
    /// Who signed: bit i is the member at place i of that term's committee. None of a claim that was posted with a bond only.
    uint64 signers;
    /// Its line in the tree of claims (`Lines`).
    uint24 line;
    /// Whether it fell in a dispute.
    Fate fate;
    /// Whether its last block has no hash: nothing can stand on it, and it is never final.
    bool isEnd;
}

/// @notice What comes with a claim that is posted with a bond.
struct Posting {
    /// What its parent's id commits to.
    ClaimPreimage parent;
    /// If the parent has one child, which a committee signed and nobody opposed so far: what its id commits to. Else anything.
    ClaimPreimage first;
    /// What was posted as the batch.
    Batch statement;
    /// What shows that it was (`IInbox.checkPosted`).
    bytes32[] later;
    /// Path of the last hash in the root, as in `IInbox.postBatch`.
    bytes32[] leftSiblings;
    /// If the parent has a child: the 32 children of the claim's root.
    bytes32[32] children;
}

/// @title What is claimed to be the chain's state, and since when it stands (protocol §8).
/// @notice A claim says: with this parent claim, this batch ends in these block hashes. Its id is
/// `keccak256(abi.encode(rollup, batchIndex, parentId, prevHash, lastHash, blockHashRoot))`. The signed statement of a
/// batch is its default claim, posted by the inbox together with the batch.
///
/// **Rivals.** For one challenge period after a claim's first child was posted, anyone with a bond (`IParties`) may post another
/// one; `IDispute` lets all but one of them fall. If all fell, the next one posted is as if it were the first. A claim with a bond
/// also stands for batches that have none otherwise: self-sequenced ones, and those whose parent fell.
///
/// **Final** is a claim whose parent is, whose own challenge period is over, which has not fallen, and all of whose rivals have. The
/// genesis claim is final from the start. This is computed, never called (`Lines`): a child is posted when its parent stands, with
/// a period of the same length, so when the child's is over its parent's is.
///
/// **What stands on a claim that fell** is dead with it, without loss for those who posted it with a bond. A committee may build
/// on any claim that is not dead, decided or not, and answers for all before it that were not final then: with the claim fall
/// those who signed it (they are frozen in that transaction), and by evidence those who signed what stands on it
/// (`IInvalidState`).
///
/// **Self-sequenced batches** have no default claim. The next committee posts its batch on a claim of the last one; claims in
/// between that nobody posted it carries (`IInbox.postBatchWith`), and answers for them as for its own.
///
/// **The end** (protocol §10): when no claim has become final for `escapeDelay`, the bridge may end the chain on the last
/// final claim, once and for ever. What is final stays as it was in that second: a claim that was still open is dead.
interface IClaims {
    /// A claim was posted with a bond; `contested` if it has a rival.
    event ClaimBonded(
        bytes32 indexed claimId,
        uint64 indexed batchIndex,
        address indexed claimant,
        bool contested,
        ClaimPreimage claim
    );
    /// The signers of a batch answer for this claim of a batch before it.
    event ClaimCarried(
        bytes32 indexed claimId, uint64 indexed batchIndex, uint64 term, uint64 signers, ClaimPreimage claim
    );
    /// The chain ended on this claim; no later one ever becomes final.
    event Ended(bytes32 indexed id);

    /// Only the inbox posts default claims.
    error NotInbox(address caller);
    /// Only the dispute lets claims fall.
    error NotDispute(address caller);
    /// The claim is of another rollup.
    error ClaimOfAnotherRollup(uint64 rollup, uint64 expected);
    /// `prevHash` must be the parent's last hash, and `lastHash` the last leaf of `blockHashRoot`; no committee says that it is 0.
    error ClaimMalformed();
    /// The claim fell, or one above it.
    error ClaimFallen(bytes32 id);
    /// The first child of the parent was posted a challenge period ago: rivals are not taken any more.
    error RivalTooLate(uint64 until);
    /// The one child that the parent has so far must come with its rival.
    error NotTheFirst(bytes32 id);
    /// A party's claims form one chain: this one must stand on the last one.
    error NotOnLastClaim(bytes32 id);
    /// The parent is no live claim of the batch before.
    error ParentNotLive(bytes32 parentId);
    /// This claim stands already.
    error ClaimExists(bytes32 id);
    /// There is no such claim.
    error UnknownClaim(bytes32 id);
    /// The chain ended before.
    error AlreadyEnded(uint64 endedAt);
    /// The claim to end on is unknown or can still be contested.
    error ClaimNotFinal(bytes32 id);
    /// A child of the claim is final: it is not the last.
    error LaterClaimFinal(bytes32 id);
    /// A claim became final less than `escapeDelay` ago.
    error ClaimsNotStale(uint64 from);

    /// @notice Posts the default claim of a batch.
    /// @param claim What its id commits to; the parent must be a live claim of the batch before.
    /// @param term The term whose committee signed.
    /// @param signers Who signed.
    /// @return id The claim's id.
    function post(ClaimPreimage calldata claim, uint64 term, uint64 signers) external returns (bytes32 id);

    /// @notice Posts a claim of a batch before the next one, or notes that a committee stands behind the one that is there.
    /// Only the inbox.
    function carry(ClaimPreimage calldata claim, uint64 term, uint64 signers) external returns (bytes32 id);

    /// @notice Posts a claim with the caller's bond. Anyone who is a party of the dispute, until the chain ends.
    /// @param claim What its id commits to. Its last hash may be zero: the program gives none.
    function postBonded(ClaimPreimage calldata claim, Posting calldata posting) external returns (bytes32 id);

    /// @notice Whether the next batch may stand on this claim: it is of this batch, and neither it nor one above it fell.
    function isLive(bytes32 id, uint64 batchIndex) external view returns (bool);

    /// @notice Whether a claim is live and has rivals that are not decided, or stands on one that has.
    function isContested(bytes32 id) external view returns (bool);

    /// @notice Ends the chain on its last final claim. Only the inbox, which asks for the bridge.
    /// @param id A final claim that has been final for `escapeDelay`, no child of which is final in this block.
    function end(bytes32 id) external;

    /// @notice When the chain ended; 0 while it goes on.
    function endedAt() external view returns (uint64);

    /// @notice From when the chain may end on this claim, if no child of it becomes final before, in Unix seconds. Whenever all
    /// rivals but one fell somewhere, this begins anew.
    function endsFrom(bytes32 id) external view returns (uint64);

    /// @notice Whether a claim is final (false for unknown ones); after the end, whether it was so then.
    function isFinal(bytes32 id) external view returns (bool);

    /// @notice The final one of a claim's children, of which another one fell; 0 if there is none (or none fell).
    function finalChild(bytes32 parentId) external view returns (bytes32);

    /// @notice From when `isFinal` will hold if by then its rivals have fallen, and those of the claims before it, in Unix
    /// seconds.
    function finalAt(bytes32 id) external view returns (uint64);

    /// @notice What is kept of a claim; all zero if there is none.
    function claim(bytes32 id) external view returns (ClaimRecord memory);

    /// @notice Id of the genesis claim.
    function genesisClaim() external view returns (bytes32);

    /// @notice Where claims with one parent are argued about.
    function dispute() external view returns (IDispute);

    /// @notice The inbox whose batches these claims are about.
    function inbox() external view returns (address);

    /// @notice The registry that the parameters came from.
    function registry() external view returns (ISequencerRegistry);

    /// @notice How long a claim can be contested, in seconds.
    function challengePeriod() external view returns (uint64);

    /// @notice How long no claim must have become final before the chain may end, in seconds.
    function escapeDelay() external view returns (uint64);
}

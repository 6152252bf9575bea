// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../bonding/ISequencerRegistry.sol";
import {ClaimPreimage} from "../lib/Commitments.sol";

/// @notice What is kept of a claim: one storage slot.
struct ClaimRecord {
    /// When it was posted, in Unix seconds; 0 if there is no such claim. The genesis claim has the contract's own birth.
    uint40 postedAt;
    /// The batch.
    uint40 batchIndex;
    /// The term whose committee signed it.
    uint64 term;
    /// Who signed: bit i is the member at place i of that term's committee. None of a claim that was posted with a bond only.
    uint64 signers;
    /// Since when the child stands that a committee signed, or stands behind; 0 if there is none.
    uint40 childAt;
}

/// @title What is claimed to be the chain's state, and since when it stands (protocol §8).
/// @notice A claim says: with this parent claim, this batch ends in these block hashes. Its id is
/// `keccak256(abi.encode(rollup, batchIndex, parentId, prevHash, lastHash, blockHashRoot))`. The signed statement of a
/// batch is its default claim, posted by the inbox together with the batch. A claim is **final** when its parent is and its
/// own challenge period is over; the genesis claim is final from the start. This is computed, never called: a child is
/// posted when its parent already stands, with a period of the same length, so when the child's is over its parent's is.
///
/// **Claims that nobody signed.** A self-sequenced batch has no default claim. Until a committee signs a batch after it, anyone
/// may post claims of it with a bond, rivals too. A claim whose batch, or any unsigned one before it, has two of them is
/// **contested**: it is not final and no default claim stands on it, until a committee signs a batch on top of one and carries
/// the claims in between (`IInbox.postBatchWith`), for which its signers answer. So a wrong claim that one honest party opposes
/// never becomes final, and a rival without reason stops nothing but claims that no committee stands behind, until one does
/// or the escape opens. Disputes (a later step) decide between rivals by themselves, admit rivals of signed claims, and pay the
/// winner; until then a bond returns when its claim is final, and stays here else.
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
    /// A claim's bond was returned.
    event ClaimBondReturned(bytes32 indexed claimId, address indexed claimant, uint256 amount);
    /// The chain ended on this claim; no later one ever becomes final.
    event Ended(bytes32 indexed id);

    /// Only the inbox posts default claims.
    error NotInbox(address caller);
    /// The bond must be paid exactly.
    error ClaimBondMustBe(uint256 bond, uint256 paid);
    /// Claims of this batch are not taken: there is no such batch, or a committee stands behind its claim.
    error BatchNotClaimable(uint64 batchIndex, uint64 first, uint64 last);
    /// The claim is of another rollup.
    error ClaimOfAnotherRollup(uint64 rollup, uint64 expected);
    /// `prevHash` must be the parent's last hash, and `blockHashRoot` that of the one block.
    error ClaimMalformed();
    /// A claim of this batch is final.
    error BatchIsFinal(uint64 batchIndex);
    /// There is no bond of this claim to be returned, or not yet.
    error NoBondToReturn(bytes32 id);
    /// The claimant refused the bond.
    error BondRefused(address claimant);
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

    /// @notice Posts a claim of a self-sequenced batch with a bond. Anyone, until the chain ends; the claimant is the caller.
    /// @param claim What its id commits to.
    /// @param parent What its parent's id commits to: any claim that stands.
    function postBonded(ClaimPreimage calldata claim, ClaimPreimage calldata parent)
        external
        payable
        returns (bytes32 id);

    /// @notice Sends the bond of a final claim back to its claimant; after the chain's end, of any that nobody opposed. Anyone
    /// may.
    function returnBond(bytes32 id) external;

    /// @notice Whether the next batch may stand on this claim: it is of this batch, and not contested.
    function isLive(bytes32 id, uint64 batchIndex) external view returns (bool);

    /// @notice Whether a claim is contested, or behind a contested one.
    function isContested(bytes32 id) external view returns (bool);

    /// @notice Who posted a claim with a bond that was not returned yet; zero if nobody.
    function claimantOf(bytes32 id) external view returns (address);

    /// @notice What a claim without signers must bring, in wei.
    function claimBond() external view returns (uint256);

    /// @notice Ends the chain on its last final claim. Only the inbox, which asks for the bridge.
    /// @param id A final claim that has been final for `escapeDelay`, no child of which is final in this block.
    function end(bytes32 id) external;

    /// @notice When the chain ended; 0 while it goes on.
    function endedAt() external view returns (uint64);

    /// @notice From when the chain may end on this claim, if no child of it becomes final before, in Unix seconds. A claim that was
    /// contested counts as final since a committee decided.
    function endsFrom(bytes32 id) external view returns (uint64);

    /// @notice Whether a claim can no longer be contested (false for unknown ones); after the end, whether it was so then.
    function isFinal(bytes32 id) external view returns (bool);

    /// @notice From when `isFinal` will hold if nobody contests it (or, if it is contested, if a committee stands behind it by
    /// then), in Unix seconds.
    function finalAt(bytes32 id) external view returns (uint64);

    /// @notice What is kept of a claim; all zero if there is none.
    function claim(bytes32 id) external view returns (ClaimRecord memory);

    /// @notice Id of the genesis claim.
    function genesisClaim() external view returns (bytes32);

    /// @notice The inbox whose batches these claims are about.
    function inbox() external view returns (address);

    /// @notice The registry that the parameters came from.
    function registry() external view returns (ISequencerRegistry);

    /// @notice How long a claim can be contested, in seconds.
    function challengePeriod() external view returns (uint64);

    /// @notice How long no claim must have become final before the chain may end, in seconds.
    function escapeDelay() external view returns (uint64);
}

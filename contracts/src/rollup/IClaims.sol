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
    /// Who signed: bit i is the member at place i of that term's committee.
    uint64 signers;
    /// When its first child was posted; 0 if it has none.
    uint40 childAt;
}

/// @title What is claimed to be the chain's state, and since when it stands (protocol §8).
/// @notice A claim says: with this parent claim, this batch ends in these block hashes. Its id is
/// `keccak256(abi.encode(rollup, batchIndex, parentId, prevHash, lastHash, blockHashRoot))`. The signed statement of a
/// batch is its default claim, posted by the inbox together with the batch. A claim is **final** when its parent is and its
/// own challenge period is over; the genesis claim is final from the start. This is computed, never called: a child is
/// posted when its parent already stands, with a period of the same length, so when the child's is over its parent's is.
///
/// **The end** (protocol §10): when no claim has become final for `escapeDelay`, the bridge may end the chain on the last
/// final claim, once and for ever. What is final stays as it was in that second: a claim that was still open is dead.
interface IClaims {
    /// The chain ended on this claim; no later one ever becomes final.
    event Ended(bytes32 indexed id);

    /// Only the inbox posts default claims.
    error NotInbox(address caller);
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

    /// @notice Ends the chain on its last final claim. Only the inbox, which asks for the bridge.
    /// @param id A final claim that has been final for `escapeDelay`, no child of which is final in this block.
    function end(bytes32 id) external;

    /// @notice When the chain ended; 0 while it goes on.
    function endedAt() external view returns (uint64);

    /// @notice From when the chain may end on this claim, if no child of it becomes final before, in Unix seconds.
    function endsFrom(bytes32 id) external view returns (uint64);

    /// @notice Whether a claim can no longer be contested (false for unknown ones); after the end, whether it was so then.
    function isFinal(bytes32 id) external view returns (bool);

    /// @notice From when `isFinal` will hold if nobody contests it, in Unix seconds.
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

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../bonding/ISequencerRegistry.sol";
import {Batch} from "../lib/Messages.sol";
import {IClaims} from "./IClaims.sol";
import {IMessageQueue} from "./IMessageQueue.sol";

/// @notice What a parent claim's id commits to and the inbox does not know itself.
struct ParentClaim {
    bytes32 parentId;
    bytes32 prevHash;
    bytes32 lastHash;
    bytes32 blockHashRoot;
}

/// @notice What shows that a block is final on L2: `Finalize` votes of more than two thirds of the statement's committee for
/// its `lastHash`, in its term and on its genesis.
struct Finalization {
    uint64 view_;
    uint64 parentView;
    /// Bit i: the member at place i of the term's committee voted.
    uint64 signers;
    /// 64 bytes (EIP-2098) for each set bit, ascending.
    bytes signatures;
}

/// @notice A time in which L1 waited for the committees in vain.
struct Lapse {
    /// From when a message was due that the last batch before had not consumed, or from half of `maxGap` after that batch.
    uint40 from;
    /// When a batch came.
    uint40 to;
    /// Seconds since the oldest message was sent in which L1 should have had blocks and had none: nobody could post then.
    uint40 missed;
    /// Index of the batch before.
    uint40 batch;
}

/// @notice Why anyone may self-sequence.
enum Opening {
    /// Nobody may.
    Closed,
    /// A message is overdue by `grace`.
    MessageOverdue,
    /// No batch came for `maxGap`.
    NoBatch,
    /// The committee that may post has no members.
    NoQuorum
}

/// @title Where batches come to L1 (protocol §6).
/// @notice `postBatch` takes a statement that more than two thirds of a committee signed, and the data it commits to.
/// Everything in the statement is checked against L1 or signed, so the poster is only a carrier.
///
/// **Data.** Either all blobs of the transaction (1 to 6), `dataHash = keccak256(0x01 ‖ versioned hashes)`; or call data of 1
/// to 131,072 bytes, `dataHash = keccak256(0x02 ‖ uint64 length ‖ page root)`; or none, `dataHash = 0`. Call data come from a
/// plain account that calls this contract directly, so a follower finds them in that transaction's input, and blobs' hashes
/// in its envelope; all else is in `BatchPosted` and `MessageSent`.
///
/// **Order of the checks** (the first that fails names the error): rollup; heights; parent claim; previous hash; last hash's
/// path; times; messages; inbox tip; data; committee; signatures. With `postBatchWith` the claims carried stand in place of the
/// parent claim, and the finalisation is checked last.
///
/// **Without the committee.** `selfSequence` is open to anyone when, by L1's clock, a message is overdue by `grace` (it was due
/// `forceDelay` after it was sent), or no batch came for `maxGap`, or the committee has no quorum. The inbox then writes the
/// statement itself: one block, time max(previous + 1, now), as many messages as fit into a quarter of the block gas limit,
/// all hashes, genesis and `parentClaim` zero, no data, no signers; `claimId` is zero, for it has no claim until somebody posts
/// one (`IClaims`). It starts a term, and statements of the terms before are refused. What L1 can see of a missing quorum is a
/// committee without members: one that loses a third to freezing is replaced in that very transaction, so those that are left
/// are always more than two thirds of a committee, unless nobody is. It then takes one block every `batchAge`; if the committee
/// before has members, only from the end of `overlap`.
///
/// **Lapses.** A time in which self-sequencing was open (but for want of a quorum) is written down with the batch that ends it,
/// if L1 had blocks for long enough too: so a standstill of L1 is nobody's fault. It counts from when the message was due, or
/// from half of `maxGap`; never from before the last batch. A batch that does what it can for due messages (none is left that
/// is due now, or an eighth of its gas is messages) ends a wait for messages of less than `grace` since the batch before
/// without a lapse: seats that work off what others left do no wrong. `IIdle` judges by these.
interface IInbox is IMessageQueue {
    /// A batch was posted. `claimId` is its default claim; the tip after it is `keccak256(abi.encode(inboxTip, structHash))`.
    event BatchPosted(uint64 indexed batchIndex, bytes32 indexed claimId, uint64 signers, Batch statement);

    /// The statement is of another rollup.
    error WrongRollup(uint64 rollup, uint64 expected);
    /// The batch must begin at the next block that is not posted: it was posted before, or one before it is missing.
    error WrongFirstHeight(uint64 firstHeight, uint64 expected);
    /// A batch has 1 to 32,768 blocks.
    error WrongBlockCount(uint64 firstHeight, uint64 lastHeight);
    /// The given parent claim does not hash to the statement's `parentClaim`, at the index of the batch before.
    error WrongParentClaim(bytes32 parentClaim, bytes32 given);
    /// `prevHash` is not the last hash of the parent claim.
    error WrongPrevHash(bytes32 prevHash, bytes32 expected);
    /// `lastHash` is not the last leaf of `blockHashRoot`.
    error WrongPath(bytes32 blockHashRoot, bytes32 computed);
    /// The last block is older than that of the batch before.
    error TimeBeforePrevious(uint64 lastBlockTime, uint64 previous);
    /// The last block is of the future.
    error TimeInFuture(uint64 lastBlockTime, uint64 now_);
    /// There are more blocks than the block time allows since genesis.
    error BlocksTooFast(uint64 lastHeight, uint64 lastBlockTime);
    /// Messages that were consumed before cannot be given back.
    error MessagesConsumedBefore(uint64 messageCount, uint64 consumed);
    /// There are not that many messages.
    error MessagesNotSent(uint64 messageCount, uint64 sent);
    /// The statement has another history of messages.
    error WrongMessageAcc(bytes32 messageAcc, bytes32 expected);
    /// The messages' gas is more than a quarter of the blocks' gas.
    error TooMuchMessageGas(uint256 gas, uint256 most);
    /// A due message was left out although there was room: less than an eighth of the batch's gas went to messages.
    error DueMessageSkipped(uint64 index, uint64 dueAt);
    /// The statement has another history of batches.
    error WrongInboxTip(bytes32 inboxTip, bytes32 expected);
    /// The data are not those that were signed.
    error WrongData(bytes32 dataHash, bytes32 expected);
    /// Blobs and call data at once.
    error TwoKindsOfData();
    /// More blobs than a batch may have.
    error TooManyBlobs(uint256 blobs);
    /// More call data than a batch may have.
    error TooMuchCallData(uint256 length);
    /// Call data must come from a plain account's own call, where followers can read them.
    error CallDataNotDirect(address caller);
    /// Not enough of the committee signed: more than two thirds must, or more than one third with a finalisation.
    error NoQuorum(uint256 signatures, uint256 members);
    /// Not more than two thirds of the committee voted for the finalisation.
    error NotFinalized(uint256 signatures, uint256 members);
    /// A third of the committee does not suffice yet: a batch came less than half of `maxGap` ago.
    error ThirdTooEarly(uint64 from);
    /// Nobody signed the parent claim, and it is not final: only two thirds may go on from it.
    error ParentUndecided(bytes32 claimId);
    /// Claims must be carried from a live one on, each the parent of the next, up to the batch before.
    error WrongAncestry(uint256 place);
    /// Nothing is overdue, and it is too early for a gap in batches to let anyone sequence; that would be at `from`.
    error SelfSequencingClosed(uint64 from);
    /// The claims contract belongs to another inbox.
    error ClaimsOfAnotherInbox(address inbox);
    /// The claims contract was made with another registry, so perhaps with other parameters.
    error ClaimsOfAnotherRegistry(address registry);
    /// Genesis must not be of the future.
    error GenesisInFuture(uint64 genesisTime);
    /// That is not what was posted as this batch; or the hashes behind it do not lead to the tip, nor to one that is kept.
    error NotPosted(uint64 batchIndex);

    /// @notice Posts the next batch.
    /// @param statement What the seats signed.
    /// @param parent The claim of the batch before.
    /// @param leftSiblings Path of `lastHash` in `blockHashRoot`, from the leaf up, without the siblings to the right (they
    /// cover padding only): one for each set bit of `lastHeight − firstHeight`.
    /// @param signers Bit i: the member at place i of the term's committee signed.
    /// @param signatures 64 bytes (EIP-2098) for each set bit, ascending.
    /// @param data The batch's data, empty if they are in blobs.
    function postBatch(
        Batch calldata statement,
        ParentClaim calldata parent,
        bytes32[] calldata leftSiblings,
        uint64 signers,
        bytes calldata signatures,
        bytes calldata data
    ) external;

    /// @notice Posts the next batch when something is not as usual: claims of batches before it are missing, or no two thirds
    /// sign.
    /// @param ancestry Claims up to the parent of this batch. The first must be live; those behind it are posted with this
    /// batch, and its signers answer for them as for their own.
    /// @param finalization If it has signers, more than one third of the committee suffices for the statement, from half of
    /// `maxGap` after the last batch on, if a committee signed the parent claim or it is final.
    function postBatchWith(
        Batch calldata statement,
        ParentClaim[] calldata ancestry,
        bytes32[] calldata leftSiblings,
        uint64 signers,
        bytes calldata signatures,
        bytes calldata data,
        Finalization calldata finalization
    ) external;

    /// @notice Posts a block of messages alone, without the committee.
    /// @return index The new batch's.
    function selfSequence() external returns (uint64 index);

    /// @notice Whether `selfSequence` is open now, and why.
    function opening() external view returns (Opening);

    /// @notice Reverts unless `postBatchWith` would take a statement with these data now if a quorum had signed it, and it
    /// leaves out no message that is due by L1's clock, as far as there is room.
    function checkBatch(
        Batch calldata statement,
        ParentClaim[] calldata ancestry,
        bytes32[] calldata leftSiblings,
        bytes calldata data
    ) external view;

    /// @notice From when L1 waits for the next batch, or will if none comes: an unconsumed message is due, or half of `maxGap`
    /// is over.
    function waitingSince() external view returns (uint64);

    /// @notice How many lapses were written down; they are in order and do not overlap.
    function lapseCount() external view returns (uint256);

    /// @notice One of them; at place `lapseCount()` the one that would be written down if a batch came now (zero if none).
    function lapse(uint256 place) external view returns (Lapse memory);

    /// @notice The first batch after which no committee signed one: the batches from here on have no signed claim.
    /// `batchIndex() + 1` if there is none such.
    function firstUnsigned() external view returns (uint64);

    /// @notice When the last batch came, or the time of its last block if that is later (many were self-sequenced at once: no
    /// committee can post before); before the first, when terms began to count.
    function lastPostedAt() external view returns (uint64);
    /// @notice Ends the chain on its last final claim, for ever. Only the bridge; see `IClaims.end`.
    function end(bytes32 claimId) external;

    /// @notice Index of the last batch; 0 if there is none but genesis.
    function batchIndex() external view returns (uint64);

    /// @notice Height of the last block posted.
    function lastHeight() external view returns (uint64);

    /// @notice Its time.
    function lastBlockTime() external view returns (uint64);

    /// @notice Messages consumed by the batches so far.
    function consumedMessages() external view returns (uint64);

    /// @notice Chain of all statements so far.
    function inboxTip() external view returns (bytes32);

    /// @notice Reverts unless this statement was posted as this batch.
    /// @param tipBefore The statement's `inboxTip`.
    /// @param structHash Its EIP-712 struct hash.
    /// @param later Struct hashes of the statements behind it, up to the last batch's or to that of a batch whose index is a
    /// multiple of 32: those tips are kept, so that nobody who posts batches can make a proof come too late again and again.
    function checkPosted(uint64 batchIndex, bytes32 tipBefore, bytes32 structHash, bytes32[] calldata later)
        external
        view;

    /// @notice The registry whose committees sign.
    function registry() external view returns (ISequencerRegistry);

    /// @notice Where the claims are.
    function claims() external view returns (IClaims);

    /// @notice Time of the L2 genesis block.
    function l2GenesisTime() external view returns (uint64);
}

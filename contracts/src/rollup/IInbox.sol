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
/// path; times; messages; inbox tip; data; committee; signatures.
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
    /// Not more than two thirds of the committee signed.
    error NoQuorum(uint256 signatures, uint256 members);
    /// The claims contract belongs to another inbox.
    error ClaimsOfAnotherInbox(address inbox);
    /// The claims contract was made with another registry, so perhaps with other parameters.
    error ClaimsOfAnotherRegistry(address registry);
    /// Genesis must not be of the future.
    error GenesisInFuture(uint64 genesisTime);

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

    /// @notice The registry whose committees sign.
    function registry() external view returns (ISequencerRegistry);

    /// @notice Where the claims are.
    function claims() external view returns (IClaims);

    /// @notice Time of the L2 genesis block.
    function l2GenesisTime() external view returns (uint64);
}

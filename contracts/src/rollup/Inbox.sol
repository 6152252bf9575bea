// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {ISequencerRegistry} from "../bonding/ISequencerRegistry.sol";
import {ClaimPreimage, Commitments} from "../lib/Commitments.sol";
import {Batch, Messages} from "../lib/Messages.sol";
import {Parameters, ProtocolParameters} from "../lib/Parameters.sol";
import {IClaims} from "./IClaims.sol";
import {IInbox, ParentClaim} from "./IInbox.sol";
import {MessageQueue} from "./MessageQueue.sol";

/// @notice Messages and batches; what everything means stands in `IInbox`.
contract Inbox is MessageQueue, IInbox {
    using Messages for Batch;

    /// @notice The most blocks of a batch.
    uint256 public constant MAX_BLOCKS = 1 << Commitments.TREE_DEPTH;
    /// @notice The most blobs of a batch.
    uint256 public constant MAX_BLOBS = 6;
    /// @notice The most call data of a batch, in bytes.
    uint256 public constant MAX_CALLDATA = 131_072;
    /// @dev Seconds that heights may run ahead of times.
    uint256 private constant TIME_SLACK = 2;
    /// @dev Gas that blobs cost, each (EIP-4844).
    uint256 private constant GAS_PER_BLOB = 1 << 17;
    /// @dev Bytes of a post's input without siblings, signatures and data: the selector, 22 words of heads, 3 of lengths.
    uint256 private constant INPUT_BYTES = 4 + 25 * 32;
    /// @dev Gas of a post outside of what is measured: the transaction itself, and what comes after the measurement (two
    /// new slots, the head, the events). Measured by `test_a_post_is_repaid_what_it_costs`.
    uint256 private constant UNMEASURED_GAS = 21_000 + 26_500;

    ISequencerRegistry public immutable registry;
    IClaims public immutable claims;
    uint64 public immutable l2GenesisTime;
    uint64 private immutable _rollup;
    uint256 private immutable _blockTimeMillis;
    uint256 private immutable _blockGasLimit;
    uint256 private immutable _postingTipCap;
    bytes32 private immutable _domainSeparator;
    uint256 private immutable _chainId;

    bytes32 public inboxTip;

    /// @param registry_ Committees and parameters.
    /// @param claims_ Made for this inbox.
    /// @param bridge_ The bridge, which may not exist yet.
    /// @param l2GenesisTime_ Time of the L2 genesis block.
    constructor(ISequencerRegistry registry_, IClaims claims_, address bridge_, uint64 l2GenesisTime_)
        MessageQueue(registry_.parameters(), bridge_)
    {
        require(claims_.inbox() == address(this), ClaimsOfAnotherInbox(claims_.inbox()));
        require(claims_.registry() == registry_, ClaimsOfAnotherRegistry(address(claims_.registry())));
        require(l2GenesisTime_ <= block.timestamp, GenesisInFuture(l2GenesisTime_));
        ProtocolParameters memory p = registry_.parameters();
        registry = registry_;
        claims = claims_;
        l2GenesisTime = l2GenesisTime_;
        _rollup = p.rollup;
        _blockTimeMillis = p.blockTimeMillis;
        _blockGasLimit = p.blockGasLimit;
        _postingTipCap = p.postingTipCap;
        _domainSeparator = registry_.domainSeparator();
        _chainId = block.chainid;
        _head.lastBlockTime = uint40(l2GenesisTime_);
    }

    /// @inheritdoc IInbox
    function postBatch(
        Batch calldata statement,
        ParentClaim calldata parent,
        bytes32[] calldata leftSiblings,
        uint64 signers,
        bytes calldata signatures,
        bytes calldata data
    ) external {
        uint256 gasAtStart = gasleft();
        Head memory head = _live();
        _checkRange(head, statement, parent, leftSiblings);
        _checkTimes(head, statement);
        _checkMessages(head, statement);
        bytes32 tip = inboxTip;
        require(statement.inboxTip == tip, WrongInboxTip(statement.inboxTip, tip));
        uint256 blobs = _checkData(statement.dataHash, data);
        bytes32 structHash = statement.hash();
        _checkCertificate(statement.term, structHash, signers, signatures);

        head.batches += 1;
        head.lastHeight = uint48(statement.lastHeight);
        head.lastBlockTime = uint40(statement.lastBlockTime);
        head.consumed = uint40(statement.messageCount);
        inboxTip = Commitments.nextTip(tip, structHash);
        bytes32 id = claims.post(
            ClaimPreimage({
                rollup: statement.rollup,
                batchIndex: head.batches,
                parentId: statement.parentClaim,
                prevHash: statement.prevHash,
                lastHash: statement.lastHash,
                blockHashRoot: statement.blockHashRoot
            }),
            statement.term,
            signers
        );
        emit BatchPosted(head.batches, id, signers, statement);
        gasAtStart += _milestoneGas(head);
        _appendInfo(
            head, tx.origin, _postingCost(gasAtStart, blobs, data.length, leftSiblings.length, signatures.length)
        );
        _head = head;
    }

    /// @inheritdoc IInbox
    function end(bytes32 claimId) external {
        require(msg.sender == bridge, NotBridge(msg.sender));
        claims.end(claimId);
        _end();
    }

    /// @inheritdoc IInbox
    function batchIndex() external view returns (uint64) {
        return _head.batches;
    }

    /// @inheritdoc IInbox
    function lastHeight() external view returns (uint64) {
        return _head.lastHeight;
    }

    /// @inheritdoc IInbox
    function lastBlockTime() external view returns (uint64) {
        return _head.lastBlockTime;
    }

    /// @inheritdoc IInbox
    function consumedMessages() external view returns (uint64) {
        return _head.consumed;
    }

    /// @dev The statement continues the chain of heights and claims.
    function _checkRange(
        Head memory head,
        Batch calldata s,
        ParentClaim calldata parent,
        bytes32[] calldata leftSiblings
    ) private view {
        require(s.rollup == _rollup, WrongRollup(s.rollup, _rollup));
        require(s.firstHeight == uint256(head.lastHeight) + 1, WrongFirstHeight(s.firstHeight, head.lastHeight + 1));
        require(
            s.lastHeight >= s.firstHeight && s.lastHeight - s.firstHeight < MAX_BLOCKS,
            WrongBlockCount(s.firstHeight, s.lastHeight)
        );
        bytes32 parentId = Commitments.claimId(
            ClaimPreimage(
                _rollup, head.batches, parent.parentId, parent.prevHash, parent.lastHash, parent.blockHashRoot
            )
        );
        require(s.parentClaim == parentId, WrongParentClaim(s.parentClaim, parentId));
        require(s.prevHash == parent.lastHash, WrongPrevHash(s.prevHash, parent.lastHash));
        bytes32 root = Commitments.rootOfLastLeaf(s.lastHash, s.lastHeight - s.firstHeight, leftSiblings);
        require(s.blockHashRoot == root, WrongPath(s.blockHashRoot, root));
    }

    /// @dev Times neither run back nor ahead, and there are not more blocks than time.
    function _checkTimes(Head memory head, Batch calldata s) private view {
        require(s.lastBlockTime >= head.lastBlockTime, TimeBeforePrevious(s.lastBlockTime, head.lastBlockTime));
        require(s.lastBlockTime <= block.timestamp, TimeInFuture(s.lastBlockTime, uint64(block.timestamp)));
        require(
            uint256(s.lastHeight) * _blockTimeMillis <= (s.lastBlockTime - l2GenesisTime + TIME_SLACK) * 1000,
            BlocksTooFast(s.lastHeight, s.lastBlockTime)
        );
    }

    /// @dev The messages consumed are L1's own, not more than blocks can take, and no due one is left out without need.
    function _checkMessages(Head memory head, Batch calldata s) private view {
        uint64 count = s.messageCount;
        require(count >= head.consumed, MessagesConsumedBefore(count, head.consumed));
        require(count <= head.messages, MessagesNotSent(count, head.messages));
        bytes32 acc = _accAfter(count);
        require(s.messageAcc == acc, WrongMessageAcc(s.messageAcc, acc));
        uint256 gas_ = count == head.consumed ? 0 : _gasAfter(count) - _gasAfter(head.consumed);
        uint256 limit = (s.lastHeight - s.firstHeight + 1) * _blockGasLimit;
        require(gas_ <= limit / Parameters.MESSAGE_SHARE, TooMuchMessageGas(gas_, limit / Parameters.MESSAGE_SHARE));
        if (count < head.messages && gas_ * (2 * Parameters.MESSAGE_SHARE) < limit) {
            uint256 dueAt = _timeOf(count) + _forceDelay;
            require(dueAt > s.lastBlockTime, DueMessageSkipped(count, uint64(dueAt)));
        }
    }

    /// @dev The data are those that were signed. Returns the number of blobs.
    function _checkData(bytes32 signed, bytes calldata data) private view returns (uint256 blobs) {
        while (blobhash(blobs) != 0) ++blobs;
        bytes32 dataHash;
        if (blobs != 0) {
            require(data.length == 0, TwoKindsOfData());
            require(blobs <= MAX_BLOBS, TooManyBlobs(blobs));
            bytes32[] memory hashes = new bytes32[](blobs);
            for (uint256 i; i < blobs; ++i) {
                hashes[i] = blobhash(i);
            }
            dataHash = Commitments.blobDataHash(hashes);
        } else if (data.length != 0) {
            require(data.length <= MAX_CALLDATA, TooMuchCallData(data.length));
            // An account with delegated code (EIP-7702) could call from within its own transaction.
            require(msg.sender == tx.origin && msg.sender.code.length == 0, CallDataNotDirect(msg.sender));
            dataHash = Commitments.calldataDataHash(data);
        }
        require(signed == dataHash, WrongData(signed, dataHash));
    }

    /// @dev More than two thirds of a committee that may post now signed the statement.
    function _checkCertificate(uint64 term, bytes32 structHash, uint64 signers, bytes calldata signatures) private {
        address committee = registry.postingCommittee(term);
        // The vote keys are the first third of 60 bytes a member, behind the leading zero byte.
        uint256 members = (committee.code.length - 1) / 60;
        bytes memory voteKeys = SSTORE2.read(committee, 0, members * 20);
        // After a fork of L1 the seats sign for the chain that they are on.
        bytes32 separator = block.chainid == _chainId ? _domainSeparator : registry.domainSeparator();
        uint256 count =
            Messages.checkSignatures(Messages.digest(separator, structHash), voteKeys, signers, signatures);
        require(count * 3 > members * 2, NoQuorum(count, members));
    }

    /// @dev What the post costs its poster, in wei; the tip above the cap is the poster's own.
    function _postingCost(
        uint256 gasAtStart,
        uint256 blobs,
        uint256 dataLength,
        uint256 siblings,
        uint256 signatureBytes
    ) private view returns (uint256) {
        // Only what a post needs: a poster must gain nothing by call data that it writes behind it.
        uint256 input = INPUT_BYTES + 32 * siblings + signatureBytes;
        uint256 gas_ = UNMEASURED_GAS + gasAtStart - gasleft() + 16 * dataLength + 11 * input;
        // EIP-7623: call data cost at least 40 gas a byte.
        uint256 floor = 21_000 + 40 * dataLength + 28 * input;
        if (gas_ < floor) gas_ = floor;
        uint256 price = block.basefee + _postingTipCap;
        if (tx.gasprice < price) price = tx.gasprice;
        return gas_ * price + blobs * GAS_PER_BLOB * block.blobbasefee;
    }
}

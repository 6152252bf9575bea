// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../bonding/ISequencerRegistry.sol";
import {ClaimPreimage, Commitments} from "../lib/Commitments.sol";
import {Batch, Finalize, Messages} from "../lib/Messages.sol";
import {Parameters, ProtocolParameters} from "../lib/Parameters.sol";
import {IClaims} from "./IClaims.sol";
import {Finalization, IInbox, Lapse, Opening, ParentClaim} from "./IInbox.sol";
import {MessageQueue} from "./MessageQueue.sol";
import {SSTORE2} from "solady/utils/SSTORE2.sol";

/// @notice Messages and batches; what everything means stands in `IInbox`.
contract Inbox is MessageQueue, IInbox {
    using Messages for Batch;
    using Messages for Finalize;

    /// @notice The most blocks of a batch.
    uint256 public constant MAX_BLOCKS = 1 << Commitments.TREE_DEPTH;
    /// @notice The most blobs of a batch.
    uint256 public constant MAX_BLOBS = 6;
    /// @notice The most call data of a batch, in bytes.
    uint256 public constant MAX_CALLDATA = 131_072;
    /// @dev Every how many batches the tip is kept.
    uint256 private constant TIP_INTERVAL = 32;
    /// @dev Seconds that heights may run ahead of times.
    uint256 private constant TIME_SLACK = 2;
    /// @dev Gas that blobs cost, each (EIP-4844).
    uint256 private constant GAS_PER_BLOB = 1 << 17;
    /// @dev Bytes of a post's input without siblings, signatures and data: the selector, 22 words of heads, 3 of lengths.
    uint256 private constant INPUT_BYTES = 4 + 25 * 32;
    /// @dev The same of `postBatchWith`, without ancestors as well: 20 words of heads, 4 of lengths, 5 of the finalisation.
    uint256 private constant INPUT_BYTES_WITH = 4 + 29 * 32;
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
    uint256 private immutable _slotTime;
    uint256 private immutable _batchAge;
    uint256 private immutable _overlap;
    uint256 private immutable _grace;
    uint256 private immutable _maxGap;
    uint256 private immutable _madeAt;
    uint256 private immutable _madeAtBlock;

    /// @dev Who signed a batch, whether it does what it can for due messages, and what its cost is computed from: gas at the
    /// start, blobs, bytes of call data, and of the input that it needs beside them. (One struct, for the compiler makes a
    /// copy of a function for each literal that it is called with, and the contract would be too large.)
    struct Post {
        uint64 signers;
        bool worked;
        uint256 gasAtStart;
        uint256 blobs;
        uint256 dataLength;
        uint256 input;
    }

    /// @dev The last batches in a row that were self-sequenced.
    struct Run {
        uint64 first;
        uint64 last;
    }

    bytes32 public inboxTip;
    /// @dev The tips after batches whose index is a multiple of `TIP_INTERVAL`.
    mapping(uint256 batchIndex => bytes32 tip) private _tips;
    Run private _run;
    /// @dev `batch ‖ missed ‖ to ‖ from` of 40 bits each.
    uint256[] private _lapses;

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
        _slotTime = p.slotTime;
        _batchAge = p.batchAge;
        _overlap = p.overlap;
        _grace = p.grace;
        _maxGap = p.maxGap;
        _madeAt = block.timestamp;
        _madeAtBlock = block.number;
        _head.lastBlockTime = uint40(l2GenesisTime_);
    }

    /// @inheritdoc IInbox
    function postBatch(
        Batch memory statement,
        ParentClaim memory parent,
        bytes32[] calldata leftSiblings,
        uint64 signers,
        bytes calldata signatures,
        bytes calldata data
    ) external {
        uint256 gasAtStart = gasleft();
        Head memory head = _live();
        _checkRange(head, statement, parent, leftSiblings);
        _checkDirect(data);
        (uint256 blobs, bool worked) = _checkContent(head, statement, data);
        bytes32 structHash = statement.hash();
        (bytes memory voteKeys, bytes32 separator) = _committee(statement.term);
        uint256 count = Messages.checkSignatures(Messages.digest(separator, structHash), voteKeys, signers, signatures);
        uint256 members = voteKeys.length / 20;
        require(count * 3 > members * 2, NoQuorum(count, members));
        uint256 input = INPUT_BYTES + 32 * leftSiblings.length + signatures.length;
        _take(head, statement, structHash, Post(signers, worked, gasAtStart, blobs, data.length, input));
    }

    /// @inheritdoc IInbox
    function postBatchWith(
        Batch memory statement,
        ParentClaim[] calldata ancestry,
        bytes32[] calldata leftSiblings,
        uint64 signers,
        bytes calldata signatures,
        bytes calldata data,
        Finalization calldata finalization
    ) external {
        uint256 gasAtStart = gasleft();
        Head memory head = _live();
        _checkAncestry(head, ancestry);
        _checkRange(head, statement, ancestry[ancestry.length - 1], leftSiblings);
        _checkDirect(data);
        (uint256 blobs, bool worked) = _checkContent(head, statement, data);
        bytes32 structHash = statement.hash();
        _checkVotes(head, statement, structHash, signers, signatures, finalization);
        for (uint256 i = 1; i < ancestry.length; ++i) {
            claims.carry(_preimage(head, ancestry, i), statement.term, signers);
        }
        uint256 input = INPUT_BYTES_WITH + 128 * ancestry.length + 32 * leftSiblings.length + signatures.length
            + finalization.signatures.length;
        _take(head, statement, structHash, Post(signers, worked, gasAtStart, blobs, data.length, input));
    }

    /// @inheritdoc IInbox
    function selfSequence() external returns (uint64 index) {
        uint256 gasAtStart = gasleft();
        Head memory head = _live();
        (Opening why, uint256 from) = _opening(head);
        require(why != Opening.Closed, SelfSequencingClosed(uint64(from)));
        index = head.batches + 1;
        _run = Run(_firstUnsigned(head), index);
        Batch memory s;
        s.rollup = _rollup;
        s.term = registry.startTerm();
        (s.firstHeight, s.lastHeight) = (head.lastHeight + 1, head.lastHeight + 1);
        uint256 time = uint256(head.lastBlockTime) + 1;
        s.lastBlockTime = uint64(time < block.timestamp ? block.timestamp : time);
        s.messageCount = uint64(_mostMessages(head));
        s.messageAcc = _accAfter(s.messageCount);
        s.inboxTip = inboxTip;
        _take(head, s, s.hash(), Post(0, false, gasAtStart, 0, 0, 4));
    }

    /// @inheritdoc IInbox
    function checkBatch(
        Batch memory statement,
        ParentClaim[] calldata ancestry,
        bytes32[] calldata leftSiblings,
        bytes calldata data
    ) external view {
        Head memory head = _live();
        _checkAncestry(head, ancestry);
        _checkRange(head, statement, ancestry[ancestry.length - 1], leftSiblings);
        (, bool worked) = _checkContent(head, statement, data);
        if (!worked) {
            revert DueMessageSkipped(statement.messageCount, uint64(_timeOf(statement.messageCount) + _forceDelay));
        }
    }

    /// @inheritdoc IInbox
    function checkPosted(uint64 index, bytes32 tipBefore, bytes32 structHash, bytes32[] calldata later) external view {
        bytes32 tip = Commitments.nextTip(tipBefore, structHash);
        for (uint256 i; i < later.length; ++i) {
            tip = Commitments.nextTip(tip, later[i]);
        }
        uint256 last = index + later.length;
        bytes32 kept = last == _head.batches ? inboxTip : _tips[last];
        require(index != 0 && kept == tip, NotPosted(index));
    }

    /// @inheritdoc IInbox
    function opening() external view returns (Opening why) {
        (why,) = _opening(_head);
    }

    /// @inheritdoc IInbox
    function waitingSince() external view returns (uint64) {
        Head memory head = _head;
        uint256 postedAt = _lastPost(head);
        uint256 from = postedAt + _maxGap / 2;
        if (head.consumed < head.messages) {
            uint256 due = _timeOf(head.consumed) + _forceDelay;
            if (due < postedAt) due = postedAt;
            if (due < from) from = due;
        }
        return uint64(from);
    }

    /// @inheritdoc IInbox
    function lapseCount() external view returns (uint256) {
        return _lapses.length;
    }

    /// @inheritdoc IInbox
    function lapse(uint256 place) external view returns (Lapse memory) {
        if (place == _lapses.length) return _lapseNow(_head, place != type(uint256).max);
        uint256 word = _lapses[place];
        return Lapse(uint40(word), uint40(word >> 40), uint40(word >> 80), uint40(word >> 120));
    }

    /// @inheritdoc IInbox
    function firstUnsigned() external view returns (uint64) {
        return _firstUnsigned(_head);
    }

    /// @inheritdoc IInbox
    function lastPostedAt() external view returns (uint64) {
        return uint64(_lastPost(_head));
    }

    /// @inheritdoc IInbox
    function end(bytes32 claimId) external {
        require(msg.sender == bridge, NotBridge(msg.sender));
        claims.end(claimId);
        // What L1 waits for ends here: nobody is idle afterwards.
        _noteLapse(_head, claimId != 0);
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
    function _checkRange(Head memory head, Batch memory s, ParentClaim memory parent, bytes32[] calldata leftSiblings)
        private
        view
    {
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
    function _checkTimes(Head memory head, Batch memory s) private view {
        require(s.lastBlockTime >= head.lastBlockTime, TimeBeforePrevious(s.lastBlockTime, head.lastBlockTime));
        require(s.lastBlockTime <= block.timestamp, TimeInFuture(s.lastBlockTime, uint64(block.timestamp)));
        require(
            uint256(s.lastHeight) * _blockTimeMillis <= (s.lastBlockTime - l2GenesisTime + TIME_SLACK) * 1000,
            BlocksTooFast(s.lastHeight, s.lastBlockTime)
        );
    }

    /// @dev Times, messages, tip and data, which do not depend on who signed. Returns the number of blobs, and whether the
    /// batch does what it can for messages that are due by L1's clock.
    function _checkContent(Head memory head, Batch memory s, bytes calldata data)
        private
        view
        returns (uint256 blobs, bool worked)
    {
        _checkTimes(head, s);
        worked = _checkMessages(head, s);
        bytes32 tip = inboxTip;
        require(s.inboxTip == tip, WrongInboxTip(s.inboxTip, tip));
        blobs = _checkData(s.dataHash, data);
    }

    /// @dev The messages consumed are L1's own, not more than blocks can take, and no due one is left out without need.
    /// Returns whether that holds by L1's clock too.
    function _checkMessages(Head memory head, Batch memory s) private view returns (bool) {
        uint64 count = s.messageCount;
        require(count >= head.consumed, MessagesConsumedBefore(count, head.consumed));
        require(count <= head.messages, MessagesNotSent(count, head.messages));
        bytes32 acc = _accAfter(count);
        require(s.messageAcc == acc, WrongMessageAcc(s.messageAcc, acc));
        uint256 gas_ = count == head.consumed ? 0 : _gasAfter(count) - _gasAfter(head.consumed);
        uint256 limit = (s.lastHeight - s.firstHeight + 1) * _blockGasLimit;
        require(gas_ <= limit / Parameters.MESSAGE_SHARE, TooMuchMessageGas(gas_, limit / Parameters.MESSAGE_SHARE));
        if (count == head.messages || gas_ * (2 * Parameters.MESSAGE_SHARE) >= limit) return true;
        uint256 dueAt = _timeOf(count) + _forceDelay;
        require(dueAt > s.lastBlockTime, DueMessageSkipped(count, uint64(dueAt)));
        return dueAt > block.timestamp;
    }

    /// @dev The claims hang together, the first is live, the last is of the batch before.
    function _checkAncestry(Head memory head, ParentClaim[] calldata ancestry) private view {
        uint256 n = ancestry.length;
        require(n != 0 && n <= uint256(head.batches) + 1, WrongAncestry(n));
        bytes32 id = Commitments.claimId(_preimage(head, ancestry, 0));
        uint64 first = uint64(head.batches + 1 - n);
        // Only batches that no committee signed have their claims carried.
        require(claims.isLive(id, first) && (n == 1 || first + 1 >= _firstUnsigned(head)), WrongAncestry(0));
        for (uint256 i = 1; i < n; ++i) {
            require(
                ancestry[i].parentId == id && ancestry[i].prevHash == ancestry[i - 1].lastHash
                    && ancestry[i].blockHashRoot == Commitments.rootOfSingle(ancestry[i].lastHash),
                WrongAncestry(i)
            );
            id = Commitments.claimId(_preimage(head, ancestry, i));
        }
    }

    /// @dev What the claim at a place of the ancestors commits to.
    function _preimage(Head memory head, ParentClaim[] calldata ancestry, uint256 place)
        private
        view
        returns (ClaimPreimage memory)
    {
        ParentClaim memory c = ancestry[place];
        uint64 index = uint64(head.batches + 1 + place - ancestry.length);
        return ClaimPreimage(_rollup, index, c.parentId, c.prevHash, c.lastHash, c.blockHashRoot);
    }

    /// @dev Followers are to find call data in the transaction.
    function _checkDirect(bytes calldata data) private view {
        // An account with delegated code (EIP-7702) could call from within its own transaction.
        bool plain = msg.sender == tx.origin && msg.sender.code.length == 0;
        require(plain || data.length == 0, CallDataNotDirect(msg.sender));
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
            dataHash = Commitments.calldataDataHash(data);
        }
        require(signed == dataHash, WrongData(signed, dataHash));
    }

    /// @dev The vote keys of a committee that may post now, and the domain that it signs in.
    function _committee(uint64 term) private returns (bytes memory voteKeys, bytes32 separator) {
        address committee = registry.postingCommittee(term);
        // The vote keys are the first third of 60 bytes a member, behind the leading zero byte.
        uint256 members = (committee.code.length - 1) / 60;
        voteKeys = SSTORE2.read(committee, 0, members * 20);
        // After a fork of L1 the seats sign for the chain that they are on.
        separator = block.chainid == _chainId ? _domainSeparator : registry.domainSeparator();
    }

    /// @dev More than two thirds signed the statement; or more than one third, and more than two thirds voted for its last
    /// block, and no batch came for half of `maxGap`.
    function _checkVotes(
        Head memory head,
        Batch memory s,
        bytes32 structHash,
        uint64 signers,
        bytes calldata signatures,
        Finalization calldata f
    ) private {
        (bytes memory voteKeys, bytes32 separator) = _committee(s.term);
        uint256 members = voteKeys.length / 20;
        uint256 count = Messages.checkSignatures(Messages.digest(separator, structHash), voteKeys, signers, signatures);
        if (count * 3 > members * 2) return;
        require(count * 3 > members && f.signers != 0, NoQuorum(count, members));
        uint256 from = _lastPost(head) + _maxGap / 2;
        require(block.timestamp >= from, ThirdTooEarly(uint64(from)));
        // A finalisation says nothing of claims: a third must not decide between two that nobody signed, nor go on from one
        // while it can be opposed.
        require(_firstUnsigned(head) > head.batches || claims.isFinal(s.parentClaim), ParentUndecided(s.parentClaim));
        bytes32 digest =
            Messages.digest(separator, Finalize(s.rollup, s.term, s.genesis, f.view_, f.parentView, s.lastHash).hash());
        count = Messages.checkSignatures(digest, voteKeys, f.signers, f.signatures);
        require(count * 3 > members * 2, NotFinalized(count, members));
    }

    /// @dev Takes a batch that passed all checks: notes the lapse that it ends, moves the head on, posts the claim if there are
    /// signers, and appends the post's L1Info with what it cost.
    function _take(Head memory head, Batch memory s, bytes32 structHash, Post memory post) private {
        _noteLapse(head, post.worked);
        head.batches += 1;
        head.lastHeight = uint40(s.lastHeight);
        head.lastBlockTime = uint40(s.lastBlockTime);
        head.consumed = uint40(s.messageCount);
        bytes32 tip = Commitments.nextTip(s.inboxTip, structHash);
        inboxTip = tip;
        if (head.batches % TIP_INTERVAL == 0) _tips[head.batches] = tip;
        bytes32 id;
        if (post.signers != 0) {
            id = claims.post(
                ClaimPreimage({
                    rollup: s.rollup,
                    batchIndex: head.batches,
                    parentId: s.parentClaim,
                    prevHash: s.prevHash,
                    lastHash: s.lastHash,
                    blockHashRoot: s.blockHashRoot
                }),
                s.term,
                post.signers
            );
        }
        emit BatchPosted(head.batches, id, post.signers, s);
        post.gasAtStart += _milestoneGas(head);
        _appendInfo(head, tx.origin, _postingCost(post));
        head.sincePost = 1;
        _save(head);
    }

    // Without the committee

    /// @dev Whether anyone may sequence; and if not, from when, if nothing comes before.
    function _opening(Head memory head) private view returns (Opening, uint256 from) {
        uint256 postedAt = _lastPost(head);
        from = postedAt + _maxGap;
        if (_hasEnded(head)) return (Opening.Closed, from);
        if (head.consumed < head.messages) {
            uint256 overdue = _timeOf(head.consumed) + _forceDelay + _grace;
            if (overdue <= block.timestamp) return (Opening.MessageOverdue, overdue);
            if (overdue < from) from = overdue;
        }
        if (postedAt + _maxGap <= block.timestamp) return (Opening.NoBatch, from);
        if (postedAt + _batchAge <= block.timestamp && _noQuorum()) return (Opening.NoQuorum, from);
        return (Opening.Closed, from);
    }

    /// @dev Whether no committee that may post has members.
    function _noQuorum() private view returns (bool) {
        uint64 term = registry.currentTerm();
        if (registry.committeeSize(term) != 0) return false;
        return term == 1 || registry.committeeSize(term - 1) == 0
            || block.timestamp >= uint256(registry.termStart(term)) + _overlap;
    }

    function _firstUnsigned(Head memory head) private view returns (uint64) {
        Run memory run = _run;
        return run.last != 0 && run.last == head.batches ? run.first : head.batches + 1;
    }

    /// @dev How many messages are consumed after a block that takes all that fit into its share of gas.
    function _mostMessages(Head memory head) private view returns (uint256 count) {
        count = head.consumed;
        uint256 share = _blockGasLimit / Parameters.MESSAGE_SHARE;
        uint256 limit = _gasAfter(count) + share;
        uint256 most = count + share / Parameters.MESSAGE_BASE_GAS;
        if (most > head.messages) most = head.messages;
        while (count < most) {
            uint256 middle = (count + most + 1) / 2;
            if (_gasAfter(middle) <= limit) count = middle;
            else most = middle - 1;
        }
    }

    // Lapses

    /// @dev When the last batch came; or its time, which may be later when many were self-sequenced at once: until then no
    /// committee can post, so nobody waits for it.
    function _lastPost(Head memory head) private view returns (uint256) {
        if (head.sincePost != 0) {
            uint256 time = _timeOf(head.messages - head.sincePost);
            return time < head.lastBlockTime ? head.lastBlockTime : time;
        }
        uint256 opened = registry.genesisTime();
        return opened > _madeAt ? opened : _madeAt;
    }

    /// @dev Writes down what L1 waited for until now.
    function _noteLapse(Head memory head, bool worked) private {
        Lapse memory l = _lapseNow(head, worked);
        if (uint256(l.from) + l.missed < l.to) {
            _lapses.push(uint256(l.batch) << 120 | uint256(l.missed) << 80 | uint256(l.to) << 40 | l.from);
        }
    }

    /// @dev The lapse that ends now; zero if there is none.
    function _lapseNow(Head memory head, bool worked) private view returns (Lapse memory l) {
        if (_hasEnded(head)) return l;
        bool isWaiting = head.consumed < head.messages;
        (uint256 time, uint256 since) =
            isWaiting && head.sincePost != 0 ? _sentAt(head.consumed) : (_madeAt, _madeAtBlock);
        uint256 awake = (block.number - since) * _slotTime;
        uint256 missed = block.timestamp - time;
        missed = missed > awake ? missed - awake : 0;
        // What L1 had blocks for. The last batch is not older than the oldest message that is left.
        uint256 now_ = block.timestamp - missed;
        uint256 overdue = _forceDelay + _grace;
        if (now_ < time + (overdue < _maxGap ? overdue : _maxGap)) return l;
        uint256 postedAt = _lastPost(head);
        uint256 from = now_ >= postedAt + _maxGap ? postedAt + _maxGap / 2 : type(uint256).max;
        if (isWaiting) {
            uint256 due = _timeOf(head.consumed) + _forceDelay;
            uint256 late = due < postedAt ? postedAt : due;
            if (now_ >= (worked ? late : due) + _grace && late < from) from = late;
        }
        if (from == type(uint256).max) return l;
        l = Lapse(uint40(from), uint40(block.timestamp), uint40(missed), head.batches);
    }

    /// @dev What the post costs its poster, in wei; the tip above the cap is the poster's own.
    function _postingCost(Post memory cost) private view returns (uint256) {
        // Sums of gas and sizes that fit into one transaction.
        unchecked {
            // `input` is only what a post needs: a poster must gain nothing by call data that it writes behind it.
            uint256 gas_ = UNMEASURED_GAS + cost.gasAtStart - gasleft() + 16 * cost.dataLength + 11 * cost.input;
            // EIP-7623: call data cost at least 40 gas a byte.
            uint256 floor = 21_000 + 40 * cost.dataLength + 28 * cost.input;
            if (gas_ < floor) gas_ = floor;
            uint256 price = block.basefee + _postingTipCap;
            if (tx.gasprice < price) price = tx.gasprice;
            return gas_ * price + cost.blobs * GAS_PER_BLOB * block.blobbasefee;
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../src/bonding/ISequencerRegistry.sol";
import {ClaimPreimage, Commitments} from "../src/lib/Commitments.sol";
import {Batch, Messages} from "../src/lib/Messages.sol";
import {ClaimRecord, IClaims} from "../src/rollup/IClaims.sol";
import {IInbox} from "../src/rollup/IInbox.sol";
import {IMessageQueue} from "../src/rollup/IMessageQueue.sol";
import {Fixture, Post} from "./lib/Fixture.sol";
import {Vm} from "./lib/Test.sol";

/// @notice What honest seats signed arrives; what anybody makes of it otherwise is refused by an error of its own.
contract InboxTest is Fixture {
    using Messages for Batch;

    function setUp() external {
        deploy(4);
        pass(6);
    }

    function _refused(Post memory post, bytes memory reason) private {
        vm.deal(POSTER, 100 ether);
        vm.expectRevert(reason);
        vm.prank(POSTER, POSTER);
        inbox.postBatch(post.statement, post.parent, post.leftSiblings, post.signers, post.signatures, post.data);
    }

    function _refused(Post memory post, bytes4 reason) private {
        vm.deal(POSTER, 100 ether);
        vm.expectPartialRevert(reason);
        vm.prank(POSTER, POSTER);
        inbox.postBatch(post.statement, post.parent, post.leftSiblings, post.signers, post.signatures, post.data);
    }

    // What is right

    function test_an_honest_batch_arrives() external {
        inbox.poke();
        pass(4);
        Post memory post = honest(30);
        vm.recordLogs();
        succeed(post);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        bytes32 id = keccak256(abi.encode(head));
        vm.assertEq(logs[0].topics[0], IInbox.BatchPosted.selector);
        vm.assertEq(uint256(logs[0].topics[1]), 1);
        vm.assertEq(logs[0].topics[2], id);
        (uint64 signers, Batch memory s) = abi.decode(logs[0].data, (uint64, Batch));
        vm.assertEq(signers, 7);
        vm.assertEq(s.hash(), post.statement.hash());
        vm.assertEq(logs[1].topics[0], IMessageQueue.MessageSent.selector);

        vm.assertEq(inbox.batchIndex(), 1);
        vm.assertEq(inbox.lastHeight(), 30);
        vm.assertEq(inbox.lastBlockTime(), s.lastBlockTime);
        vm.assertEq(inbox.consumedMessages(), 1);
        vm.assertEq(inbox.messageCount(), 2);
        vm.assertEq(inbox.inboxTip(), keccak256(abi.encode(bytes32(0), s.hash())));
        ClaimRecord memory record = claims.claim(id);
        vm.assertEq(record.postedAt, block.timestamp);
        vm.assertEq(record.batchIndex, 1);
        vm.assertEq(record.term, 1);
        vm.assertEq(record.signers, 7);
    }

    function test_batches_follow_each_other_through_terms() external {
        for (uint256 i; i < 12; ++i) {
            pass(20);
            succeed(honest(1 + i * 7));
        }
        vm.assertEq(inbox.batchIndex(), 12);
        vm.assertEq(registry.currentTerm(), 5);
    }

    function testFuzz_every_count_of_blocks_has_its_path(uint256 count) external {
        count = bound(count, 1, 600);
        pass(200);
        succeed(honest(count));
        vm.assertEq(inbox.lastHeight(), count);
    }

    function test_the_largest_batch_arrives() external {
        vm.warp(GENESIS_TIME + 6600);
        succeed(honest(32_768));
        pass(6600);
        Post memory post = honest(1);
        post.statement.lastHeight = post.statement.firstHeight + 32_768;
        _refused(post, abi.encodeWithSelector(IInbox.WrongBlockCount.selector, 32_769, 65_537));
    }

    function test_six_blobs_arrive_and_seven_do_not() external {
        Post memory post = honest(10);
        post.statement.dataHash = attachBlobs(7);
        certify(post);
        _refused(post, abi.encodeWithSelector(IInbox.TooManyBlobs.selector, 7));
        post.statement.dataHash = attachBlobs(6);
        certify(post);
        succeed(post);
    }

    function test_all_signatures_may_come_and_less_than_more_than_two_thirds_may_not() external {
        Post memory post = honest(10);
        certify(post, 3);
        _refused(post, abi.encodeWithSelector(IInbox.NoQuorum.selector, 2, 4));
        certify(post, 0);
        _refused(post, abi.encodeWithSelector(IInbox.NoQuorum.selector, 0, 4));
        certify(post, 15);
        succeed(post);
        vm.assertEq(claims.claim(keccak256(abi.encode(head))).signers, 15);
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_a_quorum_is_more_than_two_thirds(uint256 n, uint64 signers) external {
        n = bound(n, 4, 64);
        deploy(n);
        pass(6);
        if (n < 64) signers &= uint64((1 << n) - 1);
        uint256 count;
        for (uint64 rest = signers; rest != 0; rest &= rest - 1) ++count;
        Post memory post = honest(10);
        certify(post, signers);
        if (3 * count > 2 * n) succeed(post);
        else _refused(post, abi.encodeWithSelector(IInbox.NoQuorum.selector, count, n));
    }

    function test_the_committee_before_posts_within_overlap_only() external {
        register(4);
        pass(110);
        // Term 2's honest statement, posted when term 3 has begun, whose committee has five.
        Post memory post = honest(10);
        vm.assertEq(post.statement.term, 2);
        pass(10);
        vm.assertEq(registry.currentTerm(), 3);
        uint256 before = vm.snapshotState();
        succeed(post);
        vm.revertToState(before);
        pass(parameters.overlap);
        _refused(post, abi.encodeWithSelector(ISequencerRegistry.TermMayNotPost.selector, 2, 3));
        registry.sealCommittee();
        post.statement.term = 3;
        certify(post, 0x1E);
        succeed(post);
    }

    // A hostile poster

    function test_honest_signatures_with_other_data_are_refused() external {
        Post memory post = honest(10);
        bytes32 honestHash = post.statement.dataHash;
        bytes32[] memory others = new bytes32[](1);
        others[0] = bytes32(uint256(1 << 248 | 7));
        vm.blobhashes(others);
        bytes32 other = keccak256(abi.encodePacked(uint8(1), others[0]));
        _refused(post, abi.encodeWithSelector(IInbox.WrongData.selector, honestHash, other));
        // One blob too many behind the right one, and none at all.
        vm.blobhashes(new bytes32[](0));
        _refused(post, abi.encodeWithSelector(IInbox.WrongData.selector, honestHash, bytes32(0)));
        attachBlobs(2);
        _refused(post, IInbox.WrongData.selector);
        // Call data instead, or besides.
        attachBlobs(1);
        post.data = hex"00";
        _refused(post, abi.encodeWithSelector(IInbox.TwoKindsOfData.selector));
        vm.blobhashes(new bytes32[](0));
        _refused(post, IInbox.WrongData.selector);
        // A data hash that fits the other data is not what was signed.
        vm.blobhashes(others);
        post.data = "";
        post.statement.dataHash = other;
        _refused(post, abi.encodeWithSelector(Messages.SignatureInvalid.selector, 0));
        post.statement.dataHash = honestHash;
        attachBlobs(1);
        succeed(post);
    }

    function test_honest_signatures_with_other_ranges_are_refused() external {
        succeed(honest(10));
        Post memory post = honest(10);
        Batch memory s = post.statement;
        s.firstHeight = 10;
        _refused(post, abi.encodeWithSelector(IInbox.WrongFirstHeight.selector, 10, 11));
        s.firstHeight = 12;
        _refused(post, abi.encodeWithSelector(IInbox.WrongFirstHeight.selector, 12, 11));
        s.firstHeight = 11;
        s.lastHeight = 10;
        _refused(post, abi.encodeWithSelector(IInbox.WrongBlockCount.selector, 11, 10));
        // Another last height needs another path, or another number of siblings.
        s.lastHeight = 18;
        _refused(post, Commitments.PathLengthWrong.selector);
        s.lastHeight = 22;
        _refused(post, Commitments.PathLengthWrong.selector);
        s.lastHeight = 16;
        _refused(post, IInbox.WrongPath.selector);
        s.lastHeight = 20;
        s.lastHash = keccak256("other");
        _refused(post, IInbox.WrongPath.selector);
        // A last block that sits in the tree, but not last.
        (s.blockHashRoot, post.leftSiblings) = tree(blockHashes(11, 9));
        s.lastHeight = 19;
        s.lastHash = blockHashes(19, 1)[0];
        _refused(post, abi.encodeWithSelector(Messages.SignatureInvalid.selector, 0));
    }

    function test_honest_signatures_with_other_counts_are_refused() external {
        inbox.poke();
        pass(2);
        inbox.poke();
        pass(2);
        Post memory post = honest(10);
        Batch memory s = post.statement;
        s.messageCount = 1;
        _refused(post, abi.encodeWithSelector(IInbox.WrongMessageAcc.selector, s.messageAcc, inbox.accumulator(1)));
        s.messageAcc = inbox.accumulator(1);
        _refused(post, abi.encodeWithSelector(Messages.SignatureInvalid.selector, 0));
        s.messageCount = 3;
        _refused(post, abi.encodeWithSelector(IInbox.MessagesNotSent.selector, 3, 2));
        s.messageCount = 2;
        s.messageAcc = inbox.accumulator(2);
        succeed(post);
        post = honest(10);
        post.statement.messageCount = 1;
        _refused(post, abi.encodeWithSelector(IInbox.MessagesConsumedBefore.selector, 1, 2));
    }

    function test_another_inbox_history_is_refused() external {
        inbox.poke();
        Post memory post = honest(10);
        Batch memory s = post.statement;
        bytes32 right = s.messageAcc;
        s.messageAcc = keccak256("another history");
        certify(post);
        _refused(post, abi.encodeWithSelector(IInbox.WrongMessageAcc.selector, s.messageAcc, right));
        s.messageAcc = right;
        s.inboxTip = keccak256("another history");
        certify(post);
        _refused(post, abi.encodeWithSelector(IInbox.WrongInboxTip.selector, s.inboxTip, bytes32(0)));
        // A message that L1 took after a reorg makes the accumulator another: what was signed before is refused.
        s.inboxTip = 0;
        certify(post);
        vm.revertToState(_withoutThePoke(post));
        succeed(post);
    }

    /// In another fork of L1 the poke came later; there the honest statement is refused.
    function _withoutThePoke(Post memory post) private returns (uint256 state) {
        state = vm.snapshotState();
        deploy(4);
        pass(8);
        inbox.poke();
        attachBlobs(1);
        _refused(post, IInbox.WrongMessageAcc.selector);
    }

    function test_an_old_committee_is_refused() external {
        register(4);
        pass(parameters.epochLength);
        registry.sealCommittee();
        pass(parameters.epochLength + parameters.overlap);
        Post memory post = honest(10);
        vm.assertEq(post.statement.term, 3);
        post.statement.term = 2;
        certify(post, 7);
        _refused(post, abi.encodeWithSelector(ISequencerRegistry.TermMayNotPost.selector, 2, 3));
        post.statement.term = 4;
        _refused(post, abi.encodeWithSelector(ISequencerRegistry.TermMayNotPost.selector, 4, 3));
        // The old quorum under the new term's name: three of five are too few.
        post.statement.term = 3;
        certify(post, 7);
        _refused(post, abi.encodeWithSelector(IInbox.NoQuorum.selector, 3, 5));
        certify(post, 0x17);
        succeed(post);
    }

    function test_a_replay_is_refused() external {
        Post memory first = honest(10);
        succeed(first);
        _refused(first, abi.encodeWithSelector(IInbox.WrongFirstHeight.selector, 1, 11));
        pass(6);
        Post memory second = honest(10);
        succeed(second);
        _refused(second, abi.encodeWithSelector(IInbox.WrongFirstHeight.selector, 11, 21));
        _refused(first, abi.encodeWithSelector(IInbox.WrongFirstHeight.selector, 1, 21));
    }

    function test_twice_at_once_arrives_once() external {
        Post memory post = honest(10);
        Post memory other = honest(9);
        other.statement.lastBlockTime -= 1;
        certify(other, 14);
        succeed(post);
        // The same block of L1: the same statement, and another for the same place, signed by an overlapping quorum.
        _refused(post, abi.encodeWithSelector(IInbox.WrongFirstHeight.selector, 1, 11));
        _refused(other, abi.encodeWithSelector(IInbox.WrongFirstHeight.selector, 1, 11));
        vm.assertEq(inbox.batchIndex(), 1);
        vm.assertEq(inbox.messageCount(), 1);
    }

    function test_another_rollup_is_refused() external {
        Post memory post = honest(10);
        post.statement.rollup = 10;
        certify(post);
        _refused(post, abi.encodeWithSelector(IInbox.WrongRollup.selector, 10, parameters.rollup));
    }

    function test_another_parent_is_refused() external {
        succeed(honest(10));
        Post memory post = honest(10);
        bytes32 right = post.statement.parentClaim;
        post.statement.parentClaim = keccak256("other");
        certify(post);
        _refused(post, abi.encodeWithSelector(IInbox.WrongParentClaim.selector, keccak256("other"), right));
        // Genesis is a live claim, but not of the batch before.
        post.statement.parentClaim = claims.genesisClaim();
        certify(post);
        _refused(post, abi.encodeWithSelector(IInbox.WrongParentClaim.selector, claims.genesisClaim(), right));
        post.statement.parentClaim = right;
        post.statement.prevHash = keccak256("other");
        certify(post);
        _refused(
            post,
            abi.encodeWithSelector(IInbox.WrongPrevHash.selector, post.statement.prevHash, post.parent.lastHash)
        );
        // A parent of the right form that nobody posted: the seats may sign it, it stands on nothing.
        post.parent.lastHash = keccak256("other");
        ClaimPreimage memory made = head;
        made.lastHash = post.parent.lastHash;
        post.statement.parentClaim = keccak256(abi.encode(made));
        certify(post);
        _refused(post, abi.encodeWithSelector(IClaims.ParentNotLive.selector, post.statement.parentClaim));
    }

    function test_times_are_kept() external {
        succeed(honest(10));
        pass(20);
        Post memory post = honest(10);
        Batch memory s = post.statement;
        uint64 previous = inbox.lastBlockTime();
        s.lastBlockTime = previous - 1;
        certify(post);
        _refused(post, abi.encodeWithSelector(IInbox.TimeBeforePrevious.selector, previous - 1, previous));
        s.lastBlockTime = uint64(block.timestamp) + 1;
        certify(post);
        _refused(post, abi.encodeWithSelector(IInbox.TimeInFuture.selector, s.lastBlockTime, block.timestamp));
        s.lastBlockTime = uint64(block.timestamp);
        certify(post);
        uint256 before = vm.snapshotState();
        succeed(post);
        vm.revertToState(before);
        // Five blocks a second, two seconds ahead.
        post = honest(500);
        s = post.statement;
        s.lastBlockTime = GENESIS_TIME + 510 / 5 - 3;
        vm.warp(GENESIS_TIME + 200);
        certify(post);
        _refused(post, abi.encodeWithSelector(IInbox.BlocksTooFast.selector, 510, s.lastBlockTime));
    }

    function test_blocks_run_at_most_two_seconds_ahead() external {
        Post memory post = honest(10);
        post.statement.lastBlockTime = GENESIS_TIME;
        certify(post);
        succeed(post);
        pass(2);
        post = honest(1);
        post.statement.lastBlockTime = GENESIS_TIME;
        certify(post);
        _refused(post, abi.encodeWithSelector(IInbox.BlocksTooFast.selector, 11, GENESIS_TIME));
    }

    function test_signatures_have_one_form_and_one_order() external {
        Post memory post = honest(10);
        bytes memory good = post.signatures;
        post.signatures = bytes.concat(good, new bytes(1));
        _refused(post, abi.encodeWithSelector(Messages.SignaturesLengthWrong.selector, 193, 192));
        post.signatures = new bytes(128);
        for (uint256 i; i < 128; ++i) {
            post.signatures[i] = good[i];
        }
        _refused(post, abi.encodeWithSelector(Messages.SignaturesLengthWrong.selector, 128, 192));
        post.signatures = good;
        post.signers = 13;
        _refused(post, abi.encodeWithSelector(Messages.SignatureInvalid.selector, 2));
        post.signers = 1 << 4 | 3;
        _refused(post, abi.encodeWithSelector(Messages.SignerOutsideCommittee.selector, 19, 4));
        // The malleable twin of the first signature has no room for its s, or names another key.
        post.signers = 7;
        good[32] = bytes1(uint8(good[32]) ^ 0x80);
        _refused(post, abi.encodeWithSelector(Messages.SignatureInvalid.selector, 0));
        // Another seat's key does not stand in.
        good[32] = bytes1(uint8(good[32]) ^ 0x80);
        post.signatures = bytes.concat(
            sign(keyOf(3), post.statement.hash()),
            sign(keyOf(1), post.statement.hash()),
            sign(keyOf(2), post.statement.hash())
        );
        _refused(post, abi.encodeWithSelector(Messages.SignatureInvalid.selector, 0));
        post.signatures = good;
        succeed(post);
    }

    function testFuzz_no_bit_of_a_signed_statement_can_be_changed(uint256 bit) external {
        inbox.poke();
        Post memory post = honest(10);
        bytes memory words = abi.encode(post.statement);
        bit = bound(bit, 0, words.length * 8 - 1);
        // Numbers are 64 bits: the bits above them are not of the statement.
        uint256 field = bit / 256;
        bool isNumber = field < 2 || field == 3 || field == 4 || field == 9 || field == 10;
        if (isNumber) bit |= 192;
        words[bit / 8] = bytes1(uint8(words[bit / 8]) ^ uint8(0x80 >> bit % 8));
        post.statement = abi.decode(words, (Batch));
        vm.deal(POSTER, 100 ether);
        vm.expectRevert();
        vm.prank(POSTER, POSTER);
        inbox.postBatch(post.statement, post.parent, post.leftSiblings, post.signers, post.signatures, post.data);
    }

    // Call data

    function _withCallData(uint256 length) private returns (Post memory post) {
        withoutData = true;
        post = honest(10);
        post.data = new bytes(length);
        for (uint256 i; i < length; i += 97) {
            post.data[i] = bytes1(uint8(i));
        }
        bytes32[] memory pages = new bytes32[](32);
        uint256 width = 1;
        while (width * 4096 < length) width *= 2;
        for (uint256 page; page < width; ++page) {
            bytes memory content = new bytes(4096);
            for (uint256 i; i < 4096 && page * 4096 + i < length; ++i) {
                content[i] = post.data[page * 4096 + i];
            }
            pages[page] = keccak256(abi.encodePacked(uint8(0), content));
        }
        for (; width > 1; width /= 2) {
            for (uint256 i; i < width / 2; ++i) {
                pages[i] = keccak256(abi.encodePacked(uint8(1), pages[2 * i], pages[2 * i + 1]));
            }
        }
        post.statement.dataHash = keccak256(abi.encodePacked(uint8(2), uint64(length), pages[0]));
        certify(post);
    }

    function test_call_data_arrive_from_a_plain_account_only() external {
        Post memory post = _withCallData(9000);
        bytes memory call_ = abi.encodeCall(
            inbox.postBatch,
            (post.statement, post.parent, post.leftSiblings, post.signers, post.signatures, post.data)
        );
        // Through a contract.
        vm.prank(address(this), POSTER);
        (bool ok, bytes memory reason) = address(inbox).call(call_);
        vm.assertFalse(ok);
        vm.assertEq(reason, abi.encodeWithSelector(IInbox.CallDataNotDirect.selector, address(this)));
        // From an account with delegated code.
        vm.etch(POSTER, abi.encodePacked(hex"ef0100", address(this)));
        vm.prank(POSTER, POSTER);
        (ok, reason) = address(inbox).call(call_);
        vm.assertFalse(ok);
        vm.assertEq(reason, abi.encodeWithSelector(IInbox.CallDataNotDirect.selector, POSTER));
        vm.etch(POSTER, "");
        post.data[8999] = 0x77;
        _refused(post, IInbox.WrongData.selector);
        post = _withCallData(9000);
        succeed(post);
    }

    function test_call_data_end_at_128_kib() external {
        Post memory post = _withCallData(131_072);
        uint256 before = vm.snapshotState();
        succeed(post);
        vm.revertToState(before);
        post.data = new bytes(131_073);
        _refused(post, abi.encodeWithSelector(IInbox.TooMuchCallData.selector, 131_073));
    }

    function test_a_batch_may_have_no_data() external {
        withoutData = true;
        succeed(honest(10));
        vm.assertEq(inbox.batchIndex(), 1);
    }

    // Claims

    function test_a_claim_is_final_after_its_period_and_genesis_at_once() external {
        vm.assertTrue(claims.isFinal(claims.genesisClaim()));
        vm.assertFalse(claims.isFinal(keccak256("unknown")));
        vm.expectRevert(abi.encodeWithSelector(IClaims.UnknownClaim.selector, keccak256("unknown")));
        claims.finalAt(keccak256("unknown"));
        succeed(honest(10));
        bytes32 id = keccak256(abi.encode(head));
        vm.assertEq(claims.finalAt(id), block.timestamp + 30);
        pass(29);
        vm.assertFalse(claims.isFinal(id));
        pass(1);
        vm.assertTrue(claims.isFinal(id));
    }

    function testFuzz_a_final_claim_has_a_final_parent(uint256[6] memory gaps) external {
        bytes32[] memory ids = new bytes32[](7);
        ids[0] = claims.genesisClaim();
        for (uint256 i; i < 6; ++i) {
            pass(gaps[i] % 40);
            succeed(honest(1));
            ids[i + 1] = keccak256(abi.encode(head));
            for (uint256 k = 1; k <= i + 1; ++k) {
                vm.assertTrue(claims.isFinal(ids[k - 1]) || !claims.isFinal(ids[k]));
            }
        }
    }

    function test_only_the_inbox_posts_claims() external {
        ClaimPreimage memory claim = head;
        claim.parentId = claims.genesisClaim();
        claim.batchIndex = 1;
        vm.expectRevert(abi.encodeWithSelector(IClaims.NotInbox.selector, address(this)));
        claims.post(claim, 1, 7);
        vm.startPrank(address(inbox));
        claims.post(claim, 1, 7);
        bytes32 id = keccak256(abi.encode(claim));
        vm.expectRevert(abi.encodeWithSelector(IClaims.ClaimExists.selector, id));
        claims.post(claim, 1, 7);
        claim.batchIndex = 3;
        vm.expectRevert(abi.encodeWithSelector(IClaims.ParentNotLive.selector, claim.parentId));
        claims.post(claim, 1, 7);
        vm.stopPrank();
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../src/bonding/ISequencerRegistry.sol";
import {ClaimPreimage} from "../src/lib/Commitments.sol";
import {Batch, Messages} from "../src/lib/Messages.sol";
import {IClaims} from "../src/rollup/IClaims.sol";
import {Finalization, IInbox, Opening, ParentClaim} from "../src/rollup/IInbox.sol";
import {Post} from "./lib/Fixture.sol";
import {Forced} from "./lib/Forced.sol";
import {Vm} from "./lib/Test.sol";

/// @notice When anyone may sequence, what comes of it, and how the seats go on.
contract SelfSequenceTest is Forced {
    using Messages for Batch;

    uint64 private _start;

    function setUp() external {
        withoutData = true;
        deploy(4);
        _start = uint64(block.timestamp);
    }

    function _is(Opening expected) private view {
        vm.assertEq(uint256(inbox.opening()), uint256(expected));
    }

    function _at(uint64 time) private {
        pass(_start + time - block.timestamp);
    }

    /// A batch that takes no message, whose last block was made at `time`.
    function _skip(uint64 time) private {
        Post memory post = honest(1);
        post.statement.messageCount = inbox.consumedMessages();
        post.statement.messageAcc = inbox.accumulator(post.statement.messageCount);
        post.statement.lastBlockTime = _start + time;
        certify(post);
        succeed(post);
    }

    // When

    function test_it_opens_after_a_gap() external {
        _at(29);
        _is(Opening.Closed);
        vm.expectRevert(abi.encodeWithSelector(IInbox.SelfSequencingClosed.selector, _start + 30));
        inbox.selfSequence();
        _at(30);
        _is(Opening.NoBatch);
        selfSequence();
        _is(Opening.Closed);
        vm.expectRevert(abi.encodeWithSelector(IInbox.SelfSequencingClosed.selector, _start + 60));
        inbox.selfSequence();
    }

    function test_a_batch_closes_the_gap() external {
        _at(29);
        succeed(honest(10));
        _at(58);
        _is(Opening.Closed);
        _at(59);
        _is(Opening.NoBatch);
    }

    function test_it_opens_when_a_message_is_overdue_though_batches_come() external {
        _at(2);
        inbox.poke();
        _at(20);
        _skip(19);
        _at(35);
        _skip(20);
        _at(46);
        _is(Opening.Closed);
        vm.expectRevert(abi.encodeWithSelector(IInbox.SelfSequencingClosed.selector, _start + 47));
        inbox.selfSequence();
        _at(47);
        _is(Opening.MessageOverdue);
        selfSequence();
        vm.assertEq(inbox.consumedMessages(), 3);
        _is(Opening.Closed);
    }

    function test_it_opens_without_a_committee_when_the_one_before_may_post_no_more() external {
        for (uint64 seat = 1; seat < 5; ++seat) {
            vm.prank(OWNER);
            registry.requestExit(seat);
        }
        for (uint64 time = 20; time < 120; time += 20) {
            _at(time);
            succeed(honest(1));
        }
        _at(119);
        succeed(honest(1));
        _at(148);
        vm.assertEq(registry.committeeSize(3), 0);
        Post memory post = honest(1);
        post.statement.term = 2;
        certify(post, 7);
        succeed(post);
        _at(150);
        _is(Opening.Closed);
        _at(151);
        _is(Opening.NoQuorum);
        selfSequence();
        // One each batch age, as long as there is nobody.
        _at(153);
        _is(Opening.Closed);
        _at(154);
        _is(Opening.NoQuorum);
        selfSequence();
        vm.assertEq(registry.currentTerm(), 5);
    }

    function test_when_all_are_frozen_it_opens() external {
        for (uint64 time = 20; time < 41; time += 20) {
            _at(time);
            succeed(honest(1));
        }
        for (uint256 place; place < 4; ++place) {
            report(offence(place, 1));
        }
        // The committee of the last term before had one member.
        _at(59);
        _is(Opening.Closed);
        // At the boundary neither has one.
        _at(60);
        _is(Opening.NoQuorum);
        selfSequence();
    }

    // What

    function test_the_statement_is_the_inboxs_own() external {
        _at(10);
        succeed(honest(10));
        sendLarge();
        _at(50);
        bytes32 tip = inbox.inboxTip();
        vm.recordLogs();
        vm.assertEq(selfSequence(), 2);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs[0].topics[0], ISequencerRegistry.TermStarted.selector);
        vm.assertEq(logs[1].topics[0], IInbox.BatchPosted.selector);
        vm.assertEq(uint256(logs[1].topics[1]), 2);
        vm.assertEq(logs[1].topics[2], bytes32(0));
        (uint64 signers, Batch memory s) = abi.decode(logs[1].data, (uint64, Batch));
        vm.assertEq(signers, 0);
        Batch memory expected;
        expected.rollup = parameters.rollup;
        expected.term = 2;
        (expected.firstHeight, expected.lastHeight) = (11, 11);
        expected.lastBlockTime = _start + 50;
        // The first batch's L1Info, and the deposit.
        expected.messageCount = 2;
        expected.messageAcc = inbox.accumulator(2);
        expected.inboxTip = tip;
        vm.assertEq(abi.encode(s), abi.encode(expected));
        vm.assertEq(inbox.inboxTip(), keccak256(abi.encode(tip, s.hash())));
        vm.assertEq(inbox.batchIndex(), 2);
        vm.assertEq(inbox.lastHeight(), 11);
        vm.assertEq(inbox.lastBlockTime(), _start + 50);
        vm.assertEq(inbox.consumedMessages(), 2);
        vm.assertEq(inbox.messageCount(), 3);
        vm.assertEq(inbox.firstUnsigned(), 2);
        vm.assertEq(inbox.lastPostedAt(), _start + 50);
        vm.assertEq(registry.currentTerm(), 2);
        vm.assertEq(registry.termStart(2), _start + 50);
    }

    function test_it_is_repeated_until_nothing_is_overdue_and_each_takes_what_a_block_holds() external {
        for (uint256 i; i < 5; ++i) {
            sendLarge();
        }
        _at(45);
        for (uint64 i = 1; i < 4; ++i) {
            _is(Opening.MessageOverdue);
            selfSequence();
            vm.assertEq(inbox.lastBlockTime(), _start + 44 + i);
            vm.assertEq(registry.currentTerm(), 1 + i);
            // Two of the large ones; then the last one with the two L1Infos.
            vm.assertEq(inbox.consumedMessages(), i < 3 ? 2 * i : 7);
        }
        _is(Opening.Closed);
        vm.assertEq(inbox.firstUnsigned(), 1);
    }

    function test_statements_of_the_term_before_are_refused() external {
        _at(30);
        Post memory post = honest(1);
        selfSequence();
        vm.expectRevert(abi.encodeWithSelector(IInbox.WrongFirstHeight.selector, 1, 2));
        send(post);
        ClaimPreimage memory own = claimAfter(head, "self");
        ParentClaim[] memory list = ancestry(head, own);
        head = own;
        _at(32);
        post = honest(1);
        post.statement.term = 1;
        certify(post, 7);
        refusedWith(post, list, none(), abi.encodeWithSelector(ISequencerRegistry.TermCutShort.selector, 1, 2));
    }

    function test_only_the_inbox_starts_terms() external {
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.NotInbox.selector, address(this)));
        registry.startTerm();
    }

    function test_what_it_costs_is_repaid_and_no_more() external {
        for (uint64 time = 30; time < 100; time += 30) {
            _at(time);
            vm.recordLogs();
            vm.cool(address(inbox));
            vm.cool(address(registry));
            vm.deal(POSTER, 100 ether);
            vm.prank(POSTER, POSTER);
            inbox.selfSequence();
            // The transaction itself costs 21,000 and four bytes of input.
            uint256 used =
                vm.snapshotGasLastCall(time == 90 ? "selfSequence" : "selfSequence, first") + 21_000 + 4 * 16;
            Vm.Log[] memory logs = vm.getRecordedLogs();
            (,,,,,,,, bytes memory data,) = abi.decode(
                logs[2].data, (uint8, uint64, uint64, address, address, uint256, uint256, uint64, bytes, bytes32)
            );
            uint256 amount;
            // The last argument of `reimburse`.
            assembly ("memory-safe") {
                amount := mload(add(data, mload(data)))
            }
            vm.assertLe(amount, used * 12 gwei * 102 / 100, "at most 2 % too much");
            vm.assertGt(amount, used * 12 gwei / 2, "most of it");
        }
    }

    // A third with a finalisation

    function test_a_third_and_a_finalisation_suffice_after_half_of_a_gap() external {
        _at(10);
        succeed(honest(10));
        _at(24);
        Post memory post = honest(5);
        bytes32 last = post.statement.lastHash;
        certify(post, 3);
        Finalization memory f = finalization(post.statement, last, 11);
        ParentClaim[] memory parent = ancestry(head);
        refusedWith(post, parent, f, abi.encodeWithSelector(IInbox.ThirdTooEarly.selector, _start + 25));
        _at(25);
        refusedWith(post, parent, none(), abi.encodeWithSelector(IInbox.NoQuorum.selector, 2, 4));
        refusedWith(
            post,
            parent,
            finalization(post.statement, last, 3),
            abi.encodeWithSelector(IInbox.NotFinalized.selector, 2, 4)
        );
        refusedWith(
            post,
            parent,
            finalization(post.statement, keccak256("other"), 11),
            abi.encodeWithSelector(Messages.SignatureInvalid.selector, 0)
        );
        f.view_ = 10;
        refusedWith(post, parent, f, abi.encodeWithSelector(Messages.SignatureInvalid.selector, 0));
        (f.view_, f.parentView) = (9, 7);
        refusedWith(post, parent, f, abi.encodeWithSelector(Messages.SignatureInvalid.selector, 0));
        (f.parentView, f.signers) = (8, 13);
        refusedWith(post, parent, f, abi.encodeWithSelector(Messages.SignatureInvalid.selector, 2));
        Batch memory other = abi.decode(abi.encode(post.statement), (Batch));
        other.term = 2;
        refusedWith(
            post, parent, finalization(other, last, 11), abi.encodeWithSelector(Messages.SignatureInvalid.selector, 0)
        );
        f = finalization(post.statement, last, 11);
        certify(post, 1);
        refusedWith(post, parent, f, abi.encodeWithSelector(IInbox.NoQuorum.selector, 1, 4));
        certify(post, 3);
        sendWith(post, parent, f);
        vm.assertEq(inbox.batchIndex(), 2);
        vm.assertEq(
            claims.claim(
                id(
                    ClaimPreimage(
                        parameters.rollup,
                        2,
                        post.statement.parentClaim,
                        post.statement.prevHash,
                        last,
                        post.statement.blockHashRoot
                    )
                )
            )
            .signers,
            3
        );
    }

    // Claims

    function test_the_seats_go_on_and_carry_the_claims_that_are_missing() external {
        _at(10);
        succeed(honest(10));
        _at(40);
        selfSequence();
        _at(70);
        selfSequence();
        _at(72);
        ClaimPreimage memory signed = head;
        ClaimPreimage memory first = claimAfter(signed, "first");
        ClaimPreimage memory second = claimAfter(first, "second");
        head = second;
        Post memory post = honest(10);
        vm.expectRevert(abi.encodeWithSelector(IClaims.ParentNotLive.selector, id(second)));
        send(post);
        ParentClaim[] memory list = new ParentClaim[](3);
        (list[0], list[1], list[2]) = (preimage(signed), preimage(first), preimage(second));
        refusedWith(post, ancestry(second), none(), abi.encodeWithSelector(IInbox.WrongAncestry.selector, 0));
        refusedWith(post, ancestry(first, second), none(), abi.encodeWithSelector(IInbox.WrongAncestry.selector, 0));
        refusedWith(post, new ParentClaim[](0), none(), abi.encodeWithSelector(IInbox.WrongAncestry.selector, 0));
        list[1].prevHash = "other";
        refusedWith(post, list, none(), abi.encodeWithSelector(IInbox.WrongAncestry.selector, 1));
        list[1] = preimage(first);
        list[2].blockHashRoot = "other";
        refusedWith(post, list, none(), abi.encodeWithSelector(IInbox.WrongAncestry.selector, 2));
        list[2] = preimage(claimAfter(first, "third"));
        refusedWith(
            post,
            list,
            none(),
            abi.encodeWithSelector(IInbox.WrongParentClaim.selector, id(second), id(claimAfter(first, "third")))
        );
        list[2] = preimage(second);
        sendWith(post, list, none());
        vm.assertEq(claims.claim(id(first)).signers, 7);
        vm.assertEq(claims.claim(id(second)).term, registry.currentTerm());
        vm.assertEq(inbox.firstUnsigned(), 5);
        pass(30);
        vm.assertTrue(claims.isFinal(id(second)));
    }

    function test_signed_batches_have_no_claims_carried() external {
        ClaimPreimage memory genesis = head;
        _at(10);
        succeed(honest(1));
        ClaimPreimage memory rival = claimAfter(genesis, "rival");
        head = rival;
        Post memory post = honest(1);
        refusedWith(post, ancestry(genesis, rival), none(), abi.encodeWithSelector(IInbox.WrongAncestry.selector, 0));
    }

    function test_seats_stand_on_a_claim_with_a_bond_as_on_any() external {
        _at(30);
        selfSequence();
        ClaimPreimage memory claim = claimAfter(head, "right");
        bond(claim, head);
        head = claim;
        pass(2);
        succeed(honest(3));
        pass(30);
        vm.assertTrue(claims.isFinal(id(head)));
    }

    function test_a_committee_carries_a_rival_of_a_claim_with_a_bond() external {
        _at(30);
        selfSequence();
        ClaimPreimage memory genesis = head;
        ClaimPreimage memory wrong = claimAfter(genesis, "wrong");
        bond(wrong, genesis);
        _at(59);
        ClaimPreimage memory right = claimAfter(genesis, "right");
        head = right;
        Post memory post = honest(1);
        sendWith(post, ancestry(genesis, right), none());
        vm.assertTrue(dispute.counts(id(right)) && dispute.counts(id(wrong)));
        // Its signers answer for it.
        vm.assertEq(dispute.claim(id(right)).party, address(0));
        vm.assertEq(claims.claim(id(right)).signers, 7);
        vm.assertTrue(claims.isContested(id(right)));
        // What comes behind waits with it.
        pass(100);
        vm.assertFalse(claims.isFinal(post.statement.parentClaim));
        fall(wrong);
        vm.assertTrue(claims.isFinal(id(right)));
        vm.assertTrue(claims.isFinal(_after(post)));
    }

    function test_a_committee_comes_too_late_with_a_rival() external {
        _at(30);
        selfSequence();
        ClaimPreimage memory genesis = head;
        bond(claimAfter(genesis, "unopposed"), genesis);
        _at(60);
        ClaimPreimage memory late = claimAfter(genesis, "late");
        head = late;
        bytes memory reason = abi.encodeWithSelector(IClaims.RivalTooLate.selector, _start + 60);
        refusedWith(honest(1), ancestry(genesis, late), none(), reason);
    }

    /// The id of a statement's own claim, which is of the last batch.
    function _after(Post memory post) private view returns (bytes32) {
        Batch memory s = post.statement;
        return keccak256(
            abi.encode(
                ClaimPreimage(
                    s.rollup, inbox.batchIndex(), s.parentClaim, s.prevHash, s.lastHash, s.blockHashRoot
                )
            )
        );
    }

    // All together

    /// Whatever comes in whatever order: heights follow each other, each message is consumed once and in order, no block takes
    /// more than its share, and times do not run back.
    function testFuzz_each_message_is_consumed_once(uint256[16] memory steps) external {
        vm.recordLogs();
        for (uint256 i; i < steps.length; ++i) {
            pass(1 + (steps[i] >> 8) % 40);
            if (steps[i] % 4 == 0) {
                try inbox.poke() {} catch {}
            }
            if (steps[i] % 4 == 1) sendLarge();
            if (steps[i] % 4 > 1 && inbox.opening() != Opening.Closed) {
                ClaimPreimage memory parent = head;
                selfSequence();
                // Somebody claims, so that the seats can go on as usual.
                head = claimAfter(parent, bytes32(i + 1));
                bond(head, parent);
            }
            if (steps[i] % 4 == 3 && inbox.lastBlockTime() < block.timestamp) {
                try this.postSome(1 + (steps[i] >> 16) % 3) {} catch {}
            }
        }
        _replay(vm.getRecordedLogs());
    }

    function postSome(uint256 blocks) external {
        succeed(honest(blocks));
    }

    function _replay(Vm.Log[] memory logs) private view {
        uint64 height;
        uint64 consumed;
        uint64 time;
        bytes32 tip;
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != IInbox.BatchPosted.selector) continue;
            (, Batch memory s) = abi.decode(logs[i].data, (uint64, Batch));
            vm.assertEq(s.firstHeight, height + 1);
            vm.assertTrue(s.messageCount >= consumed && s.lastBlockTime >= time);
            vm.assertEq(s.inboxTip, tip);
            (height, consumed, time) = (s.lastHeight, s.messageCount, s.lastBlockTime);
            tip = keccak256(abi.encode(tip, s.hash()));
        }
        vm.assertEq(inbox.consumedMessages(), consumed);
        vm.assertEq(inbox.inboxTip(), tip);
        vm.assertLe(consumed, inbox.messageCount(), "messages");
    }
}

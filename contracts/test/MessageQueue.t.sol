// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../src/bonding/ISequencerRegistry.sol";
import {SequencerRegistry} from "../src/bonding/SequencerRegistry.sol";
import {Claims} from "../src/rollup/Claims.sol";
import {IClaims} from "../src/rollup/IClaims.sol";
import {Commitments} from "../src/lib/Commitments.sol";
import {IInbox} from "../src/rollup/IInbox.sol";
import {IMessageQueue} from "../src/rollup/IMessageQueue.sol";
import {IL1FeeVault} from "../src/rollup/MessageQueue.sol";
import {Inbox} from "../src/rollup/Inbox.sol";
import {Fixture, Post} from "./lib/Fixture.sol";
import {Vm} from "./lib/Test.sol";

/// @notice Messages: their accumulator, caps and prices, L1Info and what it repays.
contract MessageQueueTest is Fixture {
    address private constant USER = address(0xA1A1);
    address private constant DEPOSITOR = 0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001;
    address private constant VAULT = 0x420000000000000000000000000000000000001A;
    /// @dev Half of the ci profile's caps.
    uint256 private constant FULL_GAS = 250_000_000;
    uint256 private constant FULL_BYTES = 16_384;

    function setUp() external {
        deploy(4);
        vm.deal(address(bridge), 1e30);
        pass(6);
    }

    /// The bridge sends a message.
    function _send(uint64 gas_, uint256 length) private returns (uint256 fee) {
        fee = inbox.messageFee(gas_, length);
        vm.prank(address(bridge));
        inbox.deposit{value: fee}(USER, USER, 1, 2, gas_, new bytes(length));
    }

    /// The accumulator of the messages in the logs, folded from `acc` by its definition.
    function _fold(bytes32 acc, uint64 index) private returns (bytes32, uint64) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != IMessageQueue.MessageSent.selector) continue;
            vm.assertEq(uint256(logs[i].topics[1]), index);
            acc = _next(acc, index++, logs[i].data);
        }
        return (acc, index);
    }

    function _next(bytes32 acc, uint64 index, bytes memory log) private pure returns (bytes32 next) {
        (
            uint8 kind,
            uint64 number,
            uint64 time,
            address sender,
            address to,
            uint256 value,
            uint256 mint,
            uint64 gas_,
            bytes memory data,
            bytes32 after_
        ) = abi.decode(log, (uint8, uint64, uint64, address, address, uint256, uint256, uint64, bytes, bytes32));
        bytes memory head =
            abi.encode(uint256(kind), uint256(index), uint256(number), uint256(time), sender, to, value);
        bytes32 hash = keccak256(bytes.concat(head, abi.encode(mint, uint256(gas_), keccak256(data))));
        next = keccak256(abi.encode(acc, hash));
        vm.assertEq(next, after_);
    }

    function test_all_kinds_go_into_one_accumulator() external {
        vm.recordLogs();
        inbox.poke();
        _send(100_000, 0);
        _send(200_000, 100);
        pass(2);
        inbox.poke();
        succeed(honest(10));
        (bytes32 acc, uint64 count) = _fold(0, 0);
        vm.assertEq(count, 5);
        vm.assertEq(inbox.messageCount(), 5);
        vm.assertEq(inbox.accumulator(5), acc);
        (uint64 time, uint256 gas_) = inbox.messageMeta(4);
        vm.assertEq(time, block.timestamp);
        vm.assertEq(gas_, 600_000);
    }

    /// forge-config: default.fuzz.runs = 16
    function testFuzz_the_ring_forgets_only_what_is_consumed(uint256[12] memory steps) external {
        bytes32[] memory accs = new bytes32[](4000);
        bytes32 acc;
        uint64 count;
        uint64 consumed;
        for (uint256 i; i < 12; ++i) {
            uint256 n = steps[i] % 200;
            for (uint256 k; k < n; ++k) {
                pass(1);
                vm.recordLogs();
                inbox.poke();
                (acc, count) = _fold(acc, count);
                accs[count] = acc;
            }
            pass(1);
            Post memory post = honest(100);
            // Some of the messages stay for later.
            uint64 take = consumed + uint64((steps[i] >> 128) % (count - consumed + 1));
            post.statement.messageCount = take;
            post.statement.messageAcc = accs[take];
            post.statement.lastBlockTime = GENESIS_TIME + (lastHeight + 100) / 5;
            if (post.statement.lastBlockTime > block.timestamp) vm.warp(post.statement.lastBlockTime);
            (uint64 sentAt,) = take < count ? inbox.messageMeta(take) : (uint64(block.timestamp), 0);
            if (sentAt + parameters.forceDelay <= post.statement.lastBlockTime) {
                // Overdue ones must be taken: take all.
                take = count;
                post.statement.messageCount = take;
                post.statement.messageAcc = accs[take];
            }
            certify(post);
            vm.recordLogs();
            succeed(post);
            consumed = take;
            (acc, count) = _fold(acc, count);
            accs[count] = acc;
            for (uint64 c = consumed; c <= count; ++c) {
                vm.assertEq(inbox.accumulator(c), accs[c]);
            }
            if (consumed > 1 && (consumed - 1) % 256 != 0) {
                vm.expectRevert(
                    abi.encodeWithSelector(IMessageQueue.MessageForgotten.selector, consumed - 2, consumed)
                );
                inbox.accumulator(consumed - 1);
            }
            // Milestones stay.
            for (uint64 c = 256; c <= count; c += 256) {
                vm.assertEq(inbox.accumulator(c), accs[c]);
            }
        }
    }

    function test_milestones_stay_and_prove_any_message_between_them() external {
        withoutData = true;
        vm.recordLogs();
        for (uint256 i; i < 600; ++i) {
            pass(1);
            inbox.poke();
            if (i % 100 == 99) succeed(honest(30));
        }
        pass(6);
        // All consumed: in the ring there is only what came since.
        succeed(honest(30));
        vm.assertEq(inbox.consumedMessages(), 606);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        bytes32 acc;
        uint64 index;
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != IMessageQueue.MessageSent.selector) continue;
            acc = _next(acc, index++, logs[i].data);
            if (index == 256 || index == 512) vm.assertEq(inbox.accumulator(index), acc);
        }
        vm.assertEq(index, 607);
        vm.expectRevert(abi.encodeWithSelector(IMessageQueue.MessageForgotten.selector, 256, 606));
        inbox.accumulator(257);
        vm.expectRevert(abi.encodeWithSelector(IMessageQueue.NoSuchMessage.selector, 767, 607));
        inbox.accumulator(768);
    }

    function test_unknown_messages_are_told() external {
        vm.expectRevert(abi.encodeWithSelector(IMessageQueue.NoSuchMessage.selector, 0, 0));
        inbox.messageMeta(0);
        vm.assertEq(inbox.accumulator(0), bytes32(0));
        vm.expectRevert(abi.encodeWithSelector(IMessageQueue.NoSuchMessage.selector, 3, 0));
        inbox.accumulator(4);
    }

    function test_an_l1_info_tells_of_its_block() external {
        vm.prevrandao(keccak256("randomness"));
        vm.setBlockhash(block.number - 1, keccak256("parent"));
        vm.recordLogs();
        inbox.poke();
        Vm.Log memory log = vm.getRecordedLogs()[0];
        bytes memory data = abi.encodeCall(
            IL1FeeVault.reimburse,
            (
                uint64(block.number - 1),
                uint64(block.timestamp),
                keccak256("parent"),
                keccak256("randomness"),
                10 gwei,
                this.blobBaseFee(),
                address(0),
                0
            )
        );
        bytes memory expected = abi.encode(
            uint8(2),
            uint64(block.number),
            uint64(block.timestamp),
            DEPOSITOR,
            VAULT,
            uint256(0),
            uint256(0),
            uint64(100_000),
            data,
            inbox.accumulator(1)
        );
        vm.assertEq(log.data, expected);
        vm.expectRevert(abi.encodeWithSelector(IMessageQueue.AlreadyPoked.selector, block.number));
        inbox.poke();
        // A post appends its own, also in a block that was poked or posted in; a poke after it is refused.
        succeed(honest(10));
        vm.assertEq(inbox.messageCount(), 2);
        succeed(honest(10));
        vm.assertEq(inbox.messageCount(), 3);
        vm.expectRevert(abi.encodeWithSelector(IMessageQueue.AlreadyPoked.selector, block.number));
        inbox.poke();
        pass(1);
        inbox.poke();
    }

    function test_messages_are_refused_by_their_own_errors() external {
        vm.expectRevert(abi.encodeWithSelector(IMessageQueue.NotBridge.selector, address(this)));
        inbox.deposit(USER, USER, 0, 0, 100_000, "");
        vm.startPrank(address(bridge));
        vm.expectRevert(IMessageQueue.RecipientIsZero.selector);
        inbox.deposit(USER, address(0), 0, 0, 100_000, "");
        vm.expectRevert(abi.encodeWithSelector(IMessageQueue.MessageGasTooLow.selector, 20_999, 21_000));
        inbox.deposit(USER, USER, 0, 0, 20_999, "");
        vm.expectRevert(abi.encodeWithSelector(IMessageQueue.MessageGasTooLow.selector, 24_999, 25_000));
        inbox.deposit(USER, USER, 0, 0, 24_999, new bytes(100));
        vm.expectRevert(abi.encodeWithSelector(IMessageQueue.MessageGasTooHigh.selector, 3_750_001, 3_750_000));
        inbox.deposit(USER, USER, 0, 0, 3_750_001, "");
        vm.expectRevert(abi.encodeWithSelector(IMessageQueue.MessageBytesSoldOut.selector, 16_385, 16_384));
        inbox.deposit(USER, USER, 0, 0, 3_750_000, new bytes(16_385));
        uint256 fee = inbox.messageFee(100_000, 0);
        vm.expectRevert(abi.encodeWithSelector(IMessageQueue.WrongMessageFee.selector, fee - 1, fee));
        inbox.deposit{value: fee - 1}(USER, USER, 0, 0, 100_000, "");
        vm.expectRevert(abi.encodeWithSelector(IMessageQueue.WrongMessageFee.selector, fee + 1, fee));
        inbox.deposit{value: fee + 1}(USER, USER, 0, 0, 100_000, "");
        vm.stopPrank();
    }

    function test_the_window_sells_out_and_opens_again() external {
        for (uint256 i; i < 66; ++i) {
            _send(3_750_000, 0);
        }
        // 247.5 of 250 million are sold.
        vm.expectRevert(abi.encodeWithSelector(IMessageQueue.MessageGasSoldOut.selector, 251_250_000, FULL_GAS));
        inbox.messageFee(3_750_000, 0);
        _send(2_500_000, 0);
        vm.expectRevert(abi.encodeWithSelector(IMessageQueue.MessageGasSoldOut.selector, 250_021_000, FULL_GAS));
        inbox.messageFee(21_000, 0);
        // A thirtieth of the level drains in a second.
        pass(1);
        _send(3_750_000, 0);
        pass(30);
        vm.assertLt(inbox.messageFee(100_000, 0), 0.00001 ether, "an empty window is cheap");
        _send(700_000, 16_384);
        vm.expectRevert(abi.encodeWithSelector(IMessageQueue.MessageBytesSoldOut.selector, 16_385, FULL_BYTES));
        inbox.messageFee(100_000, 1);
        // Without data there is room.
        _send(100_000, 0);
    }

    function testFuzz_no_interval_of_force_delay_sells_more_than_the_caps(uint256[40] memory draws) external {
        uint256[] memory times = new uint256[](40);
        uint256[] memory gases = new uint256[](40);
        uint256[] memory sizes = new uint256[](40);
        for (uint256 i; i < 40; ++i) {
            pass(draws[i] % 3);
            sizes[i] = (draws[i] >> 8) % 3000;
            gases[i] = 1_000_000 + (draws[i] >> 64) % 2_750_001;
            times[i] = block.timestamp;
            try this.send(uint64(gases[i]), sizes[i]) {}
            catch {
                (gases[i], sizes[i]) = (0, 0);
            }
            (uint256 gas_, uint256 size) = (0, 0);
            for (uint256 k = i + 1; k > 0 && times[k - 1] + parameters.forceDelay > block.timestamp; --k) {
                gas_ += gases[k - 1];
                size += sizes[k - 1];
            }
            vm.assertLe(gas_, 2 * FULL_GAS, "gas");
            vm.assertLe(size, 2 * FULL_BYTES, "bytes");
        }
    }

    function blobBaseFee() external view returns (uint256) {
        return block.blobbasefee;
    }

    function send(uint64 gas_, uint256 length) external {
        _send(gas_, length);
    }

    function testFuzz_the_price_rises_with_the_level_and_splitting_gains_nothing(uint64 gas_, uint256 size, uint256 load)
        external
    {
        size = bound(size, 0, 4000);
        gas_ = uint64(bound(gas_, 2 * (21_000 + 40 * size), 3_750_000));
        for (uint256 i; i < load % 60; ++i) {
            _send(3_500_000, 100);
        }
        uint256 whole = inbox.messageFee(gas_, size);
        uint256 first = _send(gas_ / 2, size / 2);
        uint256 second = inbox.messageFee(gas_ - gas_ / 2, size - size / 2);
        vm.assertGt(second, first, "the second half costs more");
        vm.assertLe(whole, first + second, "splitting is never cheaper");
        vm.assertLe(first + second, whole + 4, "but for rounding it is the same");
        vm.assertLe(first + second, inbox.messageFee(gas_, size), "and later is dearer");
    }

    function test_the_price_spans_five_orders_of_magnitude() external {
        // Empty: 21,000 gas at 0.01 gwei.
        uint256 cheap = inbox.messageFee(21_000, 0);
        vm.assertGt(cheap, 21_000 * 0.01 gwei, "base");
        vm.assertLt(cheap, 21_000 * 0.0101 gwei, "base");
        for (uint256 i; i < 66; ++i) {
            _send(3_750_000, 0);
        }
        _send(2_479_000, 0);
        // Full: e^12 = 162,754 times that.
        uint256 dear = inbox.messageFee(21_000, 0);
        vm.assertGt(dear, cheap * 162_000, "top");
        vm.assertLt(dear, cheap * 163_000, "top");
        // What was paid is out of reach: the inbox sends nothing to anyone.
        vm.assertGt(address(inbox).balance, 0, "burnt");
    }

    function test_due_messages_come_first() external {
        _send(3_750_000, 0);
        pass(30);
        Post memory post = honest(10);
        post.statement.messageCount = 0;
        post.statement.messageAcc = 0;
        post.statement.lastBlockTime = uint64(block.timestamp);
        certify(post);
        vm.expectRevert(abi.encodeWithSelector(IInbox.DueMessageSkipped.selector, 0, block.timestamp));
        vm.prank(POSTER, POSTER);
        inbox.postBatch(post.statement, post.parent, post.leftSiblings, post.signers, post.signatures, post.data);
        // A second earlier it was not due.
        post.statement.lastBlockTime -= 1;
        certify(post);
        succeed(post);
    }

    function test_due_messages_wait_only_if_messages_have_an_eighth_of_the_gas() external {
        for (uint256 i; i < 20; ++i) {
            _send(3_750_000, 0);
        }
        pass(40);
        // 10 blocks: an eighth is 37.5 million = 10 messages, a quarter 20.
        Post memory post = honest(10);
        post.statement.messageCount = 9;
        post.statement.messageAcc = inbox.accumulator(9);
        certify(post);
        (uint64 sentAt,) = inbox.messageMeta(9);
        vm.expectRevert(abi.encodeWithSelector(IInbox.DueMessageSkipped.selector, 9, sentAt + 30));
        vm.prank(POSTER, POSTER);
        inbox.postBatch(post.statement, post.parent, post.leftSiblings, post.signers, post.signatures, post.data);
        post.statement.messageCount = 10;
        post.statement.messageAcc = inbox.accumulator(10);
        certify(post);
        uint256 before = vm.snapshotState();
        succeed(post);
        vm.revertToState(before);
        post.statement.messageCount = 20;
        post.statement.messageAcc = inbox.accumulator(20);
        certify(post);
        succeed(post);
    }

    function test_messages_take_at_most_a_quarter_of_the_gas() external {
        for (uint256 i; i < 21; ++i) {
            _send(3_750_000, 0);
        }
        pass(2);
        Post memory post = honest(10);
        certify(post);
        vm.expectRevert(abi.encodeWithSelector(IInbox.TooMuchMessageGas.selector, 78_750_000, 75_000_000));
        vm.prank(POSTER, POSTER);
        inbox.postBatch(post.statement, post.parent, post.leftSiblings, post.signers, post.signatures, post.data);
        post.statement.messageCount = 20;
        post.statement.messageAcc = inbox.accumulator(20);
        certify(post);
        succeed(post);
    }

    function test_constructors_check_that_the_contracts_belong_together() external {
        InboxMaker maker = new InboxMaker();
        vm.expectRevert(abi.encodeWithSelector(IInbox.ClaimsOfAnotherInbox.selector, address(inbox)));
        maker.make(registry, claims, address(bridge), GENESIS_TIME);
        // Claims with another registry, whose challenge period may be another.
        SequencerRegistry other = new SequencerRegistry(parameters, address(0), address(0));
        address next = vm.computeCreateAddress(address(maker), vm.getNonce(address(maker)));
        IClaims foreign = new Claims(other, next, dispute, GENESIS_HASH);
        vm.expectRevert(abi.encodeWithSelector(IInbox.ClaimsOfAnotherRegistry.selector, address(other)));
        maker.make(registry, foreign, address(bridge), GENESIS_TIME);
    }
}

/// @notice Makes an inbox over another's claims; a call of its own, so that its revert can be expected.
contract InboxMaker {
    function make(ISequencerRegistry registry, IClaims claims, address bridge, uint64 time) external returns (Inbox) {
        return new Inbox(registry, claims, bridge, time);
    }
}

/// @notice What a post is repaid, against what it costs.
contract RepaymentTest is Fixture {
    function setUp() external {
        deploy(16);
        // The ring of messages has been round once.
        for (uint256 i; i < 256; ++i) {
            pass(2);
            inbox.poke();
            if (i % 100 == 99) succeed(honest(30));
        }
        succeed(honest(30));
        pass(6);
    }

    /// The last message: what it repays, and the blob base fee that it tells.
    function _repaid() private returns (uint256 amount, uint256 blobBaseFee) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        (,,,,,,,, bytes memory data,) = abi.decode(
            logs[logs.length - 1].data,
            (uint8, uint64, uint64, address, address, uint256, uint256, uint64, bytes, bytes32)
        );
        bytes32 recipient;
        // A selector and eight words; the last three are blob base fee, recipient, amount.
        assembly ("memory-safe") {
            blobBaseFee := mload(add(data, 196))
            recipient := mload(add(data, 228))
            amount := mload(add(data, 260))
        }
        vm.assertEq(address(uint160(uint256(recipient))), POSTER);
    }

    function _check(uint256 gasPrice, uint256 repaidPrice) private {
        string memory at = inbox.messageCount() % 256 == 255 ? ", at a milestone" : "";
        vm.txGasPrice(gasPrice);
        Post memory post = honest(25);
        bytes memory input = abi.encodeCall(
            inbox.postBatch,
            (post.statement, post.parent, post.leftSiblings, post.signers, post.signatures, post.data)
        );
        vm.recordLogs();
        vm.cool(address(inbox));
        vm.cool(address(claims));
        vm.cool(address(registry));
        vm.cool(registry.committeeOf(post.statement.term));
        vm.cool(address(registry));
        succeed(post);
        uint256 used = vm.snapshotGasLastCall(
            string.concat("postBatch, 16 seats, one blob, without the transaction itself", at)
        ) + 21_000;
        for (uint256 i; i < input.length; ++i) {
            used += input[i] == 0 ? 4 : 16;
        }
        (uint256 amount, uint256 blobBaseFee) = _repaid();
        amount -= 131_072 * blobBaseFee;
        vm.snapshotValue(string.concat("gas repaid, 16 seats", at), amount / repaidPrice);
        vm.snapshotValue(string.concat("gas used, 16 seats", at), used);
        vm.assertLe(amount, used * repaidPrice * 101 / 100, "at most 1 % too much");
        vm.assertGt(amount, used * repaidPrice * 96 / 100, "at most 4 % too little");
    }

    function test_a_post_is_repaid_what_it_costs() external {
        _check(11 gwei, 11 gwei);
    }

    function test_a_milestone_is_repaid_too() external {
        // The post's own message will be the 512th: its accumulator is kept for ever.
        while (inbox.messageCount() < 511) {
            pass(2);
            inbox.poke();
        }
        _check(11 gwei, 11 gwei);
        vm.assertEq(inbox.messageCount(), 512);
    }

    function test_a_tip_above_the_cap_is_the_posters_own() external {
        _check(100 gwei, 12 gwei);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IL2CrossDomainMessenger} from "../../src/l2/IL2CrossDomainMessenger.sol";
import {Predeploys} from "../../src/l2/Predeploys.sol";
import {L2Test} from "./L2Test.sol";

/// Notes what the messenger says while it is called; fails on demand.
contract Target {
    IL2CrossDomainMessenger internal constant MESSENGER = IL2CrossDomainMessenger(Predeploys.L2_CROSS_DOMAIN_MESSENGER);
    bool public failing;
    address public seen;
    uint256 public received;
    bytes public nested;

    function fail(bool failing_) external {
        failing = failing_;
    }

    function nest(bytes calldata nested_) external {
        nested = nested_;
    }

    function call() external payable {
        require(!failing, "failing");
        seen = MESSENGER.xDomainMessageSender();
        received += msg.value;
        if (nested.length != 0) {
            (bool done,) = address(MESSENGER).call(nested);
            require(done, "nested");
        }
    }

    function callAndBurnGas() external payable {
        while (true) {}
    }
}

contract L2CrossDomainMessengerTest is L2Test {
    uint256 internal constant VERSION = 1 << 240;
    address internal relayer = Predeploys.aliased(L1_MESSENGER);
    Target internal target;

    function setUp() public override {
        super.setUp();
        target = new Target();
        vm.deal(relayer, 100 ether);
    }

    function call() internal pure returns (bytes memory) {
        return abi.encodeCall(Target.call, ());
    }

    function hashOf(uint256 nonce, address to, uint256 value, uint256 gas, bytes memory data)
        internal
        view
        returns (bytes32)
    {
        return keccak256(abi.encodeCall(messenger.relayMessage, (nonce, BOB, to, value, gas, data)));
    }

    function relay(uint256 nonce, uint256 value, uint256 minGas) internal returns (bytes32 hash) {
        hash = hashOf(nonce, address(target), value, minGas, call());
        vm.prank(relayer);
        messenger.relayMessage{value: value}(nonce, BOB, address(target), value, minGas, call());
    }

    function testFuzz_a_sent_message_is_a_withdrawal_that_the_other_messenger_can_relay(
        address to,
        uint96 value,
        uint32 minGas,
        bytes memory data
    ) public {
        // With the overhead of the message it stays below what a withdrawal may ask for.
        minGas %= 9_000_000;
        vm.deal(ALICE, value);
        vm.recordLogs();
        vm.prank(ALICE);
        messenger.sendMessage{value: value}(to, data, minGas);
        Withdrawal memory w = loggedWithdrawal();
        vm.assertEq(w.sender, address(messenger));
        vm.assertEq(w.target, L1_MESSENGER);
        vm.assertEq(w.value, value);
        vm.assertEq(w.gasLimit, messenger.baseGas(data, minGas));
        vm.assertEq(
            w.data,
            abi.encodeWithSignature(
                "relayMessage(uint256,address,address,uint256,uint256,bytes)", VERSION, ALICE, to, value, minGas, data
            )
        );
        vm.assertEq(messenger.messageNonce(), VERSION + 1);
        vm.assertEq(address(passer).balance, value);
    }

    function test_nothing_is_sent_where_nobody_could_receive_it() public {
        setCounterparts(address(0), address(0));
        vm.prank(ALICE);
        vm.expectRevert(IL2CrossDomainMessenger.NoCounterpart.selector);
        messenger.sendMessage{value: 1}(BOB, "", 0);
    }

    function test_the_alias_of_no_messenger_may_not_relay() public {
        setCounterparts(address(0), address(0));
        address nobody = Predeploys.aliased(address(0));
        vm.prank(nobody);
        vm.expectRevert(abi.encodeWithSelector(IL2CrossDomainMessenger.NotRelayer.selector, nobody));
        messenger.relayMessage(VERSION, BOB, address(target), 0, 0, call());
    }

    function test_the_target_sees_the_sender_and_gets_the_ether() public {
        bytes32 hash = relay(VERSION, 7, 50_000);
        vm.assertEq(target.seen(), BOB);
        vm.assertEq(target.received(), 7);
        vm.assertTrue(messenger.successfulMessages(hash));
        vm.assertFalse(messenger.failedMessages(hash));
        vm.expectRevert(IL2CrossDomainMessenger.NotRelaying.selector);
        messenger.xDomainMessageSender();
    }

    function test_a_message_succeeds_once() public {
        bytes32 hash = relay(VERSION, 7, 50_000);
        vm.prank(relayer);
        vm.expectRevert(abi.encodeWithSelector(IL2CrossDomainMessenger.AlreadyRelayed.selector, hash));
        messenger.relayMessage{value: 7}(VERSION, BOB, address(target), 7, 50_000, call());
        vm.assertEq(target.received(), 7);
    }

    function test_a_failed_message_can_be_tried_again_by_anyone_with_its_own_ether() public {
        target.fail(true);
        bytes32 hash = relay(VERSION, 7, 50_000);
        vm.assertTrue(messenger.failedMessages(hash));
        vm.assertEq(address(messenger).balance, 7);

        vm.startPrank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IL2CrossDomainMessenger.WrongValue.selector, 7, 0));
        messenger.relayMessage{value: 7}(VERSION, BOB, address(target), 7, 50_000, call());
        messenger.relayMessage(VERSION, BOB, address(target), 7, 50_000, call());
        vm.assertFalse(messenger.successfulMessages(hash));
        target.fail(false);
        messenger.relayMessage(VERSION, BOB, address(target), 7, 50_000, call());
        vm.assertTrue(messenger.successfulMessages(hash));
        vm.assertEq(target.received(), 7);
        vm.expectRevert(abi.encodeWithSelector(IL2CrossDomainMessenger.AlreadyRelayed.selector, hash));
        messenger.relayMessage(VERSION, BOB, address(target), 7, 50_000, call());
        vm.stopPrank();
    }

    function testFuzz_nobody_else_may_bring_a_new_message(address stranger) public {
        vm.assume(stranger != relayer);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IL2CrossDomainMessenger.NotRelayer.selector, stranger));
        messenger.relayMessage(VERSION, BOB, address(target), 0, 0, call());
    }

    function test_the_L1_messengers_own_address_on_L2_is_a_stranger() public {
        testFuzz_nobody_else_may_bring_a_new_message(L1_MESSENGER);
    }

    function test_the_ether_must_be_what_the_message_says() public {
        vm.prank(relayer);
        vm.expectRevert(abi.encodeWithSelector(IL2CrossDomainMessenger.WrongValue.selector, 6, 7));
        messenger.relayMessage{value: 6}(VERSION, BOB, address(target), 7, 0, call());
    }

    function test_no_message_may_call_the_messenger_or_the_passer() public {
        address[2] memory unsafeTargets = [address(messenger), address(passer)];
        for (uint256 i; i < 2; i++) {
            vm.prank(relayer);
            vm.expectRevert(abi.encodeWithSelector(IL2CrossDomainMessenger.UnsafeTarget.selector, unsafeTargets[i]));
            messenger.relayMessage(VERSION, BOB, unsafeTargets[i], 0, 0, "");
        }
    }

    function test_other_versions_are_refused() public {
        for (uint256 i; i < 3; i += 2) {
            vm.prank(relayer);
            vm.expectRevert(abi.encodeWithSelector(IL2CrossDomainMessenger.WrongVersion.selector, uint16(i)));
            messenger.relayMessage(i << 240, BOB, address(target), 0, 0, call());
        }
    }

    function test_with_too_little_gas_the_message_is_kept_for_another_try() public {
        bytes32 hash = hashOf(VERSION, address(target), 7, 500_000, call());
        vm.prank(relayer);
        messenger.relayMessage{value: 7, gas: 400_000}(VERSION, BOB, address(target), 7, 500_000, call());
        vm.assertTrue(messenger.failedMessages(hash));
        vm.assertEq(target.received(), 0);
        messenger.relayMessage(VERSION, BOB, address(target), 7, 500_000, call());
        vm.assertEq(target.received(), 7);
    }

    function test_an_absurd_gas_limit_overflows_nothing() public {
        bytes32 hash = relay(VERSION, 0, type(uint256).max);
        vm.assertTrue(messenger.failedMessages(hash));
    }

    function test_a_target_that_burns_all_gas_is_noted_as_failed() public {
        bytes memory data = abi.encodeCall(Target.callAndBurnGas, ());
        bytes32 hash = hashOf(VERSION, address(target), 7, 100_000, data);
        vm.prank(relayer);
        messenger.relayMessage{value: 7, gas: 400_000}(VERSION, BOB, address(target), 7, 100_000, data);
        vm.assertTrue(messenger.failedMessages(hash));
    }

    function test_a_delivery_within_a_delivery_is_kept_for_later() public {
        target.fail(true);
        bytes32 inner = relay(VERSION + 1, 0, 50_000);
        target.fail(false);
        target.nest(abi.encodeCall(messenger.relayMessage, (VERSION + 1, BOB, address(target), 0, 50_000, call())));
        bytes32 outer = relay(VERSION, 0, 50_000);
        vm.assertTrue(messenger.successfulMessages(outer));
        vm.assertFalse(messenger.successfulMessages(inner));
        target.nest("");
        messenger.relayMessage(VERSION + 1, BOB, address(target), 0, 50_000, call());
        vm.assertTrue(messenger.successfulMessages(inner));
    }

    function test_a_failure_shows_while_gas_is_estimated() public {
        target.fail(true);
        vm.prank(relayer, Predeploys.ESTIMATION);
        vm.expectRevert(IL2CrossDomainMessenger.EstimationFailed.selector);
        messenger.relayMessage(VERSION, BOB, address(target), 0, 0, call());
    }
}

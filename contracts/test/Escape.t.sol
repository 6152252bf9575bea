// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IEscape, QueuedMessage} from "../src/bridge/IEscape.sol";
import {IBridge, WithdrawalStatus, WithdrawalTransaction} from "../src/bridge/IBridge.sol";
import {Payee} from "../src/bridge/Payee.sol";
import {Predeploys} from "../src/l2/Predeploys.sol";
import {ClaimPreimage} from "../src/lib/Commitments.sol";
import {StateProof} from "../src/lib/StateProof.sol";
import {IClaims} from "../src/rollup/IClaims.sol";
import {IMessageQueue} from "../src/rollup/IMessageQueue.sol";
import {Post} from "./lib/Fixture.sol";
import {Entries, L2World, Trie} from "./lib/L2World.sol";
import {Offences} from "./lib/Offences.sol";

/// @notice Has code; takes ether or not.
contract Party {
    bool public refuses;

    function set(bool refuses_) external {
        refuses = refuses_;
    }

    function call(address to, bytes calldata data) external payable returns (bool ok, bytes memory result) {
        (ok, result) = to.call{value: msg.value}(data);
    }

    receive() external payable {
        require(!refuses);
    }
}

/// @notice Asks again for what it is just being paid.
contract Greedy {
    bytes private _again;
    uint256 public tries;
    bool public cameIn;

    function take(address from, bytes calldata data) external returns (bool ok) {
        _again = data;
        (ok,) = from.call(data);
    }

    receive() external payable {
        ++tries;
        bool ok;
        (ok,) = msg.sender.call(_again);
        cameIn = cameIn || ok;
    }
}

contract EscapeTest is L2World, Offences {
    using Trie for Entries;

    uint256 private constant KEY = 0xA11CE;
    address private constant BOB = address(0xB0B);
    address private constant STRANGER = address(0x57A6E);
    address private constant DELEGATED = address(0xDE1E);
    address private constant DELEGATE = address(0xC0DE);
    address private constant WITH_CODE = address(0xC0C0);
    address private alice;
    Party private party;
    address private partyOnL2;

    function setUp() external {
        deploy(4);
        pass(6);
        alice = vm.addr(KEY);
        party = new Party();
        unchecked {
            partyOnL2 = address(uint160(address(party)) + ((0x1111 << 144) + 0x1111));
        }
        vm.deal(alice, 1000 ether);
        vm.deal(BOB, 1000 ether);
        vm.recordLogs();
        vm.prank(alice, alice);
        bridge.depositTransaction{value: 50 ether}(alice, 0, 100_000, "");
        vm.prank(BOB, BOB);
        bridge.depositTransaction{value: 20 ether}(BOB, 0, 100_000, "");
        putKeyed(alice, 30 ether);
        putKeyed(partyOnL2, 5 ether);
        putAccount(DELEGATED, 4 ether, StateProof.EMPTY_ROOT, keccak256(abi.encodePacked(hex"ef0100", DELEGATE)));
        putAccount(WITH_CODE, 3 ether, StateProof.EMPTY_ROOT, keccak256("its code"));
        putConsumed(2);
    }

    /// The state is claimed and final, two more messages come, and then nothing.
    function _halt() private {
        claimState();
        vm.prank(BOB, BOB);
        bridge.depositTransaction{value: 7 ether}(BOB, 7 ether, 100_000, hex"01");
        vm.deal(address(this), 100 ether);
        party.call{value: 9 ether}(
            address(bridge), abi.encodeCall(bridge.depositTransaction, (BOB, 0, 100_000, ""))
        );
        pass(parameters.challengePeriod + parameters.escapeDelay);
    }

    function _open() private {
        _halt();
        bridge.openEscape(head, header);
        bridge.proveConsumption(
            accountProof(Predeploys.L1_BLOCK), slotProof(l1BlockSlots, bytes32(uint256(9)))
        );
        learn();
    }

    function _escape(address who, address delegate, address to) private {
        bridge.escape(who, delegate, accountProof(who), payable(to), "");
    }

    // Opening

    function test_it_opens_when_no_claim_was_final_for_the_delay_and_not_before() external {
        claimState();
        bytes32 id = keccak256(abi.encode(head));
        uint64 opens = uint64(block.timestamp) + parameters.challengePeriod + parameters.escapeDelay;
        vm.assertEq(claims.endsFrom(id), opens);
        vm.expectRevert(abi.encodeWithSelector(IClaims.ClaimNotFinal.selector, id));
        bridge.openEscape(head, header);
        pass(parameters.challengePeriod + parameters.escapeDelay - 1);
        vm.expectRevert(abi.encodeWithSelector(IClaims.ClaimsNotStale.selector, opens));
        bridge.openEscape(head, header);
        pass(1);
        bytes memory other = bytes.concat(header, hex"00");
        vm.expectRevert(abi.encodeWithSelector(StateProof.WrongHeader.selector, keccak256(other), head.lastHash));
        bridge.openEscape(head, other);
        vm.assertEq(bridge.escapeStateRoot(), bytes32(0));
        bridge.openEscape(head, header);
        vm.assertEq(bridge.escapeStateRoot(), state.root());
        vm.assertEq(bridge.escapeClaim(), id);
        vm.assertEq(claims.endedAt(), opens);
        vm.expectRevert(abi.encodeWithSelector(IClaims.AlreadyEnded.selector, opens));
        bridge.openEscape(head, header);
    }

    function test_it_opens_on_the_last_final_claim_alone_and_an_open_one_dies() external {
        claimState();
        ClaimPreimage memory first = head;
        bytes memory firstHeader = header;
        bytes32 id = keccak256(abi.encode(first));
        pass(parameters.challengePeriod + parameters.escapeDelay - parameters.challengePeriod + 1);
        // Posted late: still open when the delay is over.
        claimState();
        bytes32 late = keccak256(abi.encode(head));
        pass(parameters.challengePeriod - 1);
        uint256 before = vm.snapshotState();
        pass(1);
        vm.expectRevert(abi.encodeWithSelector(IClaims.LaterClaimFinal.selector, id));
        bridge.openEscape(first, firstHeader);
        vm.revertToState(before);
        bridge.openEscape(first, firstHeader);
        pass(10 * parameters.challengePeriod);
        vm.assertTrue(claims.isFinal(id), "the last final one stays");
        vm.assertTrue(claims.isFinal(claims.genesisClaim()), "and those before");
        vm.assertFalse(claims.isFinal(late));
    }

    function test_it_opens_on_genesis_if_nothing_was_ever_final() external {
        ClaimPreimage memory genesis = ClaimPreimage(parameters.rollup, 0, 0, 0, GENESIS_HASH, 0);
        pass(parameters.escapeDelay);
        // The fixture's genesis hash is of no header.
        vm.expectRevert(abi.encodeWithSelector(StateProof.WrongHeader.selector, keccak256(header), GENESIS_HASH));
        bridge.openEscape(genesis, header);
        vm.prank(address(bridge));
        inbox.end(keccak256(abi.encode(genesis)));
        vm.assertEq(claims.endedAt(), block.timestamp);
    }

    function test_only_the_bridge_ends_the_chain() external {
        bytes32 id = claims.genesisClaim();
        vm.expectRevert(abi.encodeWithSelector(IMessageQueue.NotBridge.selector, address(this)));
        inbox.end(id);
        vm.expectRevert(abi.encodeWithSelector(IClaims.NotInbox.selector, address(this)));
        claims.end(id);
    }

    function test_it_is_terminal() external {
        _halt();
        Post memory post = honest(1);
        bridge.openEscape(head, header);
        vm.expectRevert(IMessageQueue.ChainEnded.selector);
        send(post);
        vm.expectRevert(IMessageQueue.ChainEnded.selector);
        inbox.poke();
        vm.prank(alice, alice);
        vm.expectRevert(IMessageQueue.ChainEnded.selector);
        bridge.depositTransaction{value: 1 ether}(alice, 0, 100_000, "");
        vm.prank(alice, alice);
        (bool ok, bytes memory reason) = address(bridge).call{value: 1 ether}("");
        vm.assertFalse(ok);
        vm.assertEq(reason, abi.encodeWithSelector(IMessageQueue.ChainEnded.selector));
    }

    function test_nothing_is_paid_before() external {
        vm.expectRevert(IEscape.EscapeNotOpen.selector);
        vm.prank(alice);
        bridge.escape(alice, address(0), new bytes[](0), payable(alice), "");
        vm.expectRevert(IEscape.EscapeNotOpen.selector);
        bridge.proveConsumption(new bytes[](0), new bytes[](0));
        QueuedMessage memory m;
        vm.expectRevert(IEscape.EscapeNotOpen.selector);
        bridge.refund(m, 0, new bytes32[](0), payable(alice));
    }

    function test_seats_leave_and_what_was_taken_burns() external {
        report(offence(0, registry.currentTerm()));
        uint256 taken = slasher.unburnt();
        vm.assertGt(taken, 0, "something was taken");
        _open();
        vm.assertEq(slasher.unburnt(), 0);
        vm.assertEq(slasher.BURN_ADDRESS().balance, taken);
        vm.startPrank(OWNER);
        for (uint64 id = 1; id < 5; ++id) {
            registry.requestExit(id);
        }
        pass(2 * parameters.epochLength + parameters.unbonding);
        for (uint64 id = 1; id < 5; ++id) {
            registry.withdraw(id, payable(OWNER));
        }
        vm.stopPrank();
        vm.assertEq(address(registry).balance, slasher.rewardOf(REPORTER) + slasher.unburnt());
    }

    // Accounts

    function test_an_account_is_paid_all_that_it_has_once() external {
        _open();
        uint256 held = address(bridge).balance;
        vm.prank(alice);
        _escape(alice, address(0), STRANGER);
        vm.assertEq(STRANGER.balance, 30 ether);
        vm.assertEq(address(bridge).balance, held - 30 ether);
        bytes[] memory proof = accountProof(alice);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IEscape.EscapedBefore.selector, alice));
        bridge.escape(alice, address(0), proof, payable(alice), "");
    }

    function test_a_delegation_is_no_code_and_code_is() external {
        _open();
        bytes[] memory proof = accountProof(DELEGATED);
        bytes32 codeHash = keccak256(abi.encodePacked(hex"ef0100", DELEGATE));
        vm.prank(DELEGATED);
        vm.expectRevert(abi.encodeWithSelector(StateProof.AccountHasCode.selector, DELEGATED, codeHash));
        bridge.escape(DELEGATED, address(0), proof, payable(DELEGATED), "");
        vm.prank(DELEGATED);
        bridge.escape(DELEGATED, DELEGATE, proof, payable(DELEGATED), "");
        vm.assertEq(DELEGATED.balance, 4 ether);
        proof = accountProof(WITH_CODE);
        vm.prank(WITH_CODE);
        vm.expectRevert(
            abi.encodeWithSelector(StateProof.AccountHasCode.selector, WITH_CODE, keccak256("its code"))
        );
        bridge.escape(WITH_CODE, DELEGATE, proof, payable(WITH_CODE), "");
    }

    function test_who_is_paid_calls_or_signs() external {
        _open();
        bytes[] memory proof = accountProof(alice);
        vm.expectRevert(abi.encodeWithSelector(Payee.NotEntitled.selector, alice, address(this)));
        bridge.escape(alice, address(0), proof, payable(alice), "");
        vm.prank(alice);
        vm.expectRevert(Payee.NoRecipient.selector);
        bridge.escape(alice, address(0), proof, payable(address(0)), "");
        bytes memory signature = _signature(KEY, alice, BOB);
        vm.expectRevert(abi.encodeWithSelector(Payee.SignatureOfAnother.selector, alice));
        bridge.escape(alice, address(0), proof, payable(STRANGER), signature);
        bytes memory others = _signature(0xBAD, alice, BOB);
        vm.expectRevert(abi.encodeWithSelector(Payee.SignatureOfAnother.selector, alice));
        bridge.escape(alice, address(0), proof, payable(BOB), others);
        uint256 before = BOB.balance;
        bridge.escape(alice, address(0), proof, payable(BOB), signature);
        vm.assertEq(BOB.balance - before, 30 ether);
        vm.expectRevert(abi.encodeWithSelector(IEscape.EscapedBefore.selector, alice));
        bridge.escape(alice, address(0), proof, payable(BOB), signature);
    }

    function _signature(uint256 key, address account, address to) private view returns (bytes memory) {
        bytes32 separator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Surety"),
                keccak256("1"),
                block.chainid,
                address(bridge)
            )
        );
        bytes32 hash = keccak256(
            abi.encode(keccak256("Escape(address account,address token,address to)"), account, address(0), to)
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, keccak256(abi.encodePacked(hex"1901", separator, hash)));
        return abi.encodePacked(r, bytes32(uint256(s) | uint256(v - 27) << 255));
    }

    function test_a_contracts_name_on_l2_is_paid_to_the_contract() external {
        _open();
        bytes[] memory proof = accountProof(partyOnL2);
        // To the name itself, which nobody has the key of: lost for ever.
        vm.expectRevert(abi.encodeWithSelector(Payee.NotEntitled.selector, partyOnL2, address(this)));
        bridge.escape(partyOnL2, address(0), proof, payable(partyOnL2), "");
        party.set(true);
        vm.expectRevert(abi.encodeWithSelector(IEscape.PaymentRefused.selector, address(party)));
        bridge.escape(partyOnL2, address(0), proof, payable(address(party)), "");
        uint256 before = vm.snapshotState();
        (bool ok,) = party.call(
            address(bridge), abi.encodeCall(bridge.escape, (partyOnL2, address(0), proof, payable(STRANGER), ""))
        );
        vm.assertTrue(ok, "it names another");
        vm.assertEq(STRANGER.balance, 5 ether);
        vm.revertToState(before);
        party.set(false);
        bridge.escape(partyOnL2, address(0), proof, payable(address(party)), "");
        vm.assertEq(address(party).balance, 5 ether);
    }

    function test_proofs_of_something_else_pay_nothing() external {
        _open();
        bytes[] memory proof = accountProof(alice);
        bytes[] memory short = new bytes[](proof.length - 1);
        bytes[] memory long = new bytes[](proof.length + 1);
        for (uint256 i; i < proof.length; ++i) {
            if (i < short.length) short[i] = proof[i];
            long[i] = proof[i];
        }
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(StateProof.ProofTooShort.selector, short.length));
        bridge.escape(alice, address(0), short, payable(alice), "");
        vm.expectRevert(abi.encodeWithSelector(StateProof.ProofTooLong.selector, long.length, proof.length));
        bridge.escape(alice, address(0), long, payable(alice), "");
        bytes[] memory wrong = accountProof(alice);
        wrong[0] = bytes.concat(wrong[0], hex"00");
        vm.expectRevert(abi.encodeWithSelector(StateProof.WrongNode.selector, 0, state.root()));
        bridge.escape(alice, address(0), wrong, payable(alice), "");
        vm.stopPrank();
        // Another's proof shows that this one is not there, or does not reach it.
        vm.prank(STRANGER);
        vm.expectRevert();
        bridge.escape(STRANGER, address(0), proof, payable(STRANGER), "");
        bytes[] memory absent = accountProof(STRANGER);
        vm.prank(STRANGER);
        vm.expectRevert(IEscape.NothingToPay.selector);
        bridge.escape(STRANGER, address(0), absent, payable(STRANGER), "");
    }

    // Messages

    function test_messages_beyond_the_state_are_paid_back_once() external {
        _open();
        // 0 and 1 deposits, 2 the post's L1Info, 3 Bob's, 4 the contract's.
        vm.assertEq(queue.length, 5);
        vm.prank(BOB);
        vm.expectRevert(abi.encodeWithSelector(IEscape.MessageConsumed.selector, 1, 2));
        bridge.refund(queue[1], accBefore(1), following(1, 5), payable(BOB));
        vm.expectRevert(abi.encodeWithSelector(Payee.NotEntitled.selector, BOB, address(this)));
        bridge.refund(queue[3], accBefore(3), following(3, 4), payable(BOB));
        uint256 before = BOB.balance;
        vm.startPrank(BOB);
        bridge.refund(queue[3], accBefore(3), following(3, 5), payable(BOB));
        vm.assertEq(BOB.balance - before, queue[3].mint);
        vm.expectRevert(abi.encodeWithSelector(IEscape.MessageRefundedBefore.selector, 3));
        bridge.refund(queue[3], accBefore(3), following(3, 4), payable(BOB));
        vm.stopPrank();
        // Anyone may have a contract paid, and the contract alone.
        vm.expectRevert(abi.encodeWithSelector(Payee.NotEntitled.selector, partyOnL2, address(this)));
        bridge.refund(queue[4], accBefore(4), following(4, 5), payable(partyOnL2));
        bridge.refund(queue[4], accBefore(4), following(4, 5), payable(address(party)));
        vm.assertEq(address(party).balance, queue[4].mint);
    }

    function test_messages_that_were_not_sent_are_not_paid_back() external {
        _open();
        vm.startPrank(BOB);
        QueuedMessage memory m = queue[3];
        m.mint += 1;
        vm.expectRevert(abi.encodeWithSelector(IEscape.MessageNotProven.selector, 3));
        bridge.refund(m, accBefore(3), following(3, 5), payable(BOB));
        m = queue[4];
        m.sender = BOB;
        vm.expectRevert(abi.encodeWithSelector(IEscape.MessageNotProven.selector, 4));
        bridge.refund(m, accBefore(4), following(4, 5), payable(BOB));
        bytes32[] memory beyond = new bytes32[](2);
        vm.expectRevert(abi.encodeWithSelector(IMessageQueue.NoSuchMessage.selector, 5, 5));
        bridge.refund(queue[3], accBefore(3), beyond, payable(BOB));
        vm.stopPrank();
        // L1's own messages have no sender who could ask.
        vm.expectRevert();
        bridge.refund(queue[2], accBefore(2), following(2, 5), payable(BOB));
    }

    function test_a_message_that_a_dead_batch_consumed_is_shown_up_to_the_next_milestone() external {
        claimState();
        bytes memory lastHeader = header;
        ClaimPreimage memory last = head;
        pass(parameters.challengePeriod);
        vm.prank(BOB, BOB);
        bridge.depositTransaction{value: 7 ether}(BOB, 0, 100_000, "");
        pass(parameters.escapeDelay - 1);
        // This batch consumes it, and dies.
        succeed(honest(1));
        while (inbox.messageCount() < 300) {
            pass(0);
            vm.roll(block.number + 1);
            inbox.poke();
        }
        pass(1);
        // Something else is consumed, so that the ring forgets.
        bridge.openEscape(last, lastHeader);
        bridge.proveConsumption(
            accountProof(Predeploys.L1_BLOCK), slotProof(l1BlockSlots, bytes32(uint256(9)))
        );
        learn();
        vm.startPrank(BOB);
        uint256 before = BOB.balance;
        uint256 gas_ = gasleft();
        bridge.refund(queue[3], accBefore(3), following(3, 256), payable(BOB));
        vm.assertLt(gas_ - gasleft(), 1_000_000, "gas");
        vm.assertEq(BOB.balance - before, queue[3].mint);
        vm.stopPrank();
    }

    function test_the_consumption_is_shown_once_and_zero_by_absence() external {
        (state.keys, state.values) = (new bytes32[](0), new bytes[](0));
        (l1BlockSlots.keys, l1BlockSlots.values) = (new bytes32[](0), new bytes[](0));
        putKeyed(alice, 1 ether);
        putConsumed(0);
        _halt();
        bridge.openEscape(head, header);
        bytes[] memory account = accountProof(Predeploys.L1_BLOCK);
        bytes[] memory slot = slotProof(l1BlockSlots, bytes32(uint256(9)));
        QueuedMessage memory m;
        vm.expectRevert(IEscape.ConsumptionNotProven.selector);
        bridge.refund(m, 0, new bytes32[](0), payable(alice));
        bridge.proveConsumption(account, slot);
        (bool proven, uint64 messages) = bridge.escapeConsumption();
        vm.assertTrue(proven);
        vm.assertEq(messages, 0);
        vm.expectRevert(abi.encodeWithSelector(IEscape.ConsumptionProvenBefore.selector, 0));
        bridge.proveConsumption(account, slot);
    }

    // All together

    function test_who_is_being_paid_does_not_come_in_again() external {
        Greedy greedy = new Greedy();
        putKeyed(address(greedy), 2 ether);
        _open();
        uint256 held = address(bridge).balance;
        bytes[] memory proof = accountProof(address(greedy));
        bool ok = greedy.take(
            address(bridge),
            abi.encodeCall(bridge.escape, (address(greedy), address(0), proof, payable(address(greedy)), ""))
        );
        vm.assertTrue(ok, "paid");
        vm.assertEq(greedy.tries(), 1);
        vm.assertFalse(greedy.cameIn());
        vm.assertEq(address(greedy).balance, 2 ether);
        vm.assertEq(address(bridge).balance, held - 2 ether);
    }

    /// What every account, message and withdrawal is paid is what was brought, but for what contracts hold.
    function test_all_are_paid_and_what_contracts_hold_stays() external {
        uint256 brought = address(bridge).balance;
        WithdrawalTransaction memory w = WithdrawalTransaction(9, alice, STRANGER, 2 ether, 50_000, "");
        bytes32 slot = keccak256(abi.encode(bridge.withdrawalHash(w), uint256(0)));
        putSlot(sent, slot, 1);
        // All that was brought by then is somewhere on L2; a contract has the rest.
        uint256 rest = brought - 30 ether - 5 ether - 4 ether - 3 ether - 2 ether;
        putAccount(address(0xC0C1), rest, StateProof.EMPTY_ROOT, keccak256("other code"));
        _open();
        vm.assertEq(address(bridge).balance, brought + queue[3].mint + queue[4].mint);
        vm.prank(alice);
        _escape(alice, address(0), STRANGER);
        _escape(partyOnL2, address(0), address(party));
        vm.prank(DELEGATED);
        _escape(DELEGATED, DELEGATE, DELEGATED);
        bridge.withdraw(w, head, header, slotProof(sent, slot));
        vm.prank(BOB);
        bridge.refund(queue[3], accBefore(3), following(3, 5), payable(BOB));
        bridge.refund(queue[4], accBefore(4), following(4, 5), payable(address(party)));
        vm.assertEq(address(bridge).balance, rest + 3 ether);
    }

    // Withdrawals

    function test_withdrawals_of_the_last_state_are_honoured() external {
        WithdrawalTransaction memory w = WithdrawalTransaction(7, alice, STRANGER, 2 ether, 50_000, "");
        bytes32 hash = bridge.withdrawalHash(w);
        bytes32 slot = keccak256(abi.encode(hash, uint256(0)));
        putSlot(sent, slot, 1);
        putSlot(sent, keccak256("another"), 1);
        _open();
        bridge.withdraw(w, head, header, slotProof(sent, slot));
        vm.assertEq(STRANGER.balance, 2 ether);
        bytes[] memory proof = slotProof(sent, slot);
        vm.expectRevert(abi.encodeWithSelector(IBridge.WithdrawalDone.selector, hash));
        bridge.withdraw(w, head, header, proof);
    }
}

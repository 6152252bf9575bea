// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IEscape} from "../src/bridge/IEscape.sol";
import {IBridge, WithdrawalStatus, WithdrawalTransaction} from "../src/bridge/IBridge.sol";
import {IL1CrossDomainMessenger} from "../src/bridge/IL1CrossDomainMessenger.sol";
import {IL1StandardBridge} from "../src/bridge/IL1StandardBridge.sol";
import {L1CrossDomainMessenger} from "../src/bridge/L1CrossDomainMessenger.sol";
import {L1StandardBridge} from "../src/bridge/L1StandardBridge.sol";
import {Payee} from "../src/bridge/Payee.sol";
import {Predeploys} from "../src/l2/Predeploys.sol";
import {ClaimPreimage} from "../src/lib/Commitments.sol";
import {StateProof} from "../src/lib/StateProof.sol";
import {Entries, L2World, Trie} from "./lib/L2World.sol";

/// @notice A token as they are out there.
contract Token {
    enum Kind {
        Plain,
        Fee,
        Silent,
        False,
        Idle,
        Stuck,
        Nosy
    }

    Kind public kind;
    address public victim;
    bytes public visit;
    bool public cameIn;
    mapping(address => uint256) public balanceOf;

    function set(Kind kind_) external {
        kind = kind_;
    }

    function nose(address victim_, bytes calldata visit_) external {
        (kind, victim, visit) = (Kind.Nosy, victim_, visit_);
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function shrink(address who, uint256 part) external {
        balanceOf[who] -= balanceOf[who] / part;
    }

    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private {
        require(kind != Kind.Stuck, "stuck");
        if (kind != Kind.Idle) {
            balanceOf[from] -= amount;
            balanceOf[to] += kind == Kind.Fee ? amount - amount / 10 : amount;
        }
        if (kind == Kind.Nosy) (cameIn,) = victim.call(visit);
        uint256 answer = kind == Kind.False ? 0 : 1;
        if (kind == Kind.Silent) return;
        assembly {
            mstore(0, answer)
            return(0, 32)
        }
    }
}

/// @notice Whom a message calls on L1.
contract Callee {
    IL1CrossDomainMessenger public messenger;
    bool public fails;
    address public saw;

    constructor(IL1CrossDomainMessenger messenger_) {
        messenger = messenger_;
    }

    function set(bool fails_) external {
        fails = fails_;
    }

    function ring() external payable {
        require(!fails);
        saw = messenger.xDomainMessageSender();
    }
}

contract TokenBridgeTest is L2World {
    using Trie for Entries;

    address private constant ALICE = address(0xA11CE);
    address private constant BOB = address(0xB0B);
    address private constant L2_TOKEN = address(0x70CE2);
    address private constant L2_OTHER = address(0x70CE3);
    L1CrossDomainMessenger private messenger;
    L1StandardBridge private tokens;
    Token private token;
    Entries private _factory;
    Entries private _balances;
    uint256 private _nonce;

    function setUp() external {
        deploy(4);
        pass(6);
        messenger = new L1CrossDomainMessenger(bridge);
        tokens = new L1StandardBridge(messenger);
        token = new Token();
        token.mint(ALICE, 1000);
        vm.deal(ALICE, 100 ether);
        vm.deal(BOB, 100 ether);
        vm.recordLogs();
    }

    function _deposit(address l2Token, uint256 amount) private {
        vm.prank(ALICE, ALICE);
        tokens.depositERC20{value: 1 ether}(address(token), l2Token, amount, 200_000, hex"aa");
    }

    function _message(uint256 amount) private view returns (bytes memory) {
        return abi.encodeCall(
            IL1StandardBridge.finalizeBridgeERC20, (address(token), L2_TOKEN, BOB, ALICE, amount, hex"bb")
        );
    }

    /// What L2's messenger asks of L1's, as a withdrawal in the state.
    function _sendFromL2(address sender, address target, uint256 value, bytes memory message)
        private
        returns (WithdrawalTransaction memory w, bytes32 hash)
    {
        uint256 nonce = 1 << 240 | _nonce++;
        bytes memory data =
            abi.encodeCall(IL1CrossDomainMessenger.relayMessage, (nonce, sender, target, value, 300_000, message));
        w = WithdrawalTransaction(
            nonce, Predeploys.L2_CROSS_DOMAIN_MESSENGER, address(messenger), value, 800_000, data
        );
        putSlot(sent, keccak256(abi.encode(bridge.withdrawalHash(w), uint256(0))), 1);
        hash = keccak256(data);
    }

    function _finish() private {
        putKeyed(address(0xFEED), 1);
        claimState();
        pass(parameters.challengePeriod);
    }

    function _withdraw(WithdrawalTransaction memory w) private {
        bytes32 slot = keccak256(abi.encode(bridge.withdrawalHash(w), uint256(0)));
        bridge.withdraw(w, head, header, slotProof(sent, slot));
    }

    // In

    function test_a_deposit_credits_what_arrived_and_says_so_on_l2() external {
        uint256 before = ALICE.balance;
        uint256 fee = tokens.depositFee(address(token), 200_000, hex"aa");
        _deposit(L2_TOKEN, 100);
        vm.assertEq(before - ALICE.balance, fee);
        vm.assertEq(tokens.deposits(address(token), L2_TOKEN), 100);
        learn();
        vm.assertEq(queue[0].to, Predeploys.L2_CROSS_DOMAIN_MESSENGER);
        vm.assertEq(queue[0].sender, address(uint160(address(messenger)) + uint160((0x1111 << 144) + 0x1111)));
        vm.assertEq(queue[0].mint, 0);
        bytes memory call_ = abi.encodeCall(
            IL1StandardBridge.finalizeBridgeERC20, (L2_TOKEN, address(token), ALICE, ALICE, 100, hex"aa")
        );
        vm.assertEq(
            queue[0].data,
            abi.encodeCall(
                IL1CrossDomainMessenger.relayMessage,
                (1 << 240, address(tokens), Predeploys.L2_STANDARD_BRIDGE, 0, 200_000, call_)
            )
        );
        vm.assertEq(uint256(queue[0].gas), messenger.baseGas(call_, 200_000));
        // Less arrives than was asked for.
        token.set(Token.Kind.Fee);
        _deposit(L2_TOKEN, 100);
        vm.assertEq(tokens.deposits(address(token), L2_TOKEN), 190);
        token.set(Token.Kind.Silent);
        _deposit(L2_TOKEN, 100);
        vm.assertEq(tokens.deposits(address(token), L2_TOKEN), 290);
        vm.assertEq(token.balanceOf(address(tokens)), 290);
    }

    function test_ether_arrives_less_the_price() external {
        uint256 fee = tokens.depositFee(address(0), 200_000, hex"aa");
        vm.prank(ALICE, ALICE);
        tokens.depositETHTo{value: 2 ether}(BOB, 200_000, hex"aa");
        learn();
        vm.assertEq(queue[0].mint, 2 ether - fee);
        vm.assertEq(queue[0].value, 2 ether - fee);
        vm.assertEq(
            queue[0].data,
            abi.encodeCall(
                IL1CrossDomainMessenger.relayMessage,
                (
                    1 << 240,
                    address(tokens),
                    Predeploys.L2_STANDARD_BRIDGE,
                    2 ether - fee,
                    200_000,
                    abi.encodeCall(IL1StandardBridge.finalizeBridgeETH, (ALICE, BOB, 2 ether - fee, hex"aa"))
                )
            )
        );
        vm.prank(ALICE, ALICE);
        (bool ok,) = address(tokens).call{value: 10 ether}("");
        vm.assertTrue(ok, "a plain transfer");
        vm.assertEq(address(tokens).balance, 0);
        vm.assertEq(address(messenger).balance, 0);
        // The price has risen.
        fee = tokens.depositFee(address(0), 200_000, hex"aa");
        vm.prank(ALICE, ALICE);
        vm.expectRevert(abi.encodeWithSelector(IL1StandardBridge.FeeNotCovered.selector, 1, fee));
        tokens.depositETHTo{value: 1}(BOB, 200_000, hex"aa");
        vm.expectRevert(IL1StandardBridge.NotExternallyOwned.selector);
        tokens.depositETH{value: 0}(200_000, "");
    }

    function test_a_token_that_moves_nothing_or_says_no_is_refused() external {
        token.set(Token.Kind.Idle);
        vm.prank(ALICE, ALICE);
        vm.expectRevert(abi.encodeWithSelector(IL1StandardBridge.NothingArrived.selector, address(token)));
        tokens.depositERC20{value: 1 ether}(address(token), L2_TOKEN, 100, 200_000, "");
        token.set(Token.Kind.False);
        vm.prank(ALICE, ALICE);
        vm.expectRevert();
        tokens.depositERC20{value: 1 ether}(address(token), L2_TOKEN, 100, 200_000, "");
        vm.assertEq(tokens.deposits(address(token), L2_TOKEN), 0);
    }

    function test_a_token_that_calls_back_finds_the_doors_closed() external {
        token.mint(address(token), 100);
        token.nose(
            address(tokens),
            abi.encodeCall(
                IL1StandardBridge.depositERC20To, (address(token), L2_TOKEN, BOB, 50, 200_000, "")
            )
        );
        _deposit(L2_TOKEN, 100);
        vm.assertFalse(token.cameIn());
        vm.assertEq(tokens.deposits(address(token), L2_TOKEN), 100);
    }

    // Out

    function test_what_was_burnt_on_l2_is_paid_once() external {
        _deposit(L2_TOKEN, 100);
        (WithdrawalTransaction memory w, bytes32 hash) =
            _sendFromL2(Predeploys.L2_STANDARD_BRIDGE, address(tokens), 0, _message(60));
        _finish();
        _withdraw(w);
        vm.assertTrue(messenger.successfulMessages(hash), "delivered");
        vm.assertEq(token.balanceOf(ALICE), 960);
        vm.assertEq(tokens.deposits(address(token), L2_TOKEN), 40);
        bytes memory data = w.data;
        (bool ok, bytes memory reason) = address(messenger).call(data);
        vm.assertFalse(ok);
        vm.assertEq(reason, abi.encodeWithSelector(IL1CrossDomainMessenger.AlreadyRelayed.selector, hash));
    }

    function test_one_pair_never_pays_for_another() external {
        _deposit(L2_OTHER, 100);
        _deposit(L2_TOKEN, 50);
        (WithdrawalTransaction memory w, bytes32 hash) =
            _sendFromL2(Predeploys.L2_STANDARD_BRIDGE, address(tokens), 0, _message(51));
        _finish();
        _withdraw(w);
        vm.assertTrue(messenger.failedMessages(hash), "kept");
        vm.assertEq(token.balanceOf(address(tokens)), 150);
        vm.prank(address(messenger));
        vm.expectRevert();
        tokens.finalizeBridgeERC20(address(token), L2_TOKEN, BOB, ALICE, 51, "");
    }

    function test_what_failed_is_tried_again_by_anyone() external {
        _deposit(L2_TOKEN, 100);
        (WithdrawalTransaction memory w, bytes32 hash) =
            _sendFromL2(Predeploys.L2_STANDARD_BRIDGE, address(tokens), 0, _message(60));
        _finish();
        token.set(Token.Kind.Stuck);
        _withdraw(w);
        vm.assertTrue(messenger.failedMessages(hash), "kept");
        vm.assertEq(tokens.deposits(address(token), L2_TOKEN), 100);
        token.set(Token.Kind.Plain);
        (bool ok,) = address(messenger).call(w.data);
        vm.assertTrue(ok);
        vm.assertEq(token.balanceOf(ALICE), 960);
    }

    function test_nobody_else_may_finalize_or_relay() external {
        bytes memory message = _message(1);
        vm.expectRevert(abi.encodeWithSelector(IL1CrossDomainMessenger.NotRelayer.selector, address(this)));
        messenger.relayMessage(1 << 240, Predeploys.L2_STANDARD_BRIDGE, address(tokens), 0, 0, message);
        // The bridge speaks for whoever withdrew: not the messenger on L2.
        vm.prank(address(bridge));
        vm.expectRevert(abi.encodeWithSelector(IL1CrossDomainMessenger.NotRelayer.selector, address(bridge)));
        messenger.relayMessage(1 << 240, Predeploys.L2_STANDARD_BRIDGE, address(tokens), 0, 0, message);
        vm.expectRevert(IL1StandardBridge.NotOtherBridge.selector);
        tokens.finalizeBridgeERC20(address(token), L2_TOKEN, BOB, ALICE, 1, "");
        vm.expectRevert(IL1StandardBridge.NotOtherBridge.selector);
        tokens.finalizeBridgeETH(BOB, ALICE, 0, "");
        vm.expectRevert(IL1CrossDomainMessenger.NotRelaying.selector);
        messenger.xDomainMessageSender();
    }

    function test_a_message_of_another_is_not_the_bridges() external {
        _deposit(L2_TOKEN, 100);
        (WithdrawalTransaction memory w, bytes32 hash) = _sendFromL2(BOB, address(tokens), 0, _message(60));
        _finish();
        _withdraw(w);
        vm.assertTrue(messenger.failedMessages(hash), "refused");
        vm.assertEq(tokens.deposits(address(token), L2_TOKEN), 100);
    }

    function test_no_message_calls_the_bridge() external {
        bytes memory forged =
            abi.encodeCall(bridge.depositTransaction, (Predeploys.L2_CROSS_DOMAIN_MESSENGER, 0, 500_000, ""));
        (WithdrawalTransaction memory w,) = _sendFromL2(BOB, address(bridge), 0, forged);
        (WithdrawalTransaction memory own,) = _sendFromL2(BOB, address(messenger), 0, forged);
        _finish();
        uint64 count = inbox.messageCount();
        _withdraw(w);
        _withdraw(own);
        vm.assertTrue(bridge.status(bridge.withdrawalHash(w)) == WithdrawalStatus.Failed);
        vm.assertTrue(bridge.status(bridge.withdrawalHash(own)) == WithdrawalStatus.Failed);
        vm.assertEq(inbox.messageCount(), count);
    }

    function test_a_call_brings_its_sender_and_its_ether() external {
        vm.prank(ALICE, ALICE);
        bridge.depositTransaction{value: 10 ether}(ALICE, 0, 100_000, "");
        Callee callee = new Callee(messenger);
        callee.set(true);
        (WithdrawalTransaction memory w, bytes32 hash) =
            _sendFromL2(BOB, address(callee), 3 ether, abi.encodeCall(Callee.ring, ()));
        _finish();
        _withdraw(w);
        vm.assertTrue(messenger.failedMessages(hash), "kept");
        vm.assertEq(address(messenger).balance, 3 ether);
        callee.set(false);
        (bool ok,) = address(messenger).call(w.data);
        vm.assertTrue(ok);
        vm.assertEq(address(callee).balance, 3 ether);
        vm.assertEq(callee.saw(), BOB);
    }

    function test_several_withdrawals_of_one_claim_share_header_and_nodes() external {
        vm.prank(ALICE, ALICE);
        bridge.depositTransaction{value: 10 ether}(ALICE, 0, 100_000, "");
        WithdrawalTransaction[] memory list = new WithdrawalTransaction[](5);
        for (uint256 i; i < 5; ++i) {
            list[i] = WithdrawalTransaction(i, ALICE, address(uint160(0xF000 + i)), 1 ether, 30_000, "");
            putSlot(sent, keccak256(abi.encode(bridge.withdrawalHash(list[i]), uint256(0))), 1);
        }
        _finish();
        (bytes[] memory nodes, bytes[] memory paths) = _pool(list);
        bytes[] memory fewer = new bytes[](4);
        vm.expectRevert(abi.encodeWithSelector(IBridge.PathsWrong.selector, 4, 5));
        bridge.withdrawMany(list, head, header, nodes, fewer);
        // Somebody else was faster with one, and one refuses.
        _withdraw(list[2]);
        bytes memory taken = paths[3];
        paths[3] = paths[4];
        bytes32 hash = bridge.withdrawalHash(list[3]);
        vm.expectRevert(abi.encodeWithSelector(IBridge.WithdrawalNotProven.selector, hash));
        bridge.withdrawMany(list, head, header, nodes, paths);
        paths[3] = taken;
        vm.etch(address(uint160(0xF001)), hex"60006000fd");
        bridge.withdrawMany(list, head, header, nodes, paths);
        for (uint256 i; i < 5; ++i) {
            bool failed = bridge.status(bridge.withdrawalHash(list[i])) == WithdrawalStatus.Failed;
            vm.assertEq(failed, i == 1);
            vm.assertEq(list[i].target.balance, i == 1 ? 0 : 1 ether);
        }
    }

    /// Each node once, and for each withdrawal the places of its own.
    function _pool(WithdrawalTransaction[] memory list)
        private
        view
        returns (bytes[] memory nodes, bytes[] memory paths)
    {
        bytes[] memory all = new bytes[](64);
        uint256 count;
        paths = new bytes[](list.length);
        for (uint256 i; i < list.length; ++i) {
            bytes[] memory proof =
                slotProof(sent, keccak256(abi.encode(bridge.withdrawalHash(list[i]), uint256(0))));
            for (uint256 j; j < proof.length; ++j) {
                uint256 place;
                while (place < count && keccak256(all[place]) != keccak256(proof[j])) ++place;
                if (place == count) all[count++] = proof[j];
                paths[i] = abi.encodePacked(paths[i], uint8(place));
            }
        }
        nodes = new bytes[](count);
        for (uint256 i; i < count; ++i) {
            nodes[i] = all[i];
        }
    }

    // After the end

    /// Alice has 70 of the token on L2, an account that does not exist there has 30; a deposit of 25 never arrived.
    function _halt() private {
        _deposit(L2_TOKEN, 100);
        putSlot(_factory, keccak256(abi.encode(L2_TOKEN, uint256(0))), uint160(address(token)));
        putSlot(_factory, keccak256("another"), 1);
        putSlot(_balances, keccak256(abi.encode(ALICE, uint256(0))), 70);
        putSlot(_balances, keccak256(abi.encode(BOB, uint256(0))), 30);
        putSlot(_balances, bytes32(uint256(2)), 100);
        putAccount(Predeploys.OPTIMISM_MINTABLE_ERC20_FACTORY, 0, _factory.root(), keccak256("factory"));
        putAccount(L2_TOKEN, 0, _balances.root(), keccak256("token"));
        putKeyed(ALICE, 1);
        putConsumed(2);
        claimState();
        _deposit(L2_TOKEN, 25);
        vm.prank(ALICE, ALICE);
        tokens.depositETHTo{value: 3 ether}(BOB, 200_000, "");
        vm.prank(BOB, BOB);
        messenger.sendMessage{value: 1 ether}(ALICE, "", 100_000);
        pass(parameters.challengePeriod + parameters.escapeDelay);
        bridge.openEscape(head, header);
        bridge.proveConsumption(
            accountProof(Predeploys.L1_BLOCK), slotProof(l1BlockSlots, bytes32(uint256(9)))
        );
        learn();
    }

    function _proveToken() private {
        tokens.proveToken(
            L2_TOKEN,
            address(token),
            accountProof(Predeploys.OPTIMISM_MINTABLE_ERC20_FACTORY),
            slotProof(_factory, keccak256(abi.encode(L2_TOKEN, uint256(0)))),
            accountProof(L2_TOKEN)
        );
    }

    function _balance(address who) private view returns (bytes[] memory) {
        return slotProof(_balances, keccak256(abi.encode(who, uint256(0))));
    }

    function test_after_the_end_balances_are_paid_once() external {
        bytes[] memory none = new bytes[](0);
        vm.expectRevert(IL1StandardBridge.EscapeNotOpen.selector);
        tokens.escapeToken(L2_TOKEN, ALICE, address(0), none, none, ALICE, "");
        _halt();
        bytes[] memory account = accountProof(ALICE);
        bytes[] memory balance = _balance(ALICE);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IL1StandardBridge.TokenNotProven.selector, L2_TOKEN));
        tokens.escapeToken(L2_TOKEN, ALICE, address(0), account, balance, ALICE, "");
        _proveToken();
        vm.expectRevert(abi.encodeWithSelector(Payee.NotEntitled.selector, ALICE, address(this)));
        tokens.escapeToken(L2_TOKEN, ALICE, address(0), account, balance, ALICE, "");
        vm.startPrank(ALICE);
        tokens.escapeToken(L2_TOKEN, ALICE, address(0), account, balance, BOB, "");
        vm.assertEq(token.balanceOf(BOB), 70);
        vm.expectRevert(abi.encodeWithSelector(IL1StandardBridge.EscapedBefore.selector, L2_TOKEN, ALICE));
        tokens.escapeToken(L2_TOKEN, ALICE, address(0), account, balance, BOB, "");
        vm.stopPrank();
        // Bob never had ether there: that his account does not exist is shown.
        account = accountProof(BOB);
        balance = _balance(BOB);
        vm.prank(BOB);
        tokens.escapeToken(L2_TOKEN, BOB, address(0), account, balance, BOB, "");
        vm.assertEq(token.balanceOf(BOB), 100);
        vm.assertEq(tokens.deposits(address(token), L2_TOKEN), 25);
        account = accountProof(address(this));
        balance = _balance(address(this));
        vm.expectRevert(IL1StandardBridge.NothingToPay.selector);
        tokens.escapeToken(L2_TOKEN, address(this), address(0), account, balance, BOB, "");
    }

    function test_only_tokens_of_the_factory_are_known() external {
        _halt();
        bytes[] memory factory = accountProof(Predeploys.OPTIMISM_MINTABLE_ERC20_FACTORY);
        bytes[] memory deployment = slotProof(_factory, keccak256(abi.encode(L2_OTHER, uint256(0))));
        bytes[] memory account = accountProof(L2_OTHER);
        vm.expectRevert(abi.encodeWithSelector(IL1StandardBridge.NotOfFactory.selector, L2_OTHER));
        tokens.proveToken(L2_OTHER, address(token), factory, deployment, account);
        vm.expectRevert(abi.encodeWithSelector(IL1StandardBridge.NotOfFactory.selector, L2_OTHER));
        tokens.proveToken(L2_OTHER, address(0), factory, deployment, account);
        deployment = slotProof(_factory, keccak256(abi.encode(L2_TOKEN, uint256(0))));
        account = accountProof(L2_TOKEN);
        vm.expectRevert(abi.encodeWithSelector(IL1StandardBridge.NotOfFactory.selector, L2_TOKEN));
        tokens.proveToken(L2_TOKEN, address(this), factory, deployment, account);
        _proveToken();
        vm.expectRevert(abi.encodeWithSelector(IL1StandardBridge.TokenProvenBefore.selector, L2_TOKEN));
        tokens.proveToken(L2_TOKEN, address(token), factory, deployment, account);
    }

    function test_after_the_end_deposits_that_did_not_arrive_go_back() external {
        _halt();
        // 0 the first deposit, 1 the post's L1Info, 2 the second, 3 ether through the bridge, 4 Bob's own message.
        vm.assertEq(queue.length, 5);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IEscape.MessageConsumed.selector, 0, 2));
        tokens.returnDeposit(queue[0], accBefore(0), following(0, 5), payable(ALICE));
        vm.expectRevert(abi.encodeWithSelector(IL1StandardBridge.NotDepositor.selector, ALICE, address(this)));
        tokens.returnDeposit(queue[2], accBefore(2), following(2, 5), payable(BOB));
        // Past the token bridge nobody gets at what it must book.
        vm.expectRevert(
            abi.encodeWithSelector(IL1CrossDomainMessenger.NotSender.selector, address(tokens), address(this))
        );
        messenger.returnMessage(queue[2], accBefore(2), following(2, 5), payable(address(tokens)));
        vm.expectRevert();
        bridge.refund(queue[3], accBefore(3), following(3, 5), payable(address(messenger)));
        vm.expectRevert();
        messenger.returnMessage(queue[3], accBefore(3), following(3, 5), payable(address(tokens)));

        uint256 before = token.balanceOf(ALICE);
        tokens.returnDeposit(queue[2], accBefore(2), following(2, 5), payable(ALICE));
        vm.assertEq(token.balanceOf(ALICE) - before, 25);
        vm.assertEq(tokens.deposits(address(token), L2_TOKEN), 100);
        vm.expectRevert(abi.encodeWithSelector(IEscape.MessageRefundedBefore.selector, 2));
        tokens.returnDeposit(queue[2], accBefore(2), following(2, 5), payable(ALICE));

        before = ALICE.balance;
        tokens.returnDeposit(queue[3], accBefore(3), following(3, 5), payable(ALICE));
        vm.assertEq(ALICE.balance - before, queue[3].mint);
        before = BOB.balance;
        messenger.returnMessage(queue[4], accBefore(4), following(4, 5), payable(BOB));
        vm.assertEq(BOB.balance - before, queue[4].mint);
        vm.assertEq(address(messenger).balance, 0);
        vm.assertEq(address(tokens).balance, 0);
    }
}

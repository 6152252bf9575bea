// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

import {IL2StandardBridge} from "../../src/l2/IL2StandardBridge.sol";
import {ILegacyMintableERC20, IOptimismMintableERC20} from "../../src/l2/IOptimismMintableERC20.sol";
import {OptimismMintableERC20} from "../../src/l2/OptimismMintableERC20.sol";
import {OptimismMintableERC20Factory} from "../../src/l2/OptimismMintableERC20Factory.sol";
import {Predeploys} from "../../src/l2/Predeploys.sol";
import {L2Test} from "./L2Test.sol";

/// A token native to L2 that may keep a part of what it moves.
contract NativeToken is ERC20 {
    uint256 public fee;

    constructor(address owner, uint256 fee_) ERC20("Native", "NAT") {
        _mint(owner, 1_000);
        fee = fee_;
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (from != address(0) && fee != 0) super._update(to, address(0xfee), fee);
    }
}

contract L2StandardBridgeTest is L2Test {
    uint256 internal constant VERSION = 1 << 240;
    address internal constant L1_TOKEN = address(0x1111111111111111111111111111111111111170);
    uint256 internal nonce;

    /// What the L1 token bridge does, by the two messengers. Fails as a whole if the call fails.
    function fromL1(address sender, uint256 value, bytes memory data) internal returns (bool delivered) {
        uint256 id = VERSION + nonce++;
        bytes32 hash =
            keccak256(abi.encodeCall(messenger.relayMessage, (id, sender, address(bridge), value, 300_000, data)));
        address relayer = Predeploys.aliased(L1_MESSENGER);
        vm.deal(relayer, value);
        vm.prank(relayer);
        messenger.relayMessage{value: value}(id, sender, address(bridge), value, 300_000, data);
        return messenger.successfulMessages(hash);
    }

    function depositToken(address token, address remote, uint256 amount) internal returns (bool) {
        return
            fromL1(L1_BRIDGE, 0, abi.encodeCall(bridge.finalizeBridgeERC20, (token, remote, ALICE, ALICE, amount, "")));
    }

    /// The message to the L1 bridge in the logged withdrawal, by hand.
    function finalizeCall(address local, address remote, address to, uint256 amount)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSignature(
            "finalizeBridgeERC20(address,address,address,address,uint256,bytes)", local, remote, ALICE, to, amount, "x"
        );
    }

    function assertMessageToL1Bridge(bytes memory message) internal {
        Withdrawal memory w = loggedWithdrawal();
        vm.assertEq(w.target, L1_MESSENGER);
        vm.assertEq(w.value, 0);
        bytes memory expected = abi.encodeWithSignature(
            "relayMessage(uint256,address,address,uint256,uint256,bytes)",
            messenger.messageNonce() - 1,
            address(bridge),
            L1_BRIDGE,
            0,
            200_000,
            message
        );
        vm.assertEq(w.data, expected);
    }

    function assertEther(address to, uint256 gasLimit) internal {
        Withdrawal memory w = loggedWithdrawal();
        vm.assertEq(w.sender, address(bridge));
        vm.assertEq(w.target, to);
        vm.assertEq(w.value, 1 ether);
        vm.assertEq(w.gasLimit, gasLimit);
        vm.assertEq(w.data, "");
    }

    function test_ether_leaves_as_a_plain_withdrawal_by_every_door() public {
        // Needs nothing on L1 but the bridge that pays withdrawals.
        setCounterparts(address(0), address(0));
        vm.startPrank(ALICE);
        vm.recordLogs();
        bridge.bridgeETH{value: 1 ether}(50_000, "note");
        assertEther(ALICE, 50_000);
        bridge.bridgeETHTo{value: 1 ether}(BOB, 60_000, "");
        assertEther(BOB, 60_000);
        bridge.withdraw{value: 1 ether}(Predeploys.LEGACY_ERC20_ETH, 1 ether, 70_000, "");
        assertEther(ALICE, 70_000);
        bridge.withdrawTo{value: 1 ether}(Predeploys.LEGACY_ERC20_ETH, BOB, 1 ether, 80_000, "");
        assertEther(BOB, 80_000);
        (bool taken,) = address(bridge).call{value: 1 ether}("");
        vm.assertTrue(taken, "plain transfer");
        assertEther(ALICE, 200_000);
        vm.stopPrank();
        vm.assertEq(address(passer).balance, 5 ether);
        vm.assertEq(address(bridge).balance, 0);
    }

    function test_ether_that_leaves_is_announced_by_both_names() public {
        vm.prank(ALICE);
        vm.expectEmit(true, true, true, true, address(bridge));
        emit IL2StandardBridge.WithdrawalInitiated(address(0), Predeploys.LEGACY_ERC20_ETH, ALICE, BOB, 3, "note");
        vm.expectEmit(true, true, false, true, address(bridge));
        emit IL2StandardBridge.ETHBridgeInitiated(ALICE, BOB, 3, "note");
        bridge.bridgeETHTo{value: 3}(BOB, 0, "note");
    }

    function test_a_withdrawal_of_another_amount_than_was_sent_is_refused() public {
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IL2StandardBridge.WrongValue.selector, 1, 2));
        bridge.withdraw{value: 1}(Predeploys.LEGACY_ERC20_ETH, 2, 0, "");
    }

    function test_contracts_must_name_a_receiver_and_delegated_accounts_need_not() public {
        vm.deal(address(this), 1 ether);
        vm.expectRevert(IL2StandardBridge.NotExternallyOwned.selector);
        bridge.bridgeETH{value: 1}(0, "");
        vm.expectRevert(IL2StandardBridge.NotExternallyOwned.selector);
        bridge.withdraw{value: 1}(Predeploys.LEGACY_ERC20_ETH, 1, 0, "");
        vm.expectRevert(IL2StandardBridge.NotExternallyOwned.selector);
        bridge.bridgeERC20(L1_TOKEN, L1_TOKEN, 1, 0, "");
        (bool taken,) = address(bridge).call{value: 1}("");
        vm.assertFalse(taken);
        bridge.bridgeETHTo{value: 1}(BOB, 0, "");

        vm.etch(ALICE, abi.encodePacked(hex"ef0100", address(weth)));
        vm.prank(ALICE);
        bridge.bridgeETH{value: 1}(0, "");
        vm.etch(ALICE, new bytes(23));
        vm.prank(ALICE);
        vm.expectRevert(IL2StandardBridge.NotExternallyOwned.selector);
        bridge.bridgeETH{value: 1}(0, "");
    }

    function test_ether_from_the_L1_bridge_is_paid() public {
        bytes memory data = abi.encodeCall(bridge.finalizeBridgeETH, (ALICE, BOB, 5, "note"));
        vm.expectEmit(true, true, false, true, address(bridge));
        emit IL2StandardBridge.ETHBridgeFinalized(ALICE, BOB, 5, "note");
        vm.assertTrue(fromL1(L1_BRIDGE, 5, data));
        vm.assertEq(BOB.balance, 5);
        vm.assertFalse(fromL1(L1_BRIDGE, 4, data));
        vm.assertFalse(fromL1(BOB, 5, data));
        data = abi.encodeCall(bridge.finalizeBridgeETH, (ALICE, address(bridge), 5, ""));
        vm.assertFalse(fromL1(L1_BRIDGE, 5, data));
        data = abi.encodeCall(bridge.finalizeBridgeETH, (ALICE, address(messenger), 5, ""));
        vm.assertFalse(fromL1(L1_BRIDGE, 5, data));
        vm.assertEq(BOB.balance, 5);
    }

    function test_nobody_else_may_finalize() public {
        vm.expectRevert(IL2StandardBridge.NotOtherBridge.selector);
        bridge.finalizeBridgeETH(ALICE, BOB, 0, "");
        vm.prank(L1_BRIDGE);
        vm.expectRevert(IL2StandardBridge.NotOtherBridge.selector);
        bridge.finalizeBridgeERC20(L1_TOKEN, L1_TOKEN, ALICE, BOB, 0, "");
        setCounterparts(L1_MESSENGER, address(0));
        vm.prank(address(messenger));
        vm.expectRevert(IL2StandardBridge.NotOtherBridge.selector);
        bridge.finalizeBridgeERC20(L1_TOKEN, L1_TOKEN, ALICE, BOB, 0, "");
    }

    function test_an_L1_token_comes_is_used_and_leaves() public {
        OptimismMintableERC20 token =
            OptimismMintableERC20(factory.createOptimismMintableERC20(L1_TOKEN, "Token", "TOK"));
        vm.assertTrue(depositToken(address(token), L1_TOKEN, 10));
        vm.assertEq(token.balanceOf(ALICE), 10);
        vm.startPrank(ALICE);
        vm.recordLogs();
        bridge.withdraw(address(token), 4, 200_000, "x");
        assertMessageToL1Bridge(finalizeCall(L1_TOKEN, address(token), ALICE, 4));
        bridge.bridgeERC20To(address(token), L1_TOKEN, BOB, 6, 200_000, "x");
        assertMessageToL1Bridge(finalizeCall(L1_TOKEN, address(token), BOB, 6));
        vm.expectRevert();
        bridge.withdraw(address(token), 1, 200_000, "");
        vm.expectRevert(abi.encodeWithSelector(IL2StandardBridge.WrongValue.selector, 1, 0));
        bridge.withdraw{value: 1}(address(token), 0, 200_000, "");
        vm.stopPrank();
        vm.assertEq(token.totalSupply(), 0);
    }

    function test_a_token_that_stands_for_another_is_refused_both_ways() public {
        address token = factory.createOptimismMintableERC20(L1_TOKEN, "Token", "TOK");
        vm.assertFalse(depositToken(token, address(0xbad), 10));
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IL2StandardBridge.WrongTokenPair.selector, token, address(0xbad)));
        bridge.bridgeERC20(token, address(0xbad), 0, 0, "");
    }

    function test_an_L2_token_is_held_and_released_for_its_pair_only() public {
        NativeToken token = new NativeToken(ALICE, 0);
        vm.startPrank(ALICE);
        token.approve(address(bridge), 10);
        vm.recordLogs();
        bridge.bridgeERC20(address(token), L1_TOKEN, 10, 200_000, "x");
        assertMessageToL1Bridge(finalizeCall(L1_TOKEN, address(token), ALICE, 10));
        vm.stopPrank();
        vm.assertEq(bridge.deposits(address(token), L1_TOKEN), 10);
        vm.assertFalse(depositToken(address(token), address(0xbad), 1));
        vm.assertFalse(depositToken(address(token), L1_TOKEN, 11));
        vm.assertTrue(depositToken(address(token), L1_TOKEN, 4));
        vm.assertEq(token.balanceOf(ALICE), 994);
        vm.assertEq(bridge.deposits(address(token), L1_TOKEN), 6);
    }

    function test_a_token_that_keeps_a_fee_cannot_be_bridged() public {
        NativeToken token = new NativeToken(ALICE, 1);
        vm.startPrank(ALICE);
        token.approve(address(bridge), 10);
        vm.expectRevert(abi.encodeWithSelector(IL2StandardBridge.WrongAmountMoved.selector, 9, 10));
        bridge.bridgeERC20(address(token), L1_TOKEN, 10, 200_000, "");
        vm.stopPrank();
    }

    function test_tokens_cannot_leave_where_nobody_could_receive_them() public {
        NativeToken token = new NativeToken(ALICE, 0);
        setCounterparts(L1_MESSENGER, address(0));
        vm.startPrank(ALICE);
        token.approve(address(bridge), 10);
        vm.expectRevert(IL2StandardBridge.NoCounterpart.selector);
        bridge.bridgeERC20(address(token), L1_TOKEN, 10, 200_000, "");
        vm.stopPrank();
    }

    function test_only_the_bridge_mints_and_burns() public {
        OptimismMintableERC20 token =
            OptimismMintableERC20(factory.createOptimismMintableERC20WithDecimals(L1_TOKEN, "Token", "TOK", 6));
        vm.assertEq(token.decimals(), 6);
        vm.assertEq(token.l1Token(), L1_TOKEN);
        vm.assertEq(token.remoteToken(), L1_TOKEN);
        vm.assertEq(token.l2Bridge(), address(bridge));
        vm.assertEq(token.bridge(), address(bridge));
        vm.expectRevert(OptimismMintableERC20.NotBridge.selector);
        token.mint(address(this), 1);
        vm.expectRevert(OptimismMintableERC20.NotBridge.selector);
        token.burn(address(this), 0);
    }

    function test_tokens_say_what_they_are_by_the_ids_that_bridges_ask_for() public {
        vm.assertEq(bytes32(type(IOptimismMintableERC20).interfaceId), bytes32(bytes4(0xec4fc8e3)));
        vm.assertEq(bytes32(type(ILegacyMintableERC20).interfaceId), bytes32(bytes4(0x1d1d8b63)));
        OptimismMintableERC20 token = OptimismMintableERC20(factory.createStandardL2Token(L1_TOKEN, "Token", "TOK"));
        vm.assertTrue(token.supportsInterface(0xec4fc8e3));
        vm.assertTrue(token.supportsInterface(0x1d1d8b63));
        vm.assertTrue(token.supportsInterface(0x01ffc9a7));
        vm.assertFalse(token.supportsInterface(0xffffffff));
    }

    function test_the_factory_makes_each_token_once() public {
        address token = factory.createOptimismMintableERC20(L1_TOKEN, "Token", "TOK");
        vm.assertEq(factory.deployments(token), L1_TOKEN);
        vm.expectRevert();
        factory.createOptimismMintableERC20(L1_TOKEN, "Token", "TOK");
        vm.assertTrue(factory.createOptimismMintableERC20(L1_TOKEN, "Token", "TOK2") != token);
        vm.expectRevert(OptimismMintableERC20Factory.NoRemoteToken.selector);
        factory.createOptimismMintableERC20(address(0), "Token", "TOK");
    }
}

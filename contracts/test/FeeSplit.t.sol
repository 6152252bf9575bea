// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FeeSplit} from "../src/bonding/FeeSplit.sol";
import {IFeeSplit} from "../src/bonding/IFeeSplit.sol";
import {ISequencerRegistry} from "../src/bonding/ISequencerRegistry.sol";
import {WithdrawalStatus, WithdrawalTransaction} from "../src/bridge/IBridge.sol";
import {FeeVault} from "../src/l2/FeeVault.sol";
import {Predeploys} from "../src/l2/Predeploys.sol";
import {Entries, L2World, Trie} from "./lib/L2World.sol";
import {Offences} from "./lib/Offences.sol";

/// @notice Takes no ether.
contract Refuser {
    receive() external payable {
        revert();
    }
}

/// @notice Owns a seat, and asks again while it is paid.
contract Greedy {
    FeeSplit private immutable _split;
    bool public cameIn;

    constructor(FeeSplit split_) {
        _split = split_;
    }

    function collect(uint64 seat) external {
        _split.collect(seat, payable(address(this)));
    }

    receive() external payable {
        (bool ok,) = address(_split).call(abi.encodeCall(IFeeSplit.collect, (1, payable(address(this)))));
        cameIn = cameIn || ok;
    }
}

contract FeeSplitTest is L2World, Offences {
    using Trie for Entries;

    FeeSplit private split;

    function setUp() external {
        deploy(4);
        split = new FeeSplit(registry);
        vm.deal(address(this), 100 ether);
    }

    function _arrive(uint256 value) private {
        vm.deal(address(0xB41D6E), value);
        vm.prank(address(0xB41D6E));
        (bool ok,) = address(split).call{value: value}("");
        vm.assertTrue(ok);
    }

    function _suspend(uint64 seat) private {
        vm.prank(address(slasher));
        registry.fine(seat, 1 gwei, true);
    }

    function testFuzz_each_seat_gets_the_same_and_the_rest_waits(uint96 value) external {
        _arrive(value);
        if (value < 4) {
            vm.expectRevert(abi.encodeWithSelector(IFeeSplit.NothingToSplit.selector, value, 4));
            split.split();
            return;
        }
        uint256 share = split.split();
        vm.assertEq(share, uint256(value) / 4);
        for (uint64 id = 1; id < 5; ++id) {
            vm.assertEq(split.shareOf(id), share);
        }
        vm.assertEq(split.undivided(), value % 4);
        vm.expectRevert(abi.encodeWithSelector(IFeeSplit.NothingToSplit.selector, value % 4, 4));
        split.split();
    }

    function test_who_is_suspended_frozen_or_leaving_gets_nothing_and_keeps_what_it_has() external {
        _arrive(4 ether);
        split.split();
        _suspend(1);
        report(offence(1, registry.currentTerm()));
        vm.prank(OWNER);
        registry.requestExit(3);
        _arrive(2 ether);
        vm.assertEq(split.split(), 2 ether);
        vm.assertEq(split.shareOf(1), 1 ether, "suspended");
        vm.assertEq(split.shareOf(2), 1 ether, "frozen");
        vm.assertEq(split.shareOf(3), 1 ether, "leaving");
        vm.assertEq(split.shareOf(4), 3 ether);
        _suspend(4);
        _arrive(1 ether);
        vm.expectRevert(abi.encodeWithSelector(IFeeSplit.NothingToSplit.selector, 1 ether, 0));
        split.split();
        vm.startPrank(OWNER);
        vm.assertEq(split.collect(2, payable(OWNER)), 1 ether);
        vm.assertEq(OWNER.balance, 1 ether);
    }

    function test_the_owner_alone_collects_and_once() external {
        _arrive(4 ether);
        split.split();
        vm.expectRevert(abi.encodeWithSelector(IFeeSplit.NotOwner.selector, 1, address(this)));
        split.collect(1, payable(address(this)));
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.UnknownSeat.selector, 9));
        split.collect(9, payable(address(this)));
        address payable refuser = payable(address(new Refuser()));
        vm.startPrank(OWNER);
        vm.expectRevert(IFeeSplit.NoRecipient.selector);
        split.collect(1, payable(address(0)));
        vm.expectRevert(abi.encodeWithSelector(IFeeSplit.PaymentRefused.selector, refuser));
        split.collect(1, refuser);
        split.collect(1, payable(OWNER));
        vm.expectRevert(abi.encodeWithSelector(IFeeSplit.NothingToCollect.selector, 1));
        split.collect(1, payable(OWNER));
        vm.stopPrank();
        vm.assertEq(address(split).balance, 3 ether);
        vm.assertEq(split.undivided(), 0);
    }

    function test_asking_again_while_being_paid_gets_nothing_more() external {
        Greedy greedy = new Greedy(split);
        uint256 place = 50;
        bytes memory proof = prove(address(greedy), keyOf(place), peerKeyOf(place));
        vm.deal(address(this), parameters.bond);
        uint64 id =
            registry.register{value: parameters.bond}(address(greedy), vm.addr(keyOf(place)), peerKeyOf(place), proof);
        _arrive(5 ether);
        split.split();
        greedy.collect(id);
        vm.assertEq(address(greedy).balance, 1 ether);
        vm.assertFalse(greedy.cameIn());
        vm.assertEq(address(split).balance, 4 ether);
    }

    /// From a vault on L2 to an owner on L1, through the bridge, with the gas that the vault asks for.
    function test_fees_of_a_vault_come_through_the_bridge() external {
        pass(6);
        vm.deal(address(bridge), 1 ether);
        FeeVault vault = FeeVault(payable(Predeploys.BASE_FEE_VAULT));
        WithdrawalTransaction memory w = WithdrawalTransaction(0, address(vault), address(split), 1 ether, 50_000, "");
        putConsumed(0);
        putSlot(sent, keccak256(abi.encode(bridge.withdrawalHash(w), uint256(0))), 1);
        claimState();
        pass(parameters.challengePeriod);
        bytes[] memory proof = slotProof(sent, keccak256(abi.encode(bridge.withdrawalHash(w), uint256(0))));
        bridge.withdraw(w, head, header, proof);
        vm.assertTrue(bridge.status(bridge.withdrawalHash(w)) == WithdrawalStatus.Done);
        vm.assertEq(split.undivided(), 1 ether);
        vm.assertEq(split.split(), 0.25 ether);
    }

    function test_gas_of_a_split_among_64_seats() external {
        for (uint256 place = 4; place < 64; ++place) {
            register(place);
        }
        _arrive(64 ether);
        uint256 before = gasleft();
        split.split();
        vm.assertLt(before - gasleft(), 2_000_000, "the first time");
        _arrive(64 ether);
        before = gasleft();
        split.split();
        vm.assertLt(before - gasleft(), 900_000, "again");
    }
}

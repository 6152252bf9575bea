// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry, Member, Seat} from "../src/bonding/ISequencerRegistry.sol";
import {SequencerRegistry} from "../src/bonding/SequencerRegistry.sol";
import {Messages} from "../src/lib/Messages.sol";
import {ProtocolParameters} from "../src/lib/Parameters.sol";
import {Fixture, Post} from "./lib/Fixture.sol";

/// @notice A registry whose L1 events a test can bring about.
contract EventfulRegistry is SequencerRegistry {
    constructor(ProtocolParameters memory p) SequencerRegistry(p, address(0), msg.sender) {}
}

/// @notice Refuses ether.
contract Refuser {}

contract RegistryTest is Fixture {
    uint64 private _opened;

    function setUp() external {
        deploy(5);
        _opened = uint64(block.timestamp);
    }

    function _epochs(uint256 n) private {
        pass(n * parameters.epochLength);
    }

    function _ids(uint64 term) private view returns (uint64[] memory ids) {
        Member[] memory members = registry.committee(term);
        ids = new uint64[](members.length);
        for (uint256 i; i < ids.length; ++i) {
            ids[i] = members[i].seat;
        }
    }

    function test_terms_follow_epochs_from_one() external {
        vm.assertEq(registry.currentTerm(), 1);
        vm.assertEq(registry.genesisTime(), _opened);
        for (uint64 term = 1; term < 5; ++term) {
            uint64 start = _opened + (term - 1) * parameters.epochLength;
            vm.assertEq(registry.termStart(term), start);
            vm.assertEq(registry.termAt(start), term);
            if (term > 1) vm.assertEq(registry.termAt(start - 1), term - 1);
            vm.assertEq(registry.epochOfTerm(term), term - 1);
        }
        pass(parameters.epochLength - 1);
        vm.assertEq(registry.currentTerm(), 1);
        pass(1);
        vm.assertEq(registry.currentTerm(), 2);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.UnknownTerm.selector, 0));
        registry.termStart(0);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.TimeBeforeGenesis.selector, _opened - 1));
        registry.termAt(_opened - 1);
    }

    function test_the_founding_committee_serves_the_first_two_terms() external {
        Member[] memory members = registry.committee(1);
        vm.assertEq(members.length, 5);
        for (uint256 i; i < 5; ++i) {
            vm.assertEq(members[i].seat, i + 1);
            vm.assertEq(members[i].voteKey, vm.addr(keyOf(i)));
            vm.assertEq(members[i].peerKey, peerKeyOf(i));
        }
        vm.assertEq(registry.committeeOf(1), registry.committeeOf(2));
        // Epoch 2 is not fixed before epoch 1 begins.
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.CommitteeNotFixed.selector, 2));
        registry.committeeOf(3);
        _epochs(1);
        vm.assertEq(registry.committeeOf(3), registry.committeeOf(1));
    }

    function test_a_newcomer_serves_from_the_epoch_after_the_next() external {
        pass(parameters.epochLength - 1);
        register(5);
        pass(1);
        // It came in epoch 0, so it is eligible when epoch 1 begins, and serves from epoch 2, which is term 3.
        vm.assertEq(_ids(2).length, 5);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.CommitteeNotSealed.selector, 2));
        registry.committeeOf(3);
        registry.sealCommittee();
        vm.assertEq(_ids(3).length, 6);
        vm.assertEq(_ids(2).length, 5);
        vm.expectRevert(ISequencerRegistry.NothingToSeal.selector);
        registry.sealCommittee();
    }

    function test_a_post_or_an_event_puts_the_next_committee_on_record() external {
        register(5);
        pass(parameters.epochLength - 1);
        registry.postingCommittee(1);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.CommitteeNotFixed.selector, 2));
        registry.committee(3);
        pass(1);
        // Epoch 1: the committee of epoch 2 is fixed. A post for the old term writes it, an epoch ahead.
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.CommitteeNotSealed.selector, 2));
        registry.committee(3);
        registry.postingCommittee(1);
        vm.assertEq(registry.committee(3).length, 6);
        vm.assertEq(registry.committee(2).length, 5);
        EventfulRegistry eventful = new EventfulRegistry(parameters);
        registry = eventful;
        for (uint256 i; i < 4; ++i) {
            register(i);
        }
        registry.open();
        register(4);
        pass(parameters.epochLength);
        vm.assertEq(eventful.startTerm(), 3);
        // Term 4 begins with epoch 2.
        vm.assertEq(registry.committee(4).length, 5);
    }

    function test_signatures_are_for_the_chain_they_are_used_on() external {
        // Not read from the block: the compiler may read it again after it has changed.
        uint256 chain = 31337;
        vm.assertEq(block.chainid, chain);
        bytes32 before = registry.domainSeparator();
        bytes memory old = prove(OWNER, keyOf(9), peerKeyOf(9));
        vm.chainId(chain + 1);
        vm.assertTrue(registry.domainSeparator() != before, "a fork has a domain of its own");
        vm.assertEq(registry.domainSeparator(), Messages.domainSeparator(address(registry)));
        vm.deal(address(this), 100 ether);
        address key = vm.addr(keyOf(9));
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.VoteKeyNotProved.selector, key));
        registry.register{value: 32 ether}(OWNER, key, peerKeyOf(9), old);
        register(9);
        // Batches as well.
        withoutData = true;
        pass(6);
        Post memory post = honest(10);
        vm.chainId(chain);
        vm.expectRevert(abi.encodeWithSelector(Messages.SignatureInvalid.selector, 0));
        send(post);
        vm.chainId(chain + 1);
        succeed(post);
        vm.chainId(chain);
        vm.assertEq(registry.domainSeparator(), before);
    }

    function test_a_later_change_does_not_bend_what_is_fixed() external {
        register(5);
        _epochs(1);
        // Nobody sealed; this change, in epoch 1, must not show in epoch 2, which was fixed when epoch 1 began.
        register(6);
        vm.assertEq(_ids(3).length, 6);
        vm.prank(OWNER);
        registry.requestExit(1);
        _epochs(5);
        registry.sealCommittee();
        vm.assertEq(_ids(3).length, 6);
        uint64[] memory ids = _ids(4);
        vm.assertEq(ids.length, 6);
        vm.assertEq(ids[0], 2);
        vm.assertEq(ids[5], 7);
        vm.assertEq(registry.committeeOf(7), registry.committeeOf(4));
    }

    function test_changes_that_cancel_out_write_no_committee() external {
        address before = registry.committeeOf(1);
        uint64 seat = register(5);
        vm.prank(OWNER);
        registry.requestExit(seat);
        _epochs(1);
        registry.sealCommittee();
        vm.assertEq(registry.committeeOf(3), before);
    }

    function test_fewer_than_four_make_no_committee() external {
        vm.startPrank(OWNER);
        registry.requestExit(2);
        registry.requestExit(4);
        vm.stopPrank();
        _epochs(2);
        registry.sealCommittee();
        vm.assertEq(_ids(2).length, 5);
        vm.assertEq(_ids(3).length, 0);
    }

    function test_a_seat_below_par_is_out_until_topped_up() external {
        // Every fault that takes from a bond freezes the seat, for now; later ones will not. So the slot is written here.
        bytes32 slot = bytes32(uint256(keccak256(abi.encode(uint256(2), uint256(3)))) + 3);
        vm.assertEq(uint256(vm.load(address(registry), slot)), 32 ether);
        vm.store(address(registry), slot, bytes32(uint256(31 ether)));
        vm.assertEq(registry.seat(2).bond, 31 ether);
        register(5);
        _epochs(1);
        registry.sealCommittee();
        vm.assertEq(_ids(3).length, 5);
        vm.assertEq(_ids(3)[1], 3);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.BondAbovePar.selector, 32 ether + 1, 32 ether));
        registry.topUp{value: 1 ether + 1}(2);
        registry.topUp{value: 0.5 ether}(2);
        registry.topUp{value: 0.5 ether}(2);
        _epochs(1);
        registry.sealCommittee();
        vm.assertEq(_ids(4).length, 6);
    }

    function test_top_ups_are_refused_where_they_do_nothing() external {
        vm.expectRevert(ISequencerRegistry.NothingPaid.selector);
        registry.topUp(1);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.BondAbovePar.selector, 32 ether + 1, 32 ether));
        registry.topUp{value: 1}(1);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.UnknownSeat.selector, 9));
        registry.topUp{value: 1}(9);
        vm.prank(OWNER);
        registry.requestExit(1);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.SeatIsLeaving.selector, 1));
        registry.topUp{value: 1}(1);
    }

    function test_registration_is_refused_with_its_own_errors() external {
        address key = vm.addr(keyOf(9));
        bytes32 peer = peerKeyOf(9);
        bytes memory proof = prove(OWNER, keyOf(9), peer);
        vm.deal(address(this), 1000 ether);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.BondMustBe.selector, 32 ether, 31 ether));
        registry.register{value: 31 ether}(OWNER, key, peer, proof);
        vm.expectRevert(ISequencerRegistry.OwnerIsZero.selector);
        registry.register{value: 32 ether}(address(0), key, peer, proof);
        vm.expectRevert(ISequencerRegistry.PeerKeyIsZero.selector);
        registry.register{value: 32 ether}(OWNER, key, 0, proof);
        bytes memory notProved = abi.encodeWithSelector(ISequencerRegistry.VoteKeyNotProved.selector, key);
        // Another owner, another peer key, another signer, a garbled and an empty proof.
        vm.expectRevert(notProved);
        registry.register{value: 32 ether}(address(0xBAD), key, peer, proof);
        vm.expectRevert(notProved);
        registry.register{value: 32 ether}(OWNER, key, peerKeyOf(8), proof);
        bytes memory other = prove(OWNER, keyOf(8), peer);
        vm.expectRevert(notProved);
        registry.register{value: 32 ether}(OWNER, key, peer, other);
        vm.expectRevert(notProved);
        registry.register{value: 32 ether}(OWNER, key, peer, new bytes(64));
        vm.expectRevert(notProved);
        registry.register{value: 32 ether}(OWNER, key, peer, "");
        // The zero address is what a failed recovery gives: it is nobody's key.
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.VoteKeyNotProved.selector, address(0)));
        registry.register{value: 32 ether}(OWNER, address(0), peer, new bytes(64));
    }

    function test_no_vote_key_is_ever_used_twice() external {
        vm.deal(address(this), 1000 ether);
        bytes memory proof = prove(OWNER, keyOf(0), peerKeyOf(9));
        bytes memory used = abi.encodeWithSelector(ISequencerRegistry.VoteKeyUsed.selector, vm.addr(keyOf(0)), 1);
        vm.expectRevert(used);
        registry.register{value: 32 ether}(OWNER, vm.addr(keyOf(0)), peerKeyOf(9), proof);
        // Neither after rotation nor after the seat is gone.
        bytes memory fresh = prove(OWNER, keyOf(1000), peerKeyOf(1000));
        vm.startPrank(OWNER);
        registry.rotateKeys(1, vm.addr(keyOf(1000)), peerKeyOf(1000), fresh);
        vm.expectRevert(used);
        registry.rotateKeys(1, vm.addr(keyOf(0)), peerKeyOf(9), proof);
        registry.requestExit(1);
        pass(1000);
        registry.withdraw(1, payable(OWNER));
        vm.stopPrank();
        vm.expectRevert(used);
        registry.register{value: 32 ether}(OWNER, vm.addr(keyOf(0)), peerKeyOf(9), proof);
    }

    function test_a_copied_peer_key_stops_nobody_and_takes_nobodys_place() external {
        // A newcomer names a key that seat 1 has: it comes in, with a dummy.
        bytes32 copied = peerKeyOf(0);
        bytes memory proof = prove(OWNER, keyOf(9), copied);
        vm.deal(address(this), 1000 ether);
        uint64 id = registry.register{value: 32 ether}(OWNER, vm.addr(keyOf(9)), copied, proof);
        bytes32 dummy = keccak256(abi.encode("Surety.CopiedPeerKey.v1", uint256(id), vm.addr(keyOf(9)), copied));
        vm.assertEq(registry.seat(id).peerKey, dummy);
        vm.assertEq(registry.seatOfPeerKey(copied), 1);
        // So does a seat before it in the order: nobody is pushed off the network.
        proof = prove(OWNER, keyOf(1000), peerKeyOf(1));
        vm.startPrank(OWNER);
        registry.rotateKeys(1, vm.addr(keyOf(1000)), peerKeyOf(1), proof);
        vm.assertEq(registry.seatOfPeerKey(peerKeyOf(1)), 2);
        // Its own key it may name again, with a new vote key.
        proof = prove(OWNER, keyOf(1001), peerKeyOf(2));
        registry.rotateKeys(3, vm.addr(keyOf(1001)), peerKeyOf(2), proof);
        vm.assertEq(registry.seat(3).peerKey, peerKeyOf(2));
        // A key of its own ends the dummy's time.
        proof = prove(OWNER, keyOf(1002), peerKeyOf(1002));
        registry.rotateKeys(id, vm.addr(keyOf(1002)), peerKeyOf(1002), proof);
        vm.stopPrank();
        _epochs(1);
        registry.sealCommittee();
        Member[] memory members = registry.committee(3);
        vm.assertEq(members.length, 6);
        vm.assertEq(members[1].peerKey, peerKeyOf(1));
        vm.assertEq(members[2].peerKey, peerKeyOf(2));
        vm.assertEq(members[5].peerKey, peerKeyOf(1002));
        for (uint256 i; i < 6; ++i) {
            for (uint256 k; k < i; ++k) {
                vm.assertTrue(members[i].peerKey != members[k].peerKey, "peer keys differ");
            }
        }
    }

    function test_rotation_keeps_the_old_key_liable() external {
        bytes memory proof = prove(OWNER, keyOf(1000), peerKeyOf(1000));
        vm.prank(OWNER);
        registry.rotateKeys(3, vm.addr(keyOf(1000)), peerKeyOf(1000), proof);
        _epochs(2);
        registry.sealCommittee();
        vm.assertEq(registry.committee(3)[2].voteKey, vm.addr(keyOf(1000)));
        vm.assertEq(registry.committee(2)[2].voteKey, vm.addr(keyOf(2)));
        vm.assertEq(registry.seatOfVoteKey(vm.addr(keyOf(2))), 3);
        vm.assertEq(registry.seatOfVoteKey(vm.addr(keyOf(1000))), 3);
        vm.assertEq(registry.seatOfPeerKey(peerKeyOf(2)), 3);
    }

    function test_only_owners_act() external {
        bytes memory notOwner = abi.encodeWithSelector(ISequencerRegistry.NotOwner.selector, 1, address(this));
        vm.expectRevert(notOwner);
        registry.requestExit(1);
        vm.expectRevert(notOwner);
        registry.withdraw(1, payable(address(this)));
        vm.expectRevert(notOwner);
        registry.rotateKeys(1, address(1), bytes32("x"), "");
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.UnknownSeat.selector, 99));
        registry.requestExit(99);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.UnknownSeat.selector, 99));
        registry.seat(99);
    }

    function test_leaving_takes_the_terms_in_hand_and_unbonding() external {
        pass(10);
        vm.startPrank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.SeatIsNotLeaving.selector, 1));
        registry.withdraw(1, payable(OWNER));
        registry.requestExit(1);
        uint64 free = _opened + 2 * parameters.epochLength + parameters.unbonding;
        vm.assertEq(registry.seat(1).withdrawableAt, free);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.SeatIsLeaving.selector, 1));
        registry.requestExit(1);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.SeatIsLeaving.selector, 1));
        registry.rotateKeys(1, address(1), bytes32("x"), "");
        vm.warp(free - 1);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.StillUnbonding.selector, 1, free));
        registry.withdraw(1, payable(OWNER));
        vm.warp(free);
        address refuser = address(new Refuser());
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.PaymentRefused.selector, refuser));
        registry.withdraw(1, payable(refuser));
        registry.withdraw(1, payable(OWNER));
        vm.assertEq(OWNER.balance, 32 ether);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.NothingToWithdraw.selector, 1));
        registry.withdraw(1, payable(OWNER));
        vm.stopPrank();
        vm.assertEq(address(registry).balance, 4 * 32 ether);
    }

    function test_there_are_at_most_64_seats() external {
        for (uint256 i = 5; i < 64; ++i) {
            register(i);
        }
        bytes memory proof = prove(OWNER, keyOf(64), peerKeyOf(64));
        address key = vm.addr(keyOf(64));
        vm.deal(address(this), 100 ether);
        vm.expectRevert(ISequencerRegistry.TooManySeats.selector);
        registry.register{value: 32 ether}(OWNER, key, peerKeyOf(64), proof);
        vm.prank(OWNER);
        registry.requestExit(17);
        registry.register{value: 32 ether}(OWNER, key, peerKeyOf(64), proof);
        uint64[] memory live = registry.liveSeats();
        vm.assertEq(live.length, 64);
        vm.assertEq(live[15], 16);
        vm.assertEq(live[16], 18);
        vm.assertEq(live[63], 65);
        vm.assertEq(registry.seatCount(), 65);
    }

    function test_opening_is_the_deployers_once_with_four_seats() external {
        vm.expectRevert(ISequencerRegistry.AlreadyOpen.selector);
        registry.open();
        deployClosed();
        vm.expectRevert(ISequencerRegistry.NotOpen.selector);
        registry.currentTerm();
        vm.expectRevert(ISequencerRegistry.NotOpen.selector);
        registry.sealCommittee();
        // Strangers take no founding places.
        bytes memory proof = prove(address(0xBAD), keyOf(9), peerKeyOf(9));
        address key = vm.addr(keyOf(9));
        vm.deal(address(0xBAD), 32 ether);
        vm.prank(address(0xBAD));
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.NotDeployer.selector, address(0xBAD)));
        registry.register{value: 32 ether}(address(0xBAD), key, peerKeyOf(9), proof);
        for (uint256 i; i < 3; ++i) {
            register(i);
        }
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.TooFewSeats.selector, 3));
        registry.open();
        vm.prank(address(0xBAD));
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.NotDeployer.selector, address(0xBAD)));
        registry.open();
        // Before the opening nobody served, so a bond is free at once.
        vm.startPrank(OWNER);
        registry.requestExit(1);
        registry.withdraw(1, payable(OWNER));
        vm.stopPrank();
        vm.assertEq(OWNER.balance, 32 ether);
    }

    function test_only_the_current_committee_and_for_a_while_the_one_before_may_post() external {
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.TermMayNotPost.selector, 0, 1));
        registry.postingCommittee(0);
        vm.expectRevert(
            abi.encodeWithSelector(ISequencerRegistry.TermMayNotPost.selector, type(uint64).max, 1)
        );
        registry.postingCommittee(type(uint64).max);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.TermMayNotPost.selector, 2, 1));
        registry.postingCommittee(2);
        address first = registry.committeeOf(1);
        register(5);
        _epochs(2);
        // It seals what is missing, and knows both.
        vm.assertEq(registry.postingCommittee(2), first);
        address second = registry.postingCommittee(3);
        vm.assertTrue(second != first);
        pass(parameters.overlap - 1);
        vm.assertEq(registry.postingCommittee(2), first);
        pass(1);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.TermMayNotPost.selector, 2, 3));
        registry.postingCommittee(2);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.TermMayNotPost.selector, 1, 3));
        registry.postingCommittee(1);
        vm.assertEq(registry.postingCommittee(3), second);
    }

    function test_an_event_starts_a_term_and_epochs_go_on_counting() external {
        EventfulRegistry eventful = new EventfulRegistry(parameters);
        registry = eventful;
        for (uint256 i; i < 4; ++i) {
            register(i);
        }
        registry.open();
        uint64 genesis = uint64(block.timestamp);
        pass(70);
        vm.assertEq(registry.currentTerm(), 2);
        vm.assertEq(eventful.startTerm(), 3);
        vm.assertEq(registry.currentTerm(), 3);
        vm.assertEq(registry.termStart(2), genesis + 60);
        vm.assertEq(registry.termStart(3), genesis + 70);
        vm.assertEq(registry.termStart(4), genesis + 120);
        vm.assertEq(registry.termAt(genesis + 69), 2);
        vm.assertEq(registry.termAt(genesis + 70), 3);
        vm.assertEq(registry.termAt(genesis + 120), 4);
        vm.assertEq(registry.epochOfTerm(3), 1);
        vm.assertEq(registry.epochOfTerm(4), 2);
        address all = registry.committeeOf(1);
        vm.assertEq(registry.postingCommittee(3), all);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.TermCutShort.selector, 2, 3));
        registry.postingCommittee(2);
        pass(5);
        vm.assertEq(eventful.startTerm(), 4);
        vm.assertEq(registry.termStart(4), genesis + 75);
        vm.assertEq(registry.termStart(5), genesis + 120);
        pass(50);
        vm.assertEq(registry.currentTerm(), 5);
        vm.assertEq(registry.postingCommittee(4), all);
    }

    function testFuzz_a_term_starts_where_the_one_before_ends(uint256[8] memory steps) external {
        EventfulRegistry eventful = new EventfulRegistry(parameters);
        registry = eventful;
        for (uint256 i; i < 4; ++i) {
            register(i);
        }
        registry.open();
        for (uint256 i; i < 8; ++i) {
            pass(1 + steps[i] % 200);
            uint64 before = registry.currentTerm();
            vm.assertEq(eventful.startTerm(), before + 1);
        }
        uint64 last = registry.currentTerm();
        for (uint64 term = 1; term <= last + 3; ++term) {
            uint64 start = registry.termStart(term);
            uint64 end = registry.termStart(term + 1);
            vm.assertLe(start, end, "terms overlap");
            // An event in the very second of a boundary leaves that boundary's term no time.
            if (start == end) continue;
            vm.assertEq(registry.termAt(start), term);
            vm.assertEq(registry.termAt(end - 1), term);
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../src/bonding/ISequencerRegistry.sol";
import {ISlasher, Offence} from "../src/bonding/ISlasher.sol";
import {SequencerRegistry} from "../src/bonding/SequencerRegistry.sol";
import {Slasher} from "../src/bonding/Slasher.sol";
import {Equivocation} from "../src/faults/Equivocation.sol";
import {IEquivocation} from "../src/faults/IEquivocation.sol";
import {Offences} from "./lib/Offences.sol";

/// @notice Takes no ether.
contract Miser {
    function report(Slasher slasher, address fault, bytes calldata evidence) external {
        slasher.report(fault, evidence);
    }

    function collect(Slasher slasher, address payable to) external {
        slasher.withdrawReward(to);
    }
}

/// @notice What a report costs, whom, how often, and until when.
contract SlasherTest is Offences {
    uint256 private constant BASE = 1.6 ether;
    uint256 private constant BOND = 32 ether;

    function setUp() external {
        deploy(7);
        pass(5);
    }

    function _slash(uint256 place, uint64 term) private returns (uint256 penalty) {
        (, penalty,) = report(offence(place, term));
    }

    function _refused(bytes memory evidence_, bytes memory error_) private {
        vm.expectRevert(error_);
        slasher.report(address(equivocation), evidence_);
    }

    function _books(uint256 seats) private view {
        uint256 bonds;
        for (uint64 id = 1; id <= seats; ++id) {
            bonds += registry.seat(id).bond;
        }
        vm.assertEq(address(registry).balance, bonds + slasher.unburnt() + slasher.rewardOf(REPORTER));
    }

    function test_one_report_does_it_all() external {
        bytes memory evidence_ = offence(2, 1);
        vm.expectEmit(true, true, true, true, address(slasher));
        emit ISlasher.Slashed(3, address(equivocation), 1, REPORTER, BASE, BASE / 20);
        (uint64 seat, uint256 penalty, uint256 reward) = report(evidence_);
        vm.assertEq(seat, 3);
        vm.assertEq(penalty, BASE);
        vm.assertEq(reward, BASE / 20);
        vm.assertEq(registry.seat(3).bond, BOND - BASE);
        vm.assertEq(registry.seat(3).frozenAt, block.timestamp);
        vm.assertEq(slasher.rewardOf(REPORTER), BASE / 20);
        vm.assertEq(slasher.unburnt(), BASE - BASE / 20);
        vm.assertTrue(slasher.isSlashed(3, address(equivocation), 1));
        vm.assertFalse(slasher.isSlashed(3, address(equivocation), 2));
        vm.assertFalse(slasher.isSlashed(3, address(1), 1));
        vm.assertFalse(slasher.isSlashed(2, address(equivocation), 1));
        Offence[] memory list = slasher.offences(3);
        vm.assertEq(list.length, 1);
        vm.assertEq(list[0].term, 1);
        vm.assertEq(list[0].others, 0);
        vm.assertEq(slasher.offences(2).length, 0);
        _books(7);
    }

    function test_every_pair_of_the_table_is_punished() external {
        for (uint256 pair; pair < 4; ++pair) {
            bytes memory evidence_ = evidence(pair, keyOf(pair), 1);
            (uint64 seat,,) = report(evidence_);
            vm.assertEq(seat, pair + 1);
        }
        _books(7);
    }

    function test_the_first_report_wins_and_there_is_no_second() external {
        report(offence(2, 1));
        bytes memory again = abi.encodeWithSelector(ISlasher.AlreadySlashed.selector, 3, address(equivocation), 1);
        // The same evidence, the other way round, and other evidence of the same term.
        _refused(offence(2, 1), again);
        uint256 key = keyOf(2);
        _refused(encode(notarize(key, vote(1, 7, "B")), notarize(key, vote(1, 7, "A"))), again);
        for (uint256 pair = 1; pair < 4; ++pair) {
            _refused(evidence(pair, key, 1), again);
        }
        vm.assertEq(registry.seat(3).bond, BOND - BASE);
    }

    function test_another_term_is_another_fault() external {
        pass(parameters.epochLength);
        report(offence(2, 2));
        report(offence(2, 1));
        vm.assertEq(registry.seat(3).bond, BOND - 2 * BASE);
        vm.assertTrue(slasher.isSlashed(3, address(equivocation), 1));
        vm.assertTrue(slasher.isSlashed(3, address(equivocation), 2));
        vm.assertEq(slasher.offences(3).length, 2);
        _refused(offence(2, 1), abi.encodeWithSelector(ISlasher.AlreadySlashed.selector, 3, address(equivocation), 1));
        _refused(offence(2, 2), abi.encodeWithSelector(ISlasher.AlreadySlashed.selector, 3, address(equivocation), 2));
        _books(7);
    }

    function test_only_the_fault_contracts_of_this_slasher_count() external {
        vm.expectRevert(abi.encodeWithSelector(ISlasher.UnknownFault.selector, address(this)));
        slasher.report(address(this), "");
        Equivocation other = new Equivocation(registry);
        bytes memory evidence_ = offence(2, 1);
        vm.expectRevert(abi.encodeWithSelector(ISlasher.UnknownFault.selector, address(other)));
        slasher.report(address(other), evidence_);
    }

    function test_contracts_of_other_registries_are_refused_at_birth() external {
        vm.expectRevert(abi.encodeWithSelector(ISlasher.RegistryOfAnotherSlasher.selector, address(slasher)));
        new Slasher(registry, equivocation, idle, invalidState);
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        SequencerRegistry other = new SequencerRegistry(parameters, next, address(inbox));
        vm.expectRevert(abi.encodeWithSelector(ISlasher.FaultOfAnotherRegistry.selector, address(equivocation)));
        new Slasher(other, equivocation, idle, invalidState);
    }

    function test_only_the_slasher_punishes_and_pays() external {
        bytes memory notSlasher = abi.encodeWithSelector(ISequencerRegistry.NotSlasher.selector, address(this));
        vm.expectRevert(notSlasher);
        registry.punish(1, 1, 0);
        vm.expectRevert(notSlasher);
        registry.pay(payable(address(this)), 1);
    }

    function test_evidence_without_guilt_keeps_its_own_error() external {
        uint256 key = keyOf(2);
        _refused(
            encode(notarize(key, vote(1, 7, "A")), finalize(key, last(1, 7, "B"))),
            abi.encodeWithSelector(IEquivocation.KindsDoNotContradict.selector, 1, 2)
        );
        vm.assertEq(registry.seat(3).bond, BOND);
        vm.assertEq(registry.seat(3).frozenAt, 0);
    }

    function test_a_term_that_has_not_started_or_never_will_is_refused() external {
        _refused(offence(2, 2), abi.encodeWithSelector(ISlasher.TermNotStarted.selector, 2));
        _refused(offence(2, 0), abi.encodeWithSelector(ISequencerRegistry.UnknownTerm.selector, 0));
        _refused(
            offence(2, type(uint64).max),
            abi.encodeWithSelector(ISequencerRegistry.UnknownTerm.selector, type(uint64).max)
        );
        pass(parameters.epochLength - 5);
        report(offence(2, 2));
    }

    function test_a_term_is_judged_for_the_evidence_window_from_its_start() external {
        uint64 start = registry.termStart(1);
        uint64 until = start + slasher.evidenceWindow();
        vm.assertEq(slasher.evidenceWindow(), parameters.unbonding - parameters.correlationWindow);
        vm.warp(until);
        _refused(offence(2, 1), abi.encodeWithSelector(ISlasher.TermTooOld.selector, 1, until));
        vm.warp(until - 1);
        report(offence(2, 1));
    }

    function test_a_seat_that_left_answers_for_its_terms_until_its_bond_is_free() external {
        vm.prank(OWNER);
        registry.requestExit(3);
        // It serves epochs 0 and 1, so terms 1 and 2.
        uint64 left = registry.genesisTime() + 2 * parameters.epochLength;
        vm.warp(left + 70);
        _refused(offence(2, 3), abi.encodeWithSelector(ISlasher.SeatNotLiable.selector, 3, left, left));
        report(offence(2, 2));
        vm.assertEq(registry.seat(3).bond, BOND - BASE);
        vm.warp(registry.seat(3).withdrawableAt);
        vm.prank(OWNER);
        registry.withdraw(3, payable(OWNER));
        vm.assertEq(OWNER.balance, BOND - BASE);
        _books(7);
    }

    function test_nothing_that_can_be_judged_is_left_when_a_bond_is_free() external {
        pass(parameters.epochLength);
        vm.prank(OWNER);
        registry.requestExit(3);
        uint64 free = registry.seat(3).withdrawableAt;
        uint64 terms = registry.termAt(free - parameters.unbonding);
        vm.warp(free - 1);
        // The last second in which it cannot be withdrawn: all terms of the seat are past judging already.
        for (uint64 term = 1; term < terms; ++term) {
            vm.assertTrue(registry.termStart(term) + slasher.evidenceWindow() <= block.timestamp, "still judged");
        }
        vm.warp(free);
        vm.prank(OWNER);
        registry.withdraw(3, payable(OWNER));
        uint64 current = registry.currentTerm();
        for (uint64 term = terms; term <= current; ++term) {
            bool judged = registry.termStart(term) + slasher.evidenceWindow() > block.timestamp;
            bytes memory evidence_ = offence(2, term);
            vm.expectPartialRevert(judged ? ISlasher.SeatNotLiable.selector : ISlasher.TermTooOld.selector);
            slasher.report(address(equivocation), evidence_);
        }
    }

    function test_a_bond_that_is_gone_is_nothing_to_take_from() external {
        // Seven seats, f = 2: with two others each pays all.
        for (uint256 place; place < 3; ++place) {
            report(offence(place, 1));
        }
        vm.assertEq(registry.seat(3).bond, 0);
        pass(parameters.epochLength - 5);
        // Term 2 started with the third freeze, so it is its boundary's term that is too late for them.
        vm.assertEq(registry.currentTerm(), 3);
        uint256 key = keyOf(2);
        _refused(
            encode(notarize(key, vote(2, 7, "A")), notarize(key, vote(2, 7, "B"))),
            abi.encodeWithSelector(ISlasher.NothingAtStake.selector, 3)
        );
        // Its owner leaves with nothing.
        vm.startPrank(OWNER);
        registry.requestExit(3);
        vm.warp(registry.seat(3).withdrawableAt);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.NothingToWithdraw.selector, 3));
        registry.withdraw(3, payable(OWNER));
        vm.stopPrank();
    }

    function test_a_withdrawn_seat_is_nothing_to_take_from() external {
        vm.prank(OWNER);
        registry.requestExit(3);
        // As if time had run faster for the registry than for the judges: the seat is paid out, its term is still judged.
        bytes32 slot = bytes32(uint256(keccak256(abi.encode(uint256(3), uint256(3)))) + 3);
        uint256 word = uint256(vm.load(address(registry), slot));
        vm.store(address(registry), slot, bytes32(word >> 96 << 96));
        _refused(offence(2, 1), abi.encodeWithSelector(ISlasher.NothingAtStake.selector, 3));
    }

    function test_rewards_are_pulled_once() external {
        bytes memory none = abi.encodeWithSelector(ISlasher.NoReward.selector, REPORTER);
        vm.prank(REPORTER);
        vm.expectRevert(none);
        slasher.withdrawReward(payable(REPORTER));
        report(offence(2, 1));
        report(offence(3, 1));
        uint256 reward = slasher.rewardOf(REPORTER);
        address payable to = payable(address(0x70));
        vm.prank(REPORTER);
        slasher.withdrawReward(to);
        vm.assertEq(to.balance, reward);
        vm.assertEq(slasher.rewardOf(REPORTER), 0);
        vm.prank(REPORTER);
        vm.expectRevert(none);
        slasher.withdrawReward(to);
        _books(7);
    }

    function test_who_takes_no_ether_stops_nobody() external {
        Miser miser = new Miser();
        miser.report(slasher, address(equivocation), offence(2, 1));
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.PaymentRefused.selector, address(miser)));
        miser.collect(slasher, payable(address(miser)));
        miser.collect(slasher, payable(REPORTER));
        vm.assertEq(REPORTER.balance, BASE / 20);
    }

    function test_the_rest_burns() external {
        vm.expectRevert(ISlasher.NothingToBurn.selector);
        slasher.burn();
        report(offence(2, 1));
        uint256 amount = slasher.unburnt();
        slasher.burn();
        vm.assertEq(slasher.BURN_ADDRESS().balance, amount);
        vm.assertEq(slasher.unburnt(), 0);
        vm.expectRevert(ISlasher.NothingToBurn.selector);
        slasher.burn();
        _books(7);
    }

    function test_a_reward_is_capped_and_always_less_than_the_penalty() external {
        for (uint256 place; place < 3; ++place) {
            (, uint256 penalty, uint256 reward) = report(offence(place, 1));
            vm.assertLt(reward, penalty, "reward");
            vm.assertLe(reward, 1 ether, "cap");
        }
        // The third paid its whole bond: 5 % of that would be 1.6 ether.
        vm.assertEq(slasher.rewardOf(REPORTER), (BASE + BASE + (BOND - BASE) / 2) / 20 + 1 ether);
        _books(7);
    }

    // Correlation

    function _table(uint256 n, uint256 f) private {
        vm.assertEq(slasher.penalty(0, n), BASE);
        for (uint256 k = 1; k <= n; ++k) {
            uint256 expected = k > f ? BOND : BASE + (BOND - BASE) * (k - 1) / f;
            vm.assertEq(slasher.penalty(k, n), expected);
        }
    }

    function test_the_table_of_penalties() external {
        _table(1, 1);
        _table(4, 1);
        _table(7, 2);
        _table(16, 5);
        _table(64, 21);
    }

    function _attack(uint256 n, uint256 f) private {
        deploy(n);
        pass(5);
        for (uint256 place; place <= f; ++place) {
            vm.assertEq(_slash(place, 1), slasher.penalty(place + 1, n));
        }
        // The last paid all. The others owe the rest, which is taken now or when they withdraw.
        uint256 total = slasher.penalty(f + 1, n);
        vm.assertEq(total, BOND);
        for (uint64 id = 1; id <= f + 1; ++id) {
            uint256 left = registry.seat(id).bond;
            vm.assertEq(slasher.owed(id), left);
            if (left == 0) continue;
            if (id % 2 == 0) {
                slasher.settle(id);
                vm.assertEq(slasher.settle(id), 0);
            } else {
                vm.startPrank(OWNER);
                registry.requestExit(id);
                uint256 now_ = block.timestamp;
                vm.warp(registry.seat(id).withdrawableAt);
                registry.withdraw(id, payable(OWNER));
                vm.warp(now_);
                vm.stopPrank();
            }
            vm.assertEq(registry.seat(id).bond, 0);
        }
        vm.assertEq(OWNER.balance, 0);
        _books(n);
    }

    function test_an_attack_by_a_third_costs_all_of_4_seats() external {
        _attack(4, 1);
    }

    function test_an_attack_by_a_third_costs_all_of_16_seats() external {
        _attack(16, 5);
    }

    function test_an_attack_by_a_third_costs_all_of_64_seats() external {
        _attack(64, 21);
    }

    function test_faults_in_terms_farther_apart_than_the_window_do_not_correlate() external {
        parameters.correlationWindow = 30;
        parameters.unbonding = 400;
        deploy(7);
        // Terms 1 and 2 are 60 s apart.
        pass(70);
        vm.assertEq(_slash(0, 1), BASE);
        vm.assertEq(_slash(1, 2), BASE);
        vm.assertEq(slasher.owed(1), 0);
        // One more in term 1 correlates with the first only.
        vm.assertEq(_slash(2, 1), BASE + (BOND - BASE) / 2);
        vm.assertEq(slasher.owed(1), (BOND - BASE) / 2);
        vm.assertEq(slasher.owed(2), 0);
    }

    function test_faults_in_terms_within_the_window_correlate_whatever_their_order() external {
        // The window is 60 s, so neighbours correlate and terms 1 and 3 do not.
        pass(2 * parameters.epochLength);
        vm.assertEq(_slash(0, 3), BASE);
        vm.assertEq(_slash(1, 1), BASE);
        vm.assertEq(_slash(2, 2), BOND);
        vm.assertEq(slasher.owed(1), (BOND - BASE) / 2);
        vm.assertEq(slasher.owed(2), (BOND - BASE) / 2);
    }

    function test_one_seat_twice_is_one_seat() external {
        pass(parameters.epochLength);
        report(offence(0, 1));
        report(offence(0, 2));
        vm.assertEq(_slash(1, 1), BASE + (BOND - BASE) / 2);
        // Two terms of the first seat correlate with the second seat's, each for itself.
        // 15.2 ether each, of which the bond holds 28.8.
        vm.assertEq(slasher.owed(1), BOND - 2 * BASE);
        slasher.settle(1);
        vm.assertEq(slasher.owed(1), 0);
        vm.assertEq(slasher.offences(1)[0].others, 1);
        vm.assertEq(slasher.offences(1)[1].others, 1);
    }

    function test_what_is_owed_is_taken_at_withdrawal_also_long_after() external {
        report(offence(0, 1));
        vm.prank(OWNER);
        registry.requestExit(1);
        report(offence(1, 1));
        uint256 owed = slasher.owed(1);
        vm.assertEq(owed, (BOND - BASE) / 2);
        // Many others, much later, are not searched in vain.
        pass(10_000 * parameters.epochLength);
        for (uint256 i = 7; i < 12; ++i) {
            register(i);
        }
        uint64 term = registry.currentTerm();
        for (uint256 i = 7; i < 10; ++i) {
            report(offence(i, term));
        }
        vm.assertEq(slasher.owed(1), owed);
        uint256 unburnt = slasher.unburnt();
        vm.expectEmit(true, false, false, true, address(slasher));
        emit ISlasher.PenaltyRaised(1, owed);
        vm.prank(OWNER);
        registry.withdraw(1, payable(OWNER));
        vm.assertEq(OWNER.balance, BOND - BASE - owed);
        vm.assertEq(slasher.unburnt(), unburnt + owed);
        _books(12);
    }

    function test_a_seat_pays_at_most_its_bond_and_never_more_than_21_times() external {
        parameters.unbonding = 10_000;
        deploy(4);
        pass(30 * parameters.epochLength);
        uint256 total;
        uint64 term = 1;
        for (; registry.seat(1).bond != 0; ++term) {
            total += _slash(0, term);
        }
        vm.assertEq(term, 21);
        vm.assertEq(total, BOND);
        vm.assertEq(slasher.offences(1).length, 20);
    }

    function test_the_list_of_offenders_keeps_all_in_order() external {
        deploy(64);
        pass(5);
        // Each in a term of its own committee size, more than two words of the list.
        for (uint256 place; place < 20; ++place) {
            report(offence(place, 1));
        }
        vm.assertEq(_slash(63, 1), slasher.penalty(21, 64));
        vm.assertEq(slasher.owed(1), slasher.penalty(21, 64) - BASE);
        vm.assertEq(slasher.owed(20), slasher.penalty(21, 64) - slasher.penalty(20, 64));
    }

    function testFuzz_a_reward_is_less_than_the_penalty(uint8 seed) external {
        deploy(4 + seed % 13);
        uint256 offenders = 1 + uint256(seed) % 4;
        for (uint256 place; place < offenders; ++place) {
            (, uint256 penalty, uint256 reward) = report(offence(place, 1));
            vm.assertLt(reward, penalty, "reward");
        }
        _books(4 + seed % 13);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Stake} from "../src/bonding/ISequencerRegistry.sol";
import {Fixture} from "./lib/Fixture.sol";
import {Offences} from "./lib/Offences.sol";

/// @notice Does things to the registry, the slasher and the bridge at random, and keeps the books beside them.
contract Bookkeeper is Offences {
    uint256 public minted;
    uint256 public fees;
    uint256 public bonds;
    /// What left for the burn address, and for reporters.
    uint256 public burnt;
    uint256 public rewards;
    /// Seats that were punished, for all terms; reports that failed although they had to succeed, or the other way round;
    /// withdrawals before all that counts was past judging.
    uint256 public punished;
    uint256 public wronged;
    uint256 public early;
    mapping(uint64 seat => mapping(uint64 term => bool)) private _punished;
    /// Private key of a seat's vote key.
    mapping(uint64 seat => uint256) private _keys;
    uint256 private _place;

    constructor() {
        deploy(7);
        (_place, bonds) = (7, 7 * parameters.bond);
        for (uint64 id = 1; id < 8; ++id) {
            _keys[id] = keyOf(id - 1);
        }
    }

    function wait_(uint256 time) external {
        pass(1 + time % 150);
    }

    function join() external {
        uint64 id = register(_place++);
        _keys[id] = keyOf(_place - 1);
        bonds += parameters.bond;
    }

    function exit_(uint64 id) external {
        id = 1 + id % registry.seatCount();
        vm.prank(OWNER);
        registry.requestExit(id);
    }

    function withdraw(uint64 id) external {
        id = 1 + id % registry.seatCount();
        uint256 bond = registry.seat(id).bond;
        uint256 owed = slasher.owed(id);
        uint256 before = OWNER.balance;
        vm.prank(OWNER);
        registry.withdraw(id, payable(OWNER));
        bonds -= bond;
        if (OWNER.balance != before + bond - owed) ++early;
        // No term that the seat answers for can still be judged, nor any that correlates with one.
        uint64 left = registry.seat(id).withdrawableAt - parameters.unbonding;
        for (uint64 term = registry.currentTerm(); term > 0; --term) {
            uint64 start = registry.termStart(term);
            if (start >= left + parameters.correlationWindow) continue;
            if (block.timestamp < start + slasher.evidenceWindow()) ++early;
            break;
        }
    }

    function rotate(uint64 id) external {
        id = 1 + id % registry.seatCount();
        uint256 place = _place++;
        bytes memory proof = prove(OWNER, keyOf(place), peerKeyOf(place));
        vm.prank(OWNER);
        registry.rotateKeys(id, vm.addr(keyOf(place)), peerKeyOf(place), proof);
        // Half of the seats go on signing with their first keys, for which they answer as well.
        if (id % 2 == 0) _keys[id] = keyOf(place);
    }

    /// Reports a seat's fault of a term, or what is none, and knows beforehand what must come of it.
    function report_(uint64 id, uint64 term, uint256 pair) external {
        id = 1 + id % registry.seatCount();
        uint64 current = registry.currentTerm();
        term = current - term % 4 % current;
        bool must = _mustSucceed(id, registry.stake(id), term);
        bytes memory evidence_ = evidence(pair % 4, _keys[id], term);
        uint256 bond = registry.seat(id).bond;
        vm.prank(REPORTER);
        try slasher.report(address(equivocation), evidence_) returns (uint64 seat, uint256 penalty, uint256 reward) {
            if (!must || seat != id || penalty > bond || reward >= penalty) ++wronged;
            if (registry.seat(id).bond != bond - penalty || registry.seat(id).frozenAt == 0) ++wronged;
            _punished[id][term] = true;
            ++punished;
            bonds -= penalty;
        } catch {
            if (must) ++wronged;
        }
    }

    function _mustSucceed(uint64 id, Stake memory stake, uint64 term) private view returns (bool) {
        uint64 start = registry.termStart(term);
        if (_punished[id][term] || stake.bond == 0) return false;
        if (block.timestamp >= start + slasher.evidenceWindow()) return false;
        if (stake.withdrawableAt != 0 && start >= stake.withdrawableAt - parameters.unbonding) return false;
        return stake.frozenAt == 0 || start < stake.frozenAt + registry.freezeDelay();
    }

    function settle(uint64 id) external {
        bonds -= slasher.settle(1 + id % registry.seatCount());
    }

    function collect() external {
        uint256 before = REPORTER.balance;
        vm.prank(REPORTER);
        slasher.withdrawReward(payable(REPORTER));
        rewards += REPORTER.balance - before;
    }

    function burn() external {
        uint256 before = slasher.BURN_ADDRESS().balance;
        slasher.burn();
        burnt += slasher.BURN_ADDRESS().balance - before;
    }

    function post() external {
        registry.postingCommittee(registry.currentTerm());
    }

    /// What the registry holds for others than seats.
    function owedToOthers() external view returns (uint256) {
        return slasher.rewardOf(REPORTER) + slasher.unburnt();
    }

    /// The notes that the slasher keeps: how many, and whether each is of a fault that was reported.
    function notes() external view returns (uint256 count, bool known) {
        known = true;
        for (uint64 id = 1; id <= registry.seatCount(); ++id) {
            uint256 n = slasher.offences(id).length;
            count += n;
            for (uint256 i; i < n; ++i) {
                known = known && _punished[id][slasher.offences(id)[i].term];
            }
        }
    }

    function depositEther(uint256 amount, uint64 gas_, bytes calldata data) external {
        amount %= 100 ether;
        gas_ = uint64(bound(gas_, 21_000 + 40 * data.length, 3_750_000));
        uint256 fee = inbox.messageFee(gas_, data.length);
        vm.deal(POSTER, amount + fee);
        vm.prank(POSTER, POSTER);
        bridge.depositTransaction{value: amount + fee}(POSTER, 0, gas_, data);
        minted += amount;
        fees += fee;
    }

    function held() external view returns (uint256 inBridge, uint256 inInbox, uint256 inRegistry, uint256 sumOfBonds) {
        for (uint64 id = 1; id <= registry.seatCount(); ++id) {
            sumOfBonds += registry.seat(id).bond;
        }
        return (address(bridge).balance, address(inbox).balance, address(registry).balance, sumOfBonds);
    }

    /// The committees of the terms up to now, and the seats that do not leave.
    function committees() external returns (uint256 members, uint256 live) {
        try registry.sealCommittee() {} catch {}
        for (uint64 term = registry.currentTerm() + 1; term > 0; --term) {
            uint256 n = registry.committee(term).length;
            if (n > members) members = n;
        }
        live = registry.liveSeats().length;
    }
}

contract InvariantsTest is Fixture {
    Bookkeeper private _books;

    function setUp() external {
        _books = new Bookkeeper();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_books);
    }

    /// Foundry gives senders ether, and would else take our contracts' addresses for some.
    function targetSenders() external pure returns (address[] memory senders) {
        senders = new address[](1);
        senders[0] = address(0x5E4D);
    }

    function invariant_every_wei_is_accounted_for() external view {
        (uint256 inBridge, uint256 inInbox, uint256 inRegistry, uint256 sumOfBonds) = _books.held();
        vm.assertEq(inBridge, _books.minted(), "the bridge holds all deposits");
        vm.assertEq(inInbox, _books.fees(), "the inbox holds all prices");
        vm.assertEq(inRegistry, sumOfBonds + _books.owedToOthers(), "the registry holds all bonds and what is owed");
        vm.assertEq(sumOfBonds, _books.bonds(), "as booked");
    }

    function invariant_reports_do_what_they_must_and_nobody_withdraws_early() external view {
        vm.assertEq(_books.wronged(), 0, "a report did what it must not");
        vm.assertEq(_books.early(), 0, "a bond left while something could be judged");
        (uint256 count, bool known) = _books.notes();
        vm.assertEq(count, _books.punished(), "one note for each punishment");
        vm.assertTrue(known, "a note of nothing");
    }

    function invariant_committees_have_at_most_64_members() external {
        (uint256 members, uint256 live) = _books.committees();
        vm.assertLe(members, 64, "members");
        vm.assertLe(live, 64, "live seats");
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBridge, WithdrawalStatus, WithdrawalTransaction} from "../src/bridge/IBridge.sol";
import {Predeploys} from "../src/l2/Predeploys.sol";
import {ClaimPreimage} from "../src/lib/Commitments.sol";
import {Entries, L2World, Trie} from "./lib/L2World.sol";
import {Test} from "./lib/Test.sol";

/// @notice A contract on L1 that takes its withdrawals or not, and asks for each again while it is paid.
contract Taker {
    bool public refuses;
    bytes private _again;

    function set(bool refuses_, bytes calldata again) external {
        (refuses, _again) = (refuses_, again);
    }

    receive() external payable {
        require(!refuses);
        if (_again.length != 0) {
            (bool ok,) = msg.sender.call(_again);
            require(!ok, "paid twice");
        }
    }
}

/// @notice A chain with a ledger of ether alone, whose people deposit, withdraw and leave at random. Beside the bridge
/// stand the books of what each was paid, and for each call whether it had to succeed.
contract Ledger is L2World {
    using Trie for Entries;

    /// What a claim's last state says.
    struct Claimed {
        ClaimPreimage claim;
        bytes header;
        uint256[4] balances;
        uint256 consumed;
        uint256 withdrawals;
    }

    uint256 private constant PEOPLE = 4;
    uint256 private constant MAX_CLAIMS = 12;
    uint256 private constant MAX_WITHDRAWALS = 12;

    Taker private _taker = new Taker();
    Claimed[] private _claimed;
    uint256[4] private _balances;
    WithdrawalTransaction[] private _withdrawals;
    uint256 private _consumed;
    /// Ether that came and went.
    uint256 public deposited;
    uint256 public paid;
    /// Calls that did what they must not, and the other way round.
    uint256 public wronged;
    mapping(uint256 withdrawal => uint256) public timesPaid;
    mapping(uint256 person => uint256) public timesEscaped;
    mapping(uint256 message => uint256) public timesRefunded;
    /// One more than the place of the claim that the chain ended on.
    uint256 public ended;

    constructor() {
        withoutData = true;
        deploy(4);
        pass(6);
        deposit(0, 10 ether);
        claim_();
    }

    function person(uint256 id) public pure returns (address) {
        return address(uint160(0x9E0000 + id % PEOPLE));
    }

    function messages() external view returns (uint256) {
        return queue.length;
    }

    function withdrawals() external view returns (uint256) {
        return _withdrawals.length;
    }

    function held() external view returns (uint256) {
        return address(bridge).balance;
    }

    // What people do

    function wait_(uint256 time) external {
        pass(1 + time % (parameters.challengePeriod));
    }

    function passChallenge() external {
        pass(parameters.challengePeriod);
    }

    function deposit(uint256 id, uint256 amount) public {
        amount = 1 + amount % 100 ether;
        uint256 fee = inbox.messageFee(100_000, 0);
        vm.deal(person(id), amount + fee);
        vm.recordLogs();
        vm.prank(person(id), person(id));
        bridge.depositTransaction{value: amount + fee}(person(id), amount, 100_000, "");
        learn();
        deposited += amount;
        if (ended != 0) ++wronged;
    }

    function sendHome(uint256 id, uint256 amount, bool toTaker) external {
        require(_withdrawals.length < MAX_WITHDRAWALS && ended == 0);
        id %= PEOPLE;
        amount %= _balances[id] + 1;
        _balances[id] -= amount;
        address target = toTaker ? address(_taker) : person(id);
        _withdrawals.push(WithdrawalTransaction(_withdrawals.length, person(id), target, amount, 50_000, ""));
    }

    /// The next block takes all messages, and is claimed.
    function claim_() public {
        require(_claimed.length < MAX_CLAIMS);
        uint256 until = inbox.messageCount();
        for (uint256 i = _consumed; i < until; ++i) {
            if (queue[i].mint == 0) continue;
            _balances[uint160(queue[i].to) - 0x9E0000] += queue[i].mint;
        }
        _consumed = until;
        delete state;
        delete sent;
        delete l1BlockSlots;
        for (uint256 id; id < PEOPLE; ++id) {
            putKeyed(person(id), _balances[id]);
        }
        putConsumed(until);
        for (uint256 i; i < _withdrawals.length; ++i) {
            putSlot(sent, keccak256(abi.encode(bridge.withdrawalHash(_withdrawals[i]), uint256(0))), 1);
        }
        vm.recordLogs();
        claimState();
        learn();
        _claimed.push(Claimed(head, header, _balances, until, _withdrawals.length));
        if (ended != 0) ++wronged;
    }

    function refuse(bool yes) external {
        _taker.set(yes, "");
    }

    // What the bridge does

    function withdraw(uint256 which, uint256 by, bool many) external {
        which %= _withdrawals.length;
        Claimed memory c = _claimed[by % _claimed.length];
        bool must = which < c.withdrawals && claims.isFinal(keccak256(abi.encode(c.claim)))
            && bridge.status(bridge.withdrawalHash(_withdrawals[which])) == WithdrawalStatus.None;
        uint256 before = address(bridge).balance;
        bool ok = _withdraw(which, c, many);
        // Of several, one that was paid before is passed over.
        if (ok != must && !(many && ok && before == address(bridge).balance)) ++wronged;
        _book(which, before);
    }

    function retry(uint256 which) public {
        which %= _withdrawals.length;
        WithdrawalTransaction memory w = _withdrawals[which];
        bool must = bridge.status(bridge.withdrawalHash(w)) == WithdrawalStatus.Failed;
        uint256 before = address(bridge).balance;
        _taker.set(_taker.refuses(), abi.encodeCall(IBridge.retry, (w)));
        bool ok;
        try bridge.retry(w) {
            ok = true;
        } catch {}
        if (ok != must) ++wronged;
        _book(which, before);
    }

    /// Seldom, since little can be tried afterwards.
    function mayEnd(uint256 by, uint256 when) external {
        if (when % 8 == 0) end(by);
    }

    function end(uint256 by) public {
        uint256 place = by % _claimed.length;
        Claimed memory c = _claimed[place];
        bool isLast = claims.isFinal(keccak256(abi.encode(c.claim)))
            && (place + 1 == _claimed.length || !claims.isFinal(keccak256(abi.encode(_claimed[place + 1].claim))));
        bool must = ended == 0 && isLast && block.timestamp >= claims.endsFrom(keccak256(abi.encode(c.claim)));
        bool ok;
        try bridge.openEscape(c.claim, c.header) {
            ok = true;
        } catch {}
        if (ok != must) ++wronged;
        if (!ok) return;
        ended = place + 1;
        _rebuild(c);
        bridge.proveConsumption(accountProof(Predeploys.L1_BLOCK), slotProof(l1BlockSlots, bytes32(uint256(9))));
    }

    function escape(uint256 id) public {
        id %= PEOPLE;
        uint256 amount = ended == 0 ? 0 : _claimed[ended - 1].balances[id];
        bool must = amount != 0 && timesEscaped[id] == 0;
        uint256 before = address(bridge).balance;
        bytes[] memory proof = accountProof(person(id));
        vm.prank(person(id));
        try bridge.escape(person(id), address(0), proof, payable(person(id)), "") {
            ++timesEscaped[id];
            if (before - address(bridge).balance != amount || !must) ++wronged;
        } catch {
            if (must) ++wronged;
        }
        paid += before - address(bridge).balance;
    }

    function refund(uint256 index) public {
        index %= queue.length;
        // L1's own messages have no sender who could ask.
        if (queue[index].kind == 2) return;
        address who = queue[index].sender;
        bool must = ended != 0 && index >= _claimed[ended - 1].consumed && timesRefunded[index] == 0;
        uint256 before = address(bridge).balance;
        bytes32[] memory after_ = following(index, queue.length);
        vm.prank(who);
        try bridge.refund(queue[index], accBefore(index), after_, payable(who)) {
            ++timesRefunded[index];
            if (before - address(bridge).balance != queue[index].mint || !must) ++wronged;
        } catch {
            if (must) ++wronged;
        }
        paid += before - address(bridge).balance;
    }

    /// Everything that is owed is asked for: after this nothing may be left.
    function empty() external {
        if (ended == 0) {
            uint256 last = _claimed.length - 1;
            pass(parameters.challengePeriod + parameters.escapeDelay);
            end(last);
        }
        _taker.set(false, "");
        Claimed memory c = _claimed[ended - 1];
        for (uint256 i; i < c.withdrawals; ++i) {
            uint256 before = address(bridge).balance;
            _withdraw(i, c, true);
            _book(i, before);
            retry(i);
        }
        for (uint256 id; id < PEOPLE; ++id) {
            escape(id);
        }
        for (uint256 i; i < queue.length; ++i) {
            refund(i);
        }
    }

    // Helpers

    function _withdraw(uint256 which, Claimed memory c, bool many) private returns (bool) {
        _rebuild(c);
        WithdrawalTransaction memory w = _withdrawals[which];
        bytes[] memory proof = slotProof(sent, keccak256(abi.encode(bridge.withdrawalHash(w), uint256(0))));
        if (!many) {
            _taker.set(_taker.refuses(), abi.encodeCall(IBridge.withdraw, (w, c.claim, c.header, proof)));
            try bridge.withdraw(w, c.claim, c.header, proof) {
                return true;
            } catch {
                return false;
            }
        }
        // The same one twice.
        WithdrawalTransaction[] memory both = new WithdrawalTransaction[](2);
        (both[0], both[1]) = (w, w);
        bytes[] memory paths = new bytes[](2);
        for (uint256 i; i < proof.length; ++i) {
            paths[0] = bytes.concat(paths[0], bytes1(uint8(i)));
        }
        paths[1] = paths[0];
        try bridge.withdrawMany(both, c.claim, c.header, proof, paths) {
            return true;
        } catch {
            return false;
        }
    }

    /// Tries of the state that a claim is of.
    function _rebuild(Claimed memory c) private {
        delete state;
        delete sent;
        delete l1BlockSlots;
        for (uint256 id; id < PEOPLE; ++id) {
            putKeyed(person(id), c.balances[id]);
        }
        putConsumed(c.consumed);
        for (uint256 i; i < c.withdrawals; ++i) {
            putSlot(sent, keccak256(abi.encode(bridge.withdrawalHash(_withdrawals[i]), uint256(0))), 1);
        }
    }

    function _book(uint256 which, uint256 before) private {
        uint256 went = before - address(bridge).balance;
        if (went == 0) return;
        ++timesPaid[which];
        if (went != _withdrawals[which].value) ++wronged;
        paid += went;
    }
}

/// @notice What Foundry is to call, as it names it.
struct FuzzSelector {
    address addr;
    bytes4[] selectors;
}

contract ExitInvariantsTest is Test {
    Ledger private _ledger;

    function setUp() external {
        _ledger = new Ledger();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_ledger);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory list) {
        bytes4[] memory selectors = new bytes4[](10);
        (selectors[0], selectors[1], selectors[2]) =
        (Ledger.wait_.selector, Ledger.deposit.selector, Ledger.sendHome.selector);
        (selectors[3], selectors[4], selectors[5]) =
        (Ledger.claim_.selector, Ledger.refuse.selector, Ledger.withdraw.selector);
        (selectors[6], selectors[7], selectors[8]) =
        (Ledger.retry.selector, Ledger.mayEnd.selector, Ledger.escape.selector);
        selectors[9] = Ledger.refund.selector;
        list = new FuzzSelector[](1);
        list[0] = FuzzSelector(address(_ledger), selectors);
    }

    function targetSenders() external pure returns (address[] memory senders) {
        senders = new address[](1);
        senders[0] = address(0x5E4D);
    }

    function invariant_what_came_is_there_or_was_paid() external view {
        vm.assertEq(_ledger.held() + _ledger.paid(), _ledger.deposited());
    }

    function invariant_each_thing_is_paid_once_at_most_and_what_must_be_is() external view {
        vm.assertEq(_ledger.wronged(), 0);
        for (uint256 i; i < _ledger.withdrawals(); ++i) {
            vm.assertLe(_ledger.timesPaid(i), 1, "withdrawal");
        }
        for (uint256 i; i < 4; ++i) {
            vm.assertLe(_ledger.timesEscaped(i), 1, "account");
        }
        for (uint256 i; i < _ledger.messages(); ++i) {
            vm.assertLe(_ledger.timesRefunded(i), 1, "message");
        }
    }

    /// What the campaign is made of does happen, each of it.
    function test_each_way_out_is_walked() external {
        _ledger.sendHome(0, 3 ether, false);
        _ledger.sendHome(0, 2 ether, true);
        _ledger.claim_();
        _ledger.sendHome(0, 1 ether, false);
        _ledger.withdraw(0, 1, false);
        vm.assertEq(_ledger.paid(), 0, "not final yet");
        _ledger.passChallenge();
        _ledger.withdraw(0, 1, false);
        _ledger.withdraw(0, 1, false);
        _ledger.withdraw(0, 1, true);
        vm.assertEq(_ledger.paid(), 3 ether);
        _ledger.refuse(true);
        _ledger.withdraw(1, 1, true);
        _ledger.retry(1);
        vm.assertEq(_ledger.paid(), 3 ether);
        _ledger.refuse(false);
        _ledger.retry(1);
        _ledger.retry(1);
        vm.assertEq(_ledger.paid(), 5 ether);
        _ledger.deposit(1, 7 ether);
        _ledger.withdraw(2, 1, false);
        _ledger.empty();
        vm.assertEq(_ledger.wronged(), 0);
        vm.assertEq(_ledger.timesEscaped(0), 1);
        vm.assertEq(_ledger.timesPaid(2), 0, "the last final state does not have it, and paid its sender's balance");
        vm.assertEq(_ledger.held(), 0);
    }

    /// At the end of each run: the last final state and the messages beyond it are owed all that is left, and get it.
    function afterInvariant() external {
        _ledger.empty();
        vm.assertEq(_ledger.wronged(), 0);
        vm.assertEq(_ledger.held(), 0);
    }
}

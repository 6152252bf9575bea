// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Claim, Contest, IDispute, LEVEL_BLOCKS, LEVEL_STRETCHES, Match} from "../src/dispute/IDispute.sol";
import {IParties, Party} from "../src/dispute/IParties.sol";
import {DisputeGame} from "./lib/DisputeGame.sol";
import {PaddedTree, Tree} from "./lib/PaddedTree.sol";
import {Test} from "./lib/Test.sol";

/// @notice Everything that adversaries may do, at random, against an honest party that is heard at least every twelve hours.
/// Faults are kept in `fault` until an invariant asks.
contract Adversary is DisputeGame {
    using PaddedTree for Tree;

    /// The longest that the honest party is not heard.
    uint256 public constant DELAY = 12 hours;
    /// How often the wrong side can wait for the honest one in a dispute: two moves, a claim, two moves, a claim, two moves
    /// and the step; and once more at the end.
    uint256 public constant TURNS = 10;
    uint256 private constant MAX_CLAIMS = 40;
    uint256 private constant MAX_CONTESTS = 12;
    uint256 private constant MAX_ACTORS = 8;

    address[] private _actors;
    /// When the honest party was heard last; 0 before the first claim.
    uint256 private _heardAt;
    mapping(bytes32 parent => uint256) private _firstAt;
    mapping(bytes32 claimId => uint256) private _fellAt;
    /// Claims that no longer counted when they were last looked at.
    mapping(bytes32 claimId => bool) private _isOver;
    string public fault;

    constructor() {
        begin();
        join(HONEST);
        for (uint256 i; i < 3; ++i) {
            _newActor();
        }
    }

    modifier playing(uint256 seed) {
        if (_heardAt == 0) _begin(seed);
        _;
        _observe();
    }

    function _newActor() private {
        address actor = address(uint160(0xAD0000 + _actors.length));
        _actors.push(actor);
        join(actor);
    }

    /// The honest party may be the first, in the same second, or later than its rival.
    function _begin(uint256 seed) private {
        (_firstAt[SIGNED], _firstAt[UNSIGNED]) = (time, time);
        rightOf[SIGNED] = enter(SIGNED, rightBlocks, address(0));
        uint256 order = _random(seed, "order") % 3;
        if (order != 0) enter(UNSIGNED, otherBlocks("early", "next"), _actors[0]);
        if (order == 2) wait(1 + _random(seed, "late") % DELAY);
        rightOf[UNSIGNED] = enter(UNSIGNED, rightBlocks, HONEST);
        _heardAt = time;
    }

    function _random(uint256 seed, string memory what) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, what)));
    }

    function _actor(uint256 seed) private view returns (address) {
        return _actors[_random(seed, "actor") % _actors.length];
    }

    function _wrong(bool isSo, string memory what) private {
        if (isSo && bytes(fault).length == 0) fault = what;
    }

    // Time

    function listen(uint256 seed) external playing(seed) {
        _listen();
    }

    function _listen() private {
        honestTurn();
        _heardAt = time;
    }

    /// Adversaries act before the honest party does: it is heard only when its delay is over.
    function drift(uint256 seed) external playing(seed) {
        uint256 most = _heardAt + DELAY - time;
        uint256 by = _random(seed, "edge") % 2 == 0 ? _edge(seed) : _random(seed, "time") % (most + 1);
        if (by > most) by = most;
        wait(by);
        if (by == most) _listen();
    }

    /// Many delays.
    function pass(uint256 seed) external playing(seed) {
        for (uint256 i = 1 + _random(seed, "delays") % 2; i != 0; --i) {
            wait(_heardAt + DELAY - time);
            _listen();
        }
    }

    /// To the last second of a side's time, or one beside it.
    function _edge(uint256 seed) private view returns (uint256) {
        (bytes32 a, bytes32 b) = _pair(seed);
        uint256 until;
        if (a != 0) {
            Match memory m = dispute.matchOf(a, b);
            until = m.movedAt + (m.turn == 0 ? m.firstLeft : m.secondLeft);
        }
        if (contestIds.length != 0 && (a == 0 || seed % 2 == 0)) {
            Contest memory c = dispute.contest(_contest(seed));
            until = c.since + (_random(seed, "side") % 2 == 0 ? c.firstLeft : c.secondLeft);
        }
        until += _random(seed, "beside") % 3;
        return until > time + 1 ? until - 1 - time : 0;
    }

    // What is there

    function _contest(uint256 seed) private view returns (bytes32) {
        return contestIds[_random(seed, "contest") % contestIds.length];
    }

    function _group(uint256 seed) private view returns (bytes32) {
        uint256 place = _random(seed, "group") % (contestIds.length + 2);
        return place < 2 ? (place == 0 ? SIGNED : UNSIGNED) : contestIds[place - 2];
    }

    /// Two claims that are matched and count, in their order; zeros if there are none in the group.
    function _pair(uint256 seed) private view returns (bytes32, bytes32) {
        bytes32[] storage list = members[_group(seed)];
        uint256 size = list.length * list.length;
        uint256 from = _random(seed, "pair");
        for (uint256 i; i < size; ++i) {
            uint256 place = (from % size + i) % size;
            (bytes32 a, bytes32 b) = (list[place / list.length], list[place % list.length]);
            (Claim memory x, Claim memory y) = (dispute.claim(a), dispute.claim(b));
            bool matched = x.level == LEVEL_BLOCKS ? x.root != y.root : x.side != y.side;
            if (matched && dispute.counts(a) && dispute.counts(b)) return ordered(a, b);
        }
        return (0, 0);
    }

    // What adversaries do

    function joinAnother(uint256 seed) external playing(seed) {
        if (_actors.length < MAX_ACTORS) _newActor();
    }

    /// Who has a bond here, or fell, cannot.
    function joinAgain(uint256 seed) external playing(seed) {
        address actor = _actor(seed);
        Party memory p = dispute.party(actor);
        bool may = p.bond == 0 && p.fellAt == 0;
        _wrong(join(actor) != may, "joined again");
    }

    /// A claim about a batch, as long as there may be new ones: wrong in the block, agreeing with another, or a copy.
    function rival(uint256 seed) external playing(seed) {
        bytes32 parent = _random(seed, "parent") % 2 == 0 ? SIGNED : UNSIGNED;
        if (time >= _firstAt[parent] + clock || claimIds.length >= MAX_CLAIMS) return;
        address actor = _actor(seed);
        Party memory p = dispute.party(actor);
        if (p.bond == 0 || p.fellAt != 0) return;
        uint256 kind = _random(seed, "kind") % 5;
        bytes32 hash = kind == 0 ? bytes32(0) : bytes32(kind % 2 + 1);
        enter(parent, kind == 4 ? rightBlocks : otherBlocks(hash, bytes32(_random(seed, "next") % 3)), actor);
        ++happened[kind == 4 ? "copy" : "rival"];
    }

    /// A claim in a contest: a lie anywhere, the right one, or one with a child that is nothing; for either side.
    function claim_(uint256 seed) external playing(seed) {
        if (contestIds.length == 0 || claimIds.length >= MAX_CLAIMS) return;
        _claim(_contest(seed), uint8(_random(seed, "side") % 2), seed);
    }

    function _claim(bytes32 id, uint8 side, uint256 seed) private {
        Contest memory c = dispute.contest(id);
        (Tree memory t,) = rightStates(id);
        uint256 kind = _random(seed, "kind") % 6;
        bytes memory last;
        if (kind != 0) {
            bytes32 end = c.ends[side];
            if (end == 0 && c.level == LEVEL_STRETCHES) (end, last) = (keccak256(TRAP), TRAP);
            uint256 place = _random(seed, "place");
            place = kind < 3 ? 0 : kind == 3 ? place % 29 : place % LAST_LEAF;
            t = t.lie(place, bytes32(_random(seed, "lie") % 3), end);
        }
        make(id, side, t, _actor(seed), last, kind == 5 ? 1 + _random(seed, "spoilt") % 100 : 0);
    }

    /// Every claim, by one who stands or not: where its party stands it is refused.
    function adopt(uint256 seed) external playing(seed) {
        for (uint256 i; i < claimIds.length; ++i) {
            address before = dispute.claim(claimIds[i]).party;
            vm.prank(_actor(_random(seed, "adopter") + i));
            try dispute.adopt(claimIds[i]) {
                ++happened["adopt"];
                _wrong(dispute.party(before).fellAt == 0, "adopted from a party that stands");
            } catch {}
        }
    }

    function move(uint256 seed) external playing(seed) {
        for (uint256 i = 1 + seed % 4; i != 0 && contestIds.length < MAX_CONTESTS; --i) {
            (bytes32 a, bytes32 b) = _pair(_random(seed / 2 + i, "again"));
            if (a != 0) play(a, b, _actor(seed), 0);
        }
    }

    /// All that can be moved in one match within the second, for both sides.
    function rush(uint256 seed) external playing(seed) {
        (bytes32 a, bytes32 b) = _pair(seed);
        if (a == 0 || contestIds.length >= MAX_CONTESTS) return;
        while (play(a, b, _actor(seed), 0)) {}
    }

    /// Straight down: claims on both sides of the last contest, and all that can be moved in it.
    function press(uint256 seed) external playing(seed) {
        if (contestIds.length == 0 || contestIds.length >= MAX_CONTESTS || claimIds.length >= MAX_CLAIMS) return;
        bytes32 id = contestIds[contestIds.length - 1];
        _claim(id, 0, _random(seed, "first"));
        _claim(id, 1, _random(seed, "second"));
        bytes32[] storage list = members[id];
        if (list.length < 2) return;
        (bytes32 a, bytes32 b) = (list[seed % list.length], list[list.length - 1]);
        if (dispute.claim(a).side == dispute.claim(b).side || !dispute.counts(a) || !dispute.counts(b)) return;
        (a, b) = ordered(a, b);
        while (play(a, b, _actor(seed), 0)) {}
    }

    function moveWrongly(uint256 seed) external playing(seed) {
        (bytes32 a, bytes32 b) = _pair(seed);
        if (a != 0) _wrong(play(a, b, _actor(seed), 1 + seed % 10_000), "a spoilt move was taken");
    }

    /// With the right witness, or one of another step.
    function step(uint256 seed) external playing(seed) {
        (bytes32 a, bytes32 b) = _pair(seed);
        if (a == 0) return;
        bytes memory witness = witnesses[seed % witnesses.length];
        if (seed % 2 == 0 && dispute.claim(a).level == 2) witness = witnessOf(a, b);
        step_(a, b, witness, _actor(seed));
    }

    function conclude(uint256 seed) external playing(seed) {
        _expireAll(_group(seed));
        if (contestIds.length != 0) fallSide(_contest(seed), uint8(seed % 2));
        fallWithParty(claimIds[_random(seed, "claim") % claimIds.length]);
    }

    /// Any two, whether they are matched or not.
    function _expireAll(bytes32 group) private {
        bytes32[] storage list = members[group];
        for (uint256 i; i < list.length * list.length; ++i) {
            expire(list[i / list.length], list[i % list.length]);
        }
    }

    /// Whatever the adversaries could end.
    function _concludeAll() private {
        _expireAll(SIGNED);
        _expireAll(UNSIGNED);
        for (uint256 i; i < contestIds.length; ++i) {
            _expireAll(contestIds[i]);
            fallSide(contestIds[i], 0);
            fallSide(contestIds[i], 1);
        }
    }

    // Money

    function refund(uint256 seed) public playing(seed) {
        bytes32[] storage list = members[_group(seed)];
        if (list.length < 2) return;
        address mover = _random(seed, "honest") % 2 == 0 ? HONEST : _actor(seed);
        address party = _actor(seed / 2);
        // Every match of the group.
        for (uint256 i; i < list.length * list.length; ++i) {
            _refund(dispute.matchId(list[i / list.length], list[i % list.length]), party, mover);
        }
    }

    function _refund(bytes32 id, address party, address mover) private {
        uint256 owed = dispute.spent(id, party, mover);
        if (owed == 0) return;
        Party memory p = dispute.party(party);
        if (owed > p.refunds) owed = p.refunds;
        uint256 before = mover.balance;
        vm.prank(mover);
        try dispute.refund(id, party) returns (uint256 amount) {
            ++happened["refund"];
            _wrong(p.fellAt == 0 || amount != owed || mover.balance != before + owed, "refund");
            vm.prank(mover);
            try dispute.refund(id, party) {
                _wrong(true, "refund twice");
            } catch {}
        } catch {
            _wrong(p.fellAt != 0 && owed != 0, "no refund");
        }
    }

    function withdraw(uint256 seed) external playing(seed) {
        address actor = _actor(seed);
        _withdrawReward(actor);
        _withdrawBond(actor);
        _burn(actor);
        _release(claimIds[_random(seed, "claim") % claimIds.length]);
    }

    function _withdrawReward(address who) private {
        uint256 before = who.balance + dispute.rewardOf(who);
        vm.prank(who);
        try dispute.withdrawReward(payable(who)) {
            ++happened["withdrawReward"];
        } catch {}
        _wrong(who.balance + dispute.rewardOf(who) != before, "reward");
    }

    function _withdrawBond(address who) private {
        Party memory p = dispute.party(who);
        uint256 before = who.balance + p.bond;
        vm.prank(who);
        try dispute.withdrawBond(payable(who)) {
            ++happened["withdrawBond"];
            _wrong(p.fellAt != 0 || p.standing != 0, "a bond left");
        } catch {
            _wrong(p.fellAt == 0 && p.standing == 0 && p.bond != 0, "a bond is kept");
        }
        _wrong(who.balance + dispute.party(who).bond != before, "bond");
    }

    function _burn(address who) private {
        Party memory p = dispute.party(who);
        try dispute.burnRest(who) {
            ++happened["burnRest"];
            _wrong(p.fellAt == 0 || time < p.fellAt + clock || dispute.party(who).bond != 0, "burnt");
        } catch {}
    }

    function _release(bytes32 id) private {
        bool counts = dispute.counts(id);
        try dispute.release(id) {
            ++happened["release"];
            _wrong(counts, "released");
        } catch {}
    }

    // What must be so

    function _observe() private {
        for (uint256 i; i < claimIds.length; ++i) {
            bytes32 id = claimIds[i];
            Claim memory c = dispute.claim(id);
            bool counts = dispute.counts(id);
            if (c.fallen && _fellAt[id] == 0) {
                _fellAt[id] = time;
                _wrong(_isOver[id] && dispute.party(c.party).fellAt == 0, "fell when it was over");
            }
            _wrong(_isOver[id] && counts, "counts again");
            if (!counts) _isOver[id] = true;
            _wrong(c.fallen && c.party == HONEST, "the honest party's claim fell");
        }
    }

    /// The right claims stand, and those of the honest party, and the wrong ones not longer than stated.
    function checkClaims() external view {
        vm.assertEq(fault, "");
        vm.assertEq(dispute.party(HONEST).fellAt, 0);
        for (uint256 i; _heardAt != 0 && i < 2; ++i) {
            bytes32 parent = i == 0 ? SIGNED : UNSIGNED;
            bytes32 right = rightOf[parent];
            vm.assertTrue(!dispute.claim(right).fallen, "a right claim fell");
            uint256 until = uint256(dispute.claim(right).postedAt) + clock + TURNS * DELAY;
            for (uint256 j; j < members[parent].length; ++j) {
                bytes32 id = members[parent][j];
                if (dispute.claim(id).root == dispute.claim(right).root) continue;
                vm.assertLe(_fellAt[id] == 0 ? _heardAt : _fellAt[id], until, "a wrong claim stands too long");
            }
        }
        for (uint256 i; i < contestIds.length; ++i) {
            Contest memory c = dispute.contest(contestIds[i]);
            uint256[2] memory standing;
            for (uint256 j; j < members[contestIds[i]].length; ++j) {
                Claim memory d = dispute.claim(members[contestIds[i]][j]);
                if (!d.fallen) ++standing[d.side];
            }
            vm.assertEq(c.firstStanding, standing[0], "first side");
            vm.assertEq(c.secondStanding, standing[1], "second side");
        }
    }

    /// What came is there or was paid, each party's claims are counted, and adversaries lose what they must.
    function checkMoney() external view {
        uint256 owed;
        uint256 went = dispute.BURN_ADDRESS().balance;
        // What adversaries have or can have, but for refunds.
        uint256 theirs;
        uint256 lost;
        for (uint256 i; i <= _actors.length; ++i) {
            address who = i == 0 ? HONEST : _actors[i - 1];
            Party memory p = dispute.party(who);
            owed += p.bond + dispute.rewardOf(who);
            went += who.balance;
            vm.assertEq(p.standing, _unreleased(who), "standing");
            if (i != 0) theirs += who.balance + dispute.rewardOf(who) + (p.fellAt == 0 ? p.bond : 0);
            if (p.fellAt != 0) lost += bond / 4;
        }
        vm.assertEq(owed, address(dispute).balance, "owed");
        vm.assertEq(owed + went, deposited, "went");
        vm.assertLe(theirs + lost, deposited - bond, "an adversary gains");
    }

    function _unreleased(address who) private view returns (uint256 number) {
        for (uint256 i; i < claimIds.length; ++i) {
            Claim memory c = dispute.claim(claimIds[i]);
            if (c.party == who && !c.released) ++number;
        }
    }

    /// The game is played to its end, and all money leaves.
    function finish() external playing(0) {
        while (!(decided(SIGNED) && decided(UNSIGNED)) && time < _firstAt[SIGNED] + 3 * uint256(clock)) {
            wait(_heardAt + DELAY - time);
            _concludeAll();
            _listen();
            _observe();
        }
        _wrong(!decided(SIGNED) || !decided(UNSIGNED), "not decided");
        for (uint256 i; i < claimIds.length; ++i) {
            if (dispute.claim(claimIds[i]).level == LEVEL_BLOCKS) rivals.close(claimIds[i]);
        }
        for (uint256 i; i < claimIds.length; ++i) {
            _release(claimIds[i]);
        }
        wait(clock);
        for (uint256 i; i <= _actors.length; ++i) {
            address who = i == 0 ? HONEST : _actors[i - 1];
            _withdrawReward(who);
            _withdrawBond(who);
            _burn(who);
        }
        _wrong(address(dispute).balance != 0, "something is left");
        _wrong(HONEST.balance < bond, "the honest party lost");
    }

    /// The control: an honest party that is never heard.
    function sleep() external {
        asleep = true;
    }
}

/// @notice What Foundry is to call, as it names it.
struct FuzzSelector {
    address addr;
    bytes4[] selectors;
}

contract DisputeInvariantsTest is Test {
    Adversary private _adversary;

    function setUp() external {
        _adversary = new Adversary();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_adversary);
    }

    /// Claims and moves more often than the rest.
    function targetSelectors() external view returns (FuzzSelector[] memory list) {
        list = new FuzzSelector[](1);
        list[0] = FuzzSelector(address(_adversary), _selectors());
    }

    function _selectors() private pure returns (bytes4[] memory s) {
        s = new bytes4[](20);
        (s[0], s[1], s[2]) = (Adversary.listen.selector, Adversary.drift.selector, Adversary.pass.selector);
        (s[3], s[4], s[5]) = (Adversary.joinAnother.selector, Adversary.joinAgain.selector, Adversary.rival.selector);
        (s[6], s[7], s[8]) = (Adversary.claim_.selector, Adversary.claim_.selector, Adversary.move.selector);
        (s[9], s[10], s[11]) = (Adversary.rush.selector, Adversary.moveWrongly.selector, Adversary.step.selector);
        (s[12], s[13], s[14]) = (Adversary.conclude.selector, Adversary.refund.selector, Adversary.withdraw.selector);
        (s[15], s[16]) = (Adversary.rush.selector, Adversary.press.selector);
        (s[17], s[18], s[19]) = (Adversary.press.selector, Adversary.press.selector, Adversary.adopt.selector);
    }

    function targetSenders() external pure returns (address[] memory senders) {
        senders = new address[](1);
        senders[0] = address(0x5E4D);
    }

    /// forge-config: default.invariant.runs = 24
    /// forge-config: default.invariant.depth = 100
    function invariant_the_right_side_wins_and_all_money_is_accounted_for() external view {
        _adversary.checkClaims();
        _adversary.checkMoney();
    }

    /// At the end of each run every wrong claim falls in time, and all money leaves.
    function afterInvariant() external {
        _finish();
    }

    function _finish() private {
        _adversary.finish();
        _adversary.checkClaims();
        _adversary.checkMoney();
    }

    /// Calls as the campaign makes them.
    function _play(uint256 seed, uint256 depth) private {
        bytes4[] memory selectors = _selectors();
        for (uint256 i; i < depth; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            (bool ok,) = address(_adversary).call(abi.encodeWithSelector(selectors[random % 20], random / 20));
            vm.assertTrue(ok);
        }
    }

    /// What the campaign is made of does happen, each of it; and none of the adversaries' calls fails in the test itself.
    function test_everything_happens() external {
        string[15] memory kinds = [
            "rival",
            "copy",
            "adopt",
            "make",
            "move",
            "divide",
            "step",
            "expire",
            "fallSide",
            "fallWithParty",
            "refund",
            "withdrawReward",
            "withdrawBond",
            "burnRest",
            "release"
        ];
        uint256[15] memory counts;
        for (uint256 seed; seed < 6; ++seed) {
            uint256 start = vm.snapshotState();
            _play(seed, 100);
            _adversary.checkClaims();
            _adversary.checkMoney();
            // Most parties fall when time is over.
            for (uint256 i; i < 20; ++i) {
                uint256 random = uint256(keccak256(abi.encode(seed, i)));
                _adversary.pass(random);
                _adversary.adopt(random);
                _adversary.refund(random);
            }
            _finish();
            for (uint256 i; i < kinds.length; ++i) {
                counts[i] += _adversary.happened(kinds[i]);
            }
            vm.revertToState(start);
        }
        for (uint256 i; i < kinds.length; ++i) {
            vm.assertGt(counts[i], 0, kinds[i]);
        }
    }

    /// The control: without an honest party that answers, the right claim falls, and this is noticed.
    function test_an_honest_party_that_sleeps_loses() external {
        _adversary.sleep();
        _play(3, 100);
        _adversary.finish();
        vm.expectRevert();
        _adversary.checkClaims();
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Claim, Contest, LEVEL_BLOCKS, LEVEL_STEPS, LEVEL_STRETCHES, Match} from "../../src/dispute/IDispute.sol";
import {Openings, Selection} from "../../src/dispute/Openings.sol";
import {Commitments} from "../../src/lib/Commitments.sol";
import {DisputeWorld} from "./DisputeWorld.sol";
import {PaddedTree, Tree} from "./PaddedTree.sol";

/// @notice Two batches of the same blocks, with rivals that all differ first from the right claim in the one that is argued
/// about (`DisputeWorld`); what everybody may know of the claims; and one honest party that defends the right claims of
/// both with one bond. Of its opponents' trees it uses nothing but what they had to publish.
abstract contract DisputeGame is DisputeWorld {
    using PaddedTree for Tree;

    uint256 internal constant LAST_LEAF = (1 << 20) - 1;
    /// The right claim of this one is the signers'.
    bytes32 internal constant SIGNED = keccak256("parent of a signed batch");
    /// The right claim of this one is the honest party's.
    bytes32 internal constant UNSIGNED = keccak256("parent of a batch that nobody signed");
    /// A state that says no block hash.
    bytes internal constant TRAP = hex"02";

    bytes32 private _stillRoot;
    bytes32 private _stepsRoot;

    /// All claims, all contests, and the claims in each contest or of each parent.
    bytes32[] internal claimIds;
    bytes32[] internal contestIds;
    mapping(bytes32 contest => bytes32[]) internal members;
    mapping(bytes32 parent => bytes32) internal rightOf;
    /// What a claim's party knows of it.
    mapping(bytes32 claimId => Tree) internal trees;
    /// The children that were published of a node.
    mapping(bytes32 node => bytes32[32]) internal shown;
    mapping(bytes32 node => bool) internal isShown;
    /// Whether the honest party does nothing: a control.
    bool internal asleep;
    /// How often something was done.
    mapping(string what => uint256) public happened;
    /// The second that it is: within a call the compiler reads the block's only once.
    uint256 internal time;
    /// Bonds that were paid.
    uint256 public deposited;

    function begin() internal {
        wait(1_800_000_000);
        deploy();
        (_stillRoot, _stepsRoot) = (rightStretches.root(), rightSteps.root());
    }

    function wait(uint256 seconds_) internal {
        time += seconds_;
        vm.warp(time);
    }

    function join(address who) internal returns (bool ok) {
        vm.deal(who, who.balance + bond);
        vm.prank(who);
        try dispute.join{value: bond}() {
            deposited += bond;
            return true;
        } catch {
            vm.deal(who, who.balance - bond);
        }
    }

    // Trees

    /// The right states in a contest that begins in a right one.
    function rightStates(bytes32 contestId) internal view returns (Tree memory, bytes32 root) {
        Contest memory c = dispute.contest(contestId);
        if (c.level == LEVEL_STRETCHES || dispute.matchOf(c.first, c.second).index != 0) {
            return (rightStretches, _stillRoot);
        }
        return (rightSteps, _stepsRoot);
    }

    /// The witness of the step that a match of steps is about.
    function witnessOf(bytes32 first, bytes32 second) internal view returns (bytes memory) {
        uint256 index = dispute.matchOf(first, second).index;
        Contest memory c = dispute.contest(dispute.claim(first).contest);
        bool ended = dispute.matchOf(c.first, c.second).index != 0 || index >= witnesses.length;
        return ended ? abi.encodePacked(uint8(1), uint64(0), output) : witnesses[index];
    }

    /// What stands beside a child on the way up to the node of 32.
    function beside(bytes32[32] memory list, uint256 child, bool atLeaves)
        internal
        pure
        returns (bytes32[5] memory siblings_, bytes32 root)
    {
        bytes32[] memory level = new bytes32[](32);
        for (uint256 i; i < 32; ++i) {
            level[i] = atLeaves ? Commitments.leaf(list[i]) : list[i];
        }
        for (uint256 height; height < 5; ++height) {
            siblings_[height] = level[child >> height ^ 1];
            for (uint256 i; i < 16 >> height; ++i) {
                level[i] = Commitments.node(level[2 * i], level[2 * i + 1]);
            }
        }
        root = level[0];
    }

    // Claims

    /// A claim about a batch, whose root's children are published with it.
    function enter(bytes32 parent, Tree memory t, address party) internal returns (bytes32 id) {
        bytes32[32] memory children = t.children(15, 0);
        (, bytes32 root) = beside(children, 0, false);
        id = keccak256(abi.encode(parent, root, claimIds.length));
        rivals.post(id, parent, root, party, question, children);
        _book(id, parent, root, t, children);
    }

    /// A claim in a contest. With `spoilt` not 0 one of its root's children is nothing.
    function make(bytes32 contestId, uint8 side, Tree memory t, address party, bytes memory last, uint256 spoilt)
        internal
        returns (bytes32 id)
    {
        bytes32[32] memory children = t.children(20, 0);
        if (spoilt != 0) children[spoilt % 31] = bytes32(spoilt);
        bytes32[] memory path = t.path(LAST_LEAF);
        (bytes32[5] memory top, bytes32 root) = beside(children, 31, false);
        for (uint256 i; i < 5; ++i) {
            path[15 + i] = top[i];
        }
        vm.prank(party);
        try dispute.make(contestId, side, root, last, path, children) returns (bytes32 made) {
            id = made;
            _book(id, contestId, root, t, children);
            ++happened["make"];
        } catch {}
    }

    function _book(bytes32 id, bytes32 contest, bytes32 root, Tree memory t, bytes32[32] memory children) private {
        claimIds.push(id);
        members[contest].push(id);
        trees[id] = t;
        _show(root, children);
    }

    function _show(bytes32 node_, bytes32[32] memory children) private {
        if (isShown[node_]) return;
        (shown[node_], isShown[node_]) = (children, true);
    }

    /// Two claims that may be matched, in their order.
    function ordered(bytes32 a, bytes32 b) internal view returns (bytes32, bytes32) {
        (Claim memory x, Claim memory y) = (dispute.claim(a), dispute.claim(b));
        if (x.level != LEVEL_BLOCKS || x.postedAt == y.postedAt && x.side != y.side) {
            return x.side > y.side ? (b, a) : (a, b);
        }
        return x.postedAt > y.postedAt || x.postedAt == y.postedAt && a > b ? (b, a) : (a, b);
    }

    /// Moves for whichever side it is the turn of. With `spoil` not 0 one bit is wrong.
    function play(bytes32 first, bytes32 second, address mover, uint256 spoil) internal returns (bool ok) {
        Match memory m = dispute.matchOf(first, second);
        if (m.divided) return false;
        Tree memory mine = trees[m.turn == 0 ? first : second];
        (Selection memory s, uint256 place) = _select(m, mine);
        if (s.child == 32) return false;
        bytes memory call_;
        bytes32[32] memory next;
        if (m.height > 5) {
            next = mine.children(m.height - 5, place);
            call_ = abi.encodeCall(dispute.move, (first, second, s, next));
        } else if (place == 0) {
            call_ = abi.encodeCall(dispute.divide, (first, second, s, 0, new bytes32[](0)));
        } else {
            call_ = abi.encodeCall(dispute.divide, (first, second, s, mine.value(place - 1), mine.path(place - 1)));
        }
        // Within the selection: behind the ids of the claims.
        if (spoil != 0) call_[68 + spoil % (13 * 32)] ^= 0x01;
        vm.prank(mover);
        (ok,) = address(dispute).call(call_);
        if (!ok) return false;
        ++happened[m.height > 5 ? "move" : "divide"];
        if (m.height > 5) _show(s.mine, next);
        bytes32 id = dispute.matchId(first, second);
        if (m.height == 5 && dispute.contest(id).level != 0) contestIds.push(id);
    }

    /// Where the published children first differ; 32: nowhere.
    function _select(Match memory m, Tree memory mine) private view returns (Selection memory s, uint256 place) {
        bool atLeaves = m.height == 5;
        bytes32 own = m.nodes[m.turn];
        bytes32[32] memory a = isShown[own] ? shown[own] : mine.children(m.height, m.index);
        bytes32[32] memory b = shown[m.nodes[1 - m.turn]];
        while (s.child < 32 && a[s.child] == b[s.child]) {
            ++s.child;
        }
        if (s.child == 32) return (s, 0);
        (s.mine, s.theirs) = (a[s.child], b[s.child]);
        (s.mySiblings,) = beside(a, s.child, atLeaves);
        (s.theirSiblings,) = beside(b, s.child, atLeaves);
        place = 32 * uint256(m.index) + s.child;
    }

    function expire(bytes32 first, bytes32 second) internal {
        try dispute.expire(first, second) {
            ++happened["expire"];
        } catch {}
    }

    function fallSide(bytes32 contestId, uint8 side) internal {
        try dispute.fallSide(contestId, side) {
            ++happened["fallSide"];
        } catch {}
    }

    function fallWithParty(bytes32 id) internal {
        try dispute.fallWithParty(id) {
            ++happened["fallWithParty"];
        } catch {}
    }

    function step_(bytes32 first, bytes32 second, bytes memory witness, address mover) internal {
        vm.prank(mover);
        try dispute.step(first, second, witness) {
            ++happened["step"];
        } catch {}
    }

    /// Whether every wrong claim of a parent has fallen.
    function decided(bytes32 parent) internal view returns (bool) {
        bytes32[] storage list = members[parent];
        bytes32 right = dispute.claim(rightOf[parent]).root;
        for (uint256 i; i < list.length; ++i) {
            Claim memory c = dispute.claim(list[i]);
            if (!c.fallen && c.root != right) return false;
        }
        return true;
    }

    // The honest party

    /// Time goes by, with the honest party's turn at each end of `delay`, until both batches are decided, for twice the clock.
    function runOut(uint256 delay) internal {
        uint256 until = time + 2 * uint256(clock);
        honestTurn();
        while (time < until && !(decided(SIGNED) && decided(UNSIGNED))) {
            wait(delay);
            honestTurn();
        }
    }

    /// Everything that is to be done now. What is won at the end of it may decide what came before: twice.
    function honestTurn() internal {
        if (asleep) return;
        for (uint256 i; i < 2; ++i) {
            _guard(SIGNED);
            _guard(UNSIGNED);
        }
    }

    function _guard(bytes32 parent) private {
        bytes32 mine = rightOf[parent];
        if (mine == 0) return;
        bytes32[] storage list = members[parent];
        for (uint256 i; i < list.length; ++i) {
            if (list[i] != mine) _oppose(mine, list[i]);
        }
    }

    function _oppose(bytes32 mine, bytes32 theirs) private {
        Claim memory c = dispute.claim(theirs);
        if (c.fallen) return;
        if (dispute.party(c.party).fellAt != 0) {
            fallWithParty(theirs);
            // One about a batch may be adopted, so it is played against until then.
            if (c.level != LEVEL_BLOCKS || dispute.claim(theirs).fallen) return;
        }
        if (!dispute.counts(mine) || !dispute.counts(theirs)) return;
        if (dispute.claim(mine).root == c.root) return;
        (bytes32 first, bytes32 second) = ordered(mine, theirs);
        uint8 side = first == mine ? 0 : 1;
        Match memory m = dispute.matchOf(first, second);
        if (!m.divided && m.turn == side) {
            play(first, second, HONEST, 0);
            m = dispute.matchOf(first, second);
        }
        if (!m.divided || c.level == LEVEL_STEPS) {
            if (m.divided) return step_(first, second, witnessOf(first, second), HONEST);
            if (m.turn != side) expire(first, second);
        } else {
            _argue(dispute.matchId(first, second), side);
        }
    }

    function _argue(bytes32 contestId, uint8 side) private {
        (Tree memory right,) = rightStates(contestId);
        bytes32 mine = dispute.claimIdOf(contestId, side, HONEST);
        if (dispute.claim(mine).postedAt == 0) make(contestId, side, right, HONEST, "", 0);
        bytes32[] storage list = members[contestId];
        for (uint256 i; i < list.length; ++i) {
            if (dispute.claim(list[i]).side != side) _oppose(mine, list[i]);
        }
        Contest memory c = dispute.contest(contestId);
        (uint32 standing, uint40 left) = side == 1 ? (c.firstStanding, c.firstLeft) : (c.secondStanding, c.secondLeft);
        if (standing == 0 && time >= c.since + left) fallSide(contestId, 1 - side);
    }
}

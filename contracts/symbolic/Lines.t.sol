// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Lines} from "../src/rollup/Lines.sol";
import {Symbolic} from "./Symbolic.sol";

/// @title Lines of claims, against a tree in which everything is looked up.
/// @notice Each operation is one that `Claims` allows, with what it requires and calls of `Lines` written down here once more:
///
/// - A claim is posted on one that is not dead (`isLive`). The first child goes on with its parent's line. A further one begins
///   a line; it must come before one challenge period is over since the first (or, when all had fallen, the first after that)
///   was posted (`_oppose`).
/// - A claim falls that has not fallen, is not dead and not final (`isOpen`, of which `Dispute` makes sure), with a rival that
///   stands or without one (its party fell); or two rivals fall at once, both open before (`_fallUnless`).
///
/// **Shown**, after each operation: `_fate` says dead exactly if the claim or one above it fell, and else decided exactly if
/// none of them has a sibling that stands; so an undecided claim is not final. A claim that was final (not dead, decided, its
/// period over) before the operation is so after it.
///
/// **Bounds.** Every sequence of five operations from the genesis claim of batch 0; and, from one of batch 254 with
/// three claims one on the other, every sequence of three more: these lie on both sides of a word of `_undecided`. Times are any that do not
/// go back; the period is any.
///
/// **Assumed.** Times are below 2^40. The chain has not ended: after that nothing falls any more. Claims that end in no hash are
/// left out: they are never final, and nothing stands on them.
///
/// An overflow or underflow is a counterexample too, not only an `assert` that fails.
/// @custom:halmos --panic-error-codes 0x01,0x11,0x32
contract LinesCheck is Symbolic, Lines {
    uint256 private constant OPERATIONS = 5;
    /// Genesis, and six more.
    uint256 private constant MOST = 7;

    /// A claim of the tree. Genesis is the first.
    struct Node {
        uint256 parent;
        uint24 line;
        uint40 batch;
        uint256 postedAt;
        bool fell;
        /// Of its children: as in `Claims.Group`.
        bool hasChild;
        uint256 openedAt;
        uint256 standing;
    }

    /// In memory, which halmos reads faster than storage.
    struct Tree {
        Node[MOST] nodes;
        uint256 length;
        uint256 period;
        uint256 time;
    }

    function _begin(uint40 batch) private returns (Tree memory t) {
        (t.period, t.time, t.length) = (any(40), any(40), 1);
        t.nodes[0].batch = batch;
    }

    // What `Claims` does

    function _post(Tree memory t, uint256 parentIndex) private {
        Node memory parent = t.nodes[parentIndex];
        (bool isDead,) = _fate(parent.line, parent.batch);
        vm.assume(!isDead);
        uint24 line = parent.line;
        uint40 batch = parent.batch + 1;
        if (!parent.hasChild) {
            (parent.hasChild, parent.openedAt) = (true, t.time);
        } else {
            if (parent.standing == 0) {
                parent.openedAt = t.time;
            } else {
                vm.assume(t.time < parent.openedAt + t.period);
                if (parent.standing == 1) _setUndecided(line, batch);
            }
            line = _fork(line, batch);
        }
        ++parent.standing;
        t.nodes[t.length++] = Node(parentIndex, line, batch, t.time, false, false, 0, 0);
    }

    /// `Claims.isOpen`, and that it has not fallen.
    function _assumeOpen(Tree memory t, uint256 i) private view {
        Node memory n = t.nodes[i];
        (bool isDead, bool isDecided) = _fate(n.line, n.batch);
        vm.assume(!n.fell && !isDead);
        if (isDecided) vm.assume(t.time < n.postedAt + t.period);
    }

    /// `Claims.fall`.
    function _fall(Tree memory t, uint256 i) private {
        Node memory n = t.nodes[i];
        n.fell = true;
        _kill(n.line, n.batch);
        if (--t.nodes[n.parent].standing == 1) _setDecided(t.nodes[n.parent].line, n.batch);
    }

    /// One operation, at a time of its own.
    function _operate(Tree memory t) private {
        uint256 time = any(40);
        vm.assume(time >= t.time);
        t.time = time;
        uint256 kind = any(8);
        uint256 i = _pick(t, 0);
        if (kind == 0) {
            _post(t, i);
            return;
        }
        vm.assume(i != 0);
        _assumeOpen(t, i);
        if (kind == 1) {
            _fall(t, i);
            return;
        }
        uint256 j = _pick(t, i + 1);
        vm.assume(t.nodes[i].parent == t.nodes[j].parent);
        _assumeOpen(t, j);
        if (any(1) == 0) (i, j) = (j, i);
        _fall(t, i);
        _fall(t, j);
    }

    /// Any claim from one on.
    function _pick(Tree memory t, uint256 from) private returns (uint256) {
        uint256 place = any(8);
        for (uint256 i = from; i < t.length; ++i) {
            if (place == i) return i;
        }
        vm.assume(false);
        return 0;
    }

    // What must be so

    function _expected(Tree memory t, uint256 i) private pure returns (bool isDead, bool isDecided) {
        isDecided = true;
        for (; i != 0; i = t.nodes[i].parent) {
            if (t.nodes[i].fell) isDead = true;
            for (uint256 j = 1; j < t.length; ++j) {
                if (j != i && t.nodes[j].parent == t.nodes[i].parent && !t.nodes[j].fell) isDecided = false;
            }
        }
    }

    function _checkFates(Tree memory t) private view {
        for (uint256 i; i < t.length; ++i) {
            (bool isDead, bool isDecided) = _fate(t.nodes[i].line, t.nodes[i].batch);
            (bool dead, bool decided) = _expected(t, i);
            assert(isDead == dead);
            assert(dead || isDecided == decided);
        }
    }

    /// Claims that are final now or could be: not dead, and decided.
    function _standing(Tree memory t) private pure returns (uint256 bits) {
        for (uint256 i = 1; i < t.length; ++i) {
            (bool dead, bool decided) = _expected(t, i);
            if (!dead && decided) bits |= 1 << i;
        }
    }

    function _run(Tree memory t, uint256 operations) private {
        for (uint256 k; k < operations; ++k) {
            uint256 before = _standing(t);
            _operate(t);
            _checkFates(t);
            uint256 lost = before & ~_standing(t);
            // None of them had its period over.
            for (uint256 i = 1; i < t.length; ++i) {
                if (lost >> i & 1 == 1) assert(t.time < t.nodes[i].postedAt + t.period);
            }
        }
    }

    function check_fatesAndFinality() external {
        _run(_begin(0), OPERATIONS);
    }

    /// The claims on it are of batches 255, 256 and 257: the first of the other word is not the only one there.
    function check_fatesAndFinalityAcrossWords() external {
        Tree memory t = _begin(254);
        for (uint256 i; i < 3; ++i) {
            _post(t, i);
        }
        _run(t, 3);
    }

    // Controls: each is wrong, and halmos must find out why.

    /// A claim with a rival is not decided, though all periods may be over.
    function check_control_everyClaimIsDecided() external {
        Tree memory t = _begin(0);
        for (uint256 k; k < 3; ++k) {
            _operate(t);
        }
        assert(_standing(t) | 1 == (1 << t.length) - 1);
    }

    /// Whoever stood alone once, may fall as long as its period is not over.
    function check_control_whatIsDecidedNeverDies() external {
        Tree memory t = _begin(0);
        for (uint256 k; k < 3; ++k) {
            uint256 before = _standing(t);
            _operate(t);
            assert(before & ~_standing(t) == 0);
        }
    }

    /// A claim that falls when it is final, as `_assumeOpen` forbids.
    function check_control_finalClaimsDieIfTheyMayFall() external {
        Tree memory t = _begin(0);
        _post(t, 0);
        uint256 time = any(40);
        vm.assume(time >= t.time + t.period);
        t.time = time;
        _fall(t, 1);
        (bool isDead,) = _fate(t.nodes[1].line, t.nodes[1].batch);
        assert(!isDead);
    }

    /// Both sides of a word are reached.
    function check_control_noWordIsLeft() external {
        Tree memory t = _begin(254);
        for (uint256 k; k < 4; ++k) {
            _operate(t);
        }
        for (uint256 i; i < t.length; ++i) {
            assert(t.nodes[i].batch < 256 || t.nodes[i].line == 0);
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Selection} from "../../src/dispute/Openings.sol";
import {Commitments} from "../../src/lib/Commitments.sol";

/// @notice A tree of a dispute by what its leaves hold: `values[i]` from leaf `starts[i]` on, up to the next start or the end.
struct Tree {
    uint256[] starts;
    bytes32[] values;
    uint256 depth;
}

/// @notice Nodes, openings and paths of such trees, computed anew each time. Written without the contract's own arithmetic of
/// openings: each node is made of its children.
library PaddedTree {
    /// A tree whose first leaves hold these; the last is repeated to the end.
    function tree(bytes32[] memory list, uint256 depth) internal pure returns (Tree memory t) {
        t = Tree(new uint256[](list.length), list, depth);
        for (uint256 i; i < list.length; ++i) {
            t.starts[i] = i;
        }
    }

    /// All leaves hold the same.
    function still(bytes32 value_, uint256 depth) internal pure returns (Tree memory) {
        bytes32[] memory list = new bytes32[](1);
        list[0] = value_;
        return tree(list, depth);
    }

    /// The same up to a leaf, `lie` in that one, and `end` behind it.
    function lie(Tree memory t, uint256 from, bytes32 lie_, bytes32 end) internal pure returns (Tree memory other) {
        uint256 kept;
        while (kept < t.starts.length && t.starts[kept] < from) {
            ++kept;
        }
        other = Tree(new uint256[](kept + 2), new bytes32[](kept + 2), t.depth);
        for (uint256 i; i < kept; ++i) {
            (other.starts[i], other.values[i]) = (t.starts[i], t.values[i]);
        }
        (other.starts[kept], other.values[kept]) = (from, lie_);
        (other.starts[kept + 1], other.values[kept + 1]) = (from + 1, end);
    }

    /// What a leaf holds, and the first leaf after it that holds something else.
    function _run(Tree memory t, uint256 index) private pure returns (bytes32, uint256 end) {
        uint256 i = t.starts.length - 1;
        end = 1 << t.depth;
        while (t.starts[i] > index) {
            end = t.starts[i--];
        }
        return (t.values[i], end);
    }

    function value(Tree memory t, uint256 index) internal pure returns (bytes32 held) {
        (held,) = _run(t, index);
    }

    /// The node at `height` above the leaves and `index` of that height.
    function node(Tree memory t, uint256 height, uint256 index) internal pure returns (bytes32) {
        (bytes32 held, uint256 end) = _run(t, index << height);
        if (end >= index + 1 << height) {
            bytes32 hash = Commitments.leaf(held);
            for (uint256 i; i < height; ++i) {
                hash = Commitments.node(hash, hash);
            }
            return hash;
        }
        return Commitments.node(node(t, height - 1, 2 * index), node(t, height - 1, 2 * index + 1));
    }

    function root(Tree memory t) internal pure returns (bytes32) {
        return node(t, t.depth, 0);
    }

    /// What opening the node at `height` and `index` shows: nodes, or above leaves their values.
    function children(Tree memory t, uint256 height, uint256 index) internal pure returns (bytes32[32] memory list) {
        for (uint256 i; i < 32; ++i) {
            list[i] = height == 5 ? value(t, 32 * index + i) : node(t, height - 5, 32 * index + i);
        }
    }

    /// The siblings from a leaf up.
    function path(Tree memory t, uint256 index) internal pure returns (bytes32[] memory list) {
        list = new bytes32[](t.depth);
        for (uint256 height; height < t.depth; ++height) {
            list[height] = node(t, height, index >> height ^ 1);
        }
    }

    /// Where two trees first differ below their nodes at `height` and `index`.
    function select(Tree memory mine, Tree memory theirs, uint256 height, uint256 index)
        internal
        pure
        returns (Selection memory s)
    {
        bytes32[32] memory a = children(mine, height, index);
        bytes32[32] memory b = children(theirs, height, index);
        while (a[s.child] == b[s.child]) {
            ++s.child;
        }
        (s.mine, s.theirs) = (a[s.child], b[s.child]);
        uint256 place = 32 * index + s.child;
        for (uint256 level; level < 5; ++level) {
            s.mySiblings[level] = node(mine, height - 5 + level, place >> level ^ 1);
            s.theirSiblings[level] = node(theirs, height - 5 + level, place >> level ^ 1);
        }
    }
}

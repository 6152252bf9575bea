// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Commitments} from "../lib/Commitments.sol";

/// @notice Where two trees of one shape first differ, five levels below two nodes that differ. The order of siblings is from
/// below.
struct Selection {
    /// Which of the 32 children, from the left: the first that differs.
    uint256 child;
    /// The child of the side that moves, and that of the other. Above leaves: what the leaves hold.
    bytes32 mine;
    bytes32 theirs;
    /// What stands beside the way up to the node of the side that moves.
    bytes32[5] mySiblings;
    /// The same for the other; to the left both stand beside the same nodes.
    bytes32[5] theirSiblings;
}

/// @notice The trees that claims in a dispute are (protocol §8, §15.2), 32 children at a time. A leaf is
/// `keccak256(0x00 ‖ value)`, a node `keccak256(0x01 ‖ left ‖ right)`.
library Openings {
    /// A node opens to 32 children.
    error ChildOutOfRange(uint256 child);
    /// These lead to `root`, not to the node that stands.
    error NotOfNode(bytes32 root, bytes32 node);
    /// Left of the child that is selected the two trees differ: select the first child that differs.
    error DifferBefore(uint256 child);
    /// The two children are the same: there is nothing to argue about.
    error SameChild(bytes32 child);
    /// A path to a leaf has one sibling a level.
    error PathLengthWrong(uint256 length, uint256 expected);

    /// @notice Levels that one move opens.
    uint256 internal constant DEPTH = 5;
    /// @notice Children that one move opens.
    uint256 internal constant WIDTH = 32;

    /// @notice Reverts unless the children are those of `node`.
    /// @param atLeaves Whether they are what leaves hold, rather than nodes.
    function check(bytes32 node, bytes32[32] calldata children, bool atLeaves) internal pure {
        bytes32[] memory level = new bytes32[](WIDTH);
        for (uint256 i; i < WIDTH; ++i) {
            level[i] = atLeaves ? Commitments.leaf(children[i]) : children[i];
        }
        for (uint256 width = WIDTH / 2; width != 0; width /= 2) {
            for (uint256 i; i < width; ++i) {
                level[i] = Commitments.node(level[2 * i], level[2 * i + 1]);
            }
        }
        require(level[0] == node, NotOfNode(level[0], node));
    }

    /// @notice The root's children of the tree over the block hashes of a batch with one block.
    function ofSingle(bytes32 hash) internal pure returns (bytes32[32] memory children) {
        bytes32 child = Commitments.leaf(hash);
        bytes32 padding = Commitments.leaf(0);
        for (uint256 level; level < Commitments.TREE_DEPTH - DEPTH; ++level) {
            child = Commitments.node(child, padding);
            padding = Commitments.node(padding, padding);
        }
        children[0] = child;
        for (uint256 i = 1; i < WIDTH; ++i) {
            children[i] = padding;
        }
    }

    /// @notice Reverts unless the selection says where the trees under two nodes first differ.
    /// @param mine The node of the side that moves.
    /// @param theirs The node of the other.
    /// @param atLeaves Whether the children are what leaves hold.
    /// @return myChild The child, as a node.
    /// @return theirChild The other's, as a node.
    function select(bytes32 mine, bytes32 theirs, Selection calldata s, bool atLeaves)
        internal
        pure
        returns (bytes32 myChild, bytes32 theirChild)
    {
        require(s.child < WIDTH, ChildOutOfRange(s.child));
        require(s.mine != s.theirs, SameChild(s.mine));
        (myChild, theirChild) = atLeaves ? (Commitments.leaf(s.mine), Commitments.leaf(s.theirs)) : (s.mine, s.theirs);
        (bytes32 a, bytes32 b) = (myChild, theirChild);
        for (uint256 level; level < DEPTH; ++level) {
            if (s.child >> level & 1 == 1) {
                require(s.mySiblings[level] == s.theirSiblings[level], DifferBefore(s.child));
                a = Commitments.node(s.mySiblings[level], a);
                b = Commitments.node(s.theirSiblings[level], b);
            } else {
                a = Commitments.node(a, s.mySiblings[level]);
                b = Commitments.node(b, s.theirSiblings[level]);
            }
        }
        require(a == mine, NotOfNode(a, mine));
        require(b == theirs, NotOfNode(b, theirs));
    }

    /// @notice Reverts unless the leaf at `index` of the tree with this root holds `value`.
    /// @param path The siblings beside the way up, from below.
    function checkLeaf(bytes32 root, uint256 depth, uint256 index, bytes32 value, bytes32[] calldata path)
        internal
        pure
    {
        require(path.length == depth, PathLengthWrong(path.length, depth));
        bytes32 node = Commitments.leaf(value);
        for (uint256 level; level < depth; ++level) {
            node = index >> level & 1 == 1 ? Commitments.node(path[level], node) : Commitments.node(node, path[level]);
        }
        require(node == root, NotOfNode(node, root));
    }
}

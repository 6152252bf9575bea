// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClaimPreimage} from "../../src/lib/Commitments.sol";
import {Batch, Finalize, Messages} from "../../src/lib/Messages.sol";
import {Finalization, ParentClaim} from "../../src/rollup/IInbox.sol";
import {Post} from "./Fixture.sol";
import {Offences} from "./Offences.sol";

/// @notice What anyone does when the seats do not: self-sequencing, claims with a bond; and what seats do then.
abstract contract Forced is Offences {
    using Messages for Batch;
    using Messages for Finalize;

    function selfSequence() internal returns (uint64 index) {
        vm.deal(POSTER, 100 ether);
        vm.prank(POSTER, POSTER);
        index = inbox.selfSequence();
        lastHeight += 1;
    }

    function id(ClaimPreimage memory claim) internal pure returns (bytes32) {
        return keccak256(abi.encode(claim));
    }

    /// A claim of the self-sequenced batch after `parent`.
    function claimAfter(ClaimPreimage memory parent, bytes32 hash) internal pure returns (ClaimPreimage memory) {
        bytes32[] memory hashes = new bytes32[](1);
        hashes[0] = hash;
        (bytes32 root,) = tree(hashes);
        return ClaimPreimage(parent.rollup, parent.batchIndex + 1, id(parent), parent.lastHash, hash, root);
    }

    function bond(ClaimPreimage memory claim, ClaimPreimage memory parent) internal returns (bytes32) {
        vm.deal(POSTER, 100 ether);
        vm.prank(POSTER);
        return claims.postBonded{value: parameters.claimBond}(claim, parent);
    }

    function preimage(ClaimPreimage memory c) internal pure returns (ParentClaim memory) {
        return ParentClaim(c.parentId, c.prevHash, c.lastHash, c.blockHashRoot);
    }

    function ancestry(ClaimPreimage memory a) internal pure returns (ParentClaim[] memory list) {
        list = new ParentClaim[](1);
        list[0] = preimage(a);
    }

    function ancestry(ClaimPreimage memory a, ClaimPreimage memory b)
        internal
        pure
        returns (ParentClaim[] memory list)
    {
        list = new ParentClaim[](2);
        (list[0], list[1]) = (preimage(a), preimage(b));
    }

    /// Votes of the members whose bits are set, for a block of a statement's term.
    function finalization(Batch memory s, bytes32 blockHash, uint64 signers)
        internal
        view
        returns (Finalization memory f)
    {
        (f.view_, f.parentView, f.signers) = (9, 8, signers);
        bytes32 hash = Finalize(s.rollup, s.term, s.genesis, 9, 8, blockHash).hash();
        for (uint256 i; i < 64; ++i) {
            if (signers >> i & 1 == 1) f.signatures = bytes.concat(f.signatures, sign(keyOf(i), hash));
        }
    }

    function none() internal pure returns (Finalization memory) {}

    function sendWith(Post memory post, ParentClaim[] memory ancestors, Finalization memory f) internal {
        vm.deal(POSTER, 100 ether);
        vm.prank(POSTER, POSTER);
        inbox.postBatchWith(post.statement, ancestors, post.leftSiblings, post.signers, post.signatures, post.data, f);
    }

    function refusedWith(Post memory post, ParentClaim[] memory ancestors, Finalization memory f, bytes memory reason)
        internal
    {
        vm.deal(POSTER, 100 ether);
        vm.expectRevert(reason);
        vm.prank(POSTER, POSTER);
        inbox.postBatchWith(post.statement, ancestors, post.leftSiblings, post.signers, post.signatures, post.data, f);
    }

    /// A message that buys half of a block's share of gas.
    function sendLarge() internal {
        vm.deal(POSTER, 100 ether);
        vm.prank(POSTER, POSTER);
        bridge.depositTransaction{value: 1 ether}(POSTER, 0, parameters.messages.maxGas, "");
    }
}

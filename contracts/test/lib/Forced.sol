// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClaimPreimage} from "../../src/lib/Commitments.sol";
import {Batch, Finalize, Messages} from "../../src/lib/Messages.sol";
import {Posting} from "../../src/rollup/IClaims.sol";
import {Finalization, ParentClaim} from "../../src/rollup/IInbox.sol";
import {Post} from "./Fixture.sol";
import {Offences} from "./Offences.sol";
import {PaddedTree, Tree} from "./PaddedTree.sol";

/// @notice What anyone does when the seats do not: self-sequencing, claims with a bond; and what seats do then.
abstract contract Forced is Offences {
    using Messages for Batch;
    using Messages for Finalize;
    using PaddedTree for Tree;

    /// The block hashes of claims, by their root.
    mapping(bytes32 root => bytes32[]) private _hashes;

    function selfSequence() internal returns (uint64 index) {
        Batch memory s;
        s.inboxTip = inbox.inboxTip();
        vm.deal(POSTER, 100 ether);
        vm.prank(POSTER, POSTER);
        index = inbox.selfSequence();
        lastHeight += 1;
        (s.rollup, s.term) = (parameters.rollup, registry.currentTerm());
        (s.firstHeight, s.lastHeight, s.lastBlockTime) = (lastHeight, lastHeight, inbox.lastBlockTime());
        s.messageCount = inbox.consumedMessages();
        s.messageAcc = inbox.accumulator(s.messageCount);
        posted[index] = s;
    }

    function id(ClaimPreimage memory claim) internal pure returns (bytes32) {
        return keccak256(abi.encode(claim));
    }

    /// A claim of the batch after `parent`, which has one block.
    function claimAfter(ClaimPreimage memory parent, bytes32 hash) internal returns (ClaimPreimage memory) {
        bytes32[] memory hashes = new bytes32[](1);
        hashes[0] = hash;
        return claimAfter(parent, hashes);
    }

    /// A claim of the batch after `parent`.
    function claimAfter(ClaimPreimage memory parent, bytes32[] memory hashes) internal returns (ClaimPreimage memory c) {
        c = ClaimPreimage(parent.rollup, parent.batchIndex + 1, id(parent), parent.lastHash, hashes[hashes.length - 1], 0);
        c.blockHashRoot = PaddedTree.tree(_ended(hashes), 15).root();
        _hashes[c.blockHashRoot] = hashes;
    }

    /// What has a batch's hashes followed by the padding.
    function _ended(bytes32[] memory hashes) private pure returns (bytes32[] memory list) {
        list = new bytes32[](hashes.length + 1);
        for (uint256 i; i < hashes.length; ++i) {
            list[i] = hashes[i];
        }
    }

    /// What comes with a bonded claim.
    function posting(ClaimPreimage memory claim, ClaimPreimage memory parent) internal view returns (Posting memory p) {
        p.parent = parent;
        p.statement = posted[claim.batchIndex];
        uint64 last = (claim.batchIndex + 31) / 32 * 32;
        if (last > inbox.batchIndex()) last = inbox.batchIndex();
        if (last < claim.batchIndex) last = claim.batchIndex;
        p.later = new bytes32[](last - claim.batchIndex);
        for (uint64 i; i < p.later.length; ++i) {
            p.later[i] = posted[claim.batchIndex + 1 + i].hash();
        }
        bytes32[] memory hashes = _hashes[claim.blockHashRoot];
        if (hashes.length == 0) return p;
        p.children = PaddedTree.tree(_ended(hashes), 15).children(15, 0);
        (, p.leftSiblings) = tree(hashes);
    }

    /// The same of a rival of the one claim that the parent has so far.
    function posting(ClaimPreimage memory rival, ClaimPreimage memory parent, ClaimPreimage memory first)
        internal
        view
        returns (Posting memory p)
    {
        p = posting(rival, parent);
        p.first = first;
    }

    /// What else the batch of a signed claim might have come to.
    function rivalOf(ClaimPreimage memory claim, ClaimPreimage memory parent, bytes32 what)
        internal
        returns (ClaimPreimage memory)
    {
        Batch memory s = posted[claim.batchIndex];
        bytes32[] memory hashes = new bytes32[](s.lastHeight - s.firstHeight + 1);
        for (uint256 i; i < hashes.length; ++i) {
            hashes[i] = keccak256(abi.encode(what, i));
        }
        return claimAfter(parent, hashes);
    }

    /// Posts a rival of the one signed claim with this parent.
    function oppose(address who, ClaimPreimage memory rival, ClaimPreimage memory parent, ClaimPreimage memory first)
        internal
        returns (bytes32)
    {
        return bondWith(who, rival, posting(rival, parent, first));
    }

    function join(address who) internal {
        if (dispute.party(who).bond != 0) return;
        vm.deal(who, 100 ether);
        vm.prank(who);
        dispute.join{value: parameters.claimBond}();
    }

    function bond(ClaimPreimage memory claim, ClaimPreimage memory parent) internal returns (bytes32) {
        return bondAs(POSTER, claim, parent);
    }

    function bondAs(address who, ClaimPreimage memory claim, ClaimPreimage memory parent) internal returns (bytes32) {
        return bondWith(who, claim, posting(claim, parent));
    }

    function bondWith(address who, ClaimPreimage memory claim, Posting memory p) internal returns (bytes32) {
        join(who);
        vm.prank(who);
        return claims.postBonded(claim, p);
    }

    /// The claim lost a dispute.
    function fall(ClaimPreimage memory claim) internal {
        vm.prank(address(dispute));
        claims.fall(id(claim), claim.parentId, true);
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

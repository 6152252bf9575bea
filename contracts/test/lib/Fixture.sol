// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Seat} from "../../src/bonding/ISequencerRegistry.sol";
import {SequencerRegistry} from "../../src/bonding/SequencerRegistry.sol";
import {Slasher} from "../../src/bonding/Slasher.sol";
import {Bridge} from "../../src/bridge/Bridge.sol";
import {Dispute} from "../../src/dispute/Dispute.sol";
import {IDispute} from "../../src/dispute/IDispute.sol";
import {Preimages} from "../../src/dispute/Preimages.sol";
import {RiscV} from "../../src/dispute/RiscV.sol";
import {Equivocation} from "../../src/faults/Equivocation.sol";
import {Idle} from "../../src/faults/Idle.sol";
import {InvalidState} from "../../src/faults/InvalidState.sol";
import {ClaimPreimage} from "../../src/lib/Commitments.sol";
import {Batch, Messages, VoteKey} from "../../src/lib/Messages.sol";
import {ProtocolParameters} from "../../src/lib/Parameters.sol";
import {Claims} from "../../src/rollup/Claims.sol";
import {IClaims} from "../../src/rollup/IClaims.sol";
import {ParentClaim} from "../../src/rollup/IInbox.sol";
import {Inbox} from "../../src/rollup/Inbox.sol";
import {ParametersFile} from "./ParametersFile.sol";

/// @notice Everything that a poster brings to the inbox.
struct Post {
    Batch statement;
    ParentClaim parent;
    bytes32[] leftSiblings;
    uint64 signers;
    bytes signatures;
    bytes data;
}

/// @notice A whole rollup on L1 with honest seats, whose keys the test holds.
abstract contract Fixture is ParametersFile {
    using Messages for Batch;
    using Messages for VoteKey;

    uint64 internal constant GENESIS_TIME = 1_800_000_000;
    bytes32 internal constant GENESIS_HASH = keccak256("L2 genesis");
    address internal constant OWNER = address(0x0A11CE);
    address internal constant POSTER = address(0x90057E5);

    ProtocolParameters internal parameters;
    SequencerRegistry internal registry;
    Claims internal claims;
    Inbox internal inbox;
    Bridge internal bridge;
    Equivocation internal equivocation;
    Idle internal idle;
    InvalidState internal invalidState;
    Slasher internal slasher;
    Dispute internal dispute;
    /// @dev What the honest seats know of the chain so far.
    ClaimPreimage internal head;
    uint64 internal lastHeight;
    /// @dev What was posted, by the batch's index.
    mapping(uint64 batchIndex => Batch) internal posted;
    /// @dev Honest batches have no data: where Foundry cannot send blobs.
    bool internal withoutData;

    /// Private key of the seat at a place; rotated keys take places from 1000 on.
    function keyOf(uint256 place) internal pure returns (uint256) {
        return 0x5EA7_0000 + place;
    }

    function peerKeyOf(uint256 place) internal pure returns (bytes32) {
        return keccak256(abi.encode("peer", place));
    }

    /// Contracts with the ci profile and `seats` founding seats, opened.
    function deploy(uint256 seats) internal {
        deployClosed();
        for (uint256 i; i < seats; ++i) {
            register(i);
        }
        registry.open();
    }

    /// Contracts alone.
    function deployClosed() internal {
        if (parameters.rollup == 0) parameters = profile("ci");
        vm.warp(GENESIS_TIME + 10);
        vm.roll(1000);
        vm.fee(10 gwei);
        vm.blobBaseFee(1 gwei);
        vm.txGasPrice(12 gwei);
        uint256 nonce = vm.getNonce(address(this));
        registry = new SequencerRegistry(
            parameters,
            vm.computeCreateAddress(address(this), nonce + 7),
            vm.computeCreateAddress(address(this), nonce + 2)
        );
        claims = new Claims(
            registry,
            vm.computeCreateAddress(address(this), nonce + 2),
            IDispute(vm.computeCreateAddress(address(this), nonce + 10)),
            GENESIS_HASH
        );
        inbox = new Inbox(registry, claims, vm.computeCreateAddress(address(this), nonce + 3), GENESIS_TIME);
        bridge = new Bridge(inbox);
        equivocation = new Equivocation(registry);
        idle = new Idle(registry, inbox);
        invalidState = new InvalidState(claims);
        slasher = new Slasher(registry, equivocation, idle, invalidState);
        RiscV riscv = new RiscV(new Preimages());
        dispute = new Dispute(registry, address(claims), riscv, keccak256("parameters"), keccak256("program"), 0);
        head = ClaimPreimage(parameters.rollup, 0, 0, 0, GENESIS_HASH, 0);
        lastHeight = 0;
    }

    function register(uint256 place) internal returns (uint64) {
        bytes memory proof = prove(OWNER, keyOf(place), peerKeyOf(place));
        vm.deal(address(this), address(this).balance + parameters.bond);
        return registry.register{value: parameters.bond}(OWNER, vm.addr(keyOf(place)), peerKeyOf(place), proof);
    }

    function prove(address owner, uint256 key, bytes32 peerKey) internal view returns (bytes memory) {
        return sign(key, VoteKey(owner, peerKey).hash());
    }

    /// EIP-2098 signature over a struct hash in the registry's domain.
    function sign(uint256 key, bytes32 structHash) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, Messages.digest(registry.domainSeparator(), structHash));
        return abi.encodePacked(r, bytes32(uint256(s) | uint256(v - 27) << 255));
    }

    /// Time and height of L1 go on.
    function pass(uint256 time) internal {
        vm.roll(block.number + (time + 1) / 2);
        vm.warp(block.timestamp + time);
    }

    /// The next `count` blocks as the honest seats would post them: all messages so far, data in one blob.
    function honest(uint256 count) internal returns (Post memory post) {
        Batch memory s = post.statement;
        s.rollup = parameters.rollup;
        s.term = registry.currentTerm();
        s.genesis = GENESIS_HASH;
        s.firstHeight = lastHeight + 1;
        s.lastHeight = lastHeight + uint64(count);
        s.parentClaim = keccak256(abi.encode(head));
        s.prevHash = head.lastHash;
        bytes32[] memory hashes = blockHashes(s.firstHeight, count);
        s.lastHash = hashes[count - 1];
        // The tree is built in place.
        (s.blockHashRoot, post.leftSiblings) = tree(hashes);
        s.lastBlockTime = uint64(block.timestamp) - 1;
        s.messageCount = inbox.messageCount();
        s.messageAcc = inbox.accumulator(s.messageCount);
        s.inboxTip = inbox.inboxTip();
        if (!withoutData) s.dataHash = attachBlobs(1);
        post.parent = ParentClaim(head.parentId, head.prevHash, head.lastHash, head.blockHashRoot);
        certify(post);
    }

    function blockHashes(uint64 first, uint256 count) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            hashes[i] = keccak256(abi.encode("block", uint256(first) + i));
        }
    }

    /// Gives the next transactions this many blobs; their data hash.
    function attachBlobs(uint256 count) internal returns (bytes32) {
        bytes32[] memory blobs = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            blobs[i] = bytes32(uint256(keccak256(abi.encode("blob", lastHeight, i))) >> 8 | 1 << 248);
        }
        vm.blobhashes(blobs);
        return keccak256(abi.encodePacked(uint8(1), blobs));
    }

    /// Signs by the least quorum from place 0 on.
    function certify(Post memory post) internal view {
        uint256 n = registry.committee(post.statement.term).length;
        certify(post, uint64((1 << (n * 2 / 3 + 1)) - 1));
    }

    function certify(Post memory post, uint64 signers) internal view {
        post.signers = signers;
        post.signatures = "";
        for (uint256 i; i < 64; ++i) {
            if (signers >> i & 1 == 0) continue;
            post.signatures = bytes.concat(post.signatures, sign(keyOf(i), post.statement.hash()));
        }
    }

    /// Signs by one seat, where it is the only member that is left.
    function certifyAlone(Post memory post, uint256 place) internal view {
        (post.signers, post.signatures) = (1, sign(keyOf(place), post.statement.hash()));
    }

    function send(Post memory post) internal {
        vm.deal(POSTER, 100 ether);
        vm.prank(POSTER, POSTER);
        inbox.postBatch(
            post.statement, post.parent, post.leftSiblings, post.signers, post.signatures, post.data
        );
    }

    /// Posts and remembers what the chain is now.
    function succeed(Post memory post) internal {
        send(post);
        Batch memory s = post.statement;
        head = ClaimPreimage(
            s.rollup, head.batchIndex + 1, s.parentClaim, s.prevHash, s.lastHash, s.blockHashRoot
        );
        lastHeight = s.lastHeight;
        posted[head.batchIndex] = s;
    }

    /// The tree over hashes by its definition (the padded right side level by level), and the last leaf's left siblings.
    function tree(bytes32[] memory level) internal pure returns (bytes32, bytes32[] memory) {
        bytes32 padding = keccak256(abi.encodePacked(uint8(0), bytes32(0)));
        bytes memory left;
        for (uint256 i; i < level.length; ++i) {
            level[i] = keccak256(abi.encodePacked(uint8(0), level[i]));
        }
        for (uint256 depth; depth < 15; ++depth) {
            if (level.length % 2 == 0) left = bytes.concat(left, level[level.length - 2]);
            level = _above(level, padding);
            padding = keccak256(abi.encodePacked(uint8(1), padding, padding));
        }
        return (level[0], _words(left));
    }

    function _above(bytes32[] memory level, bytes32 padding) private pure returns (bytes32[] memory next) {
        next = new bytes32[]((level.length + 1) / 2);
        for (uint256 i; i < next.length; ++i) {
            bytes32 right = 2 * i + 1 < level.length ? level[2 * i + 1] : padding;
            next[i] = keccak256(abi.encodePacked(uint8(1), level[2 * i], right));
        }
    }

    function _words(bytes memory packed) private pure returns (bytes32[] memory words) {
        words = new bytes32[](packed.length / 32);
        for (uint256 i; i < words.length; ++i) {
            bytes32 word;
            assembly ("memory-safe") {
                word := mload(add(add(packed, 32), mul(i, 32)))
            }
            words[i] = word;
        }
    }
}

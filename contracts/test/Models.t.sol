// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Member} from "../src/bonding/ISequencerRegistry.sol";
import {Fixture, Post} from "./lib/Fixture.sol";

/// @notice The ring of messages and the committees, against the plainest models of them.
contract ModelsTest is Fixture {
    /// forge-config: default.fuzz.runs = 24
    function testFuzz_the_ring_forgets_nothing_that_is_needed(uint256 seed) external {
        deploy(4);
        withoutData = true;
        vm.warp(GENESIS_TIME + 11);
        bytes32[] memory accs = new bytes32[](700);
        uint256[] memory gas_ = new uint256[](700);
        uint256 n;
        for (uint256 i; i < 520; ++i) {
            vm.roll(2000 + i);
            seed = uint256(keccak256(abi.encode(seed)));
            inbox.poke();
            n = _note(accs, gas_, n);
            if ((seed >> 16) % (i < 300 ? 150 : 20) == 0) {
                uint64 consumed = inbox.consumedMessages();
                uint64 count = uint64(bound(seed >> 32, consumed, n));
                if (count > consumed + 140) count = consumed + 140;
                this.postSome(count, accs[count]);
                n = _note(accs, gas_, n);
            }
            if (i % 65 == 64) _check(accs, gas_, n);
        }
    }

    function _note(bytes32[] memory accs, uint256[] memory gas_, uint256 n) private view returns (uint256) {
        for (uint256 sent = inbox.messageCount(); n < sent;) {
            ++n;
            accs[n] = inbox.accumulator(uint64(n));
            (, gas_[n]) = inbox.messageMeta(uint64(n) - 1);
        }
        return n;
    }

    function postSome(uint64 count, bytes32 acc) external {
        Post memory post = honest(2);
        post.statement.messageCount = count;
        post.statement.messageAcc = acc;
        post.statement.lastBlockTime = GENESIS_TIME + post.statement.lastHeight / 5;
        vm.warp(GENESIS_TIME + 11 + post.statement.lastHeight / 5);
        certify(post);
        succeed(post);
    }

    function _check(bytes32[] memory accs, uint256[] memory gas_, uint256 n) private view {
        for (uint64 c = inbox.consumedMessages(); c <= n; ++c) {
            vm.assertEq(inbox.accumulator(c), accs[c]);
            if (c == 0) continue;
            (, uint256 g) = inbox.messageMeta(c - 1);
            vm.assertEq(g, gas_[c]);
        }
    }

    /// forge-config: default.fuzz.runs = 40
    function testFuzz_committees_are_those_eligible_one_epoch_before(uint256 seed) external {
        deploy(5);
        uint64[][] memory model = new uint64[][](16);
        (model[0], model[1]) = (registry.liveSeats(), registry.liveSeats());
        uint256 next = 5;
        for (uint256 e; e < 12; ++e) {
            // The first second of epoch e: what is eligible now serves in e + 1.
            if (e != 0) model[e + 1] = registry.liveSeats();
            for (uint256 k; k < 3; ++k) {
                seed = uint256(keccak256(abi.encode(seed)));
                uint64[] memory live = registry.liveSeats();
                if (seed % 4 == 0 && next < 60) register(next++);
                if (seed % 4 == 1 && live.length > 0) {
                    vm.prank(OWNER);
                    registry.requestExit(live[(seed >> 8) % live.length]);
                }
                if (seed % 4 == 2) {
                    try registry.sealCommittee() {} catch {}
                }
                if ((seed >> 100) % 3 == 0) {
                    uint64 t = registry.currentTerm();
                    address c = registry.postingCommittee(t);
                    vm.assertEq((c.code.length - 1) / 60, model[e].length < 4 ? 0 : model[e].length, "posting");
                }
                if (k < 2) pass((seed >> 128) % 29);
            }
            vm.warp(registry.genesisTime() + (e + 1) * parameters.epochLength);
        }
        try registry.sealCommittee() {} catch {}
        for (uint64 e; e <= 12; ++e) {
            Member[] memory members = registry.committee(e + 1);
            vm.assertEq(members.length, model[e].length < 4 ? 0 : model[e].length, vm.toString(e));
            for (uint256 i; i < members.length; ++i) {
                vm.assertEq(members[i].seat, model[e][i]);
            }
        }
    }
}

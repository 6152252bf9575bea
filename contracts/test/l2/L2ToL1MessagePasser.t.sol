// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {TrieProof} from "@openzeppelin/contracts/utils/cryptography/TrieProof.sol";

import {IL2ToL1MessagePasser} from "../../src/l2/IL2ToL1MessagePasser.sol";
import {WithdrawalHash} from "../../src/l2/WithdrawalHash.sol";
import {L2Test} from "./L2Test.sol";

contract L2ToL1MessagePasserTest is L2Test {
    uint256 internal constant VERSION = 1 << 240;

    function read(string memory json, string memory entry) internal pure returns (Withdrawal memory w, bytes32 slot) {
        w.nonce = vm.parseJsonUint(json, string.concat(entry, ".nonce"));
        w.sender = vm.parseJsonAddress(json, string.concat(entry, ".sender"));
        w.target = vm.parseJsonAddress(json, string.concat(entry, ".target"));
        w.value = vm.parseJsonUint(json, string.concat(entry, ".value"));
        w.gasLimit = vm.parseJsonUint(json, string.concat(entry, ".gasLimit"));
        w.data = vm.parseJsonBytes(json, string.concat(entry, ".data"));
        w.hash = vm.parseJsonBytes32(json, string.concat(entry, ".hash"));
        slot = vm.parseJsonBytes32(json, string.concat(entry, ".slot"));
    }

    function element(string memory list, uint256 i) internal pure returns (string memory) {
        return string.concat("$.", list, "[", vm.toString(i), "]");
    }

    function test_withdrawals_have_the_hashes_and_slots_of_the_golden_vectors() public {
        string memory json = vm.readFile("vectors/withdrawals.json");
        uint256 i;
        for (string memory entry = element("sent", 0); vm.keyExistsJson(json, entry); entry = element("sent", i)) {
            i++;
            (Withdrawal memory w, bytes32 slot) = read(json, entry);
            vm.assertEq(WithdrawalHash.compute(w.nonce, w.sender, w.target, w.value, w.gasLimit, w.data), w.hash);
            vm.store(address(passer), bytes32(uint256(1)), bytes32(w.nonce & (VERSION - 1)));
            vm.deal(w.sender, w.value);
            vm.expectEmit(true, true, true, true, address(passer));
            emit IL2ToL1MessagePasser.MessagePassed(w.nonce, w.sender, w.target, w.value, w.gasLimit, w.data, w.hash);
            vm.prank(w.sender);
            passer.initiateWithdrawal{value: w.value}(w.target, w.gasLimit, w.data);
            vm.assertTrue(passer.sentMessages(w.hash));
            vm.assertEq(vm.load(address(passer), slot), bytes32(uint256(1)));
            vm.deal(address(passer), 0);
        }
        vm.assertEq(i, 7);
    }

    function test_the_golden_proofs_prove_what_was_sent_and_nothing_else() public view {
        string memory json = vm.readFile("vectors/withdrawals.json");
        bytes32 root = vm.parseJsonBytes32(json, "$.storageRoot");
        string[2] memory lists = ["sent", "notSent"];
        uint256[2] memory sizes = [uint256(7), 3];
        for (uint256 l; l < 2; l++) {
            for (uint256 i; i < sizes[l]; i++) {
                string memory entry = element(lists[l], i);
                (Withdrawal memory w, bytes32 slot) = read(json, entry);
                vm.assertEq(slot, keccak256(abi.encode(w.hash, uint256(0))));
                bytes[] memory proof = vm.parseJsonBytesArray(json, string.concat(entry, ".proof"));
                bytes memory key = abi.encodePacked(keccak256(abi.encode(slot)));
                vm.assertEq(proves(root, key, proof), l == 0);
            }
        }
    }

    /// OpenZeppelin's verifier answers a path that ends at an empty child of a branch by a revert.
    function proves(bytes32 root, bytes memory key, bytes[] memory proof) internal view returns (bool) {
        try this.verify(root, key, proof) returns (bool proven) {
            return proven;
        } catch {
            return false;
        }
    }

    function verify(bytes32 root, bytes memory key, bytes[] memory proof) external pure returns (bool) {
        return TrieProof.verify(hex"01", root, key, proof);
    }

    function testFuzz_each_withdrawal_is_recorded_and_no_two_are_the_same(
        address sender,
        address target,
        uint96 value,
        uint256 gasLimit,
        bytes memory data
    ) public {
        vm.assume(sender != address(passer));
        gasLimit %= 10_000_001;
        vm.deal(sender, 2 * uint256(value));
        bytes32[2] memory hashes;
        for (uint256 i; i < 2; i++) {
            vm.assertEq(passer.messageNonce(), VERSION + i);
            vm.recordLogs();
            vm.prank(sender);
            passer.initiateWithdrawal{value: value}(target, gasLimit, data);
            Withdrawal memory w = loggedWithdrawal();
            vm.assertEq(w.hash, keccak256(abi.encode(VERSION + i, sender, target, uint256(value), gasLimit, data)));
            vm.assertEq(w.nonce, VERSION + i);
            vm.assertTrue(passer.sentMessages(w.hash));
            hashes[i] = w.hash;
        }
        vm.assertTrue(hashes[0] != hashes[1]);
        vm.assertEq(address(passer).balance, 2 * uint256(value));
    }

    function testFuzz_a_withdrawal_that_L1_could_never_call_is_refused(uint256 gasLimit) public {
        if (gasLimit <= 10_000_000) gasLimit += 10_000_001;
        vm.deal(ALICE, 1 ether);
        vm.prank(ALICE);
        vm.expectRevert(
            abi.encodeWithSelector(IL2ToL1MessagePasser.GasLimitTooHigh.selector, gasLimit, 10_000_000)
        );
        passer.initiateWithdrawal{value: 1 ether}(BOB, gasLimit, "");
        vm.assertEq(passer.messageNonce(), VERSION);
        vm.assertEq(ALICE.balance, 1 ether);
    }

    function test_a_plain_transfer_is_a_withdrawal_to_the_sender() public {
        vm.recordLogs();
        vm.prank(ALICE);
        (bool taken,) = address(passer).call{value: 5}("");
        vm.assertTrue(taken, "taken");
        Withdrawal memory w = loggedWithdrawal();
        vm.assertEq(w.sender, ALICE);
        vm.assertEq(w.target, ALICE);
        vm.assertEq(w.value, 5);
        vm.assertEq(w.gasLimit, 100_000);
        vm.assertEq(w.data, "");
    }

    function test_burning_takes_the_withdrawn_ether_out_of_existence() public {
        vm.deal(address(passer), 3 ether);
        address burner = vm.computeCreateAddress(address(passer), vm.getNonce(address(passer)));
        vm.expectEmit(true, false, false, true, address(passer));
        emit IL2ToL1MessagePasser.WithdrawerBalanceBurnt(3 ether);
        passer.burn();
        vm.assertEq(address(passer).balance, 0);
        vm.assertEq(burner.balance, 0);
        vm.assertEq(burner.code.length, 0);
        passer.burn();
    }
}

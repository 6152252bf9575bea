// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Preimages} from "../src/dispute/Preimages.sol";
import {RiscV} from "../src/dispute/RiscV.sol";
import {Element, Parts} from "./lib/Parts.sol";

/// @notice The golden steps that Rust makes too (`vectors/steps.json`, written by `steps.mjs` without any code of ours).
contract StepVectorsTest is Parts {
    /// There are at least so many cases, of so many mnemonics, and so many of each.
    uint256 private constant CASES = 700;
    uint256 private constant MNEMONICS = 72;
    uint256 private constant CASES_EACH = 3;

    Preimages private _preimages = new Preimages();
    RiscV private _riscv = new RiscV(_preimages);
    mapping(bytes32 mnemonic => uint256) private _counts;

    /// Loads what steps read.
    function setUp() external {
        bytes[] memory values = vm.parseJsonBytesArray(_file(), ".values");
        for (uint256 i; i < values.length; ++i) {
            _preimages.loadKeccak(none(), values[i], allOf(values[i]));
        }
        (bytes32 versionedHash, bytes memory commitment, Element[] memory elements) = blob();
        for (uint256 i; i < elements.length; ++i) {
            Element memory e = elements[i];
            _preimages.loadBlobElement(versionedHash, e.index, e.value, commitment, e.proof);
        }
    }

    function _file() private view returns (string memory) {
        return vm.readFile("vectors/steps.json");
    }

    function _steps() private view returns (bytes[] memory witnesses, bytes32[] memory before, bytes32[] memory next) {
        string memory json = _file();
        witnesses = vm.parseJsonBytesArray(json, ".witnesses");
        before = vm.parseJsonBytes32Array(json, ".before");
        next = vm.parseJsonBytes32Array(json, ".next");
        uint256 count = vm.parseJsonUint(json, ".count");
        vm.assertLe(CASES, count, "cases");
        vm.assertEq(witnesses.length, count);
        vm.assertEq(before.length, count);
        vm.assertEq(next.length, count);
    }

    /// The first case from `start` on whose step leads elsewhere or is refused; the number of cases if there is none.
    function _firstWrong(uint256 start, bytes[] memory witnesses, bytes32[] memory before, bytes32[] memory next)
        private
        view
        returns (uint256 i)
    {
        for (i = start; i < witnesses.length; ++i) {
            try _riscv.step(witnesses[i]) returns (bytes32 from, bytes32 to) {
                if (from != before[i] || to != next[i]) return i;
            } catch {
                return i;
            }
        }
    }

    function test_steps_lead_where_the_vectors_say() external view {
        (bytes[] memory witnesses, bytes32[] memory before, bytes32[] memory next) = _steps();
        uint256 wrong = _firstWrong(0, witnesses, before, next);
        if (wrong == witnesses.length) return;
        vm.assertTrue(false, vm.parseJsonStringArray(_file(), ".names")[wrong]);
    }

    function test_a_changed_vector_is_noticed() external view {
        (bytes[] memory witnesses, bytes32[] memory before, bytes32[] memory next) = _steps();
        for (uint256 i; i < witnesses.length; i += 37) {
            bytes32 bit = bytes32(uint256(1) << i % 256);
            next[i] ^= bit;
            vm.assertEq(_firstWrong(i, witnesses, before, next), i);
            next[i] ^= bit;
            before[i] ^= bit;
            vm.assertEq(_firstWrong(i, witnesses, before, next), i);
            before[i] ^= bit;
            witnesses[i][i % witnesses[i].length] ^= 0x01;
            vm.assertEq(_firstWrong(i, witnesses, before, next), i);
        }
    }

    function test_every_instruction_has_cases() external {
        string memory json = _file();
        string[] memory cases = vm.parseJsonStringArray(json, ".mnemonics");
        vm.assertEq(cases.length, vm.parseJsonUint(json, ".count"));
        for (uint256 i; i < cases.length; ++i) {
            ++_counts[keccak256(bytes(cases[i]))];
        }
        string[] memory mnemonics = vm.parseJsonStringArray(json, ".table.mnemonics");
        uint256[] memory counts = vm.parseJsonUintArray(json, ".table.counts");
        vm.assertEq(mnemonics.length, MNEMONICS);
        uint256 sum;
        for (uint256 i; i < MNEMONICS; ++i) {
            vm.assertEq(_counts[keccak256(bytes(mnemonics[i]))], counts[i], mnemonics[i]);
            vm.assertLe(CASES_EACH, counts[i], mnemonics[i]);
            sum += counts[i];
        }
        vm.assertEq(sum, cases.length);
    }
}

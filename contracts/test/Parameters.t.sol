// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SequencerRegistry} from "../src/bonding/SequencerRegistry.sol";
import {Parameters, ProtocolParameters} from "../src/lib/Parameters.sol";
import {ParametersFile} from "./lib/ParametersFile.sol";

/// @notice The constructor accepts and refuses what `vectors/parameters.json` says; Rust reads the same file.
contract ParametersTest is ParametersFile {
    mapping(bytes32 => bytes4) private _selectors;

    function setUp() external {
        _add("ParameterIsZero", Parameters.ParameterIsZero.selector);
        _add("SettlingTakesTooLong", Parameters.SettlingTakesTooLong.selector);
        _add("OverlapTooShort", Parameters.OverlapTooShort.selector);
        _add("OverlapTooLong", Parameters.OverlapTooLong.selector);
        _add("BatchAgeTooLong", Parameters.BatchAgeTooLong.selector);
        _add("UnbondingTooShort", Parameters.UnbondingTooShort.selector);
        _add("EvidenceWindowTooShort", Parameters.EvidenceWindowTooShort.selector);
        _add("EscapeTooEarly", Parameters.EscapeTooEarly.selector);
        _add("MessageGasOutOfRange", Parameters.MessageGasOutOfRange.selector);
        _add("WindowGasOutOfRange", Parameters.WindowGasOutOfRange.selector);
        _add("WindowBytesOutOfRange", Parameters.WindowBytesOutOfRange.selector);
        _add("ReporterShareTooHigh", Parameters.ReporterShareTooHigh.selector);
        _add("IdleWindowTooShort", Parameters.IdleWindowTooShort.selector);
        _add("IdleJudgedTooLate", Parameters.IdleJudgedTooLate.selector);
        _add("ParameterTooLarge", Parameters.ParameterTooLarge.selector);
        _add("BlockGasLimitTooHigh", Parameters.BlockGasLimitTooHigh.selector);
        _add("BondTooLarge", Parameters.BondTooLarge.selector);
    }

    function test_the_constructor_refuses_what_the_vectors_refuse() external {
        uint256 i;
        for (;; ++i) {
            string memory where = string.concat(".cases[", vm.toString(i), "]");
            if (!vm.keyExistsJson(file(), where)) break;
            ProtocolParameters memory p = profile(vm.parseJsonString(file(), string.concat(where, ".base")));
            change(p, string.concat(where, ".changes"));
            string memory name = vm.parseJsonString(file(), string.concat(where, ".error"));
            string memory what = vm.parseJsonString(file(), string.concat(where, ".name"));
            try this.make(p) returns (SequencerRegistry registry) {
                vm.assertEq(bytes(name).length, 0, what);
                vm.assertEq(keccak256(abi.encode(registry.parameters())), keccak256(abi.encode(p)), what);
            } catch (bytes memory reason) {
                bytes4 expected = _selectors[keccak256(bytes(name))];
                vm.assertTrue(expected != 0, what);
                vm.assertEq(bytes32(bytes4(reason)), bytes32(expected), what);
            }
        }
        vm.assertEq(i, 106);
    }

    function make(ProtocolParameters memory p) external returns (SequencerRegistry) {
        return new SequencerRegistry(p, address(0), address(0));
    }

    function _add(string memory name, bytes4 selector) private {
        _selectors[keccak256(bytes(name))] = selector;
    }
}

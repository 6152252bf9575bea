// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ProtocolParameters} from "../../src/lib/Parameters.sol";
import {Test} from "./Test.sol";

/// @notice Reads `vectors/parameters.json`: the three profiles, and changes to them.
abstract contract ParametersFile is Test {
    string private _json;

    function file() internal returns (string memory) {
        if (bytes(_json).length == 0) _json = vm.readFile("vectors/parameters.json");
        return _json;
    }

    function profile(string memory name) internal returns (ProtocolParameters memory p) {
        change(p, string.concat(".profiles.", name));
    }

    /// Takes over every field that stands under `where`.
    function change(ProtocolParameters memory p, string memory where) internal {
        p.rollup = _u64(where, "rollup", p.rollup);
        p.blockTimeMillis = _u64(where, "blockTimeMillis", p.blockTimeMillis);
        p.blockGasLimit = _u64(where, "blockGasLimit", p.blockGasLimit);
        p.slotTime = _u64(where, "slotTime", p.slotTime);
        p.settledDepth = _u64(where, "settledDepth", p.settledDepth);
        p.batchAge = _u64(where, "batchAge", p.batchAge);
        p.epochLength = _u64(where, "epochLength", p.epochLength);
        p.overlap = _u64(where, "overlap", p.overlap);
        p.forceDelay = _u64(where, "forceDelay", p.forceDelay);
        p.grace = _u64(where, "grace", p.grace);
        p.maxGap = _u64(where, "maxGap", p.maxGap);
        p.challengePeriod = _u64(where, "challengePeriod", p.challengePeriod);
        p.response = _u64(where, "response", p.response);
        p.correlationWindow = _u64(where, "correlationWindow", p.correlationWindow);
        p.unbondingMargin = _u64(where, "unbondingMargin", p.unbondingMargin);
        p.unbonding = _u64(where, "unbonding", p.unbonding);
        p.escapeDelay = _u64(where, "escapeDelay", p.escapeDelay);
        p.bond = _uint(where, "bond", p.bond);
        p.messages.maxGas = _u64(where, "maxMessageGas", p.messages.maxGas);
        p.messages.windowGas = _u64(where, "messageWindowGas", p.messages.windowGas);
        p.messages.windowBytes = _u64(where, "messageWindowBytes", p.messages.windowBytes);
        p.messages.gasPrice = _uint(where, "messageGasPrice", p.messages.gasPrice);
        p.messages.bytePrice = _uint(where, "messageBytePrice", p.messages.bytePrice);
        p.postingTipCap = _uint(where, "postingTipCap", p.postingTipCap);
        p.reporterShareBasisPoints = _u64(where, "reporterShareBasisPoints", p.reporterShareBasisPoints);
        p.reporterShareCap = _uint(where, "reporterShareCap", p.reporterShareCap);
        p.claimBond = _uint(where, "claimBond", p.claimBond);
        p.idle.limit = _u64(where, "idleLimit", p.idle.limit);
        p.idle.window = _u64(where, "idleWindow", p.idle.window);
    }

    function _u64(string memory where, string memory name, uint64 otherwise) private returns (uint64) {
        return uint64(_uint(where, name, otherwise));
    }

    function _uint(string memory where, string memory name, uint256 otherwise) private returns (uint256) {
        string memory key = string.concat(where, ".", name);
        string memory json = file();
        return vm.keyExistsJson(json, key) ? vm.parseJsonUint(json, key) : otherwise;
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Batch, Finalize, Messages, Notarize, Nullify} from "../../src/lib/Messages.sol";
import {Fixture} from "./Fixture.sol";

/// @notice Seats that contradict themselves, and the evidence of it.
abstract contract Offences is Fixture {
    using Messages for Batch;
    using Messages for Finalize;
    using Messages for Notarize;
    using Messages for Nullify;

    address internal constant REPORTER = address(0x4E904);

    /// A statement with its signature.
    struct Signed {
        uint8 kind;
        bytes statement;
        bytes signature;
    }

    function encode(Signed memory a, Signed memory b) internal pure returns (bytes memory) {
        return abi.encode(a.kind, a.statement, a.signature, b.kind, b.statement, b.signature);
    }

    function notarize(uint256 key, Notarize memory m) internal view returns (Signed memory) {
        return Signed(1, abi.encode(m), sign(key, m.hash()));
    }

    function finalize(uint256 key, Finalize memory m) internal view returns (Signed memory) {
        return Signed(2, abi.encode(m), sign(key, m.hash()));
    }

    function nullify(uint256 key, Nullify memory m) internal view returns (Signed memory) {
        return Signed(3, abi.encode(m), sign(key, m.hash()));
    }

    function batch(uint256 key, Batch memory m) internal view returns (Signed memory) {
        return Signed(4, abi.encode(m), sign(key, m.hash()));
    }

    function vote(uint64 term, uint64 view_, bytes32 blockHash) internal view returns (Notarize memory) {
        return Notarize(parameters.rollup, term, GENESIS_HASH, view_, view_ - 1, blockHash);
    }

    function last(uint64 term, uint64 view_, bytes32 blockHash) internal view returns (Finalize memory) {
        return Finalize(parameters.rollup, term, GENESIS_HASH, view_, view_ - 1, blockHash);
    }

    function end(uint64 term, uint64 view_) internal view returns (Nullify memory) {
        return Nullify(parameters.rollup, term, GENESIS_HASH, view_);
    }

    function statement(uint64 term, bytes32 lastHash) internal view returns (Batch memory m) {
        m.rollup = parameters.rollup;
        m.term = term;
        m.genesis = GENESIS_HASH;
        (m.firstHeight, m.lastHeight) = (31, 60);
        (m.parentClaim, m.prevHash, m.lastHash) = (keccak256("parent"), keccak256("30"), lastHash);
        (m.blockHashRoot, m.lastBlockTime, m.messageCount) = (keccak256("root"), uint64(block.timestamp), 9);
        (m.messageAcc, m.inboxTip, m.dataHash) = (keccak256("acc"), keccak256("tip"), keccak256("data"));
    }

    /// The four pairs of the table, by number.
    function evidence(uint256 pair, uint256 key, uint64 term) internal view returns (bytes memory) {
        if (pair == 0) return encode(notarize(key, vote(term, 7, "A")), notarize(key, vote(term, 7, "B")));
        if (pair == 1) return encode(finalize(key, last(term, 7, "A")), finalize(key, last(term, 7, "B")));
        if (pair == 2) return encode(nullify(key, end(term, 7)), finalize(key, last(term, 7, "A")));
        return encode(batch(key, statement(term, "A")), batch(key, statement(term, "B")));
    }

    /// The seat at a place has voted for two blocks of one view.
    function offence(uint256 place, uint64 term) internal view returns (bytes memory) {
        return evidence(0, keyOf(place), term);
    }

    function report(bytes memory evidence_) internal returns (uint64 seat, uint256 penalty, uint256 reward) {
        vm.prank(REPORTER);
        return slasher.report(address(equivocation), evidence_);
    }

    /// Word `place` of some bytes, replaced.
    function withWord(bytes memory data, uint256 place, uint256 word) internal pure returns (bytes memory copy) {
        copy = bytes.concat(data);
        assembly ("memory-safe") {
            mstore(add(add(copy, 32), mul(place, 32)), word)
        }
    }

    function wordOf(bytes memory data, uint256 place) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 32), mul(place, 32)))
        }
    }

    /// The other signature of the same key over the same digest (s replaced by n − s): what malleability would allow.
    function twin(bytes memory signature) internal pure returns (bytes memory) {
        uint256 vs = wordOf(signature, 1);
        uint256 s = vs << 1 >> 1;
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        return withWord(signature, 1, (order - s) | ((vs >> 255 ^ 1) << 255));
    }
}

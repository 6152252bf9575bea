// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IEquivocation} from "../src/faults/IEquivocation.sol";
import {Verdict} from "../src/faults/IFault.sol";
import {Batch, Finalize, Messages, Notarize, Nullify, Receipt} from "../src/lib/Messages.sol";
import {Offences} from "./lib/Offences.sol";

/// @notice Guilt and innocence, pair by pair; and what was changed is refused, each by its own error.
contract EquivocationTest is Offences {
    uint256 private _key;

    function setUp() external {
        deploy(4);
        _key = keyOf(1);
    }

    function _guilty(Signed memory a, Signed memory b) private view {
        _guilty(encode(a, b));
        _guilty(encode(b, a));
    }

    function _guilty(bytes memory evidence_) private view {
        Verdict memory verdict = equivocation.judge(evidence_);
        vm.assertEq(verdict.seat, 2);
        vm.assertEq(verdict.term, 1);
        vm.assertEq(verdict.rollup, parameters.rollup);
    }

    function _refused(Signed memory a, Signed memory b, bytes memory error_) private {
        _refused(encode(a, b), error_);
    }

    function _refused(bytes memory evidence_, bytes memory error_) private {
        vm.expectRevert(error_);
        equivocation.judge(evidence_);
    }

    function _error(bytes4 selector) private pure returns (bytes memory) {
        return abi.encodePacked(selector);
    }

    function test_two_votes_of_one_view_are_guilt() external view {
        _guilty(notarize(_key, vote(1, 7, "A")), notarize(_key, vote(1, 7, "B")));
        _guilty(finalize(_key, last(1, 7, "A")), finalize(_key, last(1, 7, "B")));
        // The same block on another parent is another proposal.
        Notarize memory n = vote(1, 7, "A");
        n.parentView = 5;
        _guilty(notarize(_key, vote(1, 7, "A")), notarize(_key, n));
        Finalize memory f = last(1, 7, "A");
        f.parentView = 5;
        _guilty(finalize(_key, last(1, 7, "A")), finalize(_key, f));
    }

    function test_giving_a_view_up_and_finalising_it_is_guilt() external view {
        _guilty(nullify(_key, end(1, 7)), finalize(_key, last(1, 7, "A")));
    }

    function test_two_results_of_one_height_are_guilt_whatever_else_differs() external view {
        Batch memory m = statement(1, "A");
        _guilty(batch(_key, m), batch(_key, statement(1, "B")));
        Batch memory other = statement(1, "A");
        other.blockHashRoot = "other";
        _guilty(batch(_key, m), batch(_key, other));
        (other.parentClaim, other.prevHash, other.lastBlockTime) = ("x", "y", 5);
        (other.messageCount, other.messageAcc, other.inboxTip, other.dataHash) = (0, "x", "y", "z");
        _guilty(batch(_key, m), batch(_key, other));
        (other.lastHash, other.firstHeight) = ("other", m.firstHeight + 1);
        _guilty(batch(_key, m), batch(_key, other));
    }

    function test_one_chain_may_be_cut_in_two_ways() external {
        Batch memory m = statement(1, "A");
        Batch memory other = statement(1, "A");
        (other.firstHeight, other.blockHashRoot) = (m.firstHeight + 1, "of fewer hashes");
        _refused(batch(_key, m), batch(_key, other), _error(IEquivocation.NoContradiction.selector));
    }

    function test_one_statement_twice_is_none() external {
        bytes memory none = _error(IEquivocation.NoContradiction.selector);
        _refused(notarize(_key, vote(1, 7, "A")), notarize(_key, vote(1, 7, "A")), none);
        _refused(finalize(_key, last(1, 7, "A")), finalize(_key, last(1, 7, "A")), none);
        _refused(batch(_key, statement(1, "A")), batch(_key, statement(1, "A")), none);
    }

    function test_a_batch_may_differ_in_all_but_its_result() external {
        bytes memory a = batch(_key, statement(1, "A")).statement;
        // First height, parent claim, previous hash, time, messages, accumulator, tip, data.
        uint256[8] memory places = [uint256(3), 5, 6, 9, 10, 11, 12, 13];
        for (uint256 i; i < 8; ++i) {
            bytes memory b = withWord(a, places[i], wordOf(a, places[i]) + 1);
            Batch memory other = abi.decode(b, (Batch));
            _refused(batch(_key, statement(1, "A")), batch(_key, other), _error(IEquivocation.NoContradiction.selector));
        }
    }

    function test_pairs_that_are_not_in_the_table_are_none() external {
        Signed[4] memory all = [
            notarize(_key, vote(1, 7, "A")),
            finalize(_key, last(1, 7, "B")),
            nullify(_key, end(1, 7)),
            batch(_key, statement(1, "A"))
        ];
        for (uint256 i; i < 4; ++i) {
            for (uint256 k; k < 4; ++k) {
                if (i == k && i != 2 || i + k == 3 && (i == 1 || i == 2)) continue;
                _refused(
                    all[i], all[k], abi.encodeWithSelector(IEquivocation.KindsDoNotContradict.selector, i + 1, k + 1)
                );
            }
        }
    }

    function test_kinds_that_are_not_judged_are_refused() external {
        Receipt memory r = Receipt(parameters.rollup, 1, GENESIS_HASH, 7, 3, 4, "tx");
        Signed memory a = Signed(5, abi.encode(r), sign(_key, Messages.hash(r)));
        _refused(a, a, abi.encodeWithSelector(IEquivocation.UnknownKind.selector, 5));
        Signed memory b = notarize(_key, vote(1, 7, "A"));
        _refused(b, a, abi.encodeWithSelector(IEquivocation.UnknownKind.selector, 5));
        b.kind = 0;
        _refused(b, a, abi.encodeWithSelector(IEquivocation.UnknownKind.selector, 0));
        _refused(withWord(encode(b, b), 0, 257), _error(IEquivocation.EvidenceMalformed.selector));
        _refused(withWord(encode(b, b), 3, 257), _error(IEquivocation.EvidenceMalformed.selector));
    }

    function test_other_rollups_terms_histories_and_views_are_refused() external {
        bytes memory rollup =
            abi.encodeWithSelector(IEquivocation.WrongRollup.selector, parameters.rollup + 1, parameters.rollup);
        Notarize memory a = vote(1, 7, "A");
        Notarize memory b = vote(1, 7, "B");
        b.rollup += 1;
        _refused(notarize(_key, a), notarize(_key, b), rollup);
        _refused(notarize(_key, b), notarize(_key, a), rollup);
        a.rollup += 1;
        _refused(notarize(_key, a), notarize(_key, b), rollup);
        (a, b) = (vote(1, 7, "A"), vote(2, 7, "B"));
        _refused(
            notarize(_key, a), notarize(_key, b), abi.encodeWithSelector(IEquivocation.DifferentTerms.selector, 1, 2)
        );
        b = vote(1, 7, "B");
        b.genesis = "other";
        _refused(
            notarize(_key, a),
            notarize(_key, b),
            abi.encodeWithSelector(IEquivocation.DifferentGenesis.selector, GENESIS_HASH, bytes32("other"))
        );
        _refused(
            notarize(_key, a),
            notarize(_key, vote(1, 8, "B")),
            abi.encodeWithSelector(IEquivocation.DifferentViews.selector, 7, 8)
        );
        _refused(
            nullify(_key, end(1, 6)),
            finalize(_key, last(1, 7, "A")),
            abi.encodeWithSelector(IEquivocation.DifferentViews.selector, 6, 7)
        );
        Batch memory m = statement(1, "B");
        m.lastHeight += 1;
        _refused(
            batch(_key, statement(1, "A")),
            batch(_key, m),
            abi.encodeWithSelector(IEquivocation.DifferentHeights.selector, 60, 61)
        );
    }

    function test_a_field_changed_after_signing_is_refused() external {
        for (uint256 pair; pair < 4; ++pair) {
            Signed[2] memory both = _pair(pair);
            for (uint256 side; side < 2; ++side) {
                Signed memory kept = both[side];
                uint256 words = kept.statement.length / 32;
                for (uint256 place; place < words; ++place) {
                    bytes memory changed = withWord(kept.statement, place, wordOf(kept.statement, place) ^ 1);
                    both[side] = Signed(kept.kind, changed, kept.signature);
                    bytes4 error_ = _refusal(encode(both[0], both[1]));
                    vm.assertEq(bytes32(error_), bytes32(_expected(kept.kind, place)), vm.toString(place));
                }
                both[side] = kept;
            }
        }
    }

    /// The error that a field's change makes.
    function _expected(uint256 kind, uint256 place) private pure returns (bytes4) {
        if (place == 0) return IEquivocation.WrongRollup.selector;
        if (place == 1) return IEquivocation.DifferentTerms.selector;
        if (place == 2) return IEquivocation.DifferentGenesis.selector;
        if (kind != 4 && place == 3) return IEquivocation.DifferentViews.selector;
        if (kind == 4 && place == 4) return IEquivocation.DifferentHeights.selector;
        // The pair still contradicts itself, but another digest is recovered to another address.
        return IEquivocation.DifferentSigners.selector;
    }

    function _refusal(bytes memory evidence_) private view returns (bytes4 error_) {
        try equivocation.judge(evidence_) {
            vm.assertTrue(false, "judged guilty");
        } catch (bytes memory reason) {
            error_ = bytes4(reason);
        }
    }

    function _pair(uint256 pair) private view returns (Signed[2] memory) {
        if (pair == 0) return [notarize(_key, vote(1, 7, "A")), notarize(_key, vote(1, 7, "B"))];
        if (pair == 1) return [finalize(_key, last(1, 7, "A")), finalize(_key, last(1, 7, "B"))];
        if (pair == 2) return [nullify(_key, end(1, 7)), finalize(_key, last(1, 7, "A"))];
        return [batch(_key, statement(1, "A")), batch(_key, statement(1, "B"))];
    }

    function test_numbers_of_more_than_64_bits_are_refused() external {
        for (uint256 pair; pair < 4; ++pair) {
            Signed[2] memory both = _pair(pair);
            Signed memory a = both[1];
            for (uint256 place; place < a.statement.length / 32; ++place) {
                bool number = place < 2 || place == 3 || place == 4 || a.kind == 4 && (place == 9 || place == 10);
                if (!number) continue;
                bytes memory wide = withWord(a.statement, place, wordOf(a.statement, place) | 1 << 64);
                _refused(
                    both[0],
                    Signed(a.kind, wide, a.signature),
                    abi.encodeWithSelector(IEquivocation.FieldOutOfRange.selector, a.kind, place)
                );
            }
        }
    }

    function test_other_lengths_are_refused() external {
        Signed memory a = notarize(_key, vote(1, 7, "A"));
        for (uint256 pair; pair < 4; ++pair) {
            Signed[2] memory both = _pair(pair);
            uint256 length = both[1].statement.length;
            bytes memory whole = both[1].statement;
            bytes[4] memory others =
                [new bytes(0), _cut(whole, length - 32), _cut(whole, length - 1), bytes.concat(whole, bytes32(0))];
            for (uint256 i; i < 4; ++i) {
                both[1].statement = others[i];
                _refused(
                    both[0],
                    both[1],
                    abi.encodeWithSelector(
                        IEquivocation.StatementLengthWrong.selector, both[1].kind, others[i].length, length
                    )
                );
            }
        }
        // A statement of another kind than it says.
        _refused(
            Signed(4, a.statement, a.signature),
            Signed(4, a.statement, a.signature),
            abi.encodeWithSelector(IEquivocation.StatementLengthWrong.selector, 4, 192, 448)
        );
    }

    function test_bytes_that_are_not_the_encoding_are_refused() external {
        bytes memory malformed = _error(IEquivocation.EvidenceMalformed.selector);
        for (uint256 pair; pair < 4; ++pair) {
            bytes memory good = evidence(pair, _key, 1);
            _guilty(good);
            _refused("", malformed);
            _refused(_cut(good, 191), malformed);
            _refused(_cut(good, 192), malformed);
            for (uint256 length = 193; length < good.length; length += 31) {
                _refused(_cut(good, length), malformed);
            }
            _refused(_cut(good, good.length - 1), malformed);
            _refused(bytes.concat(good, hex"00"), malformed);
            _refused(bytes.concat(good, bytes32(0)), malformed);
            // Heads that point elsewhere, also back into the heads, and beyond all memory.
            uint256[4] memory heads = [uint256(1), 2, 4, 5];
            for (uint256 i; i < 4; ++i) {
                _refused(withWord(good, heads[i], 0), malformed);
                _refused(withWord(good, heads[i], wordOf(good, heads[i]) + 32), malformed);
                _refused(withWord(good, heads[i], type(uint256).max), malformed);
                uint256 place = wordOf(good, heads[i]) / 32;
                _refused(withWord(good, place, type(uint256).max), malformed);
                _refused(withWord(good, place, wordOf(good, place) + 32), malformed);
            }
        }
    }

    function testFuzz_no_bytes_but_the_encoding_are_judged(bytes calldata noise) external view {
        try equivocation.judge(noise) {
            vm.assertTrue(false, "judged guilty");
        } catch (bytes memory reason) {
            vm.assertTrue(reason.length >= 4, "an error of its own");
        }
    }

    function testFuzz_one_changed_byte_is_refused(uint256 pair, uint256 place, uint8 change) external view {
        bytes memory good = evidence(pair % 4, _key, 1);
        place %= good.length;
        if (change == 0) change = 1;
        good[place] ^= bytes1(change);
        try equivocation.judge(good) {
            vm.assertTrue(false, "judged guilty");
        } catch (bytes memory reason) {
            vm.assertTrue(reason.length >= 4, "an error of its own");
        }
    }

    function test_signatures_of_another_form_are_refused() external {
        for (uint256 side; side < 2; ++side) {
            Signed[2] memory both = _pair(0);
            bytes memory good = both[side].signature;
            bytes memory invalid = abi.encodeWithSelector(IEquivocation.SignatureInvalid.selector, side);
            bytes[6] memory others = [
                new bytes(0),
                new bytes(64),
                _cut(good, 63),
                bytes.concat(good, hex"00"),
                withWord(good, 1, wordOf(good, 1) & 1 << 255),
                withWord(good, 0, type(uint256).max)
            ];
            for (uint256 i; i < 6; ++i) {
                both[side].signature = others[i];
                _refused(both[0], both[1], invalid);
            }
            // A high s: above half of the order, as far as 255 bits hold any.
            both[side].signature = withWord(good, 1, wordOf(good, 1) | type(uint256).max >> 1);
            _refused(both[0], both[1], invalid);
            // The twin (n − s, other parity) has 256 bits: cut to this form it is another signature, of another key.
            both[side].signature = twin(good);
            vm.assertEq(bytes32(_refusal(encode(both[0], both[1]))), bytes32(IEquivocation.DifferentSigners.selector));
            // 65 bytes: r, s, v.
            both[side].signature =
                abi.encodePacked(wordOf(good, 0), wordOf(good, 1) << 1 >> 1, uint8(27 + (wordOf(good, 1) >> 255)));
            _refused(both[0], both[1], invalid);
        }
    }

    function test_two_keys_are_nobodys_equivocation() external {
        _refused(
            notarize(keyOf(0), vote(1, 7, "A")),
            notarize(keyOf(1), vote(1, 7, "B")),
            abi.encodeWithSelector(IEquivocation.DifferentSigners.selector, vm.addr(keyOf(0)), vm.addr(keyOf(1)))
        );
        _refused(
            notarize(keyOf(9), vote(1, 7, "A")),
            notarize(keyOf(9), vote(1, 7, "B")),
            abi.encodeWithSelector(IEquivocation.SignerIsNoSeat.selector, vm.addr(keyOf(9)))
        );
        // Both signatures are the seat's, each over the other statement.
        Signed[2] memory both = _pair(0);
        (both[0].signature, both[1].signature) = (both[1].signature, both[0].signature);
        vm.assertEq(bytes32(_refusal(encode(both[0], both[1]))), bytes32(IEquivocation.DifferentSigners.selector));
        // Two kinds with one signature.
        Signed memory f = finalize(_key, last(1, 7, "B"));
        f.kind = 1;
        vm.assertEq(
            bytes32(_refusal(encode(notarize(_key, vote(1, 7, "A")), f))),
            bytes32(IEquivocation.DifferentSigners.selector)
        );
    }

    function test_signatures_for_another_chain_or_registry_are_refused() external {
        bytes memory here = evidence(0, _key, 1);
        uint256 chain = 31337;
        vm.chainId(chain + 1);
        bytes4 error_ = _refusal(here);
        vm.assertEq(bytes32(error_), bytes32(IEquivocation.DifferentSigners.selector));
        // On the fork the seats sign for the fork, and answer there.
        bytes memory there = evidence(0, _key, 1);
        _guilty(there);
        vm.chainId(chain);
        vm.assertEq(bytes32(_refusal(there)), bytes32(IEquivocation.DifferentSigners.selector));
        _guilty(here);
        deploy(4);
        vm.assertEq(bytes32(_refusal(here)), bytes32(IEquivocation.DifferentSigners.selector));
    }

    function test_an_old_key_answers_for_the_seat() external {
        bytes memory proof = prove(OWNER, keyOf(1000), peerKeyOf(1000));
        vm.prank(OWNER);
        registry.rotateKeys(2, vm.addr(keyOf(1000)), peerKeyOf(1000), proof);
        _guilty(evidence(0, _key, 1));
        _guilty(evidence(3, keyOf(1000), 1));
        // One statement with each key is one of each key, not two of one.
        _refused(
            notarize(_key, vote(1, 7, "A")),
            notarize(keyOf(1000), vote(1, 7, "B")),
            abi.encodeWithSelector(IEquivocation.DifferentSigners.selector, vm.addr(_key), vm.addr(keyOf(1000)))
        );
    }

    function _cut(bytes memory data, uint256 length) private pure returns (bytes memory copy) {
        copy = bytes.concat(data);
        assembly ("memory-safe") {
            mstore(copy, length)
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../src/bonding/ISequencerRegistry.sol";
import {Equivocation} from "../src/faults/Equivocation.sol";
import {IEquivocation} from "../src/faults/IEquivocation.sol";
import {Verdict} from "../src/faults/IFault.sol";
import {ClaimPreimage, Commitments} from "../src/lib/Commitments.sol";
import {Batch, Finalize, Messages, Notarize, Nullify, Receipt, VoteKey} from "../src/lib/Messages.sol";
import {ProtocolParameters} from "../src/lib/Parameters.sol";
import {Test} from "./lib/Test.sol";

/// @notice Stands at the address of the vectors' registry, with their one seat.
contract VectorRegistry {
    function parameters() external pure returns (ProtocolParameters memory p) {
        p.rollup = 75_873;
    }

    function domainSeparator() external view returns (bytes32) {
        return Messages.domainSeparator(address(this));
    }

    function seatOfVoteKey(address key) external pure returns (uint64) {
        return key == 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 ? 7 : 0;
    }
}

/// @notice What takes call data in the libraries.
contract Libraries {
    function root(bytes32 hash, uint256 index, bytes32[] calldata left) external pure returns (bytes32) {
        return Commitments.rootOfLastLeaf(hash, index, left);
    }

    function dataHash(bytes calldata data) external pure returns (bytes32) {
        return Commitments.calldataDataHash(data);
    }

    function check(bytes32 digest, bytes calldata member, bytes calldata signature) external view returns (uint256) {
        return Messages.checkSignatures(digest, member, 1, signature);
    }

    function recover(bytes32 digest, bytes calldata signature) external view returns (address) {
        return Messages.recover(digest, signature);
    }
}

/// @notice The wire formats, by the golden vectors that Rust reads too.
contract VectorsTest is Test {
    Libraries private _libraries = new Libraries();
    string private _json;

    function _at(uint256 i, string memory name) private pure returns (string memory) {
        return string.concat(".cases[", vm.toString(i), "].", name);
    }

    function _u64(uint256 i, string memory name) private view returns (uint64) {
        return uint64(vm.parseJsonUint(_json, _at(i, name)));
    }

    function _b32(uint256 i, string memory name) private view returns (bytes32) {
        return vm.parseJsonBytes32(_json, _at(i, name));
    }

    function test_signed_structs_hash_as_in_the_vectors() external {
        _json = vm.readFile("vectors/eip712.json");
        address registry = vm.parseJsonAddress(_json, ".registry");
        address signer = vm.parseJsonAddress(_json, ".signer");
        vm.chainId(vm.parseJsonUint(_json, ".chainId"));
        bytes32 separator = Messages.domainSeparator(registry);
        vm.assertEq(separator, vm.parseJsonBytes32(_json, ".separator"));
        uint256 i;
        for (; vm.keyExistsJson(_json, _at(i, "type")); ++i) {
            bytes32 structHash = _structHash(i);
            vm.assertEq(structHash, _b32(i, "structHash"), vm.toString(i));
            bytes32 digest = Messages.digest(separator, structHash);
            vm.assertEq(digest, _b32(i, "digest"), vm.toString(i));
            bytes memory signature = vm.parseJsonBytes(_json, _at(i, "signature"));
            vm.assertEq(_libraries.recover(digest, signature), signer);
        }
        vm.assertEq(i, 18);
    }

    function _structHash(uint256 i) private view returns (bytes32) {
        bytes32 kind = keccak256(bytes(vm.parseJsonString(_json, _at(i, "type"))));
        if (kind == keccak256("Batch")) return _batchHash(i);
        if (kind == keccak256("VoteKey")) {
            return Messages.hash(VoteKey(vm.parseJsonAddress(_json, _at(i, "owner")), _b32(i, "peerKey")));
        }
        (uint64 rollup, uint64 term, bytes32 genesis) = (_u64(i, "rollup"), _u64(i, "term"), _b32(i, "genesis"));
        uint64 view_ = _u64(i, "view");
        if (kind == keccak256("Nullify")) return Messages.hash(Nullify(rollup, term, genesis, view_));
        if (kind == keccak256("Receipt")) {
            return Messages.hash(
                Receipt(rollup, term, genesis, view_, _u64(i, "height"), _u64(i, "index"), _b32(i, "txHash"))
            );
        }
        (uint64 parent, bytes32 block_) = (_u64(i, "parentView"), _b32(i, "blockHash"));
        if (kind == keccak256("Notarize")) {
            return Messages.hash(Notarize(rollup, term, genesis, view_, parent, block_));
        }
        vm.assertEq(kind, keccak256("Finalize"));
        return Messages.hash(Finalize(rollup, term, genesis, view_, parent, block_));
    }

    function _batchHash(uint256 i) private view returns (bytes32) {
        Batch memory b;
        b.rollup = _u64(i, "rollup");
        b.term = _u64(i, "term");
        b.genesis = _b32(i, "genesis");
        b.firstHeight = _u64(i, "firstHeight");
        b.lastHeight = _u64(i, "lastHeight");
        b.parentClaim = _b32(i, "parentClaim");
        b.prevHash = _b32(i, "prevHash");
        b.lastHash = _b32(i, "lastHash");
        b.blockHashRoot = _b32(i, "blockHashRoot");
        b.lastBlockTime = _u64(i, "lastBlockTime");
        b.messageCount = _u64(i, "messageCount");
        b.messageAcc = _b32(i, "messageAcc");
        b.inboxTip = _b32(i, "inboxTip");
        b.dataHash = _b32(i, "dataHash");
        return Messages.hash(b);
    }

    function test_messages_accumulate_as_in_the_vectors() external {
        _json = vm.readFile("vectors/messages.json");
        uint256 i;
        bytes32 acc;
        for (; vm.keyExistsJson(_json, _at(i, "kind")); ++i) {
            vm.assertEq(_b32(i, "accBefore"), acc);
            bytes32 hash = Commitments.messageHash(
                uint8(vm.parseJsonUint(_json, _at(i, "kind"))),
                _u64(i, "index"),
                _u64(i, "l1Block"),
                _u64(i, "l1Time"),
                vm.parseJsonAddress(_json, _at(i, "sender")),
                vm.parseJsonAddress(_json, _at(i, "to")),
                vm.parseJsonUint(_json, _at(i, "value")),
                vm.parseJsonUint(_json, _at(i, "mint")),
                _u64(i, "gas"),
                vm.parseJsonBytes(_json, _at(i, "data"))
            );
            vm.assertEq(hash, _b32(i, "messageHash"));
            acc = Commitments.accumulate(acc, hash);
            vm.assertEq(acc, _b32(i, "acc"));
            vm.assertEq(keccak256(abi.encode(uint256(2), hash)), _b32(i, "sourceHash"));
        }
        vm.assertEq(i, 4);
    }

    function test_claim_ids_trees_tips_and_data_hash_as_in_the_vectors() external {
        _json = vm.readFile("vectors/claims.json");
        _claims();
        _trees();
        _data();
        uint256 i;
        for (; vm.keyExistsJson(_json, _in("tips", i, "tip")); ++i) {
            bytes32 next = Commitments.nextTip(
                vm.parseJsonBytes32(_json, _in("tips", i, "tip")),
                vm.parseJsonBytes32(_json, _in("tips", i, "structHash"))
            );
            vm.assertEq(next, vm.parseJsonBytes32(_json, _in("tips", i, "next")));
        }
        vm.assertEq(i, 3);
    }

    function _in(string memory list, uint256 i, string memory name) private pure returns (string memory) {
        return string.concat(".", list, "[", vm.toString(i), "].", name);
    }

    function _claims() private view {
        uint256 i;
        for (; vm.keyExistsJson(_json, _in("claims", i, "id")); ++i) {
            ClaimPreimage memory c;
            c.rollup = uint64(vm.parseJsonUint(_json, _in("claims", i, "rollup")));
            c.batchIndex = uint64(vm.parseJsonUint(_json, _in("claims", i, "batchIndex")));
            c.parentId = vm.parseJsonBytes32(_json, _in("claims", i, "parentId"));
            c.prevHash = vm.parseJsonBytes32(_json, _in("claims", i, "prevHash"));
            c.lastHash = vm.parseJsonBytes32(_json, _in("claims", i, "lastHash"));
            c.blockHashRoot = vm.parseJsonBytes32(_json, _in("claims", i, "blockHashRoot"));
            vm.assertEq(Commitments.claimId(c), vm.parseJsonBytes32(_json, _in("claims", i, "id")));
        }
        vm.assertEq(i, 3);
    }

    function _trees() private {
        uint256 i;
        for (; vm.keyExistsJson(_json, _in("trees", i, "root")); ++i) {
            bytes32 last = vm.parseJsonBytes32(_json, _in("trees", i, "lastHash"));
            uint256 index = vm.parseJsonUint(_json, _in("trees", i, "index"));
            bytes32[] memory left = vm.parseJsonBytes32Array(_json, _in("trees", i, "leftSiblings"));
            bytes32 root = vm.parseJsonBytes32(_json, _in("trees", i, "root"));
            vm.assertEq(_libraries.root(last, index, left), root);
            // The whole path leads to the same root.
            bytes32 node = Commitments.leaf(last);
            bytes32[] memory path = vm.parseJsonBytes32Array(_json, _in("trees", i, "path"));
            vm.assertEq(path.length, 15);
            for (uint256 level; level < 15; ++level) {
                node =
                    index >> level & 1 == 0 ? Commitments.node(node, path[level]) : Commitments.node(path[level], node);
            }
            vm.assertEq(node, root);
            // One sibling more is refused.
            bytes32[] memory longer = new bytes32[](left.length + 1);
            vm.expectRevert(abi.encodeWithSelector(Commitments.PathLengthWrong.selector, longer.length, index));
            _libraries.root(last, index, longer);
        }
        vm.assertEq(i, 5);
    }

    function _data() private view {
        uint256 i;
        for (; vm.keyExistsJson(_json, _in("calldata", i, "length")); ++i) {
            bytes memory data = new bytes(vm.parseJsonUint(_json, _in("calldata", i, "length")));
            for (uint256 k; k < data.length; ++k) {
                data[k] = bytes1(uint8((7 * k + 3) % 251));
            }
            vm.assertEq(_libraries.dataHash(data), vm.parseJsonBytes32(_json, _in("calldata", i, "dataHash")));
        }
        vm.assertEq(i, 5);
        for (i = 0; vm.keyExistsJson(_json, _in("blobs", i, "dataHash")); ++i) {
            bytes32[] memory hashes = vm.parseJsonBytes32Array(_json, _in("blobs", i, "versionedHashes"));
            vm.assertEq(Commitments.blobDataHash(hashes), vm.parseJsonBytes32(_json, _in("blobs", i, "dataHash")));
        }
        vm.assertEq(i, 3);
    }

    /// EIP-2098 leaves `s` 255 bits, a hair more than half of the order: in between `s` is high and fits.
    function testFuzz_a_high_s_that_fits_is_refused(bytes32 digest, uint256 key, uint256 above) external view {
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        (uint8 v, bytes32 r,) = vm.sign(bound(key, 1, type(uint128).max), digest);
        // Any s goes with any r: it is some key's signature.
        uint256 s = order / 2 + 1 + above % ((1 << 255) - order / 2 - 1);
        address signer = ecrecover(digest, v, r, bytes32(s));
        vm.assertTrue(signer != address(0), "the precompile takes it");
        vm.assertEq(_libraries.recover(digest, abi.encodePacked(r, s | uint256(v - 27) << 255)), address(0));
        // Its low twin is taken, and is the same key's.
        uint256 twin = (order - s) | uint256(28 - v) << 255;
        vm.assertEq(_libraries.recover(digest, abi.encodePacked(r, twin)), signer);
        // In a certificate too.
        bytes memory member = abi.encodePacked(signer);
        vm.assertEq(_libraries.check(digest, member, abi.encodePacked(r, twin)), 1);
        try _libraries.check(digest, member, abi.encodePacked(r, s | uint256(v - 27) << 255)) {
            vm.assertTrue(false, "taken");
        } catch (bytes memory reason) {
            vm.assertEq(reason, abi.encodeWithSelector(Messages.SignatureInvalid.selector, 0));
        }
    }

    function testFuzz_a_signature_has_one_form(bytes32 digest, uint256 key) external view {
        key = bound(key, 1, type(uint128).max);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        bytes32 vs = bytes32(uint256(s) | uint256(v - 27) << 255);
        vm.assertEq(_libraries.recover(digest, abi.encodePacked(r, vs)), vm.addr(key));
        // Longer forms and a cut one are refused.
        vm.assertEq(_libraries.recover(digest, abi.encodePacked(r, s, v)), address(0));
        vm.assertEq(_libraries.recover(digest, abi.encodePacked(r, bytes31(vs))), address(0));
    }

    mapping(bytes32 name => bytes4) private _errors;

    function test_evidence_is_judged_as_in_the_vectors() external {
        _errors["EvidenceMalformed"] = IEquivocation.EvidenceMalformed.selector;
        _errors["UnknownKind"] = IEquivocation.UnknownKind.selector;
        _errors["KindsDoNotContradict"] = IEquivocation.KindsDoNotContradict.selector;
        _errors["StatementLengthWrong"] = IEquivocation.StatementLengthWrong.selector;
        _errors["FieldOutOfRange"] = IEquivocation.FieldOutOfRange.selector;
        _errors["WrongRollup"] = IEquivocation.WrongRollup.selector;
        _errors["DifferentTerms"] = IEquivocation.DifferentTerms.selector;
        _errors["DifferentGenesis"] = IEquivocation.DifferentGenesis.selector;
        _errors["DifferentViews"] = IEquivocation.DifferentViews.selector;
        _errors["DifferentHeights"] = IEquivocation.DifferentHeights.selector;
        _errors["NoContradiction"] = IEquivocation.NoContradiction.selector;
        _errors["SignatureInvalid"] = IEquivocation.SignatureInvalid.selector;
        _errors["DifferentSigners"] = IEquivocation.DifferentSigners.selector;
        _errors["SignerIsNoSeat"] = IEquivocation.SignerIsNoSeat.selector;
        _json = vm.readFile("vectors/equivocation.json");
        vm.chainId(vm.parseJsonUint(_json, ".chainId"));
        address registry = vm.parseJsonAddress(_json, ".registry");
        vm.etch(registry, address(new VectorRegistry()).code);
        Equivocation equivocation = new Equivocation(ISequencerRegistry(registry));
        uint256 i;
        for (; vm.keyExistsJson(_json, _at(i, "name")); ++i) {
            string memory name = vm.parseJsonString(_json, _at(i, "name"));
            bytes32 error_ = bytes32(bytes(vm.parseJsonString(_json, _at(i, "error"))));
            try equivocation.judge(vm.parseJsonBytes(_json, _at(i, "evidence"))) returns (Verdict memory verdict) {
                vm.assertEq(error_, bytes32(0), name);
                vm.assertEq(verdict.seat, 7, name);
                vm.assertEq(verdict.term, vm.parseJsonUint(_json, ".term"), name);
                vm.assertEq(verdict.rollup, vm.parseJsonUint(_json, ".rollup"), name);
            } catch (bytes memory reason) {
                vm.assertTrue(_errors[error_] != 0, name);
                vm.assertEq(bytes32(bytes4(reason)), bytes32(_errors[error_]), name);
            }
        }
        vm.assertEq(i, 100);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";
import {Predeploys} from "../../src/l2/Predeploys.sol";
import {QueuedMessage} from "../../src/bridge/IEscape.sol";
import {StateProof} from "../../src/lib/StateProof.sol";
import {Fixture, Post} from "./Fixture.sol";
import {Vm} from "./Test.sol";

/// @notice Keys and values of a Merkle-Patricia trie.
struct Entries {
    bytes32[] keys;
    bytes[] values;
}

/// @notice Merkle-Patricia tries by their definition (Yellow Paper, appendix D), slowly.
library Trie {
    function root(Entries memory e) internal pure returns (bytes32) {
        return e.keys.length == 0 ? StateProof.EMPTY_ROOT : keccak256(_encode(e, 0));
    }

    /// As `eth_getProof` gives it: the nodes on the way to where the key is, or would be.
    function prove(Entries memory e, bytes32 key) internal pure returns (bytes[] memory proof) {
        bytes[] memory nodes = new bytes[](130);
        uint256 count;
        uint256 depth;
        while (e.keys.length != 0) {
            bytes memory node = _encode(e, depth);
            if (depth == 0 || node.length >= 32) nodes[count++] = node;
            if (e.keys.length == 1) break;
            uint256 shared = _shared(e, depth);
            if (shared != 0) {
                bool away;
                for (uint256 i; i < shared; ++i) {
                    away = away || _nibble(key, depth + i) != _nibble(e.keys[0], depth + i);
                }
                if (away) break;
                depth += shared;
            } else {
                e = _below(e, depth, _nibble(key, depth));
                ++depth;
            }
        }
        proof = new bytes[](count);
        for (uint256 i; i < count; ++i) {
            proof[i] = nodes[i];
        }
    }

    function _encode(Entries memory e, uint256 depth) private pure returns (bytes memory) {
        if (e.keys.length == 1) return _pair(_path(e.keys[0], depth, 64, 2), RLP.encode(e.values[0]));
        uint256 shared = _shared(e, depth);
        if (shared != 0) {
            return _pair(_path(e.keys[0], depth, depth + shared, 0), _reference(_encode(e, depth + shared)));
        }
        bytes[] memory items = new bytes[](17);
        for (uint256 nibble; nibble < 16; ++nibble) {
            Entries memory below = _below(e, depth, nibble);
            items[nibble] = below.keys.length == 0 ? bytes(hex"80") : _reference(_encode(below, depth + 1));
        }
        items[16] = hex"80";
        return RLP.encode(items);
    }

    function _pair(bytes memory a, bytes memory b) private pure returns (bytes memory) {
        bytes[] memory items = new bytes[](2);
        (items[0], items[1]) = (RLP.encode(a), b);
        return RLP.encode(items);
    }

    function _reference(bytes memory node) private pure returns (bytes memory) {
        return node.length < 32 ? node : RLP.encode(keccak256(node));
    }

    /// Hex-prefix of nibbles `from` to `to`.
    function _path(bytes32 key, uint256 from, uint256 to, uint256 flag) private pure returns (bytes memory path) {
        bool odd = (to - from) % 2 == 1;
        path = abi.encodePacked(uint8((odd ? flag + 1 : flag) << 4 | (odd ? _nibble(key, from) : 0)));
        for (uint256 i = odd ? from + 1 : from; i < to; i += 2) {
            path = abi.encodePacked(path, uint8(_nibble(key, i) << 4 | _nibble(key, i + 1)));
        }
    }

    function _shared(Entries memory e, uint256 depth) private pure returns (uint256 length) {
        for (; depth + length < 64; ++length) {
            for (uint256 i = 1; i < e.keys.length; ++i) {
                if (_nibble(e.keys[i], depth + length) != _nibble(e.keys[0], depth + length)) return length;
            }
        }
    }

    function _below(Entries memory e, uint256 depth, uint256 nibble) private pure returns (Entries memory below) {
        uint256 count;
        for (uint256 i; i < e.keys.length; ++i) {
            if (_nibble(e.keys[i], depth) == nibble) ++count;
        }
        (below.keys, below.values) = (new bytes32[](count), new bytes[](count));
        count = 0;
        for (uint256 i; i < e.keys.length; ++i) {
            if (_nibble(e.keys[i], depth) != nibble) continue;
            (below.keys[count], below.values[count]) = (e.keys[i], e.values[i]);
            ++count;
        }
    }

    function _nibble(bytes32 key, uint256 place) private pure returns (uint256) {
        return uint256(key) >> (252 - 4 * place) & 15;
    }
}

/// @notice An L2 state of the test's making, claimed on L1.
abstract contract L2World is Fixture {
    using Trie for Entries;

    Entries internal state;
    Entries internal sent;
    Entries internal l1BlockSlots;
    bytes internal header;
    QueuedMessage[] internal queue;
    bytes32[] internal hashes;
    bytes32[] internal accs;

    function put(Entries storage e, bytes32 key, bytes memory value) internal {
        e.keys.push(keccak256(abi.encode(key)));
        e.values.push(value);
    }

    function putSlot(Entries storage e, bytes32 slot, uint256 value) internal {
        put(e, slot, RLP.encode(value));
    }

    function putAccount(address who, uint256 balance, bytes32 storageRoot, bytes32 codeHash) internal {
        bytes[] memory fields = new bytes[](4);
        (fields[0], fields[1]) = (RLP.encode(uint256(7)), RLP.encode(balance));
        (fields[2], fields[3]) = (RLP.encode(storageRoot), RLP.encode(codeHash));
        state.keys.push(keccak256(abi.encodePacked(who)));
        state.values.push(RLP.encode(fields));
    }

    function putKeyed(address who, uint256 balance) internal {
        putAccount(who, balance, StateProof.EMPTY_ROOT, StateProof.EMPTY_CODE);
    }

    function putConsumed(uint256 messages) internal {
        if (messages != 0) putSlot(l1BlockSlots, bytes32(uint256(9)), messages);
        putSlot(l1BlockSlots, bytes32(uint256(0)), 12345);
        putAccount(Predeploys.L1_BLOCK, 0, l1BlockSlots.root(), keccak256("code of L1Block"));
    }

    function accountProof(address who) internal view returns (bytes[] memory) {
        return state.prove(keccak256(abi.encodePacked(who)));
    }

    function slotProof(Entries memory e, bytes32 slot) internal pure returns (bytes[] memory) {
        return e.prove(keccak256(abi.encode(slot)));
    }

    /// Posts one block with this state.
    function claimState() internal {
        bytes[] memory list = new bytes[](21);
        for (uint256 i; i < 21; ++i) {
            if (i == 2) list[i] = RLP.encode(address(0xFEE));
            else if (i == 3) list[i] = RLP.encode(state.root());
            else if (i == 6) list[i] = RLP.encode(new bytes(256));
            else if (i == 16) list[i] = RLP.encode(sent.root());
            else list[i] = RLP.encode(keccak256(abi.encode("field", i, lastHeight)));
        }
        header = RLP.encode(list);
        Post memory post = honest(1);
        post.statement.lastHash = keccak256(header);
        bytes32[] memory leaves = new bytes32[](1);
        leaves[0] = post.statement.lastHash;
        (post.statement.blockHashRoot, post.leftSiblings) = tree(leaves);
        certify(post);
        succeed(post);
    }

    /// Takes over what the inbox said since `vm.recordLogs()`.
    function learn() internal {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter != address(inbox) || logs[i].topics.length != 2) continue;
            QueuedMessage memory m;
            bytes32 acc;
            m.index = uint64(uint256(logs[i].topics[1]));
            (m.kind, m.l1Block, m.l1Time, m.sender, m.to, m.value, m.mint, m.gas, m.data, acc) = abi.decode(
                logs[i].data, (uint8, uint64, uint64, address, address, uint256, uint256, uint64, bytes, bytes32)
            );
            queue.push(m);
            accs.push(acc);
            hashes.push(
                keccak256(
                    abi.encode(
                        m.kind, m.index, m.l1Block, m.l1Time, m.sender, m.to, m.value, m.mint, m.gas, keccak256(m.data)
                    )
                )
            );
        }
    }

    function accBefore(uint256 index) internal view returns (bytes32) {
        return index == 0 ? bytes32(0) : accs[index - 1];
    }

    /// Hashes of the messages after this one up to `until`.
    function following(uint256 index, uint256 until) internal view returns (bytes32[] memory list) {
        list = new bytes32[](until - index - 1);
        for (uint256 i; i < list.length; ++i) {
            list[i] = hashes[index + 1 + i];
        }
    }
}

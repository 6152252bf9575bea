// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Memory} from "@openzeppelin/contracts/utils/Memory.sol";
import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";
import {TrieProof} from "@openzeppelin/contracts/utils/cryptography/TrieProof.sol";
import {Bridge} from "../src/bridge/Bridge.sol";
import {IBridge, WithdrawalStatus, WithdrawalTransaction} from "../src/bridge/IBridge.sol";
import {ClaimPreimage} from "../src/lib/Commitments.sol";
import {StateProof} from "../src/lib/StateProof.sol";
import {IMessageQueue} from "../src/rollup/IMessageQueue.sol";
import {IInbox} from "../src/rollup/IInbox.sol";
import {Fixture, Post} from "./lib/Fixture.sol";
import {Vm} from "./lib/Test.sol";

/// @notice A recipient that notes what it sees, refuses while told to, and tries to come back in.
contract Recipient {
    Bridge public bridge;
    bool public refuses;
    bool public wastes;
    bytes public comeback;
    address public sawSender;
    uint256 public sawGas;
    bytes public sawData;
    bool public cameBack;

    function set(Bridge bridge_, bool refuses_, bool wastes_, bytes memory comeback_) external {
        (bridge, refuses, wastes, comeback) = (bridge_, refuses_, wastes_, comeback_);
    }

    receive() external payable {
        _take();
    }

    fallback() external payable {
        _take();
    }

    function _take() private {
        uint256 gas_ = gasleft();
        if (wastes) while (true) {}
        if (refuses) revert("refused");
        (sawGas, sawSender, sawData) = (gas_, bridge.l2Sender(), msg.data);
        // A deposit takes along what came; a withdrawal takes nothing.
        bool deposits = comeback.length != 0 && bytes4(comeback) == IBridge.depositTransaction.selector;
        if (comeback.length != 0) (cameBack,) = address(bridge).call{value: deposits ? msg.value : 0}(comeback);
    }
}

contract BridgeTest is Fixture {
    using RLP for *;

    address private constant USER = address(0xA1A1);
    string private _json;
    bytes private _header;

    function setUp() external {
        deploy(4);
        pass(6);
        vm.deal(USER, 1000 ether);
        _json = vm.readFile("vectors/withdrawals.json");
        // The L2 chain's last block has the storage root of the vectors, which a real trie gave.
        _header = _headerWith(vm.parseJsonBytes32(_json, ".storageRoot"), 21);
    }

    /// An L2 header with this withdrawals root, cut to some fields.
    function _headerWith(bytes32 root, uint256 fields) private pure returns (bytes memory) {
        bytes[] memory list = new bytes[](fields);
        for (uint256 i; i < fields; ++i) {
            if (i == 2) list[i] = RLP.encode(address(0xFEE));
            else if (i == 6) list[i] = RLP.encode(new bytes(256));
            else if (i == 12) list[i] = RLP.encode(new bytes(17));
            else if (i == 14) list[i] = RLP.encode(new bytes(8));
            else if (i == 16) list[i] = RLP.encode(root);
            else if (i >= 7 && i <= 11 || i == 15 || i == 17 || i == 18) list[i] = RLP.encode(i * 1000);
            else list[i] = RLP.encode(keccak256(abi.encode("field", i)));
        }
        return RLP.encode(list);
    }

    /// Posts a batch that ends in the block of `header`.
    function _claim(bytes memory header) private {
        Post memory post = honest(1);
        post.statement.lastHash = keccak256(header);
        bytes32[] memory hashes = new bytes32[](1);
        hashes[0] = post.statement.lastHash;
        (post.statement.blockHashRoot, post.leftSiblings) = tree(hashes);
        certify(post);
        succeed(post);
    }

    function _finalClaim() private {
        _claim(_header);
        pass(parameters.challengePeriod);
    }

    function _at(string memory list, uint256 i, string memory name) private pure returns (string memory) {
        return string.concat(".", list, "[", vm.toString(i), "].", name);
    }

    function _withdrawal(string memory list, uint256 i) private view returns (WithdrawalTransaction memory w) {
        w.nonce = vm.parseJsonUint(_json, _at(list, i, "nonce"));
        w.sender = vm.parseJsonAddress(_json, _at(list, i, "sender"));
        w.target = vm.parseJsonAddress(_json, _at(list, i, "target"));
        w.value = vm.parseJsonUint(_json, _at(list, i, "value"));
        w.gasLimit = vm.parseJsonUint(_json, _at(list, i, "gasLimit"));
        w.data = vm.parseJsonBytes(_json, _at(list, i, "data"));
    }

    function _proof(string memory list, uint256 i) private view returns (bytes[] memory) {
        return vm.parseJsonBytesArray(_json, _at(list, i, "proof"));
    }

    function _fund(uint256 amount) private {
        vm.prank(USER, USER);
        bridge.depositTransaction{value: amount}(USER, 0, 100_000, "");
    }

    // In

    function _lastMessage() private returns (address sender, address to, uint256 value, uint256 mint, uint64 gas_) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        (, , , sender, to, value, mint, gas_, , ) = abi.decode(
            logs[logs.length - 1].data,
            (uint8, uint64, uint64, address, address, uint256, uint256, uint64, bytes, bytes32)
        );
    }

    function test_a_deposit_mints_what_was_paid_less_the_price() external {
        uint256 fee = inbox.messageFee(100_000, 4);
        vm.recordLogs();
        vm.prank(USER, USER);
        uint64 index = bridge.depositTransaction{value: 1 ether}(address(0xB0B), 5 ether, 100_000, hex"01020304");
        vm.assertEq(index, 0);
        (address sender, address to, uint256 value, uint256 mint, uint64 gas_) = _lastMessage();
        vm.assertEq(sender, USER);
        vm.assertEq(to, address(0xB0B));
        vm.assertEq(value, 5 ether);
        vm.assertEq(mint, 1 ether - fee);
        vm.assertEq(gas_, 100_000);
        vm.assertEq(address(bridge).balance, 1 ether - fee);
        vm.assertEq(address(inbox).balance, fee);
    }

    function test_a_plain_transfer_goes_to_ones_own_account() external {
        uint256 fee = inbox.messageFee(100_000, 0);
        vm.recordLogs();
        vm.prank(USER, USER);
        (bool ok,) = address(bridge).call{value: 2 ether}("");
        vm.assertTrue(ok);
        (address sender, address to, uint256 value, uint256 mint,) = _lastMessage();
        vm.assertEq(sender, USER);
        vm.assertEq(to, USER);
        vm.assertEq(value, 2 ether - fee);
        vm.assertEq(mint, value);
        vm.prank(USER, address(0x1234));
        bytes memory reason;
        (ok, reason) = address(bridge).call{value: 2 ether}("");
        vm.assertFalse(ok);
        vm.assertEq(reason, abi.encodeWithSelector(IBridge.OnlyAccounts.selector, USER));
    }

    function test_a_plain_transfer_pays_a_hundredth_or_a_hundredth_of_an_ether_at_most() external {
        uint256 fee = inbox.messageFee(100_000, 0);
        vm.startPrank(USER, USER);
        (bool ok, bytes memory reason) = address(bridge).call{value: 100 * fee - 1}("");
        vm.assertFalse(ok);
        vm.assertEq(reason, abi.encodeWithSelector(IBridge.MessageFeeTooHigh.selector, fee, fee - 1));
        (ok,) = address(bridge).call{value: 100 * fee}("");
        vm.assertTrue(ok);
        // Others fill the window.
        vm.deal(USER, 1e30);
        while (fee <= 0.01 ether) {
            bridge.depositTransaction{value: 1e24}(USER, 0, 3_750_000, "");
            fee = inbox.messageFee(100_000, 0);
        }
        (ok, reason) = address(bridge).call{value: 100 ether}("");
        vm.assertFalse(ok);
        vm.assertEq(reason, abi.encodeWithSelector(IBridge.MessageFeeTooHigh.selector, fee, 0.01 ether));
        // Who names a bound of their own may pay more, and no more than that.
        vm.expectRevert(abi.encodeWithSelector(IBridge.MessageFeeTooHigh.selector, fee, fee - 1));
        bridge.depositTransactionWithMaxFee{value: 1 ether}(USER, 0, 100_000, "", fee - 1);
        uint256 held = address(bridge).balance;
        bridge.depositTransactionWithMaxFee{value: 1 ether}(USER, 0, 100_000, "", fee);
        vm.assertEq(address(bridge).balance - held, 1 ether - fee);
        vm.stopPrank();
    }

    function test_a_contract_speaks_under_its_alias() external {
        address contract_ = address(uint160(type(uint160).max));
        vm.deal(contract_, 2 ether);
        vm.recordLogs();
        vm.prank(contract_, USER);
        bridge.depositTransaction{value: 1 ether}(USER, 0, 100_000, "");
        (address sender,,,,) = _lastMessage();
        // It wraps around.
        vm.assertEq(sender, address(0x1111000000000000000000000000000000001110));
        // An account with delegated code is itself only in its own transaction.
        vm.etch(USER, abi.encodePacked(hex"ef0100", address(this)));
        vm.prank(USER, address(0x1234));
        bridge.depositTransaction{value: 1 ether}(USER, 0, 100_000, "");
        (sender,,,,) = _lastMessage();
        vm.assertEq(sender, address(uint160(USER) + uint160(0x1111 << 144) + 0x1111));
        vm.prank(USER, USER);
        bridge.depositTransaction{value: 1 ether}(USER, 0, 100_000, "");
        (sender,,,,) = _lastMessage();
        vm.assertEq(sender, USER);
    }

    function test_a_deposit_must_cover_its_price() external {
        uint256 fee = inbox.messageFee(100_000, 0);
        vm.startPrank(USER, USER);
        vm.expectRevert(abi.encodeWithSelector(IBridge.MessageFeeNotCovered.selector, fee - 1, fee));
        bridge.depositTransaction{value: fee - 1}(USER, 0, 100_000, "");
        vm.expectRevert(IMessageQueue.RecipientIsZero.selector);
        bridge.depositTransaction{value: 1 ether}(address(0), 0, 100_000, "");
        bridge.depositTransaction{value: fee}(USER, 0, 100_000, "");
        vm.stopPrank();
        vm.assertEq(address(bridge).balance, 0);
    }

    // Out

    function test_real_proofs_pay_once() external {
        _fund(10 ether);
        _finalClaim();
        uint256 held = address(bridge).balance;
        uint256 paid;
        for (uint256 i; i < 7; ++i) {
            WithdrawalTransaction memory w = _withdrawal("sent", i);
            bytes32 hash = bridge.withdrawalHash(w);
            vm.assertEq(hash, vm.parseJsonBytes32(_json, _at("sent", i, "hash")));
            if (w.value > 1000 ether) {
                // It asks for more ether than there is: proven, not paid.
                bridge.withdraw(w, head, _header, _proof("sent", i));
                vm.assertTrue(bridge.status(hash) == WithdrawalStatus.Failed);
                continue;
            }
            uint256 before = w.target.balance;
            bridge.withdraw(w, head, _header, _proof("sent", i));
            vm.assertTrue(bridge.status(hash) == WithdrawalStatus.Done);
            vm.assertEq(w.target.balance - before, w.value);
            paid += w.value;
            vm.expectRevert(abi.encodeWithSelector(IBridge.WithdrawalDone.selector, hash));
            bridge.withdraw(w, head, _header, _proof("sent", i));
            vm.expectRevert(abi.encodeWithSelector(IBridge.WithdrawalDone.selector, hash));
            bridge.retry(w);
        }
        vm.assertEq(address(bridge).balance, held - paid);
        vm.assertGt(paid, 2 ether, "the vectors hold ether");
    }

    function test_what_was_not_sent_is_not_paid() external {
        _fund(10 ether);
        _finalClaim();
        for (uint256 i; i < 3; ++i) {
            WithdrawalTransaction memory w = _withdrawal("notSent", i);
            bytes[] memory proof = _proof("notSent", i);
            // A proof of absence may also end in the library's own RLP error.
            vm.expectRevert();
            bridge.withdraw(w, head, _header, proof);
            vm.assertTrue(bridge.status(bridge.withdrawalHash(w)) == WithdrawalStatus.None);
        }
        // Another's proof, a cut one, and none.
        WithdrawalTransaction memory first = _withdrawal("sent", 0);
        bytes memory notProven =
            abi.encodeWithSelector(IBridge.WithdrawalNotProven.selector, bridge.withdrawalHash(first));
        bytes[] memory other = _proof("sent", 5);
        vm.expectRevert(notProven);
        bridge.withdraw(first, head, _header, other);
        vm.expectRevert(notProven);
        bridge.withdraw(first, head, _header, new bytes[](0));
        vm.assertEq(address(bridge).balance, 10 ether - address(inbox).balance);
    }

    function test_claim_and_header_must_be_right_and_final() external {
        _fund(10 ether);
        WithdrawalTransaction memory w = _withdrawal("sent", 0);
        bytes[] memory proof = _proof("sent", 0);
        _claim(_header);
        pass(parameters.challengePeriod - 1);
        bytes32 id = keccak256(abi.encode(head));
        vm.expectRevert(abi.encodeWithSelector(IBridge.ClaimNotFinal.selector, id));
        bridge.withdraw(w, head, _header, proof);
        pass(1);
        ClaimPreimage memory invented = head;
        invented.lastHash = keccak256("other");
        bytes32 inventedId = keccak256(abi.encode(invented));
        vm.expectRevert(abi.encodeWithSelector(IBridge.ClaimNotFinal.selector, inventedId));
        bridge.withdraw(w, invented, _header, proof);
        bytes memory other = _headerWith(keccak256("root"), 21);
        vm.expectRevert(
            abi.encodeWithSelector(StateProof.WrongHeader.selector, keccak256(other), keccak256(_header))
        );
        bridge.withdraw(w, head, other, proof);
        bridge.withdraw(w, head, _header, proof);
    }

    function test_a_header_without_the_root_proves_nothing() external {
        _header = _headerWith(0, 16);
        _finalClaim();
        WithdrawalTransaction memory w = _withdrawal("sent", 0);
        bytes[] memory proof = _proof("sent", 0);
        vm.expectRevert(abi.encodeWithSelector(StateProof.HeaderTooShort.selector, 16));
        bridge.withdraw(w, head, _header, proof);
    }

    /// A withdrawal that is the only entry of a trie of its own, claimed and final.
    function _alone(WithdrawalTransaction memory w) private returns (bytes[] memory proof) {
        bytes32 slot = keccak256(abi.encode(bridge.withdrawalHash(w), uint256(0)));
        bytes[] memory leaf = new bytes[](2);
        // Hex-prefix of a whole key in a leaf: 0x20. The value is the RLP of 1.
        leaf[0] = RLP.encode(abi.encodePacked(uint8(0x20), keccak256(abi.encode(slot))));
        leaf[1] = RLP.encode(uint256(1));
        proof = new bytes[](1);
        proof[0] = RLP.encode(leaf);
        _header = _headerWith(keccak256(proof[0]), 21);
        _finalClaim();
    }

    function test_a_failing_call_can_be_retried_until_it_works_once() external {
        Recipient recipient = new Recipient();
        WithdrawalTransaction memory w =
            WithdrawalTransaction(7, address(0x5E4D), address(recipient), 1 ether, 200_000, hex"c0ffee");
        bytes[] memory proof = _alone(w);
        bytes32 hash = bridge.withdrawalHash(w);
        vm.expectRevert(abi.encodeWithSelector(IBridge.NothingToRetry.selector, hash));
        bridge.retry(w);
        // Refused, then wasted, then not covered.
        recipient.set(bridge, true, false, "");
        bridge.withdraw(w, head, _header, proof);
        vm.assertTrue(bridge.status(hash) == WithdrawalStatus.Failed);
        vm.expectRevert(abi.encodeWithSelector(IBridge.WithdrawalAlreadyProven.selector, hash));
        bridge.withdraw(w, head, _header, proof);
        recipient.set(bridge, false, true, "");
        bridge.retry{gas: 400_000}(w);
        vm.assertTrue(bridge.status(hash) == WithdrawalStatus.Failed);
        recipient.set(bridge, false, false, "");
        bridge.retry(w);
        vm.assertTrue(bridge.status(hash) == WithdrawalStatus.Failed);
        _fund(3 ether);
        bridge.retry(w);
        vm.assertTrue(bridge.status(hash) == WithdrawalStatus.Done);
        vm.assertEq(address(recipient).balance, 1 ether);
        vm.assertEq(recipient.sawSender(), address(0x5E4D));
        vm.assertEq(recipient.sawData(), hex"c0ffee");
        vm.assertEq(bridge.l2Sender(), address(0));
        vm.expectRevert(abi.encodeWithSelector(IBridge.WithdrawalDone.selector, hash));
        bridge.retry(w);
    }

    function test_nobody_comes_back_in_during_a_call() external {
        Recipient recipient = new Recipient();
        WithdrawalTransaction memory w =
            WithdrawalTransaction(7, address(0x5E4D), address(recipient), 1 ether, 200_000, "");
        bytes[] memory proof = _alone(w);
        _fund(10 ether);
        recipient.set(bridge, false, false, abi.encodeCall(bridge.withdraw, (w, head, _header, proof)));
        bridge.withdraw(w, head, _header, proof);
        vm.assertFalse(recipient.cameBack());
        vm.assertEq(address(recipient).balance, 1 ether);
    }

    function testFuzz_a_call_gets_the_gas_that_it_asks_for(uint256 gasLimit, uint256 supplied) external {
        Recipient recipient = new Recipient();
        recipient.set(bridge, false, false, "");
        gasLimit = bound(gasLimit, 150_000, 3_000_000);
        supplied = bound(supplied, 300_000, 4_000_000);
        WithdrawalTransaction memory w =
            WithdrawalTransaction(7, address(0x5E4D), address(recipient), 1 ether, gasLimit, "");
        bytes[] memory proof = _alone(w);
        _fund(10 ether);
        bytes32 hash = bridge.withdrawalHash(w);
        bytes memory call_ = abi.encodeCall(bridge.withdraw, (w, head, _header, proof));
        (bool ok,) = address(bridge).call{gas: supplied}(call_);
        if (ok) {
            vm.assertTrue(bridge.status(hash) == WithdrawalStatus.Done);
            // The stipend of 2,300 comes on top.
            vm.assertGt(recipient.sawGas() + 1000, gasLimit, "gas at the callee");
        } else {
            vm.assertTrue(bridge.status(hash) == WithdrawalStatus.None);
        }
    }

    function test_an_impossible_gas_limit_locks_no_ether() external {
        Recipient recipient = new Recipient();
        recipient.set(bridge, false, false, "");
        WithdrawalTransaction memory w =
            WithdrawalTransaction(7, address(0x5E4D), address(recipient), 1 ether, type(uint256).max, "");
        bytes[] memory proof = _alone(w);
        _fund(10 ether);
        vm.expectPartialRevert(IBridge.NotEnoughGas.selector);
        bridge.withdraw{gas: 10_000_000}(w, head, _header, proof);
        // An L1 transaction's most is 2^24.
        bridge.withdraw{gas: 1 << 24}(w, head, _header, proof);
        vm.assertEq(address(recipient).balance, 1 ether);
        vm.assertGt(recipient.sawGas(), 9_999_000, "the most that can be asked for");
    }

    function test_a_withdrawals_call_may_deposit() external {
        Recipient recipient = new Recipient();
        WithdrawalTransaction memory w =
            WithdrawalTransaction(7, address(0x5E4D), address(recipient), 1 ether, 500_000, "");
        bytes[] memory proof = _alone(w);
        _fund(10 ether);
        uint256 held = address(bridge).balance;
        uint256 fee = inbox.messageFee(100_000, 0);
        recipient.set(
            bridge, false, false, abi.encodeCall(bridge.depositTransaction, (address(0xB0B), 0.5 ether, 100_000, ""))
        );
        vm.recordLogs();
        bridge.withdraw(w, head, _header, proof);
        vm.assertTrue(recipient.cameBack(), "deposited");
        vm.assertEq(address(bridge).balance, held - fee);
        vm.assertEq(address(recipient).balance, 0);
        vm.assertTrue(bridge.status(bridge.withdrawalHash(w)) == WithdrawalStatus.Done);
        // The message is the recipient's, not the withdrawal's sender's.
        Vm.Log[] memory logs = vm.getRecordedLogs();
        (, , , address sender, address to, , uint256 mint, , , ) = abi.decode(
            logs[0].data, (uint8, uint64, uint64, address, address, uint256, uint256, uint64, bytes, bytes32)
        );
        vm.assertEq(sender, address(uint160(address(recipient)) + uint160(0x1111 << 144) + 0x1111));
        vm.assertEq(to, address(0xB0B));
        vm.assertEq(mint, 1 ether - fee);
    }

    function test_the_protocols_own_contracts_are_no_targets() external {
        address[4] memory own = [address(bridge), address(inbox), address(claims), address(registry)];
        for (uint256 i; i < 4; ++i) {
            WithdrawalTransaction memory w = WithdrawalTransaction(i, USER, own[i], 0, 100_000, hex"01020304");
            bytes[] memory proof = _alone(w);
            vm.expectRevert(abi.encodeWithSelector(IBridge.ForbiddenTarget.selector, own[i]));
            bridge.withdraw(w, head, _header, proof);
        }
    }

    function test_a_bridge_needs_an_inbox_made_for_it() external {
        BridgeMaker maker = new BridgeMaker();
        vm.expectRevert(IBridge.WrongContracts.selector);
        maker.make(inbox);
    }

    function test_headers_and_proofs_of_mainnet_decode_as_we_decode_ours() external {
        string memory folder = string.concat(
            vm.envOr("SURETY_VECTORS", string("../../shared/vectors")), "/l1-inclusion-proofs/"
        );
        if (!_exists(folder)) vm.skip(true, string.concat("no test vectors of others at ", folder));
        bytes memory first = _result(folder, "header_20785011.json");
        Memory.Slice[] memory fields = RLP.decodeList(_result(folder, "header_20785012.json"));
        vm.assertEq(fields.length, 20);
        vm.assertEq(RLP.readBytes32(fields[0]), keccak256(first));
        fields = RLP.decodeList(first);
        string memory json = vm.readFile(string.concat(folder, "eth_proof_20785011.json"));
        bytes[] memory proof = vm.parseJsonBytesArray(json, ".result.accountProof");
        address account = vm.parseJsonAddress(json, ".result.address");
        bytes memory value =
            TrieProof.traverse(RLP.readBytes32(fields[3]), abi.encodePacked(keccak256(abi.encodePacked(account))), proof);
        Memory.Slice[] memory state = RLP.decodeList(value);
        vm.assertEq(RLP.readUint256(state[0]), vm.parseJsonUint(json, ".result.nonce"));
        vm.assertEq(RLP.readUint256(state[1]), vm.parseJsonUint(json, ".result.balance"));
        vm.assertEq(RLP.readBytes32(state[2]), vm.parseJsonBytes32(json, ".result.storageHash"));
    }

    function _result(string memory folder, string memory name) private view returns (bytes memory) {
        return vm.parseJsonBytes(vm.readFile(string.concat(folder, name)), ".result");
    }

    function _exists(string memory path) private view returns (bool) {
        try vm.exists(path) returns (bool yes) {
            return yes;
        } catch {
            return false;
        }
    }
}

/// @notice A call of its own, so that its revert can be expected.
contract BridgeMaker {
    function make(IInbox inbox) external returns (Bridge) {
        return new Bridge(inbox);
    }
}

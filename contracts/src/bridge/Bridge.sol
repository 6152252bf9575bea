// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {WithdrawalHash} from "../l2/WithdrawalHash.sol";
import {AddressAlias} from "../lib/AddressAlias.sol";
import {ClaimPreimage, Commitments} from "../lib/Commitments.sol";
import {StateProof} from "../lib/StateProof.sol";
import {IClaims} from "../rollup/IClaims.sol";
import {IInbox} from "../rollup/IInbox.sol";
import {Escape} from "./Escape.sol";
import {IBridge, WithdrawalStatus, WithdrawalTransaction} from "./IBridge.sol";
import {TrieProof} from "@openzeppelin/contracts/utils/cryptography/TrieProof.sol";

/// @notice Ether in and out; what everything means stands in `IBridge`, and after the chain's end in `IEscape`.
contract Bridge is IBridge, Escape {
    /// @dev Gas of a plain deposit on L2.
    uint64 private constant RECEIVE_GAS = 100_000;
    /// @dev A plain deposit's price is at most one in this many of what is sent, and never more than `RECEIVE_MAX_FEE`.
    uint256 private constant RECEIVE_FEE_SHARE = 100;
    uint256 private constant RECEIVE_MAX_FEE = 0.01 ether;
    /// @dev Gas kept back from a withdrawal's call to write down how it went.
    uint256 private constant RESERVED_GAS = 20_000;
    /// @dev What a call with value costs at most before the callee runs (cold account, value, new account).
    uint256 private constant CALL_GAS = 40_000;

    IClaims public immutable claims;

    mapping(bytes32 hash => WithdrawalStatus) public status;
    address public transient l2Sender;

    /// @param inbox_ Made for this bridge.
    constructor(IInbox inbox_) Escape(inbox_) {
        require(inbox_.bridge() == address(this), WrongContracts());
        claims = inbox_.claims();
    }

    /// @inheritdoc IBridge
    function depositTransaction(address to, uint256 value, uint64 gasLimit, bytes calldata data)
        external
        payable
        returns (uint64)
    {
        return _deposit(to, value, gasLimit, data, type(uint256).max);
    }

    /// @inheritdoc IBridge
    function depositTransactionWithMaxFee(
        address to,
        uint256 value,
        uint64 gasLimit,
        bytes calldata data,
        uint256 maxFee
    ) external payable returns (uint64) {
        return _deposit(to, value, gasLimit, data, maxFee);
    }

    /// @inheritdoc IBridge
    receive() external payable {
        require(msg.sender == tx.origin, OnlyAccounts(msg.sender));
        uint256 most = msg.value / RECEIVE_FEE_SHARE;
        if (most > RECEIVE_MAX_FEE) most = RECEIVE_MAX_FEE;
        uint256 fee = _fee(RECEIVE_GAS, 0, most);
        uint256 mint = msg.value - fee;
        inbox.deposit{value: fee}(msg.sender, msg.sender, mint, mint, RECEIVE_GAS, "");
    }

    /// @dev Not guarded against reentrance: a withdrawal's call may deposit again. Nothing here reads or writes what a
    /// withdrawal changes, and the inbox calls nobody.
    function _deposit(address to, uint256 value, uint64 gasLimit, bytes calldata data, uint256 maxFee)
        private
        returns (uint64)
    {
        address sender = msg.sender;
        if (sender != tx.origin) sender = AddressAlias.aliased(sender);
        uint256 fee = _fee(gasLimit, data.length, maxFee);
        return inbox.deposit{value: fee}(sender, to, value, msg.value - fee, gasLimit, data);
    }

    /// @inheritdoc IBridge
    function withdraw(
        WithdrawalTransaction calldata withdrawal,
        ClaimPreimage calldata claim,
        bytes calldata header,
        bytes[] calldata storageProof
    ) external nonReentrant {
        bytes32 hash = withdrawalHash(withdrawal);
        WithdrawalStatus before = status[hash];
        require(before != WithdrawalStatus.Done, WithdrawalDone(hash));
        require(before == WithdrawalStatus.None, WithdrawalAlreadyProven(hash));
        _checkSent(hash, _withdrawalsRoot(claim, header), storageProof);
        _pay(hash, withdrawal);
    }

    /// @inheritdoc IBridge
    function withdrawMany(
        WithdrawalTransaction[] calldata withdrawals,
        ClaimPreimage calldata claim,
        bytes calldata header,
        bytes[] calldata nodes,
        bytes[] calldata paths
    ) external nonReentrant {
        require(withdrawals.length == paths.length, PathsWrong(paths.length, withdrawals.length));
        bytes32 root = _withdrawalsRoot(claim, header);
        bytes[] memory all = nodes;
        for (uint256 i; i < withdrawals.length; ++i) {
            bytes32 hash = withdrawalHash(withdrawals[i]);
            // Someone else may have been faster, or it stands here twice: the others must not suffer.
            if (status[hash] != WithdrawalStatus.None) continue;
            bytes calldata path = paths[i];
            bytes[] memory proof = new bytes[](path.length);
            for (uint256 j; j < path.length; ++j) {
                uint256 place = uint8(path[j]);
                require(place < all.length, PathsWrong(place, all.length));
                proof[j] = all[place];
            }
            _checkSent(hash, root, proof);
            _pay(hash, withdrawals[i]);
        }
    }

    /// @inheritdoc IBridge
    function retry(WithdrawalTransaction calldata withdrawal) external nonReentrant {
        bytes32 hash = withdrawalHash(withdrawal);
        WithdrawalStatus before = status[hash];
        require(before != WithdrawalStatus.Done, WithdrawalDone(hash));
        require(before == WithdrawalStatus.Failed, NothingToRetry(hash));
        _pay(hash, withdrawal);
    }

    /// @inheritdoc IBridge
    function withdrawalHash(WithdrawalTransaction calldata w) public pure returns (bytes32) {
        return keccak256(abi.encode(w.nonce, w.sender, w.target, w.value, w.gasLimit, w.data));
    }

    function _fee(uint64 gasLimit, uint256 dataLength, uint256 most) private view returns (uint256 fee) {
        fee = inbox.messageFee(gasLimit, dataLength);
        require(fee <= most, MessageFeeTooHigh(fee, most));
        require(msg.value >= fee, MessageFeeNotCovered(msg.value, fee));
    }

    /// @dev `withdrawalsRoot` of the last block of a final claim.
    function _withdrawalsRoot(ClaimPreimage calldata claim, bytes calldata header) private view returns (bytes32) {
        bytes32 id = Commitments.claimId(claim);
        require(claims.isFinal(id), ClaimNotFinal(id));
        return StateProof.headerWord(header, claim.lastHash, StateProof.WITHDRAWALS_ROOT);
    }

    /// @dev The withdrawal's flag is in the passer's storage.
    function _checkSent(bytes32 hash, bytes32 root, bytes[] memory proof) private pure {
        bytes32 slot = keccak256(abi.encode(hash, uint256(0)));
        bool sent = TrieProof.verify(hex"01", root, abi.encodePacked(keccak256(abi.encode(slot))), proof);
        require(sent, WithdrawalNotProven(hash));
    }

    /// @dev Makes a withdrawal's call, and notes how it went.
    function _pay(bytes32 hash, WithdrawalTransaction calldata w) private {
        address target = w.target;
        require(
            target != address(this) && target != address(inbox) && target != address(claims)
                && target != address(registry),
            ForbiddenTarget(target)
        );
        status[hash] = WithdrawalStatus.Done;
        l2Sender = w.sender;
        uint256 value = w.value;
        bytes memory data = w.data;
        // More than L2 lets through is not asked for: a limit that no L1 transaction can meet would lock the ether.
        uint256 asked = w.gasLimit < WithdrawalHash.MAX_GAS_LIMIT ? w.gasLimit : WithdrawalHash.MAX_GAS_LIMIT;
        // EIP-150: of what is left when the callee starts, 63/64 reach it. All that can be had goes to it, but for the
        // reserve; it is at least what the withdrawal asks for, or nothing happens at all.
        uint256 available = gasleft();
        require(available > RESERVED_GAS + CALL_GAS, NotEnoughGas(0, asked));
        available = (available - RESERVED_GAS - CALL_GAS) * 63 / 64;
        require(available >= asked, NotEnoughGas(available, asked));
        bool paid;
        assembly ("memory-safe") {
            // No return data are copied: a callee cannot make us pay for memory.
            paid := call(sub(gas(), RESERVED_GAS), target, value, add(data, 32), mload(data), 0, 0)
        }
        l2Sender = address(0);
        if (paid) {
            emit WithdrawalPaid(hash, target, value);
        } else {
            status[hash] = WithdrawalStatus.Failed;
            emit WithdrawalFailed(hash, target, value);
        }
    }
}

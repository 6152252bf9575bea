// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../bonding/ISequencerRegistry.sol";
import {ISlasher} from "../bonding/ISlasher.sol";
import {Predeploys} from "../l2/Predeploys.sol";
import {ClaimPreimage, Commitments} from "../lib/Commitments.sol";
import {StateProof} from "../lib/StateProof.sol";
import {IInbox} from "../rollup/IInbox.sol";
import {IEscape, QueuedMessage} from "./IEscape.sol";
import {Payee} from "./Payee.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @notice What the bridge does when the chain has ended; what everything means stands in `IEscape`.
abstract contract Escape is IEscape, ReentrancyGuardTransient {
    /// @dev Slot of the consumed message count in `L1Block` (protocol §15.8).
    bytes32 private constant MESSAGE_COUNT_SLOT = bytes32(uint256(9));

    struct Consumption {
        bool proven;
        uint64 messages;
    }

    IInbox public immutable inbox;
    ISequencerRegistry public immutable registry;

    bytes32 public escapeStateRoot;
    bytes32 public escapeClaim;
    Consumption public escapeConsumption;
    mapping(address account => bool) public escaped;
    mapping(uint64 index => bool) public refunded;

    constructor(IInbox inbox_) {
        inbox = inbox_;
        registry = inbox_.registry();
    }

    /// @inheritdoc IEscape
    function openEscape(ClaimPreimage calldata last, bytes calldata header) external nonReentrant {
        bytes32 id = Commitments.claimId(last);
        bytes32 root = StateProof.headerWord(header, last.lastHash, StateProof.STATE_ROOT);
        inbox.end(id);
        (escapeClaim, escapeStateRoot) = (id, root);
        emit EscapeOpened(id, root);
        // Whatever becomes of it: nothing there must keep the escape shut, and anyone may burn later.
        address slasher = registry.slasher();
        if (slasher.code.length != 0) try ISlasher(slasher).burn() {} catch {}
    }

    /// @inheritdoc IEscape
    function proveConsumption(bytes[] calldata accountProof, bytes[] calldata slotProof) external {
        bytes32 root = _stateRoot();
        require(!escapeConsumption.proven, ConsumptionProvenBefore(escapeConsumption.messages));
        bytes32 storageRoot = StateProof.account(root, Predeploys.L1_BLOCK, accountProof).storageRoot;
        uint64 messages = uint64(StateProof.slot(storageRoot, MESSAGE_COUNT_SLOT, slotProof));
        escapeConsumption = Consumption(true, messages);
        emit ConsumptionProven(messages);
    }

    /// @inheritdoc IEscape
    function escape(
        address account,
        address delegate,
        bytes[] calldata proof,
        address payable to,
        bytes calldata signature
    ) external nonReentrant {
        bytes32 root = _stateRoot();
        require(!escaped[account], EscapedBefore(account));
        Payee.check(account, address(0), to, signature);
        uint256 value = StateProof.keyedBalance(root, account, delegate, proof);
        require(value != 0, NothingToPay());
        escaped[account] = true;
        emit Escaped(account, to, value);
        _send(to, value);
    }

    /// @inheritdoc IEscape
    function refund(QueuedMessage calldata message, bytes32 accBefore, bytes32[] calldata following, address payable to)
        external
        nonReentrant
    {
        _stateRoot();
        Consumption memory consumption = escapeConsumption;
        require(consumption.proven, ConsumptionNotProven());
        uint64 index = message.index;
        require(index >= consumption.messages, MessageConsumed(index, consumption.messages));
        require(!refunded[index], MessageRefundedBefore(index));
        _checkSent(message, accBefore, following);
        Payee.check(message.sender, address(0), to, msg.data[:0]);
        require(message.mint != 0 || Payee.speaksFor(msg.sender, message.sender), NothingToPay());
        refunded[index] = true;
        emit MessageRefunded(index, to, message.mint);
        if (message.mint != 0) _send(to, message.mint);
    }

    /// @dev The message is in the inbox: with those that follow it leads to an accumulator that the inbox still has.
    function _checkSent(QueuedMessage calldata m, bytes32 accBefore, bytes32[] calldata following) private view {
        bytes32 hash = Commitments.messageHash(
            m.kind, m.index, m.l1Block, m.l1Time, m.sender, m.to, m.value, m.mint, m.gas, m.data
        );
        bytes32 acc = Commitments.accumulate(accBefore, hash);
        for (uint256 i; i < following.length; ++i) {
            acc = Commitments.accumulate(acc, following[i]);
        }
        uint64 until = m.index + 1 + uint64(following.length);
        require(acc == inbox.accumulator(until), MessageNotProven(m.index));
    }

    function _stateRoot() private view returns (bytes32 root) {
        root = escapeStateRoot;
        require(root != 0, EscapeNotOpen());
    }

    function _send(address payable to, uint256 value) private {
        (bool paid,) = to.call{value: value}("");
        require(paid, PaymentRefused(to));
    }
}

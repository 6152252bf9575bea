// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Predeploys} from "../l2/Predeploys.sol";
import {IInbox} from "../rollup/IInbox.sol";
import {IBridge} from "./IBridge.sol";
import {IEscape, QueuedMessage} from "./IEscape.sol";
import {IL1CrossDomainMessenger} from "./IL1CrossDomainMessenger.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @notice See `IL1CrossDomainMessenger`.
contract L1CrossDomainMessenger is IL1CrossDomainMessenger, ReentrancyGuardTransient {
    /// @inheritdoc IL1CrossDomainMessenger
    uint16 public constant MESSAGE_VERSION = 1;

    // The same figures as on L2 (`L2CrossDomainMessenger`): what is bought there, and what is needed here.
    uint256 private constant RESERVED_GAS = 40_000;
    uint256 private constant CHECK_BUFFER = 5_000;
    uint256 private constant CONSTANT_OVERHEAD = 200_000;
    uint256 private constant CALL_OVERHEAD = 40_000;
    uint256 private constant ENCODING_OVERHEAD = 260;
    uint256 private constant CALLDATA_GAS = 16;
    uint256 private constant FLOOR_GAS = 40;
    uint256 private constant TRANSACTION_GAS = 21_000;

    IBridge public immutable bridge;
    IInbox private immutable _inbox;

    mapping(bytes32 => bool) public successfulMessages;
    mapping(bytes32 => bool) public failedMessages;
    uint240 private _counter;
    /// Set while a message is being delivered, which also bars a delivery within a delivery.
    address private transient _sender;
    /// Set while the bridge pays a message back.
    bool private transient _returning;

    /// @param bridge_ The bridge.
    constructor(IBridge bridge_) {
        bridge = bridge_;
        _inbox = IEscape(address(bridge_)).inbox();
    }

    /// Only the bridge pays, and only what is being returned.
    receive() external payable {
        if (!_returning || msg.sender != address(bridge)) revert EtherNotExpected(msg.sender);
    }

    /// @inheritdoc IL1CrossDomainMessenger
    function sendMessage(address target, bytes calldata message, uint32 minGasLimit) external payable {
        uint256 price = fee(message, minGasLimit);
        if (msg.value < price) revert FeeNotCovered(msg.value, price);
        uint256 value = msg.value - price;
        uint256 nonce = messageNonce();
        unchecked {
            ++_counter;
        }
        bridge.depositTransaction{value: msg.value}(
            Predeploys.L2_CROSS_DOMAIN_MESSENGER,
            value,
            baseGas(message, minGasLimit),
            abi.encodeCall(this.relayMessage, (nonce, msg.sender, target, value, minGasLimit, message))
        );
        emit SentMessage(target, msg.sender, message, nonce, minGasLimit);
        emit SentMessageExtension1(msg.sender, value);
    }

    /// @inheritdoc IL1CrossDomainMessenger
    function relayMessage(
        uint256 nonce,
        address sender,
        address target,
        uint256 value,
        uint256 minGasLimit,
        bytes calldata message
    ) external payable {
        uint16 messageVersion = uint16(nonce >> 240);
        if (messageVersion != MESSAGE_VERSION) revert WrongVersion(messageVersion);
        bytes32 hash =
            keccak256(abi.encodeCall(this.relayMessage, (nonce, sender, target, value, minGasLimit, message)));
        if (successfulMessages[hash]) revert AlreadyRelayed(hash);
        _admit(hash, value);
        // The bridge believes this contract: whoever made it call the bridge could speak on L2 in anyone's name.
        if (target == address(this) || target == address(bridge)) revert UnsafeTarget(target);

        // A delivery within a delivery would show the inner call the wrong sender. Too little gas must be seen before
        // the call, else a relayer could have the target starve inside a delivery that counts. The copy of the message
        // is paid for before the gas is measured.
        bool delivered;
        bytes memory payload = message;
        if (_sender == address(0) && _hasMinGas(minGasLimit)) {
            _sender = sender;
            delivered = _call(target, value, payload);
            _sender = address(0);
        }
        if (delivered) {
            successfulMessages[hash] = true;
            emit RelayedMessage(hash);
        } else {
            failedMessages[hash] = true;
            emit FailedRelayedMessage(hash);
            if (tx.origin == Predeploys.ESTIMATION) revert EstimationFailed();
        }
    }

    /// @inheritdoc IL1CrossDomainMessenger
    function returnMessage(
        QueuedMessage calldata queued,
        bytes32 accBefore,
        bytes32[] calldata following,
        address payable to
    ) external nonReentrant returns (address target, uint256 value, bytes memory message) {
        // Refused unless this contract sent the message, and only once.
        _returning = true;
        IEscape(address(bridge)).refund(queued, accBefore, following, payable(address(this)));
        _returning = false;
        address sender;
        // What this contract sends is a call of `relayMessage`, always.
        (, sender, target, value,, message) =
            abi.decode(queued.data[4:], (uint256, address, address, uint256, uint256, bytes));
        // Without ether there is nothing to give to a sender who does not ask; it may keep books and must learn of it.
        if (msg.sender != sender && (to != sender || value == 0)) revert NotSender(sender, msg.sender);
        emit ReturnedMessage(queued.index, sender, to, value);
        if (value != 0) {
            (bool paid,) = to.call{value: value}("");
            if (!paid) revert PaymentRefused(to);
        }
    }

    /// @inheritdoc IL1CrossDomainMessenger
    function fee(bytes calldata message, uint32 minGasLimit) public view returns (uint256) {
        // Selector, six heads, the length, and the message in whole words.
        return _inbox.messageFee(baseGas(message, minGasLimit), 4 + 7 * 32 + (message.length + 31) / 32 * 32);
    }

    /// @inheritdoc IL1CrossDomainMessenger
    function xDomainMessageSender() external view returns (address) {
        if (_sender == address(0)) revert NotRelaying();
        return _sender;
    }

    /// @inheritdoc IL1CrossDomainMessenger
    function otherMessenger() external pure returns (address) {
        return Predeploys.L2_CROSS_DOMAIN_MESSENGER;
    }

    /// @inheritdoc IL1CrossDomainMessenger
    function OTHER_MESSENGER() external pure returns (address) {
        return Predeploys.L2_CROSS_DOMAIN_MESSENGER;
    }

    /// @inheritdoc IL1CrossDomainMessenger
    function PORTAL() external view returns (address) {
        return address(bridge);
    }

    /// @inheritdoc IL1CrossDomainMessenger
    function portal() external view returns (address) {
        return address(bridge);
    }

    /// @inheritdoc IL1CrossDomainMessenger
    function messageNonce() public view returns (uint256) {
        return uint256(MESSAGE_VERSION) << 240 | _counter;
    }

    /// @inheritdoc IL1CrossDomainMessenger
    function baseGas(bytes calldata message, uint32 minGasLimit) public pure returns (uint64) {
        uint256 size = message.length + ENCODING_OVERHEAD;
        uint256 execution =
            CONSTANT_OVERHEAD + CALL_OVERHEAD + RESERVED_GAS + CHECK_BUFFER + uint256(minGasLimit) * 64 / 63;
        uint256 standard = execution + size * CALLDATA_GAS;
        uint256 floor = size * FLOOR_GAS;
        return uint64(TRANSACTION_GAS + (standard > floor ? standard : floor));
    }

    /// @inheritdoc IL1CrossDomainMessenger
    function paused() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IL1CrossDomainMessenger
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// The bridge brings new messages with their ether; anyone brings failed ones, whose ether is already here.
    function _admit(bytes32 hash, uint256 value) private view {
        bool first = msg.sender == address(bridge) && bridge.l2Sender() == Predeploys.L2_CROSS_DOMAIN_MESSENGER;
        if (!first && !failedMessages[hash]) revert NotRelayer(msg.sender);
        uint256 expected = first ? value : 0;
        if (msg.value != expected) revert WrongValue(msg.value, expected);
    }

    /// Whether the target would get `minGasLimit` after a 64th is withheld and the reserve is set aside.
    function _hasMinGas(uint256 minGasLimit) private view returns (bool) {
        uint256 reserved = CALL_OVERHEAD + RESERVED_GAS + CHECK_BUFFER;
        uint256 available = gasleft();
        if (available <= reserved || minGasLimit > type(uint64).max) return false;
        return (available - reserved) * 63 >= minGasLimit * 64;
    }

    /// Calls without copying what the target returns, which could cost more than the reserve.
    function _call(address target, uint256 value, bytes memory message) private returns (bool success) {
        uint256 limit = gasleft() - RESERVED_GAS;
        assembly ("memory-safe") {
            success := call(limit, target, value, add(message, 32), mload(message), 0, 0)
        }
    }
}

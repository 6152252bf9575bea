// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IL2CrossDomainMessenger} from "./IL2CrossDomainMessenger.sol";
import {IL2ToL1MessagePasser} from "./IL2ToL1MessagePasser.sol";
import {Predeploys} from "./Predeploys.sol";

/// @notice See `IL2CrossDomainMessenger`.
contract L2CrossDomainMessenger is IL2CrossDomainMessenger {
    /// @inheritdoc IL2CrossDomainMessenger
    uint16 public constant MESSAGE_VERSION = 1;

    /// Gas kept back from the target for what follows its call.
    uint256 private constant RESERVED_GAS = 40_000;
    /// Gas between the check and the call.
    uint256 private constant CHECK_BUFFER = 5_000;
    /// What a delivery needs before its target is called, with and without the call itself.
    uint256 private constant CONSTANT_OVERHEAD = 200_000;
    uint256 private constant CALL_OVERHEAD = 40_000;
    /// Bytes of a delivery besides its message, and gas per byte of calldata (EIP-7623's floor: 40).
    uint256 private constant ENCODING_OVERHEAD = 260;
    uint256 private constant CALLDATA_GAS = 16;
    uint256 private constant FLOOR_GAS = 40;
    uint256 private constant TRANSACTION_GAS = 21_000;

    // Slot 0: the genesis writes it.
    address public otherMessenger;
    mapping(bytes32 => bool) public successfulMessages;
    mapping(bytes32 => bool) public failedMessages;
    uint240 private _counter;
    /// Set while a message is being delivered, which also bars a delivery within a delivery.
    address private transient _sender;

    /// @inheritdoc IL2CrossDomainMessenger
    function sendMessage(address target, bytes calldata message, uint32 minGasLimit) external payable {
        if (otherMessenger == address(0)) revert NoCounterpart();
        uint256 nonce = messageNonce();
        unchecked {
            ++_counter;
        }
        IL2ToL1MessagePasser(payable(Predeploys.L2_TO_L1_MESSAGE_PASSER)).initiateWithdrawal{value: msg.value}(
            otherMessenger,
            baseGas(message, minGasLimit),
            abi.encodeCall(this.relayMessage, (nonce, msg.sender, target, msg.value, minGasLimit, message))
        );
        emit SentMessage(target, msg.sender, message, nonce, minGasLimit);
        emit SentMessageExtension1(msg.sender, msg.value);
    }

    /// @inheritdoc IL2CrossDomainMessenger
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
        if (target == address(this) || target == Predeploys.L2_TO_L1_MESSAGE_PASSER) revert UnsafeTarget(target);

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

    /// @inheritdoc IL2CrossDomainMessenger
    function xDomainMessageSender() external view returns (address) {
        if (_sender == address(0)) revert NotRelaying();
        return _sender;
    }

    /// @inheritdoc IL2CrossDomainMessenger
    function OTHER_MESSENGER() external view returns (address) {
        return otherMessenger;
    }

    /// @inheritdoc IL2CrossDomainMessenger
    function messageNonce() public view returns (uint256) {
        return uint256(MESSAGE_VERSION) << 240 | _counter;
    }

    /// @inheritdoc IL2CrossDomainMessenger
    function baseGas(bytes calldata message, uint32 minGasLimit) public pure returns (uint64) {
        uint256 size = message.length + ENCODING_OVERHEAD;
        uint256 execution =
            CONSTANT_OVERHEAD + CALL_OVERHEAD + RESERVED_GAS + CHECK_BUFFER + uint256(minGasLimit) * 64 / 63;
        uint256 standard = execution + size * CALLDATA_GAS;
        uint256 floor = size * FLOOR_GAS;
        return uint64(TRANSACTION_GAS + (standard > floor ? standard : floor));
    }

    /// @inheritdoc IL2CrossDomainMessenger
    function paused() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IL2CrossDomainMessenger
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// The L1 messenger brings new messages with their ether; anyone brings failed ones, whose ether is already here.
    function _admit(bytes32 hash, uint256 value) private view {
        bool first = otherMessenger != address(0) && msg.sender == Predeploys.aliased(otherMessenger);
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

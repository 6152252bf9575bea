// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBridge} from "./IBridge.sol";
import {QueuedMessage} from "./IEscape.sol";

/// @title Calls between contracts of both chains that can be tried again, by the OP Stack's names
/// @notice The L1 side of `IL2CrossDomainMessenger`. **Sending**: the message travels as a deposit of this contract to the
/// messenger on L2, which makes the call; if that fails there, anyone may try again there. The queue's price is paid out of
/// the ether sent, and what is left arrives: send `fee(message, minGasLimit)` more than is to arrive. **Receiving**: a
/// withdrawal of the messenger on L2, paid by the bridge; a call that fails here, or would have too little gas, is kept, and
/// may be tried again by anyone, with any gas. Each message succeeds at most once.
///
/// Anyone may make this contract call anything but itself and the bridge. So it must never own or be allowed anything: it
/// holds the ether of messages whose calls failed, and no more.
///
/// **After the chain's end** (`IEscape`): who sent a message that the last final state had not consumed is paid back.
interface IL1CrossDomainMessenger {
    /// A message left for L2.
    event SentMessage(address indexed target, address sender, bytes message, uint256 messageNonce, uint256 gasLimit);
    /// The ether that went with it.
    event SentMessageExtension1(address indexed sender, uint256 value);
    /// The message was delivered.
    event RelayedMessage(bytes32 indexed msgHash);
    /// The message was not delivered: its call failed or would have had too little gas. It can be tried again.
    event FailedRelayedMessage(bytes32 indexed msgHash);
    /// A message that never arrived was given back to its sender.
    event ReturnedMessage(uint64 indexed index, address indexed sender, address indexed to, uint256 value);

    /// The ether sent does not cover the message's price.
    error FeeNotCovered(uint256 paid, uint256 fee);
    /// The nonce's version is not 1.
    error WrongVersion(uint16 version);
    /// A first delivery must bring the message's ether, a retry none.
    error WrongValue(uint256 sent, uint256 expected);
    /// Was delivered already.
    error AlreadyRelayed(bytes32 msgHash);
    /// Only the bridge, for the messenger on L2, may bring a message that was not tried before.
    error NotRelayer(address caller);
    /// No message may call this contract or the bridge.
    error UnsafeTarget(address target);
    /// No message is being delivered.
    error NotRelaying();
    /// While gas is estimated a failed delivery reverts, so that the estimate grows.
    error EstimationFailed();
    /// Ether comes here with messages, and from the bridge in a refund; nothing else is taken.
    error EtherNotExpected(address from);
    /// Only its sender says where a returned message's ether goes; others may have the sender itself paid, if there is any.
    error NotSender(address sender, address caller);
    /// The recipient did not take the ether; the sender may name another.
    error PaymentRefused(address to);

    /// @notice Version of the message format, in the upper two bytes of each nonce: 1.
    function MESSAGE_VERSION() external pure returns (uint16);
    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory);
    /// @notice The messenger on L2.
    function otherMessenger() external pure returns (address);
    /// @notice As `otherMessenger`.
    function OTHER_MESSENGER() external pure returns (address);
    /// @notice The bridge, by the name that it has on OP chains.
    function PORTAL() external view returns (address);
    /// @notice As `PORTAL`.
    function portal() external view returns (address);
    /// @notice The bridge.
    function bridge() external view returns (IBridge);
    /// @notice False: nothing can pause it.
    function paused() external pure returns (bool);
    /// @notice Nonce of the next message, with its version.
    function messageNonce() external view returns (uint256);
    /// @notice True for messages delivered here.
    function successfulMessages(bytes32 msgHash) external view returns (bool);
    /// @notice True for messages that failed here at least once.
    function failedMessages(bytes32 msgHash) external view returns (bool);
    /// @notice The L2 sender of the message that is being delivered; reverts when none is.
    function xDomainMessageSender() external view returns (address);
    /// @notice Gas that the message buys on L2 so that the target gets `minGasLimit`.
    function baseGas(bytes calldata message, uint32 minGasLimit) external pure returns (uint64);
    /// @notice The price of a message sent in this block, in wei.
    function fee(bytes calldata message, uint32 minGasLimit) external view returns (uint256);

    /// @notice Calls `target` on L2 with `message`, the ether sent less the price, and at least `minGasLimit` gas.
    function sendMessage(address target, bytes calldata message, uint32 minGasLimit) external payable;

    /// @notice Delivers a message: the bridge the first time, anyone after a failure.
    function relayMessage(
        uint256 nonce,
        address sender,
        address target,
        uint256 value,
        uint256 minGasLimit,
        bytes calldata message
    ) external payable;

    /// @notice After the chain's end: takes back a message that the last final state had not consumed, once.
    /// @param queued The message in the inbox that carried it; for this and the next two see `IEscape.refund`.
    /// @param accBefore The inbox' accumulator before it.
    /// @param following Hashes of the messages that follow.
    /// @param to Who is paid its ether: named by the sender, or, when others call, the sender itself.
    /// @return target Whom it was to call.
    /// @return value Its ether.
    /// @return message What it was to say.
    function returnMessage(
        QueuedMessage calldata queued,
        bytes32 accBefore,
        bytes32[] calldata following,
        address payable to
    ) external returns (address target, uint256 value, bytes memory message);
}

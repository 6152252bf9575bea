// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Calls between contracts of both chains that can be tried again
/// @notice Sending: the message becomes a withdrawal to the messenger on L1, which makes the call. Receiving: the L1
/// messenger's message arrives from its aliased address; a call that fails here, or would have too little gas, is kept
/// and may be tried again by anyone, with any gas. Each message succeeds at most once.
///
/// `otherMessenger` is in the genesis and cannot change. Where the chain was made without a messenger on L1 it is zero,
/// and `sendMessage` reverts rather than send what nobody could receive.
interface IL2CrossDomainMessenger {
    /// @notice A message left for L1.
    event SentMessage(address indexed target, address sender, bytes message, uint256 messageNonce, uint256 gasLimit);
    /// @notice The ether that went with it.
    event SentMessageExtension1(address indexed sender, uint256 value);
    /// @notice The message was delivered.
    event RelayedMessage(bytes32 indexed msgHash);
    /// @notice The message was not delivered: its call failed or would have had too little gas. It can be tried again.
    event FailedRelayedMessage(bytes32 indexed msgHash);

    /// @notice This chain has no messenger on L1.
    error NoCounterpart();
    /// @notice The nonce's version is not 1.
    error WrongVersion(uint16 version);
    /// @notice A first delivery must bring the message's ether, a retry none.
    error WrongValue(uint256 sent, uint256 expected);
    /// @notice Was delivered already.
    error AlreadyRelayed(bytes32 msgHash);
    /// @notice Only the L1 messenger may bring a message that was not tried before.
    error NotRelayer(address caller);
    /// @notice No message may call this contract or the message passer.
    error UnsafeTarget(address target);
    /// @notice No message is being delivered.
    error NotRelaying();
    /// @notice While gas is estimated a failed delivery reverts, so that the estimate grows.
    error EstimationFailed();

    /// @notice Version of the message format, in the upper two bytes of each nonce: 1.
    function MESSAGE_VERSION() external pure returns (uint16);
    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory);
    /// @notice The messenger on L1, or zero.
    function otherMessenger() external view returns (address);
    /// @notice As `otherMessenger`.
    function OTHER_MESSENGER() external view returns (address);
    /// @notice False: nothing can pause it.
    function paused() external pure returns (bool);
    /// @notice Nonce of the next message, with its version.
    function messageNonce() external view returns (uint256);
    /// @notice True for messages delivered here.
    function successfulMessages(bytes32 msgHash) external view returns (bool);
    /// @notice True for messages that failed here at least once.
    function failedMessages(bytes32 msgHash) external view returns (bool);
    /// @notice The L1 sender of the message that is being delivered; reverts when none is.
    function xDomainMessageSender() external view returns (address);
    /// @notice Gas that the L1 side must have so that the target gets `minGasLimit`.
    function baseGas(bytes calldata message, uint32 minGasLimit) external pure returns (uint64);

    /// @notice Calls `target` on L1 with `message`, `msg.value` and at least `minGasLimit` gas, as this caller.
    function sendMessage(address target, bytes calldata message, uint32 minGasLimit) external payable;

    /// @notice Delivers a message: the L1 messenger the first time, anyone after a failure.
    function relayMessage(
        uint256 nonce,
        address sender,
        address target,
        uint256 value,
        uint256 minGasLimit,
        bytes calldata message
    ) external payable;
}

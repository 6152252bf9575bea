// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title All that L2 learns from L1, in one chain of messages (protocol §4, §15.4).
/// @notice Messages are numbered from 0 and accumulated: `acc' = keccak256(abi.encode(acc, messageHash))`, `acc₀ = 0`,
/// `messageHash = keccak256(abi.encode(uint8 kind, uint64 index, uint64 l1Block, uint64 l1Time, address sender, address to,
/// uint256 value, uint256 mint, uint64 gas, keccak256(data)))`. Kinds: 0 `Deposit` (the bridge's; may mint), 1 `Forced`,
/// 2 `L1Info` (the queue's own: L1's attributes and what to repay a poster).
///
/// **Caps.** One message buys at most `maxGas`, at least 21,000 and 40 for each byte of data. All of any interval of
/// `forceDelay` together buy at most `windowGas` and carry at most `windowBytes`: two levels rise with each
/// message and fall at half the cap per `forceDelay`, and neither may rise above half the cap. L1Infos are outside of that:
/// every post appends one, whatever its L1 block holds already; a poke appends one only where there is none yet. So an L1
/// block with one post has at most two (poke, then post), and each further post in it one more, which comes with at least
/// one L2 block to take it. `Parameters.mostWindowGas` leaves room for two an L1 block.
///
/// **Price.** Gas and bytes are sold apart, each at base × e^(12 × level / full), along the way that the message lifts the
/// level (so splitting a message gains nothing). From empty to full the price rises 160,000-fold. What is paid stays here
/// for ever: this contract has no way to send ether, so it is burnt.
interface IMessageQueue {
    /// A message was taken; `acc` is the accumulator after it. All that a follower needs.
    event MessageSent(
        uint64 indexed index,
        uint8 kind,
        uint64 l1Block,
        uint64 l1Time,
        address sender,
        address to,
        uint256 value,
        uint256 mint,
        uint64 gas,
        bytes data,
        bytes32 acc
    );

    /// The chain has ended (protocol §10): there are no more messages and batches.
    error ChainEnded();
    /// Only the bridge may send deposits, and end the chain.
    error NotBridge(address caller);
    /// A message must have a recipient; contracts are created through the CREATE2 deployer.
    error RecipientIsZero();
    /// Less gas than the message costs before it runs.
    error MessageGasTooLow(uint64 gas, uint64 least);
    /// More gas than one message may buy.
    error MessageGasTooHigh(uint64 gas, uint64 most);
    /// The gas for sale in this window is gone: wait, or ask for less.
    error MessageGasSoldOut(uint256 level, uint256 full);
    /// The room for data in this window is gone: wait, or send less.
    error MessageBytesSoldOut(uint256 level, uint256 full);
    /// The price must be paid exactly.
    error WrongMessageFee(uint256 paid, uint256 fee);
    /// An L1Info of this L1 block exists.
    error AlreadyPoked(uint64 l1Block);
    /// There are not that many messages.
    error NoSuchMessage(uint64 index, uint64 count);
    /// A message consumed before the last consumed one, at no milestone: only its event remains.
    error MessageForgotten(uint64 index, uint64 consumed);

    /// @notice Takes a message of kind `Deposit`. Only the bridge; pays exactly `messageFee(gas, data.length)`.
    /// @param sender Who sends it on L2, already aliased if need be.
    /// @param to Whom it calls on L2.
    /// @param value Wei that it carries on L2.
    /// @param mint Wei that L2 creates for the sender, held by the bridge.
    /// @param gas_ Gas that it may use on L2.
    /// @param data Call data.
    /// @return index Its number.
    function deposit(address sender, address to, uint256 value, uint256 mint, uint64 gas_, bytes calldata data)
        external
        payable
        returns (uint64 index);

    /// @notice Appends an L1Info, if no poke and no post did in this L1 block. Free for anyone.
    function poke() external;

    /// @notice The price of a message sent in this block, in wei.
    function messageFee(uint64 gas_, uint256 dataLength) external view returns (uint256);

    /// @notice How many messages there are.
    function messageCount() external view returns (uint64);

    /// @notice The accumulator after the first `count` messages: from the last consumed message on, and at each **milestone**,
    /// a multiple of 256, for ever. Any message can so be shown to a contract at any time, whatever was consumed since, by
    /// the accumulator before it and at most 255 message hashes up to the next milestone: refunds after an escape
    /// (protocol §10) and every other proof about an old message stand on this.
    function accumulator(uint64 count) external view returns (bytes32);

    /// @notice When message `index` was sent, and the gas of all messages up to and with it; from the last consumed one on.
    function messageMeta(uint64 index) external view returns (uint64 time, uint256 cumulativeGas);

    /// @notice The bridge, the one sender of deposits.
    function bridge() external view returns (address);
}

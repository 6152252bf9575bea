// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {Commitments} from "../lib/Commitments.sol";
import {Parameters, ProtocolParameters} from "../lib/Parameters.sol";
import {IMessageQueue} from "./IMessageQueue.sol";

/// @notice The call that an L1Info makes on L2 (the L1-fee vault).
interface IL1FeeVault {
    /// @notice Tells L2 of an L1 block, and repays `amount` wei to `recipient` as far as the vault has it.
    function reimburse(
        uint64 number,
        uint64 time,
        bytes32 hash,
        bytes32 prevRandao,
        uint256 baseFee,
        uint256 blobBaseFee,
        address recipient,
        uint256 amount
    ) external;
}

/// @notice The inbox' messages; what everything means stands in `IMessageQueue`.
abstract contract MessageQueue is IMessageQueue {
    uint8 internal constant KIND_DEPOSIT = 0;
    uint8 internal constant KIND_L1_INFO = 2;
    /// @dev The account that the system speaks from on L2; nobody has its key.
    address internal constant DEPOSITOR = 0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001;
    /// @dev The L1-fee vault on L2.
    address internal constant L1_FEE_VAULT = 0x420000000000000000000000000000000000001A;
    /// @dev Places that are used again.
    uint256 private constant RING = 256;
    /// @dev Every so many messages the accumulator is kept for ever.
    uint256 private constant MILESTONE = 256;
    /// @dev What that costs: a new slot, and the hash that finds it.
    uint256 private constant MILESTONE_GAS = 22_200;
    /// @dev Steepness of the price: base × e^(12 × level / full).
    int256 private constant STEEPNESS = 12e18;
    /// @dev `Head.lastInfoBlock` of a chain that has ended: no L1 block has this number. All that writes reads the head, so it
    /// costs nothing to look.
    uint32 private constant ENDED = type(uint32).max;

    /// @dev What every post reads and writes, in one slot.
    struct Head {
        /// Batches posted: the index of the last.
        uint32 batches;
        /// Height of the last block posted.
        uint40 lastHeight;
        /// Its time.
        uint40 lastBlockTime;
        /// Messages consumed by the batches.
        uint40 consumed;
        /// Messages sent.
        uint40 messages;
        /// The L1 block of the last L1Info.
        uint32 lastInfoBlock;
        /// Messages since the last post, its own L1Info being the first; 0 before the first post. So that L1Info tells when
        /// the post was.
        uint32 sincePost;
    }

    /// @dev What is kept of a message.
    struct Kept {
        /// The accumulator after it.
        bytes32 acc;
        /// Gas of all messages up to and with it.
        uint96 gasUpTo;
        /// When it was sent.
        uint40 time;
        /// The L1 block that took it.
        uint48 l1Block;
        /// Its number.
        uint64 index;
    }

    /// @dev How full the window is; the levels as of `time`.
    struct Window {
        uint64 time;
        uint96 gasLevel;
        uint96 bytesLevel;
    }

    address public immutable bridge;
    uint64 private immutable _maxMessageGas;
    /// @dev Half of the caps: where the levels end.
    uint256 private immutable _fullGas;
    uint256 private immutable _fullBytes;
    uint256 private immutable _gasPrice;
    uint256 private immutable _bytePrice;
    uint256 internal immutable _forceDelay;

    Head internal _head;
    Window private _window;
    /// @dev Messages from the last consumed one on. Message i is at place i mod `RING` as long as the ring does not have to
    /// hold more than that, else at place i + `RING`: so storage is reused, which is three quarters of a message's price,
    /// and a backlog of any length is taken. A place's `index` says whose it is.
    mapping(uint256 place => Kept) private _kept;
    /// @dev The accumulator after `MILESTONE × number` messages.
    mapping(uint256 number => bytes32 acc) private _milestones;

    constructor(ProtocolParameters memory p, address bridge_) {
        bridge = bridge_;
        _maxMessageGas = p.messages.maxGas;
        _fullGas = p.messages.windowGas / 2;
        _fullBytes = p.messages.windowBytes / 2;
        _gasPrice = p.messages.gasPrice;
        _bytePrice = p.messages.bytePrice;
        _forceDelay = p.forceDelay;
    }

    /// @inheritdoc IMessageQueue
    function deposit(address sender, address to, uint256 value, uint256 mint, uint64 gas_, bytes calldata data)
        external
        payable
        returns (uint64 index)
    {
        require(msg.sender == bridge, NotBridge(msg.sender));
        require(to != address(0), RecipientIsZero());
        (uint256 fee, Window memory window) = _sell(gas_, data.length);
        require(msg.value == fee, WrongMessageFee(msg.value, fee));
        _window = window;
        Head memory head = _live();
        index = _append(head, KIND_DEPOSIT, sender, to, value, mint, gas_, data);
        _save(head);
    }

    /// @inheritdoc IMessageQueue
    function poke() external {
        Head memory head = _live();
        require(head.lastInfoBlock != block.number, AlreadyPoked(uint64(block.number)));
        _appendInfo(head, address(0), 0);
        _save(head);
    }

    /// @inheritdoc IMessageQueue
    function messageFee(uint64 gas_, uint256 dataLength) external view returns (uint256 fee) {
        (fee,) = _sell(gas_, dataLength);
    }

    /// @inheritdoc IMessageQueue
    function messageCount() external view returns (uint64) {
        return _head.messages;
    }

    /// @inheritdoc IMessageQueue
    function accumulator(uint64 count) external view returns (bytes32) {
        if (count == 0) return 0;
        if (count % MILESTONE == 0 && count <= _head.messages) return _milestones[count / MILESTONE];
        _checkKept(count - 1);
        return _accAfter(count);
    }

    /// @inheritdoc IMessageQueue
    function messageMeta(uint64 index) external view returns (uint64 time, uint256 cumulativeGas) {
        _checkKept(index);
        Kept storage kept = _at(index);
        return (kept.time, kept.gasUpTo);
    }

    /// @dev The head of a chain that goes on.
    function _live() internal view returns (Head memory head) {
        head = _head;
        require(!_hasEnded(head), ChainEnded());
    }

    /// @dev Writes the head in one store; the fields lie as in `Head`.
    function _save(Head memory head) internal {
        uint256 word = uint256(head.batches) | uint256(head.lastHeight) << 32 | uint256(head.lastBlockTime) << 72
            | uint256(head.consumed) << 112 | uint256(head.messages) << 152 | uint256(head.lastInfoBlock) << 192
            | uint256(head.sincePost) << 224;
        assembly ("memory-safe") {
            sstore(_head.slot, word)
        }
    }

    function _hasEnded(Head memory head) internal pure returns (bool) {
        return head.lastInfoBlock == ENDED;
    }

    /// @dev From now on there are no messages and no batches.
    function _end() internal {
        _head.lastInfoBlock = ENDED;
    }

    /// @dev Appends the L1Info of this block to `head`, which the caller writes back.
    function _appendInfo(Head memory head, address recipient, uint256 amount) internal {
        head.lastInfoBlock = uint32(block.number);
        bytes memory data = abi.encodeCall(
            IL1FeeVault.reimburse,
            (
                uint64(block.number - 1),
                uint64(block.timestamp),
                blockhash(block.number - 1),
                bytes32(block.prevrandao),
                block.basefee,
                block.blobbasefee,
                recipient,
                amount
            )
        );
        _append(head, KIND_L1_INFO, DEPOSITOR, L1_FEE_VAULT, 0, 0, Parameters.L1_INFO_GAS, data);
    }

    /// @dev Appends a message to `head`, which the caller writes back.
    function _append(
        Head memory head,
        uint8 kind,
        address sender,
        address to,
        uint256 value,
        uint256 mint,
        uint64 gas_,
        bytes memory data
    ) internal returns (uint64 index) {
        index = head.messages;
        head.messages = uint40(index + 1);
        if (head.sincePost != 0) head.sincePost += 1;
        bytes32 hash = Commitments.messageHash(
            kind, index, uint64(block.number), uint64(block.timestamp), sender, to, value, mint, gas_, data
        );
        bytes32 acc = Commitments.accumulate(_accAfter(index), hash);
        uint96 gasUpTo = uint96(_gasAfter(index) + gas_);
        // What is overwritten in the ring was consumed, and is not the last that was.
        uint256 place = uint256(index) + 1 - head.consumed < RING ? index % RING : index + RING;
        _kept[place] = Kept(acc, gasUpTo, uint40(block.timestamp), uint48(block.number), index);
        if (_isMilestone(index)) _milestones[(uint256(index) + 1) / MILESTONE] = acc;
        emit MessageSent(
            index, kind, uint64(block.number), uint64(block.timestamp), sender, to, value, mint, gas_, data, acc
        );
    }

    /// @dev What the next message costs more than others because its accumulator is kept for ever.
    function _milestoneGas(Head memory head) internal pure returns (uint256) {
        return _isMilestone(head.messages) ? MILESTONE_GAS : 0;
    }

    function _isMilestone(uint256 index) private pure returns (bool) {
        return (index + 1) % MILESTONE == 0;
    }

    /// @dev When a message was sent. Only for messages from the last consumed one on.
    function _timeOf(uint256 index) internal view returns (uint64) {
        return _at(index).time;
    }

    /// @dev When and in which L1 block a message was sent. Only for messages from the last consumed one on.
    function _sentAt(uint256 index) internal view returns (uint256 time, uint256 l1Block) {
        Kept storage kept = _at(index);
        return (kept.time, kept.l1Block);
    }

    /// @dev The accumulator after the first `count` messages. Not for less than are consumed.
    function _accAfter(uint256 count) internal view returns (bytes32) {
        return count == 0 ? bytes32(0) : _at(count - 1).acc;
    }

    /// @dev Gas of the first `count` messages. Not for less than are consumed.
    function _gasAfter(uint256 count) internal view returns (uint256) {
        return count == 0 ? 0 : _at(count - 1).gasUpTo;
    }

    function _at(uint256 index) private view returns (Kept storage kept) {
        kept = _kept[index % RING];
        if (kept.index != index) kept = _kept[index + RING];
    }

    function _checkKept(uint64 index) private view {
        uint64 count = _head.messages;
        require(index < count, NoSuchMessage(index, count));
        uint64 consumed = _head.consumed;
        require(uint256(index) + 1 >= consumed, MessageForgotten(index, consumed));
    }

    /// @dev The fee of a message now, and the window after it.
    function _sell(uint64 gas_, uint256 dataLength) private view returns (uint256 fee, Window memory window) {
        // A length of more than the window fails below; the sum is of small numbers only.
        require(dataLength <= _fullBytes, MessageBytesSoldOut(dataLength, _fullBytes));
        uint64 least = Parameters.MESSAGE_BASE_GAS + Parameters.MESSAGE_BYTE_GAS * uint64(dataLength);
        require(gas_ >= least, MessageGasTooLow(gas_, least));
        require(gas_ <= _maxMessageGas, MessageGasTooHigh(gas_, _maxMessageGas));
        window = _window;
        uint256 elapsed = block.timestamp - window.time;
        uint256 gasBefore = _drained(window.gasLevel, elapsed, _fullGas);
        uint256 bytesBefore = _drained(window.bytesLevel, elapsed, _fullBytes);
        uint256 gasAfter = gasBefore + gas_;
        uint256 bytesAfter = bytesBefore + dataLength;
        require(gasAfter <= _fullGas, MessageGasSoldOut(gasAfter, _fullGas));
        require(bytesAfter <= _fullBytes, MessageBytesSoldOut(bytesAfter, _fullBytes));
        fee = _cost(gasBefore, gasAfter, _fullGas, _gasPrice) + _cost(bytesBefore, bytesAfter, _fullBytes, _bytePrice);
        window = Window(uint64(block.timestamp), uint96(gasAfter), uint96(bytesAfter));
    }

    /// @dev A level after some time: a full one is empty after one `forceDelay`.
    function _drained(uint256 level, uint256 elapsed, uint256 full) private view returns (uint256) {
        uint256 drained = elapsed >= _forceDelay ? full : full * elapsed / _forceDelay;
        return level > drained ? level - drained : 0;
    }

    /// @dev The integral of price × e^(12 × level / full) between two levels, in wei, rounded up.
    function _cost(uint256 from, uint256 to, uint256 full, uint256 price) private pure returns (uint256) {
        if (from == to) return 0;
        uint256 low = uint256(FixedPointMathLib.expWad(STEEPNESS * int256(from) / int256(full)));
        uint256 high = uint256(FixedPointMathLib.expWad(STEEPNESS * int256(to) / int256(full)));
        return FixedPointMathLib.fullMulDivUp(price * full, high - low, uint256(STEEPNESS));
    }
}

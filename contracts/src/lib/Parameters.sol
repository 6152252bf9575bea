// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice What the inbox takes, and at what price.
struct MessageParameters {
    /// The most gas that one message may buy.
    uint64 maxGas;
    /// The most gas that all messages of any `forceDelay` may buy together.
    uint64 windowGas;
    /// The most bytes of data in all messages of any `forceDelay`.
    uint64 windowBytes;
    /// Price of gas when the window is empty, in wei per gas.
    uint256 gasPrice;
    /// Price of data when the window is empty, in wei per byte.
    uint256 bytePrice;
}

/// @notice What idleness costs.
struct IdleParameters {
    /// Seconds of idle duty that cost all that idleness may cost.
    uint64 limit;
    /// Idleness costs a seat at most `Parameters.idleCap` in any interval of this length.
    uint64 window;
}

/// @notice Every number that L1 enforces (protocol §14). Durations are seconds unless the name says otherwise.
/// @dev The registry keeps them, checked; the other contracts read them from there when they are made. The three
/// profiles (ci, dev, production) and the same checks in Rust are in `surety_contracts::parameters`.
struct ProtocolParameters {
    /// L2 chain id: the rollup's identity in every signed struct.
    uint64 rollup;
    /// The least time between two L2 blocks, in milliseconds.
    uint64 blockTimeMillis;
    /// Gas limit of an L2 block.
    uint64 blockGasLimit;
    /// Time between two L1 blocks.
    uint64 slotTime;
    /// L1 blocks on top of an event before nodes act on it without L1's finality.
    uint64 settledDepth;
    /// The oldest a block may get before its batch is due.
    uint64 batchAge;
    /// Time between two term boundaries.
    uint64 epochLength;
    /// How long after a term's start the committee before may still post.
    uint64 overlap;
    /// A message is due this long after it was sent.
    uint64 forceDelay;
    /// How long a due message may wait before anyone may sequence it.
    uint64 grace;
    /// The longest time without a batch before anyone may sequence.
    uint64 maxGap;
    /// How long a claim can be contested.
    uint64 challengePeriod;
    /// Time to answer a piece of evidence that asks for one.
    uint64 response;
    /// Faults of one kind this close together are one attack.
    uint64 correlationWindow;
    /// What is added to the sum that `unbonding` must reach.
    uint64 unbondingMargin;
    /// From the end of a seat's last term to the return of its bond.
    uint64 unbonding;
    /// Time without a final claim after which the escape opens.
    uint64 escapeDelay;
    /// Bond of one seat, in wei.
    uint256 bond;
    /// Caps and prices of messages.
    MessageParameters messages;
    /// The most of a poster's tip that is repaid, in wei per gas.
    uint256 postingTipCap;
    /// A reporter's share of a penalty, in hundredths of a percent.
    uint64 reporterShareBasisPoints;
    /// The most that a reporter is paid, in wei.
    uint256 reporterShareCap;
    /// What a claim that no committee signed must bring, in wei.
    uint256 claimBond;
    /// What idleness costs. (Rust's bindings know structs of at most 24 fields.)
    IdleParameters idle;
}

/// @notice The arithmetic that holds the parameters together; each rule has its own error.
library Parameters {
    /// A value that must not be zero is; `name` is the field's name in ASCII.
    error ParameterIsZero(bytes32 name);
    /// A duration or depth must be below 2^40, a price or amount below 2^96, so that no sum or product overflows.
    error ParameterTooLarge(bytes32 name);
    /// A block of `gasLimit` could cost more steps than a dispute holds; see `MAX_BLOCK_GAS_LIMIT`.
    error BlockGasLimitTooHigh(uint256 gasLimit, uint256 most);
    /// `2 × (settledDepth × slotTime + batchAge)` must be below `forceDelay`.
    error SettlingTakesTooLong(uint256 twice, uint256 forceDelay);
    /// `overlap` must be at least `forceDelay / 2 + settledDepth × slotTime + 2 × batchAge`.
    error OverlapTooShort(uint256 twice, uint256 needed);
    /// `overlap` must end before the next boundary, so that never more than two committees may post.
    error OverlapTooLong(uint256 overlap, uint256 epochLength);
    /// `batchAge` must be below half of `maxGap`, from where fewer signatures suffice.
    error BatchAgeTooLong(uint256 twice, uint256 maxGap);
    /// `unbonding` must be at least overlap + two responses + the longest dispute + correlation window + margin.
    error UnbondingTooShort(uint256 unbonding, uint256 needed);
    /// `unbonding − correlationWindow`, for which a term can be judged after its start, must be at least epoch + overlap +
    /// response: what is signed in a term, and within `overlap` after it, can be judged for that long.
    error EvidenceWindowTooShort(uint256 window, uint256 needed);
    /// `escapeDelay` must be longer than the longest dispute.
    error EscapeTooEarly(uint256 escapeDelay, uint256 longestDispute);
    /// One message buys at most half of a block's share for messages (an eighth of the block), and at least an L1Info.
    error MessageGasOutOfRange(uint256 gas, uint256 least, uint256 most);
    /// A window must hold two of the largest messages, and at most half of what blocks can take, less L1's own messages.
    error WindowGasOutOfRange(uint256 gas, uint256 least, uint256 most);
    /// At most 32 KiB of message data may fall due together.
    error WindowBytesOutOfRange(uint256 size, uint256 most);
    /// A reporter is paid less than the penalty, always.
    error ReporterShareTooHigh(uint256 basisPoints);
    /// `idleWindow` must not be shorter than `idleLimit`, or the cap would never be reached.
    error IdleWindowTooShort(uint256 idleWindow, uint256 idleLimit);
    /// `unbonding − correlationWindow` must be at least epoch + `idleDelay` + response: idleness is judged that late.
    error IdleJudgedTooLate(uint256 window, uint256 needed);
    /// A bond must fit into 96 bits.
    error BondTooLarge(uint256 bond);

    /// @notice The greatest gas limit of an L2 block: with it, no block costs the machine that judges disputes more than the
    /// 2^40 steps that a dispute holds (protocol §4). The figures behind it are in `surety_stf::meter`.
    uint64 internal constant MAX_BLOCK_GAS_LIMIT = 50_000_000;
    /// @notice Gas that the L1Info message buys on L2.
    uint64 internal constant L1_INFO_GAS = 100_000;
    /// @notice The part of a block's gas limit that messages may take: one in four.
    uint64 internal constant MESSAGE_SHARE = 4;
    /// @notice The least gas of a message without data.
    uint64 internal constant MESSAGE_BASE_GAS = 21_000;
    /// @notice The least gas of a message for each byte of data (EIP-7623's floor).
    uint64 internal constant MESSAGE_BYTE_GAS = 40;
    /// @notice The most bytes that `windowBytes` may be.
    uint64 internal constant MAX_WINDOW_BYTES = 32_768;

    /// @notice The penalty for one signed contradiction that nothing else correlates with, in hundredths of a percent of the
    /// par bond (protocol §9).
    uint256 internal constant BASE_PENALTY_BASIS_POINTS = 500;

    /// @notice The most that idleness costs in `idleWindow`, in hundredths of a percent of the par bond (protocol §9).
    uint256 internal constant IDLE_CAP_BASIS_POINTS = 400;

    /// @notice The most that idleness costs a seat in any `idleWindow`, in wei. A second costs this divided by `idleLimit`.
    function idleCap(ProtocolParameters memory p) internal pure returns (uint256) {
        return p.bond * IDLE_CAP_BASIS_POINTS / 10_000;
    }

    /// @notice How long after a term's end its idleness can be judged: by then whatever began in it has ended, or lasted so
    /// long that it counts.
    function idleDelay(ProtocolParameters memory p) internal pure returns (uint256) {
        return uint256(p.grace) + p.maxGap;
    }

    /// @notice For how long after its start a term can be judged. What is left to `unbonding` is the correlation window: when
    /// a bond is free, nothing that could raise its penalties can be judged any more.
    function evidenceWindow(ProtocolParameters memory p) internal pure returns (uint256) {
        return uint256(p.unbonding) - p.correlationWindow;
    }

    /// @notice From a claim to the end of the worst dispute about it: one period, and answers that take no longer than
    /// one more (protocol §8).
    function longestDispute(ProtocolParameters memory p) internal pure returns (uint256) {
        return 2 * uint256(p.challengePeriod);
    }

    /// @notice The least that `unbonding` may be.
    function leastUnbonding(ProtocolParameters memory p) internal pure returns (uint256) {
        return uint256(p.overlap) + 2 * uint256(p.response) + longestDispute(p) + p.correlationWindow
            + p.unbondingMargin;
    }

    /// @notice The most gas of one message: half of a block's share. A block that leaves a message out because it does not
    /// fit has then filled more than the other half, an eighth of the block, with messages: so there always is a number of
    /// messages that `postBatch` takes, neither more than a quarter nor, while one is due, less than an eighth.
    function mostMessageGas(ProtocolParameters memory p) internal pure returns (uint256) {
        return p.blockGasLimit / (2 * MESSAGE_SHARE);
    }

    /// @notice The most that `windowGas` may be: half of the gas that the blocks of `forceDelay` have for
    /// messages, less two L1Infos (a poke's and then a post's) for each L1 block of that time and one more. (A second post
    /// in one L1 block appends one more; it also brings a block at least, whose share holds 75 of them at 30 million.)
    function mostWindowGas(ProtocolParameters memory p) internal pure returns (uint256) {
        uint256 blocks = uint256(p.forceDelay) * 1000 / p.blockTimeMillis;
        uint256 half = blocks * (p.blockGasLimit / MESSAGE_SHARE) / 2;
        uint256 infos = 2 * (uint256(p.forceDelay) / p.slotTime + 1) * L1_INFO_GAS;
        return half > infos ? half - infos : 0;
    }

    /// @notice Reverts unless the parameters fit together.
    function check(ProtocolParameters memory p) internal pure {
        require(p.rollup != 0, ParameterIsZero("rollup"));
        require(p.blockTimeMillis != 0, ParameterIsZero("blockTimeMillis"));
        require(p.blockGasLimit != 0, ParameterIsZero("blockGasLimit"));
        require(p.slotTime != 0, ParameterIsZero("slotTime"));
        require(p.settledDepth != 0, ParameterIsZero("settledDepth"));
        require(p.batchAge != 0, ParameterIsZero("batchAge"));
        require(p.challengePeriod != 0, ParameterIsZero("challengePeriod"));
        require(p.response != 0, ParameterIsZero("response"));
        require(p.correlationWindow != 0, ParameterIsZero("correlationWindow"));
        require(p.grace != 0, ParameterIsZero("grace"));
        require(p.bond != 0, ParameterIsZero("bond"));
        require(p.messages.gasPrice != 0, ParameterIsZero("gasPrice"));
        require(p.messages.bytePrice != 0, ParameterIsZero("bytePrice"));
        require(p.bond <= type(uint96).max, BondTooLarge(p.bond));
        require(
            p.blockGasLimit <= MAX_BLOCK_GAS_LIMIT, BlockGasLimitTooHigh(p.blockGasLimit, MAX_BLOCK_GAS_LIMIT)
        );
        _checkSizes(p);
        _checkTimes(p);
        _checkMessages(p);
        require(p.reporterShareBasisPoints < 10_000, ReporterShareTooHigh(p.reporterShareBasisPoints));
        _checkIdle(p);
    }

    function _checkIdle(ProtocolParameters memory p) private pure {
        require(p.claimBond != 0, ParameterIsZero("claimBond"));
        require(p.idle.limit != 0, ParameterIsZero("idleLimit"));
        _amount("claimBond", p.claimBond);
        _duration("idleLimit", p.idle.limit);
        _duration("idleWindow", p.idle.window);
        require(p.idle.window >= p.idle.limit, IdleWindowTooShort(p.idle.window, p.idle.limit));
        uint256 needed = uint256(p.epochLength) + idleDelay(p) + p.response;
        uint256 window = evidenceWindow(p);
        require(window >= needed, IdleJudgedTooLate(window, needed));
    }

    function _checkSizes(ProtocolParameters memory p) private pure {
        _duration("blockTimeMillis", p.blockTimeMillis);
        _duration("slotTime", p.slotTime);
        _duration("settledDepth", p.settledDepth);
        _duration("batchAge", p.batchAge);
        _duration("epochLength", p.epochLength);
        _duration("overlap", p.overlap);
        _duration("forceDelay", p.forceDelay);
        _duration("grace", p.grace);
        _duration("maxGap", p.maxGap);
        _duration("challengePeriod", p.challengePeriod);
        _duration("response", p.response);
        _duration("correlationWindow", p.correlationWindow);
        _duration("unbondingMargin", p.unbondingMargin);
        _duration("unbonding", p.unbonding);
        _duration("escapeDelay", p.escapeDelay);
        _amount("gasPrice", p.messages.gasPrice);
        _amount("bytePrice", p.messages.bytePrice);
        _amount("postingTipCap", p.postingTipCap);
        _amount("reporterShareCap", p.reporterShareCap);
    }

    function _duration(bytes32 name, uint64 value) private pure {
        require(value < 1 << 40, ParameterTooLarge(name));
    }

    function _amount(bytes32 name, uint256 value) private pure {
        require(value < 1 << 96, ParameterTooLarge(name));
    }

    function _checkTimes(ProtocolParameters memory p) private pure {
        uint256 settling = uint256(p.settledDepth) * p.slotTime;
        uint256 twice = 2 * (settling + p.batchAge);
        require(twice < p.forceDelay, SettlingTakesTooLong(twice, p.forceDelay));
        uint256 needed = uint256(p.forceDelay) + 2 * settling + 4 * uint256(p.batchAge);
        require(2 * uint256(p.overlap) >= needed, OverlapTooShort(2 * uint256(p.overlap), needed));
        require(p.overlap < p.epochLength, OverlapTooLong(p.overlap, p.epochLength));
        twice = 2 * uint256(p.batchAge);
        require(twice < p.maxGap, BatchAgeTooLong(twice, p.maxGap));
        needed = leastUnbonding(p);
        require(p.unbonding >= needed, UnbondingTooShort(p.unbonding, needed));
        needed = longestDispute(p);
        require(p.escapeDelay > needed, EscapeTooEarly(p.escapeDelay, needed));
        needed = uint256(p.epochLength) + p.overlap + p.response;
        uint256 window = evidenceWindow(p);
        require(window >= needed, EvidenceWindowTooShort(window, needed));
    }

    function _checkMessages(ProtocolParameters memory p) private pure {
        uint256 most = mostMessageGas(p);
        require(
            p.messages.maxGas >= L1_INFO_GAS && p.messages.maxGas <= most,
            MessageGasOutOfRange(p.messages.maxGas, L1_INFO_GAS, most)
        );
        uint256 least = 2 * uint256(p.messages.maxGas);
        most = mostWindowGas(p);
        require(
            p.messages.windowGas >= least && p.messages.windowGas <= most,
            WindowGasOutOfRange(p.messages.windowGas, least, most)
        );
        require(
            p.messages.windowBytes > 1 && p.messages.windowBytes <= MAX_WINDOW_BYTES,
            WindowBytesOutOfRange(p.messages.windowBytes, MAX_WINDOW_BYTES)
        );
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Where fees gather, and leave for the seats
/// @notice Receives one kind of fee. Anyone may send what it has to `FeeSplit` on L1, which divides it among the seats that
/// are not suspended (protocol §6). `withdraw`, `recipient` and
/// `minWithdrawalAmount` are the OP Stack's names.
interface IFeeVault {
    /// @notice `value` wei left for `to` on L1, at the wish of `from`.
    event Withdrawal(uint256 value, address to, address from);

    /// @notice The genesis names nobody on L1 who would divide the fees.
    error NoRecipient();
    /// @notice There is less than a withdrawal and its proof on L1 are worth. Try again when more has come.
    error TooLittle(uint256 available, uint256 least);

    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory);

    /// @notice Wei below which nothing is sent: 0.05 ether.
    function minWithdrawalAmount() external pure returns (uint256);

    /// @notice `FeeSplit` on L1; zero if the chain has none.
    function recipient() external view returns (address);

    /// @notice Wei that stay here: nothing, but see `IL1FeeVault`.
    function reserve() external view returns (uint256);

    /// @notice Wei sent to L1 so far.
    function totalWithdrawn() external view returns (uint256);

    /// @notice Sends all but the reserve to L1. Anyone may call it.
    function withdraw() external returns (uint256 value);

    /// @notice Anyone may add.
    receive() external payable;
}

/// @title The vault of L1 data fees, which repays posting costs
/// @notice Each `L1Info` message calls `reimburse`, as an ordinary transaction from the depositor. `reserve()` wei are kept
/// for that, so that posters are paid in times when L1 is dear and L2 empty; only what is above leaves for the seats.
interface IL1FeeVault is IFeeVault {
    /// @notice Of `amount` wei of posting cost, `paid` were paid to `recipient`: less when the vault had less, none when
    /// the recipient did not take it.
    event Reimbursed(uint64 indexed number, address indexed recipient, uint256 amount, uint256 paid);

    /// @notice Only the depositor account may call.
    error NotDepositor();

    /// @notice Wei paid out so far.
    function totalProcessed() external view returns (uint256);

    /// @notice Pays min(`amount`, balance) wei to `recipient`. Never reverts for the recipient's sake: it gets 30,000 gas
    /// and none of its answer is read; what it does not take stays here and is not owed any longer. The attributes of L1
    /// before `recipient` are for the rules of the chain, which set `L1Block` from them.
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

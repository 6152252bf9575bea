// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Where fees gather
/// @notice Receives one kind of fee and keeps it: there is no way to take ether out but `IL1FeeVault.reimburse`, of that
/// vault. Fees to the seats (the protocol's "the rest to the seats that are not suspended") need their accounting, which
/// a later version of the genesis brings; a chain born with this contract keeps its base and operator fees here for ever.
interface IFeeVault {
    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory);
    /// @notice Anyone may add.
    receive() external payable;
}

/// @title The vault of L1 data fees, which repays posting costs
/// @notice Each `L1Info` message calls `reimburse`, as an ordinary transaction from the depositor.
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

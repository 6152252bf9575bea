// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClaimPreimage} from "../lib/Commitments.sol";
import {IClaims} from "../rollup/IClaims.sol";

/// @notice A withdrawal as `L2ToL1MessagePasser` records it (OP Stack, "withdrawals").
struct WithdrawalTransaction {
    uint256 nonce;
    address sender;
    address target;
    uint256 value;
    uint256 gasLimit;
    bytes data;
}

/// @notice Where a withdrawal stands.
enum WithdrawalStatus {
    /// Not proven yet.
    None,
    /// Proven; its call failed and can be retried.
    Failed,
    /// Done, for ever.
    Done
}

/// @title The way in and out (protocol §10).
/// @notice **In**: a message with ether becomes an L2 transaction that mints what was paid less the message's price. An
/// account's call that is the transaction itself (`msg.sender == tx.origin`) comes from its own address on L2; any other
/// caller's address is aliased by + 0x1111000000000000000000000000000000001111. That includes accounts with delegated code
/// (EIP-7702) called by others: on L2 their delegate has no say, so it must not speak for them there.
///
/// **Out**: a withdrawal is proven against the `withdrawalsRoot` of the last block of a final claim, and paid once. If its
/// call fails it can be retried by anyone, with more gas. The call gets at least the gas that the withdrawal asks for, up to
/// 10,000,000. While it runs no other withdrawal can, but deposits can. What this contract holds is all deposits less all withdrawals.
interface IBridge {
    /// A withdrawal was paid.
    event WithdrawalPaid(bytes32 indexed hash, address indexed target, uint256 value);
    /// A proven withdrawal's call failed: see `retry`.
    event WithdrawalFailed(bytes32 indexed hash, address indexed target, uint256 value);

    /// The ether sent does not cover the message's price.
    error MessageFeeNotCovered(uint256 paid, uint256 fee);
    /// The message costs more than the sender allows; a plain transfer allows a hundredth of what it carries and 0.01 ether.
    error MessageFeeTooHigh(uint256 fee, uint256 most);
    /// Contracts must name the recipient: use `depositTransaction`.
    error OnlyAccounts(address caller);
    /// The claim is unknown or can still be contested.
    error ClaimNotFinal(bytes32 claimId);
    /// The withdrawal is not in the state that the claim ends in. (Malformed proofs, and some proofs of absence, end in
    /// OpenZeppelin's `RLPInvalidEncoding` instead.)
    error WithdrawalNotProven(bytes32 hash);
    /// It was paid before.
    error WithdrawalDone(bytes32 hash);
    /// It was proven before and its call failed: use `retry`.
    error WithdrawalAlreadyProven(bytes32 hash);
    /// It is not proven, so there is nothing to retry.
    error NothingToRetry(bytes32 hash);
    /// The protocol's own contracts are no targets.
    error ForbiddenTarget(address target);
    /// Not enough gas to give the call what the withdrawal asks for (10,000,000 if it asks for more).
    error NotEnoughGas(uint256 available, uint256 asked);
    /// One path for each withdrawal, of places that exist.
    error PathsWrong(uint256 given, uint256 expected);
    /// The claims or the inbox belong to other contracts.
    error WrongContracts();

    /// @notice Sends a message with the ether that comes with it, less its price. The price is that of the block which takes
    /// the message, and can be far above what `messageFee` said before if others fill the window in between (it spans a
    /// factor of 160,000). It comes out of what is sent and nothing else bounds it here: read `messageFee` first and send
    /// little more than is to arrive, or use `depositTransactionWithMaxFee`. (A bound of `msg.value − value` would be wrong:
    /// `value` may come from what the sender has on L2 already.)
    /// @param to Whom it calls on L2, not zero.
    /// @param value Wei that it carries there, from the minted and what the sender has on L2.
    /// @param gasLimit Gas that it may use there; see `IMessageQueue` for bounds and price.
    /// @param data Call data.
    /// @return index The message's number.
    function depositTransaction(address to, uint256 value, uint64 gasLimit, bytes calldata data)
        external
        payable
        returns (uint64 index);

    /// @notice `depositTransaction` that is refused if the price is above `maxFee` wei.
    function depositTransactionWithMaxFee(
        address to,
        uint256 value,
        uint64 gasLimit,
        bytes calldata data,
        uint256 maxFee
    ) external payable returns (uint64 index);

    /// @notice Pays ether to the caller's own address on L2, less the price of the message. Only accounts; refused if the
    /// price is above a hundredth of what is sent or 0.01 ether.
    receive() external payable;

    /// @notice Proves and pays a withdrawal.
    /// @param withdrawal What L2 recorded.
    /// @param claim A final claim.
    /// @param header RLP of the header of that claim's last block.
    /// @param storageProof Proof of `sentMessages[hash] == 1` (slot 0) under the header's `withdrawalsRoot`.
    function withdraw(
        WithdrawalTransaction calldata withdrawal,
        ClaimPreimage calldata claim,
        bytes calldata header,
        bytes[] calldata storageProof
    ) external;

    /// @notice Proves and pays several withdrawals of one claim. Those that were proven before are passed over; if one cannot
    /// be proven, or given the gas that it asks for, nothing happens at all. A call that fails is noted, as in `withdraw`.
    /// @param withdrawals What L2 recorded.
    /// @param claim A final claim.
    /// @param header RLP of the header of that claim's last block.
    /// @param nodes The nodes of all proofs, each once, at most 256.
    /// @param paths For each withdrawal the places of its proof's nodes, from the root on, one byte each.
    function withdrawMany(
        WithdrawalTransaction[] calldata withdrawals,
        ClaimPreimage calldata claim,
        bytes calldata header,
        bytes[] calldata nodes,
        bytes[] calldata paths
    ) external;

    /// @notice Calls once more what was proven and failed.
    function retry(WithdrawalTransaction calldata withdrawal) external;

    /// @notice Where a withdrawal stands.
    function status(bytes32 hash) external view returns (WithdrawalStatus);

    /// @notice Hash of a withdrawal: `keccak256(abi.encode(nonce, sender, target, value, gasLimit, data))`.
    function withdrawalHash(WithdrawalTransaction calldata withdrawal) external pure returns (bytes32);

    /// @notice While a withdrawal's call runs: who sent it on L2. Else zero.
    function l2Sender() external view returns (address);

    /// @notice What decides which claims are final.
    function claims() external view returns (IClaims);
}

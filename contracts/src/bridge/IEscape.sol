// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../bonding/ISequencerRegistry.sol";
import {ClaimPreimage} from "../lib/Commitments.sol";
import {IInbox} from "../rollup/IInbox.sol";

/// @notice A message as `MessageSent` tells it.
struct QueuedMessage {
    uint8 kind;
    uint64 index;
    uint64 l1Block;
    uint64 l1Time;
    address sender;
    address to;
    uint256 value;
    uint256 mint;
    uint64 gas;
    bytes data;
}

/// @title The last way out: by proofs, with nobody's help (protocol §10)
/// @notice When no claim has become final for `ESCAPE_DELAY`, anyone may call `openEscape`. It is terminal: no more deposits,
/// messages, batches or final claims, for ever. It opens only if in that very block no later claim is final; one that is
/// still open dies. From then on what the bridge holds is owed by the state of the last final claim:
///
/// - withdrawals that this state (or one before) holds: `withdraw` and `retry`, as ever;
/// - ether of accounts **without code**, or with no more than a delegation (EIP-7702): `escape`, once each;
/// - ether of messages which that state had not consumed: `refund`, once each;
/// - bridged tokens, by the same rules: see `IL1StandardBridge`.
///
/// Ether and tokens that L2 **contracts** hold are out of reach: who may have them is known to their code alone. Bring what
/// you hold in contracts home to an account of your own while the chain is alive, or withdraw it.
///
/// Bonds: seats leave as ever, after `UNBONDING`. What was taken from them by a verdict burns when the escape opens.
///
/// **Who is paid**: see `Payee`. An account calls by itself and names the recipient, or signs that for others to carry. Where
/// the account is the L2 name of an L1 contract, the contract calls by itself, or anyone has the contract itself paid.
interface IEscape {
    /// The chain has ended on this claim, whose last block has this state.
    event EscapeOpened(bytes32 indexed claimId, bytes32 stateRoot);
    /// How many messages that state has consumed.
    event ConsumptionProven(uint64 messages);
    /// An account's ether was paid.
    event Escaped(address indexed account, address indexed to, uint256 value);
    /// A message's ether was paid back.
    event MessageRefunded(uint64 indexed index, address indexed to, uint256 value);

    /// The escape is not open.
    error EscapeNotOpen();
    /// Show how many messages the last final state has consumed first: `proveConsumption`.
    error ConsumptionNotProven();
    /// It was shown before.
    error ConsumptionProvenBefore(uint64 messages);
    /// This account was paid.
    error EscapedBefore(address account);
    /// The account, or the message, has no ether.
    error NothingToPay();
    /// The last final state holds what this message brought.
    error MessageConsumed(uint64 index, uint64 consumed);
    /// This message was paid back.
    error MessageRefundedBefore(uint64 index);
    /// The inbox never had this message, or the hashes do not lead from it to the accumulator after the last of them.
    error MessageNotProven(uint64 index);
    /// The recipient did not take the ether; name another.
    error PaymentRefused(address to);

    /// @notice Ends the chain on its last final claim. Anyone may call it; see `IClaims.end` for when.
    /// @param last The last final claim.
    /// @param header RLP of the header of its last block.
    function openEscape(ClaimPreimage calldata last, bytes calldata header) external;

    /// @notice Shows how many messages the last final state has consumed: slot 9 of `L1Block`. Once, by anyone.
    /// @param accountProof Proof of the account `0x4200…0015` under the state root.
    /// @param slotProof Proof of its slot 9, or of the absence of it (nothing consumed).
    function proveConsumption(bytes[] calldata accountProof, bytes[] calldata slotProof) external;

    /// @notice Pays the ether of an L2 account without code, all of it, once.
    /// @param account The account.
    /// @param delegate Whom it delegates to on L2 (EIP-7702); ignored if it does not.
    /// @param proof Proof of the account under the state root.
    /// @param to Who is paid.
    /// @param signature Empty, or the account's: see `Payee`.
    function escape(
        address account,
        address delegate,
        bytes[] calldata proof,
        address payable to,
        bytes calldata signature
    ) external;

    /// @notice Pays back the ether that a message was to mint, once. Its price is not paid back.
    /// @param message The message.
    /// @param accBefore The inbox' accumulator before it.
    /// @param following Hashes of the messages that follow, up to the next multiple of 256 or the last message; fewer suffice
    /// for messages that no batch has consumed.
    /// @param to Who is paid. For a message without ether only its own sender may call, so that a contract which keeps its
    /// own books (a token bridge) learns of it.
    function refund(QueuedMessage calldata message, bytes32 accBefore, bytes32[] calldata following, address payable to)
        external;

    /// @notice Where messages go.
    function inbox() external view returns (IInbox);

    /// @notice The registry of seats.
    function registry() external view returns (ISequencerRegistry);

    /// @notice The state that is paid out; 0 while the chain goes on.
    function escapeStateRoot() external view returns (bytes32);

    /// @notice The claim that the chain ended on; 0 while it goes on.
    function escapeClaim() external view returns (bytes32);

    /// @notice Whether an account's ether was paid.
    function escaped(address account) external view returns (bool);

    /// @notice Whether a message's ether was paid back.
    function refunded(uint64 index) external view returns (bool);

    /// @notice How many messages the last final state has consumed, and whether that was shown.
    function escapeConsumption() external view returns (bool proven, uint64 messages);
}

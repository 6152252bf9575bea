// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../bonding/ISequencerRegistry.sol";
import {Batch} from "../lib/Messages.sol";
import {IInbox, ParentClaim} from "../rollup/IInbox.sol";
import {IFault, Verdict} from "./IFault.sol";

/// @title Duty that was not done: censorship and silence (protocol §9).
/// @notice Judged by L1's storage alone. Evidence is exactly `abi.encode(uint64 term, uint64 seat)`.
///
/// **Seconds.** Counted are the seconds of the inbox' lapses (`IInbox`) in which the seat was on duty: from `overlap` after its
/// term's start (until then the committee before may post, and the one that begins must hear of it first) to the start of the
/// next term. From each lapse's part the seconds are taken off that L1 missed since the oldest waiting message was sent,
/// wherever they were: so a standstill of L1 never counts, at whatever time it was. Of one term the first `MAX_LAPSES` lapses
/// count. All seats of the committee are charged equally, whatever they did among themselves, which L1 cannot see.
///
/// **Attendance.** A seat is not charged for a lapse in which it filed on L1, in that term, its own signed `Batch` that passes
/// every check of `postBatch` but the quorum, with the data, and leaves out no message that is due by L1's clock as far as
/// there is room. It then did what one seat can. What it signed so can still convict it (`IEquivocation`). For a lapse that began
/// less than `grace` before the term's end, one filed in the next term will do: nobody had time before.
///
/// **When.** A term is judged once for each seat, `idleDelay` (`grace` + `maxGap`) after its end: by then whatever began in it is
/// over or lasted long enough to count.
///
/// A seat that was frozen before the term's end is not charged: it pays for worse.
///
/// **Order of the checks** (the first that fails names the error): form; end of the term; seat; seconds.
interface IIdle is IFault {
    /// A seat did what it could.
    event Attended(uint64 indexed seat, uint64 indexed term, uint64 indexed batchIndex, bytes32 structHash);

    /// The bytes are not `abi.encode(uint64 term, uint64 seat)`.
    error EvidenceMalformed();
    /// The term can be judged from `from`.
    error TermNotOver(uint64 term, uint64 from);
    /// The seat was not on the term's committee, or was frozen before the term ended.
    error NotOnDuty(uint64 seat, uint64 term);
    /// No second of the term counts against this seat.
    error NotIdle(uint64 seat, uint64 term);
    /// L1 waits for nothing yet; it will from `from`.
    error NothingToAttendTo(uint64 from);
    /// The signature is not of the committee's member at this place.
    error SignatureInvalid(uint256 place);
    /// The statement's term is not the current one.
    error NotTheCurrentTerm(uint64 term, uint64 currentTerm);
    /// The seat attended in this lapse.
    error AttendedBefore(uint64 seat);
    /// The inbox belongs to another registry.
    error InboxOfAnotherRegistry(address inbox);

    /// @notice Files a seat's own signed statement. Anyone may bring it.
    /// @param statement What the seat signed, of the current term.
    /// @param ancestry Claims up to its parent, as `IInbox.postBatchWith` takes them.
    /// @param leftSiblings As `IInbox.postBatch` takes them.
    /// @param place The seat's place in the term's committee.
    /// @param signature 64 bytes (EIP-2098).
    /// @param data The batch's data, empty if they are in blobs.
    function attend(
        Batch calldata statement,
        ParentClaim[] calldata ancestry,
        bytes32[] calldata leftSiblings,
        uint256 place,
        bytes calldata signature,
        bytes calldata data
    ) external;

    /// @notice Whether a seat attended in a term while the batch after `batchIndex` was waited for.
    function attended(uint64 batchIndex, uint64 term, uint64 seat) external view returns (bool);

    /// @notice Judges a seat's term: the verdict, and the seconds of its duty that count against it.
    function assess(bytes calldata evidence) external view returns (Verdict memory verdict, uint256 idleSeconds);

    /// @notice The seconds of a term that would count against its seats by now, less those of lapses that `seat` attended to (0
    /// for none). Nobody's duty is checked.
    function idleSeconds(uint64 term, uint64 seat) external view returns (uint256);

    /// @notice How long after a term's end it can be judged.
    function idleDelay() external view returns (uint64);

    /// @notice The registry whose seats are judged.
    function registry() external view returns (ISequencerRegistry);

    /// @notice The inbox that they work for.
    function inbox() external view returns (IInbox);
}

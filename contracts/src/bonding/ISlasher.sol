// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IFault} from "../faults/IFault.sol";
import {ISequencerRegistry} from "./ISequencerRegistry.sol";

/// @notice One fault of one seat that was punished.
struct Offence {
    /// The fault contract that judged it.
    address fault;
    /// The term of the fault.
    uint64 term;
    /// Other seats that were counted with it when its penalty was last computed, at most the committee's f.
    uint64 others;
}

/// @title Where a shown fault costs the stake (protocol §9).
/// @notice Anyone may `report`. In the same transaction the seat is frozen, the penalty leaves its bond, the reporter is
/// credited and the rest is burnt. Nobody can stop that or undo it: there is no owner.
///
/// **What can be judged.** A term can be judged from its start until `start + evidenceWindow`, `evidenceWindow` =
/// `unbonding − correlationWindow` (which `Parameters.check` keeps longer than a term and what is signed after its end). A
/// seat answers for the terms that start before it has left (`withdrawableAt − unbonding`) and before it is out for being
/// frozen (`frozenAt + freezeDelay`), with all keys that it ever had, until it withdraws.
///
/// **Once.** A seat is punished once for each (fault, term); the first valid report wins.
///
/// **How much.** penalty = base + (par − base) × min(1, (k − 1) / f): base = 5 % of the par bond; f = ⌊(n − 1) / 3⌋, at least
/// 1, n the size of the committee of the fault's term; k = the seats that were punished for the same fault in a term that
/// starts at most `correlationWindow` before or after, this one included. It is taken from what is left of the bond. When
/// others are punished later, k grows: what a seat then owes on top is taken by `settle`, which anyone may call and which
/// its withdrawal calls. Nothing that counts can be judged after that: an offence that correlates with one of a term that
/// starts at s is judged before s + unbonding, when the seat's bond is not free yet.
///
/// **Idleness** (`IIdle`) has rules of its own: a second costs `idleCap / idleLimit` (`idleCap` = 4 % of the par bond), never
/// more than `idleCap` in any `idleWindow`, never correlated, and freezes nobody. A report that reaches the cap, or finds it
/// reached, suspends the seat: it is out until its bond is full again and its owner asks (`ISequencerRegistry.resume`). It is
/// nobody's record: `offences` does not list it.
///
/// **Wrong states** (`IInvalidState`) cost the whole bond, in two parts. When the claim falls its signers are frozen in that
/// transaction (`freeze`), those of claims that stand on it by a report each. When the right claim is final, a report each takes
/// the bond, and the one who is paid is not the reporter but whose bond stood behind the right claim. No term is too old: nobody
/// who signed can leave before (`Parameters.check`).
///
/// **Who gets it.** The first reporter: `reporterShare` of the penalty that its report took, at most `reporterShareCap`, so
/// always less than the penalty. The rest, and all that `settle` takes, burns. Rewards are pulled. What is burnt stays in the
/// registry's balance, owed to nobody, until `burn` sends it to `BURN_ADDRESS`.
///
/// **Bounded.** Counting reads at most `MAX_READS` records of offences, the newest first. Each costs somebody a
/// twentieth of a bond at least; beyond the bound a penalty would be too small, never too large, and no report fails.
interface ISlasher {
    /// A seat was punished: `penalty` wei left its bond, `reward` of it are `reporter`'s (of wrong states: who answered for the right
    /// claim, or nobody). With a penalty of zero it was frozen for a wrong state.
    event Slashed(
        uint64 indexed seat,
        address indexed fault,
        uint64 indexed term,
        address reporter,
        uint256 penalty,
        uint256 reward
    );
    /// Others were punished for the same, so an earlier penalty grew by `amount` wei, which left the bond and are burnt.
    event PenaltyRaised(uint64 indexed seat, uint256 amount);
    /// A reporter took its rewards.
    event RewardWithdrawn(address indexed reporter, address to, uint256 amount);
    /// What was owed to nobody went to `BURN_ADDRESS`.
    event Burnt(uint256 amount);

    /// Only the contract of claims freezes the signers of a claim.
    error NotClaims(address caller);
    /// The seat is frozen for this; its bond can be taken when the right claim is final.
    error RightClaimNotFinal(uint64 seat);
    /// This contract judges no fault that counts here.
    error UnknownFault(address fault);
    /// The fault contract belongs to another registry.
    error FaultOfAnotherRegistry(address fault);
    /// The registry takes no orders from here: it was made with another slasher.
    error RegistryOfAnotherSlasher(address slasher);
    /// The fault is of another rollup than the registry's.
    error FaultOfAnotherRollup(uint64 rollup, uint64 expected);
    /// The term has not started.
    error TermNotStarted(uint64 term);
    /// The term could be judged until `until`.
    error TermTooOld(uint64 term, uint64 until);
    /// The seat has left, or is out for being frozen, since `since`; the term starts at `start`, not before that.
    error SeatNotLiable(uint64 seat, uint64 since, uint64 start);
    /// The seat has withdrawn its bond, or lost all of it.
    error NothingAtStake(uint64 seat);
    /// The seat was punished for this fault in this term.
    error AlreadySlashed(uint64 seat, address fault, uint64 term);
    /// There is no reward to withdraw.
    error NoReward(address reporter);
    /// There is nothing to burn.
    error NothingToBurn();

    /// @notice Reports a fault. Reverts with the fault contract's own error when the evidence shows none.
    /// @param fault The contract that judges it.
    /// @param evidence As that contract documents.
    /// @return seat Who was punished.
    /// @return penalty Wei that left its bond.
    /// @return reward Wei of it that the caller may withdraw.
    function report(address fault, bytes calldata evidence)
        external
        returns (uint64 seat, uint256 penalty, uint256 reward);

    /// @notice Freezes those who signed a claim that fell. Only the contract of claims.
    /// @param term The term whose committee signed.
    /// @param signers Who signed: bit i is the member at place i.
    function freeze(uint64 term, uint64 signers) external;

    /// @notice Takes what a seat owes on top of its penalties because others were punished for the same. Anyone may; there
    /// may be nothing.
    /// @return amount Wei that left its bond.
    function settle(uint64 seat) external returns (uint256 amount);

    /// @notice Pays the caller's rewards to `to`.
    function withdrawReward(address payable to) external;

    /// @notice Sends what is burnt to `BURN_ADDRESS`. Anyone may.
    function burn() external;

    /// @notice Rewards that a reporter may withdraw, in wei.
    function rewardOf(address reporter) external view returns (uint256);

    /// @notice Wei in the registry that are burnt but not yet at `BURN_ADDRESS`.
    function unburnt() external view returns (uint256);

    /// @notice What a seat was punished for, in order of the reports.
    function offences(uint64 seat) external view returns (Offence[] memory);

    /// @notice Whether a seat was punished for this fault in this term.
    function isSlashed(uint64 seat, address fault, uint64 term) external view returns (bool);

    /// @notice What `settle` would take now, in wei.
    function owed(uint64 seat) external view returns (uint256);

    /// @notice The penalty of one of `k` seats of a committee of `n`, in wei.
    function penalty(uint256 k, uint256 n) external view returns (uint256);

    /// @notice The fault contract for idleness.
    function idle() external view returns (IFault);

    /// @notice What idleness cost a seat in the last `idleWindow`, in wei.
    function recentFines(uint64 seat) external view returns (uint256);

    /// @notice For how long after its start a term can be judged, in seconds.
    function evidenceWindow() external view returns (uint64);

    /// @notice Where burnt ether goes.
    function BURN_ADDRESS() external view returns (address);

    /// @notice The fault contract for wrong states.
    function invalidState() external view returns (IFault);

    /// @notice The fault contract for equivocations.
    function equivocation() external view returns (IFault);

    /// @notice The registry that holds the bonds.
    function registry() external view returns (ISequencerRegistry);
}

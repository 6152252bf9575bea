// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../bonding/ISequencerRegistry.sol";
import {IClaims} from "../rollup/IClaims.sol";
import {IFault, Verdict} from "./IFault.sol";

/// @title A signature under a claim that fell, or under one that stands on it (protocol §9).
/// @notice Evidence is exactly `abi.encode(ClaimPreimage[] chain, uint256 place)`: claims from the one that was signed up to the
/// one that lost to another, each the child of the next; `place` is the member's in the committee that signed the first. Whoever
/// signs a claim answers for all before it that were not final then as for the claim itself, and what fell was never final. Who
/// signed nothing but right claims on right claims is never guilty: a right claim that anyone answers for does not lose
/// (`IDispute`), and one that only falls with its party makes nobody guilty.
///
/// **In two parts.** Guilt is certain when the claim has lost: the seat is frozen. It loses its whole bond when another child of
/// the same parent is final: what is right is known then. If no child ever is, nothing burns: either nobody could say what is
/// right (`IClaims`, `isEnd`), or the parent fell as well, and the evidence must go up to that.
interface IInvalidState is IFault {
    /// The bytes are not exactly what `abi.encode` makes of a chain of claims and a place.
    error EvidenceMalformed();
    /// The claim at this place of the chain is not the child of the next.
    error ChainBroken(uint256 place);
    /// The last claim of the chain lost to none.
    error NotLost(bytes32 id);
    /// The member at this place did not sign the first claim of the chain.
    error NotSigned(bytes32 id, uint256 place);

    /// @notice As `judge`, and what became of the claim.
    /// @return verdict Who is guilty.
    /// @return isSettled Whether the right claim is final in its place.
    /// @return winner Who answered for that one with a bond; zero if only signatures did.
    function assess(bytes calldata evidence)
        external
        view
        returns (Verdict memory verdict, bool isSettled, address winner);

    /// @notice The claims that it judges by.
    function claims() external view returns (IClaims);

    /// @notice The registry whose seats are judged.
    function registry() external view returns (ISequencerRegistry);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry, Member} from "../bonding/ISequencerRegistry.sol";
import {ClaimPreimage, Commitments} from "../lib/Commitments.sol";
import {ClaimRecord, Fate, IClaims} from "../rollup/IClaims.sol";
import {IFault, Verdict} from "./IFault.sol";
import {IInvalidState} from "./IInvalidState.sol";

/// @notice Judges signatures under claims that fell; what everything means stands in `IInvalidState`.
contract InvalidState is IInvalidState {
    IClaims public immutable claims;
    ISequencerRegistry public immutable registry;

    /// @param claims_ The claims to judge by.
    constructor(IClaims claims_) {
        claims = claims_;
        registry = claims_.registry();
    }

    /// @inheritdoc IInvalidState
    function assess(bytes calldata evidence)
        public
        view
        returns (Verdict memory verdict, bool isSettled, address winner)
    {
        (ClaimPreimage[] memory chain, uint256 place) = abi.decode(evidence, (ClaimPreimage[], uint256));
        // One form only, so that the same evidence is the same bytes.
        require(
            chain.length != 0 && keccak256(abi.encode(chain, place)) == keccak256(evidence), EvidenceMalformed()
        );
        bytes32 id = Commitments.claimId(chain[0]);
        ClaimRecord memory signed = claims.claim(id);
        require(place < 64 && signed.signers >> place & 1 == 1, NotSigned(id, place));
        for (uint256 i = 1; i < chain.length; ++i) {
            id = Commitments.claimId(chain[i]);
            require(chain[i - 1].parentId == id, ChainBroken(i - 1));
        }
        require(claims.claim(id).fate == Fate.Lost, NotLost(id));

        Member[] memory members = registry.committee(signed.term);
        verdict = Verdict(members[place].seat, signed.term, chain[0].rollup);
        bytes32 right = claims.finalChild(chain[chain.length - 1].parentId);
        isSettled = right != 0;
        if (isSettled) winner = claims.dispute().claim(right).party;
    }

    /// @inheritdoc IFault
    function judge(bytes calldata evidence) external view returns (Verdict memory verdict) {
        (verdict,,) = assess(evidence);
    }
}

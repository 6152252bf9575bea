// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../bonding/ISequencerRegistry.sol";
import {ClaimPreimage, Commitments} from "../lib/Commitments.sol";
import {ProtocolParameters} from "../lib/Parameters.sol";
import {ClaimRecord, IClaims} from "./IClaims.sol";

/// @notice Claims of one inbox; what everything means stands in `IClaims`.
contract Claims is IClaims {
    address public immutable inbox;
    ISequencerRegistry public immutable registry;
    bytes32 public immutable genesisClaim;
    uint64 public immutable challengePeriod;
    uint64 public immutable escapeDelay;

    uint64 public endedAt;
    mapping(bytes32 id => ClaimRecord) private _claims;

    /// @param registry_ Where the parameters are.
    /// @param inbox_ The inbox, which may not exist yet.
    /// @param genesisHash Hash of the L2 genesis block.
    constructor(ISequencerRegistry registry_, address inbox_, bytes32 genesisHash) {
        ProtocolParameters memory p = registry_.parameters();
        inbox = inbox_;
        registry = registry_;
        challengePeriod = p.challengePeriod;
        escapeDelay = p.escapeDelay;
        bytes32 id = Commitments.claimId(ClaimPreimage(p.rollup, 0, 0, 0, genesisHash, 0));
        genesisClaim = id;
        _claims[id] = ClaimRecord(uint40(block.timestamp), 0, 0, 0, 0);
    }

    /// @inheritdoc IClaims
    function post(ClaimPreimage calldata claim_, uint64 term, uint64 signers) external returns (bytes32 id) {
        require(msg.sender == inbox, NotInbox(msg.sender));
        ClaimRecord storage parent = _claims[claim_.parentId];
        require(
            parent.postedAt != 0 && uint256(parent.batchIndex) + 1 == claim_.batchIndex,
            ParentNotLive(claim_.parentId)
        );
        id = Commitments.claimId(claim_);
        require(_claims[id].postedAt == 0, ClaimExists(id));
        _claims[id] = ClaimRecord(uint40(block.timestamp), uint40(claim_.batchIndex), term, signers, 0);
        if (parent.childAt == 0) parent.childAt = uint40(block.timestamp);
    }

    /// @inheritdoc IClaims
    function end(bytes32 id) external {
        require(msg.sender == inbox, NotInbox(msg.sender));
        require(endedAt == 0, AlreadyEnded(endedAt));
        require(isFinal(id), ClaimNotFinal(id));
        uint256 childAt = _claims[id].childAt;
        // Until rivals can stand beside it, the first child is the only one.
        require(childAt == 0 || block.timestamp < childAt + challengePeriod, LaterClaimFinal(id));
        uint64 from = endsFrom(id);
        require(block.timestamp >= from, ClaimsNotStale(from));
        endedAt = uint64(block.timestamp);
        emit Ended(id);
    }

    /// @inheritdoc IClaims
    function endsFrom(bytes32 id) public view returns (uint64) {
        return finalAt(id) + escapeDelay;
    }

    /// @inheritdoc IClaims
    function isFinal(bytes32 id) public view returns (bool) {
        uint256 asOf = endedAt == 0 ? block.timestamp : endedAt;
        return _claims[id].postedAt != 0 && asOf >= finalAt(id);
    }

    /// @inheritdoc IClaims
    function finalAt(bytes32 id) public view returns (uint64) {
        uint64 postedAt = _claims[id].postedAt;
        require(postedAt != 0, UnknownClaim(id));
        return id == genesisClaim ? postedAt : postedAt + challengePeriod;
    }

    /// @inheritdoc IClaims
    function claim(bytes32 id) external view returns (ClaimRecord memory) {
        return _claims[id];
    }
}

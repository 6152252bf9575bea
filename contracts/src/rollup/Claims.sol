// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../bonding/ISequencerRegistry.sol";
import {ClaimPreimage, Commitments} from "../lib/Commitments.sol";
import {ProtocolParameters} from "../lib/Parameters.sol";
import {ClaimRecord, IClaims} from "./IClaims.sol";
import {IInbox} from "./IInbox.sol";

/// @notice Claims of one inbox; what everything means stands in `IClaims`.
contract Claims is IClaims {
    address public immutable inbox;
    ISequencerRegistry public immutable registry;
    bytes32 public immutable genesisClaim;
    uint64 public immutable challengePeriod;
    uint256 public immutable claimBond;
    uint64 public immutable escapeDelay;
    uint64 private immutable _rollup;

    mapping(bytes32 id => ClaimRecord) private _claims;
    mapping(bytes32 id => address) public claimantOf;
    /// @dev Of the claims of a batch that nobody signed, the one that can become final: the first.
    mapping(uint64 batchIndex => bytes32 id) private _lead;
    /// @dev The first batch with a rival of its lead; 0 if there is none.
    uint64 private _contestedFrom;
    uint64 public endedAt;
    /// @dev Since when a claim is final that was contested when its period was over.
    mapping(bytes32 id => uint64) private _finalSince;

    /// @param registry_ Where the parameters are.
    /// @param inbox_ The inbox, which may not exist yet.
    /// @param genesisHash Hash of the L2 genesis block.
    constructor(ISequencerRegistry registry_, address inbox_, bytes32 genesisHash) {
        ProtocolParameters memory p = registry_.parameters();
        inbox = inbox_;
        registry = registry_;
        challengePeriod = p.challengePeriod;
        claimBond = p.claimBond;
        _rollup = p.rollup;
        escapeDelay = p.escapeDelay;
        bytes32 id = Commitments.claimId(ClaimPreimage(p.rollup, 0, 0, 0, genesisHash, 0));
        genesisClaim = id;
        _claims[id] = ClaimRecord(uint40(block.timestamp), 0, 0, 0, 0);
    }

    /// @inheritdoc IClaims
    function post(ClaimPreimage calldata claim_, uint64 term, uint64 signers) external returns (bytes32 id) {
        ClaimRecord memory parent = _parentOf(claim_);
        id = Commitments.claimId(claim_);
        require(_claims[id].postedAt == 0, ClaimExists(id));
        _put(id, ClaimRecord(uint40(block.timestamp), uint40(claim_.batchIndex), term, signers, 0));
        parent.childAt = uint40(block.timestamp);
        _put(claim_.parentId, parent);
    }

    /// @inheritdoc IClaims
    function carry(ClaimPreimage calldata claim_, uint64 term, uint64 signers) external returns (bytes32 id) {
        ClaimRecord memory parent = _parentOf(claim_);
        id = Commitments.claimId(claim_);
        uint64 index = claim_.batchIndex;
        ClaimRecord memory record = _claims[id];
        if (record.postedAt == 0) {
            record.postedAt = uint40(block.timestamp);
        } else if (_isContested(id, record) && block.timestamp > finalAt(id)) {
            // One that stood before keeps its time, but for the escape: it becomes final now.
            _finalSince[id] = uint64(block.timestamp);
        }
        bytes32 lead = _lead[index];
        if (lead != 0 && lead != id) {
            require(!isFinal(lead), BatchIsFinal(index));
            _lead[index] = id;
        }
        // With the last one all are decided, for the first one's parent was not contested. Not before: until then no lead that
        // stands on a rival may count as final.
        if (_contestedFrom != 0 && index == IInbox(inbox).batchIndex()) _contestedFrom = 0;
        _put(id, ClaimRecord(record.postedAt, uint40(index), term, signers, record.childAt));
        parent.childAt = record.postedAt;
        _put(claim_.parentId, parent);
        emit ClaimCarried(id, index, term, signers, claim_);
    }

    /// @inheritdoc IClaims
    function postBonded(ClaimPreimage calldata claim_, ClaimPreimage calldata parent)
        external
        payable
        returns (bytes32 id)
    {
        require(endedAt == 0, AlreadyEnded(endedAt));
        require(msg.value == claimBond, ClaimBondMustBe(claimBond, msg.value));
        require(claim_.rollup == _rollup, ClaimOfAnotherRollup(claim_.rollup, _rollup));
        uint64 index = claim_.batchIndex;
        (uint64 first, uint64 last) = (IInbox(inbox).firstUnsigned(), IInbox(inbox).batchIndex());
        require(index >= first && index <= last, BatchNotClaimable(index, first, last));
        bytes32 parentId = Commitments.claimId(parent);
        require(
            claim_.parentId == parentId && _claims[parentId].postedAt != 0
                && uint256(_claims[parentId].batchIndex) + 1 == index,
            ParentNotLive(claim_.parentId)
        );
        require(
            claim_.prevHash == parent.lastHash && claim_.lastHash != 0
                && claim_.blockHashRoot == Commitments.rootOfSingle(claim_.lastHash),
            ClaimMalformed()
        );
        id = Commitments.claimId(claim_);
        require(_claims[id].postedAt == 0, ClaimExists(id));
        _put(id, ClaimRecord(uint40(block.timestamp), uint40(index), 0, 0, 0));
        claimantOf[id] = msg.sender;
        bytes32 lead = _lead[index];
        if (lead == 0) {
            _lead[index] = id;
        } else {
            require(!isFinal(lead), BatchIsFinal(index));
            if (_contestedFrom == 0 || index < _contestedFrom) _contestedFrom = index;
        }
        emit ClaimBonded(id, index, msg.sender, lead != 0, claim_);
    }

    /// @inheritdoc IClaims
    function returnBond(bytes32 id) external {
        address claimant = claimantOf[id];
        // The end kills what is open, right or wrong; who was not opposed gets the bond back all the same.
        bool isDue = isFinal(id) || endedAt != 0 && !_isContested(id, _claims[id]);
        require(claimant != address(0) && isDue, NoBondToReturn(id));
        claimantOf[id] = address(0);
        emit ClaimBondReturned(id, claimant, claimBond);
        (bool paid,) = claimant.call{value: claimBond}("");
        require(paid, BondRefused(claimant));
    }

    /// @inheritdoc IClaims
    function end(bytes32 id) external {
        require(msg.sender == inbox, NotInbox(msg.sender));
        require(endedAt == 0, AlreadyEnded(endedAt));
        require(isFinal(id), ClaimNotFinal(id));
        ClaimRecord memory record = _claims[id];
        // The batch after it has one child of it that a committee stands behind, or claims with bonds, or none.
        bytes32 lead = _lead[record.batchIndex + 1];
        bool isLast = record.childAt == 0 || block.timestamp < uint256(record.childAt) + challengePeriod;
        require(isLast && (lead == 0 || !isFinal(lead)), LaterClaimFinal(id));
        uint64 from = endsFrom(id);
        require(block.timestamp >= from, ClaimsNotStale(from));
        endedAt = uint64(block.timestamp);
        emit Ended(id);
    }

    /// @inheritdoc IClaims
    function endsFrom(bytes32 id) public view returns (uint64) {
        uint64 since = _finalSince[id];
        return (since == 0 ? finalAt(id) : since) + escapeDelay;
    }

    /// @inheritdoc IClaims
    function isFinal(bytes32 id) public view returns (bool) {
        ClaimRecord memory record = _claims[id];
        uint256 asOf = endedAt == 0 ? block.timestamp : endedAt;
        return record.postedAt != 0 && asOf >= finalAt(id) && !_isContested(id, record);
    }

    /// @inheritdoc IClaims
    function finalAt(bytes32 id) public view returns (uint64) {
        uint64 postedAt = _claims[id].postedAt;
        require(postedAt != 0, UnknownClaim(id));
        return id == genesisClaim ? postedAt : postedAt + challengePeriod;
    }

    /// @inheritdoc IClaims
    function isLive(bytes32 id, uint64 batchIndex) public view returns (bool) {
        ClaimRecord memory record = _claims[id];
        return record.postedAt != 0 && record.batchIndex == batchIndex && !_isContested(id, record);
    }

    /// @inheritdoc IClaims
    function isContested(bytes32 id) external view returns (bool) {
        return _isContested(id, _claims[id]);
    }

    /// @inheritdoc IClaims
    function claim(bytes32 id) external view returns (ClaimRecord memory) {
        return _claims[id];
    }

    /// @dev A committee stands behind a signed claim and all before it.
    function _isContested(bytes32 id, ClaimRecord memory record) private view returns (bool) {
        if (record.signers != 0 || record.batchIndex == 0) return false;
        uint64 from = _contestedFrom;
        return _lead[record.batchIndex] != id || from != 0 && record.batchIndex >= from;
    }

    /// @dev The record of a claim's parent, which must be live. Only for the inbox.
    function _parentOf(ClaimPreimage calldata claim_) private view returns (ClaimRecord memory parent) {
        require(msg.sender == inbox, NotInbox(msg.sender));
        bytes32 id = claim_.parentId;
        parent = _claims[id];
        require(
            parent.postedAt != 0 && uint256(parent.batchIndex) + 1 == claim_.batchIndex && !_isContested(id, parent),
            ParentNotLive(id)
        );
    }

    /// @dev Writes a claim in one store; the fields lie as in `ClaimRecord`.
    function _put(bytes32 id, ClaimRecord memory record) private {
        uint256 word = uint256(record.postedAt) | uint256(record.batchIndex) << 40 | uint256(record.term) << 80
            | uint256(record.signers) << 144 | uint256(record.childAt) << 208;
        ClaimRecord storage kept = _claims[id];
        assembly ("memory-safe") {
            sstore(kept.slot, word)
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../bonding/ISequencerRegistry.sol";
import {ISlasher} from "../bonding/ISlasher.sol";
import {IDispute, IRivals, Question} from "../dispute/IDispute.sol";
import {Openings} from "../dispute/Openings.sol";
import {ClaimPreimage, Commitments} from "../lib/Commitments.sol";
import {Batch, Messages} from "../lib/Messages.sol";
import {ProtocolParameters} from "../lib/Parameters.sol";
import {ClaimRecord, Fate, IClaims, Posting} from "./IClaims.sol";
import {IInbox} from "./IInbox.sol";
import {Lines} from "./Lines.sol";

/// @notice Claims of one inbox; what everything means stands in `IClaims`.
contract Claims is IClaims, IRivals, Lines {
    using Messages for Batch;

    /// @dev The children of a claim that the dispute knows of.
    struct Group {
        /// When the first of them was posted; or, when all had fallen, the first after that. 0: the dispute knows of none.
        uint40 openedAt;
        /// How many have not fallen.
        uint32 standing;
        /// Their ids, each exclusive-or the others: the id of the last one standing.
        bytes32 ids;
    }

    address public immutable inbox;
    IDispute public immutable dispute;
    ISequencerRegistry public immutable registry;
    bytes32 public immutable genesisClaim;
    uint64 public immutable challengePeriod;
    uint64 public immutable escapeDelay;
    uint64 private immutable _rollup;

    mapping(bytes32 id => ClaimRecord) private _claims;
    mapping(bytes32 parentId => Group) private _groups;
    /// @dev The last claim that a party posted.
    mapping(address party => bytes32 id) private _lastOf;
    uint64 public endedAt;
    /// @dev When the last time one claim of several was left.
    uint64 private _decidedAt;

    /// @param registry_ Where the parameters are.
    /// @param inbox_ The inbox, which may not exist yet.
    /// @param dispute_ Where claims with one parent are argued about; it may not exist yet.
    /// @param genesisHash Hash of the L2 genesis block.
    constructor(ISequencerRegistry registry_, address inbox_, IDispute dispute_, bytes32 genesisHash) {
        ProtocolParameters memory p = registry_.parameters();
        inbox = inbox_;
        dispute = dispute_;
        registry = registry_;
        challengePeriod = p.challengePeriod;
        _rollup = p.rollup;
        escapeDelay = p.escapeDelay;
        bytes32 id = Commitments.claimId(ClaimPreimage(p.rollup, 0, 0, 0, genesisHash, 0));
        genesisClaim = id;
        _claims[id].postedAt = uint40(block.timestamp);
    }

    // Claims that a committee stands behind

    /// @inheritdoc IClaims
    function post(ClaimPreimage calldata claim_, uint64 term, uint64 signers) external returns (bytes32 id) {
        ClaimRecord memory parent = _parentOf(claim_);
        id = Commitments.claimId(claim_);
        // The batch is new, so there can be no other claim of it.
        require(_claims[id].postedAt == 0 && parent.childAt == 0, ClaimExists(id));
        _put(id, _record(claim_, term, signers, _adopt(claim_.parentId, parent)));
    }

    /// @inheritdoc IClaims
    function carry(ClaimPreimage calldata claim_, uint64 term, uint64 signers) external returns (bytes32 id) {
        ClaimRecord memory parent = _parentOf(claim_);
        id = Commitments.claimId(claim_);
        ClaimRecord memory record = _get(id);
        if (record.postedAt != 0) {
            require(_isLive(record, claim_.batchIndex), ClaimFallen(id));
            (record.term, record.signers) = (uint32(term), signers);
        } else {
            bytes32 parentId = claim_.parentId;
            uint24 line;
            if (parent.childAt == 0) {
                line = _adopt(parentId, parent);
            } else {
                line = _oppose(parentId, parent, id);
                dispute.enter(id, parentId, claim_.blockHashRoot, address(0), Openings.ofSingle(claim_.lastHash));
            }
            record = _record(claim_, term, signers, line);
        }
        _put(id, record);
        emit ClaimCarried(id, claim_.batchIndex, term, signers, claim_);
    }

    // Claims with a bond

    /// @inheritdoc IClaims
    function postBonded(ClaimPreimage calldata claim_, Posting calldata posting) external returns (bytes32 id) {
        require(endedAt == 0, AlreadyEnded(endedAt));
        require(claim_.rollup == _rollup, ClaimOfAnotherRollup(claim_.rollup, _rollup));
        bytes32 parentId = Commitments.claimId(posting.parent);
        ClaimRecord memory parent = _liveParent(claim_);
        require(claim_.parentId == parentId, ParentNotLive(claim_.parentId));
        bytes32 statement = _checkPosted(claim_, posting);
        id = Commitments.claimId(claim_);
        require(_claims[id].postedAt == 0, ClaimExists(id));
        _continue(parent, id);
        uint24 line;
        Question memory question = Question(statement, claim_.prevHash, posting.statement.firstHeight);
        if (parent.childAt == 0) {
            line = _adopt(parentId, parent);
            _groups[parentId] = Group(uint40(block.timestamp), 1, id);
            dispute.begin(id, parentId, claim_.blockHashRoot, msg.sender, uint40(block.timestamp), question);
        } else {
            if (_groups[parentId].openedAt == 0) _begin(parentId, parent, posting.first, question);
            line = _oppose(parentId, parent, id);
            dispute.enter(id, parentId, claim_.blockHashRoot, msg.sender, posting.children);
        }
        ClaimRecord memory record = _record(claim_, 0, 0, line);
        record.isEnd = claim_.lastHash == 0;
        _put(id, record);
        emit ClaimBonded(id, claim_.batchIndex, msg.sender, _groups[parentId].standing > 1, claim_);
    }

    /// @inheritdoc IRivals
    function fall(bytes32 id, bytes32 parentId, bool hasLost) external {
        require(msg.sender == address(dispute), NotDispute(msg.sender));
        ClaimRecord memory record = _get(id);
        record.fate = hasLost ? Fate.Lost : Fate.FellWithParty;
        _put(id, record);
        if (hasLost && record.signers != 0) ISlasher(registry.slasher()).freeze(record.term, record.signers);
        _kill(record.line, record.batchIndex);
        Group storage group = _groups[parentId];
        group.ids ^= id;
        if (--group.standing == 1) {
            _setDecided(_claims[parentId].line, record.batchIndex);
            _decidedAt = uint64(block.timestamp);
        }
    }

    // The end

    /// @inheritdoc IClaims
    function end(bytes32 id) external {
        require(msg.sender == inbox, NotInbox(msg.sender));
        require(endedAt == 0, AlreadyEnded(endedAt));
        require(isFinal(id), ClaimNotFinal(id));
        require(!_hasFinalChild(id), LaterClaimFinal(id));
        uint64 from = endsFrom(id);
        require(block.timestamp >= from, ClaimsNotStale(from));
        endedAt = uint64(block.timestamp);
        emit Ended(id);
    }

    /// @inheritdoc IClaims
    function endsFrom(bytes32 id) public view returns (uint64) {
        uint64 since = finalAt(id);
        return (since < _decidedAt ? _decidedAt : since) + escapeDelay;
    }

    // What stands

    /// @inheritdoc IClaims
    function finalChild(bytes32 parentId) public view returns (bytes32) {
        Group storage group = _groups[parentId];
        return group.standing == 1 && isFinal(group.ids) ? group.ids : bytes32(0);
    }

    /// @inheritdoc IClaims
    function isFinal(bytes32 id) public view returns (bool) {
        return _isFinal(id, _get(id));
    }

    /// @inheritdoc IClaims
    function finalAt(bytes32 id) public view returns (uint64) {
        uint64 postedAt = _claims[id].postedAt;
        require(postedAt != 0, UnknownClaim(id));
        return id == genesisClaim ? postedAt : postedAt + challengePeriod;
    }

    /// @inheritdoc IClaims
    function isLive(bytes32 id, uint64 batchIndex) external view returns (bool) {
        return _isLive(_get(id), batchIndex);
    }

    /// @inheritdoc IClaims
    function isContested(bytes32 id) external view returns (bool) {
        ClaimRecord memory record = _get(id);
        (bool isDead, bool isDecided) = _fate(record.line, record.batchIndex);
        return record.postedAt != 0 && !isDead && !isDecided;
    }

    /// @inheritdoc IRivals
    function isOpen(bytes32 id) public view returns (bool) {
        ClaimRecord memory record = _get(id);
        if (record.postedAt == 0 || endedAt != 0) return false;
        (bool isDead,) = _fate(record.line, record.batchIndex);
        return !isDead && !_isFinal(id, record);
    }

    /// @inheritdoc IClaims
    function claim(bytes32 id) external view returns (ClaimRecord memory) {
        return _claims[id];
    }

    // Inner workings

    function _isFinal(bytes32 id, ClaimRecord memory record) private view returns (bool) {
        uint256 asOf = endedAt == 0 ? block.timestamp : endedAt;
        if (record.postedAt == 0 || record.isEnd || asOf < finalAt(id)) return false;
        (bool isDead, bool isDecided) = _fate(record.line, record.batchIndex);
        return !isDead && isDecided;
    }

    /// @dev Whether a child of a final claim is final.
    function _hasFinalChild(bytes32 id) private view returns (bool) {
        // The dispute does not know of a child that nobody opposed.
        if (_groups[id].openedAt == 0) {
            uint256 childAt = _claims[id].childAt;
            return childAt != 0 && block.timestamp >= childAt + challengePeriod;
        }
        return finalChild(id) != 0;
    }

    /// @dev The record of the parent of a claim that a committee stands behind. Only for the inbox.
    function _parentOf(ClaimPreimage calldata claim_) private view returns (ClaimRecord memory) {
        require(msg.sender == inbox, NotInbox(msg.sender));
        // No committee says that a block has no hash.
        require(claim_.lastHash != 0, ClaimMalformed());
        return _liveParent(claim_);
    }

    /// @dev The record of a claim's parent, which must be a live one of the batch before.
    function _liveParent(ClaimPreimage calldata claim_) private view returns (ClaimRecord memory) {
        bytes32 id = claim_.parentId;
        ClaimRecord memory parent = _get(id);
        require(claim_.batchIndex != 0 && _isLive(parent, claim_.batchIndex - 1), ParentNotLive(id));
        return parent;
    }

    function _isLive(ClaimRecord memory record, uint64 batchIndex) private view returns (bool) {
        if (record.postedAt == 0 || record.batchIndex != batchIndex || record.isEnd) return false;
        (bool isDead,) = _fate(record.line, record.batchIndex);
        return !isDead;
    }

    /// @dev The claim is about a batch that was posted, and has as many blocks. Returns the hash of the batch's statement.
    function _checkPosted(ClaimPreimage calldata claim_, Posting calldata posting) private view returns (bytes32 hash) {
        Batch memory s = posting.statement;
        hash = s.hash();
        IInbox(inbox).checkPosted(claim_.batchIndex, s.inboxTip, hash, posting.later);
        require(
            claim_.prevHash == posting.parent.lastHash
                && claim_.blockHashRoot
                    == Commitments.rootOfLastLeaf(claim_.lastHash, s.lastHeight - s.firstHeight, posting.leftSiblings),
            ClaimMalformed()
        );
    }

    /// @dev A party's claims form one chain, as long as they are open: whoever is right needs no more.
    function _continue(ClaimRecord memory parent, bytes32 id) private {
        bytes32 last = _lastOf[msg.sender];
        if (last != 0 && isOpen(last)) {
            ClaimRecord memory record = _get(last);
            bool continues = _standsOn(parent.line, parent.batchIndex, record.line, record.batchIndex);
            require(continues, NotOnLastClaim(last));
        }
        _lastOf[msg.sender] = id;
    }

    /// @dev The first child of a claim; gives its line, which is its parent's.
    function _adopt(bytes32 parentId, ClaimRecord memory parent) private returns (uint24) {
        parent.childAt = uint40(block.timestamp);
        _put(parentId, parent);
        return parent.line;
    }

    /// @dev The dispute takes up the one child that a claim has had so far.
    function _begin(
        bytes32 parentId,
        ClaimRecord memory parent,
        ClaimPreimage calldata first,
        Question memory question
    ) private {
        bytes32 id = Commitments.claimId(first);
        require(first.parentId == parentId && _claims[id].postedAt != 0, NotTheFirst(id));
        _groups[parentId] = Group(parent.childAt, 1, id);
        dispute.begin(id, parentId, first.blockHashRoot, address(0), parent.childAt, question);
    }

    /// @dev Another child of a claim, in time; gives the line that it begins.
    function _oppose(bytes32 parentId, ClaimRecord memory parent, bytes32 id) private returns (uint24) {
        Group memory group = _groups[parentId];
        require(group.openedAt != 0, NotTheFirst(id));
        if (group.standing == 0) {
            group.openedAt = uint40(block.timestamp);
            _adopt(parentId, parent);
        } else {
            uint256 until = uint256(group.openedAt) + challengePeriod;
            require(block.timestamp < until, RivalTooLate(uint64(until)));
            if (group.standing == 1) _setUndecided(parent.line, parent.batchIndex + 1);
        }
        ++group.standing;
        group.ids ^= id;
        _groups[parentId] = group;
        return _fork(parent.line, parent.batchIndex + 1);
    }

    function _record(ClaimPreimage calldata claim_, uint64 term, uint64 signers, uint24 line)
        private
        view
        returns (ClaimRecord memory)
    {
        return ClaimRecord({
            postedAt: uint40(block.timestamp),
            batchIndex: uint40(claim_.batchIndex),
            childAt: 0,
            term: uint32(term),
            signers: signers,
            line: line,
            fate: Fate.Stands,
            isEnd: false
        });
    }

    /// @dev Reads a claim in one load; the fields lie as in `ClaimRecord`.
    function _get(bytes32 id) private view returns (ClaimRecord memory r) {
        ClaimRecord storage kept = _claims[id];
        uint256 word;
        assembly ("memory-safe") {
            word := sload(kept.slot)
        }
        r.postedAt = uint40(word);
        r.batchIndex = uint40(word >> 40);
        r.childAt = uint40(word >> 80);
        r.term = uint32(word >> 120);
        r.signers = uint64(word >> 152);
        r.line = uint24(word >> 216);
        r.fate = Fate(uint8(word >> 240));
        r.isEnd = word >> 248 != 0;
    }

    /// @dev Writes a claim in one store; the fields lie as in `ClaimRecord`.
    function _put(bytes32 id, ClaimRecord memory r) private {
        uint256 word = uint256(r.postedAt) | uint256(r.batchIndex) << 40 | uint256(r.childAt) << 80
            | uint256(r.term) << 120 | uint256(r.signers) << 152 | uint256(r.line) << 216;
        word |= uint256(r.fate) << 240;
        if (r.isEnd) word |= 1 << 248;
        ClaimRecord storage kept = _claims[id];
        assembly ("memory-safe") {
            sstore(kept.slot, word)
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../bonding/ISequencerRegistry.sol";
import {Commitments} from "../lib/Commitments.sol";
import {
    Claim,
    Contest,
    IDispute,
    IRivals,
    LEVEL_BLOCKS,
    LEVEL_STEPS,
    LEVEL_STRETCHES,
    Match,
    Question
} from "./IDispute.sol";
import {IRiscV} from "./IRiscV.sol";
import {MemoryTree} from "./MemoryTree.sol";
import {Openings, Selection} from "./Openings.sol";
import {Parties} from "./Parties.sol";

/// @notice Matches of claims; what everything means stands in `IDispute`.
contract Dispute is IDispute, Parties {
    /// @dev Depth of the trees over states.
    uint256 private constant STATES_DEPTH = 20;
    /// @dev First bytes of the preimages of states (`IRiscV`).
    bytes1 private constant HALTED = 0x01;
    bytes1 private constant TRAPPED = 0x02;

    IRiscV public immutable riscv;
    address public immutable claims;
    uint64 public immutable clock;
    uint64 public immutable adoptionPeriod;
    /// @notice Hash of the chain's parameters, as the program has it.
    bytes32 public immutable parametersHash;
    /// @notice Root of the memory that the program starts with.
    bytes32 public immutable programRoot;
    /// @notice Address of its first instruction.
    uint64 public immutable entry;

    mapping(bytes32 id => Claim) private _claims;
    mapping(bytes32 id => Contest) private _contests;
    mapping(bytes32 id => Match) private _matches;
    /// @dev What is asked about a batch, by the parent of its claims.
    mapping(bytes32 parentId => Question) private _questions;

    /// @param registry Where the parameters are.
    /// @param claims_ The contract of claims, which may not exist yet.
    /// @param riscv_ The machine.
    /// @param parametersHash_ Hash of the chain's parameters.
    /// @param programRoot_ Root of the memory that the program starts with.
    /// @param entry_ Address of its first instruction.
    constructor(
        ISequencerRegistry registry,
        address claims_,
        IRiscV riscv_,
        bytes32 parametersHash_,
        bytes32 programRoot_,
        uint64 entry_
    ) Parties(registry.parameters()) {
        claims = claims_;
        riscv = riscv_;
        clock = registry.parameters().challengePeriod;
        adoptionPeriod = registry.parameters().response;
        parametersHash = parametersHash_;
        programRoot = programRoot_;
        entry = entry_;
    }

    // Claims

    /// @inheritdoc IDispute
    function begin(
        bytes32 id,
        bytes32 parentId,
        bytes32 root,
        address account,
        uint40 postedAt,
        Question calldata question
    ) external {
        require(_questions[parentId].firstHeight == 0, AlreadyBegun(parentId));
        _questions[parentId] = question;
        _take(id, Claim(root, parentId, account, postedAt, 0, LEVEL_BLOCKS, false, false));
        emit DisputeBegun(id, parentId, account, root, question);
    }

    /// @inheritdoc IDispute
    function enter(bytes32 id, bytes32 parentId, bytes32 root, address account, bytes32[32] calldata children)
        external
    {
        require(_questions[parentId].firstHeight != 0, NotBegun(parentId));
        Openings.check(root, children, false);
        _take(id, Claim(root, parentId, account, uint40(block.timestamp), 1, LEVEL_BLOCKS, false, false));
        emit ClaimEntered(id, parentId, account, root, children);
    }

    /// @dev Takes up a claim about a batch.
    function _take(bytes32 id, Claim memory c) private {
        require(msg.sender == claims, NotClaims(msg.sender));
        require(_claims[id].postedAt == 0, ClaimExists(id));
        if (c.party != address(0)) _stand(c.party);
        _claims[id] = c;
    }

    /// @inheritdoc IDispute
    function make(
        bytes32 contestId,
        uint8 side,
        bytes32 root,
        bytes calldata lastState,
        bytes32[] calldata path,
        bytes32[32] calldata children
    ) external returns (bytes32 id) {
        uint256 gasAtStart = gasleft();
        Contest storage c = _contests[contestId];
        require(side < 2 && c.level != 0, NoSuchContest(contestId));
        require(_isLive(c), Decided(contestId));
        uint40 left = side == 0 ? c.firstLeft : c.secondLeft;
        require(block.timestamp < uint256(c.since) + left, TimeIsOver(side));
        id = claimIdOf(contestId, side, msg.sender);
        require(_claims[id].postedAt == 0, ClaimExists(id));
        _stand(msg.sender);
        bytes32 end = c.ends[side];
        // Only a block can have no hash. A stretch that ends in zero ends in no state.
        if (end == 0 && c.level == LEVEL_STRETCHES) end = _noHash(lastState);
        Openings.checkLeaf(root, STATES_DEPTH, (1 << STATES_DEPTH) - 1, end, path);
        Openings.check(root, children, false);
        _claims[id] = Claim(root, contestId, msg.sender, uint40(block.timestamp), side, c.level, false, false);
        if (side == 0) ++c.firstStanding;
        else ++c.secondStanding;
        emit ClaimMade(contestId, id, msg.sender, side, root, children);
        _note(matchId(c.first, c.second), _claims[side == 0 ? c.second : c.first].party, gasAtStart);
    }

    /// @inheritdoc IDispute
    function adopt(bytes32 id) external {
        Claim storage c = _claims[id];
        require(_counts(id, c), Decided(id));
        require(c.level == LEVEL_BLOCKS && _hasFallen(c.party), NotAnOrphan(id));
        _unstand(c.party);
        _stand(msg.sender);
        c.party = msg.sender;
        emit ClaimAdopted(id, msg.sender);
    }

    /// @inheritdoc IDispute
    function release(bytes32 id) external {
        Claim storage c = _claims[id];
        require(c.postedAt != 0, NoSuchClaim(id));
        require(c.party != address(0) && !c.released && !_counts(id, c), NotReleasable(id));
        c.released = true;
        _unstand(c.party);
        emit ClaimReleased(id, c.party);
    }

    // Moves

    /// @inheritdoc IDispute
    function move(bytes32 first, bytes32 second, Selection calldata selection, bytes32[32] calldata children) external {
        uint256 gasAtStart = gasleft();
        (bytes32 id, Match memory m, uint8 side) = _turn(first, second);
        require(m.height > Openings.DEPTH, WrongMove(m.height, m.divided));
        _descend(m, side, selection, false);
        bool atLeaves = m.height == Openings.DEPTH;
        Openings.check(m.nodes[side], children, atLeaves);
        _matches[id] = m;
        emit Moved(id, side, m.height, m.index, children);
        _note(id, _opponent(first, second, side), gasAtStart);
    }

    /// @inheritdoc IDispute
    function divide(
        bytes32 first,
        bytes32 second,
        Selection calldata selection,
        bytes32 before,
        bytes32[] calldata path
    ) external {
        uint256 gasAtStart = gasleft();
        (bytes32 id, Match memory m, uint8 side) = _turn(first, second);
        require(m.height == Openings.DEPTH, WrongMove(m.height, m.divided));
        _descend(m, side, selection, true);
        m.divided = true;
        m.nodes[side] = selection.mine;
        m.nodes[1 - side] = selection.theirs;
        Claim storage mover = _claims[side == 0 ? first : second];
        uint8 level = mover.level;
        if (m.index != 0) {
            Openings.checkLeaf(mover.root, _depth(level), m.index - 1, before, path);
        } else {
            before = level == LEVEL_BLOCKS ? _questions[mover.contest].beforeBatch : _contests[mover.contest].start;
        }
        if (level == LEVEL_STEPS) {
            m.start = before;
            emit StepReached(id, m.index, before, m.nodes);
        }
        _matches[id] = m;
        // After a block without a hash there is none.
        if (level == LEVEL_BLOCKS && before == 0) _fallUnless(first, second, m.nodes, 0, Cause.AfterNone);
        else if (level != LEVEL_STEPS) _open(id, first, second, m, before);
        _note(id, _opponent(first, second, side), gasAtStart);
    }

    /// @inheritdoc IDispute
    function step(bytes32 first, bytes32 second, bytes calldata witness) external {
        uint256 gasAtStart = gasleft();
        bytes32 id = matchId(first, second);
        Match storage m = _matches[id];
        require(m.divided && _claims[first].level == LEVEL_STEPS, WrongMove(m.height, m.divided));
        _requireOpen(first, second);
        (bytes32 before, bytes32 next) = riscv.step(witness);
        require(before == m.start, WrongState(before, m.start));
        bytes32[2] memory values = m.nodes;
        _fallUnless(first, second, values, next, Cause.Step);
        _note(id, _claims[values[0] == next ? second : first].party, gasAtStart);
    }

    /// @inheritdoc IDispute
    function expire(bytes32 first, bytes32 second) external {
        uint256 gasAtStart = gasleft();
        _requireOpen(first, second);
        (bytes32 id, Match memory m) = _load(first, second);
        // In a contest time runs for its sides (`fallSide`).
        require(!m.divided || _claims[first].level == LEVEL_STEPS, WrongMove(m.height, m.divided));
        uint256 until = uint256(m.movedAt) + (m.turn == 0 ? m.firstLeft : m.secondLeft);
        require(block.timestamp > until, TimeIsNotOver(uint64(until)));
        (bytes32 loser, bytes32 winner) = m.turn == 0 ? (first, second) : (second, first);
        _fall(loser, _claims[winner].party, Cause.Time);
        _note(id, _claims[loser].party, gasAtStart);
    }

    /// @inheritdoc IDispute
    function fallSide(bytes32 contestId, uint8 side) external {
        uint256 gasAtStart = gasleft();
        Contest storage c = _contests[contestId];
        require(side < 2 && c.level != 0, NoSuchContest(contestId));
        require(_isLive(c), Decided(contestId));
        (uint32 standing, uint40 left) = side == 0 ? (c.firstStanding, c.firstLeft) : (c.secondStanding, c.secondLeft);
        uint256 until = uint256(c.since) + left;
        require(standing == 0 && block.timestamp >= until, SideStands(standing, uint64(until)));
        (bytes32 loser, bytes32 winner) = side == 0 ? (c.first, c.second) : (c.second, c.first);
        _fall(loser, _claims[winner].party, Cause.Side);
        _note(matchId(c.first, c.second), _claims[loser].party, gasAtStart);
    }

    /// @inheritdoc IDispute
    function fallWithParty(bytes32 id) external {
        Claim storage c = _claims[id];
        require(!c.fallen, Decided(id));
        uint256 from = _fellAt(c.party);
        if (c.level == LEVEL_BLOCKS) from += adoptionPeriod;
        require(_hasFallen(c.party) && block.timestamp >= from, NotFallenWithParty(id));
        // What is final stays.
        require(c.level != LEVEL_BLOCKS || IRivals(claims).isOpen(id), Decided(id));
        _fall(id, address(0), Cause.Party);
    }

    // What stands

    /// @inheritdoc IDispute
    function claim(bytes32 id) external view returns (Claim memory) {
        return _claims[id];
    }

    /// @inheritdoc IDispute
    function contest(bytes32 id) external view returns (Contest memory) {
        return _contests[id];
    }

    /// @inheritdoc IDispute
    function matchOf(bytes32 first, bytes32 second) external view returns (Match memory m) {
        (, m) = _load(first, second);
    }

    /// @inheritdoc IDispute
    function counts(bytes32 id) external view returns (bool) {
        Claim storage c = _claims[id];
        return c.postedAt != 0 && _counts(id, c);
    }

    /// @inheritdoc IDispute
    function matchId(bytes32 first, bytes32 second) public pure returns (bytes32) {
        return keccak256(abi.encode(first, second));
    }

    /// @inheritdoc IDispute
    function claimIdOf(bytes32 contestId, uint8 side, address account) public pure returns (bytes32) {
        return keccak256(abi.encode(contestId, side, account));
    }

    /// @inheritdoc IDispute
    function startState(bytes32 inputHash) public view returns (bytes32) {
        // Registers x1 to x9, then a0 to a3 with the input (each is a little-endian number), then x14 to x31.
        bytes memory input;
        for (uint256 i; i < 4; ++i) {
            input = abi.encodePacked(input, MemoryTree.swap(uint64(uint256(inputHash) >> (192 - 64 * i))));
        }
        return keccak256(
            abi.encodePacked(uint8(0), entry, new bytes(9 * 8), input, new bytes(18 * 8), programRoot, bytes32(0))
        );
    }

    // Inner workings

    function _depth(uint8 level) private pure returns (uint256) {
        return level == LEVEL_BLOCKS ? Commitments.TREE_DEPTH : STATES_DEPTH;
    }

    /// @dev The match of two claims whose side to move has time, charged with what it took.
    function _turn(bytes32 first, bytes32 second) private view returns (bytes32 id, Match memory m, uint8 side) {
        _requireOpen(first, second);
        (id, m) = _load(first, second);
        require(!m.divided, WrongMove(m.height, m.divided));
        side = m.turn;
        uint256 taken = block.timestamp - m.movedAt;
        uint40 left = side == 0 ? m.firstLeft : m.secondLeft;
        require(taken <= left, TimeIsOver(side));
        left -= uint40(taken);
        if (side == 0) m.firstLeft = left;
        else m.secondLeft = left;
        m.movedAt = uint40(block.timestamp);
        m.turn = 1 - side;
    }

    /// @dev Goes five levels down, to where the trees first differ.
    function _descend(Match memory m, uint8 side, Selection calldata s, bool atLeaves) private pure {
        (m.nodes[side], m.nodes[1 - side]) = Openings.select(m.nodes[side], m.nodes[1 - side], s, atLeaves);
        m.index = m.index * uint40(Openings.WIDTH) + uint40(s.child);
        m.height -= uint8(Openings.DEPTH);
    }

    /// @dev The match as it is, or as it begins.
    function _load(bytes32 first, bytes32 second) private view returns (bytes32 id, Match memory m) {
        id = matchId(first, second);
        m = _matches[id];
        if (m.movedAt != 0) return (id, m);
        Claim storage a = _claims[first];
        Claim storage b = _claims[second];
        bool later = _isLater(a, b, second > first);
        bool sides = a.level == LEVEL_BLOCKS ? later : a.side == 0 && b.side == 1;
        require(
            a.postedAt != 0 && b.postedAt != 0 && a.contest == b.contest && a.level == b.level && sides
                && a.root != b.root,
            NotMatched(first, second)
        );
        (m.nodes[0], m.nodes[1]) = (a.root, b.root);
        m.height = uint8(_depth(a.level));
        (m.turn, m.movedAt) = later ? (0, b.postedAt) : (1, a.postedAt);
        if (a.level == LEVEL_BLOCKS) {
            m.firstLeft = uint40(clock);
            m.secondLeft = _less(uint40(clock), b.postedAt - a.postedAt);
        } else {
            Contest storage c = _contests[a.contest];
            m.firstLeft = _less(c.firstLeft, a.postedAt - c.since);
            m.secondLeft = _less(c.secondLeft, b.postedAt - c.since);
        }
    }

    /// @dev Whether `b` came after `a`. Of two of one second, the claim that a dispute began with came first.
    function _isLater(Claim storage a, Claim storage b, bool otherwise) private view returns (bool) {
        if (a.postedAt != b.postedAt) return b.postedAt > a.postedAt;
        return a.level == LEVEL_BLOCKS && a.side != b.side ? b.side == 1 : otherwise;
    }

    function _less(uint40 a, uint40 b) private pure returns (uint40) {
        return a > b ? a - b : 0;
    }

    /// @dev A leaf where two claims of blocks or stretches first differ becomes a contest.
    function _open(bytes32 id, bytes32 first, bytes32 second, Match memory m, bytes32 before) private {
        Contest memory c;
        (c.first, c.second) = (first, second);
        Claim storage a = _claims[first];
        if (a.level == LEVEL_BLOCKS) {
            bytes32 inputHash = _inputHash(_questions[a.contest], m.index, before);
            c.start = startState(inputHash);
            c.ends = [_endOf(inputHash, m.nodes[0]), _endOf(inputHash, m.nodes[1])];
            c.level = LEVEL_STRETCHES;
        } else {
            c.start = before;
            c.ends = m.nodes;
            c.level = LEVEL_STEPS;
        }
        (c.since, c.firstLeft, c.secondLeft) = (uint40(block.timestamp), m.firstLeft, m.secondLeft);
        _contests[id] = c;
        emit ContestOpened(id, id, m.index, c.start, m.nodes);
    }

    /// @dev What the program is asked about one block, by the hash (`surety_stf::program`).
    function _inputHash(Question storage q, uint256 index, bytes32 parent) private view returns (bytes32) {
        return keccak256(abi.encode(parametersHash, q.statement, q.beforeBatch, uint256(q.firstHeight) + index, parent));
    }

    /// @dev The state in which the program says this block hash; zero for none.
    function _endOf(bytes32 inputHash, bytes32 blockHash) private view returns (bytes32) {
        if (blockHash == 0) return 0;
        return riscv.haltedHash(0, sha256(abi.encodePacked(inputHash, blockHash)));
    }

    /// @dev The hash of a state that is shown to say no block hash: it runs, has trapped, or halted with another code than 0.
    function _noHash(bytes calldata state) private pure returns (bytes32) {
        require(state.length != 0, EndNotShown());
        if (state[0] == HALTED) {
            require(state.length == 41 && uint64(bytes8(state[1:9])) != 0, EndNotShown());
        } else {
            require(state.length == (state[0] == TRAPPED ? 1 : 321) && uint8(state[0]) % 2 == 0, EndNotShown());
        }
        return keccak256(state);
    }

    /// @dev Of two claims those fall that say something else than what is right. If both do, each is beaten by nobody.
    function _fallUnless(bytes32 first, bytes32 second, bytes32[2] memory values, bytes32 right, Cause cause) private {
        (bool firstFalls, bool secondFalls) = (values[0] != right, values[1] != right);
        (address firstParty, address secondParty) = (_claims[first].party, _claims[second].party);
        if (firstFalls) _fall(first, secondFalls ? address(0) : secondParty, cause);
        if (secondFalls) _fall(second, firstFalls ? address(0) : firstParty, cause);
    }

    function _opponent(bytes32 first, bytes32 second, uint8 side) private view returns (address) {
        return _claims[side == 0 ? second : first].party;
    }

    function _fall(bytes32 id, address winner, Cause cause) private {
        Claim storage c = _claims[id];
        c.fallen = true;
        emit ClaimFell(id, c.party, cause);
        _forfeit(c.party, winner);
        if (c.level == LEVEL_BLOCKS) {
            IRivals(claims).fall(id, c.contest, cause != Cause.Party);
        } else if (c.side == 0) {
            --_contests[c.contest].firstStanding;
        } else {
            --_contests[c.contest].secondStanding;
        }
    }

    /// @dev Two claims that are matched both count.
    function _requireOpen(bytes32 first, bytes32 second) private view {
        (Claim storage a, Claim storage b) = (_claims[first], _claims[second]);
        require(_stands(a), Decided(first));
        require(_stands(b), Decided(second));
        if (a.level == LEVEL_BLOCKS) {
            require(IRivals(claims).isOpen(first), Decided(first));
            require(IRivals(claims).isOpen(second), Decided(second));
        } else {
            require(_isLive(_contests[a.contest]), Decided(a.contest));
        }
    }

    /// @dev Whether a claim has not fallen. A claim in a contest falls with its party at once.
    function _stands(Claim storage c) private view returns (bool) {
        return c.postedAt != 0 && !c.fallen && (c.level == LEVEL_BLOCKS || !_hasFallen(c.party));
    }

    function _counts(bytes32 id, Claim storage c) private view returns (bool) {
        if (!_stands(c)) return false;
        return c.level == LEVEL_BLOCKS ? IRivals(claims).isOpen(id) : _isLive(_contests[c.contest]);
    }

    /// @dev Whether both claims of a contest stand, and those of all contests above it.
    function _isLive(Contest storage c) private view returns (bool) {
        Claim storage a = _claims[c.first];
        if (!_stands(a) || !_stands(_claims[c.second])) return false;
        if (a.level != LEVEL_BLOCKS) return _isLive(_contests[a.contest]);
        return IRivals(claims).isOpen(c.first) && IRivals(claims).isOpen(c.second);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SequencerRegistry} from "../src/bonding/SequencerRegistry.sol";
import {Dispute} from "../src/dispute/Dispute.sol";
import {Claim, Contest, IDispute, Match, Question} from "../src/dispute/IDispute.sol";
import {IParties, Party} from "../src/dispute/IParties.sol";
import {Openings, Selection} from "../src/dispute/Openings.sol";
import {ProtocolParameters} from "../src/lib/Parameters.sol";
import {PaddedTree, Tree} from "./lib/PaddedTree.sol";
import {ParametersFile} from "./lib/ParametersFile.sol";
import {Rivals} from "./lib/Rivals.sol";
import {Trace} from "./lib/Trace.sol";

/// @notice Disputes about a batch of five blocks, of which the fourth is argued about. Its program is that of `Trace`.
/// The right claim is the signers' (`right`), the wrong one a party's (`wrong`), unless a test says otherwise.
contract DisputeTest is Trace, ParametersFile {
    using PaddedTree for Tree;

    uint256 private constant BLOCK = 3;
    bytes32 private constant PARENT = keccak256("parent");
    bytes32 private constant RIGHT = keccak256("right claim");
    bytes32 private constant WRONG = keccak256("wrong claim");
    address private constant HONEST = address(0x1111);
    address private constant LIAR = address(0x2222);
    address private constant ACCOMPLICE = address(0x3333);
    address private constant OTHER = address(0x4444);
    bytes32 private constant WRONG_BLOCK = keccak256("wrong block");

    Rivals private _rivals;
    Dispute private _dispute;
    Question private _question = Question(keccak256("statement"), keccak256("before"), 31);
    uint40 private _clock;
    uint256 private _bond;
    bytes32 private _inputHash;
    Tree private _blocks;
    Tree private _stretches;
    Tree private _steps;

    function setUp() external {
        vm.warp(1_800_000_000);
        vm.fee(1 gwei);
        vm.txGasPrice(2 gwei);
        ProtocolParameters memory p = profile("production");
        _rivals = new Rivals();
        SequencerRegistry registry = new SequencerRegistry(p, address(1), address(2));
        _clock = uint40(p.challengePeriod);
        _bond = p.claimBond;

        bytes32[] memory hashes = new bytes32[](6);
        for (uint256 i; i < 5; ++i) {
            hashes[i] = keccak256(abi.encode("block", i));
        }
        _blocks = PaddedTree.tree(hashes, 15);
        bytes32 parameters = keccak256("parameters");
        _inputHash = keccak256(
            abi.encode(parameters, _question.statement, _question.beforeBatch, 31 + BLOCK, hashes[BLOCK - 1])
        );
        bytes32 says = sha256(abi.encodePacked(_inputHash, hashes[BLOCK]));
        load(says);
        run(_inputHash, says);
        _dispute = new Dispute(registry, address(_rivals), riscv, parameters, node(DEPTH, 0), ENTRY);
        _rivals.set(_dispute);

        bytes32[] memory list = new bytes32[](states.length - 1);
        for (uint256 i; i < list.length; ++i) {
            list[i] = states[i + 1];
        }
        _steps = PaddedTree.tree(list, 20);
        _stretches = PaddedTree.still(states[states.length - 1], 20);
        _join(HONEST);
        _join(LIAR);
        _join(ACCOMPLICE);
        _join(OTHER);
    }

    function _join(address who) private {
        vm.deal(who, _bond);
        vm.prank(who);
        _dispute.join{value: _bond}();
    }

    // Claims and moves

    /// The blocks with other hashes from the one that is argued about on.
    function _otherBlocks(bytes32 hash, bytes32 next) private view returns (Tree memory t) {
        t = _blocks;
        t.values[BLOCK] = hash;
        t.values[BLOCK + 1] = next;
    }

    function _enter(bytes32 id, bytes32 root, address party) private {
        _rivals.post(id, PARENT, root, party, _question);
    }

    /// The right claim by signers, and a minute later the wrong one.
    function _begin() private returns (Tree memory wrong) {
        wrong = _otherBlocks(WRONG_BLOCK, keccak256("next"));
        _enter(RIGHT, _blocks.root(), address(0));
        vm.warp(block.timestamp + 60);
        _enter(WRONG, wrong.root(), LIAR);
    }

    /// One move of a match for whichever side it is the turn of.
    function _move(bytes32 first, bytes32 second, Tree memory a, Tree memory b) private {
        Match memory m = _dispute.matchOf(first, second);
        (Tree memory mine, Tree memory theirs) = m.turn == 0 ? (a, b) : (b, a);
        Selection memory s = PaddedTree.select(mine, theirs, m.height, m.index);
        uint256 place = 32 * uint256(m.index) + s.child;
        vm.prank(m.turn == 0 ? HONEST : LIAR);
        if (m.height > 5) {
            _dispute.move(first, second, s, mine.children(m.height - 5, place));
        } else if (place == 0) {
            _dispute.divide(first, second, s, 0, new bytes32[](0));
        } else {
            _dispute.divide(first, second, s, mine.value(place - 1), mine.path(place - 1));
        }
    }

    /// All moves of a match, each a minute after the one before; the contest's id.
    function _play(bytes32 first, bytes32 second, Tree memory a, Tree memory b) private returns (bytes32) {
        for (uint256 height = a.depth; height != 0; height -= 5) {
            vm.warp(block.timestamp + 60);
            _move(first, second, a, b);
        }
        vm.assertTrue(_dispute.matchOf(first, second).divided);
        return _dispute.matchId(first, second);
    }

    function _make(bytes32 contestId, uint8 side, Tree memory t, address party) private returns (bytes32) {
        bytes32 root = t.root();
        bytes32[] memory path = t.path((1 << 20) - 1);
        bytes32[32] memory children = t.children(20, 0);
        vm.prank(party);
        return _dispute.make(contestId, side, root, "", path, children);
    }

    /// A claim of stretches or steps that is right up to a place, and ends as its side must.
    function _lie(Tree memory right, uint256 from, bytes32 end) private pure returns (Tree memory) {
        return right.lie(from, keccak256(abi.encode("lie", from)), end);
    }

    function _end(bytes32 contestId, uint256 side) private view returns (bytes32) {
        return _dispute.contest(contestId).ends[side];
    }

    /// The contest about the block, with a right claim of the first side and a lie of the second that begins at a stretch.
    function _stretchClaims(uint256 from) private returns (bytes32 a, bytes32 b, Tree memory lie) {
        bytes32 contestId = _play(RIGHT, WRONG, _blocks, _begin());
        lie = _lie(_stretches, from, _end(contestId, 1));
        a = _make(contestId, 0, _stretches, HONEST);
        b = _make(contestId, 1, lie, LIAR);
    }

    // What must be

    function _falls(bytes32 id, bool expected) private view {
        vm.assertEq(_dispute.claim(id).fallen, expected);
    }

    function _partyFell(address who, bool expected) private view {
        vm.assertEq(_dispute.party(who).fellAt != 0, expected);
    }

    function test_the_first_state_is_the_machines() external view {
        vm.assertEq(_dispute.startState(_inputHash), states[0]);
    }

    function test_a_contest_says_what_both_sides_agree_on() external {
        bytes32 contestId = _play(RIGHT, WRONG, _blocks, _begin());
        Contest memory c = _dispute.contest(contestId);
        vm.assertEq(c.start, states[0]);
        vm.assertEq(c.ends[0], states[states.length - 1]);
        bytes32 says = sha256(abi.encodePacked(_inputHash, WRONG_BLOCK));
        vm.assertEq(c.ends[1], riscv.haltedHash(0, says));
        vm.assertEq(_dispute.matchOf(RIGHT, WRONG).index, BLOCK);
    }

    /// A step in the middle of the first stretch.
    function test_a_wrong_claim_falls_by_a_step() external {
        (bytes32 a, bytes32 b, Tree memory lie) = _stretchClaims(0);
        bytes32 contestId = _play(a, b, _stretches, lie);
        Tree memory steps = _lie(_steps, 17, _end(contestId, 1));
        bytes32 right = _make(contestId, 0, _steps, HONEST);
        bytes32 wrong = _make(contestId, 1, steps, LIAR);
        _play(right, wrong, _steps, steps);
        vm.assertEq(_dispute.matchOf(right, wrong).index, 17);
        vm.prank(HONEST);
        _dispute.step(right, wrong, witnesses[17]);
        _afterTheStep(right, wrong, b);
    }

    function _afterTheStep(bytes32 right, bytes32 wrong, bytes32 b) private {
        _falls(right, false);
        _falls(wrong, true);
        _partyFell(HONEST, false);
        _partyFell(LIAR, true);
        // The liar's other claims fell with it.
        vm.assertFalse(_dispute.counts(b));
        vm.assertFalse(_dispute.counts(WRONG));
        _dispute.fallWithParty(WRONG);
        _falls(WRONG, true);
        vm.assertFalse(_rivals.isOpen(WRONG));
        vm.assertTrue(_rivals.isOpen(RIGHT));
        // What it cost comes back, then the reward; the rest burns.
        bytes32 id = _dispute.matchId(right, wrong);
        uint256 spent = _dispute.spent(id, LIAR, HONEST);
        vm.assertGt(spent, 0, "spent");
        bytes32 above = _dispute.matchId(RIGHT, WRONG);
        vm.startPrank(HONEST);
        vm.assertEq(_dispute.refund(id, LIAR), spent);
        vm.expectPartialRevert(IParties.NothingToPay.selector);
        _dispute.refund(id, LIAR);
        spent += _dispute.refund(above, LIAR);
        _dispute.withdrawReward(payable(HONEST));
        vm.stopPrank();
        vm.assertEq(HONEST.balance, spent + _bond / 4);
        vm.expectPartialRevert(IParties.RefundsOpen.selector);
        _dispute.burnRest(LIAR);
        vm.warp(block.timestamp + _clock);
        _dispute.burnRest(LIAR);
        vm.assertEq(_dispute.BURN_ADDRESS().balance, _bond - _bond / 4 - spent);
        vm.assertEq(address(_dispute).balance, 3 * _bond);
    }

    /// A stretch after the program's end: the state must stay as it is.
    function test_a_claim_that_goes_on_after_the_end_falls() external {
        (bytes32 a, bytes32 b, Tree memory lie) = _stretchClaims(1_000);
        bytes32 contestId = _play(a, b, _stretches, lie);
        vm.assertEq(_dispute.contest(contestId).start, states[states.length - 1]);
        Tree memory steps = PaddedTree.still(states[states.length - 1], 20);
        Tree memory wrongSteps = _lie(steps, 77, _end(contestId, 1));
        bytes32 right = _make(contestId, 0, steps, HONEST);
        bytes32 wrong = _make(contestId, 1, wrongSteps, LIAR);
        _play(right, wrong, steps, wrongSteps);
        _dispute.step(right, wrong, abi.encodePacked(uint8(1), uint64(0), output));
        _falls(right, false);
        _falls(wrong, true);
    }

    function test_two_wrong_claims_of_steps_both_fall() external {
        (bytes32 a, bytes32 b, Tree memory lie) = _stretchClaims(0);
        bytes32 contestId = _play(a, b, _stretches, lie);
        Tree memory one = _steps.lie(5, "one", _end(contestId, 0));
        Tree memory other = _lie(_steps, 5, _end(contestId, 1));
        bytes32 first = _make(contestId, 0, one, ACCOMPLICE);
        bytes32 second = _make(contestId, 1, other, OTHER);
        _play(first, second, one, other);
        _dispute.step(first, second, witnesses[5]);
        _falls(first, true);
        _falls(second, true);
        vm.assertEq(_dispute.rewardOf(ACCOMPLICE) + _dispute.rewardOf(OTHER), 0);
        // The right side stands: it can still make a claim, and the honest party stands.
        _make(contestId, 0, _steps, HONEST);
    }

    // Clocks

    function test_who_does_not_answer_falls() external {
        _begin();
        uint256 until = block.timestamp + _clock;
        vm.warp(until);
        vm.expectPartialRevert(IDispute.TimeIsNotOver.selector);
        _dispute.expire(RIGHT, WRONG);
        vm.warp(until + 1);
        _dispute.expire(RIGHT, WRONG);
        _falls(RIGHT, true);
        vm.assertEq(_dispute.rewardOf(LIAR), 0); // signers have no bond here
    }

    function test_a_rival_has_what_is_left_since_the_first_claim() external {
        Tree memory wrong = _otherBlocks(WRONG_BLOCK, keccak256("next"));
        _enter(RIGHT, _blocks.root(), address(0));
        vm.warp(block.timestamp + _clock - 30);
        _enter(WRONG, wrong.root(), LIAR);
        vm.warp(block.timestamp + 3 days);
        _move(RIGHT, WRONG, _blocks, wrong);
        vm.assertEq(_dispute.matchOf(RIGHT, WRONG).firstLeft, _clock - 3 days);
        vm.warp(block.timestamp + 31);
        vm.expectPartialRevert(IDispute.TimeIsOver.selector);
        this.moveFor(RIGHT, WRONG, _blocks, wrong);
        _dispute.expire(RIGHT, WRONG);
        _falls(RIGHT, false);
        _falls(WRONG, true);
    }

    function moveFor(bytes32 first, bytes32 second, Tree memory a, Tree memory b) external {
        _move(first, second, a, b);
    }

    function test_a_contest_inherits_what_is_left() external {
        Tree memory wrong = _begin();
        vm.warp(block.timestamp + 1 days);
        _move(RIGHT, WRONG, _blocks, wrong); // the first side: a day
        vm.warp(block.timestamp + 2 days);
        _move(RIGHT, WRONG, _blocks, wrong); // the second: two
        vm.warp(block.timestamp + 60);
        _move(RIGHT, WRONG, _blocks, wrong);
        bytes32 contestId = _dispute.matchId(RIGHT, WRONG);
        Contest memory c = _dispute.contest(contestId);
        vm.assertEq(c.firstLeft, _clock - 1 days - 60);
        vm.assertEq(c.secondLeft, _clock - 60 - 2 days);
        // Claims have what is left when they are made.
        vm.warp(block.timestamp + 100);
        bytes32 a = _make(contestId, 0, _stretches, HONEST);
        vm.warp(block.timestamp + 50);
        bytes32 b = _make(contestId, 1, _lie(_stretches, 9, c.ends[1]), LIAR);
        Match memory m = _dispute.matchOf(a, b);
        vm.assertEq(m.firstLeft, c.firstLeft - 100);
        vm.assertEq(m.secondLeft, c.secondLeft - 150);
        vm.assertEq(m.turn, 0);
        vm.assertEq(m.movedAt, block.timestamp);
    }

    function test_a_side_without_claims_falls_when_its_time_is_over() external {
        bytes32 contestId = _play(RIGHT, WRONG, _blocks, _begin());
        Contest memory c = _dispute.contest(contestId);
        vm.warp(uint256(c.since) + c.secondLeft - 1);
        _make(contestId, 0, _stretches, HONEST);
        vm.expectPartialRevert(IDispute.SideStands.selector);
        _dispute.fallSide(contestId, 1);
        vm.warp(block.timestamp + 1);
        vm.expectPartialRevert(IDispute.SideStands.selector);
        _dispute.fallSide(contestId, 0);
        _dispute.fallSide(contestId, 1);
        _falls(WRONG, true);
        _falls(RIGHT, false);
    }

    // Others

    function test_a_wrong_claim_for_the_right_side_does_it_no_harm() external {
        bytes32 contestId = _play(RIGHT, WRONG, _blocks, _begin());
        Tree memory lie = _lie(_stretches, 4, _end(contestId, 1));
        // An accomplice lies for the right side, and lets itself be beaten.
        Tree memory spoiler = _lie(_stretches, 2, _end(contestId, 0));
        bytes32 b = _make(contestId, 1, lie, OTHER);
        vm.warp(block.timestamp + 60);
        bytes32 s = _make(contestId, 0, spoiler, ACCOMPLICE);
        vm.warp(block.timestamp + 1 hours);
        bytes32 a = _make(contestId, 0, _stretches, HONEST);
        _move(s, b, spoiler, lie);
        vm.warp(block.timestamp + _clock + 1);
        // The liar, too, has let its time go by against the honest claim.
        _dispute.expire(s, b);
        _falls(s, true);
        _partyFell(ACCOMPLICE, true);
        vm.expectPartialRevert(IDispute.SideStands.selector);
        _dispute.fallSide(contestId, 0);
        _dispute.expire(a, b);
        _falls(b, true);
        _falls(a, false);
        _dispute.fallSide(contestId, 1);
        _falls(WRONG, true);
    }

    function test_the_same_root_by_another_party_is_another_claim() external {
        bytes32 contestId = _play(RIGHT, WRONG, _blocks, _begin());
        bytes32 stolen = _make(contestId, 0, _stretches, ACCOMPLICE);
        bytes32 own = _make(contestId, 0, _stretches, HONEST);
        vm.assertTrue(stolen != own);
        vm.expectPartialRevert(IDispute.ClaimExists.selector);
        this.makeFor(contestId, 0, _stretches, HONEST);
    }

    function makeFor(bytes32 contestId, uint8 side, Tree memory t, address party) external returns (bytes32) {
        return _make(contestId, side, t, party);
    }

    function test_nothing_counts_once_a_claim_above_has_fallen() external {
        (bytes32 a, bytes32 b, Tree memory lie) = _stretchClaims(0);
        bytes32 contestId = _play(a, b, _stretches, lie);
        bytes32 mine = _make(contestId, 0, _steps, HONEST);
        Tree memory other = _lie(_steps, 3, _end(contestId, 1));
        bytes32 theirs = _make(contestId, 1, other, ACCOMPLICE);
        // The liar falls elsewhere; the honest party need not go on.
        bytes32 elsewhere = keccak256("elsewhere");
        bytes32 second = keccak256("second");
        _rivals.post(elsewhere, keccak256("other parent"), keccak256("root"), address(0), _question);
        vm.warp(block.timestamp + 1);
        _rivals.post(second, keccak256("other parent"), keccak256("root 2"), LIAR, _question);
        vm.warp(block.timestamp + 1);
        _rivals.close(second);
        vm.expectPartialRevert(IDispute.Decided.selector);
        _dispute.expire(elsewhere, second);
        _rivals.close(WRONG);
        vm.warp(block.timestamp + 2 * uint256(_clock));
        vm.expectPartialRevert(IDispute.Decided.selector);
        _dispute.expire(mine, theirs);
        vm.expectPartialRevert(IDispute.Decided.selector);
        _dispute.expire(a, b);
        vm.expectPartialRevert(IDispute.Decided.selector);
        _dispute.fallSide(contestId, 0);
        vm.expectPartialRevert(IDispute.Decided.selector);
        this.makeFor(contestId, 0, other, HONEST);
        // And takes its bond home.
        _dispute.release(a);
        _dispute.release(mine);
        vm.expectPartialRevert(IDispute.NotReleasable.selector);
        _dispute.release(a);
        vm.prank(HONEST);
        _dispute.withdrawBond(payable(HONEST));
        vm.assertEq(HONEST.balance, _bond);
    }

    function test_a_bond_stays_while_a_claim_of_it_counts() external {
        (bytes32 a,,) = _stretchClaims(0);
        vm.expectPartialRevert(IDispute.NotReleasable.selector);
        _dispute.release(a);
        vm.expectPartialRevert(IParties.StillStanding.selector);
        vm.prank(HONEST);
        _dispute.withdrawBond(payable(HONEST));
    }

    function test_claims_need_a_bond() external {
        bytes32 contestId = _play(RIGHT, WRONG, _blocks, _begin());
        vm.expectPartialRevert(IParties.NoParty.selector);
        this.makeFor(contestId, 0, _stretches, address(0x5555));
        vm.prank(HONEST);
        _dispute.withdrawBond(payable(HONEST));
        vm.expectPartialRevert(IParties.NoParty.selector);
        this.makeFor(contestId, 0, _stretches, HONEST);
        vm.deal(LIAR, 1);
        vm.prank(LIAR);
        vm.expectPartialRevert(IParties.BondMustBe.selector);
        _dispute.join{value: 1}();
    }

    function test_only_the_contract_of_claims_enters_claims() external {
        vm.expectPartialRevert(IDispute.NotClaims.selector);
        _dispute.enter(RIGHT, PARENT, RIGHT, address(0), 1, _question);
    }

    // What is refused

    function test_a_claim_must_end_in_its_sides_value() external {
        bytes32 contestId = _play(RIGHT, WRONG, _blocks, _begin());
        vm.expectPartialRevert(Openings.NotOfNode.selector);
        this.makeFor(contestId, 1, _stretches, HONEST);
        vm.expectPartialRevert(IDispute.NoSuchContest.selector);
        this.makeFor(contestId, 2, _stretches, HONEST);
        vm.expectPartialRevert(IDispute.NoSuchContest.selector);
        this.makeFor(PARENT, 0, _stretches, HONEST);
    }

    function test_a_move_must_name_the_first_difference() external {
        Tree memory wrong = _begin();
        wrong.values[4] = keccak256("another"); // what follows differs too
        Selection memory s = PaddedTree.select(_blocks, wrong, 15, 0);
        bytes32[32] memory children = _blocks.children(10, 0);
        children[31] = 0;
        vm.expectPartialRevert(Openings.NotOfNode.selector);
        _dispute.move(RIGHT, WRONG, s, children);
    }

    function test_openings_are_refused_if_anything_is_changed(uint256 what, uint256 bit) external {
        Tree memory wrong = _begin();
        Selection memory s = PaddedTree.select(_blocks, wrong, 15, 0);
        bytes32[32] memory children = _blocks.children(10, 0);
        bytes32 change = bytes32(1 << bit % 256);
        what %= 44;
        if (what < 5) s.mySiblings[what] ^= change;
        else if (what < 10) s.theirSiblings[what - 5] ^= change;
        else if (what == 10) s.mine ^= change;
        else if (what == 11) s.theirs ^= change;
        else children[what - 12] ^= change;
        (bool ok,) = address(_dispute).call(abi.encodeCall(_dispute.move, (RIGHT, WRONG, s, children)));
        vm.assertFalse(ok);
    }

    function test_only_claims_of_one_contest_and_both_sides_are_matched() external {
        (bytes32 a, bytes32 b,) = _stretchClaims(0);
        vm.expectPartialRevert(IDispute.NotMatched.selector);
        _dispute.matchOf(b, a);
        vm.expectPartialRevert(IDispute.NotMatched.selector);
        _dispute.matchOf(a, a);
        vm.expectPartialRevert(IDispute.NotMatched.selector);
        _dispute.matchOf(RIGHT, b);
        vm.expectPartialRevert(IDispute.NotMatched.selector);
        _dispute.matchOf(WRONG, RIGHT);
        vm.expectPartialRevert(IDispute.Decided.selector);
        _dispute.expire(a, keccak256("none"));
    }

    function test_a_witness_of_another_state_decides_nothing() external {
        (bytes32 a, bytes32 b, Tree memory lie) = _stretchClaims(0);
        bytes32 contestId = _play(a, b, _stretches, lie);
        Tree memory steps = _lie(_steps, 17, _end(contestId, 1));
        bytes32 right = _make(contestId, 0, _steps, HONEST);
        bytes32 wrong = _make(contestId, 1, steps, LIAR);
        vm.expectPartialRevert(IDispute.WrongMove.selector);
        _dispute.step(right, wrong, witnesses[17]);
        _play(right, wrong, _steps, steps);
        vm.expectPartialRevert(IDispute.WrongState.selector);
        _dispute.step(right, wrong, witnesses[16]);
        Selection memory none_;
        bytes32[32] memory children;
        vm.expectPartialRevert(IDispute.WrongMove.selector);
        _dispute.move(right, wrong, none_, children);
        _dispute.step(right, wrong, witnesses[17]);
        vm.expectPartialRevert(IDispute.Decided.selector);
        _dispute.step(right, wrong, witnesses[17]);
    }

    // No hash

    function test_a_side_that_says_none_shows_a_state_that_says_no_hash() external {
        Tree memory silent = _otherBlocks(0, 0);
        _enter(RIGHT, _blocks.root(), address(0));
        _enter(WRONG, silent.root(), LIAR);
        (bytes32 first, bytes32 second) = (RIGHT, WRONG);
        (Tree memory a, Tree memory b) = (_blocks, silent);
        if (second < first) ((first, second), (a, b)) = ((second, first), (b, a));
        bytes32 contestId = _play(first, second, a, b);
        uint8 side = first == WRONG ? 0 : 1;
        vm.assertEq(_end(contestId, side), 0);
        bytes memory trapped = hex"02";
        Tree memory lie = _lie(_stretches, 6, keccak256(trapped));
        _none(contestId, side, lie, trapped);
        _none(contestId, side, _lie(_stretches, 6, keccak256(_halted(7))), _halted(7));
        bytes[4] memory bad = [_halted(0), bytes(""), hex"03", hex"0200"];
        for (uint256 i; i < bad.length; ++i) {
            lie = _lie(_stretches, 6, keccak256(bad[i]));
            vm.expectPartialRevert(IDispute.EndNotShown.selector);
            this.none(contestId, side, lie, bad[i]);
        }
        // The right claim beats it as any other.
        _make(contestId, 1 - side, _stretches, HONEST);
    }

    function _halted(uint64 code) private view returns (bytes memory) {
        return abi.encodePacked(uint8(1), code, output);
    }

    function none(bytes32 contestId, uint8 side, Tree memory t, bytes memory last) external {
        _none(contestId, side, t, last);
    }

    function _none(bytes32 contestId, uint8 side, Tree memory t, bytes memory last) private {
        bytes32 root = t.root();
        bytes32[] memory path = t.path((1 << 20) - 1);
        bytes32[32] memory children = t.children(20, 0);
        vm.prank(LIAR);
        _dispute.make(contestId, side, root, last, path, children);
    }

    /// After a block that has none no block has a hash: that needs no machine.
    function test_who_says_a_hash_after_none_falls() external {
        Tree memory silent = _otherBlocks(0, 0);
        Tree memory wrong = _otherBlocks(0, keccak256("next"));
        _enter(RIGHT, silent.root(), HONEST);
        vm.warp(block.timestamp + 60);
        _enter(WRONG, wrong.root(), LIAR);
        _play(RIGHT, WRONG, silent, wrong);
        _falls(RIGHT, false);
        _falls(WRONG, true);
        vm.assertEq(_dispute.rewardOf(HONEST), _bond / 4);
    }

    // Any game

    /// Wherever the lies begin, and whoever is first, the right side wins.
    function test_the_right_side_wins_wherever_the_lie_begins(uint256 stretch, uint256 place, bool liarFirst) external {
        bytes32 contestId = _play(RIGHT, WRONG, _blocks, _begin());
        stretch = stretch % 2 == 0 ? 0 : bound(stretch, 0, (1 << 20) - 2);
        Tree memory lie = _lie(_stretches, stretch, _end(contestId, 1));
        (bytes32 a, bytes32 b) = _both(contestId, _stretches, lie, liarFirst);
        contestId = _play(a, b, _stretches, lie);
        Tree memory right = stretch == 0 ? _steps : PaddedTree.still(states[states.length - 1], 20);
        place = place % 2 == 0 ? place % 29 : bound(place, 0, (1 << 20) - 2);
        Tree memory steps = _lie(right, place, _end(contestId, 1));
        (a, b) = _both(contestId, right, steps, !liarFirst);
        _play(a, b, right, steps);
        bool ended = stretch != 0 || place >= witnesses.length;
        _dispute.step(a, b, ended ? _halted(0) : witnesses[place]);
        _falls(a, false);
        _falls(b, true);
        _partyFell(HONEST, false);
        _partyFell(LIAR, true);
    }

    function _both(bytes32 contestId, Tree memory right, Tree memory lie, bool liarFirst)
        private
        returns (bytes32 a, bytes32 b)
    {
        if (liarFirst) b = _make(contestId, 1, lie, LIAR);
        vm.warp(block.timestamp + 60);
        a = _make(contestId, 0, right, HONEST);
        vm.warp(block.timestamp + 60);
        if (!liarFirst) b = _make(contestId, 1, lie, LIAR);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Member} from "../src/bonding/ISequencerRegistry.sol";
import {ClaimPreimage} from "../src/lib/Commitments.sol";
import {Batch, Messages} from "../src/lib/Messages.sol";
import {Fate, Posting} from "../src/rollup/IClaims.sol";
import {Post} from "./lib/Fixture.sol";
import {Forced} from "./lib/Forced.sol";
import {Test} from "./lib/Test.sol";

/// @notice Committees that build on any claim that lives, rivals of everything, disputes that end as chance has it, and reports of
/// whoever signed what: at random, with the tree of claims and the signers kept beside. What is wrong is kept in `fault` until an
/// invariant asks.
contract Factions is Forced {
    using Messages for Batch;

    uint64 private constant SEATS = 7;
    uint256 private constant ACTORS = 5;
    uint256 private constant MAX_CLAIMS = 48;

    struct Known {
        ClaimPreimage claim;
        uint256 postedAt;
        /// Place of its parent; the genesis claim is its own.
        uint256 parent;
        uint64 term;
        /// Places in the term's committee, and seats.
        uint64 signers;
        uint256 seats;
        Fate fate;
        bool wasFinal;
    }

    Known[] private _all;
    string public fault;
    mapping(string what => uint256) public happened;

    constructor() {
        withoutData = true;
        parameters = profile("ci");
        // So that rivals find claims that may still have some.
        (parameters.challengePeriod, parameters.unbonding, parameters.escapeDelay) = (400, 20_000, 2_000);
        deploy(SEATS);
        _all.push();
        _all[0].claim = head;
        _all[0].wasFinal = true;
        for (uint256 i; i < ACTORS; ++i) {
            join(_actor(i));
        }
    }

    modifier observed() {
        _;
        _observe();
    }

    function _actor(uint256 seed) private pure returns (address) {
        return address(uint160(0xAC7000 + seed % ACTORS));
    }

    function _random(uint256 seed, string memory what) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, what)));
    }

    function _wrong(bool isSo, string memory what) private {
        if (isSo && bytes(fault).length == 0) fault = what;
    }

    // What they do

    function wait_(uint256 seed) external observed {
        pass(1 + seed % 12);
    }

    function waitLong(uint256 seed) external observed {
        pass(seed % 4 == 0 ? parameters.escapeDelay : parameters.challengePeriod);
    }

    /// A committee signs a batch on any claim of the last one that lives.
    function batch(uint256 seed) external observed {
        uint256 k = _pick(seed);
        for (uint256 i; i < _all.length; ++i) {
            if (_all[k].claim.batchIndex == inbox.batchIndex() && !_isDead(k)) break;
            k = (k + 1) % _all.length;
        }
        if (_all.length >= MAX_CLAIMS || _isDead(k)) return;
        head = _all[k].claim;
        Post memory post = honest(1);
        uint256 seats = _certifyByChance(post, seed);
        succeed(post);
        _push(head, k);
        Known storage it = _all[_all.length - 1];
        (it.term, it.signers, it.seats) = (post.statement.term, post.signers, seats);
        ++happened["batch"];
    }

    function sequence() external observed {
        selfSequence();
        ++happened["self-sequenced"];
    }

    /// A claim with a bond about any batch, on any claim of the one before.
    function rival(uint256 seed) external observed {
        uint256 k = _pick(seed);
        if (_all.length >= MAX_CLAIMS || _all[k].claim.batchIndex >= inbox.batchIndex()) return;
        ClaimPreimage memory parent = _all[k].claim;
        // Now and then one that says that the batch's last block has no hash.
        bool isEnd = _random(seed, "end") % 8 == 0;
        ClaimPreimage memory claim = claimAfter(parent, isEnd ? bytes32(0) : bytes32(_random(seed, "hash")));
        Posting memory p = posting(claim, parent);
        for (uint256 i = 1; i < _all.length; ++i) {
            if (_all[i].parent != k) continue;
            p.first = _all[i].claim;
            break;
        }
        bool wasDead = _isDead(k);
        address actor = _actor(_random(seed, "actor"));
        bondWith(actor, claim, p);
        _wrong(wasDead, "a claim on a dead one");
        _push(claim, k);
        ++happened[_standing(k) > 1 ? "rival" : "bonded"];
    }

    /// The dispute ends for one of several.
    function decide(uint256 seed) external observed {
        uint256 k = _pick(seed);
        for (uint256 i; i < _all.length && !_isDisputed(k); ++i) {
            k = (k + 1) % _all.length;
        }
        if (!_isDisputed(k)) return;
        bool hasLost = _random(seed, "lost") % 4 != 0;
        vm.prank(address(dispute));
        claims.fall(id(_all[k].claim), _all[k].claim.parentId, hasLost);
        _all[k].fate = hasLost ? Fate.Lost : Fate.FellWithParty;
        ++happened[hasLost ? "lost" : "fell with its party"];
        for (uint64 seat = 1; hasLost && seat <= SEATS; ++seat) {
            if (_all[k].seats >> seat & 1 == 0) continue;
            _wrong(!_isFrozen(seat), "who signed is not frozen");
            ++happened["frozen"];
        }
    }

    /// Anybody reports anybody, with some of the claims above what was signed.
    function report_(uint256 seed) external observed {
        uint256 k = _pick(seed);
        uint256 place = _random(seed, "place") % SEATS;
        uint256 length = 1 + _random(seed, "length") % 3;
        // Mostly of what was signed and lost, or stands on that.
        for (uint256 i; _random(seed, "aim") % 4 != 0 && i < _all.length; ++i) {
            uint256 steps = _all[k].seats == 0 ? 0 : _toLost(k);
            if (steps != 0) {
                length = steps;
                break;
            }
            k = (k + 1) % _all.length;
        }
        ClaimPreimage[] memory chain = new ClaimPreimage[](length);
        uint256 top = k;
        for (uint256 i; i < chain.length; ++i) {
            if (i != 0) top = _all[top].parent;
            chain[i] = _all[top].claim;
        }
        Known memory signed = _all[k];
        uint256[] memory before = new uint256[](SEATS + 1);
        for (uint64 seat = 1; seat <= SEATS; ++seat) {
            before[seat] = registry.seat(seat).bond;
        }
        vm.prank(REPORTER);
        try slasher.report(address(invalidState), abi.encode(chain, place)) returns (
            uint64 seat, uint256 taken, uint256 reward
        ) {
            ++happened["report"];
            _wrong(signed.seats >> seat & 1 == 0 || signed.signers >> place & 1 == 0, "who did not sign is guilty");
            _wrong(_all[top].fate != Fate.Lost, "guilty of a claim that has not lost");
            _wrong(!_isFrozen(seat), "guilty and not frozen");
            _wrong(taken != 0 && taken != before[seat], "not the whole bond");
            _wrong(registry.seat(seat).bond != before[seat] - taken, "the bond is not what is left");
            _wrong(reward >= taken && reward != 0, "more reward than penalty");
            bool isSettled = _hasFinalSibling(top);
            _wrong(taken != 0 && !isSettled, "taken before the right claim was final");
            _wrong(taken == 0 && isSettled && before[seat] != 0, "not taken when the right claim was final");
            if (taken != 0) ++happened["taken"];
        } catch {}
    }

    function collect(uint256 seed) external observed {
        address actor = _actor(seed);
        vm.prank(actor);
        slasher.withdrawReward(payable(actor));
        ++happened["collected"];
    }

    function end_(uint256 seed) external {
        _observe();
        bytes32 last = id(_all[_pick(seed)].claim);
        vm.prank(address(bridge));
        inbox.end(last);
        ++happened["end"];
        _observe();
    }

    // What they know

    function _pick(uint256 seed) private view returns (uint256) {
        return _random(seed, "claim") % _all.length;
    }

    function _push(ClaimPreimage memory claim, uint256 parent) private {
        _all.push();
        Known storage it = _all[_all.length - 1];
        (it.claim, it.parent, it.postedAt) = (claim, parent, block.timestamp);
    }

    /// The least quorum, from a place by chance; whose seats they are.
    function _certifyByChance(Post memory post, uint256 seed) private view returns (uint256 seats) {
        Member[] memory members = registry.committee(post.statement.term);
        uint256 from = _random(seed, "signers") % members.length;
        (post.signers, post.signatures) = (0, "");
        for (uint256 i; i < members.length * 2 / 3 + 1; ++i) {
            post.signers |= uint64(1 << (from + i) % members.length);
        }
        for (uint256 place; place < members.length; ++place) {
            if (post.signers >> place & 1 == 0) continue;
            seats |= 1 << members[place].seat;
            bytes memory signature = sign(keyOf(members[place].seat - 1), post.statement.hash());
            post.signatures = bytes.concat(post.signatures, signature);
        }
    }

    function _isFrozen(uint64 seat) private view returns (bool) {
        return registry.seat(seat).frozenAt != 0;
    }

    function _isDead(uint256 k) private view returns (bool) {
        for (; k != 0; k = _all[k].parent) {
            if (_all[k].fate != Fate.Stands) return true;
        }
        return false;
    }

    function _standing(uint256 parent) private view returns (uint256 count) {
        for (uint256 k = 1; k < _all.length; ++k) {
            if (_all[k].parent == parent && _all[k].fate == Fate.Stands) ++count;
        }
    }

    function _isDisputed(uint256 k) private view returns (bool) {
        return k != 0 && !_isDead(k) && _standing(_all[k].parent) > 1 && claims.isOpen(id(_all[k].claim));
    }

    /// By the tree alone, before the chain has ended.
    function _mustBeFinal(uint256 k) private view returns (bool) {
        if (_all[k].claim.lastHash == 0) return false;
        if (k != 0 && block.timestamp < _all[k].postedAt + parameters.challengePeriod) return false;
        for (; k != 0; k = _all[k].parent) {
            if (_all[k].fate != Fate.Stands || _standing(_all[k].parent) != 1) return false;
        }
        return true;
    }

    /// Claims from one up to the first that lost, both counted; 0 if none did.
    function _toLost(uint256 k) private view returns (uint256 length) {
        for (; k != 0; k = _all[k].parent) {
            ++length;
            if (_all[k].fate == Fate.Lost) return length;
        }
        return 0;
    }

    function _hasFinalSibling(uint256 top) private view returns (bool) {
        for (uint256 k = 1; k < _all.length; ++k) {
            if (k != top && _all[k].parent == _all[top].parent && claims.isFinal(id(_all[k].claim))) return true;
        }
        return false;
    }

    // What must be so

    function _observe() private {
        bool hasEnded = claims.endedAt() != 0;
        for (uint256 k; k < _all.length; ++k) {
            bool isFinal = claims.isFinal(id(_all[k].claim));
            _wrong(_all[k].wasFinal && !isFinal, "a final claim died");
            _wrong(hasEnded && isFinal && !_all[k].wasFinal, "final after the end");
            _wrong(!hasEnded && isFinal != _mustBeFinal(k), "final is not what the tree says");
            if (isFinal && k != 0) ++happened["final"];
            _all[k].wasFinal = isFinal;
        }
    }

    function checkClaims() external view {
        vm.assertEq(fault, "");
        for (uint256 k; k < _all.length; ++k) {
            bytes32 claimId = id(_all[k].claim);
            bool lives = !_isDead(k) && _all[k].claim.lastHash != 0;
            vm.assertTrue(claims.isLive(claimId, _all[k].claim.batchIndex) == lives, "what lives");
            vm.assertTrue(claims.claim(claimId).fate == _all[k].fate, "fate");
            if (!claims.isFinal(claimId)) continue;
            for (uint256 i; i < k; ++i) {
                if (_all[i].claim.batchIndex != _all[k].claim.batchIndex) continue;
                vm.assertTrue(!claims.isFinal(id(_all[i].claim)), "two results of one batch are final");
            }
        }
    }

    /// Who is frozen signed something that lost, or that stands on it; who lost a bond, too.
    function checkSeats() external view {
        for (uint64 seat = 1; seat <= SEATS; ++seat) {
            bool isGuilty;
            for (uint256 k = 1; k < _all.length; ++k) {
                if (_all[k].seats >> seat & 1 == 0) continue;
                for (uint256 i = k; i != 0; i = _all[i].parent) {
                    isGuilty = isGuilty || _all[i].fate == Fate.Lost;
                }
            }
            uint256 bond = registry.seat(seat).bond;
            vm.assertTrue(isGuilty || !_isFrozen(seat) && bond == parameters.bond, "an innocent seat");
            vm.assertTrue(bond == 0 || bond == parameters.bond, "all or nothing");
        }
    }

    function checkMoney() external view {
        uint256 owed = slasher.unburnt() + slasher.rewardOf(REPORTER) + slasher.rewardOf(address(0));
        for (uint64 seat = 1; seat <= SEATS; ++seat) {
            owed += registry.seat(seat).bond;
        }
        uint256 inDispute;
        for (uint256 i; i < ACTORS; ++i) {
            owed += slasher.rewardOf(_actor(i));
            inDispute += dispute.party(_actor(i)).bond;
        }
        vm.assertEq(address(registry).balance, owed, "the registry holds all bonds and what is owed");
        vm.assertEq(address(dispute).balance, inDispute, "the dispute holds the parties' bonds");
    }
}

/// @notice What Foundry is to call, as it names it.
struct FuzzSelector {
    address addr;
    bytes4[] selectors;
}

contract ClaimsInvariantsTest is Test {
    Factions private _factions;
    mapping(string what => uint256) private _counts;

    function setUp() external {
        _factions = new Factions();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_factions);
    }

    /// Claims, falls and reports more often than the rest.
    function targetSelectors() external view returns (FuzzSelector[] memory list) {
        list = new FuzzSelector[](1);
        list[0] = FuzzSelector(address(_factions), _selectors());
    }

    function _selectors() private pure returns (bytes4[] memory s) {
        s = new bytes4[](18);
        (s[0], s[1], s[2]) = (Factions.batch.selector, Factions.batch.selector, Factions.batch.selector);
        (s[3], s[4], s[5]) = (Factions.rival.selector, Factions.rival.selector, Factions.rival.selector);
        (s[6], s[7], s[8]) = (Factions.rival.selector, Factions.decide.selector, Factions.decide.selector);
        (s[9], s[10], s[11]) = (Factions.report_.selector, Factions.report_.selector, Factions.report_.selector);
        (s[12], s[13], s[14]) = (Factions.wait_.selector, Factions.wait_.selector, Factions.waitLong.selector);
        (s[15], s[16], s[17]) = (Factions.collect.selector, Factions.sequence.selector, Factions.end_.selector);
    }

    function targetSenders() external pure returns (address[] memory senders) {
        senders = new address[](1);
        senders[0] = address(0x5E4D);
    }

    function invariant_an_undecided_claim_is_never_final_and_a_final_one_never_dies() external view {
        _factions.checkClaims();
    }

    function invariant_no_innocent_seat_is_frozen_or_loses_anything() external view {
        _factions.checkSeats();
    }

    function invariant_each_bond_leaves_once() external view {
        _factions.checkMoney();
    }

    /// All that the invariants speak of happens, in one long run with no luck in it.
    function test_everything_happens() external {
        bytes4[] memory selectors = _selectors();
        for (uint256 i; i < 600; ++i) {
            uint256 seed = uint256(keccak256(abi.encode("claims", i)));
            bytes4 selector = selectors[seed % selectors.length];
            // What comes at the wrong time is refused.
            (bool ok,) = address(_factions).call(abi.encodeWithSelector(selector, seed >> 8));
            if (ok) ++_counts["calls"];
            if (i % 100 == 99) _renew();
        }
        string[10] memory all = _names();
        for (uint256 i; i < all.length; ++i) {
            vm.assertGt(_counts[all[i]], 0, all[i]);
        }
    }

    function _names() private pure returns (string[10] memory) {
        return
            [
                "batch",
                "rival",
                "bonded",
                "lost",
                "fell with its party",
                "frozen",
                "report",
                "taken",
                "collected",
                "final"
            ];
    }

    /// A world holds so many claims; what happened in it is counted.
    function _renew() private {
        _factions.checkClaims();
        _factions.checkSeats();
        _factions.checkMoney();
        string[10] memory all = _names();
        for (uint256 i; i < all.length; ++i) {
            _counts[all[i]] += _factions.happened(all[i]);
        }
        _factions = new Factions();
    }
}

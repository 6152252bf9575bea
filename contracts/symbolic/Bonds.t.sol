// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Parties} from "../src/dispute/Parties.sol";
import {Party} from "../src/dispute/IParties.sol";
import {ProtocolParameters} from "../src/lib/Parameters.sol";
import {Symbolic} from "./Symbolic.sol";

/// @notice Parties, with what a dispute does to them open to anyone.
contract OpenParties is Parties {
    constructor(ProtocolParameters memory p) Parties(p) {}

    function stand(address account) external {
        _stand(account);
    }

    function unstand(address account) external {
        _unstand(account);
    }

    function forfeit(address account, address winner) external {
        _forfeit(account, winner);
    }

    function note(bytes32 matchId, address opponent, uint256 gasAtStart) external {
        _note(matchId, opponent, gasAtStart);
    }
}

/// @title The money of `Parties`, for every state and every call.
/// @notice This is induction, so the number of calls and of parties is not bounded: storage is arbitrary but valid (`_isValid`,
/// and the contract has what it owes), then comes any one call, and what holds before holds after it, and whenever somebody
/// is paid. `check_theStartIsValid` is where it begins.
///
/// **Shown.** The balance is the sum of what is owed: bonds (of parties that stand, and what is left of forfeited ones, which
/// is kept for refunds or to be burnt) and rewards. A bond comes by joining only, whole; it leaves whole and once, and only
/// where no claim stands. A party that fell stays so, and neither leaves nor joins. Of a forfeited bond no more is paid
/// than it was: a quarter as the reward, half of it at most as refunds, the rest burns. A move is refunded once.
///
/// **Bounds.** Any one call after any valid state. Beside that: one more between leaving and leaving again, and two after a fall
/// (`check_aForfeitedBondIsPaidOnce`).
///
/// **Assumed.** The bond is neither 0 nor 2^89 wei or more (that is more than there is); times are below 2^40 and not 0; rewards are
/// below 2^100 wei, balances below 2^128. The caller is this contract, `SECOND`, `THIRD` and `STRANGER` are for all others: no rule
/// looks at an address but to compare it, with zero or another. Who is paid accepts; one who refuses reverts the call. What was
/// noted for moves (`spent`) is any number. The dispute calls the functions of `OpenParties` whenever it likes.
contract BondsCheck is Symbolic {
    uint256 private constant JOIN = 0;
    uint256 private constant LEAVE = 1;
    uint256 private constant REFUND = 2;
    uint256 private constant BURN = 3;
    uint256 private constant REWARD = 4;
    uint256 private constant STAND = 5;
    uint256 private constant UNSTAND = 6;
    uint256 private constant FORFEIT = 7;
    uint256 private constant NOTE = 8;
    address private constant SECOND = address(0xB);
    address private constant THIRD = address(0xC);
    /// No call names it.
    address private constant STRANGER = address(0xD);

    OpenParties private _parties;
    uint256 private _bond;
    ProtocolParameters private _parameters;
    /// What all others are owed.
    uint256 private _rest;
    /// What was in storage when this contract was paid last; 0 if it was not.
    bytes32 private _paidIn;
    /// Whether the balance was not what was owed then.
    bool private _wasWrong;

    function setUp() public {
        ProtocolParameters memory p;
        p.claimBond = _bond = any(89);
        p.challengePeriod = uint64(any(40));
        p.postingTipCap = any(96);
        vm.assume(_bond != 0);
        _parameters = p;
        _parties = new OpenParties(p);
        uint256 time = any(40);
        vm.assume(time != 0);
        vm.warp(time);
        vm.deal(address(this), any(100));
        _anyState();
    }

    /// Where another contract gets control. (An `assert` that fails here would only refuse the payment.)
    receive() external payable {
        if (address(_parties).balance != _owed() + _rest) _wasWrong = true;
        _paidIn = svm.snapshotStorage(address(_parties));
    }

    // States

    function _anyState() private {
        vm.setArbitraryStorage(address(_parties));
        vm.assume(_areValid());
        vm.assume(_and(_isPayable(address(this)), _and(_isPayable(SECOND), _isPayable(THIRD))));
        vm.assume(_isPayable(STRANGER));
        _rest = any(100);
        vm.deal(address(_parties), _owed() + _rest);
    }

    function _areValid() private view returns (bool) {
        Party memory p = _parties.party(address(0));
        bool nobody = _and(_and(p.bond == 0, p.fellAt == 0), _parties.rewardOf(address(0)) == 0);
        bool two = _and(_isValid(address(this)), _isValid(SECOND));
        return _and(_and(nobody, two), _and(_isValid(THIRD), _isValid(STRANGER)));
    }

    /// A party that stands has all of its bond, or none and no claims; one that fell, what is kept for refunds at least.
    function _isValid(address who) private view returns (bool) {
        Party memory p = _parties.party(who);
        bool none = p.bond == 0;
        bool stands = _and(p.refunds == 0, _or(p.bond == _bond, _and(none, p.standing == 0)));
        bool fell = _and(_and(p.refunds <= p.bond, p.refunds <= _bond / 2), p.bond <= _bond);
        return _or(_and(p.fellAt == 0, stands), _and(p.fellAt != 0, fell));
    }

    function _owed() private view returns (uint256) {
        unchecked {
            return _owedTo(address(this)) + _owedTo(SECOND) + _owedTo(THIRD) + _owedTo(STRANGER);
        }
    }

    function _owedTo(address who) private view returns (uint256) {
        unchecked {
            return _parties.party(who).bond + _parties.rewardOf(who);
        }
    }

    /// Rewards cannot add up to more than there is.
    function _isPayable(address who) private view returns (bool) {
        return _parties.rewardOf(who) < 1 << 100;
    }

    /// Without a branch.
    function _and(bool a, bool b) private pure returns (bool c) {
        assembly {
            c := and(a, b)
        }
    }

    /// Without a branch.
    function _or(bool a, bool b) private pure returns (bool c) {
        assembly {
            c := or(a, b)
        }
    }

    // Calls

    /// The caller, or another account.
    function _any() private returns (address) {
        return any(8) == 0 ? address(this) : SECOND;
    }

    /// One of these, or a third, or nobody.
    function _anyWinner() private returns (address) {
        uint256 place = any(8);
        if (place < 2) return place == 0 ? THIRD : address(0);
        return _any();
    }

    /// Any call, with any accounts.
    function _call(uint256 which) private returns (uint256 paid) {
        if (which == JOIN || which == LEAVE || which == REWARD) return _call(which, address(0), address(0));
        if (which != FORFEIT) return _call(which, _any(), address(0));
        return _call(which, any(8) == 0 ? address(0) : _any(), _anyWinner());
    }

    /// A call. Gives what it paid: to this contract, or to be burnt.
    function _call(uint256 which, address account, address winner) private returns (uint256) {
        (uint256 here, uint256 burnt) = (address(this).balance, _parties.BURN_ADDRESS().balance);
        if (which == JOIN) {
            _parties.join{value: any(100)}();
            return 0;
        }
        if (which == LEAVE) _parties.withdrawBond(payable(address(this)));
        else if (which == REFUND) _parties.refund(bytes32(any(256)), account);
        else if (which == BURN) _parties.burnRest(account);
        else if (which == REWARD) _parties.withdrawReward(payable(address(this)));
        else if (which == STAND) _parties.stand(account);
        else if (which == UNSTAND) _parties.unstand(account);
        else if (which == FORFEIT) _parties.forfeit(account, winner);
        else if (which == NOTE) _parties.note(bytes32(any(256)), account, any(64));
        else vm.assume(false);
        if (which == BURN) return _parties.BURN_ADDRESS().balance - burnt;
        return address(this).balance - here;
    }

    // Checks

    function check_theStartIsValid() external {
        _parties = new OpenParties(_parameters);
        assert(_areValid());
        assert(address(_parties).balance == 0 && _owed() == 0);
    }

    function check_theBalanceIsWhatIsOwed(uint256 which) external {
        _call(which);
        assert(!_wasWrong);
        assert(address(_parties).balance == _owed() + _rest);
    }

    function check_statesStayValid(uint256 which) external {
        _call(which);
        assert(_areValid());
    }

    /// So one who calls again while he is paid calls in a state that is valid, and nothing is undone by it.
    function check_nothingIsWrittenAfterAPayment(uint256 which) external {
        _call(which);
        assert(_paidIn == 0 || _paidIn == svm.snapshotStorage(address(_parties)));
    }

    function check_othersAreUntouched(uint256 which) external {
        Party memory p = _parties.party(STRANGER);
        uint256 reward = _parties.rewardOf(STRANGER);
        _call(which);
        Party memory q = _parties.party(STRANGER);
        assert(_and(p.bond == q.bond, p.standing == q.standing));
        assert(_and(p.fellAt == q.fellAt, p.refunds == q.refunds));
        assert(reward == _parties.rewardOf(STRANGER));
    }

    /// Of any account, those that the call names included.
    function check_aBondComesByJoiningOnly(uint256 which) external {
        uint96[3] memory bonds = [_bondOf(address(this)), _bondOf(SECOND), _bondOf(THIRD)];
        _call(which);
        assert(_bondOf(SECOND) <= bonds[1] && _bondOf(THIRD) <= bonds[2]);
        uint256 bond = _bondOf(address(this));
        assert(bond <= bonds[0] || (which == JOIN && bonds[0] == 0 && bond == _bond));
    }

    function _bondOf(address who) private view returns (uint96) {
        return _parties.party(who).bond;
    }

    function check_aBondLeavesWhole() external {
        Party memory p = _parties.party(address(this));
        assert(_call(LEAVE) == _bond);
        assert(p.fellAt == 0 && p.standing == 0 && _parties.party(address(this)).bond == 0);
    }

    function check_aBondLeavesOnce(uint256 between) external {
        _call(LEAVE);
        vm.assume(between != JOIN);
        _call(between);
        assert(!_succeeds(LEAVE));
    }

    function check_whoFellStaysSo(uint256 which) external {
        uint40[3] memory fell = [_fellAt(address(this)), _fellAt(SECOND), _fellAt(THIRD)];
        _call(which);
        assert(fell[0] == 0 || fell[0] == _fellAt(address(this)));
        assert(fell[1] == 0 || fell[1] == _fellAt(SECOND));
        assert(fell[2] == 0 || fell[2] == _fellAt(THIRD));
    }

    function _fellAt(address who) private view returns (uint40) {
        return _parties.party(who).fellAt;
    }

    function check_whoFellNeitherLeavesNorJoins() external {
        vm.assume(_parties.party(address(this)).fellAt != 0);
        assert(!_succeeds(LEAVE));
        assert(!_succeeds(JOIN));
    }

    /// The reward, a refund, and what a second one or the burning pays of the bond.
    function check_aForfeitedBondIsPaidOnce(bool burns) external {
        (address account, address winner) = (_any(), _anyWinner());
        uint256 reward = _fall(account, winner);
        assert(reward == (winner == address(0) || winner == account ? 0 : _bond / 4));
        uint256 paid = _call(REFUND, account, address(0));
        uint256 again = _call(burns ? BURN : REFUND, account, address(0));
        if (burns) assert(reward + paid + again == _bond);
        else assert(paid + again <= _bond / 2);
    }

    /// A party that stood falls. Gives the reward.
    function _fall(address account, address winner) private returns (uint256) {
        Party memory p = _parties.party(account);
        vm.assume(_and(p.fellAt == 0, p.bond != 0));
        uint256 reward = _parties.rewardOf(winner);
        _call(FORFEIT, account, winner);
        return _parties.rewardOf(winner) - reward;
    }

    function check_aMoveIsRefundedOnce() external {
        (bytes32 id, address account) = (bytes32(any(256)), _any());
        uint256 spent = _parties.spent(id, account, address(this));
        uint256 before = address(this).balance;
        _parties.refund(id, account);
        assert(address(this).balance - before <= spent);
        assert(_parties.spent(id, account, address(this)) == 0);
    }

    function _succeeds(uint256 which) private returns (bool success) {
        if (which == JOIN) (success,) = address(_parties).call{value: _bond}(abi.encodeCall(_parties.join, ()));
        else (success,) = address(_parties).call(abi.encodeCall(_parties.withdrawBond, (payable(address(this)))));
    }

    // Controls: each is wrong, and halmos must find out why. So each call can succeed.

    function check_control_nobodyJoins() external {
        _call(JOIN);
        assert(false);
    }

    function check_control_nobodyLeaves() external {
        _call(LEAVE);
        assert(false);
    }

    function check_control_nobodyIsRefunded() external {
        _call(REFUND);
        assert(false);
    }

    function check_control_nothingIsBurnt() external {
        _call(BURN);
        assert(false);
    }

    function check_control_nobodyIsRewarded() external {
        _call(REWARD);
        assert(false);
    }

    function check_control_noFallIsRewarded() external {
        assert(_fall(SECOND, THIRD) == 0);
    }

    /// Two of the calls between which a bond leaves once.
    function check_control_aBondLeavesOnceEvenIfItCameAgain() external {
        _call(LEAVE);
        _call(JOIN);
        assert(!_succeeds(LEAVE));
    }

    /// Half of it is not kept for refunds.
    function check_control_aForfeitedBondIsRefundedWhole() external {
        _fall(SECOND, THIRD);
        assert(_call(REFUND, SECOND, address(0)) < _bond / 2);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ProtocolParameters} from "../lib/Parameters.sol";
import {IParties, Party} from "./IParties.sol";

/// @notice The bonds behind claims; what everything means stands in `IParties`.
abstract contract Parties is IParties {
    address public constant BURN_ADDRESS = 0x000000000000000000000000000000000000dEaD;
    /// @dev Gas of a move that is not measured: the transaction, and noting what it cost.
    uint256 private constant UNMEASURED_GAS = 21_000 + 25_000;
    /// @dev The most call data that a move needs. A contract can call with any more for next to nothing.
    uint256 private constant MAX_DATA = 2_304;

    uint256 public immutable partyBond;
    uint64 public immutable refundPeriod;
    uint256 public immutable tipCap;

    mapping(address account => Party) private _parties;
    mapping(address party => uint256 amount) public rewardOf;
    /// @dev What movers spent against a party in a match.
    mapping(bytes32 matchId => mapping(address party => mapping(address mover => uint256 amount))) public spent;

    constructor(ProtocolParameters memory p) {
        partyBond = p.claimBond;
        refundPeriod = p.challengePeriod;
        tipCap = p.postingTipCap;
    }

    /// @inheritdoc IParties
    function join() external payable {
        require(msg.value == partyBond, BondMustBe(partyBond, msg.value));
        Party storage p = _parties[msg.sender];
        require(p.fellAt == 0, PartyHasFallen(msg.sender));
        require(p.bond == 0, AlreadyParty(msg.sender));
        p.bond = uint96(msg.value);
        emit PartyJoined(msg.sender, msg.value);
    }

    /// @inheritdoc IParties
    function withdrawBond(address payable to) external {
        Party storage p = _parties[msg.sender];
        require(p.fellAt == 0, PartyHasFallen(msg.sender));
        uint256 bond = p.bond;
        require(bond != 0, NoParty(msg.sender));
        require(p.standing == 0, StillStanding(msg.sender, p.standing));
        p.bond = 0;
        emit PartyLeft(msg.sender, to, bond);
        _pay(to, bond);
    }

    /// @inheritdoc IParties
    function refund(bytes32 matchId, address account) external returns (uint256 amount) {
        Party storage p = _parties[account];
        require(p.fellAt != 0, PartyStands(account));
        amount = spent[matchId][account][msg.sender];
        if (amount > p.refunds) amount = p.refunds;
        require(amount != 0, NothingToPay());
        spent[matchId][account][msg.sender] = 0;
        (p.refunds, p.bond) = (p.refunds - uint88(amount), p.bond - uint96(amount));
        emit Refunded(account, msg.sender, amount);
        _pay(payable(msg.sender), amount);
    }

    /// @inheritdoc IParties
    function burnRest(address account) external {
        Party storage p = _parties[account];
        require(p.fellAt != 0, PartyStands(account));
        uint256 until = uint256(p.fellAt) + refundPeriod;
        require(block.timestamp >= until, RefundsOpen(uint64(until)));
        uint256 amount = p.bond;
        require(amount != 0, NothingToPay());
        (p.bond, p.refunds) = (0, 0);
        emit BondBurnt(account, amount);
        _pay(payable(BURN_ADDRESS), amount);
    }

    /// @inheritdoc IParties
    function withdrawReward(address payable to) external {
        uint256 amount = rewardOf[msg.sender];
        require(amount != 0, NothingToPay());
        rewardOf[msg.sender] = 0;
        emit RewardWithdrawn(msg.sender, to, amount);
        _pay(to, amount);
    }

    /// @inheritdoc IParties
    function party(address account) external view returns (Party memory) {
        return _parties[account];
    }

    /// @dev A claim in the name of a party, which must have a bond.
    function _stand(address account) internal {
        Party storage p = _parties[account];
        require(p.fellAt == 0, PartyHasFallen(account));
        require(p.bond != 0, NoParty(account));
        ++p.standing;
    }

    /// @dev A claim of a party is decided, or stands for nothing any more.
    function _unstand(address account) internal {
        --_parties[account].standing;
    }

    /// @dev When a claim of the party fell; 0 if none did. Signers are no party.
    function _fellAt(address account) internal view returns (uint256) {
        return _parties[account].fellAt;
    }

    function _hasFallen(address account) internal view returns (bool) {
        return _fellAt(account) != 0;
    }

    /// @dev A claim of `account` fell to one of `winner`. The first time, the bond is forfeited.
    function _forfeit(address account, address winner) internal {
        Party storage p = _parties[account];
        if (account == address(0) || p.fellAt != 0) return;
        uint256 bond = p.bond;
        uint256 reward = winner == address(0) || winner == account ? 0 : bond / 4;
        rewardOf[winner] += reward;
        p.fellAt = uint40(block.timestamp);
        (p.bond, p.refunds) = (uint96(bond - reward), uint88(bond / 2));
        emit PartyFell(account, winner, bond, reward);
    }

    /// @dev Notes what this move cost, for the case that `opponent` falls.
    /// @param gasAtStart What was left when it began.
    function _note(bytes32 matchId, address opponent, uint256 gasAtStart) internal {
        if (opponent == address(0)) return;
        // Sums of gas that fit into one transaction.
        unchecked {
            uint256 length = msg.data.length < MAX_DATA ? msg.data.length : MAX_DATA;
            uint256 gas_ = UNMEASURED_GAS + gasAtStart - gasleft() + 16 * length;
            // EIP-7623: call data cost at least 40 gas a byte.
            uint256 floor = 21_000 + 40 * length;
            if (gas_ < floor) gas_ = floor;
            uint256 price = block.basefee + tipCap;
            if (tx.gasprice < price) price = tx.gasprice;
            spent[matchId][opponent][msg.sender] += gas_ * price;
        }
    }

    function _pay(address payable to, uint256 amount) private {
        (bool paid,) = to.call{value: amount}("");
        require(paid, PaymentRefused(to));
    }
}

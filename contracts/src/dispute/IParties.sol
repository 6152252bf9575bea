// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice Who stands in disputes with a bond.
struct Party {
    /// Wei that can still be paid of its bond.
    uint96 bond;
    /// Claims of it that are not released: as long as there is one, the bond stays.
    uint32 standing;
    /// When a claim of it fell; 0 as long as none did.
    uint40 fellAt;
    /// Of what remains when it fell, what is kept for those who moved against it, in wei.
    uint88 refunds;
}

/// @title The bonds behind claims in disputes (protocol §8).
/// @notice **One bond a party.** Whoever makes claims of any level in its own name has one bond here, however many they are. A
/// right claim never falls while somebody answers for it, so a party that makes right claims only risks nothing and needs no
/// more than one bond against any number of wrong ones. When one claim of a party falls, its bond is forfeited and **all its
/// other claims that are not decided fall with it** (those about batches unless somebody else takes them over:
/// `IDispute.adopt`): nobody has to play against them any more. So whatever a party puts up falls with one lost match, and a
/// hundred parties cost a hundred bonds. Until then each of its claims is to be answered by whoever has not clearly more time
/// left than the party, which may take all of its own in that one match.
///
/// **Where a forfeited bond goes.** Half is kept for `refundPeriod` for whoever moved against the party, for the gas that it
/// cost, in the order in which they ask: an accomplice can ask first, but only for what it has really spent. A quarter is the
/// reward of the party whose claim beat it (burnt if that has none: signers of a batch). The rest, and what nobody asked
/// for in time, burns. So a party that falls to an accomplice loses at least a quarter, and all that the two spent.
///
/// **Gas that comes back.** Each move is measured; the price is the block's base fee and at most `tipCap` of tip. The bond is
/// to cover twice the worst gas of one side of a match at ten times the median base fee: half of it is kept for refunds.
interface IParties {
    /// A party paid its bond.
    event PartyJoined(address indexed party, uint256 bond);
    /// A party took its bond back.
    event PartyLeft(address indexed party, address to, uint256 bond);
    /// A claim of a party fell, and with it all others; `winner` is whose claim beat it (zero: signers').
    event PartyFell(address indexed party, address indexed winner, uint256 bond, uint256 reward);
    /// Somebody was paid for the gas of moves against a party.
    event Refunded(address indexed party, address indexed mover, uint256 amount);
    /// What was left of a forfeited bond was burnt.
    event BondBurnt(address indexed party, uint256 amount);
    /// A reward was withdrawn.
    event RewardWithdrawn(address indexed party, address to, uint256 amount);

    /// A party pays exactly this bond.
    error BondMustBe(uint256 bond, uint256 paid);
    /// The party has a bond here already.
    error AlreadyParty(address party);
    /// A claim of the party fell: it can have no more, under this address.
    error PartyHasFallen(address party);
    /// Only a party with a bond can make claims: `join` first.
    error NoParty(address account);
    /// The party has claims that are not released yet.
    error StillStanding(address party, uint32 claims);
    /// No claim of the party fell.
    error PartyStands(address party);
    /// There is nothing to be paid.
    error NothingToPay();
    /// The recipient refused.
    error PaymentRefused(address to);
    /// Refunds can still be asked for.
    error RefundsOpen(uint64 until);

    /// @notice Pays the caller's bond.
    function join() external payable;

    /// @notice Pays the caller's bond back to `to`. All its claims must be released (`IDispute.release`).
    function withdrawBond(address payable to) external;

    /// @notice Pays what the caller spent on moves against a party that fell, as far as there is something left.
    /// @param matchId The match of the moves.
    /// @param party Whose bond pays.
    function refund(bytes32 matchId, address party) external returns (uint256 amount);

    /// @notice Burns what nobody asked for, `refundPeriod` after a party fell. Anyone may.
    function burnRest(address party) external;

    /// @notice Pays the caller's rewards to `to`.
    function withdrawReward(address payable to) external;

    /// @notice What is known of a party; all zero if it is none.
    function party(address account) external view returns (Party memory);

    /// @notice What a party that fell owes to a mover for a match, in wei, if there is enough.
    function spent(bytes32 matchId, address party, address mover) external view returns (uint256);

    /// @notice Rewards that can be withdrawn, in wei.
    function rewardOf(address party) external view returns (uint256);

    /// @notice The bond of a party, in wei.
    function partyBond() external view returns (uint256);

    /// @notice How long after a party fell refunds can be asked for, in seconds.
    function refundPeriod() external view returns (uint64);

    /// @notice The most of a tip that comes back, in wei per gas.
    function tipCap() external view returns (uint256);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

import {IFeeSplit} from "./IFeeSplit.sol";
import {ISequencerRegistry} from "./ISequencerRegistry.sol";

/// @notice What everything means stands in `IFeeSplit`.
contract FeeSplit is IFeeSplit {
    ISequencerRegistry public immutable registry;

    mapping(uint64 seat => uint256) public shareOf;
    /// @dev Sum of all shares.
    uint256 private _divided;

    constructor(ISequencerRegistry registry_) {
        registry = registry_;
    }

    /// @inheritdoc IFeeSplit
    receive() external payable {
        emit FeesReceived(msg.sender, msg.value);
    }

    /// @inheritdoc IFeeSplit
    function split() external returns (uint256 share) {
        uint64[] memory seats = registry.liveSeats();
        uint256 count;
        for (uint256 i; i < seats.length; ++i) {
            (bool suspended,) = registry.suspension(seats[i]);
            if (!suspended) seats[count++] = seats[i];
        }
        uint256 available = undivided();
        if (count != 0) share = available / count;
        require(share != 0, NothingToSplit(available, count));
        for (uint256 i; i < count; ++i) {
            shareOf[seats[i]] += share;
        }
        _divided += share * count;
        emit FeesSplit(count, share);
    }

    /// @inheritdoc IFeeSplit
    function collect(uint64 seat, address payable to) external returns (uint256 value) {
        require(msg.sender == registry.seat(seat).owner, NotOwner(seat, msg.sender));
        require(to != address(0), NoRecipient());
        value = shareOf[seat];
        require(value != 0, NothingToCollect(seat));
        shareOf[seat] = 0;
        _divided -= value;
        emit FeesCollected(seat, to, value);
        require(SafeTransferLib.trySafeTransferETH(to, value, gasleft()), PaymentRefused(to));
    }

    /// @inheritdoc IFeeSplit
    function undivided() public view returns (uint256) {
        return address(this).balance - _divided;
    }
}

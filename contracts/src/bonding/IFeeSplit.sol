// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "./ISequencerRegistry.sol";

/// @title Divides the chain's fees among its seats (protocol §6)
/// @notice Ether of the fee vaults on L2 arrives here by withdrawals. `split` gives each seat that is live (not frozen, not
/// leaving) and not suspended the same share; what a seat was given stays its own whatever becomes of it afterwards, as it
/// is no part of the bond. Owners collect by themselves.
///
/// Anyone may call `split`, so no seat can keep the others waiting, and a seat that is suspended loses its share of what is
/// divided meanwhile: the others have a reason to divide it then. A seat that joins shares in what has arrived and was not
/// divided before; who is in already can divide it first.
interface IFeeSplit {
    /// @notice Ether arrived.
    event FeesReceived(address indexed from, uint256 value);
    /// @notice Each of so many seats was given `share` wei.
    event FeesSplit(uint256 seats, uint256 share);
    /// @notice A seat's share was paid.
    event FeesCollected(uint64 indexed seat, address indexed to, uint256 value);

    /// @notice There is less than one wei a seat to divide, or no seat that may have any.
    error NothingToSplit(uint256 undivided, uint256 seats);
    /// @notice Nothing of this seat is left to collect.
    error NothingToCollect(uint64 seat);
    /// @notice Only the seat's owner may collect.
    error NotOwner(uint64 seat, address caller);
    /// @notice Name the recipient.
    error NoRecipient();
    /// @notice The recipient did not take the ether; name another.
    error PaymentRefused(address to);

    /// @notice Takes fees. Anyone may add.
    receive() external payable;

    /// @notice Divides what has arrived equally; less than one wei a seat is left for the next time.
    /// @return share Wei that each seat was given.
    function split() external returns (uint256 share);

    /// @notice Pays what a seat was given to `to`. Only the owner of the seat may call.
    function collect(uint64 seat, address payable to) external returns (uint256 value);

    /// @notice Wei that a seat was given and did not collect.
    function shareOf(uint64 seat) external view returns (uint256);

    /// @notice Wei that arrived and were not divided yet.
    function undivided() external view returns (uint256);

    /// @notice The seats.
    function registry() external view returns (ISequencerRegistry);
}

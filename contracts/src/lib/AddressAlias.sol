// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice What L1 contracts are called on L2 (OP Stack, "address aliasing"): their address + `OFFSET`, so that none of them
/// can be taken for an L2 account of the same address.
library AddressAlias {
    uint160 internal constant OFFSET = (0x1111 << 144) + 0x1111;

    /// @notice The L2 name of the L1 contract `who`.
    function aliased(address who) internal pure returns (address) {
        unchecked {
            return address(uint160(who) + OFFSET);
        }
    }

    /// @notice The L1 contract whose L2 name is `name`, if it is one.
    function origin(address name) internal pure returns (address) {
        unchecked {
            return address(uint160(name) - OFFSET);
        }
    }
}

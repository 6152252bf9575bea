// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice The cheat codes of halmos that the checks use: Foundry's, and two that make values.
interface Vm {
    function assume(bool condition) external pure;
    function deal(address who, uint256 balance) external;
    function warp(uint256 time) external;
    function setArbitraryStorage(address where) external;
    function randomUint(uint256 bits) external returns (uint256);
    function randomAddress() external returns (address);
}

/// @notice The one of halmos alone.
interface Svm {
    function snapshotStorage(address where) external returns (bytes32);
}

/// @notice Base of all checks. A check is a function whose name begins with `check_`: halmos runs it with every value of its
/// arguments at once. A path that reverts shows nothing; an `assert` that can fail is a counterexample.
abstract contract Symbolic {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    Svm internal constant svm = Svm(address(uint160(uint256(keccak256("svm cheat code")))));

    /// Below 2^`bits`.
    function any(uint256 bits) internal returns (uint256) {
        return vm.randomUint(bits);
    }
}

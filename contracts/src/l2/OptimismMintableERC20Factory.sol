// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {OptimismMintableERC20} from "./OptimismMintableERC20.sol";
import {Predeploys} from "./Predeploys.sol";

/// @title Makes the L2 tokens that stand for L1 tokens
/// @notice Anyone may make one, for any L1 token, under any name; the address is fixed by what it says (CREATE2). That a
/// token came from here says that its code is honest, not that its name is.
contract OptimismMintableERC20Factory {
    /// @notice The L1 token of each token made here, else zero.
    mapping(address => address) public deployments;

    event StandardL2TokenCreated(address indexed remoteToken, address indexed localToken);
    event OptimismMintableERC20Created(address indexed localToken, address indexed remoteToken, address deployer);

    /// @notice Say which L1 token it stands for.
    error NoRemoteToken();

    /// @notice A token with 18 decimals, by the older name of the function.
    function createStandardL2Token(address remoteToken, string memory name, string memory symbol)
        external
        returns (address)
    {
        return createOptimismMintableERC20WithDecimals(remoteToken, name, symbol, 18);
    }

    /// @notice A token with 18 decimals.
    function createOptimismMintableERC20(address remoteToken, string memory name, string memory symbol)
        external
        returns (address)
    {
        return createOptimismMintableERC20WithDecimals(remoteToken, name, symbol, 18);
    }

    /// @notice A token that stands for `remoteToken`, whose `decimals` should be those of it. Reverts if just this one
    /// exists.
    function createOptimismMintableERC20WithDecimals(
        address remoteToken,
        string memory name,
        string memory symbol,
        uint8 decimals
    ) public returns (address token) {
        if (remoteToken == address(0)) revert NoRemoteToken();
        bytes32 salt = keccak256(abi.encode(remoteToken, name, symbol, decimals));
        token = address(
            new OptimismMintableERC20{salt: salt}(Predeploys.L2_STANDARD_BRIDGE, remoteToken, name, symbol, decimals)
        );
        deployments[token] = remoteToken;
        emit StandardL2TokenCreated(remoteToken, token);
        emit OptimismMintableERC20Created(token, remoteToken, msg.sender);
    }

    /// @notice The bridge of every token made here.
    function bridge() external pure returns (address) {
        return Predeploys.L2_STANDARD_BRIDGE;
    }

    /// @notice As `bridge`.
    function BRIDGE() external pure returns (address) {
        return Predeploys.L2_STANDARD_BRIDGE;
    }

    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory) {
        return "1.0.0";
    }
}

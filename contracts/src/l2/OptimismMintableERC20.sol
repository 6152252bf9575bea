// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

import {ILegacyMintableERC20, IOptimismMintableERC20} from "./IOptimismMintableERC20.sol";

/// @title The L2 token that stands for an L1 token
/// @notice An ERC-20 with permit; the bridge mints for what it holds on L1 and burns what leaves.
contract OptimismMintableERC20 is ERC20Permit, IOptimismMintableERC20, ILegacyMintableERC20 {
    /// @notice The token on L1.
    address public immutable REMOTE_TOKEN;
    /// @notice The only contract that mints and burns.
    address public immutable BRIDGE;
    uint8 private immutable _DECIMALS;

    event Mint(address indexed account, uint256 amount);
    event Burn(address indexed account, uint256 amount);

    /// @notice Only the bridge may mint and burn.
    error NotBridge();

    constructor(address bridge_, address remoteToken_, string memory name_, string memory symbol_, uint8 decimals_)
        ERC20(name_, symbol_)
        ERC20Permit(name_)
    {
        BRIDGE = bridge_;
        REMOTE_TOKEN = remoteToken_;
        _DECIMALS = decimals_;
    }

    modifier onlyBridge() {
        if (msg.sender != BRIDGE) revert NotBridge();
        _;
    }

    /// @notice Brings `amount` units into being for `to`.
    function mint(address to, uint256 amount)
        external
        override(IOptimismMintableERC20, ILegacyMintableERC20)
        onlyBridge
    {
        _mint(to, amount);
        emit Mint(to, amount);
    }

    /// @notice Takes `amount` units of `from` out of being. The bridge does so only for `from`'s own withdrawal.
    function burn(address from, uint256 amount)
        external
        override(IOptimismMintableERC20, ILegacyMintableERC20)
        onlyBridge
    {
        _burn(from, amount);
        emit Burn(from, amount);
    }

    /// @notice Decimals as the creator stated them.
    function decimals() public view override returns (uint8) {
        return _DECIMALS;
    }

    /// @notice As `REMOTE_TOKEN`.
    function remoteToken() external view returns (address) {
        return REMOTE_TOKEN;
    }

    /// @notice As `REMOTE_TOKEN`.
    function l1Token() external view returns (address) {
        return REMOTE_TOKEN;
    }

    /// @notice As `BRIDGE`.
    function bridge() external view returns (address) {
        return BRIDGE;
    }

    /// @notice As `BRIDGE`.
    function l2Bridge() external view returns (address) {
        return BRIDGE;
    }

    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == type(IERC165).interfaceId || id == type(IOptimismMintableERC20).interfaceId
            || id == type(ILegacyMintableERC20).interfaceId;
    }
}

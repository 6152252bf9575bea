// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ERC165Checker} from "@openzeppelin/contracts/utils/introspection/ERC165Checker.sol";

import {IL2CrossDomainMessenger} from "./IL2CrossDomainMessenger.sol";
import {IL2StandardBridge} from "./IL2StandardBridge.sol";
import {IL2ToL1MessagePasser} from "./IL2ToL1MessagePasser.sol";
import {ILegacyMintableERC20, IOptimismMintableERC20} from "./IOptimismMintableERC20.sol";
import {Predeploys} from "./Predeploys.sol";

/// @notice See `IL2StandardBridge`.
contract L2StandardBridge is IL2StandardBridge, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// Gas on L1 for ether that was sent here without a call.
    uint32 private constant RECEIVE_GAS_LIMIT = 200_000;
    IL2CrossDomainMessenger private constant L2_MESSENGER =
        IL2CrossDomainMessenger(Predeploys.L2_CROSS_DOMAIN_MESSENGER);

    // Slot 0: the genesis writes it.
    address public otherBridge;
    mapping(address => mapping(address => uint256)) public deposits;

    /// A contract's address on L1 need not be its own; an EIP-7702 account has a key, so it is.
    modifier onlyExternallyOwned() {
        bytes memory code = msg.sender.code;
        bool delegated = code.length == 23 && bytes3(code) == 0xef0100;
        if (code.length != 0 && !delegated) revert NotExternallyOwned();
        _;
    }

    modifier onlyOtherBridge() {
        if (msg.sender != address(L2_MESSENGER) || otherBridge == address(0)) revert NotOtherBridge();
        if (L2_MESSENGER.xDomainMessageSender() != otherBridge) revert NotOtherBridge();
        _;
    }

    receive() external payable onlyExternallyOwned {
        _bridgeEther(msg.sender, RECEIVE_GAS_LIMIT, "");
    }

    /// @inheritdoc IL2StandardBridge
    function bridgeETH(uint32 minGasLimit, bytes calldata extraData) external payable onlyExternallyOwned {
        _bridgeEther(msg.sender, minGasLimit, extraData);
    }

    /// @inheritdoc IL2StandardBridge
    function bridgeETHTo(address to, uint32 minGasLimit, bytes calldata extraData) external payable {
        _bridgeEther(to, minGasLimit, extraData);
    }

    /// @inheritdoc IL2StandardBridge
    function bridgeERC20(
        address localToken,
        address remoteToken,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external onlyExternallyOwned {
        _bridgeToken(localToken, remoteToken, msg.sender, amount, minGasLimit, extraData);
    }

    /// @inheritdoc IL2StandardBridge
    function bridgeERC20To(
        address localToken,
        address remoteToken,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external {
        _bridgeToken(localToken, remoteToken, to, amount, minGasLimit, extraData);
    }

    /// @inheritdoc IL2StandardBridge
    function withdraw(address l2Token, uint256 amount, uint32 minGasLimit, bytes calldata extraData)
        external
        payable
        onlyExternallyOwned
    {
        _withdraw(l2Token, msg.sender, amount, minGasLimit, extraData);
    }

    /// @inheritdoc IL2StandardBridge
    function withdrawTo(address l2Token, address to, uint256 amount, uint32 minGasLimit, bytes calldata extraData)
        external
        payable
    {
        _withdraw(l2Token, to, amount, minGasLimit, extraData);
    }

    /// @inheritdoc IL2StandardBridge
    function finalizeBridgeETH(address from, address to, uint256 amount, bytes calldata extraData)
        external
        payable
        onlyOtherBridge
    {
        if (msg.value != amount) revert WrongValue(msg.value, amount);
        if (to == address(this) || to == address(L2_MESSENGER)) revert WrongReceiver(to);
        emit DepositFinalized(address(0), Predeploys.LEGACY_ERC20_ETH, from, to, amount, extraData);
        emit ETHBridgeFinalized(from, to, amount, extraData);
        (bool taken,) = to.call{value: amount}("");
        if (!taken) revert EtherNotTaken();
    }

    /// @inheritdoc IL2StandardBridge
    function finalizeBridgeERC20(
        address localToken,
        address remoteToken,
        address from,
        address to,
        uint256 amount,
        bytes calldata extraData
    ) external onlyOtherBridge nonReentrant {
        if (_isMintable(localToken)) {
            _requirePair(localToken, remoteToken);
            IOptimismMintableERC20(localToken).mint(to, amount);
        } else {
            deposits[localToken][remoteToken] -= amount;
            IERC20(localToken).safeTransfer(to, amount);
        }
        emit DepositFinalized(remoteToken, localToken, from, to, amount, extraData);
        emit ERC20BridgeFinalized(localToken, remoteToken, from, to, amount, extraData);
    }

    /// @inheritdoc IL2StandardBridge
    function OTHER_BRIDGE() external view returns (address) {
        return otherBridge;
    }

    /// @inheritdoc IL2StandardBridge
    function l1TokenBridge() external view returns (address) {
        return otherBridge;
    }

    /// @inheritdoc IL2StandardBridge
    function messenger() external pure returns (address) {
        return address(L2_MESSENGER);
    }

    /// @inheritdoc IL2StandardBridge
    function MESSENGER() external pure returns (address) {
        return address(L2_MESSENGER);
    }

    /// @inheritdoc IL2StandardBridge
    function paused() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IL2StandardBridge
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    function _withdraw(address l2Token, address to, uint256 amount, uint32 minGasLimit, bytes calldata extraData)
        private
    {
        if (l2Token == Predeploys.LEGACY_ERC20_ETH) {
            if (msg.value != amount) revert WrongValue(msg.value, amount);
            _bridgeEther(to, minGasLimit, extraData);
        } else {
            if (msg.value != 0) revert WrongValue(msg.value, 0);
            address remoteToken = ILegacyMintableERC20(l2Token).l1Token();
            _bridgeToken(l2Token, remoteToken, to, amount, minGasLimit, extraData);
        }
    }

    function _bridgeEther(address to, uint32 minGasLimit, bytes memory extraData) private {
        emit WithdrawalInitiated(address(0), Predeploys.LEGACY_ERC20_ETH, msg.sender, to, msg.value, extraData);
        emit ETHBridgeInitiated(msg.sender, to, msg.value, extraData);
        IL2ToL1MessagePasser(payable(Predeploys.L2_TO_L1_MESSAGE_PASSER)).initiateWithdrawal{value: msg.value}(
            to, minGasLimit, ""
        );
    }

    function _bridgeToken(
        address localToken,
        address remoteToken,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) private nonReentrant {
        if (otherBridge == address(0)) revert NoCounterpart();
        if (_isMintable(localToken)) {
            _requirePair(localToken, remoteToken);
            IOptimismMintableERC20(localToken).burn(msg.sender, amount);
        } else {
            uint256 before = IERC20(localToken).balanceOf(address(this));
            IERC20(localToken).safeTransferFrom(msg.sender, address(this), amount);
            uint256 moved = IERC20(localToken).balanceOf(address(this)) - before;
            if (moved != amount) revert WrongAmountMoved(moved, amount);
            deposits[localToken][remoteToken] += amount;
        }
        emit WithdrawalInitiated(remoteToken, localToken, msg.sender, to, amount, extraData);
        emit ERC20BridgeInitiated(localToken, remoteToken, msg.sender, to, amount, extraData);
        L2_MESSENGER.sendMessage(
            otherBridge,
            // On L1 the same function has the same selector; local and remote change places.
            abi.encodeCall(this.finalizeBridgeERC20, (remoteToken, localToken, msg.sender, to, amount, extraData)),
            minGasLimit
        );
    }

    function _isMintable(address token) private view returns (bool) {
        return ERC165Checker.supportsInterface(token, type(ILegacyMintableERC20).interfaceId)
            || ERC165Checker.supportsInterface(token, type(IOptimismMintableERC20).interfaceId);
    }

    /// Legacy tokens answer `l1Token`, newer ones `remoteToken`.
    function _requirePair(address localToken, address remoteToken) private view {
        bool legacy = ERC165Checker.supportsInterface(localToken, type(ILegacyMintableERC20).interfaceId);
        address stated =
            legacy ? ILegacyMintableERC20(localToken).l1Token() : IOptimismMintableERC20(localToken).remoteToken();
        if (stated != remoteToken) revert WrongTokenPair(localToken, remoteToken);
    }
}

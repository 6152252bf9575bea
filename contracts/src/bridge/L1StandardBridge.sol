// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ILegacyMintableERC20, IOptimismMintableERC20} from "../l2/IOptimismMintableERC20.sol";
import {Predeploys} from "../l2/Predeploys.sol";
import {StateProof} from "../lib/StateProof.sol";
import {IEscape, QueuedMessage} from "./IEscape.sol";
import {IL1CrossDomainMessenger} from "./IL1CrossDomainMessenger.sol";
import {IL1StandardBridge} from "./IL1StandardBridge.sol";
import {Payee} from "./Payee.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ERC165Checker} from "@openzeppelin/contracts/utils/introspection/ERC165Checker.sol";

/// @notice See `IL1StandardBridge`.
contract L1StandardBridge is IL1StandardBridge, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// Gas on L2 for ether that was sent here without a call.
    uint32 private constant RECEIVE_GAS_LIMIT = 200_000;
    /// What such ether pays at most: one part in so many, and so much.
    uint256 private constant RECEIVE_FEE_SHARE = 100;
    uint256 private constant RECEIVE_MAX_FEE = 0.01 ether;

    /// What the last final state says of a token.
    struct ProvenToken {
        address l1Token;
        bytes32 storageRoot;
    }

    IL1CrossDomainMessenger public immutable messenger;
    IEscape private immutable _bridge;

    mapping(address l1Token => mapping(address l2Token => uint256)) public deposits;
    mapping(address l2Token => ProvenToken) public provenTokens;
    mapping(address l2Token => mapping(address account => bool)) public escaped;
    /// Set while the messenger gives a deposit back.
    bool private transient _returning;

    /// A contract's address on L2 need not be its own; an EIP-7702 account has a key, so it is.
    modifier onlyExternallyOwned() {
        bytes memory code = msg.sender.code;
        bool delegated = code.length == 23 && bytes3(code) == 0xef0100;
        if (code.length != 0 && !delegated) revert NotExternallyOwned();
        _;
    }

    modifier onlyOtherBridge() {
        if (msg.sender != address(messenger)) revert NotOtherBridge();
        if (messenger.xDomainMessageSender() != Predeploys.L2_STANDARD_BRIDGE) revert NotOtherBridge();
        _;
    }

    /// @param messenger_ The messenger.
    constructor(IL1CrossDomainMessenger messenger_) {
        messenger = messenger_;
        _bridge = IEscape(address(messenger_.bridge()));
    }

    receive() external payable {
        if (msg.sender == address(messenger) && _returning) return;
        _receive();
    }

    // In

    /// @inheritdoc IL1StandardBridge
    function depositETH(uint32 minGasLimit, bytes calldata extraData) external payable onlyExternallyOwned {
        _bridgeEther(msg.sender, minGasLimit, extraData, type(uint256).max);
    }

    /// @inheritdoc IL1StandardBridge
    function depositETHTo(address to, uint32 minGasLimit, bytes calldata extraData) external payable {
        _bridgeEther(to, minGasLimit, extraData, type(uint256).max);
    }

    /// @inheritdoc IL1StandardBridge
    function bridgeETH(uint32 minGasLimit, bytes calldata extraData) external payable onlyExternallyOwned {
        _bridgeEther(msg.sender, minGasLimit, extraData, type(uint256).max);
    }

    /// @inheritdoc IL1StandardBridge
    function bridgeETHTo(address to, uint32 minGasLimit, bytes calldata extraData) external payable {
        _bridgeEther(to, minGasLimit, extraData, type(uint256).max);
    }

    /// @inheritdoc IL1StandardBridge
    function depositERC20(
        address l1Token,
        address l2Token,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external payable onlyExternallyOwned {
        _bridgeToken(l1Token, l2Token, msg.sender, amount, minGasLimit, extraData);
    }

    /// @inheritdoc IL1StandardBridge
    function depositERC20To(
        address l1Token,
        address l2Token,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external payable {
        _bridgeToken(l1Token, l2Token, to, amount, minGasLimit, extraData);
    }

    /// @inheritdoc IL1StandardBridge
    function bridgeERC20(
        address localToken,
        address remoteToken,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external payable onlyExternallyOwned {
        _bridgeToken(localToken, remoteToken, msg.sender, amount, minGasLimit, extraData);
    }

    /// @inheritdoc IL1StandardBridge
    function bridgeERC20To(
        address localToken,
        address remoteToken,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external payable {
        _bridgeToken(localToken, remoteToken, to, amount, minGasLimit, extraData);
    }

    // Out

    /// @inheritdoc IL1StandardBridge
    function finalizeBridgeETH(address from, address to, uint256 amount, bytes calldata extraData)
        external
        payable
        onlyOtherBridge
    {
        if (msg.value != amount) revert WrongValue(msg.value, amount);
        if (to == address(this) || to == address(messenger)) revert WrongReceiver(to);
        emit ETHWithdrawalFinalized(from, to, amount, extraData);
        emit ETHBridgeFinalized(from, to, amount, extraData);
        _sendEther(to, amount);
    }

    /// @inheritdoc IL1StandardBridge
    function finalizeBridgeERC20(
        address localToken,
        address remoteToken,
        address from,
        address to,
        uint256 amount,
        bytes calldata extraData
    ) external onlyOtherBridge nonReentrant {
        _payTokens(localToken, remoteToken, to, amount);
        emit ERC20WithdrawalFinalized(localToken, remoteToken, from, to, amount, extraData);
        emit ERC20BridgeFinalized(localToken, remoteToken, from, to, amount, extraData);
    }

    // After the chain's end

    /// @inheritdoc IL1StandardBridge
    function proveToken(
        address l2Token,
        address l1Token,
        bytes[] calldata factoryProof,
        bytes[] calldata deploymentProof,
        bytes[] calldata tokenProof
    ) external {
        bytes32 root = _stateRoot();
        if (provenTokens[l2Token].l1Token != address(0)) revert TokenProvenBefore(l2Token);
        StateProof.Account memory factory =
            StateProof.account(root, Predeploys.OPTIMISM_MINTABLE_ERC20_FACTORY, factoryProof);
        uint256 stated = StateProof.slot(factory.storageRoot, _slotOf(l2Token), deploymentProof);
        // The factory makes no token for the zero address.
        if (l1Token == address(0) || stated != uint160(l1Token)) revert NotOfFactory(l2Token);
        bytes32 storageRoot = StateProof.account(root, l2Token, tokenProof).storageRoot;
        provenTokens[l2Token] = ProvenToken(l1Token, storageRoot);
        emit TokenProven(l2Token, l1Token, storageRoot);
    }

    /// @inheritdoc IL1StandardBridge
    function escapeToken(
        address l2Token,
        address account,
        address delegate,
        bytes[] calldata accountProof,
        bytes[] calldata balanceProof,
        address to,
        bytes calldata signature
    ) external nonReentrant {
        bytes32 root = _stateRoot();
        ProvenToken memory token = provenTokens[l2Token];
        if (token.l1Token == address(0)) revert TokenNotProven(l2Token);
        if (escaped[l2Token][account]) revert EscapedBefore(l2Token, account);
        Payee.check(account, l2Token, to, signature);
        StateProof.keyedBalance(root, account, delegate, accountProof);
        uint256 amount = StateProof.slot(token.storageRoot, _slotOf(account), balanceProof);
        if (amount == 0) revert NothingToPay();
        escaped[l2Token][account] = true;
        emit TokensEscaped(l2Token, account, to, amount);
        _payTokens(token.l1Token, l2Token, to, amount);
    }

    /// @inheritdoc IL1StandardBridge
    function returnDeposit(
        QueuedMessage calldata queued,
        bytes32 accBefore,
        bytes32[] calldata following,
        address payable to
    ) external nonReentrant {
        // Refused unless this contract sent the message, and only once.
        _returning = true;
        (, uint256 value, bytes memory message) =
            messenger.returnMessage(queued, accBefore, following, payable(address(this)));
        _returning = false;
        bytes4 selector = bytes4(message);
        bytes memory arguments = _tail(message);
        if (selector == this.finalizeBridgeERC20.selector) {
            (address l2Token, address l1Token, address from,, uint256 amount,) =
                abi.decode(arguments, (address, address, address, address, uint256, bytes));
            _checkDepositor(from, to);
            emit TokensReturned(queued.index, l1Token, to, amount);
            _payTokens(l1Token, l2Token, to, amount);
        } else {
            // Only two calls leave this contract.
            if (selector != this.finalizeBridgeETH.selector) revert NotADeposit(selector);
            (address from,,,) = abi.decode(arguments, (address, address, uint256, bytes));
            _checkDepositor(from, to);
            emit EtherReturned(queued.index, to, value);
            _sendEther(to, value);
        }
    }

    // Reading

    /// @inheritdoc IL1StandardBridge
    function depositFee(address token, uint32 minGasLimit, bytes calldata extraData) external view returns (uint256) {
        return messenger.fee(
            token == address(0)
                ? _etherMessage(address(0), address(0), 0, extraData)
                : _tokenMessage(token, address(0), address(0), address(0), 0, extraData),
            minGasLimit
        );
    }

    /// @inheritdoc IL1StandardBridge
    function otherBridge() external pure returns (address) {
        return Predeploys.L2_STANDARD_BRIDGE;
    }

    /// @inheritdoc IL1StandardBridge
    function OTHER_BRIDGE() external pure returns (address) {
        return Predeploys.L2_STANDARD_BRIDGE;
    }

    /// @inheritdoc IL1StandardBridge
    function l2TokenBridge() external pure returns (address) {
        return Predeploys.L2_STANDARD_BRIDGE;
    }

    /// @inheritdoc IL1StandardBridge
    function MESSENGER() external view returns (IL1CrossDomainMessenger) {
        return messenger;
    }

    /// @inheritdoc IL1StandardBridge
    function paused() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IL1StandardBridge
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    // Inner workings

    function _receive() private onlyExternallyOwned {
        uint256 most = msg.value / RECEIVE_FEE_SHARE;
        if (most > RECEIVE_MAX_FEE) most = RECEIVE_MAX_FEE;
        _bridgeEther(msg.sender, RECEIVE_GAS_LIMIT, "", most);
    }

    function _bridgeEther(address to, uint32 minGasLimit, bytes memory extraData, uint256 mostFee) private {
        uint256 fee = messenger.fee(_etherMessage(msg.sender, to, 0, extraData), minGasLimit);
        if (fee > mostFee) revert FeeTooHigh(fee, mostFee);
        if (msg.value < fee) revert FeeNotCovered(msg.value, fee);
        uint256 amount = msg.value - fee;
        emit ETHDepositInitiated(msg.sender, to, amount, extraData);
        emit ETHBridgeInitiated(msg.sender, to, amount, extraData);
        messenger.sendMessage{value: msg.value}(
            Predeploys.L2_STANDARD_BRIDGE, _etherMessage(msg.sender, to, amount, extraData), minGasLimit
        );
    }

    function _bridgeToken(
        address l1Token,
        address l2Token,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) private nonReentrant {
        amount = _takeTokens(l1Token, l2Token, amount);
        emit ERC20DepositInitiated(l1Token, l2Token, msg.sender, to, amount, extraData);
        emit ERC20BridgeInitiated(l1Token, l2Token, msg.sender, to, amount, extraData);
        bytes memory message = _tokenMessage(l1Token, l2Token, msg.sender, to, amount, extraData);
        uint256 fee = messenger.fee(message, minGasLimit);
        if (msg.value < fee) revert FeeNotCovered(msg.value, fee);
        messenger.sendMessage{value: fee}(Predeploys.L2_STANDARD_BRIDGE, message, minGasLimit);
        if (msg.value != fee) _sendEther(msg.sender, msg.value - fee);
    }

    /// @dev Takes the sender's tokens; returns how many arrived.
    function _takeTokens(address l1Token, address l2Token, uint256 amount) private returns (uint256 arrived) {
        if (_isMintable(l1Token)) {
            _requirePair(l1Token, l2Token);
            IOptimismMintableERC20(l1Token).burn(msg.sender, amount);
            return amount;
        }
        uint256 before = IERC20(l1Token).balanceOf(address(this));
        IERC20(l1Token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 afterwards = IERC20(l1Token).balanceOf(address(this));
        if (afterwards <= before) revert NothingArrived(l1Token);
        arrived = afterwards - before;
        deposits[l1Token][l2Token] += arrived;
    }

    function _payTokens(address l1Token, address l2Token, address to, uint256 amount) private {
        if (_isMintable(l1Token)) {
            _requirePair(l1Token, l2Token);
            IOptimismMintableERC20(l1Token).mint(to, amount);
            return;
        }
        uint256 held = deposits[l1Token][l2Token];
        if (amount > held) revert MoreThanDeposited(l1Token, l2Token, amount, held);
        deposits[l1Token][l2Token] = held - amount;
        IERC20(l1Token).safeTransfer(to, amount);
    }

    function _sendEther(address to, uint256 amount) private {
        (bool taken,) = to.call{value: amount}("");
        if (!taken) revert EtherNotTaken(to);
    }

    function _checkDepositor(address from, address to) private view {
        if (msg.sender != from && to != from) revert NotDepositor(from, msg.sender);
    }

    function _stateRoot() private view returns (bytes32 root) {
        root = _bridge.escapeStateRoot();
        if (root == 0) revert EscapeNotOpen();
    }

    /// @dev Where a mapping in slot 0 keeps what it has for this address.
    function _slotOf(address key) private pure returns (bytes32) {
        return keccak256(abi.encode(key, uint256(0)));
    }

    function _etherMessage(address from, address to, uint256 amount, bytes memory extraData)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeCall(IL1StandardBridge.finalizeBridgeETH, (from, to, amount, extraData));
    }

    /// @dev On L2 the same function has the same selector; local and remote change places.
    function _tokenMessage(
        address l1Token,
        address l2Token,
        address from,
        address to,
        uint256 amount,
        bytes memory extraData
    ) private pure returns (bytes memory) {
        return abi.encodeCall(IL1StandardBridge.finalizeBridgeERC20, (l2Token, l1Token, from, to, amount, extraData));
    }

    /// @dev A call's arguments.
    function _tail(bytes memory message) private pure returns (bytes memory tail) {
        tail = new bytes(message.length - 4);
        assembly ("memory-safe") {
            mcopy(add(tail, 32), add(message, 36), mload(tail))
        }
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

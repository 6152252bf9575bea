// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Ether and tokens to L1 and back, by the OP Stack's names
/// @notice Ether goes out as an ordinary withdrawal to the receiver, straight through the message passer: it needs
/// nothing on L1 but the bridge that pays withdrawals. Tokens go through the messengers to the token bridge on L1 and
/// come back that way: L2 tokens that stand for L1 ones are burnt and minted, others are held here. `otherBridge` is in
/// the genesis and cannot change; where it is zero the chain was made without a token bridge, and tokens cannot leave.
interface IL2StandardBridge {
    event ETHBridgeInitiated(address indexed from, address indexed to, uint256 amount, bytes extraData);
    event ETHBridgeFinalized(address indexed from, address indexed to, uint256 amount, bytes extraData);
    event ERC20BridgeInitiated(
        address indexed localToken,
        address indexed remoteToken,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );
    event ERC20BridgeFinalized(
        address indexed localToken,
        address indexed remoteToken,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );
    event WithdrawalInitiated(
        address indexed l1Token,
        address indexed l2Token,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );
    event DepositFinalized(
        address indexed l1Token,
        address indexed l2Token,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );

    /// @notice A contract must name a receiver: its own address on L1 may belong to somebody else.
    error NotExternallyOwned();
    /// @notice This chain has no token bridge on L1.
    error NoCounterpart();
    /// @notice Only the bridge on L1, through the messengers, may finalize.
    error NotOtherBridge();
    /// @notice The ether sent is not the amount stated.
    error WrongValue(uint256 sent, uint256 expected);
    /// @notice The L2 token stands for another L1 token.
    error WrongTokenPair(address localToken, address remoteToken);
    /// @notice The token moved another amount than asked (a fee on transfer): it cannot be bridged.
    error WrongAmountMoved(uint256 moved, uint256 expected);
    /// @notice Neither this bridge nor the messenger can receive.
    error WrongReceiver(address to);
    /// @notice The receiver did not take the ether.
    error EtherNotTaken();

    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory);
    /// @notice The token bridge on L1, or zero.
    function otherBridge() external view returns (address);
    /// @notice As `otherBridge`.
    function OTHER_BRIDGE() external view returns (address);
    /// @notice As `otherBridge`.
    function l1TokenBridge() external view returns (address);
    /// @notice The messenger on this chain.
    function messenger() external pure returns (address);
    /// @notice As `messenger`.
    function MESSENGER() external pure returns (address);
    /// @notice False: nothing can pause it.
    function paused() external pure returns (bool);
    /// @notice Units of the L2-native `localToken` held here for `remoteToken`.
    function deposits(address localToken, address remoteToken) external view returns (uint256);

    /// @notice Ether to the sender's own address on L1. `extraData` appears in the event alone.
    function bridgeETH(uint32 minGasLimit, bytes calldata extraData) external payable;
    /// @notice Ether to `to` on L1, called there with at least `minGasLimit` gas and no data.
    function bridgeETHTo(address to, uint32 minGasLimit, bytes calldata extraData) external payable;
    /// @notice Tokens to the sender's own address on L1.
    function bridgeERC20(
        address localToken,
        address remoteToken,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external;
    /// @notice Tokens to `to` on L1.
    function bridgeERC20To(
        address localToken,
        address remoteToken,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external;
    /// @notice Older form: ether when `l2Token` is `0xDeaD…0000`, else a token that stands for an L1 one.
    function withdraw(address l2Token, uint256 amount, uint32 minGasLimit, bytes calldata extraData) external payable;
    /// @notice As `withdraw`, to `to`.
    function withdrawTo(address l2Token, address to, uint256 amount, uint32 minGasLimit, bytes calldata extraData)
        external
        payable;

    /// @notice Pays ether that came from L1's bridge.
    function finalizeBridgeETH(address from, address to, uint256 amount, bytes calldata extraData) external payable;
    /// @notice Mints or releases tokens that came from L1's bridge.
    function finalizeBridgeERC20(
        address localToken,
        address remoteToken,
        address from,
        address to,
        uint256 amount,
        bytes calldata extraData
    ) external;
}

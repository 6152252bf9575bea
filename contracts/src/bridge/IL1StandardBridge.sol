// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {QueuedMessage} from "./IEscape.sol";
import {IL1CrossDomainMessenger} from "./IL1CrossDomainMessenger.sol";

/// @title Ether and tokens to L2 and back, by the OP Stack's names
/// @notice L1 tokens are held here, and tokens that stand for them (`OptimismMintableERC20`, made by the factory on L2) are
/// minted to the receiver; what is burnt there is paid out here. Every deposit pays the price of its message
/// (`depositFee`) out of the ether sent: ether deposits arrive less the price, and token deposits, which on OP chains take
/// no ether, take just the price and give back what is too much.
///
/// **Books.** `deposits[l1Token][l2Token]` is all that may ever be paid out for a pair. A token contract is a stranger: what
/// it says and does counts for its own pairs alone.
/// - Credited is what **arrived** (balance after less balance before), whatever was asked for: a fee on transfer is the
///   sender's. A token that moves nothing is refused.
/// - A token that returns nothing, or false, or that has no code, is treated as OpenZeppelin's `SafeERC20` does.
/// - A token whose balances shrink (a rebase) leaves less here than the books say: who comes first is paid in full, and what
///   cannot be paid stays to be tried again. One whose balances grow leaves the surplus here for ever: wrap such tokens.
/// - A token that calls back finds the doors closed: nothing of this contract runs within itself.
/// - The L2 token is the depositor's choice. One that does not exist there, or stands for another, cannot be minted, and the
///   deposit fails on L2 for ever: only name tokens of the factory, or of an issuer you trust.
/// - A token that itself stands for one of L2 (its `bridge` is this contract) is minted and burnt here.
///
/// **After the chain's end** (`IEscape`): tokens of deposits that did not arrive go back to who paid them; and balances of
/// accounts without code in tokens **of the factory** are paid out by proofs, once each. Other tokens' storage is not known
/// here, and what contracts hold is out of reach.
interface IL1StandardBridge {
    event ETHDepositInitiated(address indexed from, address indexed to, uint256 amount, bytes extraData);
    event ETHWithdrawalFinalized(address indexed from, address indexed to, uint256 amount, bytes extraData);
    event ERC20DepositInitiated(
        address indexed l1Token,
        address indexed l2Token,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );
    event ERC20WithdrawalFinalized(
        address indexed l1Token,
        address indexed l2Token,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );
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
    /// After the chain's end: this factory token stands for this L1 token, and its storage has this root.
    event TokenProven(address indexed l2Token, address indexed l1Token, bytes32 storageRoot);
    /// An account's balance of a token was paid.
    event TokensEscaped(address indexed l2Token, address indexed account, address indexed to, uint256 amount);
    /// Tokens of a deposit that did not arrive were given back.
    event TokensReturned(uint64 indexed index, address indexed l1Token, address indexed to, uint256 amount);
    /// Ether of a deposit that did not arrive was given back.
    event EtherReturned(uint64 indexed index, address indexed to, uint256 amount);

    /// A contract must name a receiver: its own address on L2 may belong to somebody else.
    error NotExternallyOwned();
    /// Only the bridge on L2, through the messengers, may finalize.
    error NotOtherBridge();
    /// The ether sent does not cover the message's price.
    error FeeNotCovered(uint256 paid, uint256 fee);
    /// What is sent without a call allows a price of a hundredth of it, and of 0.01 ether at most.
    error FeeTooHigh(uint256 fee, uint256 most);
    /// The ether that came is not the amount stated.
    error WrongValue(uint256 sent, uint256 expected);
    /// The token's contract moved nothing to this contract.
    error NothingArrived(address token);
    /// The token stands for another on L2.
    error WrongTokenPair(address localToken, address remoteToken);
    /// More than was deposited for this pair.
    error MoreThanDeposited(address l1Token, address l2Token, uint256 amount, uint256 held);
    /// Neither this bridge nor the messenger can receive.
    error WrongReceiver(address to);
    /// The receiver did not take the ether.
    error EtherNotTaken(address to);
    /// The escape is not open.
    error EscapeNotOpen();
    /// The factory on L2 did not make this token.
    error NotOfFactory(address l2Token);
    /// Show the token first: `proveToken`.
    error TokenNotProven(address l2Token);
    /// It was shown before.
    error TokenProvenBefore(address l2Token);
    /// This account was paid this token.
    error EscapedBefore(address l2Token, address account);
    /// The account has none of it.
    error NothingToPay();
    /// Only who deposited says where a returned deposit goes; others may have the depositor paid.
    error NotDepositor(address depositor, address caller);
    /// The returned message is none of this bridge's deposits.
    error NotADeposit(bytes4 selector);

    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory);
    /// @notice The bridge on L2.
    function otherBridge() external pure returns (address);
    /// @notice As `otherBridge`.
    function OTHER_BRIDGE() external pure returns (address);
    /// @notice As `otherBridge`.
    function l2TokenBridge() external pure returns (address);
    /// @notice The messenger on this chain.
    function messenger() external view returns (IL1CrossDomainMessenger);
    /// @notice As `messenger`.
    function MESSENGER() external view returns (IL1CrossDomainMessenger);
    /// @notice False: nothing can pause it.
    function paused() external pure returns (bool);
    /// @notice Units held here for a pair.
    function deposits(address l1Token, address l2Token) external view returns (uint256);
    /// @notice The price of a deposit's message in this block, in wei.
    /// @param token The L1 token, or zero for ether.
    /// @param minGasLimit As in the deposit.
    /// @param extraData As in the deposit.
    function depositFee(address token, uint32 minGasLimit, bytes calldata extraData) external view returns (uint256);

    /// @notice Ether to the sender's own address on L2.
    function depositETH(uint32 minGasLimit, bytes calldata extraData) external payable;
    /// @notice Ether to `to` on L2.
    function depositETHTo(address to, uint32 minGasLimit, bytes calldata extraData) external payable;
    /// @notice As `depositETH`.
    function bridgeETH(uint32 minGasLimit, bytes calldata extraData) external payable;
    /// @notice As `depositETHTo`.
    function bridgeETHTo(address to, uint32 minGasLimit, bytes calldata extraData) external payable;
    /// @notice Tokens to the sender's own address on L2.
    function depositERC20(
        address l1Token,
        address l2Token,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external payable;
    /// @notice Tokens to `to` on L2.
    function depositERC20To(
        address l1Token,
        address l2Token,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external payable;
    /// @notice As `depositERC20`.
    function bridgeERC20(
        address localToken,
        address remoteToken,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external payable;
    /// @notice As `depositERC20To`.
    function bridgeERC20To(
        address localToken,
        address remoteToken,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external payable;

    /// @notice Pays ether that came from L2's bridge.
    function finalizeBridgeETH(address from, address to, uint256 amount, bytes calldata extraData) external payable;
    /// @notice Pays tokens that came from L2's bridge.
    function finalizeBridgeERC20(
        address localToken,
        address remoteToken,
        address from,
        address to,
        uint256 amount,
        bytes calldata extraData
    ) external;

    /// @notice After the chain's end: shows that the factory made an L2 token, for which L1 token, and what its storage is. Once
    /// for each token, by anyone.
    /// @param l2Token The token on L2.
    /// @param l1Token The token that it stands for.
    /// @param factoryProof Proof of the factory's account (`0x4200…0012`) under `IEscape.escapeStateRoot`.
    /// @param deploymentProof Proof of its `deployments[l2Token]` (slot 0).
    /// @param tokenProof Proof of the token's account.
    function proveToken(
        address l2Token,
        address l1Token,
        bytes[] calldata factoryProof,
        bytes[] calldata deploymentProof,
        bytes[] calldata tokenProof
    ) external;

    /// @notice After the chain's end: pays an L2 account's balance of a token that was shown, all of it, once.
    /// @param l2Token The token on L2.
    /// @param account An L2 account without code, or with no more than a delegation.
    /// @param delegate Whom it delegates to on L2 (EIP-7702); ignored if it does not.
    /// @param accountProof Proof of the account, or of its absence.
    /// @param balanceProof Proof of the token's balance of it (slot 0).
    /// @param to Who is paid.
    /// @param signature Empty, or the account's: see `Payee`.
    function escapeToken(
        address l2Token,
        address account,
        address delegate,
        bytes[] calldata accountProof,
        bytes[] calldata balanceProof,
        address to,
        bytes calldata signature
    ) external;

    /// @notice After the chain's end: gives back a deposit that the last final state had not consumed.
    /// @param queued The message in the inbox that carried it; for this and the next two see `IEscape.refund`.
    /// @param accBefore The inbox' accumulator before it.
    /// @param following Hashes of the messages that follow.
    /// @param to Who is paid: named by the depositor, or, when others call, the depositor itself.
    function returnDeposit(
        QueuedMessage calldata queued,
        bytes32 accBefore,
        bytes32[] calldata following,
        address payable to
    ) external;
}

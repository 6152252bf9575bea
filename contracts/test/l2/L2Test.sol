// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FeeVault} from "../../src/l2/FeeVault.sol";
import {GasPriceOracle} from "../../src/l2/GasPriceOracle.sol";
import {IL2ToL1MessagePasser} from "../../src/l2/IL2ToL1MessagePasser.sol";
import {L1Block} from "../../src/l2/L1Block.sol";
import {L1FeeVault} from "../../src/l2/L1FeeVault.sol";
import {L2CrossDomainMessenger} from "../../src/l2/L2CrossDomainMessenger.sol";
import {L2StandardBridge} from "../../src/l2/L2StandardBridge.sol";
import {L2ToL1MessagePasser} from "../../src/l2/L2ToL1MessagePasser.sol";
import {OptimismMintableERC20Factory} from "../../src/l2/OptimismMintableERC20Factory.sol";
import {Predeploys} from "../../src/l2/Predeploys.sol";
import {WETH} from "../../src/l2/WETH.sol";
import {Test, Vm} from "../lib/Test.sol";

/// @notice The predeploys at their addresses, as the genesis has them, with counterparts on L1.
abstract contract L2Test is Test {
    address internal constant L1_MESSENGER = address(0x11111111111111111111111111111111111111A1);
    address internal constant L1_BRIDGE = address(0x11111111111111111111111111111111111111b1);
    address internal constant FEE_SPLIT = address(0x11111111111111111111111111111111111111C1);
    address internal constant ALICE = address(0xA11CE);
    address internal constant BOB = address(0xB0B);

    L1Block internal constant l1Block = L1Block(Predeploys.L1_BLOCK);
    GasPriceOracle internal constant oracle = GasPriceOracle(Predeploys.GAS_PRICE_ORACLE);
    L2ToL1MessagePasser internal constant passer = L2ToL1MessagePasser(payable(Predeploys.L2_TO_L1_MESSAGE_PASSER));
    L2CrossDomainMessenger internal constant messenger = L2CrossDomainMessenger(Predeploys.L2_CROSS_DOMAIN_MESSENGER);
    L2StandardBridge internal constant bridge = L2StandardBridge(payable(Predeploys.L2_STANDARD_BRIDGE));
    OptimismMintableERC20Factory internal constant factory =
        OptimismMintableERC20Factory(Predeploys.OPTIMISM_MINTABLE_ERC20_FACTORY);
    L1FeeVault internal constant l1FeeVault = L1FeeVault(payable(Predeploys.L1_FEE_VAULT));
    FeeVault internal constant baseFeeVault = FeeVault(payable(Predeploys.BASE_FEE_VAULT));
    WETH internal constant weth = WETH(payable(Predeploys.WETH));

    function setUp() public virtual {
        vm.etch(Predeploys.WETH, address(new WETH()).code);
        vm.etch(Predeploys.L2_CROSS_DOMAIN_MESSENGER, address(new L2CrossDomainMessenger()).code);
        vm.etch(Predeploys.GAS_PRICE_ORACLE, address(new GasPriceOracle()).code);
        vm.etch(Predeploys.L2_STANDARD_BRIDGE, address(new L2StandardBridge()).code);
        vm.etch(Predeploys.SEQUENCER_FEE_VAULT, address(new FeeVault()).code);
        vm.etch(Predeploys.OPTIMISM_MINTABLE_ERC20_FACTORY, address(new OptimismMintableERC20Factory()).code);
        vm.etch(Predeploys.L1_BLOCK, address(new L1Block()).code);
        vm.etch(Predeploys.L2_TO_L1_MESSAGE_PASSER, address(new L2ToL1MessagePasser()).code);
        vm.etch(Predeploys.BASE_FEE_VAULT, address(new FeeVault()).code);
        vm.etch(Predeploys.L1_FEE_VAULT, address(new L1FeeVault()).code);
        vm.etch(Predeploys.OPERATOR_FEE_VAULT, address(new FeeVault()).code);
        setCounterparts(L1_MESSENGER, L1_BRIDGE);
        setFeeSplit(FEE_SPLIT);
        vm.deal(ALICE, 100 ether);
    }

    /// Slot 0 of both, as the genesis writes it.
    function setCounterparts(address l1Messenger, address l1Bridge) internal {
        vm.store(address(messenger), 0, bytes32(uint256(uint160(l1Messenger))));
        vm.store(address(bridge), 0, bytes32(uint256(uint160(l1Bridge))));
    }

    function feeVaults() internal pure returns (address payable[4] memory) {
        return [
            payable(Predeploys.SEQUENCER_FEE_VAULT),
            payable(Predeploys.BASE_FEE_VAULT),
            payable(Predeploys.L1_FEE_VAULT),
            payable(Predeploys.OPERATOR_FEE_VAULT)
        ];
    }

    /// Slot 0 of all vaults, as the genesis writes it.
    function setFeeSplit(address feeSplit) internal {
        address payable[4] memory vaults = feeVaults();
        for (uint256 i; i < vaults.length; ++i) {
            vm.store(vaults[i], 0, bytes32(uint256(uint160(feeSplit))));
        }
    }

    /// The withdrawal that the passer's last logged event describes.
    struct Withdrawal {
        uint256 nonce;
        address sender;
        address target;
        uint256 value;
        uint256 gasLimit;
        bytes data;
        bytes32 hash;
    }

    /// The one `MessagePassed` among the logs recorded since `vm.recordLogs()`.
    function loggedWithdrawal() internal returns (Withdrawal memory w) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        bool found;
        for (uint256 i; i < logs.length; i++) {
            if (logs[i].emitter != address(passer)) continue;
            if (logs[i].topics[0] != IL2ToL1MessagePasser.MessagePassed.selector) continue;
            vm.assertFalse(found);
            found = true;
            w.nonce = uint256(logs[i].topics[1]);
            w.sender = address(uint160(uint256(logs[i].topics[2])));
            w.target = address(uint160(uint256(logs[i].topics[3])));
            (w.value, w.gasLimit, w.data, w.hash) = abi.decode(logs[i].data, (uint256, uint256, bytes, bytes32));
        }
        vm.assertTrue(found, "no withdrawal was logged");
    }
}

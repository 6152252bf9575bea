//! Bindings of the predeploys: calls, events, errors and runtime code, from the committed artifacts.
#![allow(missing_docs, reason = "made from the ABI; the interfaces in `contracts/src/l2` hold the documentation")]

use alloy_sol_types::sol;

sol!(FeeVault, "../../contracts/artifacts/FeeVault.json");
sol!(GasPriceOracle, "../../contracts/artifacts/GasPriceOracle.json");
sol!(L1Block, "../../contracts/artifacts/L1Block.json");
sol!(L1FeeVault, "../../contracts/artifacts/L1FeeVault.json");
sol!(L2CrossDomainMessenger, "../../contracts/artifacts/L2CrossDomainMessenger.json");
sol!(L2StandardBridge, "../../contracts/artifacts/L2StandardBridge.json");
sol!(L2ToL1MessagePasser, "../../contracts/artifacts/L2ToL1MessagePasser.json");
sol!(OptimismMintableERC20, "../../contracts/artifacts/OptimismMintableERC20.json");
sol!(OptimismMintableERC20Factory, "../../contracts/artifacts/OptimismMintableERC20Factory.json");
sol!(WETH, "../../contracts/artifacts/WETH.json");

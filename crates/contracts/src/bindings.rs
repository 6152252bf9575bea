//! Calls, events, structs and errors of the contracts, generated at compile time from `contracts/artifacts/`.
//!
//! One module for each contract, with everything that its ABI names: `Inbox::postBatchCall`, `Inbox::BatchPosted` (event),
//! `Inbox::Batch` (struct), `Inbox::WrongData` (error), `Inbox::InboxErrors` (all of them), `Inbox::BYTECODE`. What they
//! mean is documented in the Solidity interfaces (`contracts/src/**/I*.sol`).
//!
//! | module | is |
//! |---|---|
//! | [`SequencerRegistry`] | seats, keys, bonds, terms (protocol §3) |
//! | [`Inbox`] | messages and batches (protocol §4, §6) |
//! | [`Claims`] | what is claimed to be the state, and what of it is final (protocol §8) |
//! | [`Bridge`] | ether in and out (protocol §10) |
//! | [`L1CrossDomainMessenger`] | calls between the layers (protocol §10) |
//! | [`L1StandardBridge`] | tokens in and out (protocol §10) |
//! | [`Slasher`] | reports of faults, penalties, rewards (protocol §9) |
//! | [`Equivocation`] | judges two contradicting statements of one key (protocol §9) |
//! | [`Idle`] | judges duty that was not done; takes attendance (protocol §9) |
#![allow(missing_docs, clippy::too_many_arguments)]

use alloy_sol_types::sol;

sol!(
    #[sol(all_derives)]
    SequencerRegistry,
    "../../contracts/artifacts/SequencerRegistry.json"
);
sol!(
    #[sol(all_derives)]
    Inbox,
    "../../contracts/artifacts/Inbox.json"
);
sol!(
    #[sol(all_derives)]
    Claims,
    "../../contracts/artifacts/Claims.json"
);
sol!(
    #[sol(all_derives)]
    Bridge,
    "../../contracts/artifacts/Bridge.json"
);
sol!(
    #[sol(all_derives)]
    Slasher,
    "../../contracts/artifacts/Slasher.json"
);
sol!(
    #[sol(all_derives)]
    L1CrossDomainMessenger,
    "../../contracts/artifacts/L1CrossDomainMessenger.json"
);
sol!(
    #[sol(all_derives)]
    L1StandardBridge,
    "../../contracts/artifacts/L1StandardBridge.json"
);
sol!(
    #[sol(all_derives)]
    Equivocation,
    "../../contracts/artifacts/Equivocation.json"
);
sol!(
    #[sol(all_derives)]
    Idle,
    "../../contracts/artifacts/Idle.json"
);

// Solidity's structs have one binding for each contract that speaks of them.

impl From<Inbox::Batch> for Idle::Batch {
    fn from(batch: Inbox::Batch) -> Self {
        let Inbox::Batch {
            rollup,
            term,
            genesis,
            firstHeight,
            lastHeight,
            parentClaim,
            prevHash,
            lastHash,
            blockHashRoot,
            lastBlockTime,
            messageCount,
            messageAcc,
            inboxTip,
            dataHash,
        } = batch;
        Self {
            rollup,
            term,
            genesis,
            firstHeight,
            lastHeight,
            parentClaim,
            prevHash,
            lastHash,
            blockHashRoot,
            lastBlockTime,
            messageCount,
            messageAcc,
            inboxTip,
            dataHash,
        }
    }
}

impl From<Inbox::ParentClaim> for Idle::ParentClaim {
    fn from(claim: Inbox::ParentClaim) -> Self {
        let Inbox::ParentClaim { parentId, prevHash, lastHash, blockHashRoot } = claim;
        Self { parentId, prevHash, lastHash, blockHashRoot }
    }
}

impl From<Bridge::QueuedMessage> for L1CrossDomainMessenger::QueuedMessage {
    fn from(message: Bridge::QueuedMessage) -> Self {
        let Bridge::QueuedMessage { kind, index, l1Block, l1Time, sender, to, value, mint, gas, data } = message;
        Self { kind, index, l1Block, l1Time, sender, to, value, mint, gas, data }
    }
}

impl From<Bridge::QueuedMessage> for L1StandardBridge::QueuedMessage {
    fn from(message: Bridge::QueuedMessage) -> Self {
        let Bridge::QueuedMessage { kind, index, l1Block, l1Time, sender, to, value, mint, gas, data } = message;
        Self { kind, index, l1Block, l1Time, sender, to, value, mint, gas, data }
    }
}

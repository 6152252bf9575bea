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
//! | [`InvalidState`] | judges signatures under claims that fell (protocol §9) |
//! | [`FeeSplit`] | divides the chain's fees among the seats (protocol §6) |
//! | [`RiscV`] | decides one step of the program's machine (protocol §8) |
//! | [`Dispute`] | the game between two claims, down to such a step |
//! | [`Preimages`] | keeps what the program reads (protocol §8) |
#![allow(missing_docs, clippy::too_many_arguments)]

use alloy_sol_types::sol;
use surety_types::{claim::Claim, signing::Batch};

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
sol!(
    #[sol(all_derives)]
    InvalidState,
    "../../contracts/artifacts/InvalidState.json"
);
sol!(
    #[sol(all_derives)]
    FeeSplit,
    "../../contracts/artifacts/FeeSplit.json"
);
sol!(
    #[sol(all_derives)]
    RiscV,
    "../../contracts/artifacts/RiscV.json"
);
sol!(
    #[sol(all_derives)]
    Preimages,
    "../../contracts/artifacts/Preimages.json"
);
sol!(
    #[sol(all_derives)]
    Dispute,
    "../../contracts/artifacts/Dispute.json"
);

/// Solidity's structs have one binding for each contract that speaks of them, and some are ours as well: the same fields.
macro_rules! same_struct {
    ($fields:tt: $($from:ty => $to:ty),+ $(,)?) => {
        $(same_struct!(@ $fields $from => $to);)+
    };
    (@ { $($field:ident),+ $(,)? } $from:ty => $to:ty) => {
        impl From<$from> for $to {
            fn from(value: $from) -> Self {
                Self { $($field: value.$field),+ }
            }
        }
    };
}

same_struct!(
    {
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
        dataHash
    }:
    Batch => Inbox::Batch,
    Batch => Idle::Batch,
    Batch => Claims::Batch,
    Inbox::Batch => Batch,
);
same_struct!(
    { kind, index, l1Block, l1Time, sender, to, value, mint, gas, data }:
    Bridge::QueuedMessage => L1CrossDomainMessenger::QueuedMessage,
    Bridge::QueuedMessage => L1StandardBridge::QueuedMessage,
);

/// All that a claim's id commits to.
macro_rules! claim_preimage {
    ($($to:ty),+) => {$(
        impl From<&Claim> for $to {
            fn from(claim: &Claim) -> Self {
                Self {
                    rollup: claim.rollup.get(),
                    batchIndex: claim.batch_index.get(),
                    parentId: claim.parent,
                    prevHash: claim.prev_hash,
                    lastHash: claim.last_hash,
                    blockHashRoot: claim.block_hash_root,
                }
            }
        }
    )+};
}

claim_preimage!(Claims::ClaimPreimage, Bridge::ClaimPreimage);

/// What of it the inbox does not know itself.
macro_rules! parent_claim {
    ($($to:ty),+) => {$(
        impl From<&Claim> for $to {
            fn from(claim: &Claim) -> Self {
                Self {
                    parentId: claim.parent,
                    prevHash: claim.prev_hash,
                    lastHash: claim.last_hash,
                    blockHashRoot: claim.block_hash_root,
                }
            }
        }
    )+};
}

parent_claim!(Inbox::ParentClaim, Idle::ParentClaim);

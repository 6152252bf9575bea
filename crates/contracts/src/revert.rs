//! What a contract's refusal means, in words.

use crate::bindings::{
    Bridge, Claims, Dispute, Equivocation, FeeSplit, Idle, Inbox, InvalidState, L1CrossDomainMessenger,
    L1StandardBridge, Preimages, RiscV, SequencerRegistry, Slasher,
};
use alloy_sol_types::{Panic, Revert, SolError, SolInterface};

/// Tells a person what reverted and what to do about it.
///
/// `data` is what the call returned. The protocol's own errors are named with their values, `Error(string)` and panics are
/// decoded, anything else is given in hex.
pub fn describe_revert(data: &[u8]) -> String {
    // The first contract that knows the selector; errors of one name are the same struct in all of them.
    let named = Inbox::InboxErrors::abi_decode_validate(data)
        .map(|error| format!("inbox: {}", variant(&format!("{error:?}"))))
        .or_else(|_| {
            SequencerRegistry::SequencerRegistryErrors::abi_decode_validate(data)
                .map(|error| format!("registry: {}", variant(&format!("{error:?}"))))
        })
        .or_else(|_| {
            Bridge::BridgeErrors::abi_decode_validate(data)
                .map(|error| format!("bridge: {}", variant(&format!("{error:?}"))))
        })
        .or_else(|_| {
            Claims::ClaimsErrors::abi_decode_validate(data)
                .map(|error| format!("claims: {}", variant(&format!("{error:?}"))))
        })
        .or_else(|_| {
            Slasher::SlasherErrors::abi_decode_validate(data)
                .map(|error| format!("slasher: {}", variant(&format!("{error:?}"))))
        })
        .or_else(|_| {
            Equivocation::EquivocationErrors::abi_decode_validate(data)
                .map(|error| format!("equivocation: {}", variant(&format!("{error:?}"))))
        })
        .or_else(|_| {
            Idle::IdleErrors::abi_decode_validate(data).map(|error| format!("idle: {}", variant(&format!("{error:?}"))))
        })
        .or_else(|_| {
            InvalidState::InvalidStateErrors::abi_decode_validate(data)
                .map(|error| format!("invalid state: {}", variant(&format!("{error:?}"))))
        })
        .or_else(|_| {
            L1StandardBridge::L1StandardBridgeErrors::abi_decode_validate(data)
                .map(|error| format!("token bridge: {}", variant(&format!("{error:?}"))))
        })
        .or_else(|_| {
            L1CrossDomainMessenger::L1CrossDomainMessengerErrors::abi_decode_validate(data)
                .map(|error| format!("messenger: {}", variant(&format!("{error:?}"))))
        })
        .or_else(|_| {
            FeeSplit::FeeSplitErrors::abi_decode_validate(data)
                .map(|error| format!("fee split: {}", variant(&format!("{error:?}"))))
        })
        .or_else(|_| {
            RiscV::RiscVErrors::abi_decode_validate(data)
                .map(|error| format!("machine: {}", variant(&format!("{error:?}"))))
        })
        .or_else(|_| {
            Dispute::DisputeErrors::abi_decode_validate(data)
                .map(|error| format!("dispute: {}", variant(&format!("{error:?}"))))
        })
        .or_else(|_| {
            Preimages::PreimagesErrors::abi_decode_validate(data)
                .map(|error| format!("pre-images: {}", variant(&format!("{error:?}"))))
        });
    match named {
        Ok(text) => match advice(&text) {
            Some(advice) => format!("{text}: {advice}"),
            None => text,
        },
        Err(_) if data.is_empty() => "reverted without a reason (out of gas, or a call to no contract)".into(),
        Err(_) => Revert::abi_decode_validate(data)
            .map(|revert| format!("reverted: {}", revert.reason))
            .or_else(|_| Panic::abi_decode_validate(data).map(|panic| format!("reverted: {panic}")))
            .unwrap_or_else(|_| format!("reverted with 0x{}", alloy_primitives::hex::encode(data))),
    }
}

/// The struct inside of the enum's debug text: `Name(Name { … })` becomes `Name { … }`.
fn variant(debug: &str) -> &str {
    debug.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(debug)
}

/// What to do about the refusals that a working node can meet.
fn advice(text: &str) -> Option<&'static str> {
    let name = text.split([' ', '{']).nth(1)?;
    Some(match name {
        "WrongFirstHeight" => "another poster was first, or a batch is missing: read the inbox and post the next batch",
        "WrongInboxTip" | "WrongParentClaim" => {
            "the batch was signed on another history of batches: read the inbox and sign anew"
        }
        "WrongMessageAcc" | "MessagesNotSent" => {
            "L1 has another history of messages (a reorg?): wait for L1 to settle and sign anew"
        }
        "WrongData" => "these are not the data that were signed: post the signed bytes",
        "TimeInFuture" => "L1's clock is behind: post again in the next L1 block",
        "TermMayNotPost" => "the committee's time is over: the current committee must sign",
        "CommitteeNotSealed" => "call sealCommittee() first",
        "NoQuorum" | "SignatureInvalid" => "gather valid signatures of more than two thirds of the committee",
        "DueMessageSkipped" => "consume the due messages first",
        "AlreadyPoked" => "nothing is to be done: this L1 block has its L1Info",
        "ClaimNotFinal" => "wait until the claim's challenge period is over",
        "WrongMessageFee" | "MessageFeeNotCovered" => "ask messageFee() again and send a little more",
        "MessageFeeTooHigh" => "messages are dear now: wait until the price falls, or allow a higher one",
        "MessageGasSoldOut" | "MessageBytesSoldOut" => "wait a little and send again",
        "NotEnoughGas" => "send the transaction with more gas",
        "AlreadySlashed" => "nothing is to be done: another report was first",
        "TermTooOld" | "SeatNotLiable" | "NothingAtStake" => {
            "nothing is to be done: this costs nobody anything any more"
        }
        "TermNotStarted" => "wait until the term has started",
        "UnknownFault" => "give the fault contract of the chain file",
        "TermCutShort" => {
            "a third of that committee was frozen, or somebody self-sequenced: the committee of the new term must sign"
        }
        "SelfSequencingClosed" => "wait until the given time; before, it opens only if the committee loses its quorum",
        "ThirdTooEarly" => "wait until the given time, or gather signatures of more than two thirds",
        "WrongAncestry" => "carry the claims from the last live one on, each the parent of the next",
        "RightClaimNotFinal" => "wait until the right claim is final: the bond is taken then",
        "NotLost" => "wait until the dispute is decided; a claim that stands makes nobody guilty",
        "TermNotOver" => "wait until the given time",
        "NotIdle" | "NotOnDuty" => "nothing is to be done: the seat did its duty, or had none",
        "BondBelowPar" => "top the bond up first",
        "SeatIsFrozen" => "the seat is out for good: ask to leave and withdraw what is left",
        "ChainEnded" => "the chain has ended for ever: leave by proofs",
        "NotPosted" => "another batch was posted since, or this one was not: read the inbox and ask again",
        "ClaimExists" => "nothing is to be done: this claim stands already",
        "RivalTooLate" => "nothing is to be done: the challenge period is over",
        "ParentNotLive" => "claim the batch before first; if its claim fell, the right one",
        "NotTheFirst" => "give the claim that the committee signed for this batch",
        "NotOnLastClaim" => "finish with this account's last claim first, or use another account",
        "PartyHasFallen" => "a claim of this account fell: use another account",
        "AlreadyParty" => "nothing is to be done: this account has its bond here",
        "NoParty" => "join() with the bond first",
        "StillStanding" => "release() the claims that are decided first",
        "ClaimsNotStale" => "wait until the given time; a claim that becomes final before keeps the escape shut",
        "LaterClaimFinal" => "end the chain on its last final claim",
        "ConsumptionNotProven" => "call proveConsumption() first",
        "TokenNotProven" => "call proveToken() first",
        "NotEntitled" => "the account itself must call, or sign",
        "StillUnbonding" => "wait until the given time",
        "PartNotLoaded" => "load this part into the contract of pre-images first",
        "ProofWrong" => "prove what stands in memory before the step, at the address that it looks at",
        "ChunkNotStored" => "store this chunk first",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_error_of_ours_is_named_with_its_values_and_advice() {
        let data = Inbox::WrongFirstHeight { firstHeight: 7, expected: 9 }.abi_encode();
        let text = describe_revert(&data);
        assert!(text.starts_with("inbox: WrongFirstHeight { firstHeight: 7, expected: 9 }: another poster"), "{text}");
        let data = SequencerRegistry::NotOpen {}.abi_encode();
        assert_eq!(describe_revert(&data), "registry: NotOpen");
        let data = Claims::ParentNotLive { parentId: [0; 32].into() }.abi_encode();
        assert!(describe_revert(&data).starts_with("claims: ParentNotLive"));
        let data = RiscV::PartNotLoaded { kind: 1, key: [0; 32].into(), index: 3 }.abi_encode();
        assert!(describe_revert(&data).ends_with("index: 3 }: load this part into the contract of pre-images first"));
        let data = Preimages::ValueTooLong { length: Default::default(), most: Default::default() }.abi_encode();
        assert!(describe_revert(&data).starts_with("pre-images: ValueTooLong"));
    }

    #[test]
    fn other_reverts_are_told_too() {
        let data = alloy_sol_types::Revert::from("no").abi_encode();
        assert_eq!(describe_revert(&data), "reverted: no");
        assert!(describe_revert(&[]).contains("without a reason"));
        assert_eq!(describe_revert(&[1, 2, 3, 4]), "reverted with 0x01020304");
    }

    proptest! {
        #[test]
        fn arbitrary_data_are_described_without_a_panic(data: Vec<u8>) {
            prop_assert!(!describe_revert(&data).is_empty());
        }
    }
}

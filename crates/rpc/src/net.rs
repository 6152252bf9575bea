//! `net_*`.

use crate::server::{Methods, Registered, answer};
use alloy_primitives::U64;

pub(crate) fn register(methods: &mut Methods) -> Registered {
    methods.light("net_version", 0, |rpc, _| answer(&rpc.backend.chain_id().to_string()))?;
    methods.light("net_listening", 0, |_, _| answer(&true))?;
    // The committee's network admits seats only; there are no peers in the sense of this method.
    methods.light("net_peerCount", 0, |_, _| answer(&U64::ZERO))
}

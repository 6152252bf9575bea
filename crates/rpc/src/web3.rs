//! `web3_*`.

use crate::server::{Methods, Registered, answer};
use alloy_primitives::{Bytes, keccak256};

pub(crate) fn register(methods: &mut Methods) -> Registered {
    methods.light("web3_clientVersion", 0, |rpc, _| answer(&rpc.backend.client_version()))?;
    methods.light("web3_sha3", 1, |_, args| answer(&keccak256(args.required::<Bytes>(0)?)))
}

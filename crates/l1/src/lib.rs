//! Read and write Ethereum: follow finality and events, blobs and their archive, submit with nonces and fee bumps.
//!
//! | module | does |
//! |---|---|
//! | [`chain`] | the seam: [`L1`], what the rest of the house may ask of Ethereum, and its plain types |
//! | [`rpc`] | [`L1`] over JSON-RPC and the beacon API ([`rpc::RpcL1`]) |
//! | [`several`] | [`L1`] through several endpoints that are compared: who fails, stands still or lies is set aside |
//! | [`follow`] | heads, reorgs and the contracts' events as one ordered stream |
//! | [`blobs`] | blobs from beacon nodes, checked by KZG, and an archive of them on disk |
//! | [`submit`] | transactions of one key: nonces, fees and their bumps, blobs, a budget |
//! | [`contracts`] | typed reads of the registry, the inbox, the claims and the bridge |
//! | [`records`] | batches, claims and messages as L1 wrote them down, from the newest on |
//!
//! Whatever answers at the other end of an RPC is not trusted to be well-formed: sizes are bounded while reading, hashes
//! recomputed, logs tied to their blocks, messages to the accumulator, blobs to their versioned hashes. What cannot be
//! checked without a light client (that these are Ethereum's blocks at all) is the operator's choice of endpoint.

pub mod blobs;
pub mod chain;
pub mod contracts;
pub mod error;
pub mod follow;
mod metrics;
pub mod records;
pub mod rpc;
pub mod several;
pub mod submit;
#[cfg(test)]
mod testing;
mod transport;

pub use chain::{BlockAt, BlockRef, Call, L1, L1Transaction};
pub use error::{Advice, L1Error, Revert};

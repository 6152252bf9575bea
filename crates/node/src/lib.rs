//! Order and run: pool, builder, consensus, signer and journal, evidence pool, poster, follower, sync.

pub mod builder;
pub mod consensus;
pub mod follower;
pub mod genesis;
pub mod pool;

pub mod signer;

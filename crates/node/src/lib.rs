//! Order and run: pool, builder, consensus, signer and journal, evidence pool, poster, follower, sync.

pub mod genesis;

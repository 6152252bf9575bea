//! Order and run: pool, builder, consensus, signer and journal, evidence pool, poster, follower, sync.
//!
//! | module | does |
//! |---|---|
//! | [`sequencer`], [`follower_node`] | put a whole node together |
//! | [`pool`] | keeps transactions that wait |
//! | [`builder`] | makes blocks and judges those of others |
//! | [`consensus`] | agrees on them |
//! | [`signer`] | signs what may be signed |
//! | [`evidence`] | remembers who signed what, and finds whoever contradicts itself |
//! | [`poster`] | brings batches to L1 |
//! | [`follower`] | derives the chain from L1 alone |
//! | [`challenger`] | opposes wrong claims and answers for right ones |
//! | [`party`] | an account that stands behind claims with a bond |
//! | [`keeper`] | does what anyone may when the committee is gone: sequences, and claims |
//! | [`soft`] | takes soft-final blocks from the seats' feeds, and checks them |
//! | [`backend`] | is what the RPC server asks |
//! | [`genesis`] | makes the first block |
//! | [`witness`] | gathers what the program needs for a block |
//! | `durable` | replaces files so that a crash leaves them whole |
//! | `feed`, `terms` | carry what L1 says to where it is needed |

pub mod backend;
pub mod builder;
pub mod challenger;
pub mod clock;
pub mod consensus;
mod durable;
pub mod evidence;
mod feed;
pub mod follower;
pub mod follower_node;
pub mod genesis;
pub mod keeper;
pub mod party;
pub mod pool;
pub mod poster;
pub mod sequencer;
pub mod signer;
pub mod soft;
mod terms;
pub mod witness;

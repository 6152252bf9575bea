//! Break it on purpose: seeded worlds, Byzantine actors, properties; house rules as tests.
//!
//! A [`world`] is a committee of seats over a simulated network in virtual time. Each runs the code of a running node
//! (`surety-node`'s consensus, execution, store and journal); only threads, sockets and L1 are missing. Some seats are
//! Byzantine, named by their [`sins`]; links fail, seats crash, disks lose what was not synced. Everything follows from a
//! seed ([`scenario`]), so what failed once fails again.
//!
//! Whatever is signed and leaves a seat is on [`record`], taken from the wire. After each run the [`properties`] are
//! checked:
//!
//! | property | how it is seen |
//! |---|---|
//! | no two honest seats make different blocks final, nor one seat two | stores and announcements of all starts of all honest seats, by height |
//! | the chain goes on after healing | every honest seat gains blocks once links are whole and everybody is up |
//! | every equivocator is found | each seat whose sin was acted out has a contradicting pair on record |
//! | no honest seat is slashable | no pair of statements of an honest seat contradicts: by the rule restated here, and by the node's |
//! | honest seats do not shut each other out | the network's list of blocked peers |
//!
//! The checks are themselves checked by runs that must fail (`tests/must_fail.rs`).

pub mod properties;
pub mod record;
pub mod scenario;
pub mod sins;
pub mod wire;
pub mod world;

//! Break it on purpose: seeded worlds, Byzantine actors, properties; house rules as tests.
//!
//! So far it holds the rules of the house (`tests/house.rs`). Worlds and actors come with the first slash.

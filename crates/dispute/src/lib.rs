//! Contest a wrong claim and defend a right one, to the end.
//!
//! The rules are the contract's (`contracts/src/dispute/IDispute.sol`). Here is what a party needs to keep to them: its own trees,
//! and what the next move is when the other has shown its part.
//!
//! | module | holds |
//! |---|---|
//! | [`lie`] | trees of who is wrong, for drills and tests |
//! | [`posting`] | what L1 wants to see with a claim that is posted with a bond |
//! | [`moves`] | the one move that there is in a match, from one's own tree and what the other side has opened |
//! | [`docket`] | what L1 tells of all disputes |
//! | [`player`] | what a party does next, from that and from what it holds to be right |
//! | [`preimages`] | what L1 must know before it makes a step that reads |
//! | [`trace`] | the trees over a block's states, and the last step, by running the program over a witness |
//!
//! Who watches L1 and sends what is to be sent is the node's challenger.

pub mod docket;
pub mod lie;
pub mod moves;
pub mod player;
pub mod posting;
pub mod preimages;
pub mod trace;

pub use docket::Docket;
pub use moves::{Move, Selection};
pub use player::{Bench, Deed, Player, Trouble, Truth};
pub use trace::{LastStep, Trace};

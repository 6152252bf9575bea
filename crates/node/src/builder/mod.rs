//! Make and check blocks: [`Blocks`] stands between consensus, the store and execution, [`Inbox`] holds what L1 sends,
//! [`Workshop`] is a leader's block while it grows.

mod blocks;
mod inbox;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod workshop;

pub use blocks::{Blocks, Draft, InvalidBlock, MachineError, Parent, Sealed, Verdict, decode_aux, encode_aux};
pub use inbox::{Inbox, OutOfOrder};
pub use workshop::{Appended, Round, Workshop};

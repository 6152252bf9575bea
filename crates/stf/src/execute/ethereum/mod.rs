//! L1 blocks of every fork from Frontier to Osaka and its blob parameter forks, for the embedded L1 and for the tests of
//! others. Never part of the program that referees run.
//!
//! | step | function |
//! |---|---|
//! | which rules hold when | [`ForkSchedule`], built in code or from a `genesis.json` |
//! | may this header follow that one | [`validate_header`] |
//! | does the body belong to the header | [`validate_body`], and before the merge [`validate_ommers`] |
//! | execute and compare with the header | [`execute_block`] |
//! | build a block transaction by transaction | [`next_header`], [`BlockExecutor`], [`seal`] |
//!
//! Proof-of-work seals (`mixHash` and `nonce` against the ethash data set) are not checked, and the total difficulty is
//! not tracked: the schedule names the first block after the merge.

mod executor;
mod header;
mod schedule;

pub use executor::{BlockError, BlockExecutor, ExecutedBlock, RootOf, execute_block, seal};
pub use header::{
    Attributes, HeaderError, next_base_fee, next_excess_blob_gas, next_header, validate_body, validate_header,
    validate_ommers,
};
pub use schedule::{ForkSchedule, ScheduleError};

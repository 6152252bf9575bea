//! Judge everyone from L1 data and signed messages; accuse; measure risk.
//!
//! A watchtower trusts nobody: it takes what others say apart into single signed statements, checks each signature itself,
//! remembers the first statement of every slot, and finds contradicting pairs itself; who was idle it asks L1's storage. What it
//! finds becomes a case; the fault's contract judges it by `eth_call`, the reward is weighed against gas, and the report is
//! sent to `Slasher`.
//!
//! ```text
//! feeds (surety_subscribe) ─┐
//! evidence files ───────────┼▶ collector: whose signature? new? ─▶ faults/equivocation (slots) ─ pair ─▶ prosecutor
//! L1 (batches posted) ──────┘        │ seen-*.jsonl                                                   ▲│ cases.json
//!                                    ▼                                                                ││
//!                            what is of no seat is dropped                                            ││
//! L1's storage (lapses, duty) ─▶ faults/idle: which terms? guilty? ─ idle seats ──────────────────────┘▼
//!                                    │ idle.json                    judge (eth_call) ─ estimate ─ report ─ audit.jsonl
//! ```
//!
//! | module | does |
//! |---|---|
//! | [`sources`] | feeds over WebSocket, evidence files, L1 |
//! | [`faults`] | the faults that signed statements or L1's storage show, one module each |
//! | `reader` | L1's events: keys of seats, batches posted, reorgs |
//! | `collector` | takes statements from all sources, remembers them durably, finds pairs |
//! | `prosecutor` | takes cases from judgement to the penalty; several watchtowers compete without harm |
//! | [`court`] | what is asked of the contracts: judgement, nullifier, reward |
//! | [`estimate`] | reward against gas |
//! | [`audit`] | everything that was judged, and why, one JSON object a line |
//! | [`watchtower`] | all of it, running |
//!
//! **Bounds.** Whatever a feed sends, memory and disk stay bounded: a message is at most [`sources::MAX_MESSAGE`] bytes, what
//! no seat signed is dropped before it is kept, and each source may keep so many statements of each key, of which the
//! oldest go first. One source cannot push out what another source said.
//!
//! **Crash.** Statements are on disk before they can make a case, cases before they are acted on. A watchtower that is
//! started again finds the same pairs, asks L1 what became of its cases, and never sends a second report beside a first
//! one that is underway.

pub mod audit;
mod cases;
mod collector;
pub mod court;
pub mod estimate;
pub mod faults;
mod metrics;
mod prosecutor;
mod reader;
mod seats;
mod seen;
pub mod sources;
pub mod watchtower;

pub use watchtower::{Policy, WatchConfig, WatchError, Watchtower};

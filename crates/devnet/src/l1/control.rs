//! What tests may do to the embedded L1.
//!
//! In process by [`Control`]; over JSON-RPC by the same calls:
//!
//! | method | parameters | does |
//! |---|---|---|
//! | `dev_reorg` | depth, `"keep"` (default) or `"drop"`, replacement blocks (default: depth) | [`Control::reorg`] |
//! | `dev_skipSlots` | slots | [`Control::skip_slots`] |
//! | `dev_mine`, `anvil_mine` | blocks (default 1) | [`Control::mine`] |
//! | `evm_mine` | – | one block |
//! | `evm_setNextBlockTimestamp` | Unix seconds | [`Control::set_next_timestamp`] |
//! | `evm_increaseTime` | seconds | [`Control::increase_time`]; answers with the clock's whole shift |
//! | `dev_pause`, `dev_resume` | – | [`Control::pause`], [`Control::resume`] |
//! | `dev_setFinalityLag` | blocks | [`Control::set_finality_lag`] |
//! | `dev_expireBlobs` | how many to keep (default 0) | [`Control::expire_blobs`] |
//!
//! Numbers may be given as such or in hexadecimal.

use super::{
    NodeError,
    core::{Core, Reorged},
};
use jsonrpsee::{
    RpcModule,
    types::{ErrorObjectOwned, Params},
};
use serde_json::{Value, json};
use std::sync::Arc;
use surety_state::BlockRef;

/// What becomes of the transactions of blocks that are taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReorgPolicy {
    /// The next blocks take them first, in their order.
    #[default]
    Keep,
    /// They are forgotten.
    Drop,
}

/// The controls of a running embedded L1.
#[derive(Debug, Clone)]
pub struct Control {
    core: Arc<Core>,
}

impl Control {
    pub(super) const fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Core) -> Result<T, NodeError> + Send + 'static,
    ) -> Result<T, NodeError> {
        let core = self.core.clone();
        tokio::task::spawn_blocking(move || work(&core)).await.map_err(NodeError::task)?
    }

    /// Makes blocks now, one slot apart; the clock goes along.
    ///
    /// # Errors
    /// More than 10,000 at once, or the machine's.
    pub async fn mine(&self, blocks: u64) -> Result<BlockRef, NodeError> {
        self.run(move |core| core.mine(blocks)).await
    }

    /// Takes `depth` blocks back and makes as many others in the same slots.
    ///
    /// # Errors
    /// See [`Control::reorg_to`].
    pub async fn reorg(&self, depth: u64, policy: ReorgPolicy) -> Result<Reorged, NodeError> {
        self.reorg_to(depth, policy, depth).await
    }

    /// Takes `depth` blocks back and makes `replacement` others: the first ones in the same slots, more in the slots
    /// after. Finality does not hinder it: this is how to test what happens then.
    ///
    /// # Errors
    /// Not so many blocks are there (or in the history of 10,000).
    pub async fn reorg_to(&self, depth: u64, policy: ReorgPolicy, replacement: u64) -> Result<Reorged, NodeError> {
        self.run(move |core| core.reorg(depth, policy == ReorgPolicy::Keep, replacement)).await
    }

    /// Leaves the next slots empty: by the clock they pass without a block; a block mined by hand comes as much later.
    pub fn skip_slots(&self, slots: u64) {
        self.core.skip_slots(slots);
    }

    /// Sets the time of the next block, in Unix seconds; the clock goes on from there.
    ///
    /// # Errors
    /// It is not after the head's.
    pub async fn set_next_timestamp(&self, time: u64) -> Result<(), NodeError> {
        self.run(move |core| core.set_next_time(time)).await
    }

    /// Moves the clock forward. Returns how far it is from this machine's, in seconds.
    pub fn increase_time(&self, seconds: u64) -> i128 {
        self.core.increase_time(seconds)
    }

    /// The time by the embedded L1's clock, in Unix seconds.
    pub fn now(&self) -> u64 {
        self.core.now()
    }

    /// Makes no more blocks by the clock.
    pub fn pause(&self) {
        self.core.set_paused(true);
    }

    /// Makes blocks by the clock again.
    pub fn resume(&self) {
        self.core.set_paused(false);
    }

    /// Sets how many blocks `finalized` is behind the head. A large number stalls finality; what is final stays so.
    ///
    /// # Errors
    /// The machine's.
    pub async fn set_finality_lag(&self, blocks: u64) -> Result<(), NodeError> {
        self.run(move |core| core.set_finality_lag(blocks)).await
    }

    /// Forgets all blobs but the newest `keep`, as if their time were over: the beacon API has them no more.
    ///
    /// # Errors
    /// The machine's.
    pub async fn expire_blobs(&self, keep: usize) -> Result<(), NodeError> {
        self.run(move |core| {
            core.archive.keep_newest(keep);
            Ok(())
        })
        .await
    }

    /// The head.
    pub fn head(&self) -> BlockRef {
        self.core.head()
    }
}

/// The RPC methods.
pub(super) fn methods(control: Control) -> RpcModule<Control> {
    let mut module = RpcModule::new(control);
    let mut add = |name: &'static str, method: Method| {
        let added = module.register_async_method(name, move |params, control, _| async move {
            let arguments = arguments(&params)?;
            method.call(&control, &arguments).await
        });
        // The names are different ones: the table below shows it.
        if let Err(error) = added {
            tracing::error!(%error, "a control method was not registered");
        }
    };
    for (name, method) in [
        ("dev_mine", Method::Mine),
        ("anvil_mine", Method::Mine),
        ("evm_mine", Method::MineOne),
        ("dev_reorg", Method::Reorg),
        ("dev_skipSlots", Method::SkipSlots),
        ("evm_setNextBlockTimestamp", Method::SetNextTimestamp),
        ("anvil_setNextBlockTimestamp", Method::SetNextTimestamp),
        ("evm_increaseTime", Method::IncreaseTime),
        ("anvil_increaseTime", Method::IncreaseTime),
        ("dev_pause", Method::Pause),
        ("dev_resume", Method::Resume),
        ("dev_setFinalityLag", Method::SetFinalityLag),
        ("dev_expireBlobs", Method::ExpireBlobs),
    ] {
        add(name, method);
    }
    module
}

#[derive(Debug, Clone, Copy)]
enum Method {
    Mine,
    MineOne,
    Reorg,
    SkipSlots,
    SetNextTimestamp,
    IncreaseTime,
    Pause,
    Resume,
    SetFinalityLag,
    ExpireBlobs,
}

impl Method {
    async fn call(self, control: &Control, arguments: &[Value]) -> Result<Value, ErrorObjectOwned> {
        let number = |place: usize, default: Option<u64>| number(arguments, place, default);
        match self {
            Self::Mine => block(control.mine(number(0, Some(1))?).await.map_err(refused)?),
            Self::MineOne => block(control.mine(1).await.map_err(refused)?),
            Self::Reorg => {
                let depth = number(0, None)?;
                let policy = match arguments.get(1).and_then(Value::as_str) {
                    None | Some("keep") => ReorgPolicy::Keep,
                    Some("drop") => ReorgPolicy::Drop,
                    Some(_) => return Err(invalid("the policy is \"keep\" or \"drop\"")),
                };
                let done = control.reorg_to(depth, policy, number(2, Some(depth))?).await.map_err(refused)?;
                Ok(json!({"ancestor": block(done.ancestor)?, "head": block(done.head)?}))
            }
            Self::SkipSlots => {
                control.skip_slots(number(0, Some(1))?);
                Ok(Value::Bool(true))
            }
            Self::SetNextTimestamp => {
                control.set_next_timestamp(number(0, None)?).await.map_err(refused)?;
                Ok(Value::Null)
            }
            Self::IncreaseTime => Ok(json!(i64::try_from(control.increase_time(number(0, None)?)).unwrap_or(i64::MAX))),
            Self::Pause => {
                control.pause();
                Ok(Value::Bool(true))
            }
            Self::Resume => {
                control.resume();
                Ok(Value::Bool(true))
            }
            Self::SetFinalityLag => {
                control.set_finality_lag(number(0, None)?).await.map_err(refused)?;
                Ok(Value::Bool(true))
            }
            Self::ExpireBlobs => {
                let keep = usize::try_from(number(0, Some(0))?).unwrap_or(usize::MAX);
                control.expire_blobs(keep).await.map_err(refused)?;
                Ok(Value::Bool(true))
            }
        }
    }
}

fn block(block: BlockRef) -> Result<Value, ErrorObjectOwned> {
    Ok(json!({"number": format!("{:#x}", block.number), "hash": block.hash}))
}

fn invalid(reason: &str) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(-32602, reason.to_owned(), None::<()>)
}

#[allow(clippy::needless_pass_by_value)]
fn refused(error: NodeError) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(-32000, error.to_string(), None::<()>)
}

fn arguments(params: &Params<'_>) -> Result<Vec<Value>, ErrorObjectOwned> {
    if params.as_str().is_none() { Ok(Vec::new()) } else { params.parse() }
}

/// A number, as such or in hexadecimal or decimal text.
fn number(arguments: &[Value], place: usize, default: Option<u64>) -> Result<u64, ErrorObjectOwned> {
    let found = match arguments.get(place) {
        None | Some(Value::Null) => default,
        Some(Value::String(text)) => match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        },
        Some(value) => value.as_u64(),
    };
    found.ok_or_else(|| invalid(&format!("argument {place} must be a number that is not negative")))
}

//! Witnesses: what somebody without the database needs to execute a block on a state and to compute the root after it.
//!
//! A [`Recorder`] stands between execution and a view and notes what is read. The witness then holds every trie node on
//! the way to each account and slot that was read or changed, the siblings that branches look at when they collapse, the
//! code that was read, and the headers from the block down to the oldest one whose hash was asked. Each is a pre-image by
//! keccak256 of something that the state root, an account or a header commits to. The way to `L2ToL1MessagePasser` is
//! always there: an L2 header shows its storage root, though execution may not read it.

use crate::{
    error::{Error, Result},
    root::StateTrie,
    store::Store,
    view::View,
};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use surety_stf::StateReader;
use surety_types::{Account, StateChanges, predeploys};

/// Most ancestors whose hashes the EVM can ask for.
const MAX_ANCESTORS: u64 = 256;

/// A [`StateReader`] that notes what is read.
#[derive(Debug)]
pub struct Recorder {
    view: View,
    read: Mutex<Read>,
}

#[derive(Debug, Default)]
struct Read {
    accounts: BTreeSet<Address>,
    slots: BTreeSet<(Address, U256)>,
    codes: BTreeMap<B256, Bytes>,
    oldest_block: Option<u64>,
}

/// Pre-images by keccak256. See the module's documentation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Witness {
    /// RLP of trie nodes.
    pub nodes: BTreeMap<B256, Bytes>,
    /// Code.
    pub codes: BTreeMap<B256, Bytes>,
    /// RLP of headers: the view's block, and its ancestors as far as they were asked for.
    pub headers: BTreeMap<B256, Bytes>,
}

impl Witness {
    /// All pre-images by their hashes.
    pub fn into_preimages(self) -> BTreeMap<B256, Bytes> {
        let Self { mut nodes, codes, headers } = self;
        nodes.extend(codes);
        nodes.extend(headers);
        nodes
    }
}

impl Recorder {
    /// Records what is read of this view.
    pub fn new(view: View) -> Self {
        Self { view, read: Mutex::default() }
    }

    /// The view behind.
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// What was read so far and what `changes` need. `store` is the view's.
    ///
    /// # Errors
    /// An ancestor was dropped in the meantime ([`Error::UnknownBlock`]), or the database fails.
    pub fn witness(&self, store: &Store, changes: &StateChanges) -> Result<Witness> {
        let read = self.read.lock();
        let mut trie = StateTrie::new(&self.view)?;
        trie.touch_account(predeploys::L2_TO_L1_MESSAGE_PASSER)?;
        for &address in &read.accounts {
            trie.touch_account(address)?;
        }
        for (address, slot) in &read.slots {
            trie.touch_account(*address)?;
            trie.touch_slot(*address, slot)?;
        }
        trie.apply(changes)?;
        let nodes = trie.loaded().map(|rlp| (keccak256(rlp), rlp.clone())).collect();
        Ok(Witness { nodes, codes: read.codes.clone(), headers: self.headers(store, read.oldest_block)? })
    }

    fn headers(&self, store: &Store, oldest: Option<u64>) -> Result<BTreeMap<B256, Bytes>> {
        let mut headers = BTreeMap::new();
        let block = self.view.block();
        let oldest = oldest.unwrap_or(block.number).max(block.number.saturating_sub(MAX_ANCESTORS));
        let mut at = block;
        loop {
            let header = store.header(at.hash)?.ok_or(Error::UnknownBlock(at.hash))?;
            headers.insert(at.hash, alloy_rlp::encode(&header).into());
            if at.number <= oldest {
                return Ok(headers);
            }
            at.hash = header.parent_hash;
            at.number -= 1;
        }
    }
}

impl StateReader for Recorder {
    type Error = Error;

    fn account(&self, address: Address) -> Result<Option<Account>> {
        self.read.lock().accounts.insert(address);
        self.view.account(address)
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256> {
        self.read.lock().slots.insert((address, slot));
        self.view.storage(address, slot)
    }

    fn code(&self, hash: B256) -> Result<Bytes> {
        let code = self.view.code(hash)?;
        if hash != KECCAK256_EMPTY && !hash.is_zero() {
            self.read.lock().codes.insert(hash, code.clone());
        }
        Ok(code)
    }

    fn block_hash(&self, number: u64) -> Result<B256> {
        let mut read = self.read.lock();
        read.oldest_block = Some(read.oldest_block.map_or(number, |oldest| oldest.min(number)));
        self.view.block_hash(number)
    }
}

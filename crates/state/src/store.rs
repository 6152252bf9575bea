//! The store: one chain's blocks and state, in a directory and above it in memory.
//!
//! - A block enters by [`Store::insert`], into a tree in memory above the committed head. [`Store::set_head`] says which
//!   branch is canonical.
//! - [`Store::commit`] makes a block and its ancestors durable in **one synced transaction** and drops the branches that
//!   it leaves behind. After it returns, a crash of any kind loses nothing of it; before, everything of it.
//! - [`Store::unwind_to`] takes committed blocks back, as deep as the history goes.
//! - [`Store::view`] gives the state after any block in memory, the committed head, or any block within the history.
//!
//! Writing calls (`commit`, `unwind_to`, `set_tag`) wait for the disk: from asynchronous code call them on a thread that may
//! block. They exclude one another; readers never wait for the disk because of them, but for `unwind_to`.

use crate::{
    cache::{CacheSizes, CommitCache},
    commit,
    db::{BlockRef, Db, Snapshot, Table, meta},
    encoding::decode_header,
    error::{Error, Result},
    layer::Layer,
    metrics,
    root::TrieUpdates,
    tree::{Pending, Tree},
    view::{Base, View},
};
use alloy_eips::{Encodable2718 as _, eip4895::Withdrawals};
use alloy_primitives::{Address, B256, Bytes};
use alloy_trie::EMPTY_ROOT_HASH;
use parking_lot::{Mutex, RwLock};
use quick_cache::{Weighter, sync::Cache};
use std::{path::Path, sync::Arc, time::Instant};
use surety_types::{Block, Header, Receipt, StateChanges};

/// Version of what is written.
const FORMAT: u64 = 1;

/// Most bytes of [`ExecutedBlock::aux`].
pub const MAX_AUX_BYTES: usize = 1 << 20;

/// How a store works.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Blocks below the committed head whose state can still be read, and that can be taken back.
    pub history_blocks: u64,
    /// How much is cached.
    pub caches: CacheSizes,
    /// Most bytes that the database may grow to. It reserves as much address space, not memory.
    pub max_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { history_blocks: 10_000, caches: CacheSizes::default(), max_bytes: 256 << 30 }
    }
}

/// The first block of a chain.
#[derive(Debug, Clone)]
pub struct Genesis {
    /// Its header.
    pub header: Header,
    /// Every account with its storage and code.
    pub alloc: StateChanges,
}

/// Where a chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// The head of the canonical branch, in memory or committed.
    Latest,
    /// The newest block that is safe, as the caller means it.
    Safe,
    /// The newest block that is final, as the caller means it.
    Finalized,
}

/// A block that was executed on its parent's view.
#[derive(Debug, Clone)]
pub struct ExecutedBlock {
    /// The block.
    pub block: Block,
    /// keccak256 of its header.
    pub hash: B256,
    /// Senders of its transactions, in order.
    pub senders: Vec<Address>,
    /// Receipts, in order.
    pub receipts: Vec<Receipt>,
    /// What it changed.
    pub changes: StateChanges,
    /// From [`View::root`] of the parent's view with `changes`.
    pub updates: TrieUpdates,
    /// Whatever the caller wants to find with the block, at most [`MAX_AUX_BYTES`].
    pub aux: Bytes,
}

/// A block as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlock {
    /// keccak256 of the header.
    pub hash: B256,
    /// The block.
    pub block: Block,
    /// Senders of its transactions, in order.
    pub senders: Vec<Address>,
    /// Receipts, in order.
    pub receipts: Vec<Receipt>,
    /// The caller's bytes.
    pub aux: Bytes,
}

impl StoredBlock {
    /// Number and hash.
    pub fn at(&self) -> BlockRef {
        BlockRef { number: self.block.header.number, hash: self.hash }
    }
}

/// Blocks that the cache makes ready for; what bounds it are their bytes.
const EXPECTED_BLOCKS: usize = 256;

/// About how many bytes a block takes in memory: full ones are a thousand times as large as empty ones.
#[derive(Debug, Clone)]
pub(crate) struct Weight;

impl Weighter<B256, Arc<StoredBlock>> for Weight {
    fn weight(&self, _: &B256, block: &Arc<StoredBlock>) -> u64 {
        // What the structs themselves take: header and hashes, a transaction with its sender and receipt, a log.
        const BLOCK: usize = 1_024;
        const TRANSACTION: usize = 512;
        const LOG: usize = 128;
        let transactions = block.block.transactions.iter().map(|tx| TRANSACTION.saturating_add(tx.encode_2718_len()));
        let logs = block.receipts.iter().flat_map(|receipt| &receipt.logs);
        let logs = logs.map(|log| LOG.saturating_add(log.data.data.len()));
        let sum = transactions.chain(logs).chain([block.aux.len()]).fold(BLOCK, usize::saturating_add);
        u64::try_from(sum).unwrap_or(u64::MAX)
    }
}

/// One chain's blocks and state. Cheap to clone. See the module's documentation.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) tree: RwLock<Tree>,
    /// Held by whoever changes the database.
    writing: Mutex<()>,
    pub(crate) cache: Arc<CommitCache>,
    pub(crate) blocks: Cache<B256, Arc<StoredBlock>, Weight>,
    genesis: BlockRef,
    config: Config,
    pub(crate) db: Db,
    /// Removed after the database is closed: fields are dropped in this order.
    _temporary: Option<tempfile::TempDir>,
}

impl Store {
    /// Opens the chain in a directory (made if it is not there), or in a temporary one that goes with the store.
    ///
    /// # Errors
    /// The directory is in use, cannot be used, or holds another chain or format; or the genesis header's state root is
    /// not that of its accounts.
    pub fn open(path: Option<&Path>, config: Config, genesis: Genesis) -> Result<Self> {
        let temporary = match path {
            Some(_) => None,
            None => Some(tempfile::tempdir().map_err(|error| Error::Directory {
                path: std::env::temp_dir().display().to_string(),
                reason: error.to_string(),
            })?),
        };
        let directory = path.or(temporary.as_ref().map(tempfile::TempDir::path)).unwrap_or(Path::new("."));
        let db = Db::open(directory, config.max_bytes)?;
        let expected = BlockRef { number: genesis.header.number, hash: genesis.header.hash_slow() };
        let mut snapshot = db.snapshot()?;
        match snapshot.get(Table::Meta, meta::GENESIS)?.map(|b| B256::from_slice(&b)) {
            Some(found) if found != expected.hash => {
                return Err(Error::OtherChain { found, expected: expected.hash });
            }
            Some(_) => match snapshot.number(meta::FORMAT)? {
                Some(FORMAT) => {}
                found => return Err(Error::Format { found: found.unwrap_or_default(), expected: FORMAT }),
            },
            None => {
                write_genesis(&db, &config, snapshot, expected, genesis)?;
                snapshot = db.snapshot()?;
            }
        }
        let tag = |name| snapshot.block_ref(name)?.ok_or(Error::Corrupt("the head is missing"));
        let (head, safe, finalized) = (tag(meta::HEAD)?, tag(meta::SAFE)?, tag(meta::FINALIZED)?);
        // A tag may have run ahead of what was committed when the process ended.
        let reached = |tag: BlockRef| if tag.number > head.number { head } else { tag };
        let inner = Inner {
            tree: RwLock::new(Tree::new(head, reached(safe), reached(finalized))),
            writing: Mutex::new(()),
            cache: Arc::new(CommitCache::new(&config.caches, snapshot.id)),
            blocks: Cache::with_weighter(EXPECTED_BLOCKS, config.caches.block_bytes, Weight),
            genesis: expected,
            config,
            db,
            _temporary: temporary,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The first block.
    pub fn genesis(&self) -> BlockRef {
        self.inner.genesis
    }

    /// Where a tag points.
    pub fn tag(&self, tag: Tag) -> BlockRef {
        self.inner.tree.read().tag(tag)
    }

    /// The head of the canonical branch: [`Tag::Latest`].
    pub fn head(&self) -> BlockRef {
        self.tag(Tag::Latest)
    }

    /// The newest durable block.
    pub fn committed(&self) -> BlockRef {
        self.inner.tree.read().committed
    }

    /// The oldest committed block whose state can be read, and to which [`Store::unwind_to`] can go back.
    ///
    /// # Errors
    /// Only for a failing or damaged database.
    pub fn oldest_state(&self) -> Result<u64> {
        oldest(&self.inner.db.snapshot()?)
    }

    /// Whether the block is in the tree in memory, or is the committed head: whether a block can be put on it.
    pub fn is_parent(&self, hash: B256) -> bool {
        let tree = self.inner.tree.read();
        tree.committed.hash == hash || tree.blocks.contains_key(&hash)
    }

    /// The state after a block.
    ///
    /// # Errors
    /// The block is not known ([`Error::UnknownBlock`]) or its state is pruned ([`Error::Pruned`]).
    pub fn view(&self, hash: B256) -> Result<View> {
        let inner = &self.inner;
        let (snapshot, path) = {
            let tree = inner.tree.read();
            let snapshot = inner.db.snapshot()?;
            let head = snapshot.block_ref(meta::HEAD)?.ok_or(Error::Corrupt("the head is missing"))?;
            (snapshot, tree.path(hash, head.hash).map(|path| (head, path)))
        };
        let base = |snapshot, number, past| Base { snapshot, cache: inner.cache.clone(), number, past };
        if let Some((head, path)) = path {
            let (block, root) = match path.first() {
                Some(p) => (p.block.at(), p.block.block.header.state_root),
                None => (head, header(&snapshot, head.number)?.1.state_root),
            };
            let above = path.iter().map(|p| p.above()).collect();
            return Ok(View::new(block, root, above, base(snapshot, head.number, false)));
        }
        let number = snapshot.get(Table::Numbers, hash.as_slice())?.ok_or(Error::UnknownBlock(hash))?;
        let number = crate::encoding::decode_number(&number)?;
        let oldest = oldest(&snapshot)?;
        if number < oldest {
            return Err(Error::Pruned { number, oldest });
        }
        let root = header(&snapshot, number)?.1.state_root;
        Ok(View::new(BlockRef { number, hash }, root, Vec::new(), base(snapshot, number, true)))
    }

    /// The state after the canonical block with this number.
    ///
    /// # Errors
    /// There is no such block ([`Error::UnknownNumber`]) or its state is pruned ([`Error::Pruned`]).
    pub fn view_at(&self, number: u64) -> Result<View> {
        self.view(self.canonical_hash(number)?.ok_or(Error::UnknownNumber(number))?)
    }

    /// The state after [`Tag::Latest`].
    ///
    /// # Errors
    /// Only for a failing or damaged database.
    pub fn latest(&self) -> Result<View> {
        self.view(self.head().hash)
    }

    /// Puts a block into the tree in memory. What is there or committed already is left as it is.
    ///
    /// # Errors
    /// The parent is not known, or the parts do not fit together.
    pub fn insert(&self, executed: ExecutedBlock) -> Result<()> {
        let ExecutedBlock { block, hash, senders, receipts, changes, updates, aux } = executed;
        if self.inner.tree.read().blocks.contains_key(&hash) || self.is_committed(hash)? {
            return Ok(());
        }
        let count = block.transactions.len();
        if senders.len() != count || receipts.len() != count {
            return Err(Error::Malformed("there must be one sender and one receipt for each transaction"));
        }
        if block.header.hash_slow() != hash {
            return Err(Error::Malformed("the hash is not the header's"));
        }
        if aux.len() > MAX_AUX_BYTES {
            return Err(Error::Malformed("aux is larger than MAX_AUX_BYTES"));
        }
        if updates.state_root != block.header.state_root {
            return Err(Error::StateRoot { header: block.header.state_root, updates: updates.state_root });
        }
        let transactions = (0..).zip(&block.transactions).map(|(i, tx)| (*tx.hash(), i)).collect();
        let layer = Arc::new(Layer::new(changes, updates)?);
        let parent = block.header.parent_hash;
        let number = block.header.number;
        let block = Arc::new(StoredBlock { hash, block, senders, receipts, aux });
        let mut tree = self.inner.tree.write();
        let below = match tree.blocks.get(&parent) {
            Some(pending) => pending.block.block.header.number,
            None if tree.committed.hash == parent => tree.committed.number,
            // Another caller may have committed this very block since the first look.
            None if self.is_committed(hash)? => return Ok(()),
            None => return Err(Error::UnknownParent { block: hash, parent }),
        };
        if below.checked_add(1) != Some(number) {
            return Err(Error::Number { found: number, expected: below.saturating_add(1) });
        }
        tree.blocks.insert(hash, Arc::new(Pending { block, layer, transactions }));
        metrics::pending_blocks(tree.blocks.len());
        Ok(())
    }

    /// Makes the branch that ends in this block canonical. The block is in memory or is the committed head; one below that is
    /// canonical already and left as it is.
    ///
    /// # Errors
    /// The block is none of these.
    pub fn set_head(&self, hash: B256) -> Result<()> {
        let moved = self.inner.tree.write().set_head(hash);
        match moved {
            // Another caller may have committed it, and blocks on it, since it was inserted.
            Err(Error::UnknownBlock(_)) if self.is_committed(hash)? => Ok(()),
            moved => moved,
        }
    }

    /// Makes a block and all its ancestors durable and canonical, in one synced transaction, and drops the branches that
    /// do not descend from it. A block that is committed already is left as it is.
    ///
    /// # Errors
    /// The block is not known, or the database fails; then nothing has changed.
    pub fn commit(&self, hash: B256) -> Result<()> {
        let inner = &self.inner;
        let _writing = inner.writing.lock();
        if self.is_committed(hash)? {
            return Ok(());
        }
        let path = {
            let tree = inner.tree.read();
            let mut path = tree.path(hash, tree.committed.hash).ok_or(Error::UnknownBlock(hash))?;
            path.reverse();
            path
        };
        let Some(last) = path.last() else { return Ok(()) };
        let start = Instant::now();
        let w = inner.db.writer()?;
        let history = commit::keeps_history(&w, inner.config.history_blocks)?;
        for pending in &path {
            commit::write_block(&w, &pending.block, &pending.layer, history)?;
        }
        let head = last.block.at();
        commit::prune(&w, head.number, inner.config.history_blocks, path.len() as u64)?;
        w.commit()?;
        let layers: Vec<_> = path.iter().map(|p| p.layer.clone()).collect();
        inner.cache.advance(inner.db.snapshot()?.id, &layers);
        let pending = {
            let mut tree = inner.tree.write();
            for pending in &path {
                inner.blocks.insert(pending.block.hash, pending.block.clone());
            }
            if tree.path(tree.head.hash, hash).is_none() {
                tree.head = head;
            }
            tree.commit(head);
            tree.blocks.len()
        };
        metrics::committed(start.elapsed(), path.len(), head.number, pending, inner.db.size().ok());
        Ok(())
    }

    /// Takes committed blocks back until `height` is the committed head, and drops everything in memory. Returns what was
    /// canonical above, lowest first. Tags above come down to the new head.
    ///
    /// # Errors
    /// The height is above the head ([`Error::UnknownNumber`]) or below the history ([`Error::Pruned`]).
    pub fn unwind_to(&self, height: u64) -> Result<Vec<Arc<StoredBlock>>> {
        let inner = &self.inner;
        let _writing = inner.writing.lock();
        let mut tree = inner.tree.write();
        let mut removed: Vec<_> = tree.path(tree.head.hash, tree.committed.hash).unwrap_or_default();
        let mut removed: Vec<_> = removed.drain(..).map(|p| p.block.clone()).collect();
        if height > tree.committed.number {
            return Err(Error::UnknownNumber(height));
        }
        let snapshot = inner.db.snapshot()?;
        let oldest = oldest(&snapshot)?;
        if height < oldest {
            return Err(Error::Pruned { number: height, oldest });
        }
        let w = inner.db.writer()?;
        let mut head = tree.committed;
        while head.number > height {
            let block = crate::read::load(&snapshot, head.number)?.ok_or(Error::Corrupt("a block is missing"))?;
            let parent = BlockRef { number: head.number - 1, hash: block.block.header.parent_hash };
            commit::undo_block(&w, &block, parent)?;
            removed.push(Arc::new(block));
            head = parent;
        }
        let lower = |tag: BlockRef| if tag.number > head.number { head } else { tag };
        let (safe, finalized) = (lower(tree.safe), lower(tree.finalized));
        w.put(Table::Meta, meta::SAFE, &safe.encode())?;
        w.put(Table::Meta, meta::FINALIZED, &finalized.encode())?;
        w.commit()?;
        inner.cache.reset(inner.db.snapshot()?.id);
        *tree = Tree::new(head, safe, finalized);
        metrics::unwound(removed.len() as u64, head.number);
        removed.reverse();
        Ok(removed)
    }

    /// Moves [`Tag::Safe`] or [`Tag::Finalized`] to a canonical block, durably. ([`Tag::Latest`] is moved by
    /// [`Store::set_head`].) A tag on a block that is not committed falls back to the committed head at the next start.
    ///
    /// # Errors
    /// The block is not canonical, or the database fails.
    pub fn set_tag(&self, tag: Tag, hash: B256) -> Result<()> {
        let name = match tag {
            Tag::Latest => return self.set_head(hash),
            Tag::Safe => meta::SAFE,
            Tag::Finalized => meta::FINALIZED,
        };
        let inner = &self.inner;
        let _writing = inner.writing.lock();
        let number = self.canonical_number(hash)?.ok_or(Error::UnknownBlock(hash))?;
        let to = BlockRef { number, hash };
        if self.tag(tag) == to {
            return Ok(());
        }
        let w = inner.db.writer()?;
        w.put(Table::Meta, name, &to.encode())?;
        w.commit()?;
        inner.cache.keep(inner.db.snapshot()?.id);
        let mut tree = inner.tree.write();
        match tag {
            Tag::Safe => tree.safe = to,
            _ => tree.finalized = to,
        }
        Ok(())
    }

    fn is_committed(&self, hash: B256) -> Result<bool> {
        Ok(self.inner.db.snapshot()?.get(Table::Numbers, hash.as_slice())?.is_some())
    }
}

pub(crate) fn header(snapshot: &Snapshot, number: u64) -> Result<(B256, Header)> {
    let bytes = snapshot.get(Table::Headers, &number.to_be_bytes())?;
    decode_header(&bytes.ok_or(Error::UnknownNumber(number))?)
}

fn oldest(snapshot: &Snapshot) -> Result<u64> {
    snapshot.number(meta::OLDEST)?.ok_or(Error::Corrupt("the oldest height is missing"))
}

fn write_genesis(db: &Db, config: &Config, empty: Snapshot, at: BlockRef, genesis: Genesis) -> Result<()> {
    let cache =
        Arc::new(CommitCache::new(&CacheSizes { accounts: 1, slots: 1, codes: 1, nodes: 1, block_bytes: 1 }, 0));
    let base = Base { snapshot: empty, cache, number: at.number, past: false };
    let roots = View::new(at, EMPTY_ROOT_HASH, Vec::new(), base).root(&genesis.alloc)?;
    if roots.state_root != genesis.header.state_root {
        return Err(Error::StateRoot { header: genesis.header.state_root, updates: roots.state_root });
    }
    let layer = Layer::new(genesis.alloc, roots.updates)?;
    let withdrawals = genesis.header.withdrawals_root.is_some().then(Withdrawals::default);
    let block = Block { header: genesis.header, transactions: Vec::new(), ommers: Vec::new(), withdrawals };
    let block = StoredBlock { hash: at.hash, block, senders: Vec::new(), receipts: Vec::new(), aux: Bytes::new() };
    let w = db.writer()?;
    commit::write_block(&w, &block, &layer, false)?;
    for (name, value) in [(meta::FORMAT, FORMAT), (meta::OLDEST, at.number)] {
        w.put(Table::Meta, name, &value.to_be_bytes())?;
    }
    for name in [meta::SAFE, meta::FINALIZED] {
        w.put(Table::Meta, name, &at.encode())?;
    }
    w.put(Table::Meta, meta::GENESIS, at.hash.as_slice())?;
    tracing::info!(genesis = %at.hash, history = config.history_blocks, "new chain");
    w.commit()
}

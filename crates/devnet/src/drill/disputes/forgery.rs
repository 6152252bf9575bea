//! What seats sign with their own keys though their nodes would not: batches that say of right data what they do not hold.

use super::super::{DrillError, world::World};
use alloy::sol_types::{SolCall as _, SolStruct as _, SolValue as _};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use std::{collections::BTreeMap, sync::Arc};
use surety_contracts::bindings::{Bridge, Inbox};
use surety_l1::{BlockAt, Call, L1Error};
use surety_node::{
    follower::{Chain, DerivedBatch},
    party::Party,
    poster::{Form, Proposal, TermNow},
};
use surety_rpc::Backend as _;
use surety_state::{BlockRef, Store};
use surety_stf::StateReader as _;
use surety_types::{
    Account, AccountChange, L2Height, MessageIndex, Milliseconds, StateChanges, Term,
    claim::{BlockHashTree, Claim, calldata_data_hash, inbox_tip},
    predeploys,
    signing::{Batch, Domain, Signature, SignatureSet},
};

/// Who steals, on L2, and where the loot is to go on L1.
pub(super) const THIEF: Address = Address::repeat_byte(0x7f);
const LOOT: Address = Address::repeat_byte(0x7e);

/// A block in which the thief has ether that nobody gave it, and has begun to withdraw it.
#[derive(Debug, Clone)]
pub(super) struct Theft {
    pub(super) hash: B256,
    header: Bytes,
    withdrawal: Bridge::WithdrawalTransaction,
    proof: Vec<Bytes>,
}

impl Theft {
    /// What becomes of a block if the thief has its way.
    pub(super) fn in_block(store: &Store, hash: B256, amount: U256) -> Result<Self, DrillError> {
        let block =
            store.block(hash)?.ok_or_else(|| DrillError::Failed(format!("there is no block {hash} to forge")))?;
        let view = store.view(hash)?;
        let withdrawal = Bridge::WithdrawalTransaction {
            nonce: U256::from(1) << 239,
            sender: THIEF,
            target: LOOT,
            value: amount,
            gasLimit: U256::from(100_000),
            data: Bytes::new(),
        };
        let w = &withdrawal;
        let sent = keccak256((w.nonce, w.sender, w.target, w.value, w.gasLimit, w.data.clone()).abi_encode_params());
        let slot = U256::from_be_bytes(keccak256((sent, U256::ZERO).abi_encode()).0);
        let passer = predeploys::L2_TO_L1_MESSAGE_PASSER;
        let changed = |account, storage| AccountChange { account, storage_wiped: false, storage };
        let rich = Account { nonce: 0, balance: amount, code_hash: KECCAK256_EMPTY };
        let accounts = [
            (THIEF, changed(Some(rich), BTreeMap::new())),
            (passer, changed(view.account(passer)?, BTreeMap::from([(slot, U256::from(1))]))),
        ];
        let changes = StateChanges { accounts: accounts.into(), ..StateChanges::default() };
        let roots = view.root(&changes)?;
        let mut header = block.block.header.clone();
        header.withdrawals_root = Some(view.storage_root_after(&roots, passer)?);
        header.state_root = roots.state_root;
        let at = BlockRef { number: header.number, hash: header.hash_slow() };
        let proof = view.with(at, changes, roots.updates)?.proof(passer, &[slot])?;
        let proof = proof.storage.into_iter().flat_map(|slot| slot.proof).collect();
        Ok(Self { hash: at.hash, header: alloy_rlp::encode(&header).into(), withdrawal, proof })
    }

    /// The call that would pay it out.
    pub(super) fn withdraw(&self, claim: &Claim) -> Bytes {
        let call = Bridge::withdrawCall {
            withdrawal: self.withdrawal.clone(),
            claim: claim.into(),
            header: self.header.clone(),
            storageProof: self.proof.clone(),
        };
        call.abi_encode().into()
    }
}

/// A batch that is to be posted.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) statement: Batch,
    /// What its claim stands on.
    pub(super) parent: Claim,
    pub(super) hashes: Vec<B256>,
    payload: Bytes,
}

impl Draft {
    /// What honest seats would sign next if batches had about so many blocks.
    pub(super) fn honest(world: &World, tip: &DerivedBatch, blocks: u64) -> Result<Self, DrillError> {
        let failed = |what: &str| DrillError::Failed(format!("a batch to sign: {what}"));
        let chain = world.network.chain();
        let seat = world.network.seats().first().ok_or_else(|| failed("no seat is left"))?.backend();
        let derived = Chain::new(seat.store().clone(), Arc::new(chain.parameters.clone()));
        let term = term_of(&derived, tip.last.next())?.ok_or_else(|| failed("there are no blocks"))?;
        let until = L2Height::new(seat.store().committed().number);
        let age = Milliseconds::new(chain.parameters.block_time.get().saturating_mul(blocks));
        let made = Proposal::make(&derived, tip, term, (age, until), Form::Calldata, |_, _| true);
        let made =
            made.map_err(|error| failed(&error.to_string()))?.ok_or_else(|| failed("there are not enough blocks"))?;
        if made.form != Form::Calldata {
            return Err(failed("it does not fit into call data"));
        }
        let mut hashes = Vec::new();
        for height in made.statement.firstHeight..=made.statement.lastHeight {
            hashes.push(seat.store().canonical_hash(height)?.ok_or_else(|| failed("a block is missing"))?);
        }
        Ok(Self { statement: made.statement, parent: tip.claim, hashes, payload: made.payload })
    }

    /// The same, but for the hash of its last block.
    pub(super) fn ending_in(mut self, hash: B256) -> Self {
        if let Some(last) = self.hashes.last_mut() {
            *last = hash;
        }
        self.statement.lastHash = hash;
        self.statement.blockHashRoot = BlockHashTree::new(&self.hashes).map(|tree| tree.root()).unwrap_or_default();
        self
    }

    /// The same, but for the data, which hold nothing.
    pub(super) fn without_data(mut self) -> Self {
        self.payload = Bytes::from_static(&[0x5a; 256]);
        self.statement.dataHash = calldata_data_hash(&self.payload).unwrap_or_default();
        self
    }

    /// The same on another claim.
    pub(super) fn on(mut self, parent: Claim) -> Self {
        (self.statement.parentClaim, self.statement.prevHash) = (parent.id(), parent.last_hash);
        self.parent = parent;
        self
    }

    pub(super) fn claim(&self) -> Claim {
        Claim::stated(self.parent.batch_index.next(), &self.statement)
    }

    /// What derivation makes of the batch, of which this is the right draft, after `posted` was posted.
    pub(super) fn derived(&self, tip: &DerivedBatch, posted: &Batch) -> DerivedBatch {
        let s = &self.statement;
        DerivedBatch {
            index: tip.index.next(),
            claim: self.claim(),
            tip: inbox_tip(tip.tip, posted.eip712_hash_struct()),
            last: L2Height::new(s.lastHeight),
            last_hash: s.lastHash,
            messages: MessageIndex::new(s.messageCount),
            acc: s.messageAcc,
            ..*tip
        }
    }

    /// Has these seats sign it, and posts it. The transaction and its block.
    pub(super) async fn post(
        &self,
        world: &World,
        poster: &Party,
        signers: &[usize],
    ) -> Result<(B256, u64), DrillError> {
        let failed = |what: String| DrillError::Failed(format!("posting a batch: {what}"));
        let chain = world.network.chain();
        let digest = Domain::new(chain.l1_chain_id, chain.addresses.registry).digest(&self.statement);
        let sign = |place: &usize| {
            let key = world.network.vote_key(*place)?;
            Some((*place, Signature::sign(key, &digest)?))
        };
        let signed: Option<Vec<_>> = signers.iter().map(sign).collect();
        let signatures = SignatureSet::from_places(signed.ok_or_else(|| failed("a seat cannot sign".into()))?);
        let tree = BlockHashTree::new(&self.hashes).ok_or_else(|| failed("no blocks".into()))?;
        let call = Inbox::postBatchCall {
            statement: self.statement.clone().into(),
            parent: (&self.parent).into(),
            leftSiblings: tree.left_siblings(),
            signers: signatures.signers,
            signatures: signatures.to_bytes(),
            data: self.payload.clone(),
        };
        let (inbox, input) = (chain.addresses.inbox, Bytes::from(call.abi_encode()));
        let sent = poster.send(inbox.into(), U256::ZERO, input.clone()).await;
        match sent.map_err(|error| failed(error.to_string()))? {
            Some(included) => Ok((included.transaction, included.inclusion.block_number.get())),
            None => Err(failed(refusal(world, inbox, input).await?.unwrap_or_else(|| "it came too late".into()))),
        }
    }
}

/// The term of a block, and the hash of the last block before the term; `None` if there is no such block.
fn term_of(chain: &Chain, height: L2Height) -> Result<Option<TermNow>, DrillError> {
    let term = |height: L2Height| -> Result<Option<(Term, B256)>, DrillError> {
        let Some(hash) = chain.store().canonical_hash(height.get())? else { return Ok(None) };
        let context = chain.context(height, hash).map_err(|error| DrillError::Failed(error.to_string()))?;
        Ok(context.map(|context| (context.term, hash)))
    };
    let Some((now, _)) = term(height)? else { return Ok(None) };
    let mut before = height;
    while let Some(below) = before.checked_sub(1) {
        before = below;
        if term(before)?.is_none_or(|(term, _)| term != now) {
            break;
        }
    }
    let genesis = chain.store().canonical_hash(before.get())?;
    Ok(genesis.map(|genesis| TermNow { term: now, genesis }))
}

/// The same at the first seat.
pub(super) fn term_at(world: &World, height: L2Height) -> Result<Option<TermNow>, DrillError> {
    let Some(seat) = world.network.seats().first() else { return Ok(None) };
    let parameters = Arc::new(world.network.chain().parameters.clone());
    term_of(&Chain::new(seat.backend().store().clone(), parameters), height)
}

/// Why L1 would not take a call; `None` if it would.
pub(super) async fn refusal(world: &World, to: Address, input: Bytes) -> Result<Option<String>, DrillError> {
    let call = Call { to: Some(to), input, ..Call::default() };
    match world.view.l1.call(&call, BlockAt::Latest).await {
        Ok(_) => Ok(None),
        Err(L1Error::Reverted { revert, .. }) => Ok(Some(revert.to_string())),
        Err(error) => Err(error.into()),
    }
}

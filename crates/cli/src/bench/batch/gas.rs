//! What a batch costs on L1: it is posted, with its blobs and a quorum's signatures, to the contracts on an embedded L1.

use alloy::{signers::local::PrivateKeySigner, sol_types::SolCall as _};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use anyhow::{Context as _, Result, ensure};
use k256::ecdsa::SigningKey;
use std::{path::Path, sync::Arc, time::Duration};
use surety_contracts::{
    ChainFile, FoundingSeat, Parameters, Profile,
    bindings::Inbox::{pokeCall, postBatchCall},
    genesis::L2Genesis,
};
use surety_devnet::{
    deploy::{DeployRequest, deploy, predict},
    l1::{Config, EmbeddedL1, EmbeddedL1Handle, dev_accounts},
};
use surety_l1::{
    BlockAt, L1,
    blobs::versioned_hash,
    chain::Blob,
    contracts::Contracts,
    rpc::{RpcConfig, RpcL1},
    submit::{Included, Outgoing, SubmitConfig, Submitter},
};
use surety_stf::batch::pack_blobs;
use surety_types::{
    BatchIndex, RollupId,
    claim::{BlockHashTree, Claim, blob_data_hash},
    signing::{self, Domain, Signature, SignatureSet, quorum},
};

/// The rollup's name in what is signed.
const ROLLUP: u64 = 75_873;
/// Messages whose accumulators the inbox keeps: their places have all been written once in the steady state.
const RING: u64 = 256;
/// Blocks of a batch that takes messages along; it has no meaning, and costs what every batch costs.
const FILLER: usize = 300;
/// Gas of a message that the inbox sends to itself, with room for a place that was never written.
const POKE_GAS: u64 = 200_000;
const SLOT: Duration = Duration::from_secs(1);

/// What of a batch matters to L1.
pub(super) struct Batch {
    pub(super) blocks: usize,
    pub(super) transactions: usize,
    pub(super) payload: Vec<u8>,
}

/// Gas of a transaction that posts each of the batches, when as many seats are registered: each in the steady state, that is, the
/// least of three posts in a row, of which the first may begin a term or end a wait.
///
/// # Errors
/// L1's, and a batch that L1 refuses.
pub(super) async fn of(seats: usize, batches: &[Batch], directory: &Path) -> Result<Vec<u64>> {
    let mut chain = Chain::found(seats, directory).await?;
    for message in 0..RING {
        chain
            .send(Outgoing { input: pokeCall {}.abi_encode().into(), gas_limit: Some(POKE_GAS), ..chain.to_inbox() })
            .await?;
        if message % 64 == 63 {
            chain.post(&Batch { blocks: FILLER, transactions: 0, payload: vec![0] }).await?;
        }
    }
    let mut used = Vec::new();
    for batch in batches {
        let mut least = u64::MAX;
        for _ in 0..3 {
            least = least.min(chain.post(batch).await?);
        }
        used.push(least);
    }
    chain.l1.stop().await;
    Ok(used)
}

/// A chain on an embedded L1, of which nothing runs.
struct Chain {
    l1: EmbeddedL1Handle,
    client: Arc<dyn L1>,
    submitter: Submitter,
    file: ChainFile,
    keys: Vec<SigningKey>,
    /// The claim of the last batch.
    head: Claim,
}

impl Chain {
    async fn found(seats: usize, directory: &Path) -> Result<Self> {
        let l1 = EmbeddedL1::start(Config { slot_time: SLOT.as_secs(), ..Config::default() }).await?;
        let client: Arc<dyn L1> = Arc::new(RpcL1::new(RpcConfig::new(l1.rpc_url(), [l1.beacon_url()]), None)?);
        let deployer: PrivateKeySigner = dev_accounts()?.pop().context("there is no dev account")?;
        let there = predict(&*client, deployer.address()).await?;
        let secret = |what: &str, seat| keccak256(format!("surety bench {what} {seat}"));
        let keys: Vec<_> =
            (0..seats).map(|seat| SigningKey::from_slice(secret("vote", seat).as_slice())).collect::<Result<_, _>>()?;
        let founding = keys.iter().enumerate().map(|(seat, key)| {
            let owner = Address::from_word(secret("owner", seat));
            FoundingSeat::prove(there.l1_chain_id, there.addresses.registry, owner, key, secret("peer", seat))
        });
        let protocol = Parameters::of(Profile::Ci, ROLLUP);
        let genesis_time = client.block(BlockAt::Latest).await?.context("L1 has no block")?.time;
        let request = DeployRequest {
            deployer: deployer.clone(),
            parameters: protocol.chain(genesis_time),
            protocol,
            genesis: L2Genesis::new(ROLLUP),
            seats: founding.collect::<Option<_>>().context("a key cannot sign")?,
            journal: directory.join("deployer"),
        };
        let file = deploy(client.clone(), request).await?;
        let settings = SubmitConfig {
            daily_budget: U256::MAX,
            max_underway: usize::MAX,
            ..SubmitConfig::new(directory.join("poster")).for_slot_time(SLOT / 5)
        };
        let poster = dev_accounts()?.swap_remove(0);
        let submitter = Submitter::open(client.clone(), Arc::new(poster), settings).await?;
        let head = Claim::genesis(RollupId::new(ROLLUP), file.parameters.genesis_hash);
        Ok(Self { l1, client, submitter, file, keys, head })
    }

    fn to_inbox(&self) -> Outgoing {
        Outgoing { to: TxKind::Call(self.file.addresses.inbox), ..Outgoing::default() }
    }

    /// Sends a transaction and has L1 make a block with it. Its gas.
    async fn send(&self, outgoing: Outgoing) -> Result<u64> {
        let ticket = self.submitter.send(outgoing).await?;
        self.l1.control().mine(1).await?;
        let included = self.submitter.wait(ticket).await?;
        let Included { transaction, inclusion } = included;
        ensure!(inclusion.success, "transaction {transaction} failed on L1 after {} gas", inclusion.gas_used);
        Ok(inclusion.gas_used)
    }

    /// Posts a batch of the next blocks, whatever they are. Its gas.
    async fn post(&mut self, batch: &Batch) -> Result<u64> {
        self.pass(batch.blocks as u64).await?;
        let contracts = Contracts::new(&*self.client, self.file.addresses);
        let now = self.client.block(BlockAt::Latest).await?.context("L1 has no block")?;
        let at = BlockAt::Hash(now.hash);
        let inbox = contracts.inbox_head(at).await?;
        let (first, last) = (inbox.last_height.get() + 1, inbox.last_height.get() + batch.blocks as u64);
        let hashes: Vec<B256> = (first..=last).map(|height| keccak256(height.to_be_bytes())).collect();
        let tree = BlockHashTree::new(&hashes).context("a batch has 1 to 2^15 blocks")?;
        let blobs = pack_blobs(&batch.payload)?
            .into_iter()
            .map(|blob| Ok(Blob::from(<[u8; 131_072]>::try_from(blob).ok().context("a blob has another size")?)))
            .collect::<Result<Vec<_>>>()?;
        let versioned: Option<Vec<_>> = blobs.iter().map(versioned_hash).collect();
        let statement = signing::Batch {
            rollup: ROLLUP,
            term: contracts.current_term(at).await?.get(),
            genesis: self.file.parameters.genesis_hash,
            firstHeight: first,
            lastHeight: last,
            parentClaim: self.head.id(),
            prevHash: self.head.last_hash,
            lastHash: hashes.last().copied().unwrap_or_default(),
            blockHashRoot: tree.root(),
            lastBlockTime: now.time.get(),
            messageCount: inbox.sent.get(),
            messageAcc: inbox.acc,
            inboxTip: inbox.tip,
            dataHash: blob_data_hash(&versioned.context("a blob is none")?),
        };
        let digest = Domain::new(self.file.l1_chain_id, self.file.addresses.registry).digest(&statement);
        let needed = quorum(self.keys.len() as u32) as usize;
        let signed = self.keys.iter().take(needed).map(|key| Signature::sign(key, &digest)).enumerate();
        let signatures = SignatureSet::from_places(signed.filter_map(|(place, one)| Some((place, one?))));
        let call = postBatchCall {
            statement: statement.clone().into(),
            parent: (&self.head).into(),
            leftSiblings: tree.left_siblings(),
            signers: signatures.signers,
            signatures: signatures.to_bytes(),
            data: Bytes::new(),
        };
        let used = self.send(Outgoing { input: call.abi_encode().into(), blobs, ..self.to_inbox() }).await?;
        self.head = Claim::stated(BatchIndex::new(inbox.batch_index.get() + 1), &statement);
        Ok(used)
    }

    /// Lets time pass on L1 until so many more blocks of L2 can have been made.
    async fn pass(&self, blocks: u64) -> Result<()> {
        let contracts = Contracts::new(&*self.client, self.file.addresses);
        let last = contracts.inbox_head(BlockAt::Latest).await?.last_height.get() + blocks;
        let until = self.file.parameters.genesis_time.get() + last * self.file.protocol.block_time_millis / 1000;
        let now = self.client.block(BlockAt::Latest).await?.context("L1 has no block")?.time.get();
        if until > now {
            self.l1.control().mine((until - now).div_ceil(SLOT.as_secs())).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_batch_in_one_blob_is_posted_and_costs_what_a_batch_may() {
        let directory = tempfile::tempdir().unwrap();
        let batches = [Batch { blocks: 30, transactions: 0, payload: vec![7; 1_000] }];
        let used = of(4, &batches, directory.path()).await.unwrap();
        assert!(used.len() == 1 && (100_000..350_000).contains(&used[0]), "{used:?}");
    }
}

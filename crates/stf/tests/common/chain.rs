//! A small chain whose blocks the program judges as they are executed.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses a part")]

use super::{Key, World, l2_world, parameters};
use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use alloy_sol_types::SolStruct;
use alloy_trie::{HashBuilder, Nibbles, TrieAccount, proof::ProofRetainer};
use proptest::{collection::vec, prelude::*, sample::Index};
use std::{cell::RefCell, collections::BTreeMap};
use surety_stf::{
    Oracle, StateReader as _,
    batch::{BatchBlock, Body, encode_payload, pack_blobs},
    derive::{Data, Derivation, Position, Start},
    execute::op::{L1Attributes, genesis_block, seal},
    program::{self, Input},
    transition::{apply, transition},
    witness::{ProvenBlob, Witness},
};
use surety_types::{
    ChainParameters, ConsensusContext, Gas, Header, L1Height, L2Height, Message, MessageKind, Milliseconds, Seconds,
    Term, Transaction, View,
    claim::{blob_data_hash, calldata_data_hash, leaf_hash, node_hash},
    predeploys,
    signing::Batch,
};

#[derive(Debug, thiserror::Error)]
#[error("not in the witness")]
pub struct Absent;

/// Everything that an oracle may be asked.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub preimages: BTreeMap<B256, Bytes>,
    pub blobs: BTreeMap<B256, ProvenBlob>,
}

impl Oracle for Known {
    type Error = Absent;
    fn preimage(&self, hash: B256) -> Result<Bytes, Absent> {
        self.preimages.get(&hash).cloned().ok_or(Absent)
    }
    fn blob(&self, hash: B256) -> Result<Bytes, Absent> {
        self.blobs.get(&hash).map(|blob| blob.data.clone()).ok_or(Absent)
    }
}

/// A blob with its commitment and proof.
fn prove(data: &[u8]) -> ProvenBlob {
    let settings = c_kzg::ethereum_kzg_settings(0);
    let blob = c_kzg::Blob::from_bytes(data).unwrap();
    let commitment = settings.blob_to_kzg_commitment(&blob).unwrap().to_bytes();
    let proof = settings.compute_blob_kzg_proof(&blob, &commitment).unwrap().to_bytes();
    ProvenBlob {
        commitment: commitment.into_inner().into(),
        proof: proof.into_inner().into(),
        data: Bytes::copy_from_slice(data),
    }
}

/// Notes what is asked.
struct Recorder<'a> {
    known: &'a Known,
    asked: RefCell<Known>,
}

impl Oracle for Recorder<'_> {
    type Error = Absent;
    fn preimage(&self, hash: B256) -> Result<Bytes, Absent> {
        let bytes = self.known.preimage(hash)?;
        self.asked.borrow_mut().preimages.insert(hash, bytes.clone());
        Ok(bytes)
    }
    fn blob(&self, hash: B256) -> Result<Bytes, Absent> {
        let blob = self.known.blobs.get(&hash).ok_or(Absent)?;
        self.asked.borrow_mut().blobs.insert(hash, blob.clone());
        Ok(blob.data.clone())
    }
}

impl Known {
    fn keep(&mut self, bytes: impl Into<Bytes>) -> B256 {
        let bytes = bytes.into();
        let hash = keccak256(&bytes);
        self.preimages.insert(hash, bytes);
        hash
    }

    fn keep_trie(&mut self, leaves: BTreeMap<B256, Vec<u8>>) {
        let keys = leaves.keys().map(Nibbles::unpack).collect();
        let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(keys));
        for (key, value) in leaves {
            builder.add_leaf(Nibbles::unpack(key), &value);
        }
        builder.root();
        for (_, node) in builder.take_proof_nodes().into_inner() {
            self.keep(node);
        }
    }

    /// All tries and code of a state.
    fn keep_state(&mut self, world: &World) {
        let mut accounts = BTreeMap::new();
        for (address, entry) in &world.accounts {
            self.keep_trie(
                entry.storage.iter().map(|(k, v)| (keccak256(k.to_be_bytes::<32>()), alloy_rlp::encode(v))).collect(),
            );
            let account = TrieAccount {
                nonce: entry.account.nonce,
                balance: entry.account.balance,
                storage_root: world.storage_root(*address),
                code_hash: entry.account.code_hash,
            };
            accounts.insert(keccak256(address), alloy_rlp::encode(account));
        }
        self.keep_trie(accounts);
        world.code.values().for_each(|code| {
            self.keep(code.clone());
        });
    }

    /// Keeps data and gives their hash.
    fn keep_data(&mut self, data: &Data) -> B256 {
        match data {
            Data::None => B256::ZERO,
            Data::Blobs(blobs) => {
                let proven: Vec<_> = blobs.iter().map(|blob| prove(blob)).collect();
                let hashes: Vec<_> = proven.iter().map(ProvenBlob::versioned_hash).collect();
                self.blobs.extend(hashes.iter().copied().zip(proven));
                let commitment: Vec<u8> = [1].into_iter().chain(hashes.iter().flat_map(|h| h.0)).collect();
                let hash = self.keep(commitment);
                assert_eq!(hash, blob_data_hash(&hashes));
                hash
            }
            Data::Calldata(bytes) => {
                let mut pages: Vec<Vec<u8>> = bytes.chunks(4096).map(<[u8]>::to_vec).collect();
                pages.last_mut().unwrap().resize(4096, 0);
                pages.resize(pages.len().next_power_of_two(), vec![0; 4096]);
                let mut level: Vec<B256> = pages
                    .iter()
                    .map(|page| {
                        self.keep([&[0], &page[..]].concat());
                        leaf_hash(page)
                    })
                    .collect();
                while level.len() > 1 {
                    level = level
                        .chunks(2)
                        .map(|pair| {
                            self.keep([&[1][..], pair[0].as_slice(), pair[1].as_slice()].concat());
                            node_hash(pair[0], pair[1])
                        })
                        .collect();
                }
                let hash = self.keep([&[2][..], &(bytes.len() as u64).to_be_bytes(), level[0].as_slice()].concat());
                assert_eq!(Some(hash), calldata_data_hash(bytes));
                hash
            }
        }
    }
}

/// What the program was asked of a block, and its answer.
#[derive(Debug)]
pub struct Judged {
    pub parameters: ChainParameters,
    pub statement: Batch,
    pub before_batch: B256,
    pub height: L2Height,
    pub parent_hash: B256,
    /// All that it asked for.
    pub witness: Known,
    pub hash: B256,
    pub gas_used: u64,
    /// Whether the block's list could not be executed.
    pub invalid: bool,
}

impl Judged {
    /// The transition once more, from the witness alone.
    fn again(&self) -> B256 {
        let Self { parameters, statement, before_batch, height, parent_hash, witness, .. } = self;
        transition(parameters, witness, statement, *before_batch, *height, *parent_hash).unwrap()
    }

    /// The witness as hosts write it.
    pub fn to_witness(&self) -> Witness {
        let input = Input {
            parameters: self.parameters.hash(),
            statement: self.statement.eip712_hash_struct(),
            before_batch: self.before_batch,
            height: self.height,
            parent: self.parent_hash,
        };
        let mut witness = Witness::new(input.hash());
        for bytes in [&input.to_bytes()[..], &self.parameters.to_preimage(), &self.statement.to_preimage()] {
            witness.insert(bytes.to_vec());
        }
        self.witness.preimages.values().for_each(|bytes| {
            witness.insert(bytes.clone());
        });
        self.witness.blobs.values().for_each(|blob| {
            witness.insert_blob(blob.clone());
        });
        witness
    }

    /// The program's answer from a witness that was written and read.
    fn as_program(&self) -> B256 {
        let witness = Witness::decode(self.to_witness().encode().into()).unwrap();
        program::run(&witness, witness.input).unwrap()
    }
}

/// The blocks of a batch by chance: for each transaction who sends it, whether its nonce is wrong (3) and how far back it asks;
/// and how many messages the block takes.
type RandomBlocks = Vec<(Vec<(usize, u64, u64)>, u64)>;

/// Batches by chance of two senders, of fewer than `most` blocks each and fewer than `most` of them, with the form of their data.
pub fn random_batches(most: usize) -> impl Strategy<Value = Vec<(RandomBlocks, Form)>> {
    let block = (vec((0usize..2, 0u64..4, 0u64..6), 0..3), 0u64..3);
    vec((vec(block, 1..most), any_form()), 1..most)
}

/// A chain with everything that its oracle knows.
pub struct Chain {
    pub parameters: ChainParameters,
    pub world: World,
    pub head: Header,
    pub context: Option<ConsensusContext>,
    known: Known,
}

impl Chain {
    pub fn new(keys: &[Key]) -> Self {
        let funded: Vec<_> = keys.iter().map(Key::address).collect();
        let mut world = l2_world(&funded);
        world.put(TARGET, U256::ZERO, 1, TARGET_CODE.into());
        Self::on(world)
    }

    /// A chain that begins with this state.
    pub fn on(world: World) -> Self {
        Self::with(parameters(), world)
    }

    /// As [`Self::on`], with other parameters.
    pub fn with(parameters: ChainParameters, mut world: World) -> Self {
        let head =
            genesis_block(&parameters, world.root(), world.storage_root(predeploys::L2_TO_L1_MESSAGE_PASSER)).header;
        world.hashes.insert(0, head.hash_slow());
        let mut this = Self { parameters, world, head, context: None, known: Known::default() };
        this.keep();
        this
    }

    /// Has the chain begin with another base fee.
    pub fn with_base_fee(mut self, wei: u64) -> Self {
        self.head.base_fee_per_gas = Some(wei);
        self.world.hashes.insert(0, self.head.hash_slow());
        self.keep();
        self
    }

    fn keep(&mut self) {
        self.known.keep(alloy_rlp::encode(&self.head));
        self.known.keep_state(&self.world);
        if let Some(context) = self.context {
            self.known.keep(context.to_preimage());
        }
    }

    /// Keeps a message that the inbox takes at a position; gives the next one.
    fn keep_message(&mut self, before: Position, message: &Message) -> Position {
        self.known.keep(message.data.clone());
        let hash = self.known.keep(message.to_preimage());
        let after = before.after(message);
        assert_eq!(self.known.keep([before.acc.0, hash.0].concat()), after.acc);
        after
    }

    pub fn position(&self) -> Position {
        let a = L1Attributes::read(&self.world).unwrap();
        Position { count: a.message_count, acc: a.message_acc }
    }

    /// Posts a batch, executes it natively and by the program, and compares; gives what the program was asked and answered.
    pub fn post(&mut self, rows: &[BatchBlock], new: Vec<Message>, form: Form, last_time: Option<u64>) -> Vec<Judged> {
        let start = Start::new(&self.head, self.context.as_ref(), self.position());
        let end = new.iter().fold(start.position, |position, message| self.keep_message(position, message));
        let data = self.data(rows, form);
        let before_batch = self.head.hash_slow();
        let statement = Batch {
            rollup: self.parameters.rollup.get(),
            term: 1,
            genesis: B256::ZERO,
            firstHeight: self.head.number + 1,
            lastHeight: self.head.number + rows.len() as u64,
            parentClaim: B256::ZERO,
            prevHash: before_batch,
            lastHash: B256::ZERO,
            blockHashRoot: B256::ZERO,
            lastBlockTime: last_time.unwrap_or(rows.last().unwrap().context.milliseconds.to_seconds().get()),
            messageCount: end.count.get(),
            messageAcc: end.acc,
            inboxTip: B256::ZERO,
            dataHash: self.known.keep_data(&data),
        };
        let derivation = Derivation::new(&self.parameters, &statement, &data, new, &start).unwrap();
        let mut judged_blocks = vec![];
        for height in statement.firstHeight..=statement.lastHeight {
            let height = L2Height::new(height);
            let parent_hash = self.head.hash_slow();
            // The program has what was known before the block.
            let recorder = Recorder { known: &self.known, asked: RefCell::default() };
            let judged =
                transition(&self.parameters, &recorder, &statement, before_batch, height, parent_hash).unwrap();
            let witness = recorder.asked.into_inner();
            let statement = statement.clone();
            let (hash, gas_used, invalid) = (judged, 0, false);
            let parameters = self.parameters.clone();
            let asked =
                Judged { parameters, statement, before_batch, height, parent_hash, witness, hash, gas_used, invalid };
            let by_program = asked.as_program();
            let applied =
                apply(&self.parameters, &derivation, height, &self.head, parent_hash, &self.world).unwrap().unwrap();
            self.world.apply(&applied.executed.changes);
            let passer = self.world.storage_root(predeploys::L2_TO_L1_MESSAGE_PASSER);
            let block = seal(&applied.executed, self.world.root(), passer);
            assert_eq!(
                (judged, asked.again(), by_program),
                (block.hash(), block.hash(), block.hash()),
                "height {height}"
            );
            self.head = block.header;
            self.context = applied.payload.context;
            self.world.hashes.insert(self.head.number, judged);
            self.keep();
            let (gas_used, invalid) = (self.head.gas_used, applied.invalid.is_some());
            judged_blocks.push(Judged { gas_used, invalid, ..asked });
        }
        assert_eq!(self.position(), end);
        judged_blocks
    }

    /// What is posted for blocks that are these.
    fn data(&self, rows: &[BatchBlock], form: Form) -> Data {
        // Of no blocks there is no body.
        let encode = |blocks: Vec<BatchBlock>| {
            let body = if blocks.is_empty() { Ok(vec![]) } else { Body { blocks }.encode(self.parameters.rollup) };
            encode_payload(&body.unwrap())
        };
        let posted = |payload: Vec<u8>, packed: bool| match packed {
            true => Data::Blobs(pack_blobs(&payload).unwrap()),
            false => Data::Calldata(payload),
        };
        match form {
            Form::Nothing => Data::None,
            Form::Calldata => posted(encode(rows.to_vec()), false),
            Form::Blobs => posted(encode(rows.to_vec()), true),
            Form::Bytes(bytes, packed) => posted(bytes, packed),
            Form::Byte(at, xor, false) => {
                let mut payload = encode(rows.to_vec());
                let at = at.index(payload.len());
                payload[at] ^= xor;
                posted(payload, false)
            }
            Form::Byte(at, xor, true) => {
                let payload = encode(rows.to_vec());
                let mut blobs = pack_blobs(&payload).unwrap();
                // Where the payload lies, with the byte before each element that is zero. (Such an element stays a field element.)
                let at = at.index((payload.len() + 4).div_ceil(31) * 32);
                blobs[0][at] ^= xor;
                Data::Blobs(blobs)
            }
            Form::Rows(bend) => posted(encode(bend.apply(rows, &self.row(1, 0, vec![]))), false),
        }
    }

    pub fn row(&self, n: u64, messages: u64, transactions: Vec<Transaction>) -> BatchBlock {
        let time = surety_stf::payload::parent_milliseconds(&self.head, self.context.as_ref());
        let view = self.head.number + n;
        BatchBlock {
            context: ConsensusContext {
                rollup: self.parameters.rollup,
                term: Term::new(1),
                view: View::new(view),
                parent_view: View::new(view - 1),
                milliseconds: Milliseconds::new(time.get() + 200 * n),
            },
            beneficiary: Address::repeat_byte(n as u8),
            messages,
            transactions,
        }
    }

    /// What [`Self::post`] takes for blocks by chance: rows, messages and the last block's time.
    pub fn random_batch(
        &self,
        keys: &[Key],
        blocks: RandomBlocks,
        form: &Form,
    ) -> (Vec<BatchBlock>, Vec<Message>, Option<u64>) {
        let (mut rows, mut messages) = (vec![], vec![]);
        let mut nonces: Vec<u64> =
            keys.iter().map(|key| self.world.account(key.address()).unwrap().unwrap().nonce).collect();
        for (n, (list, count)) in (1u64..).zip(blocks) {
            // Mostly the right nonce, now and then one that makes the block invalid.
            let list = list.into_iter().map(|(who, skip, back)| {
                let nonce = nonces[who] + u64::from(skip == 3);
                nonces[who] += 1;
                ask(&keys[who], nonce, back)
            });
            rows.push(self.row(n, count, list.collect()));
            for i in 0..count {
                messages.push(self.message(messages.len() as u64, Address::repeat_byte(0x80 + i as u8), n, 50_000));
            }
        }
        if matches!(form, Form::Nothing) {
            rows.truncate(1);
        }
        let time = matches!(form, Form::Nothing | Form::Bytes(..)).then(|| self.head.timestamp + 2);
        (rows, messages, time)
    }

    pub fn message(&self, n: u64, to: Address, mint: u64, gas: u64) -> Message {
        Message {
            kind: MessageKind::Deposit,
            index: self.position().count.saturating_add(n),
            l1_block: L1Height::new(5),
            l1_time: Seconds::new(1_600_000_000),
            sender: Address::repeat_byte(0x61),
            to,
            value: U256::from(mint),
            mint: U256::from(mint),
            gas: Gas::new(gas),
            data: Bytes::new(),
        }
    }
}

/// How a batch's data are posted.
#[derive(Debug, Clone)]
pub enum Form {
    Nothing,
    Calldata,
    Blobs,
    /// Any bytes, in blobs or not.
    Bytes(Vec<u8>, bool),
    /// Data in which one byte differs, in blobs or not.
    Byte(Index, u8, bool),
    /// Data of other blocks than the statement's.
    Rows(Bend),
}

/// What is wrong with the blocks that the data hold; each goes against one of derivation's checks.
#[derive(Debug, Clone, Copy)]
pub enum Bend {
    OneLess,
    OneMore,
    /// The first block is not a block time after its parent.
    Early,
    /// The last block is not at the statement's time.
    Late,
    /// The last block consumes one message less, or one more.
    MessageLess,
    MessageMore,
    /// The first block consumes all messages; they may be too many.
    MessagesAtOnce,
    /// A count beyond all numbers.
    MessagesWithoutEnd,
}

impl Bend {
    fn apply(self, rows: &[BatchBlock], first: &BatchBlock) -> Vec<BatchBlock> {
        let mut rows = rows.to_vec();
        let all = rows.iter().map(|row| row.messages).sum();
        match (self, rows.len()) {
            (Self::OneLess, _) => drop(rows.pop()),
            (Self::OneMore, _) => rows.push(first.clone()),
            (Self::Early, _) => rows[0].context.milliseconds = Milliseconds::new(first.context.milliseconds.get() - 1),
            (Self::Late, n) => {
                let time = &mut rows[n - 1].context.milliseconds;
                *time = Milliseconds::new(time.get() + 1000);
            }
            (Self::MessageLess, n) => rows[n - 1].messages = rows[n - 1].messages.saturating_sub(1),
            (Self::MessageMore, n) => rows[n - 1].messages += 1,
            (Self::MessagesAtOnce, _) => {
                rows.iter_mut().for_each(|row| row.messages = 0);
                rows[0].messages = all;
            }
            (Self::MessagesWithoutEnd, _) => rows[0].messages = u64::MAX,
        }
        rows
    }
}

fn any_form() -> impl Strategy<Value = Form> {
    let bend = prop_oneof![
        Just(Bend::OneLess),
        Just(Bend::OneMore),
        Just(Bend::Early),
        Just(Bend::Late),
        Just(Bend::MessageLess),
        Just(Bend::MessageMore),
        Just(Bend::MessagesAtOnce),
        Just(Bend::MessagesWithoutEnd)
    ];
    // As often bytes that begin as a payload does.
    let bytes =
        prop_oneof![vec(any::<u8>(), 1..300), vec(any::<u8>(), 0..300).prop_map(|bytes| encode_payload(&bytes))];
    prop_oneof![
        Just(Form::Nothing),
        Just(Form::Calldata),
        Just(Form::Blobs),
        (bytes, any::<bool>()).prop_map(|(bytes, packed)| Form::Bytes(bytes, packed)),
        (any::<Index>(), 1u8..64, any::<bool>()).prop_map(|(at, xor, packed)| Form::Byte(at, xor, packed)),
        bend.prop_map(Form::Rows),
    ]
}

/// Data that are no batch's.
pub fn garbage() -> Form {
    Form::Bytes(vec![7; 9000], false)
}

pub const TARGET: Address = Address::repeat_byte(0x42);
/// Something that asks for old block hashes and code: BLOCKHASH(NUMBER - CALLDATALOAD(0)) into slot 0.
pub const TARGET_CODE: [u8; 9] = hex!("5f3543034060005500");

pub fn ask(key: &Key, nonce: u64, back: u64) -> Transaction {
    let input = Bytes::from(U256::from(back).to_be_bytes::<32>().to_vec());
    key.call(parameters().rollup.get(), nonce, TARGET, U256::ZERO, 60_000, input)
}

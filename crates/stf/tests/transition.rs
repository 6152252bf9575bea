//! The program against native execution: batches of a small chain, judged from recorded witnesses.

mod common;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::SolStruct;
use alloy_trie::{HashBuilder, Nibbles, TrieAccount, proof::ProofRetainer};
use common::{Key, World, l2_world, parameters};
use proptest::prelude::*;
use std::{cell::RefCell, collections::BTreeMap};
use surety_stf::{
    Oracle, StateReader,
    batch::{BatchBlock, Body, encode_payload, pack_blobs},
    derive::{Data, Derivation, Position, Start},
    execute::op::{L1Attributes, genesis_block, seal},
    oracle::Checked,
    program::{self, Input},
    transition::{Fault, apply, transition},
    witness::Witness,
};
use surety_types::{
    ConsensusContext, Gas, Header, L1Height, L2Height, Message, MessageIndex, MessageKind, Milliseconds, Seconds, Term,
    Transaction, View,
    claim::{blob_data_hash, calldata_data_hash, leaf_hash, node_hash},
    message::L1Info,
    predeploys,
    signing::Batch,
};

#[derive(Debug, thiserror::Error)]
#[error("not in the witness")]
struct Absent;

/// Everything that an oracle may be asked.
#[derive(Debug, Clone, Default)]
struct Known {
    preimages: BTreeMap<B256, Bytes>,
    blobs: BTreeMap<B256, Bytes>,
}

impl Oracle for Known {
    type Error = Absent;
    fn preimage(&self, hash: B256) -> Result<Bytes, Absent> {
        self.preimages.get(&hash).cloned().ok_or(Absent)
    }
    fn blob(&self, hash: B256) -> Result<Bytes, Absent> {
        self.blobs.get(&hash).cloned().ok_or(Absent)
    }
}

/// A witness, and blobs that nobody proved.
struct With<'a> {
    witness: &'a Witness,
    blobs: &'a BTreeMap<B256, Bytes>,
}

impl Oracle for With<'_> {
    type Error = Absent;
    fn preimage(&self, hash: B256) -> Result<Bytes, Absent> {
        self.witness.preimage(hash).map_err(|_| Absent)
    }
    fn blob(&self, hash: B256) -> Result<Bytes, Absent> {
        self.blobs.get(&hash).cloned().ok_or(Absent)
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
        let bytes = self.known.blob(hash)?;
        self.asked.borrow_mut().blobs.insert(hash, bytes.clone());
        Ok(bytes)
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
                // Stand-ins for versioned hashes: this oracle's word is not in question.
                let hashes: Vec<_> = blobs.iter().map(keccak256).collect();
                self.blobs.extend(hashes.iter().copied().zip(blobs.iter().cloned().map(Bytes::from)));
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

/// A chain with everything that its oracle knows.
struct Chain {
    world: World,
    head: Header,
    context: Option<ConsensusContext>,
    known: Known,
}

impl Chain {
    fn new(keys: &[Key]) -> Self {
        let funded: Vec<_> = keys.iter().map(Key::address).collect();
        let mut world = l2_world(&funded);
        // Something that asks for old block hashes and code: BLOCKHASH(NUMBER - CALLDATALOAD(0)) into slot 0.
        let code: [u8; 9] = alloy_primitives::hex!("5f3543034060005500");
        world.put(Address::repeat_byte(0x42), U256::ZERO, 1, code.into());
        let head =
            genesis_block(&parameters(), world.root(), world.storage_root(predeploys::L2_TO_L1_MESSAGE_PASSER)).header;
        world.hashes.insert(0, head.hash_slow());
        let mut this = Self { world, head, context: None, known: Known::default() };
        this.keep();
        this
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

    fn position(&self) -> Position {
        let a = L1Attributes::read(&self.world).unwrap();
        Position { count: a.message_count, acc: a.message_acc }
    }

    /// Posts a batch, executes it natively and by the program, and compares; gives the reasons of invalid blocks.
    fn post(&mut self, rows: &[BatchBlock], new: Vec<Message>, form: Form, last_time: Option<u64>) -> Vec<bool> {
        let start = Start::new(&self.head, self.context.as_ref(), self.position());
        let end = new.iter().fold(start.position, |position, message| self.keep_message(position, message));
        let payload = || encode_payload(&Body { blocks: rows.to_vec() }.encode(parameters().rollup).unwrap());
        let data = match form {
            Form::Nothing => Data::None,
            Form::Calldata => Data::Calldata(payload()),
            Form::Blobs => Data::Blobs(pack_blobs(&payload()).unwrap()),
            Form::Garbage => Data::Calldata(vec![7; 9000]),
        };
        let before_batch = self.head.hash_slow();
        let statement = Batch {
            rollup: parameters().rollup.get(),
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
        let derivation = Derivation::new(&parameters(), &statement, &data, new, &start).unwrap();
        let mut invalid = vec![];
        for height in statement.firstHeight..=statement.lastHeight {
            let height = L2Height::new(height);
            let parent_hash = self.head.hash_slow();
            // The program has what was known before the block.
            let recorder = Recorder { known: &self.known, asked: RefCell::default() };
            let judged = transition(&parameters(), &recorder, &statement, before_batch, height, parent_hash).unwrap();
            let witness = recorder.asked.into_inner();
            let again = transition(&parameters(), &witness, &statement, before_batch, height, parent_hash).unwrap();
            let output = self.as_program(&witness, &statement, before_batch, height, parent_hash);
            let applied =
                apply(&parameters(), &derivation, height, &self.head, parent_hash, &self.world).unwrap().unwrap();
            self.world.apply(&applied.executed.changes);
            let passer = self.world.storage_root(predeploys::L2_TO_L1_MESSAGE_PASSER);
            let block = seal(&applied.executed, self.world.root(), passer);
            assert_eq!((judged, again), (block.hash(), block.hash()), "height {height}");
            assert_eq!(
                output,
                program::output(self.input(&statement, before_batch, height, parent_hash).hash(), judged)
            );
            self.lies(&witness, &statement, before_batch, height, parent_hash, judged);
            self.head = block.header;
            self.context = applied.payload.context;
            self.world.hashes.insert(self.head.number, judged);
            self.keep();
            invalid.push(applied.invalid.is_some());
        }
        assert_eq!(self.position(), end);
        invalid
    }

    fn input(&self, statement: &Batch, before_batch: B256, height: L2Height, parent: B256) -> Input {
        let (parameters, statement) = (parameters().hash(), statement.eip712_hash_struct());
        Input { parameters, statement, before_batch, height, parent }
    }

    /// The program's answer from a witness that was written and read; one without its input has none.
    fn as_program(&self, known: &Known, statement: &Batch, before: B256, height: L2Height, parent: B256) -> B256 {
        let input = self.input(statement, before, height, parent);
        let mut witness = Witness::new(input.hash());
        known.preimages.values().for_each(|bytes| {
            witness.insert(bytes.clone());
        });
        let failure = program::run(&witness, witness.input).unwrap_err();
        assert_eq!(failure.exit_code(), 2, "{failure}");
        for bytes in [&input.to_bytes()[..], &parameters().to_preimage(), &statement.to_preimage()] {
            witness.insert(bytes.to_vec());
        }
        let witness = Witness::decode(witness.encode().into()).unwrap();
        let oracle = With { witness: &witness, blobs: &known.blobs };
        program::run(&oracle, input.hash()).unwrap()
    }

    /// Each answer left out or changed is an error, never another block.
    fn lies(&self, witness: &Known, statement: &Batch, before: B256, height: L2Height, parent: B256, right: B256) {
        let run = |known: &Known| transition(&parameters(), &Checked(known.clone()), statement, before, height, parent);
        for (n, hash) in witness.preimages.keys().enumerate().filter(|(n, _)| n % 7 == height.get() as usize % 7) {
            let mut less = witness.clone();
            less.preimages.remove(hash);
            assert!(run(&less).is_err(), "{hash} is not needed");
            let mut other = witness.preimages[hash].to_vec();
            let at = n % other.len();
            other[at] ^= 1;
            less.preimages.insert(*hash, other.into());
            assert!(matches!(run(&less), Err(Fault::Oracle(_) | Fault::State(_) | Fault::Engine(_))));
        }
        // An accumulator, and a count, that do not lead to the start's.
        let bent = [
            Batch { messageAcc: B256::repeat_byte(9), ..statement.clone() },
            Batch { messageCount: statement.messageCount + 1, ..statement.clone() },
        ];
        for statement in bent {
            let judged = transition(&parameters(), witness, &statement, before, height, parent);
            assert!(matches!(judged, Err(Fault::Derive(_) | Fault::Oracle(_))));
        }
        let wrong = [(height.next(), parent), (height, B256::repeat_byte(1))];
        for (height, parent) in wrong {
            assert!(transition(&parameters(), witness, statement, before, height, parent).is_err());
        }
        assert_eq!(run(witness).unwrap(), right);
    }

    fn row(&self, n: u64, messages: u64, transactions: Vec<Transaction>) -> BatchBlock {
        let time = surety_stf::payload::parent_milliseconds(&self.head, self.context.as_ref());
        let view = self.head.number + n;
        BatchBlock {
            context: ConsensusContext {
                rollup: parameters().rollup,
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

    fn message(&self, n: u64, to: Address, mint: u64, gas: u64) -> Message {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Nothing,
    Calldata,
    Blobs,
    Garbage,
}

const TARGET: Address = Address::repeat_byte(0x42);

fn ask(key: &Key, nonce: u64, back: u64) -> Transaction {
    let input = Bytes::from(U256::from(back).to_be_bytes::<32>().to_vec());
    key.call(parameters().rollup.get(), nonce, TARGET, U256::ZERO, 60_000, input)
}

#[test]
fn the_program_finds_the_hashes_of_native_execution() {
    let keys = [Key::new(1), Key::new(2)];
    let mut chain = Chain::new(&keys);
    let info = L1Info { number: L1Height::new(9), base_fee: U256::from(30_000_000_000u64), ..L1Info::default() };
    let rows = [
        chain.row(1, 1, vec![keys[0].transfer(0, Address::repeat_byte(9)), ask(&keys[1], 0, 1)]),
        chain.row(2, 0, vec![]),
        chain.row(3, 2, vec![ask(&keys[1], 1, 3)]),
    ];
    let messages = vec![
        info.to_message(MessageIndex::ZERO, L1Height::new(9)),
        chain.message(1, TARGET, 5, 100_000),
        chain.message(2, Address::repeat_byte(0x77), 6, 30_000),
    ];
    assert_eq!(chain.post(&rows, messages, Form::Blobs, None), [false; 3]);
    assert_eq!(chain.world.account(Address::repeat_byte(0x77)).unwrap().unwrap().balance, U256::from(6));

    // A list that cannot be executed in the middle: its block is its messages, the next one stands.
    let rows = [
        chain.row(1, 0, vec![keys[0].transfer(1, Address::repeat_byte(9))]),
        chain.row(2, 1, vec![keys[0].transfer(2, TARGET), keys[0].transfer(9, TARGET)]),
        chain.row(3, 0, vec![keys[0].transfer(2, Address::repeat_byte(9))]),
    ];
    let message = chain.message(0, Address::repeat_byte(0x78), 1, 30_000);
    assert_eq!(chain.post(&rows, vec![message], Form::Calldata, None), [false, true, false]);
    assert_eq!(chain.world.account(keys[0].address()).unwrap().unwrap().nonce, 3);
    assert_eq!(chain.world.account(Address::repeat_byte(0x78)).unwrap().unwrap().balance, U256::ONE);

    // Data that do not decode, then nothing at all (self-sequenced), then ordinary blocks on a default one.
    let messages = vec![
        chain.message(0, TARGET, 0, 7_500_000),
        chain.message(1, TARGET, 0, 7_500_001),
        chain.message(2, TARGET, 1, 21_000),
    ];
    let rows = [chain.row(1, 0, vec![]), chain.row(2, 0, vec![]), chain.row(3, 0, vec![])];
    let time = chain.head.timestamp + 3;
    assert_eq!(chain.post(&rows, messages, Form::Garbage, Some(time)), [false; 3]);
    assert_eq!((chain.head.timestamp, chain.context), (time, None));
    let message = chain.message(0, Address::repeat_byte(0x79), 1, 30_000);
    let rows = [chain.row(1, 0, vec![])];
    assert_eq!(chain.post(&rows, vec![message], Form::Nothing, Some(time + 40)), [false]);
    let rows = [chain.row(1, 0, vec![ask(&keys[1], 2, 9)]), chain.row(2, 0, vec![ask(&keys[1], 3, 300)])];
    assert_eq!(chain.post(&rows, vec![], Form::Calldata, None), [false; 2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_batches_are_judged_as_they_are_executed(
        batches in proptest::collection::vec((proptest::collection::vec((proptest::collection::vec((0usize..2, 0u64..4, 0u64..6), 0..3), 0u64..3), 1..4), 0u8..4), 1..4),
    ) {
        let keys = [Key::new(1), Key::new(2)];
        let mut chain = Chain::new(&keys);
        for (blocks, form) in batches {
            let form = [Form::Nothing, Form::Calldata, Form::Blobs, Form::Garbage][usize::from(form)];
            let mut rows = vec![];
            let mut messages = vec![];
            let mut nonces: Vec<u64> = keys.iter().map(|k| chain.world.account(k.address()).unwrap().unwrap().nonce).collect();
            for (n, (list, count)) in (1u64..).zip(blocks) {
                // Mostly the right nonce, now and then one that makes the block invalid.
                let list = list.into_iter().map(|(who, skip, back)| {
                    let nonce = nonces[who] + u64::from(skip == 3);
                    nonces[who] += 1;
                    ask(&keys[who], nonce, back)
                }).collect();
                for i in 0..count {
                    messages.push(chain.message(messages.len() as u64, Address::repeat_byte(0x80 + i as u8), n, 50_000));
                }
                rows.push(chain.row(n, count, list));
            }
            if form == Form::Nothing {
                rows.truncate(1);
            }
            let time = matches!(form, Form::Nothing | Form::Garbage).then(|| chain.head.timestamp + 2);
            chain.post(&rows, messages, form, time);
        }
    }
}

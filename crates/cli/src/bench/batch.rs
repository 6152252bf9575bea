//! How small batches are: bytes a transaction on a load of our own and on blocks from a file, beside brotli.
//!
//! A batch is made as a poster makes it, block by block until the writer says that it is full, and read back; the
//! transactions' hashes must be the same. Payloads are measured before they are packed into blobs. Brotli at its highest
//! quality (window 2^24) gets the same transactions as EIP-2718 bytes, one after the other, without the blocks' own data.

mod gas;
mod guest;
mod mixed;

use crate::dev::Directory;
use alloy::eips::{Decodable2718 as _, Encodable2718 as _};
use alloy_primitives::{Address, B256, Bytes};
use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use surety_stf::batch::{BatchBlock, BodyWriter, EncodeError, decode_payload, encode_payload, pack_blobs, shares};
use surety_types::{ConsensusContext, Milliseconds, RollupId, Term, Transaction, View};

/// Time between two blocks.
const BLOCK_TIME: u64 = 200;
/// When the first block was made.
const START: u64 = 1_750_000_000_000;
/// How many seats take turns.
const SEATS: u64 = 4;

/// The committees that post.
const COMMITTEES: [usize; 2] = [4, 64];

/// Options of `surety bench batch`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Transactions of the mixed load: transfers, token transfers, swaps, deployments.
    #[arg(long, default_value_t = 2_000)]
    transactions: usize,
    /// Transactions of the mixed load in a block.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    block: u64,
    /// A file with blocks of another chain, which are measured too: JSON with `chain_id` and `blocks`, each with its
    /// `transactions` as hexadecimal EIP-2718 bytes; `posted_bytes`, if it is there, is shown beside.
    #[arg(long, value_name = "FILE")]
    blocks: Option<PathBuf>,
    /// The decoder for RISC-V, as `cargo xtask riscv` compiles it, to measure it in `qemu-riscv64`, that is emulated.
    #[arg(long, value_name = "FILE")]
    guest: Option<PathBuf>,
    /// Leave out what a batch costs on L1, which takes most of the time.
    #[arg(long)]
    without_l1: bool,
    /// Only the JSON.
    #[arg(long)]
    json: bool,
}

/// Blocks' lists of one chain.
struct Load {
    name: &'static str,
    rollup: RollupId,
    blocks: Vec<Vec<Transaction>>,
    posted: Option<u64>,
}

#[derive(Deserialize)]
struct File {
    chain_id: u64,
    posted_bytes: Option<u64>,
    blocks: Vec<FileBlock>,
}

#[derive(Deserialize)]
struct FileBlock {
    transactions: Vec<Bytes>,
}

fn read(path: &PathBuf) -> Result<Load> {
    let text = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let file: File = serde_json::from_slice(&text).with_context(|| format!("{} is no such file", path.display()))?;
    let list = |block: &FileBlock| {
        let transactions = block.transactions.iter();
        transactions.map(|raw| Transaction::decode_2718_exact(raw).context("a transaction does not decode")).collect()
    };
    let blocks = file.blocks.iter().map(list).collect::<Result<_>>()?;
    Ok(Load { name: "file", rollup: RollupId::new(file.chain_id), blocks, posted: file.posted_bytes })
}

/// The blocks as consensus would have made them.
fn rows(load: &Load) -> impl Iterator<Item = BatchBlock> {
    (1u64..).zip(&load.blocks).map(|(view, transactions)| BatchBlock {
        context: ConsensusContext {
            rollup: load.rollup,
            term: Term::new(1),
            view: View::new(view),
            parent_view: View::new(view - 1),
            milliseconds: Milliseconds::new(START + BLOCK_TIME * view),
        },
        beneficiary: Address::repeat_byte((view % SEATS) as u8 + 1),
        messages: u64::from(view % 60 == 0),
        transactions: transactions.clone(),
    })
}

/// The bodies of as few batches as hold the blocks.
fn bodies(load: &Load) -> Result<Vec<Vec<u8>>> {
    let mut bodies = Vec::new();
    let mut writer = BodyWriter::new(load.rollup);
    for row in rows(load) {
        match writer.push(&row) {
            Err(EncodeError::TooLong | EncodeError::TooMany) if !writer.is_empty() => {
                bodies.push(writer.finish()?);
                writer = BodyWriter::new(load.rollup);
                writer.push(&row)?;
            }
            done => done?,
        }
    }
    bodies.push(writer.finish()?);
    Ok(bodies)
}

fn hashes<'a>(transactions: impl Iterator<Item = &'a Transaction>) -> Vec<B256> {
    transactions.map(|transaction| *transaction.hash()).collect()
}

fn brotli(raw: &[u8]) -> Result<usize> {
    let mut out = brotli::CompressorWriter::new(Vec::new(), 4096, 11, 24);
    out.write_all(raw)?;
    Ok(out.into_inner().len())
}

fn megabytes_per_second(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}

/// What is found of a load, and its first batch.
struct Measured {
    figures: Value,
    first: gas::Batch,
}

fn measure(load: &Load, guest: Option<&Path>) -> Result<Measured> {
    let raw: Vec<u8> = load.blocks.iter().flatten().flat_map(|transaction| transaction.encoded_2718()).collect();
    let sent = hashes(load.blocks.iter().flatten());
    ensure!(!sent.is_empty(), "no transaction to measure");
    let start = Instant::now();
    let bodies = bodies(load)?;
    let payloads: Vec<_> = bodies.iter().map(|body| encode_payload(body)).collect();
    let encoding = start.elapsed();
    let start = Instant::now();
    let read = payloads.iter().map(|payload| decode_payload(load.rollup, payload)).collect::<Result<Vec<_>, _>>()?;
    let decoding = start.elapsed();
    let blocks = || read.iter().flat_map(|body| &body.blocks);
    ensure!(blocks().cloned().eq(rows(load)), "what was read is not what was written");
    ensure!(hashes(blocks().flat_map(|block| &block.transactions)) == sent, "a transaction's hash changed");
    let emulated = guest.map(|program| guest::time(program, load.rollup, &payloads)).transpose()?;
    let mut columns: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    for share in bodies.iter().map(|body| shares(body)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        let column = columns.entry(share.name).or_default();
        *column = (column.0 + share.plain, column.1 + share.coded);
    }
    let mut columns: Vec<_> = columns.into_iter().collect();
    columns.sort_by(|(_, (_, a)), (_, (_, b))| b.total_cmp(a));
    let count = sent.len() as f64;
    let columns: Vec<_> = columns
        .into_iter()
        .map(|(name, (plain, coded))| json!({ "name": name, "body": plain as f64 / count, "payload": coded / count }))
        .collect();
    let payload_bytes: usize = payloads.iter().map(Vec::len).sum();
    let blobs = payloads.iter().map(|payload| pack_blobs(payload)).collect::<Result<Vec<_>, _>>()?;
    let body_bytes: usize = bodies.iter().map(Vec::len).sum();
    let first = read.first().map(|body| &body.blocks[..]).unwrap_or_default();
    let first = gas::Batch {
        blocks: first.len(),
        transactions: first.iter().map(|block| block.transactions.len()).sum(),
        payload: payloads.into_iter().next().unwrap_or_default(),
    };
    let figures = json!({
        "load": load.name, "chain_id": load.rollup.get(), "blocks": load.blocks.len(), "transactions": sent.len(),
        "batches": bodies.len(), "blobs": blobs.iter().map(Vec::len).sum::<usize>(),
        "raw_bytes": raw.len(), "body_bytes": body_bytes, "payload_bytes": payload_bytes,
        "bytes_per_transaction": {
            "payload": payload_bytes as f64 / count, "body": body_bytes as f64 / count,
            "raw": raw.len() as f64 / count, "raw_brotli_11": brotli(&raw)? as f64 / count,
            "posted": load.posted.map(|bytes| bytes as f64 / count),
        },
        // Of the transactions' own bytes, so that other encodings can be compared.
        "encode_mb_per_second": megabytes_per_second(raw.len(), encoding),
        "decode_mb_per_second": megabytes_per_second(raw.len(), decoding),
        "emulated_guest_decode_mb_per_second": emulated.map(|time| megabytes_per_second(raw.len(), time)),
        "columns": columns,
    });
    Ok(Measured { figures, first })
}

fn print(figures: &Value) {
    let number = |name: &str| figures.pointer(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
    say!(
        "{}: {} transactions in {} blocks, {} batches, {} blobs",
        figures["load"].as_str().unwrap_or_default(),
        figures["transactions"],
        figures["blocks"],
        figures["batches"],
        figures["blobs"]
    );
    for (what, name) in [
        ("payload", "/bytes_per_transaction/payload"),
        ("body before coding", "/bytes_per_transaction/body"),
        ("raw", "/bytes_per_transaction/raw"),
        ("raw, brotli 11", "/bytes_per_transaction/raw_brotli_11"),
        ("as posted", "/bytes_per_transaction/posted"),
    ] {
        if number(name).is_finite() {
            say!("  {what:<24} {:>8.2} bytes a transaction", number(name));
        }
    }
    say!(
        "  encoded at {:.2} MB/s, decoded at {:.2} MB/s of raw bytes",
        number("/encode_mb_per_second"),
        number("/decode_mb_per_second")
    );
    let emulated = number("/emulated_guest_decode_mb_per_second");
    if emulated.is_finite() {
        say!("  decoded at {emulated:.2} MB/s of raw bytes on RISC-V, emulated");
    }
    say!("  {:<24} {:>8} {:>8}", "column", "payload", "body");
    for column in figures["columns"].as_array().into_iter().flatten() {
        let bytes = |name: &str| column[name].as_f64().unwrap_or(f64::NAN);
        say!("  {:<24} {:>8.2} {:>8.2}", column["name"].as_str().unwrap_or_default(), bytes("payload"), bytes("body"));
    }
}

fn measure_all(arguments: &Arguments) -> Result<Vec<Measured>> {
    let mut loads = Vec::new();
    if arguments.transactions > 0 {
        let (rollup, blocks) = mixed::load(arguments.transactions, arguments.block as usize)?;
        loads.push(Load { name: "mixed", rollup, blocks, posted: None });
    }
    loads.extend(arguments.blocks.as_ref().map(read).transpose()?);
    let mut found = Vec::new();
    for load in &loads {
        let measured = measure(load, arguments.guest.as_deref())?;
        if !arguments.json {
            print(&measured.figures);
        }
        found.push(measured);
    }
    Ok(found)
}

/// Adds to each load's figures what its first batch costs on L1.
async fn measure_gas(found: Vec<Measured>, quiet: bool) -> Result<Vec<Value>> {
    let directory = Directory::new("batch", None)?;
    let (mut figures, first): (Vec<_>, Vec<_>) = found.into_iter().map(|one| (one.figures, one.first)).unzip();
    for seats in COMMITTEES {
        let used = gas::of(seats, &first, &directory.path().join(seats.to_string())).await?;
        for ((figures, batch), used) in figures.iter_mut().zip(&first).zip(used) {
            let each = used as f64 / batch.transactions as f64;
            if !quiet {
                say!(
                    "{}: L1 gas with {seats} seats: {used} a batch of {} transactions, {each:.1} each",
                    figures["load"].as_str().unwrap_or_default(),
                    batch.transactions
                );
            }
            figures["l1_gas"][format!("seats_{seats}")] = json!({ "batch": used, "transaction": each });
        }
    }
    for (figures, batch) in figures.iter_mut().zip(&first) {
        figures["l1_gas"]["transactions"] = json!(batch.transactions);
    }
    Ok(figures)
}

async fn work(arguments: Arguments) -> Result<Vec<Value>> {
    let (quiet, without_l1) = (arguments.json, arguments.without_l1);
    let found = tokio::task::spawn_blocking(move || measure_all(&arguments)).await??;
    if without_l1 {
        return Ok(found.into_iter().map(|one| one.figures).collect());
    }
    measure_gas(found, quiet).await
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let loads = tokio::select! {
        loads = work(arguments) => loads?,
        interrupt = crate::interrupted() => { interrupt?; return Ok(()); }
    };
    println!("{}", json!({ "bench": "batch", "loads": loads }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixed_load_is_always_the_same_and_smaller_than_brotli_makes_it() {
        let (rollup, blocks) = mixed::load(200, 10).unwrap();
        let again = mixed::load(200, 10).unwrap().1;
        assert_eq!(hashes(blocks.iter().flatten()), hashes(again.iter().flatten()));
        assert_eq!((blocks.len(), blocks.iter().flatten().count()), (20, 200));
        let figures = measure(&Load { name: "mixed", rollup, blocks, posted: None }, None).unwrap().figures;
        assert!(figures["emulated_guest_decode_mb_per_second"].is_null(), "{figures}");
        let bytes = |name: &str| figures["bytes_per_transaction"][name].as_f64().unwrap();
        assert!(bytes("payload") < bytes("raw_brotli_11"), "{figures}");
        assert!(bytes("raw_brotli_11") < bytes("raw"), "{figures}");
        // The columns are all of the payload but its first byte, the number of blocks and what ends the stream.
        let columns: f64 = figures["columns"].as_array().unwrap().iter().map(|c| c["payload"].as_f64().unwrap()).sum();
        assert!((columns - bytes("payload")).abs() * 200.0 < 9.0, "{figures}");
    }

    #[test]
    fn blocks_of_a_file_are_measured() {
        let (rollup, blocks) = mixed::load(20, 10).unwrap();
        let lists: Vec<_> = blocks
            .iter()
            .map(|list| json!({ "transactions": list.iter().map(|t| Bytes::from(t.encoded_2718())).collect::<Vec<_>>() }))
            .collect();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("blocks.json");
        std::fs::write(&path, json!({ "chain_id": rollup.get(), "posted_bytes": 4_000, "blocks": lists }).to_string())
            .unwrap();
        let load = read(&path).unwrap();
        assert_eq!(hashes(load.blocks.iter().flatten()), hashes(blocks.iter().flatten()));
        assert_eq!(measure(&load, None).unwrap().figures["bytes_per_transaction"]["posted"].as_f64(), Some(200.0));
        std::fs::write(&path, "{}").unwrap();
        assert!(read(&path).is_err());
    }
}

//! Transfers as wallets send them: one call each, and the receipt of every one fetched.
//!
//! Two measurements, against any endpoint (so that a peer is measured by the same client):
//! - **latency**: one sender, one transfer after the other, from the submission to the first answer with a receipt;
//! - **throughput**: many senders at once, each waiting for its receipt before the next transfer.
//!
//! The senders are made from a seed and funded from the first account of the well-known test mnemonic.

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::Encodable2718,
    network::TxSignerSync,
    primitives::{Address, B256, Bytes, TxKind, U64, U128, U256, keccak256},
    providers::{Provider, ProviderBuilder, RootProvider},
    signers::local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English},
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const MNEMONIC: &str = "test test test test test test test test test test test junk";
const TRANSFER_GAS: u64 = 21_000;

/// Options of `surety bench load`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Endpoint to measure.
    #[arg(long, default_value = "http://127.0.0.1:9545")]
    rpc: String,
    /// Transfers one after the other, for the latency.
    #[arg(long, default_value_t = 1000)]
    transfers: usize,
    /// Senders at once, for the throughput; 0 leaves this part out.
    #[arg(long, default_value_t = 1000)]
    senders: usize,
    /// How long to measure throughput, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Which account of the test mnemonic pays.
    #[arg(long, default_value_t = 0)]
    account: u32,
    /// Time between two questions for a receipt, in milliseconds.
    #[arg(long, default_value_t = 20)]
    poll: u64,
    /// Ether to give each sender, in gwei.
    #[arg(long, default_value_t = 10_000_000)]
    fund: u64,
}

/// One account with the nonce that it uses next.
pub(super) struct Sender {
    pub(super) signer: PrivateKeySigner,
    pub(super) nonce: u64,
}

/// What the endpoint is and how to pay there.
#[derive(Clone)]
pub(super) struct Target {
    provider: RootProvider,
    chain_id: u64,
    max_fee: u128,
    poll: Duration,
}

impl Target {
    /// An endpoint, and the time between two questions for a receipt.
    pub(super) async fn connect(rpc: &str, poll: Duration) -> Result<Self> {
        let url = rpc.parse().with_context(|| format!("{rpc:?} is no URL"))?;
        let provider = ProviderBuilder::default().connect_http(url);
        let chain_id = provider.get_chain_id().await.context("no answer: is the network running?")?;
        let price: U128 = provider.client().request_noparams("eth_gasPrice").await?;
        Ok(Self { provider, chain_id, max_fee: price.to::<u128>().saturating_mul(4).max(1_000_000), poll })
    }

    fn sign(&self, from: &mut Sender, to: Address, value: U256) -> Result<(B256, Bytes)> {
        let mut transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce: from.nonce,
            gas_limit: TRANSFER_GAS,
            max_fee_per_gas: self.max_fee,
            max_priority_fee_per_gas: 1_000.min(self.max_fee),
            to: TxKind::Call(to),
            value,
            ..Default::default()
        };
        let signature = from.signer.sign_transaction_sync(&mut transaction)?;
        from.nonce += 1;
        let envelope = TxEnvelope::from(transaction.into_signed(signature));
        Ok((*envelope.tx_hash(), envelope.encoded_2718().into()))
    }

    /// Sends one wei; does not wait for the receipt.
    pub(super) async fn transfer(&self, from: &mut Sender) -> Result<B256> {
        let (_, raw) = self.sign(from, Address::repeat_byte(0xbe), U256::from(1))?;
        self.send(raw).await
    }

    async fn send(&self, raw: Bytes) -> Result<B256> {
        Ok(self.provider.client().request("eth_sendRawTransaction", (raw,)).await?)
    }

    async fn receipt(&self, hash: B256) -> Result<Value> {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let receipt: Value = self.provider.client().request("eth_getTransactionReceipt", (hash,)).await?;
            if !receipt.is_null() {
                return Ok(receipt);
            }
            ensure!(Instant::now() < end, "no receipt of {hash} within 60 s");
            tokio::time::sleep(self.poll).await;
        }
    }

    /// The nonce that an account uses next, counting what waits in the pool.
    pub(super) async fn nonce(&self, address: Address) -> Result<u64> {
        let nonce: U64 = self.provider.client().request("eth_getTransactionCount", (address, "pending")).await?;
        Ok(nonce.to())
    }

    /// How many transactions of an account are in blocks.
    pub(super) async fn included(&self, address: Address) -> Result<u64> {
        let nonce: U64 = self.provider.client().request("eth_getTransactionCount", (address, "latest")).await?;
        Ok(nonce.to())
    }

    pub(super) async fn balance(&self, address: Address) -> Result<U256> {
        Ok(self.provider.client().request("eth_getBalance", (address, "latest")).await?)
    }

    /// Height of the newest block.
    pub(super) async fn height(&self) -> Result<u64> {
        let height: U64 = self.provider.client().request_noparams("eth_blockNumber").await?;
        Ok(height.to())
    }

    /// The senders of a measurement that `account` pays for, always the same ones.
    pub(super) async fn senders(&self, count: usize, account: u32) -> Result<Vec<Sender>> {
        let mut senders = Vec::with_capacity(count);
        for i in 0..count {
            let key = keccak256(format!("surety bench sender {i} of {account}"));
            let signer = PrivateKeySigner::from_bytes(&key)?;
            senders.push(Sender { nonce: self.nonce(signer.address()).await?, signer });
        }
        Ok(senders)
    }
}

/// The value below which a share of the sorted values lies.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let place = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(place).copied().unwrap_or(f64::NAN)
}

async fn latency(target: &Target, payer: &mut Sender, transfers: usize) -> Result<Value> {
    let target = Target { poll: Duration::from_millis(2), ..target.clone() };
    let mut times = Vec::with_capacity(transfers);
    let to = Address::repeat_byte(0xbe);
    for _ in 0..transfers {
        let (_, raw) = target.sign(payer, to, U256::from(1))?;
        let start = Instant::now();
        let hash = target.send(raw).await?;
        let receipt = target.receipt(hash).await?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        ensure!(receipt["status"] == "0x1", "a transfer failed: {receipt}");
    }
    times.sort_by(f64::total_cmp);
    Ok(
        json!({ "transfers": transfers, "median_ms": percentile(&times, 0.5), "p99_ms": percentile(&times, 0.99), "max_ms": percentile(&times, 1.0) }),
    )
}

/// Gives each sender some wei, and waits until all have it.
pub(super) async fn fund(target: &Target, payer: &mut Sender, senders: &[Sender], wei: U256) -> Result<()> {
    for group in senders.chunks(50) {
        let mut last = None;
        for sender in group {
            let (_, raw) = target.sign(payer, sender.signer.address(), wei)?;
            last = Some(target.send(raw).await?);
        }
        if let Some(hash) = last {
            target.receipt(hash).await?;
        }
    }
    Ok(())
}

async fn throughput(target: &Target, senders: Vec<Sender>, seconds: u64) -> Result<Value> {
    let count = senders.len();
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    let tasks: Vec<_> = senders
        .into_iter()
        .map(|mut sender| {
            let target = target.clone();
            tokio::spawn(async move {
                let to = Address::repeat_byte(0xbe);
                let (mut done, mut failed) = (0u64, 0u64);
                while Instant::now() < end {
                    let (_, raw) = target.sign(&mut sender, to, U256::from(1))?;
                    let hash = target.send(raw).await?;
                    let receipt = target.receipt(hash).await?;
                    if Instant::now() < end {
                        done += 1;
                    }
                    failed += u64::from(receipt["status"] != "0x1");
                }
                anyhow::Ok((done, failed))
            })
        })
        .collect();
    let (mut done, mut failed, mut errors) = (0, 0, Vec::new());
    for task in tasks {
        match task.await? {
            Ok((d, f)) => {
                done += d;
                failed += f;
            }
            Err(error) => errors.push(format!("{error:#}")),
        }
    }
    let rate = done as f64 / seconds as f64;
    Ok(
        json!({ "senders": count, "seconds": seconds, "transfers": done, "per_second": rate, "failed": failed, "senders_lost": errors.len(), "first_error": errors.first() }),
    )
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let target = Target::connect(&arguments.rpc, Duration::from_millis(arguments.poll)).await?;
    let signer = MnemonicBuilder::<English>::default().phrase(MNEMONIC).index(arguments.account)?.build()?;
    let nonce = target.nonce(signer.address()).await?;
    let mut payer = Sender { signer, nonce };
    let version: Value = target.provider.client().request_noparams("web3_clientVersion").await?;
    let latency = if arguments.transfers > 0 {
        eprintln!("latency: {} transfers, one after the other", arguments.transfers);
        latency(&target, &mut payer, arguments.transfers).await?
    } else {
        Value::Null
    };
    let throughput = if arguments.senders > 0 {
        let senders = target.senders(arguments.senders, arguments.account).await?;
        eprintln!("funding {} senders", senders.len());
        let wei = U256::from(arguments.fund).saturating_mul(U256::from(1_000_000_000u64));
        fund(&target, &mut payer, &senders, wei).await?;
        eprintln!("throughput: {} s", arguments.seconds);
        throughput(&target, senders, arguments.seconds).await?
    } else {
        Value::Null
    };
    println!("{}", json!({ "bench": "load", "client": version, "latency": latency, "throughput": throughput }));
    Ok(())
}

//! `surety status`: where a chain stands, asked of any node's RPC server.

use alloy::{
    primitives::U64,
    providers::{Provider, ProviderBuilder, RootProvider},
};
use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Options of `surety status`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// RPC endpoint of a sequencer or follower.
    #[arg(long, default_value = "http://127.0.0.1:9545")]
    rpc: String,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

async fn block(provider: &RootProvider, tag: &str) -> Result<Value> {
    let block: Value = provider.client().request("eth_getBlockByNumber", (tag, false)).await?;
    let number: U64 =
        serde_json::from_value(block["number"].clone()).context("the node's answer has no block number")?;
    let time: U64 = serde_json::from_value(block["timestamp"].clone()).context("the node's answer has no time")?;
    Ok(json!({ "number": number.to::<u64>(), "hash": block["hash"], "timestamp": time.to::<u64>() }))
}

/// What `surety_finality` says of a block, with numbers as numbers.
async fn finality(provider: &RootProvider, height: u64) -> Result<Value> {
    let mut answer: Value = provider.client().request("surety_finality", (U64::from(height),)).await?;
    for name in ["height", "batch", "l1Block", "challengeEnds"] {
        if let Some(field) = answer.get_mut(name)
            && let Ok(number) = serde_json::from_value::<U64>(field.clone())
        {
            *field = number.to::<u64>().into();
        }
    }
    Ok(answer)
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let url = arguments.rpc.parse().context("--rpc is no URL")?;
    let provider: RootProvider = ProviderBuilder::default().connect_http(url);
    let chain_id = provider.get_chain_id().await.context("no answer: is the node running, and is --rpc its port?")?;
    let client: String = provider.client().request_noparams("web3_clientVersion").await?;
    let (latest, safe, finalized) =
        (block(&provider, "latest").await?, block(&provider, "safe").await?, block(&provider, "finalized").await?);
    let safe_height = safe["number"].as_u64().unwrap_or_default();
    let batch = finality(&provider, safe_height).await?;
    if arguments.json {
        let status = json!({ "chainId": chain_id, "client": client, "latest": latest, "safe": safe, "finalized": finalized, "safeFinality": batch });
        println!("{status}");
        return Ok(());
    }
    println!("chain {chain_id}, {client}");
    for (name, block) in [("latest", &latest), ("safe", &safe), ("finalized", &finalized)] {
        println!(
            "  {name:<10} {:>10}  {}  time {}",
            block["number"],
            block["hash"].as_str().unwrap_or("-"),
            block["timestamp"]
        );
    }
    match batch.get("batch").filter(|b| !b.is_null()) {
        Some(index) => println!(
            "  last batch {index:>10}  claim {}  L1 block {}  challenge ends {}",
            batch["claim"].as_str().unwrap_or("-"),
            batch["l1Block"],
            batch["challengeEnds"]
        ),
        None => println!("  no batch on L1 yet"),
    }
    Ok(())
}

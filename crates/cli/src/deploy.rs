//! `surety deploy`: a chain's contracts onto L1, from the registration files of its founding seats.

use crate::keys::{self, Password};
use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::{path::PathBuf, sync::Arc};
use surety_contracts::{Parameters, Profile, Registration, genesis::L2Genesis};
use surety_devnet::deploy::{DeployRequest, deploy, predict};
use surety_l1::{
    BlockAt, L1,
    rpc::{RpcConfig, RpcL1},
};

/// Delays and windows.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ProfileName {
    /// The shortest that fit together: for tests.
    Ci,
    /// Short, for people.
    Dev,
    /// For other people's money.
    Production,
}

/// Options of `surety deploy`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// JSON-RPC endpoint of L1.
    #[arg(long)]
    l1: String,
    /// Keystore of the account that sends everything and pays the founding bonds.
    #[arg(long)]
    deployer: PathBuf,
    /// File whose first line is its password; otherwise SURETY_PASSWORD_FILE names it, or the terminal is asked.
    #[arg(long)]
    password_file: Option<PathBuf>,
    /// Only say where the contracts will be if the deployer sends nothing else before: founding seats need it for `surety init`.
    #[arg(long)]
    predict: bool,
    /// Registration files of the founding seats, 4 to 64, in the order of the first committee.
    #[arg(long, num_args = 1.., required_unless_present = "predict")]
    seats: Vec<PathBuf>,
    /// Delays and windows.
    #[arg(long, value_enum, default_value = "production")]
    profile: ProfileName,
    /// Chain id of L2.
    #[arg(long, required_unless_present = "predict")]
    chain_id: Option<u64>,
    /// Where to write the chain file.
    #[arg(long, default_value = "chain.json")]
    out: PathBuf,
    /// Where to journal the deployer's transactions.
    #[arg(long, default_value = "surety-deployer")]
    journal: PathBuf,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let password = Password::read(arguments.password_file.as_deref(), None)?;
    let (key, deployer) = keys::load_signing(&arguments.deployer, &password)?;
    let l1: Arc<dyn L1> = Arc::new(RpcL1::new(RpcConfig::new(&arguments.l1, []), None)?);
    let there = predict(&*l1, deployer).await.context("ask L1 for the deployer's nonce")?;
    if arguments.predict {
        let answer = json!({
            "l1ChainId": there.l1_chain_id, "deployer": deployer, "nonce": there.nonce,
            "registry": there.addresses.registry,
        });
        println!("{answer:#}");
        return Ok(());
    }
    ensure!(!arguments.out.exists(), "{} exists already: choose another --out", arguments.out.display());
    let mut seats = Vec::new();
    for path in &arguments.seats {
        let file = Registration::read(path)?;
        ensure!(
            (file.l1_chain_id, file.registry) == (there.l1_chain_id, there.addresses.registry),
            "{}: proved for registry {} on L1 {}, but this deployment's will be {} on L1 {}: has the deployer sent something \
             since `--predict`? Then the seats must be initialised again",
            path.display(),
            file.registry,
            file.l1_chain_id,
            there.addresses.registry,
            there.l1_chain_id
        );
        seats.push(file.seat());
    }
    let profile = match arguments.profile {
        ProfileName::Ci => Profile::Ci,
        ProfileName::Dev => Profile::Dev,
        ProfileName::Production => Profile::Production,
    };
    let rollup = arguments.chain_id.context("--chain-id is missing")?;
    let protocol = Parameters::of(profile, rollup);
    let head = l1.block(BlockAt::Latest).await?.context("L1 has no block yet: wait for its first")?;
    eprintln!("deploying from {deployer} with {} founding seats …", seats.len());
    let request = DeployRequest {
        deployer: PrivateKeySigner::from_signing_key(key),
        parameters: protocol.chain(head.time),
        protocol,
        genesis: L2Genesis::new(rollup),
        seats,
        journal: arguments.journal,
    };
    let chain = deploy(l1, request).await?;
    chain.write(&arguments.out)?;
    println!("registry  {}", chain.addresses.registry);
    println!("inbox     {}", chain.addresses.inbox);
    println!("claims    {}", chain.addresses.claims);
    println!("bridge    {}", chain.addresses.bridge);
    println!("\nPublish {}: every node of this chain needs it.", arguments.out.display());
    Ok(())
}

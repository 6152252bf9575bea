//! `surety seat`: what an owner does with a seat on L1.

mod status;

use crate::{
    config::Config,
    dev::read_chain,
    init::make_keys,
    keys::{self, Password},
    sequencer::{connect_l1, next_keys},
};
use alloy::{signers::local::PrivateKeySigner, sol_types::SolCall};
use alloy_primitives::{Address, Bytes, TxKind, U256, utils::format_ether};
use anyhow::{Context, Result, bail, ensure};
use std::{path::PathBuf, sync::Arc, time::Duration};
use surety_contracts::{
    ChainFile, Registration,
    bindings::{
        FeeSplit::{collectCall, shareOfCall, splitCall, undividedCall},
        SequencerRegistry::{registerCall, requestExitCall, rotateKeysCall, suspensionCall, topUpCall, withdrawCall},
    },
};
use surety_l1::{
    BlockAt, L1,
    contracts::Contracts,
    submit::{Included, Outgoing, SubmitConfig, Submitter},
};

/// Most seats of a chain: so much, in wei, can be divided for sure.
const MAX_SEATS: u64 = 64;

/// What every command needs to know.
#[derive(clap::Args)]
pub(crate) struct Common {
    /// The seat's configuration.
    #[arg(long)]
    config: PathBuf,
}

/// Who pays and signs on L1.
#[derive(clap::Args)]
pub(crate) struct Owner {
    /// Keystore of the owner's account; keys/owner.json by default. Hardware and other keystores: convert or import first.
    #[arg(long)]
    owner_keystore: Option<PathBuf>,
    /// File whose first line is that keystore's password; otherwise as for the other keystores.
    #[arg(long)]
    password_file: Option<PathBuf>,
}

/// Commands of `surety seat`.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Register the seat and pay its bond from the owner's account.
    Register {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        owner: Owner,
    },
    /// Raise the bond to par, or by an amount.
    TopUp {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        owner: Owner,
        /// Ether; what is missing to par by default.
        #[arg(long)]
        ether: Option<String>,
    },
    /// Ask to leave: the seat serves the committees that are fixed, then its bond waits for the unbonding time.
    Exit {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        owner: Owner,
    },
    /// Take the bond back when it is free.
    Withdraw {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        owner: Owner,
        /// Who gets it; the owner by default.
        #[arg(long)]
        to: Option<Address>,
    },
    /// Divide the fees that have arrived on L1 among the seats, and take this seat's share.
    Fees {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        owner: Owner,
        /// Who gets it; the owner by default.
        #[arg(long)]
        to: Option<Address>,
    },
    /// Make new vote and peer keys and register them; the running sequencer takes them into use when their first term begins.
    RotateKey {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        owner: Owner,
    },
    /// Say where the seat stands and what comes next. Needs no password.
    Status {
        #[command(flatten)]
        common: Common,
        /// One JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
}

/// A seat, as L1 and its files have it.
struct Seat {
    config: Config,
    chain: ChainFile,
    l1: Arc<dyn L1>,
    registration: Registration,
}

pub(crate) async fn run(command: Command) -> Result<()> {
    match command {
        Command::Register { common, owner } => open(common).await?.register(&owner).await,
        Command::TopUp { common, owner, ether } => open(common).await?.top_up(&owner, ether.as_deref()).await,
        Command::Exit { common, owner } => open(common).await?.exit(&owner).await,
        Command::Withdraw { common, owner, to } => open(common).await?.withdraw(&owner, to).await,
        Command::Fees { common, owner, to } => open(common).await?.fees(&owner, to).await,
        Command::RotateKey { common, owner } => open(common).await?.rotate(&owner).await,
        Command::Status { common, json } => {
            let Seat { config, chain, l1, registration } = open(common).await?;
            status::run(&*l1, &chain, &registration, next_keys(&config), json).await
        }
    }
}

async fn open(common: Common) -> Result<Seat> {
    let config = Config::read(&common.config)?;
    let chain = read_chain(&config.chain).context("key `chain` of the configuration")?;
    let registration = Registration::read(&config.registration())?;
    let registry = chain.addresses.registry;
    ensure!(
        (registration.l1_chain_id, registration.registry) == (chain.l1_chain_id, registry),
        "{}: these keys were proved to registry {}, the chain file names {registry}: run `surety init --chain` in a new folder",
        config.registration().display(),
        registration.registry
    );
    // The archive of blobs belongs to the seat's sequencer, which may be running.
    let l1 = connect_l1(&config, &chain, None).await?;
    Ok(Seat { config, chain, l1, registration })
}

impl Seat {
    fn contracts(&self) -> Contracts<'_> {
        Contracts::new(&*self.l1, self.chain.addresses)
    }

    /// The seat's id.
    async fn id(&self) -> Result<u64> {
        let id = self.contracts().seat_of_vote_key(self.registration.vote_key, BlockAt::Latest).await?;
        id.with_context(|| {
            format!("vote key {} is not registered: run `surety seat register`", self.registration.vote_key)
        })
    }

    fn password(&self, owner: &Owner) -> Result<Password> {
        Password::read(owner.password_file.as_deref(), self.config.password_file())
    }

    /// Sends one transaction of the owner to the registry, and waits for it.
    async fn send(&self, owner: &Owner, call: impl SolCall, value: U256) -> Result<Included> {
        self.send_to(self.chain.addresses.registry, owner, call, value).await
    }

    async fn send_to(&self, to: Address, owner: &Owner, call: impl SolCall, value: U256) -> Result<Included> {
        let path = owner.owner_keystore.clone().unwrap_or_else(|| self.config.keystore("owner.json"));
        ensure!(
            path.exists(),
            "there is no owner's keystore at {}: name it with --owner-keystore, on the machine where it is",
            path.display()
        );
        let (key, address) = keys::load_signing(&path, &self.password(owner)?)?;
        ensure!(
            address == self.registration.owner,
            "{} is the account {address}, the seat's owner is {}: use the owner's keystore",
            path.display(),
            self.registration.owner
        );
        let settings = SubmitConfig {
            // An owner at the keyboard pays what it takes.
            daily_budget: U256::MAX,
            ..SubmitConfig::new(self.config.data_dir.join("owner"))
        };
        let settings = settings.for_slot_time(Duration::from_secs(self.chain.protocol.slot_time));
        let signer = PrivateKeySigner::from_signing_key(key);
        let submitter = Submitter::open(self.l1.clone(), Arc::new(signer), settings).await?;
        let outgoing =
            Outgoing { to: TxKind::Call(to), value, input: Bytes::from(call.abi_encode()), ..Default::default() };
        let included = submitter.submit(outgoing).await?;
        if !included.inclusion.success {
            bail!("transaction {} failed on L1: look at its trace, then try again", included.transaction);
        }
        println!("in L1 block {}: transaction {}", included.inclusion.block_number, included.transaction);
        Ok(included)
    }

    async fn register(&self, owner: &Owner) -> Result<()> {
        let Registration { owner: account, vote_key, peer_key, proof, .. } = self.registration;
        if let Some(id) = self.contracts().seat_of_vote_key(vote_key, BlockAt::Latest).await? {
            bail!("vote key {vote_key} is registered already, as seat {id}: `surety seat status` says where it stands");
        }
        let call = registerCall { owner: account, voteKey: vote_key, peerKey: peer_key, proof: proof.0.into() };
        self.send(owner, call, self.chain.protocol.bond).await?;
        println!(
            "registered as seat {}; it votes from the second term boundary on, see `surety seat status`",
            self.id().await?
        );
        Ok(())
    }

    async fn top_up(&self, owner: &Owner, ether: Option<&str>) -> Result<()> {
        let id = self.id().await?;
        let (seat, par) = (self.contracts().seat(id, BlockAt::Latest).await?, self.chain.protocol.bond);
        ensure!(
            seat.frozenAt == 0,
            "a fault froze seat {id} for good: L1 takes no top-up of it, and none would bring it back. `surety seat exit` and, \
             when it is free, `surety seat withdraw` get what is left; a new seat needs new keys (`surety init`)"
        );
        ensure!(seat.withdrawableAt == 0, "seat {id} is leaving: L1 takes no top-up of it");
        let bond = U256::from(seat.bond);
        let missing = par.saturating_sub(bond);
        let amount = match ether {
            Some(text) => alloy_primitives::utils::parse_ether(text)
                .map_err(|error| anyhow::anyhow!("--ether {text:?}: {error}; write an amount of ether such as 1.5"))?,
            None => missing,
        };
        ensure!(!missing.is_zero(), "the bond of seat {id} is {} ETH, which is par: nothing to do", format_ether(bond));
        ensure!(amount <= missing, "only {} ETH are missing to par: give no more", format_ether(missing));
        self.send(owner, topUpCall { id }, amount).await?;
        println!("the bond of seat {id} is {} ETH of {}", format_ether(bond.saturating_add(amount)), format_ether(par));
        Ok(())
    }

    async fn exit(&self, owner: &Owner) -> Result<()> {
        let id = self.id().await?;
        ensure!(
            self.contracts().seat(id, BlockAt::Latest).await?.withdrawableAt == 0,
            "seat {id} is leaving already: `surety seat status` says when its bond is free"
        );
        self.send(owner, requestExitCall { id }, U256::ZERO).await?;
        println!(
            "seat {id} leaves. Keep its sequencer running until its last term is over: `surety seat status` says when"
        );
        Ok(())
    }

    async fn withdraw(&self, owner: &Owner, to: Option<Address>) -> Result<()> {
        let id = self.id().await?;
        let to = to.unwrap_or(self.registration.owner);
        let head = self.l1.block(BlockAt::Latest).await?.context("L1 has no block")?;
        let at = BlockAt::Hash(head.hash);
        let seat = self.contracts().seat(id, at).await?;
        let free = seat.withdrawableAt;
        ensure!(free > 0, "seat {id} has not asked to leave: `surety seat exit` comes first");
        ensure!(
            head.time.get() >= free,
            "the bond of seat {id} is free in {} s: until then it answers for what the seat signed",
            free - head.time.get()
        );
        let bond = U256::from(seat.bond);
        ensure!(!bond.is_zero(), "nothing is left of the bond of seat {id}: it was paid out, or taken as a penalty");
        let owed = self.contracts().owed(id, at).await?;
        self.send(owner, withdrawCall { id, to }, U256::ZERO).await?;
        if !owed.is_zero() {
            println!(
                "{} ETH were taken first: other seats had the same fault at about the same time",
                format_ether(owed)
            );
        }
        println!("{} ETH of the bond of seat {id} were paid to {to}", format_ether(bond.saturating_sub(owed)));
        Ok(())
    }

    async fn fees(&self, owner: &Owner, to: Option<Address>) -> Result<()> {
        let id = self.id().await?;
        let to = to.unwrap_or(self.registration.owner);
        let split = self.chain.genesis.l1_fee_split;
        ensure!(!split.is_zero(), "this chain has no fee split on L1: its genesis names none");
        let contracts = self.contracts();
        let undivided = contracts.read(split, &undividedCall {}, BlockAt::Latest).await?;
        let seat = contracts.seat(id, BlockAt::Latest).await?;
        let suspension = suspensionCall { id };
        let suspended = contracts.read(self.chain.addresses.registry, &suspension, BlockAt::Latest).await?._0;
        // Who has no part in what has arrived leaves it to those who have.
        let shares = seat.frozenAt == 0 && seat.withdrawableAt == 0 && !suspended;
        if shares && undivided >= U256::from(MAX_SEATS) {
            println!("{} ETH have arrived: they are divided among the seats", format_ether(undivided));
            self.send_to(split, owner, splitCall {}, U256::ZERO).await?;
        }
        let share = contracts.read(split, &shareOfCall { seat: id }, BlockAt::Latest).await?;
        ensure!(
            !share.is_zero(),
            "nothing is there for seat {id}{}. Fees come to L1 when someone calls `withdraw()` of the vaults on L2 (0x4200…0011, \
             …0019, …001A, …001B), and then `surety withdraw --prove` with that transaction",
            if shares { "" } else { ", which has no part in fees while it is suspended, frozen or leaving" }
        );
        self.send_to(split, owner, collectCall { seat: id, to }, U256::ZERO).await?;
        println!("{} ETH of fees were paid to {to}", format_ether(share));
        Ok(())
    }

    async fn rotate(&self, owner: &Owner) -> Result<()> {
        let id = self.id().await?;
        let seat = self.contracts().seat(id, BlockAt::Latest).await?;
        ensure!(seat.frozenAt == 0, "a fault froze seat {id} for good: it votes with no key any more");
        ensure!(seat.withdrawableAt == 0, "seat {id} is leaving: its keys stay as they are");
        let next = self.config.next_keys();
        let file = next.join("registration.json");
        // A rotation that was interrupted goes on with the keys that it made.
        let new = if file.exists() {
            Registration::read(&file)?
        } else {
            // Without their registration file, which comes last, keys were never sent to L1: nobody knows them.
            for name in ["vote.json", "peer.json"] {
                let path = next.join(name);
                if path.exists() {
                    std::fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
                }
            }
            let domain = (self.registration.l1_chain_id, self.registration.registry);
            make_keys(&next, &self.password(owner)?, domain, self.registration.owner)?
        };
        if self.contracts().seat_of_vote_key(new.vote_key, BlockAt::Latest).await?.is_some() {
            bail!(
                "seat {id} has rotated to {} already; the sequencer takes it into use at its first term",
                new.vote_key
            );
        }
        let call = rotateKeysCall { id, voteKey: new.vote_key, peerKey: new.peer_key, proof: new.proof.0.into() };
        self.send(owner, call, U256::ZERO).await?;
        println!("new vote key {}", new.vote_key);
        println!(
            "new peer key {}   (tell the other operators: their peers files need it beside the old one)",
            new.peer_key
        );
        println!(
            "it votes from the second term boundary from now on. The running sequencer goes on with the old keys until then, and \
             takes these into use by itself: move nothing. The old keys stay liable for what they signed"
        );
        Ok(())
    }
}

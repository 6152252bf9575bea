//! The configuration written out, each setting with its comment.

use super::Config;
use std::path::Path;

/// A TOML string.
fn text(value: impl ToString) -> String {
    toml::Value::String(value.to_string()).to_string()
}

fn path(value: &Path) -> String {
    text(value.display())
}

fn list(values: &[String]) -> String {
    format!("[{}]", values.iter().map(text).collect::<Vec<_>>().join(", "))
}

/// What a new peers file says.
pub(crate) const PEERS_FILE: &str = "\
# Where the other seats listen: peer key = address and port. Operators tell each other; L1 has the peer keys only.
# Read again every few seconds: add the seats that join, nothing needs a restart.
[peers]
# \"0x1111111111111111111111111111111111111111111111111111111111111111\" = \"192.0.2.1:9700\"
";

impl Config {
    /// The file that `surety init` writes.
    pub(crate) fn to_commented_toml(&self) -> String {
        [self.base(), self.sections(), self.network(), self.services()].concat()
    }

    fn base(&self) -> String {
        format!(
            "\
# One seat of a Surety chain: `surety sequencer --config THIS_FILE`. Relative paths count from this file's folder.

# The chain file, as published by whoever deployed the chain.
chain = {chain}
# Where the chain, the signing journal and everything else that lasts is kept. No other process may use it.
# Never restore its journal from a copy: a seat that forgets what it signed can be slashed.
data_dir = {data_dir}

[seat]
# Who registered this seat and may withdraw its bond.
owner = {owner}
# Who gets the priority fees of the blocks that this seat leads, on L2.
beneficiary = {beneficiary}

[keys]
# Keystores (Web3 secret storage, version 3): vote.json, peer.json, poster.json, and registration.json, which is public.
directory = {keys}
# A file whose first line is the keystores' password. Empty: {variable} names it, or the terminal is asked.
password_file = {password_file}
",
            chain = path(&self.chain),
            data_dir = path(&self.data_dir),
            owner = text(self.seat.owner),
            beneficiary = text(self.seat.beneficiary),
            keys = path(&self.keys.directory),
            variable = crate::keys::PASSWORD_VARIABLE,
            password_file = path(&self.keys.password_file),
        )
    }

    fn sections(&self) -> String {
        format!(
            "
[l1]
# JSON-RPC endpoints of L1, all of one chain, best your own nodes. One is used, the next when it fails; the others are asked
# whether they say the same. Who is caught lying is not used any more; if it cannot be told who lies, the node waits.
rpc = {rpc}
# Beacon API endpoints, tried in order: a node and, for blobs older than it keeps, archives.
beacon = {beacon}
# How often L1 is asked, in milliseconds. 0: four times a slot.
poll_milliseconds = {poll}
# Blobs kept on disk, 128 KiB each; the oldest go first. 0 keeps all.
archived_blobs = {blobs}
",
            rpc = list(&self.l1.rpc),
            beacon = list(&self.l1.beacon),
            poll = self.l1.poll_milliseconds,
            blobs = self.l1.archived_blobs,
        )
    }

    fn network(&self) -> String {
        let p2p = &self.p2p;
        let quotas = &p2p.quotas;
        format!(
            "
[p2p]
# Where the other seats connect to. They must know this machine's public address and this port.
listen = {listen}
# Where the others listen; read again every few seconds.
peers_file = {peers_file}
# Whether peers may have private addresses, and many of them one address (tests, a network of one's own).
allow_private_addresses = {private}
# Seats of this committee and the next for which memory is reserved: 4 to 128.
max_peers = {max_peers}

[p2p.quotas]
# Messages a second that each peer may send, by purpose. Memory grows with quota times peers (docs/operators.md); below
# four times the blocks a second, consensus starves.
votes = {votes}
certificates = {certificates}
resolver = {resolver}
blocks = {blocks}
backfill = {backfill}
transactions = {transactions}
statements = {statements}
evidence = {evidence}
",
            listen = text(p2p.listen),
            peers_file = path(&p2p.peers_file),
            private = p2p.allow_private_addresses,
            max_peers = p2p.max_peers,
            votes = quotas.votes,
            certificates = quotas.certificates,
            resolver = quotas.resolver,
            blocks = quotas.blocks,
            backfill = quotas.backfill,
            transactions = quotas.transactions,
            statements = quotas.statements,
            evidence = quotas.evidence,
        )
    }

    fn services(&self) -> String {
        let Self { rpc, archive, poster, metrics, log, .. } = self;
        format!(
            "
[rpc]
# Whether wallets are served, HTTP and WebSocket on one port; put a proxy in front where strangers may call.
enabled = {rpc_enabled}
listen = {rpc_listen}
max_connections = {connections}
# Whether debug_* (traces) is offered: the dearest requests there are.
debug = {debug}

[archive]
# Whether the blobs that are kept are served, in the beacon API's form, for followers that come after beacon nodes have
# forgotten them. Whoever serves them should keep all: archived_blobs = 0.
enabled = {archive_enabled}
listen = {archive_listen}

[poster]
# Whether this seat posts batches to L1 in its turn, paid by poster.json's account, which L2 repays.
enabled = {posting}
# The most ether of L1 fees in one day (UTC).
daily_budget_ether = {budget}
# Nothing is posted while L1's fees are above these; whatever an endpoint says of usual tips, no more is offered.
max_fee_gwei = {max_fee}
max_priority_fee_gwei = {max_tip}
max_blob_fee_gwei = {max_blob_fee}

[metrics]
# Prometheus' form (docs/metrics.md).
enabled = {metrics_enabled}
listen = {metrics_listen}

[log]
# As of the `tracing` crate: \"info\", \"warn\", \"info,surety_node=debug\". SURETY_LOG and --log go before it.
filter = {filter}
# One JSON object a line instead of text.
json = {json}
",
            rpc_enabled = rpc.enabled,
            rpc_listen = text(rpc.listen),
            connections = rpc.max_connections,
            debug = rpc.debug,
            archive_enabled = archive.enabled,
            archive_listen = text(archive.listen),
            posting = poster.enabled,
            budget = text(&poster.daily_budget_ether),
            max_fee = poster.max_fee_gwei,
            max_tip = poster.max_priority_fee_gwei,
            max_blob_fee = poster.max_blob_fee_gwei,
            metrics_enabled = metrics.enabled,
            metrics_listen = text(metrics.listen),
            filter = text(&log.filter),
            json = log.json,
        )
    }
}

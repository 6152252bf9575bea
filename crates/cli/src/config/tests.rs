use super::*;

fn config() -> Config {
    Config {
        chain: "chain.json".into(),
        data_dir: data_dir(),
        seat: SeatSection { owner: Address::repeat_byte(1), beneficiary: Address::repeat_byte(2) },
        keys: KeysSection::default(),
        l1: L1Section {
            rpc: vec!["http://127.0.0.1:8545".into(), "https://l1.example".into()],
            beacon: vec!["http://127.0.0.1:5052".into()],
            poll_milliseconds: 0,
            archived_blobs: archived_blobs(),
        },
        p2p: P2pSection::default(),
        rpc: RpcSection::default(),
        archive: ArchiveSection::default(),
        poster: PosterSection::default(),
        metrics: MetricsSection::default(),
        log: LogSection::default(),
    }
}

/// All dotted keys of a TOML document.
fn keys(prefix: &str, value: &toml::Value, into: &mut Vec<String>) {
    let Some(table) = value.as_table() else {
        into.push(prefix.to_owned());
        return;
    };
    for (key, value) in table {
        let dotted = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        keys(&dotted, value, into);
    }
}

#[test]
fn what_init_writes_is_read_back_with_every_key_commented() {
    let mut other = config();
    other.data_dir = "a \"quoted\" \\ folder".into();
    other.p2p.allow_private_addresses = true;
    other.poster.enabled = false;
    other.archive.enabled = true;
    other.log.json = true;
    for config in [config(), other] {
        assert_eq!(Config::parse(&config.to_commented_toml()).unwrap(), config);
    }
    let text = config().to_commented_toml();
    let mut found = Vec::new();
    keys("", &toml::from_str(&text).unwrap(), &mut found);
    assert_eq!(found.len(), 37, "{found:?}");
    for key in found.iter().filter(|key| !key.starts_with("p2p.quotas")) {
        let last = key.rsplit('.').next().unwrap();
        assert!(text.contains(&format!("\n{last} = ")), "{key} is written out");
    }
    assert!(toml::from_str::<PeersFile>(PEERS_FILE).unwrap().peers.is_empty());
}

#[test]
fn each_defect_is_named_by_its_key_and_value() {
    let text = config().to_commented_toml();
    let cases = [
        ("data_dir = \"data\"", "data_dri = \"data\"", "data_dri"),
        ("listen = \"0.0.0.0:9700\"", "listen = \"9700\"", "listen"),
        ("listen = \"0.0.0.0:9700\"", "listen = \"0.0.0.0:0\"", "p2p.listen = \"0.0.0.0:0\""),
        ("votes = 128", "votes = 0", "votes"),
        ("max_peers = 64", "max_peers = 1000", "p2p.max_peers = 1000"),
        ("daily_budget_ether = \"1\"", "daily_budget_ether = \"one\"", "poster.daily_budget_ether = \"one\""),
        ("filter = \"info\"", "filter = \"a=b=c\"", "log.filter = \"a=b=c\""),
        ("\"http://127.0.0.1:5052\"", "\"127.0.0.1:5052\"", "l1.beacon: \"127.0.0.1:5052\""),
        ("beacon = [\"http://127.0.0.1:5052\"]", "beacon = []", "l1.beacon = []"),
        ("enabled = true", "enabled = \"yes\"", "enabled"),
    ];
    for (good, bad, named) in cases {
        assert!(text.contains(good), "{good}");
        let refused = Config::parse(&text.replacen(good, bad, 1)).unwrap_err().to_string();
        assert!(refused.contains(named), "{bad}: {refused}");
    }
    let zero = text.replace(&Address::repeat_byte(1).to_string(), &Address::ZERO.to_string());
    assert!(Config::parse(&zero).unwrap_err().to_string().contains("seat.owner"));
}

#[test]
fn relative_paths_count_from_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sequencer.toml");
    fs::write(&path, config().to_commented_toml()).unwrap();
    let read = Config::read(&path).unwrap();
    assert_eq!(read.chain, directory.path().join("chain.json"));
    assert_eq!(read.keystore("vote.json"), directory.path().join("keys/vote.json"));
    assert_eq!(read.password_file(), None);
}

#[test]
fn a_peers_file_is_read_or_said_to_be_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("peers.toml");
    assert_eq!(PeersFile::read(&path).unwrap(), PeersFile::default(), "none is an empty one");
    fs::write(&path, format!("[peers]\n\"{}\" = \"192.0.2.1:9700\"\n", B256::repeat_byte(7))).unwrap();
    assert_eq!(PeersFile::read(&path).unwrap().peers.len(), 1);
    fs::write(&path, "[peers]\n\"0x01\" = \"somewhere\"\n").unwrap();
    assert!(PeersFile::read(&path).is_err());
}

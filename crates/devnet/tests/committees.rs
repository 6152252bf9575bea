//! Committees of 7 and 16 seats: whole networks in one process, each seat with its own store, journal, threads and TCP
//! connections. Nightly, since they keep all cores busy for a minute or more (`cargo xtask test --all`).

#![allow(clippy::unwrap_used, reason = "a test")]

use alloy_primitives::B256;
use std::time::{Duration, Instant};
use surety_devnet::network::{Network, NetworkConfig, NetworkError};
use surety_rpc::Backend as _;
use surety_types::L1Height;

/// For a loaded machine.
const PATIENCE: Duration = Duration::from_secs(400);

fn config(directory: &std::path::Path, seats: usize) -> NetworkConfig {
    NetworkConfig { seats, watch: false, ..NetworkConfig::new(directory.to_owned()) }
}

/// Final heights of all seats that run.
fn heights(network: &Network) -> Vec<u64> {
    network.seats().iter().map(|seat| seat.backend().store().committed().number).collect()
}

/// Waits until every seat that runs has this height, and checks that they have the same block there.
async fn reach(network: &Network, height: u64) {
    let start = Instant::now();
    while heights(network).iter().any(|at| *at < height) {
        assert!(start.elapsed() < PATIENCE, "heights {:?}, {height} wanted", heights(network));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let hash = |seat: &surety_node::sequencer::Sequencer| seat.backend().store().canonical_hash(height).unwrap();
    let hashes: Vec<Option<B256>> = network.seats().iter().map(hash).collect();
    assert!(hashes[0].is_some() && hashes.windows(2).all(|pair| pair[0] == pair[1]), "one chain: {hashes:?}");
}

/// Waits until the follower, which knows L1 alone, has derived this many batches: L1 took them, so a quorum signed them.
async fn derived(network: &Network, batches: u64) {
    let mut status = network.follower().status();
    let reached = status.wait_for(|status| status.safe.index.get() >= batches);
    let index = tokio::time::timeout(PATIENCE, reached).await.map(|status| status.map(|s| s.safe.index));
    assert!(matches!(index, Ok(Ok(_))), "no batch {batches} on L1: {index:?}");
}

async fn lives_and_loses_a_third(seats: usize) {
    let directory = tempfile::tempdir().unwrap();
    let mut network = Network::start(config(directory.path(), seats)).await.unwrap();
    assert_eq!(network.seats().len(), seats);
    reach(&network, 20).await;
    derived(&network, 2).await;
    let batches = network.follower().status().borrow().safe.index.get();

    let lost = (seats - 1) / 3;
    network.stop_seats(lost).await.unwrap();
    assert_eq!(network.seats().len(), seats - lost);
    let from = heights(&network).into_iter().max().unwrap();
    // Further than all that could have been under way: each who is left leads, and each who is gone is missed, twice.
    reach(&network, from + 2 * seats as u64).await;
    derived(&network, batches + 2).await;
    let l1 = network.follower().status().borrow().l1_head.map_or(L1Height::ZERO, |head| head.number);
    assert!(l1 > L1Height::ZERO, "the follower reads L1");
    network.stop().await;

    // What is there goes on with as many seats and no other number.
    let other = Network::start(config(directory.path(), seats - 1)).await;
    assert!(matches!(other, Err(NetworkError::OtherSeats { there, .. }) if there == seats));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "nightly"]
async fn seven_seats_make_blocks_post_batches_and_lose_two() {
    lives_and_loses_a_third(7).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "nightly"]
async fn sixteen_seats_make_blocks_post_batches_and_lose_five() {
    lives_and_loses_a_third(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_tells_which_part_has_failed_and_goes_on_and_stops_without_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut network = Network::start(NetworkConfig { watch: true, ..config(directory.path(), 4) }).await.unwrap();
    let failed = async |network: &mut Network| tokio::time::timeout(PATIENCE, network.failed()).await.unwrap();
    // Files that can be written no more, as on a full disk.
    for (file, says) in [("watch/position.json", "the watchtower has"), ("follower/follower.json", "the follower has")]
    {
        let path = directory.path().join(file);
        // Whoever writes just now may be faster.
        while std::fs::create_dir(&path).is_err() {
            let _ = std::fs::remove_file(&path);
        }
        let told = failed(&mut network).await;
        assert!(told.starts_with(says) && told.contains(file), "{told}");
    }
    let height = heights(&network)[0];
    reach(&network, height + 5).await;
    assert!(tokio::time::timeout(Duration::from_secs(1), network.failed()).await.is_err(), "all is told");
    network.stop().await;
}

#[tokio::test]
async fn no_network_has_fewer_seats_than_a_chain_opens_with_or_more_than_there_are_keys_for() {
    let directory = tempfile::tempdir().unwrap();
    for seats in [0, 3, 17] {
        let refused = Network::start(config(directory.path(), seats)).await;
        assert!(matches!(refused, Err(NetworkError::Seats(n)) if n == seats));
    }
}

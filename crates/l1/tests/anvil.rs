//! The scenarios against anvil. Without anvil they are skipped, and say so, unless `CI` is set.

mod common;

use common::anvil::start;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_come_from_the_contracts_to_the_follower() {
    let Some((_anvil, world)) = start().await else { return };
    common::messages_come_from_the_contracts_to_the_follower(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reverts_are_told_by_name() {
    let Some((_anvil, world)) = start().await else { return };
    common::reverts_are_told_by_name(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_go_up_and_come_back() {
    let Some((_anvil, world)) = start().await else { return };
    common::blobs_go_up_and_come_back(&world).await;
}

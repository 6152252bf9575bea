use super::*;
use crate::testing::{ADDRESSES, Act, FakeL1, ROLLUP};
use alloy_primitives::Address;
use surety_contracts::{CHAIN_FILE_VERSION, Parameters, Profile, genesis::L2Genesis};
use surety_types::Seconds;

fn chain() -> ChainFile {
    let protocol = Parameters::of(Profile::Ci, ROLLUP.get());
    let mut parameters = protocol.chain(Seconds::new(1_000));
    parameters.genesis_hash = B256::repeat_byte(0x11);
    ChainFile {
        version: CHAIN_FILE_VERSION,
        l1_chain_id: 1337,
        l1_start: L1Height::new(1),
        addresses: ADDRESSES,
        parameters,
        protocol,
        genesis: L2Genesis::new(ROLLUP.get()),
    }
}

/// Forty blocks: a message in each, a batch of one block in every second one.
fn world() -> FakeL1 {
    let l1 = FakeL1::new();
    for n in 0..40 {
        l1.mine(if n % 2 == 0 { &[Act::Message, Act::Batch] } else { &[Act::Message] });
    }
    l1
}

#[tokio::test]
async fn the_last_final_claim_is_found_wherever_it_is() {
    let (l1, chain) = (world(), chain());
    for last in [0u64, 1, 2, 7, 13, 19, 20] {
        for range in [1, 3, 8, 1_000] {
            l1.0.lock().last_final = last;
            let mut records = Records::new(&l1, &chain).await.unwrap();
            records.range = range;
            let claim = records.last_final().await.unwrap();
            assert_eq!(claim.batch_index, BatchIndex::new(last), "range {range}");
            assert_eq!(records.claim(claim.id()).await.unwrap(), Some(claim));
        }
    }
}

#[tokio::test]
async fn a_batch_is_found_by_a_block_in_it_and_reading_stops_there() {
    let (l1, chain) = (world(), chain());
    l1.0.lock().max_log_blocks = Some(4);
    let mut records = Records::new(&l1, &chain).await.unwrap();
    assert_eq!(records.batch_at(L2Height::new(21)).await.unwrap(), None, "it is not posted yet");
    let newest = records.batch_at(L2Height::new(20)).await.unwrap().unwrap();
    assert_eq!((newest.index, newest.first), (BatchIndex::new(20), L2Height::new(20)));
    assert!(records.from > L1Height::new(30), "only the newest part was read, down to {}", records.from);
    let first = records.batch_at(L2Height::new(1)).await.unwrap().unwrap();
    assert_eq!(first.index, BatchIndex::new(1));
    assert_eq!(records.batch_at(L2Height::ZERO).await.unwrap().unwrap().index, BatchIndex::ZERO);
    assert_eq!(records.claims_of(first.index).await.unwrap().len(), 1);
    assert_eq!(records.claim(B256::repeat_byte(9)).await.unwrap(), None);
}

#[tokio::test]
async fn messages_come_in_order_with_what_leads_to_them() {
    let (l1, chain) = (world(), chain());
    let mut records = Records::new(&l1, &chain).await.unwrap();
    records.range = 3;
    let sent = records.messages_from(MessageIndex::new(33)).await.unwrap();
    let indexes: Vec<_> = sent.iter().map(|sent| sent.message.index.get()).collect();
    assert_eq!(indexes, (33..40).collect::<Vec<_>>());
    let before = records.accumulator_before(MessageIndex::new(33)).await.unwrap();
    assert_eq!(sent[0].message.accumulate(before), sent[0].acc);
    assert_eq!(records.accumulator_before(MessageIndex::ZERO).await.unwrap(), B256::ZERO);
    assert!(records.messages_from(MessageIndex::new(40)).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_statement_comes_with_what_shows_that_it_was_posted() {
    let l1 = FakeL1::new();
    for _ in 0..70 {
        l1.mine(&[Act::Batch]);
    }
    let chain = chain();
    for (index, later) in [(1, 31), (31, 1), (32, 0), (33, 31), (64, 0), (65, 5), (70, 0)] {
        let mut records = Records::new(&l1, &chain).await.unwrap();
        records.range = 7;
        let (statement, found) = records.posted(BatchIndex::new(index)).await.unwrap().unwrap();
        assert_eq!(found.len(), later, "of batch {index}");
        let record = records.batch(BatchIndex::new(index)).await.unwrap().unwrap();
        assert_eq!((statement.firstHeight, statement.lastHeight), (record.first.get(), record.last.get()));
        if later > 0 {
            let (next, _) = records.posted(BatchIndex::new(index + 1)).await.unwrap().unwrap();
            assert_eq!(found[0], next.eip712_hash_struct());
        }
        assert!(records.posted(BatchIndex::new(71)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn an_endpoint_that_leaves_a_message_out_is_found_out() {
    let (l1, chain) = (world(), chain());
    // A message: each pair of blocks has two and a batch between them.
    l1.0.lock().omit_log = Some(54);
    let mut records = Records::new(&l1, &chain).await.unwrap();
    let outcome = records.messages_from(MessageIndex::new(20)).await;
    assert!(matches!(outcome, Err(L1Error::Invalid { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_claim_with_a_bond_belongs_to_its_batch() {
    let (l1, chain) = (FakeL1::new(), chain());
    let mut records = Records::new(&l1, &chain).await.unwrap();
    let claim = Claims::ClaimPreimage {
        rollup: ROLLUP.get(),
        batchIndex: 3,
        parentId: B256::repeat_byte(1),
        prevHash: B256::repeat_byte(2),
        lastHash: B256::repeat_byte(3),
        blockHashRoot: B256::repeat_byte(4),
    };
    let expected = of_event(ROLLUP, &claim);
    let event = Claims::ClaimBonded {
        claimId: expected.id(),
        batchIndex: 3,
        claimant: Address::repeat_byte(5),
        contested: false,
        claim,
    };
    let log = L1Log {
        block_number: L1Height::new(1),
        block_hash: B256::ZERO,
        transaction: B256::ZERO,
        index: 0,
        log: alloy_primitives::Log { address: ADDRESSES.claims, data: event.encode_log_data() },
    };
    records.take(&log).unwrap();
    records.take(&log).unwrap();
    let known = records.claims.get(&BatchIndex::new(3)).map(|known| known.iter().map(|(_, claim)| *claim).collect());
    assert_eq!(known, Some(vec![expected]), "once, however often it is told of");
}

#[tokio::test]
async fn what_is_settled_is_not_read_again_and_nothing_is_missing() {
    let (l1, chain) = (world(), chain());
    l1.0.lock().last_final = 7;
    let mut records = Records::new(&l1, &chain).await.unwrap();
    records.range = 3;
    let base = records.last_final().await.unwrap();
    let settled = l1.block(BlockAt::Number(L1Height::new(30))).await.unwrap().unwrap();
    let memory = records.remember(settled, base.batch_index).unwrap();
    assert_eq!(
        memory.batches.keys().next(),
        Some(&base.batch_index),
        "what is before the last final claim is forgotten"
    );
    l1.mine(&[Act::Message, Act::Batch]);
    let head = l1.block(BlockAt::Latest).await.unwrap().unwrap();
    for range in [1, 4, 1_000] {
        let mut again = Records::resume(&l1, &chain, head, Some(memory.clone())).await.unwrap();
        again.range = range;
        let mut anew = Records::at(&l1, &chain, head);
        assert_eq!(again.last_final().await.unwrap(), base, "range {range}");
        assert!(again.has_resumed);
        for index in (7..=21).map(BatchIndex::new) {
            assert_eq!(again.claims_of(index).await.unwrap(), anew.claims_of(index).await.unwrap());
            assert_eq!(again.posted(index).await.unwrap(), anew.posted(index).await.unwrap());
        }
        let (one, other) = (MessageIndex::new(2), again.messages_from(MessageIndex::new(2)).await.unwrap());
        assert_eq!(other, anew.messages_from(one).await.unwrap(), "messages are read anew");
        assert_eq!(again.batch(BatchIndex::new(1)).await.unwrap(), anew.batch(BatchIndex::new(1)).await.unwrap());
    }
    // A head before it, and another chain.
    let before = l1.block(BlockAt::Number(L1Height::new(20))).await.unwrap().unwrap();
    let mut records = Records::resume(&l1, &chain, before, Some(memory.clone())).await.unwrap();
    assert!(records.memory.is_none());
    assert_eq!(records.batch_at(L2Height::new(20)).await.unwrap(), None);
    l1.drop_blocks(15);
    for _ in 0..20 {
        l1.mine(&[]);
    }
    let head = l1.block(BlockAt::Latest).await.unwrap().unwrap();
    let mut records = Records::resume(&l1, &chain, head, Some(memory)).await.unwrap();
    assert!(records.memory.is_none(), "its blocks are gone");
    let newest = records.batch_at(L2Height::new(14)).await.unwrap();
    assert_eq!(newest, None, "nor is a batch of them known");
}

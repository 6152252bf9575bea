use super::*;
use alloy::{
    consensus::{Receipt, ReceiptEnvelope, proofs::calculate_receipt_root},
    rpc::types::{Block, Header, Log, TransactionReceipt},
};
use axum::{Json, Router, extract::State as With, routing::post};
use serde_json::{Value, json};

const CONTRACT: Address = Address::repeat_byte(0xc0);

/// A block, and what it holds.
#[derive(Debug, Clone)]
struct Made {
    header: Header,
    receipts: Vec<TransactionReceipt>,
}

fn log(number: u64, seed: u8) -> alloy_primitives::Log {
    alloy_primitives::Log::new_unchecked(CONTRACT, vec![B256::with_last_byte(seed)], Bytes::from(number.to_be_bytes()))
}

fn placed(log: alloy_primitives::Log, number: u64, hash: B256, index: u64) -> Log {
    Log {
        inner: log,
        block_hash: Some(hash),
        block_number: Some(number),
        transaction_hash: Some(B256::repeat_byte(3)),
        transaction_index: Some(0),
        log_index: Some(index),
        ..Default::default()
    }
}

/// Blocks 0 to `last` with two logs each; those from `fork` on are of a branch of their own.
fn chain(last: u64, fork: u64) -> Vec<Made> {
    let mut made: Vec<Made> = Vec::new();
    for number in 0..=last {
        let logs = vec![log(number, 1), log(number, 2)];
        let receipt = Receipt { status: true.into(), cumulative_gas_used: 21_000, logs: logs.clone() };
        let root = calculate_receipt_root(&[ReceiptEnvelope::Eip1559(receipt.with_bloom())]);
        let inner = alloy::consensus::Header {
            number,
            timestamp: 1_000 + number,
            parent_hash: made.last().map_or(B256::ZERO, |block| block.header.hash),
            receipts_root: root,
            extra_data: if number >= fork { Bytes::from_static(b"fork") } else { Bytes::new() },
            ..Default::default()
        };
        let header = Header { hash: inner.hash_slow(), inner, ..Default::default() };
        let logs = (0..).zip(logs).map(|(index, log)| placed(log, number, header.hash, index)).collect();
        let receipt = Receipt { status: true.into(), cumulative_gas_used: 21_000, logs };
        let receipts = vec![TransactionReceipt {
            inner: ReceiptEnvelope::Eip1559(receipt.with_bloom()),
            transaction_hash: B256::repeat_byte(3),
            transaction_index: Some(0),
            block_hash: Some(header.hash),
            block_number: Some(number),
            gas_used: 21_000,
            effective_gas_price: 1,
            blob_gas_used: None,
            blob_gas_price: None,
            from: Address::ZERO,
            to: None,
            contract_address: None,
        }];
        made.push(Made { header, receipts });
    }
    made
}

/// How an endpoint is.
#[derive(Debug, Clone, Default)]
struct Is {
    blocks: Vec<Made>,
    finalized: usize,
    down: bool,
    /// Of this block one log is left out.
    omits: Option<u64>,
    /// In this block there is a log too many.
    invents: Option<u64>,
    no_receipts: bool,
    call: u8,
    sent: usize,
}

impl Is {
    fn answer(&mut self, method: &str, params: &Value) -> Value {
        let text = params.to_string();
        let number = |value: &Value| u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok();
        let by_hash = || self.blocks.iter().find(|block| text.contains(&block.header.hash.to_string()));
        let shown = |made: Option<&Made>| {
            made.map_or(Value::Null, |made| json!(Block::<alloy::rpc::types::Transaction>::empty(made.header.clone())))
        };
        match method {
            "eth_getBlockByNumber" => shown(match params[0].as_str().unwrap() {
                "latest" => self.blocks.last(),
                "finalized" | "safe" => self.blocks.get(self.finalized),
                _ => self.blocks.get(number(&params[0]).unwrap() as usize),
            }),
            "eth_getBlockByHash" => shown(by_hash()),
            "eth_getBlockReceipts" if self.no_receipts => Value::Null,
            "eth_getBlockReceipts" => by_hash().map_or(Value::Null, |made| json!(made.receipts)),
            "eth_getLogs" => {
                let range = number(&params[0]["fromBlock"]).unwrap()..=number(&params[0]["toBlock"]).unwrap();
                let mut logs = Vec::new();
                for made in self.blocks.iter().filter(|made| range.contains(&made.header.inner.number)) {
                    let number = made.header.inner.number;
                    let mut of: Vec<Log> = made.receipts.iter().flat_map(|r| r.logs().to_vec()).collect();
                    if self.omits == Some(number) {
                        of.remove(0);
                    }
                    if self.invents == Some(number) {
                        of.push(placed(log(number, 9), number, made.header.hash, 2));
                    }
                    logs.extend(of);
                }
                json!(logs)
            }
            "eth_call" => json!(Bytes::from(vec![self.call])),
            "eth_sendRawTransaction" => {
                self.sent += 1;
                json!(B256::ZERO)
            }
            other => panic!("{other}"),
        }
    }
}

/// A running endpoint.
#[derive(Debug, Clone)]
struct Endpoint {
    is: Arc<Mutex<Is>>,
    url: String,
}

impl Endpoint {
    async fn start(is: Is) -> Self {
        async fn answer(With(is): With<Arc<Mutex<Is>>>, Json(request): Json<Value>) -> Json<Value> {
            let mut is = is.lock();
            if is.down {
                return Json(json!({"nothing": "usable"}));
            }
            let result = is.answer(request["method"].as_str().unwrap(), &request["params"]);
            Json(json!({"jsonrpc": "2.0", "id": request["id"], "result": result}))
        }
        let is = Arc::new(Mutex::new(is));
        let app = Router::new().route("/", post(answer)).with_state(is.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        // Ends with the test's runtime.
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { is, url }
    }

    fn name(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }
}

fn good() -> Is {
    Is { blocks: chain(20, 99), finalized: 10, ..Is::default() }
}

/// Compared before every answer, as far as a loaded machine allows; stuck after a moment.
const CHECK: CrossCheck =
    CrossCheck { depth: 4, period: Duration::from_millis(1), stuck_after: Duration::from_millis(50) };

async fn several<const N: usize>(are: [Is; N]) -> (SeveralL1, [Endpoint; N]) {
    let endpoints = futures::future::join_all(are.map(Endpoint::start)).await;
    let patient = |endpoint: &Endpoint| RpcConfig {
        attempts: 2,
        backoff: Duration::from_millis(1),
        ..RpcConfig::new(&endpoint.url, [])
    };
    let configs = endpoints.iter().map(patient).collect();
    (SeveralL1::new(configs, CHECK, None).unwrap(), endpoints.try_into().unwrap())
}

fn height(number: u64) -> BlockAt {
    BlockAt::Number(L1Height::new(number))
}

async fn logs(l1: &SeveralL1, from: u64, to: u64) -> Result<usize, L1Error> {
    l1.logs(L1Height::new(from), L1Height::new(to), &[CONTRACT]).await.map(|logs| logs.len())
}

/// Asks until the answer is such: comparisons run beside the questions.
async fn until<T>(l1: &SeveralL1, at: BlockAt, so: impl Fn(Result<Option<BlockRef>, L1Error>) -> Option<T>) -> T {
    for _ in 0..6_000 {
        if let Some(found) = so(l1.block(at).await) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never so");
}

fn standings(l1: &SeveralL1) -> Vec<judge::Standing> {
    l1.0.state(|state| state.standings())
}

#[tokio::test]
async fn one_that_fails_costs_nothing_while_another_answers() {
    let (l1, [first, second]) = several([good(), good()]).await;
    assert_eq!(l1.block(BlockAt::Latest).await.unwrap().unwrap().number.get(), 20);
    first.is.lock().down = true;
    for _ in 0..10 {
        assert_eq!(l1.block(height(7)).await.unwrap().unwrap().number.get(), 7);
        assert_eq!(logs(&l1, 3, 5).await.unwrap(), 6);
    }
    second.is.lock().down = true;
    assert!(matches!(l1.block(height(7)).await, Err(L1Error::Unavailable { .. } | L1Error::Invalid { .. })));
    first.is.lock().down = false;
    assert!(l1.block(height(7)).await.is_ok(), "one that is back is asked");
}

#[tokio::test]
async fn who_is_on_another_branch_than_most_is_set_aside_until_it_comes_back() {
    use judge::Standing::{Forked, Good};
    let liar = Is { blocks: chain(20, 9), ..good() };
    let (l1, [_, first, _]) = several([good(), liar, good()]).await;
    let right = chain(20, 99)[12].header.hash;
    assert_eq!(l1.block(height(12)).await.unwrap().unwrap().hash, right);
    assert_eq!(standings(&l1), [Good, Forked, Good]);
    first.is.lock().blocks = chain(20, 99);
    until(&l1, BlockAt::Latest, |_| (standings(&l1) == [Good; 3]).then_some(())).await;
}

#[tokio::test]
async fn the_first_endpoint_is_not_believed_before_it_was_compared() {
    let liar = Is { blocks: chain(20, 9), ..good() };
    let (l1, _) = several([liar, good(), good()]).await;
    assert_eq!(l1.block(BlockAt::Latest).await.unwrap().unwrap().hash, chain(20, 99)[20].header.hash);
}

#[tokio::test]
async fn two_that_contradict_each_other_are_named_and_neither_is_believed_until_they_agree() {
    let (l1, [first, second]) = several([good(), Is { blocks: chain(20, 9), ..good() }]).await;
    let error = l1.block(BlockAt::Latest).await.unwrap_err();
    assert!(
        matches!(&error, L1Error::Disputed { reason } if reason.contains(first.name()) && reason.contains(second.name())),
        "{error}"
    );
    assert_eq!(error.advice(), crate::Advice::Retry);
    // Whoever falls silent has not given in.
    first.is.lock().down = true;
    for _ in 0..20 {
        assert!(matches!(l1.block(BlockAt::Latest).await, Err(L1Error::Disputed { .. })));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    *first.is.lock() = good();
    second.is.lock().blocks = chain(21, 99);
    let head = until(&l1, BlockAt::Latest, |head| head.ok().flatten()).await;
    assert!(head.number.get() >= 20);
}

#[tokio::test]
async fn branches_near_the_head_are_no_fault() {
    let (l1, _) = several([good(), Is { blocks: chain(20, 17), ..good() }]).await;
    for _ in 0..20 {
        l1.block(BlockAt::Latest).await.unwrap();
        assert_eq!(logs(&l1, 15, 20).await.unwrap(), 12);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(standings(&l1), [judge::Standing::Good; 2]);
}

#[tokio::test]
async fn a_head_that_stands_while_another_goes_on_is_left() {
    let (l1, [first, second]) = several([good(), good()]).await;
    l1.block(BlockAt::Latest).await.unwrap();
    for last in 21..2_000 {
        second.is.lock().blocks = chain(last, 9_999);
        let head = l1.block(BlockAt::Latest).await.unwrap().unwrap();
        if head.number.get() > 20 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(standings(&l1), [judge::Standing::Behind, judge::Standing::Good]);
    // It is as good as any once it is back.
    let blocks = second.is.lock().blocks.clone();
    first.is.lock().blocks = blocks;
    until(&l1, BlockAt::Latest, |_| (standings(&l1) == [judge::Standing::Good; 2]).then_some(())).await;
}

#[tokio::test]
async fn one_that_invents_a_head_far_ahead_makes_nobody_late() {
    let ahead = Is { blocks: chain(400, 21), ..good() };
    let (l1, _) = several([good(), ahead, good()]).await;
    for _ in 0..10 {
        assert_eq!(l1.block(BlockAt::Latest).await.unwrap().unwrap().number.get(), 20);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn who_leaves_out_or_invents_a_log_is_shown_up_by_the_receipts_even_among_two() {
    use judge::Standing::{Good, Lying};
    let omits = Is { omits: Some(8), ..good() };
    let invents = Is { invents: Some(8), ..good() };
    for (are, standing) in [
        ([omits.clone(), good()], [Lying, Good]),
        ([good(), omits], [Good, Lying]),
        ([invents.clone(), good()], [Lying, Good]),
        ([good(), invents], [Good, Lying]),
    ] {
        let (l1, endpoints) = several(are).await;
        assert_eq!(logs(&l1, 1, 7).await.unwrap(), 14);
        assert_eq!(standings(&l1), [Good, Good], "it has done nothing yet");
        assert_eq!(logs(&l1, 5, 9).await.unwrap(), 10);
        assert_eq!(standings(&l1), standing);
        // It is never believed again in this process, whatever it says.
        for endpoint in &endpoints {
            *endpoint.is.lock() = good();
        }
        for _ in 0..10 {
            assert_eq!(logs(&l1, 5, 9).await.unwrap(), 10);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(standings(&l1), standing);
    }
}

#[tokio::test]
async fn a_liar_among_two_is_not_found_without_receipts_and_then_nothing_is_believed() {
    let (l1, _) =
        several([Is { omits: Some(8), no_receipts: true, ..good() }, Is { no_receipts: true, ..good() }]).await;
    assert!(matches!(logs(&l1, 5, 9).await, Err(L1Error::Disputed { .. })));
    assert_eq!(logs(&l1, 9, 12).await.unwrap(), 8, "the rest can be read");
}

#[tokio::test]
async fn a_witness_that_is_behind_accuses_nobody() {
    let (l1, _) = several([good(), Is { blocks: chain(17, 99), ..good() }]).await;
    assert_eq!(logs(&l1, 15, 20).await.unwrap(), 12);
    assert_eq!(standings(&l1), [judge::Standing::Good; 2]);
}

#[tokio::test]
async fn calls_at_a_block_are_what_more_than_half_say() {
    use judge::Standing::{Good, Lying};
    let at = BlockAt::Hash(chain(20, 99)[12].header.hash);
    let call = Call { to: Some(CONTRACT), ..Call::default() };
    let (l1, _) = several([Is { call: 6, ..good() }, good(), good()]).await;
    assert_eq!(l1.call(&call, at).await.unwrap(), Bytes::from(vec![0]));
    assert_eq!(standings(&l1), [Lying, Good, Good]);
    let (l1, _) = several([Is { call: 6, ..good() }, good()]).await;
    assert!(matches!(l1.call(&call, at).await, Err(L1Error::Disputed { .. })));
}

#[tokio::test]
async fn what_one_alone_calls_final_is_not() {
    let (l1, [_, second]) = several([Is { finalized: 20, ..good() }, good()]).await;
    assert_eq!(l1.block(BlockAt::Finalized).await.unwrap().unwrap().number.get(), 10);
    second.is.lock().down = true;
    until(&l1, BlockAt::Finalized, |block| (block.ok()??.number.get() == 20).then_some(())).await;
}

#[tokio::test]
async fn with_one_left_what_it_calls_final_is_believed() {
    use judge::Standing::{Failing, Good};
    let (l1, [_, second]) = several([good(), good()]).await;
    second.is.lock().down = true;
    until(&l1, BlockAt::Latest, |_| (standings(&l1) == [Good, Failing]).then_some(())).await;
    assert_eq!(l1.block(BlockAt::Finalized).await.unwrap().map(|block| block.number.get()), Some(10));
}

#[tokio::test]
async fn a_transaction_is_handed_to_all() {
    let (l1, endpoints) = several([good(), good(), good()]).await;
    l1.send_raw(&[2, 1]).await.unwrap();
    for _ in 0..1_000 {
        if endpoints.iter().all(|endpoint| endpoint.is.lock().sent == 1) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("somebody did not get it");
}

#[test]
fn more_than_half_of_those_that_say_something_decide() {
    let of = |said: &[Option<u8>]| judge(said.len(), |a, b| Some(said[a]? == said[b]?));
    assert_eq!(of(&[]), Verdict::Agreed);
    assert_eq!(of(&[None, Some(1)]), Verdict::Agreed);
    assert_eq!(of(&[Some(1), None, Some(2)]), Verdict::Dispute { parties: vec![0, 2] });
    let Verdict::Majority { place, against } = of(&[Some(2), Some(1), Some(1)]) else { panic!("no majority") };
    assert_eq!((place != 0, against), (true, vec![0]));
    assert_eq!(of(&[Some(1), Some(1), Some(2), Some(2)]), Verdict::Dispute { parties: vec![0, 1, 2, 3] });
}

//! The hot path beside jsonrpsee: whatever a client posts, both give the same answer, to the byte.
//!
//! A body whose length is announced may take the hot path; the same body in chunks never does.
#![allow(clippy::unwrap_used)]

use alloy_primitives::hex;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

/// Longest transaction that [`Canned`] takes, bytes.
const LONGEST: usize = 64;

/// Answers by the bytes of a transaction alone, later and from elsewhere.
#[derive(Default)]
struct Canned {
    seen: Mutex<HashSet<B256>>,
    /// Transactions in each submission.
    submitted: Mutex<Vec<usize>>,
}

impl Canned {
    fn judge(&self, raw: &[u8]) -> Outcome {
        match raw {
            [] => Err(Shed::Malformed("not a \"transaction\"")),
            raw if raw.len() > LONGEST => Err(Shed::Oversized { size: raw.len(), limit: LONGEST }),
            [0xbb, ..] => Err(Shed::Busy),
            [0x03, ..] => Err(Shed::TypeNotSupported(3)),
            [0xee, ..] => Err(Shed::NonceTooLow { next: 4, have: 2 }),
            _ if !self.seen.lock().unwrap().insert(keccak256(raw)) => Err(Shed::AlreadyKnown),
            _ => Ok(keccak256(raw)),
        }
    }
}

impl TransactionIntake for Canned {
    fn submit(&self, raws: &[&[u8]]) -> Admissions {
        let (admissions, seats) = Admissions::new(raws.len());
        self.submitted.lock().unwrap().push(raws.len());
        let mut answers: Vec<_> = raws.iter().map(|raw| self.judge(raw)).zip(seats).collect();
        tokio::spawn(async move {
            while let Some((outcome, seat)) = answers.pop() {
                seat.answer(outcome);
            }
        });
        admissions
    }
}

/// Two servers that have seen the same.
struct Twins {
    _setup: Setup,
    hot: (RpcServer, Arc<Canned>),
    cold: (RpcServer, Arc<Canned>),
}

impl Twins {
    async fn start() -> Self {
        let setup = Setup::start(false).await;
        let one = async || {
            let intake = Arc::new(Canned::default());
            let params = crate::chain_view::testing::genesis().params;
            let options = RpcOptions { listen: "127.0.0.1:0".parse().unwrap(), params, min_priority_fee: 1 };
            let decided = Arc::new(Decided(genesis_state()));
            (serve(setup.view.clone(), intake.clone(), decided, options).await.unwrap(), intake)
        };
        Self { hot: one().await, cold: one().await, _setup: setup }
    }

    /// Posts a body both ways; the announced one in two pieces. Gives status line and body of both answers.
    ///
    /// The first piece goes beyond white space in front: jsonrpsee tells a batch from a call by what comes first and alone, so a
    /// body cut there is another body to it.
    async fn post(&self, body: &[u8], cut: usize) -> [(String, String); 2] {
        let begun = body.iter().position(|byte| !byte.is_ascii_whitespace()).map_or(body.len(), |at| at + 1);
        let cut = cut.max(begun);
        let announced = format!("Content-Length: {}\r\n\r\n", body.len());
        let chunk =
            [format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"]
                .concat();
        let (early, late) = body.split_at(cut.min(body.len()));
        let hot = post(self.hot.0.address(), &[[announced.as_bytes(), early].concat(), late.to_vec()]).await;
        // A chunk without bytes is the end.
        let chunk = if body.is_empty() { b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec() } else { chunk };
        [hot, post(self.cold.0.address(), &[chunk]).await]
    }
}

async fn post(address: SocketAddr, pieces: &[Vec<u8>]) -> (String, String) {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for piece in pieces {
        // The server may have answered and closed already.
        let _ = stream.write_all(piece).await;
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let kept = |line: &&str| line.starts_with("HTTP/") || line.to_ascii_lowercase().starts_with("content-type");
    (head.lines().filter(kept).collect(), body.to_owned())
}

fn call(id: &str, raw: &[u8]) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"eth_sendRawTransaction","params":["{}"]}}"#,
        hex::encode_prefixed(raw)
    )
}

fn a_raw() -> impl Strategy<Value = Vec<u8>> {
    // Few different ones, so that some come twice.
    let common =
        (prop::sample::select(vec![2, 3, 0xbb, 0xee]), 0..40_u8).prop_map(|(first, second)| vec![first, second, 7]);
    prop_oneof![4 => common, 1 => prop::collection::vec(any::<u8>(), 0..LONGEST + 8)]
}

fn a_parameter() -> impl Strategy<Value = String> {
    fn quoted(text: impl std::fmt::Display) -> String {
        format!("\"{text}\"")
    }
    prop_oneof![
        16 => a_raw().prop_map(hex::encode_prefixed).prop_map(quoted),
        2 => a_raw().prop_map(hex::encode_upper).prop_map(quoted),
        1 => prop::sample::select(vec!["0x0", "0x", "", "0xzz", "0X02", "0x0x02", r"\u0030x02", "0x02 ", "é"])
            .prop_map(quoted),
        1 => prop::sample::select(vec!["null", "2", "[2,3]", "", "\"0x02\",\"0x03\"", "{}"]).prop_map(Into::into),
    ]
}

fn a_call() -> impl Strategy<Value = String> {
    const IDS: &[&str] = &["0", "1", "18446744073709551615", "null", "\"a\"", "\"\"", "\"~ !\""];
    const ODD_IDS: &[&str] =
        &["01", "-1", "1.5", "1e2", "18446744073709551616", "\"\\n\"", "\"é\"", "true", "[]", "\"\x7f\""];
    const METHODS: &[&str] = &["eth_sendRawTransaction"];
    const ODD_METHODS: &[&str] = &["eth_chainId", "eth_sendRawTransaction ", r"eth\u005fsendRawTransaction", "nothing"];
    let id = prop_oneof![24 => prop::sample::select(IDS), 1 => prop::sample::select(ODD_IDS)];
    let method = prop_oneof![24 => prop::sample::select(METHODS), 1 => prop::sample::select(ODD_METHODS)];
    let version =
        prop_oneof![24 => Just("\"2.0\""), 1 => prop::sample::select(vec!["\"1.0\"", "2.0", r#""2.\u0030""#])];
    let space = prop::sample::select(vec!["", "", "", " ", "\n", "\t \r\n"]);
    let odd = prop_oneof![24 => Just(0_u8), 1 => 1..4_u8];
    (id, method, version, a_parameter(), space, odd, Just(vec![0, 1, 2, 3]).prop_shuffle()).prop_map(
        |(id, method, version, parameter, s, odd, order)| {
            let all = [
                format!("{s}\"jsonrpc\"{s}:{s}{version}"),
                format!("\"id\":{s}{id}{s}"),
                format!("\"method\"{s}:\"{method}\""),
                format!("\"params\":{s}[{s}{parameter}{s}]"),
            ];
            let mut members: Vec<_> = order.iter().map(|at: &usize| all[*at].clone()).collect();
            match odd {
                1 => drop(members.pop()),
                2 => members.push(all[1].clone()),
                3 => members.push("\"more\":[1]".into()),
                _ => {}
            }
            format!("{{{}{s}}}", members.join(","))
        },
    )
}

fn a_body() -> impl Strategy<Value = Vec<u8>> {
    let space = || prop::sample::select(vec!["", "", "", " ", "\r\n"]);
    let batch = || {
        let parts = (prop::collection::vec(a_call(), 0..12), space(), space());
        parts.prop_map(|(calls, front, back)| format!("{front}[{}{back}]{back}", calls.join(",")))
    };
    let large = prop::collection::vec(a_raw().prop_map(|raw| call("1", &raw)), 250..260);
    let large = large.prop_map(|calls| format!("[{}]", calls.join(",")));
    let damaged = (batch(), any::<prop::sample::Index>(), any::<Option<u8>>()).prop_map(|(text, at, byte)| {
        let mut text = text.into_bytes();
        let at = at.index(text.len());
        match byte {
            Some(byte) => text[at] = byte,
            None => text.truncate(at),
        }
        text
    });
    prop_oneof![4 => a_call().prop_map(String::into_bytes), 8 => batch().prop_map(String::into_bytes), 4 => damaged,
        1 => large.prop_map(String::into_bytes)]
}

#[test]
fn whatever_is_posted_both_ways_answer_the_same() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let twins = runtime.block_on(Twins::start());
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() });
    let same = runner.run(&(a_body(), any::<prop::sample::Index>()), |(body, cut)| {
        let [hot, cold] = runtime.block_on(twins.post(&body, cut.index(body.len() + 1)));
        prop_assert_eq!(hot, cold, "{}", String::from_utf8_lossy(&body));
        Ok(())
    });
    same.unwrap();
    let largest = |twin: &(RpcServer, Arc<Canned>)| twin.1.submitted.lock().unwrap().iter().max().copied();
    assert_eq!(largest(&twins.cold), Some(1), "chunks never take the hot path");
    assert!(largest(&twins.hot) > Some(200), "a whole batch is handed over at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_calls_take_the_hot_path_and_others_do_not() {
    let twins = Twins::start().await;
    let submitted = || std::mem::take(&mut *twins.hot.1.submitted.lock().unwrap());
    let batch = format!("[{},{}]", call("1", &[2, 1]), call("\"x\"", &[2, 1]));
    let (head, body) = &twins.post(batch.as_bytes(), 0).await[0];
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    let known = r#"{"jsonrpc":"2.0","id":"x","error":{"code":-32000,"message":"already known"}}"#;
    assert_eq!(*body, format!(r#"[{{"jsonrpc":"2.0","id":1,"result":"{}"}},{known}]"#, keccak256([2, 1])));
    assert_eq!(submitted(), [2]);
    let asking = batch.replacen("},{", r#"},{"jsonrpc":"2.0","id":2,"method":"eth_chainId"},{"#, 1);
    twins.post(asking.as_bytes(), 0).await;
    assert_eq!(submitted(), [1, 1]);
    twins.post(batch.replacen("0x02", "0xz2", 1).as_bytes(), 0).await;
    assert_eq!(submitted(), [1], "one that is no hex takes the others along");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_within_its_body_does_no_harm() {
    let twins = Twins::start().await;
    let whole = format!("[{}]", call("1", &[2, 1]));
    let head = format!("Content-Length: {}\r\n\r\n", whole.len());
    for sent in [0, 1, whole.len() / 2, whole.len() - 1] {
        let mut stream = tokio::net::TcpStream::connect(twins.hot.0.address()).await.unwrap();
        let post = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
        stream.write_all([post, &head, &whole[..sent]].concat().as_bytes()).await.unwrap();
    }
    let [hot, cold] = twins.post(whole.as_bytes(), 0).await;
    assert_eq!(hot, cold);
    assert_eq!(*twins.hot.1.submitted.lock().unwrap(), [1]);
}

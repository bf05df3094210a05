//! Packing beside its peers: real transactions, cut into the same batches, packed by every level of ours, by the OP Stack's
//! span batch with brotli-10 (`kona-protocol`), and by general codecs over the encodings end to end.
//!
//! `--json` prints the rows for `make bench` on standard output; without it a table. Speeds are per core, by the thread's CPU
//! time, of raw bytes, over five rounds in which all contenders take turns.

mod codecs;
mod contender;
mod data;
mod measure;
mod report;
mod span;

use horae_stages::ChainParams;

use self::contender::Contender;
use self::data::Batch;
use self::report::Row;

/// Calldata from here on is "large": some thirty transactions of the data, most of the bytes.
const LARGE_CALLDATA_BYTES: usize = 4_096;

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    let all = data::transactions();
    let small: Vec<_> = all.iter().filter(|raw| data::calldata_bytes(raw) <= LARGE_CALLDATA_BYTES).cloned().collect();
    let batch_bytes = ChainParams::devnet(data::CHAIN_ID).batch_bytes as usize;
    let mut rows = Vec::new();
    for (suffix, transactions) in [("", &all), ("-small", &small)] {
        let one = data::batches(transactions, usize::MAX);
        rows.extend(bytes(&format!("bytes{suffix}"), &one));
        let many = data::batches(transactions, batch_bytes);
        rows.extend(bytes(&format!("bytes-60KiB{suffix}"), &many));
        rows.extend(measure::speeds(suffix, &many));
    }
    report::print(&rows, json);
}

/// How many bytes a transaction each contender takes, beside the span batch.
fn bytes(what: &str, batches: &[Batch]) -> Vec<Row> {
    let transactions: usize = batches.iter().map(|batch| batch.transactions).sum();
    let each = |contender: &Contender| {
        let packed = batches.iter().map(|batch| {
            let packed = contender.pack(batch);
            assert!(contender.unpack_checked(&packed, batch), "{} is not lossless", contender.name());
            packed.len()
        });
        packed.sum::<usize>() as f64 / transactions as f64
    };
    let baseline = each(&Contender::Span);
    let peers = Contender::PEERS.iter().map(|peer| (format!("pack/peer/{}/{what}", peer.name()), each(peer)));
    let ours = Contender::ours().map(|ours| (format!("pack/{}/{what}", ours.name()), each(&ours)));
    ours.into_iter().chain(peers).map(|(name, value)| Row::exact(name, value, "B/tx", baseline)).collect()
}

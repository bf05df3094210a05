//! Real transactions: 13,083 from 42 Ethereum mainnet blocks, through decode, dedup, recover and pack.

use std::num::NonZeroU32;
use std::path::PathBuf;

use alloy_primitives::{Address, B256, Bytes, hex};
use horae_recovery::{Choice, NoVectors, Recoverer, Setup};

use super::fixture::slot;
use crate::header::{Block, Header};
use crate::pack::{Level, UnpackLimits, pack, unpack};
use crate::*;

struct Known {
    from: Address,
    hash: B256,
    raw: Vec<u8>,
}

fn load() -> Vec<Known> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/mainnet-transactions.jsonl.zst");
    let file = std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; this test needs the shared data folder beside the repository", path.display())
    });
    let text = String::from_utf8(zstd::decode_all(file.as_slice()).unwrap()).unwrap();
    let known = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let field = |name: &str| row[name].as_str().unwrap().to_owned();
        Known {
            from: field("from").parse().unwrap(),
            hash: field("hash").parse().unwrap(),
            raw: hex::decode(field("raw")).unwrap(),
        }
    };
    text.lines().map(known).collect()
}

fn blocks_of(transactions: impl Iterator<Item = Bytes>, each: usize) -> Vec<Block> {
    let all: Vec<_> = transactions.collect();
    let template = super::fixture::genesis(&[]).header();
    let block = |(index, transactions): (usize, &[Bytes])| Block {
        header: Header {
            number: 1 + index as u64,
            timestamp_ms: template.timestamp_ms + 20 * index as u64,
            epoch: 1,
            term: 3,
            slot: slot(1).slot + index as u64 / 150,
            fee_recipient: slot(1).fee_recipient,
            ends_slot: index % 150 == 149,
            ..template.clone()
        },
        transactions: transactions.to_vec(),
    };
    all.chunks(each).enumerate().map(block).collect()
}

#[test]
fn every_sender_is_recovered() {
    every_sender(Recover::new());
}

#[test]
fn every_sender_is_recovered_by_libsecp256k1() {
    let setup = Setup::new(Choice::Libsecp256k1, NonZeroU32::MIN).unwrap();
    every_sender(Recover::over(Recoverer::new(setup)));
}

/// With every single outcome checked.
#[test]
fn every_sender_is_recovered_by_vectors() {
    match Setup::new(Choice::Vector, NonZeroU32::MIN) {
        Ok(setup) => {
            every_sender(Recover::over(Recoverer::new(setup.clone())));
            assert_eq!(setup.mismatch(), None);
        }
        Err(NoVectors) => println!("no AVX-512 IFMA here"),
    }
}

fn every_sender(mut recover: Recover) {
    let known = load();
    assert_eq!(known.len(), 13_083);
    let decode = Decode::new(DecodePolicy::any());
    let mut dedup = Dedup::new(known.len());
    let mut burst = Vec::new();
    for known in &known {
        let mut body = Box::<TxBody>::default();
        body.fill(&known.raw, 0, 0);
        let decoded = decode.step(Frame::new(body)).unwrap();
        assert_eq!(decoded.body().hash(), known.hash);
        burst.push(dedup.step(decoded).unwrap());
    }
    let mut senders = Vec::new();
    let mut high_s = 0;
    recover.burst(&mut burst, |result| match result {
        Ok(recovered) => senders.push(Some(recovered.body().sender())),
        Err(rejected) => {
            assert_eq!(rejected.why, Shed::InvalidSender);
            high_s += 1;
            senders.push(None);
        }
    });
    println!("{high_s} of {} have a high s (before EIP-2)", known.len());
    for (known, sender) in known.iter().zip(senders) {
        assert_eq!(sender, Some(known.from), "{}", known.hash);
    }
}

/// What the OP Stack's span batch with brotli-10 takes, in bytes a transaction (`benches/span` measures it).
const SPAN_BATCH: f64 = 167.01;

#[test]
fn packing_real_transactions_is_lossless() {
    let known = load();
    let raw: usize = known.iter().map(|known| known.raw.len()).sum();
    let blocks = blocks_of(known.iter().map(|known| known.raw.clone().into()), 40);
    let limits = UnpackLimits::holding(raw, blocks.len());
    for level in [Level::Middle, Level::Fast] {
        let packed = pack(&blocks, level).unwrap();
        let unpacked = unpack(&packed.bytes, &limits).unwrap();
        let read: Vec<_> = unpacked.blocks.iter().flat_map(|block| &block.transactions).collect();
        assert_eq!(read.len(), known.len());
        assert!(read.iter().zip(&known).all(|(read, known)| read.as_ref() == known.raw));
    }
}

#[test]
fn packing_real_transactions_is_small() {
    let known = load();
    let without_blobs: Vec<_> = known.iter().filter(|known| known.raw[0] != 3).collect();
    let blocks = blocks_of(without_blobs.iter().map(|known| known.raw.clone().into()), 40);
    for (level, most) in [(Level::Best, 1.0), (Level::Middle, 1.01), (Level::Fast, 1.03)] {
        let each = pack(&blocks, level).unwrap().bytes.len() as f64 / without_blobs.len() as f64;
        println!("{}: {each:.2} bytes a transaction", level.name());
        assert!(each <= most * SPAN_BATCH, "{}: {each:.2}", level.name());
    }
}

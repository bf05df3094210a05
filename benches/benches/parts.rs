//! The parts of the pipeline, each beside what bounds it: sender recovery beside a pure-Rust curve, our ring beside bare `rtrb`.

#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use horae_benches::fixtures::{CHAIN_ID, Kind, Senders, frames};
use horae_runtime::{Waker, ring};
use horae_stages::{ChainParams, Decode, DecodePolicy, Decoded, Dedup, Frame, Fresh, Recover, TxBody};

const TRANSACTIONS: usize = 256;
const RING_ITEMS: u64 = 65_536;
const RING_BURST: usize = 32;

fn decode_all(decode: &Decode, frames: Vec<Frame<Box<TxBody>>>) -> Vec<Decoded<Box<TxBody>>> {
    frames.into_iter().map(|frame| decode.step(frame).unwrap()).collect()
}

fn fresh(decode: &Decode, raws: &[Vec<u8>]) -> Vec<Fresh<Box<TxBody>>> {
    let mut dedup = Dedup::new(2 * TRANSACTIONS);
    decode_all(decode, frames(raws)).into_iter().map(|decoded| dedup.step(decoded).unwrap()).collect()
}

/// What a pure-Rust curve takes for the same recoveries.
fn recover_by_k256(transactions: &[Decoded<Box<TxBody>>]) {
    for decoded in transactions {
        let envelope = decoded.body().envelope().unwrap();
        let (signature, hash) = (envelope.signature(), envelope.signature_hash());
        let id = k256::ecdsa::RecoveryId::new(signature.v(), false);
        let signature =
            k256::ecdsa::Signature::from_scalars(signature.r().to_be_bytes::<32>(), signature.s().to_be_bytes::<32>());
        let key = k256::ecdsa::VerifyingKey::recover_from_prehash(hash.as_slice(), &signature.unwrap(), id);
        std::hint::black_box(key.unwrap());
    }
}

fn stages(criterion: &mut Criterion) {
    let raws = Senders::new(16, 1, CHAIN_ID).sign(TRANSACTIONS, Kind::Transfer);
    let decode = Decode::new(DecodePolicy::new(&ChainParams::devnet(CHAIN_ID)));
    let mut group = criterion.benchmark_group("stages");
    group.throughput(Throughput::Elements(TRANSACTIONS as u64));
    group.bench_function("decode", |b| {
        b.iter_batched(|| frames(&raws), |frames| decode_all(&decode, frames), BatchSize::SmallInput);
    });
    group.bench_function("recover", |b| {
        let mut recover = Recover::new();
        b.iter_batched(
            || fresh(&decode, &raws),
            |mut burst| recover.burst(&mut burst, |result| drop(std::hint::black_box(result))),
            BatchSize::SmallInput,
        );
    });
    let decoded = decode_all(&decode, frames(&raws));
    group.bench_function("recover/baseline=k256", |b| b.iter(|| recover_by_k256(&decoded)));
    group.finish();
}

fn rings(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring");
    group.throughput(Throughput::Elements(RING_ITEMS));
    let (mut tx, mut rx) = ring::<u64>(4_096, Waker::none());
    let mut out = Vec::with_capacity(RING_BURST);
    group.bench_function("ours", |b| {
        b.iter(|| {
            let mut items = 0..RING_ITEMS;
            while !items.is_empty() {
                tx.push_burst(items.by_ref().take(RING_BURST));
                rx.pop_burst(&mut out, RING_BURST);
                out.drain(..).for_each(|item| {
                    std::hint::black_box(item);
                });
            }
        });
    });
    let (mut tx, mut rx) = rtrb::RingBuffer::<u64>::new(4_096);
    group.bench_function("baseline=rtrb", |b| {
        b.iter(|| {
            let mut items = 0..RING_ITEMS;
            while !items.is_empty() {
                tx.write_chunk_uninit(RING_BURST).unwrap().fill_from_iter(items.by_ref().take(RING_BURST));
                out.extend(rx.read_chunk(RING_BURST).unwrap());
                out.drain(..).for_each(|item| {
                    std::hint::black_box(item);
                });
            }
        });
    });
    group.finish();
}

criterion_group!(parts, stages, rings);
criterion_main!(parts);

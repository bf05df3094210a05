//! The OP Stack's way: a span batch by `kona-protocol`, in a channel compressed by brotli at quality 10, as `op-batcher` does it
//! since Fjord.

use alloy_primitives::{B256, Bytes};
use kona_genesis::RollupConfig;
use kona_protocol::{Batch, SingleBatch, SpanBatch};

use crate::codecs;
use crate::data::{self, CHAIN_ID};

/// The first byte of a channel that is compressed by brotli.
const BROTLI_CHANNEL: u8 = 1;

/// The quality that `op-batcher` uses (`brotli-10`).
const QUALITY: i32 = 10;

/// The bytes of a channel with one span batch.
pub fn pack(batch: &data::Batch) -> Vec<u8> {
    let mut span = SpanBatch { chain_id: CHAIN_ID, ..SpanBatch::default() };
    span.genesis_timestamp = batch.blocks[0].header.timestamp_s();
    for block in &batch.blocks {
        let transactions = block.transactions.iter().map(|raw| network(raw)).collect();
        let single = SingleBatch {
            parent_hash: B256::ZERO,
            epoch_num: block.header.l1_view.number,
            epoch_hash: block.header.l1_view.hash,
            timestamp: block.header.timestamp_s(),
            transactions,
        };
        span.append_singular_batch(single, 1).expect("the data has only what a span batch can hold");
    }
    let mut encoded = Vec::new();
    Batch::Span(span).encode(&mut encoded).expect("a span batch encodes");
    let mut channel = vec![BROTLI_CHANNEL];
    channel.extend(codecs::brotli(&alloy_rlp::encode(Bytes::from(encoded)), QUALITY));
    channel
}

/// The transactions of such a channel.
pub fn unpack(channel: &[u8]) -> Vec<Vec<Bytes>> {
    let config = RollupConfig { block_time: 1, l2_chain_id: CHAIN_ID.into(), ..RollupConfig::default() };
    let stream = codecs::unbrotli(&channel[1..]);
    let encoded: Bytes = alloy_rlp::decode_exact(&stream).expect("a channel holds byte strings");
    match Batch::decode(&mut encoded.as_ref(), &config).expect("a batch of ours decodes") {
        Batch::Span(span) => span.batches.into_iter().map(|block| block.transactions).collect(),
        Batch::Single(_) => unreachable!("packed as a span batch"),
    }
}

/// The form in which `kona-protocol` takes transactions: typed ones as byte strings.
fn network(raw: &Bytes) -> Bytes {
    if raw[0] < 0x80 { alloy_rlp::encode(raw).into() } else { raw.clone() }
}

//! Who packs: we at every level, the span batch, and general codecs over raw bytes.

use std::hint::black_box;

use alloy_primitives::Bytes;
use horae_stages::pack::{self, Level, UnpackLimits};

use crate::data::Batch;
use crate::{codecs, span};

/// The baseline's name in the rows.
pub const SPAN: &str = "kona span batch + brotli-10";

/// One way to pack a batch.
#[derive(Clone, Copy, Debug)]
pub enum Contender {
    /// Ours.
    Ours(Level),
    /// The OP Stack's.
    Span,
    /// zlib over raw bytes.
    Zlib(u32),
    /// brotli over raw bytes.
    Brotli(i32),
    /// zstd over raw bytes.
    Zstd(i32),
}

impl Contender {
    /// The codecs over raw bytes.
    pub const PEERS: [Self; 4] = [Self::Zlib(6), Self::Brotli(10), Self::Zstd(3), Self::Zstd(19)];

    /// Every level of ours.
    pub fn ours() -> [Self; Level::ALL.len()] {
        Level::ALL.map(Self::Ours)
    }

    /// The name in the rows.
    pub fn name(&self) -> String {
        match self {
            Self::Ours(level) => level.name().to_owned(),
            Self::Span => SPAN.to_owned(),
            Self::Zlib(level) => format!("zlib-{level}"),
            Self::Brotli(quality) => format!("brotli-{quality}"),
            Self::Zstd(level) => format!("zstd-{level}"),
        }
    }

    /// Packs.
    pub fn pack(&self, batch: &Batch) -> Vec<u8> {
        match self {
            Self::Ours(level) => pack::pack(&batch.blocks, *level).expect("blocks follow one another").bytes.to_vec(),
            Self::Span => span::pack(batch),
            Self::Zlib(level) => codecs::zlib(&batch.raw, *level),
            Self::Brotli(quality) => codecs::brotli(&batch.raw, *quality),
            Self::Zstd(level) => codecs::zstd(&batch.raw, *level),
        }
    }

    /// Unpacks and drops.
    pub fn unpack(&self, packed: &[u8], batch: &Batch) {
        match self {
            Self::Ours(_) => drop(black_box(ours(packed, batch))),
            Self::Span => drop(black_box(span::unpack(packed))),
            Self::Zlib(_) => drop(black_box(codecs::unzlib(packed))),
            Self::Brotli(_) => drop(black_box(codecs::unbrotli(packed))),
            Self::Zstd(_) => drop(black_box(codecs::unzstd(packed, batch.raw.len()))),
        }
    }

    /// Whether it unpacks to the same.
    pub fn unpack_checked(&self, packed: &[u8], batch: &Batch) -> bool {
        let same = |blocks: Vec<Vec<Bytes>>| blocks.iter().eq(batch.blocks.iter().map(|block| &block.transactions));
        match self {
            Self::Ours(_) => same(ours(packed, batch)),
            Self::Span => same(span::unpack(packed)),
            Self::Zlib(_) => codecs::unzlib(packed) == batch.raw,
            Self::Brotli(_) => codecs::unbrotli(packed) == batch.raw,
            Self::Zstd(_) => codecs::unzstd(packed, batch.raw.len()) == batch.raw,
        }
    }
}

fn ours(packed: &[u8], batch: &Batch) -> Vec<Vec<Bytes>> {
    let limits = UnpackLimits::holding(batch.raw.len(), batch.blocks.len());
    let unpacked = pack::unpack(packed, &limits).expect("bytes of ours unpack");
    unpacked.blocks.into_iter().map(|block| block.transactions).collect()
}

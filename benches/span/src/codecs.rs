//! General codecs over bytes, as the peers use them.

use std::io::{Read, Write};

/// The window of brotli, in bits: its default, and what `op-batcher` uses.
const BROTLI_WINDOW_BITS: i32 = 22;

/// Compresses by brotli.
pub fn brotli(bytes: &[u8], quality: i32) -> Vec<u8> {
    let params = brotli::enc::BrotliEncoderParams {
        quality,
        lgwin: BROTLI_WINDOW_BITS,
        size_hint: bytes.len(),
        ..Default::default()
    };
    let mut out = Vec::new();
    brotli::BrotliCompress(&mut &*bytes, &mut out, &params).expect("a vector takes all bytes");
    out
}

/// Decompresses what [`brotli`] gave.
pub fn unbrotli(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    brotli::BrotliDecompress(&mut &*bytes, &mut out).expect("bytes of ours decompress");
    out
}

/// Compresses by zlib.
pub fn zlib(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(level));
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a vector takes all bytes")
}

/// Decompresses what [`zlib`] gave.
pub fn unzlib(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::ZlibDecoder::new(bytes).read_to_end(&mut out).expect("bytes of ours decompress");
    out
}

/// Compresses by zstd.
pub fn zstd(bytes: &[u8], level: i32) -> Vec<u8> {
    zstd::bulk::compress(bytes, level).expect("zstd has the memory it needs")
}

/// Decompresses what [`zstd`] gave from `len` bytes.
pub fn unzstd(bytes: &[u8], len: usize) -> Vec<u8> {
    zstd::bulk::decompress(bytes, len).expect("bytes of ours decompress")
}

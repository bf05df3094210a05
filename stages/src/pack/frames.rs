//! Frames: the body of a batch, cut into pieces that are compressed one by one, each by the codec that its level takes.
//!
//! A body is its length, then frames until it is full. A frame is `bytes of the body << 2 | codec`, the length of what is
//! compressed (not for [`STORED`]), and that.

use brotli::enc::{BrotliEncoderParams, StandardAlloc};
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};

use super::bytes::{Reader, put_varint};
use super::{Level, UnpackError};

/// As it is.
const STORED: u64 = 0;
/// One zstd frame without checksum, size and dictionary.
const ZSTD: u64 = 1;
/// One brotli stream (RFC 7932, so with a window of 16 MiB at most).
const BROTLI: u64 = 2;

const CODEC_BITS: u32 = 2;

/// More frames than any level writes; each costs a decoder.
const MOST_FRAMES: usize = 64;

/// The highest quality of brotli.
const BEST_QUALITY: i32 = 11;
/// The zstd level of [`Level::Middle`]: about as few bytes as the OP Stack's span batches with brotli-10.
const MIDDLE_ZSTD: i32 = 15;
/// The zstd level of [`Level::Fast`].
const FAST_ZSTD: i32 = 1;

/// The windows brotli knows, in bits. One that holds all of a frame and no more saves memory and time, never bytes.
const LEAST_WINDOW_BITS: u32 = 10;
const MOST_WINDOW_BITS: u32 = 22;

/// Compresses frames at one level.
pub(super) enum FrameWriter {
    Brotli,
    Zstd(Box<zstd::bulk::Compressor<'static>>),
}

impl FrameWriter {
    pub(super) fn new(level: Level) -> std::io::Result<Self> {
        let zstd_level = match level {
            Level::Best => return Ok(Self::Brotli),
            Level::Middle => MIDDLE_ZSTD,
            Level::Fast => FAST_ZSTD,
        };
        let mut zstd = zstd::bulk::Compressor::new(zstd_level)?;
        zstd.include_checksum(false)?;
        zstd.include_contentsize(false)?;
        zstd.include_dictid(false)?;
        Ok(Self::Zstd(Box::new(zstd)))
    }

    /// Appends a frame, stored if compressing does not make it smaller.
    pub(super) fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
        let (codec, packed) = match self {
            Self::Brotli => (BROTLI, brotli(bytes)?),
            Self::Zstd(zstd) => (ZSTD, zstd.compress(bytes)?),
        };
        if packed.len() < bytes.len() {
            put_varint(out, (bytes.len() as u64) << CODEC_BITS | codec);
            put_varint(out, packed.len() as u64);
            out.extend_from_slice(&packed);
        } else {
            store(&[bytes], out);
        }
        Ok(())
    }
}

/// Appends a frame of these bytes, end to end, as they are.
pub(super) fn store(parts: &[&[u8]], out: &mut Vec<u8>) {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    if len > 0 {
        put_varint(out, (len as u64) << CODEC_BITS | STORED);
        parts.iter().for_each(|part| out.extend_from_slice(part));
    }
}

fn brotli(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let window = (usize::BITS - bytes.len().leading_zeros() + 1).clamp(LEAST_WINDOW_BITS, MOST_WINDOW_BITS);
    let params = BrotliEncoderParams {
        quality: BEST_QUALITY,
        lgwin: window as i32,
        size_hint: bytes.len(),
        ..BrotliEncoderParams::default()
    };
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut &*bytes, &mut packed, &params)?;
    Ok(packed)
}

/// Reads a body. No more than `limit` is ever allocated for it, whatever the bytes say.
pub(super) fn read(reader: &mut Reader<'_>, limit: usize) -> Result<Vec<u8>, UnpackError> {
    let len = reader.count("unpacked bytes", limit)?;
    let mut body = vec![0; len];
    let mut zstd = zstd::bulk::Decompressor::new()?;
    let mut left = body.as_mut_slice();
    for _ in 0..MOST_FRAMES {
        if left.is_empty() {
            return Ok(body);
        }
        let head = reader.varint()?;
        let size = usize::try_from(head >> CODEC_BITS).unwrap_or(usize::MAX);
        let (space, rest) = left.split_at_mut_checked(size).ok_or(UnpackError::Damaged("a frame is too long"))?;
        left = rest;
        match head & ((1 << CODEC_BITS) - 1) {
            STORED => space.copy_from_slice(reader.bytes(size)?),
            ZSTD => {
                if zstd.decompress_to_buffer(packed(reader)?, space)? != size {
                    return Err(UnpackError::Damaged("a frame has another length than it says"));
                }
            }
            BROTLI => unbrotli(packed(reader)?, space)?,
            _ => return Err(UnpackError::Damaged("no such codec")),
        }
    }
    if left.is_empty() { Ok(body) } else { Err(UnpackError::Damaged("too many frames")) }
}

fn packed<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], UnpackError> {
    let len = reader.count("compressed bytes", reader.0.len())?;
    reader.bytes(len)
}

/// Fills exactly `space` from exactly `bytes`.
fn unbrotli(bytes: &[u8], space: &mut [u8]) -> Result<(), UnpackError> {
    let alloc = StandardAlloc::default;
    let mut state = BrotliState::new_strict(alloc(), alloc(), alloc());
    let (mut bytes_left, mut read) = (bytes.len(), 0);
    let (mut space_left, mut written, mut total) = (space.len(), 0, 0);
    let result = BrotliDecompressStream(
        &mut bytes_left,
        &mut read,
        bytes,
        &mut space_left,
        &mut written,
        space,
        &mut total,
        &mut state,
    );
    match result {
        BrotliResult::ResultSuccess if bytes_left == 0 && space_left == 0 => Ok(()),
        BrotliResult::ResultFailure => Err(UnpackError::Damaged("a brotli stream is broken")),
        _ => Err(UnpackError::Damaged("a frame has another length than it says")),
    }
}

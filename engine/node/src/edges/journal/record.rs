//! The bytes of a record.
//!
//! ```text
//!  0  u64  position of this record
//!  8  u64  position at which its group begins: all below was durable before this was written
//! 16  u32  length of the payload
//! 20  u32  checksum of the record before
//! 24  u8   kind
//! 25  u32  CRC-32C of the bytes above and the payload                      all numbers little-endian
//! 29       payload
//! ```

use super::PAYLOAD_BYTES_MAX;

/// Bytes of a record before its payload.
pub(super) const HEADER_BYTES: usize = 29;

/// What a record says about itself, its checksum verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub lsn: u64,
    pub group: u64,
    pub previous: u32,
    pub kind: u8,
    pub crc: u32,
    pub payload_bytes: usize,
}

impl Head {
    /// Bytes of the whole record.
    pub fn bytes(&self) -> usize {
        HEADER_BYTES + self.payload_bytes
    }

    /// Position of the record after this one.
    pub fn end(&self) -> u64 {
        self.lsn + self.bytes() as u64
    }
}

/// Why bytes are not the record that should be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    #[error("a record is cut off: it needs {needed} bytes and {found} are there")]
    Short { needed: usize, found: usize },
    #[error("a record says that it lies at position {found}, and it lies at {expected}")]
    Position { found: u64, expected: u64 },
    #[error("a record says that it is {0} bytes long, which none is")]
    Length(u32),
    #[error("a record's checksum does not match its bytes")]
    Checksum,
    #[error("a record does not follow the one before it: the chain of checksums is broken")]
    Chain,
    #[error("a record names a group that begins at {0}, where none does")]
    Group(u64),
}

/// Bytes that a record with this payload takes.
pub(super) fn record_bytes(payload: &[u8]) -> u64 {
    (HEADER_BYTES + payload.len()) as u64
}

/// Appends a record to `out` and returns its checksum.
pub(super) fn encode(kind: u8, payload: &[u8], lsn: u64, group: u64, previous: u32, out: &mut Vec<u8>) -> u32 {
    let start = out.len();
    out.extend_from_slice(&lsn.to_le_bytes());
    out.extend_from_slice(&group.to_le_bytes());
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&previous.to_le_bytes());
    out.push(kind);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out[start..]), payload);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(payload);
    crc
}

/// Reads the record at the front of `bytes`, which should lie at `lsn`. Its place in the chain is [`follows`]'s business.
pub(super) fn decode(bytes: &[u8], lsn: u64) -> Result<Head, Flaw> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(Flaw::Short { needed: HEADER_BYTES, found: bytes.len() });
    };
    let found = position(head);
    if found != lsn {
        return Err(Flaw::Position { found, expected: lsn });
    }
    let length = u32_at(head, 16);
    let payload_bytes = length as usize;
    if payload_bytes > PAYLOAD_BYTES_MAX {
        return Err(Flaw::Length(length));
    }
    let Some(payload) = rest.get(..payload_bytes) else {
        return Err(Flaw::Short { needed: HEADER_BYTES + payload_bytes, found: bytes.len() });
    };
    let crc = u32_at(head, 25);
    if crc32c::crc32c_append(crc32c::crc32c(&head[..25]), payload) != crc {
        return Err(Flaw::Checksum);
    }
    Ok(Head { lsn, group: u64_at(head, 8), previous: u32_at(head, 20), kind: head[24], crc, payload_bytes })
}

/// The length of the record at the front of `bytes`, unverified; `None` if its header is not whole or makes no sense.
pub(super) fn peek_bytes(bytes: &[u8]) -> Option<usize> {
    let head = bytes.first_chunk::<HEADER_BYTES>()?;
    let payload_bytes = u32_at(head, 16) as usize;
    (payload_bytes <= PAYLOAD_BYTES_MAX).then_some(HEADER_BYTES + payload_bytes)
}

/// Checks that a record follows one with checksum `previous` in group `group`: it goes on with the group, or begins one.
pub(super) fn follows(head: &Head, previous: u32, group: u64) -> Result<(), Flaw> {
    if head.previous != previous {
        return Err(Flaw::Chain);
    }
    if head.group != group && head.group != head.lsn {
        return Err(Flaw::Group(head.group));
    }
    Ok(())
}

/// The first whole record anywhere in `bytes`, which begin at position `lsn`, that `wanted` is true of.
pub(super) fn find(bytes: &[u8], lsn: u64, wanted: impl Fn(&Head) -> bool) -> Option<Head> {
    // A record holds its own position, so nearly every offset is ruled out by one comparison.
    bytes
        .windows(HEADER_BYTES)
        .zip(0u64..)
        .filter(|(window, offset)| window.first_chunk().is_some_and(|head| position(head) == lsn + offset))
        .filter_map(|(_, offset)| decode(&bytes[offset as usize..], lsn + offset).ok())
        .find(wanted)
}

fn position(head: &[u8; HEADER_BYTES]) -> u64 {
    u64_at(head, 0)
}

fn u64_at(head: &[u8; HEADER_BYTES], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&head[at..at + 8]);
    u64::from_le_bytes(bytes)
}

fn u32_at(head: &[u8; HEADER_BYTES], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&head[at..at + 4]);
    u32::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_record_reads_back(kind: u8, payload in prop::collection::vec(any::<u8>(), 0..99), lsn in 0..u64::MAX / 2, previous: u32) {
            let mut bytes = Vec::new();
            let crc = encode(kind, &payload, lsn, lsn, previous, &mut bytes);
            let head = decode(&bytes, lsn).unwrap();
            prop_assert_eq!(head, Head { lsn, group: lsn, previous, kind, crc, payload_bytes: payload.len() });
            prop_assert_eq!(head.end() - lsn, record_bytes(&payload));
            prop_assert_eq!(peek_bytes(&bytes), Some(bytes.len()));
            prop_assert_eq!(&bytes[HEADER_BYTES..], &payload[..]);
        }

        #[test]
        fn any_flipped_bit_is_found(payload in prop::collection::vec(any::<u8>(), 0..40), bit: prop::sample::Index) {
            let mut bytes = Vec::new();
            encode(1, &payload, 77, 70, 5, &mut bytes);
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(decode(&bytes, 77).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..99)) {
            let _ = decode(&bytes, 0);
            let _ = find(&bytes, 0, |_| true);
        }
    }

    #[test]
    fn a_record_goes_on_with_a_group_or_begins_one() {
        let head = Head { lsn: 90, group: 60, previous: 3, kind: 0, crc: 0, payload_bytes: 0 };
        assert_eq!(follows(&head, 3, 60), Ok(()));
        assert_eq!(follows(&Head { group: 90, ..head }, 3, 60), Ok(()));
        assert_eq!(follows(&head, 4, 60), Err(Flaw::Chain));
        assert_eq!(follows(&Head { group: 61, ..head }, 3, 60), Err(Flaw::Group(61)));
    }
}

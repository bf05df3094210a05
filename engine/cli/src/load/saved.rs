//! A plan in a file: `--save` and `--from`. It holds no keys.
//!
//! ```text
//! "HORAELD1"                                                    the last character is the version
//! u32 length | JSON: [`About`], number of senders and of transactions
//! for each sender:       20 bytes address | u64 first nonce | u32 count | 32 bytes wei that it needs
//! for each transaction:  u32 sender | u8 kind | u32 length | EIP-2718 encoding
//! u32 CRC-32C of all before                                     all numbers big-endian
//! ```
//!
//! Written and read as a stream.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::Path,
};

use alloy_primitives::{Address, Bytes, U256, keccak256};
use horae_node::edges::intake::TRANSACTION_BYTES_MAX;
use serde::{Deserialize, Serialize};

use super::{
    mix::Kind,
    plan::{About, Plan, Sender},
    wallet::Signed,
};
use crate::error::CliError;

/// What such a file begins with, without the version.
const MAGIC: &[u8; 7] = b"HORAELD";
/// The version that is written and read.
const VERSION: u8 = b'1';
/// The longest header that is read, in bytes.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Room that is made ahead of what is read, in entries: a header that lies cannot take more.
const ROOM: usize = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Header {
    about: About,
    senders: u32,
    transactions: u32,
}

/// Writes a plan.
pub fn save(plan: &Plan, path: &Path) -> Result<(), CliError> {
    let write = || -> io::Result<()> {
        let mut out = Summed { inner: BufWriter::new(File::create(path)?), crc: 0 };
        out.write_all(MAGIC)?;
        out.write_all(&[VERSION])?;
        let (senders, transactions) = (plan.senders().len() as u32, plan.len() as u32);
        let header = serde_json::to_vec(&Header { about: plan.about().clone(), senders, transactions })?;
        out.write_all(&(header.len() as u32).to_be_bytes())?;
        out.write_all(&header)?;
        for Sender { address, nonce, count, need } in plan.senders() {
            out.write_all(address.as_slice())?;
            out.write_all(&nonce.to_be_bytes())?;
            out.write_all(&count.to_be_bytes())?;
            out.write_all(&need.to_be_bytes::<32>())?;
        }
        for at in 0..plan.len() {
            let raw = plan.raw(at);
            out.write_all(&plan.sender(at).to_be_bytes())?;
            out.write_all(&[plan.kind(at) as u8])?;
            out.write_all(&(raw.len() as u32).to_be_bytes())?;
            out.write_all(raw)?;
        }
        let crc = out.crc;
        out.write_all(&crc.to_be_bytes())?;
        out.inner.flush()
    };
    write().map_err(|why| CliError::because(path.display(), why))
}

/// Reads one.
pub fn read(path: &Path) -> Result<Plan, CliError> {
    let file = File::open(path).map_err(|why| CliError::because(path.display(), why))?;
    parse(BufReader::new(file)).map_err(|why| match why.kind() {
        io::ErrorKind::UnexpectedEof => {
            CliError::new(format!("{} ends too early; write it again with --save", path.display()))
        }
        _ => CliError::because(path.display(), why),
    })
}

fn parse(from: impl Read) -> io::Result<Plan> {
    let mut from = Summed { inner: from, crc: 0 };
    let [magic @ .., version] = from.take::<8>()?;
    if magic != *MAGIC {
        return Err(bad("is no file of `horae load --save`"));
    }
    if version != VERSION {
        let (have, want) = (version.escape_ascii(), VERSION.escape_ascii());
        return Err(bad(format!(
            "has version {have}, and this horae reads version {want}; write it again with --save"
        )));
    }
    let length = u32::from_be_bytes(from.take()?) as usize;
    if length > HEADER_BYTES_MAX {
        return Err(bad("is damaged: its header is too long"));
    }
    let header = from.bytes(length)?;
    let Header { about, senders: senders_count, transactions } =
        serde_json::from_slice(&header).map_err(|why| bad(format!("is damaged: {why}")))?;
    let mut senders = Vec::with_capacity((senders_count as usize).min(ROOM));
    for _ in 0..senders_count {
        senders.push(Sender {
            address: Address::from(from.take::<20>()?),
            nonce: u64::from_be_bytes(from.take()?),
            count: u32::from_be_bytes(from.take()?),
            need: U256::from_be_bytes(from.take::<32>()?),
        });
    }
    let mut plan = Plan::empty(about, senders, (transactions as usize).min(ROOM));
    for at in 0..transactions {
        let sender = u32::from_be_bytes(from.take()?);
        let [kind] = from.take()?;
        let length = u32::from_be_bytes(from.take()?) as usize;
        let kind =
            Kind::ALL.get(usize::from(kind)).filter(|_| sender < senders_count && length <= TRANSACTION_BYTES_MAX);
        let Some(kind) = kind else { return Err(bad(format!("is damaged at transaction {at}"))) };
        let raw = Bytes::from(from.bytes(length)?);
        plan.push(sender, *kind, &Signed { hash: keccak256(&raw), raw });
    }
    let crc = from.crc;
    if u32::from_be_bytes(from.take()?) != crc {
        return Err(bad("is damaged: its checksum differs; write it again with --save"));
    }
    Ok(plan)
}

fn bad(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

/// Sums up what goes through.
struct Summed<T> {
    inner: T,
    crc: u32,
}

impl<T: Write> Summed<T> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.inner.write_all(bytes)
    }
}

impl<T: Read> Summed<T> {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes)?;
        self.crc = crc32c::crc32c_append(self.crc, &bytes);
        Ok(bytes)
    }

    fn bytes(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.inner.read_exact(&mut bytes)?;
        self.crc = crc32c::crc32c_append(self.crc, &bytes);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::load::plan::tests::plan;

    #[test]
    fn a_plan_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plan");
        let plan = plan(40, "transfers=2,erc20=1,contract=1", Some("zipf=1"));
        save(&plan, &path).unwrap();
        let read = read(&path).unwrap();
        assert_eq!((read.about(), read.senders(), read.len()), (plan.about(), plan.senders(), 40));
        for at in 0..40 {
            assert_eq!((read.raw(at), read.sender(at), read.kind(at)), (plan.raw(at), plan.sender(at), plan.kind(at)));
            assert_eq!(read.find(&keccak256(plan.raw(at))), Some(at));
        }
    }

    #[test]
    fn no_damage_passes_and_each_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plan");
        save(&plan(2, "transfers=1", None), &path).unwrap();
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 0x11;
            assert!(parse(&bytes[..]).is_err(), "byte {at}");
            assert!(parse(&good[..at]).is_err(), "cut at {at}");
        }
        let complaint = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read(&path).unwrap_err().to_string()
        };
        assert!(complaint(b"{\"some\": \"json\"}").contains("no file of `horae load --save`"));
        assert!(complaint(&good[..good.len() - 1]).contains("ends too early"));
        assert!(complaint(&[b"HORAELD9", &good[8..]].concat()).contains("has version 9"));
    }
}

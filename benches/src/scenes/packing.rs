//! Packing: what the stage costs and makes of transfers, beside zstd over the raw bytes; and the bench of `benches/span` on real transactions
//! beside the OP Stack's span batches, if it is built.

use std::path::{Path, PathBuf};
use std::process::Command;

use eyre::{Result, WrapErr};
use horae_control::Signature;
use horae_node::replica::message::{PeerMessage, SealedBlock};
use horae_stages::Block;
use horae_stages::pack::{Level, pack};
use serde::Deserialize;

use super::Scene;
use super::line::{Ledger, Line};
use crate::args::Options;
use crate::cpu::spent;
use crate::fixtures::{self, Kind, Senders};
use crate::sheet::{Better, Figure, Sheet, Target};

const ACCOUNTS: u64 = 1_000;
const IN_BLOCK: usize = 256;
/// Blocks of a batch.
const BLOCKS: usize = 8;
const ZSTD_LEVEL: i32 = 3;

/// Seals a batch of blocks.
///
/// # Errors
/// None; the signature is that of all scenes.
pub fn open(_: &Options) -> Result<Box<dyn Scene>> {
    let mut senders = Senders::new(ACCOUNTS, 4, fixtures::CHAIN_ID);
    let mut line = Line::new(&fixtures::genesis(senders.addresses()));
    let raws = senders.sign(BLOCKS * IN_BLOCK, Kind::Transfer);
    let blocks = raws.chunks(IN_BLOCK).map(|raws| line.block(raws, &mut Ledger::default()).block).collect();
    Ok(Box::new(Packing { blocks, raw: raws.concat() }))
}

struct Packing {
    blocks: Vec<Block>,
    raw: Vec<u8>,
}

impl Scene for Packing {
    fn round(&mut self, sheet: &mut Sheet) -> Result<()> {
        let count = (BLOCKS * IN_BLOCK) as f64;
        let (cost, packed) = spent(|| pack(&self.blocks, Level::Fast));
        let packed = packed.wrap_err("packing blocks that were just sealed")?;
        let (zstd, compressed) = spent(|| zstd::bulk::compress(&self.raw, ZSTD_LEVEL));
        let compressed = compressed.wrap_err("zstd over raw bytes")?;
        let figure = Figure::cost("stage/pack", "ns/tx")
            .beside("zstd -3 over the raw bytes")
            .note("at the level that a backlog brings");
        sheet.add(figure, cost.ns / count, Some(zstd.ns / count));
        let figure = Figure::cost("stage/pack/bytes", "B/tx").beside("zstd -3 over the raw bytes").note("transfers");
        sheet.add(figure, packed.bytes.len() as f64 / count, Some(compressed.len() as f64 / count));
        let streamed: usize = self.blocks.iter().map(streamed_bytes).sum::<Result<_>>()?;
        let figure = Figure::cost("stream/bytes", "B/tx")
            .beside("the raw bytes")
            .note("to each follower, blocks of 256 transfers, before QUIC's own framing");
        sheet.add(figure, streamed as f64 / count, Some(self.raw.len() as f64 / count));
        Ok(())
    }
}

/// Bytes of a sealed block on the way to a follower.
fn streamed_bytes(block: &Block) -> Result<usize> {
    let block = SealedBlock { block: block.clone(), signature: Signature([0; 65]) };
    Ok(borsh::to_vec(&PeerMessage::Block { block, carried: None }).wrap_err("encoding a block")?.len())
}

/// What is wanted of packing beside the span batch. (It aims at a tenth less at the best level.)
const TARGETS: [(&str, Target); 3] = [
    ("pack/best/bytes", Target::RatioAtMost(1.0)),
    ("pack/fast/bytes", Target::RatioAtMost(1.03)),
    ("pack/fast/speed", Target::AtLeast(100.0)),
];

/// Finds the bench of `benches/span`, a workspace of its own.
///
/// # Errors
/// None; the signature is that of all scenes.
pub fn open_span(_: &Options) -> Result<Box<dyn Scene>> {
    Ok(Box::new(Span(Path::new(env!("CARGO_MANIFEST_DIR")).join("span/Cargo.toml"))))
}

struct Span(PathBuf);

#[derive(Deserialize)]
#[serde(untagged)]
enum SpanReport {
    Rows(Vec<SpanRow>),
    Report { rows: Vec<SpanRow> },
}

#[derive(Deserialize)]
struct SpanRow {
    name: String,
    value: f64,
    unit: String,
    baseline: Option<String>,
    baseline_value: Option<f64>,
}

impl Scene for Span {
    fn round(&mut self, sheet: &mut Sheet) -> Result<()> {
        if !self.0.is_file() {
            sheet.miss("pack/", "not built: benches/span is not there");
            return Ok(());
        }
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let output = Command::new(cargo)
            .args(["run", "--release", "--quiet", "--manifest-path"])
            .arg(&self.0)
            .args(["--", "--json"])
            .output()
            .wrap_err("starting cargo for benches/span")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            sheet.miss("pack/", format!("not built: {}", said.lines().last().unwrap_or("cargo said nothing")));
            return Ok(());
        }
        let report: SpanReport =
            serde_json::from_slice(&output.stdout).wrap_err("benches/span prints another form of rows")?;
        let (SpanReport::Rows(rows) | SpanReport::Report { rows }) = report;
        for row in rows {
            let better = if row.unit.ends_with("/s") { Better::Higher } else { Better::Lower };
            let baseline = row.baseline.map(|text| &*text.leak());
            let target = TARGETS.iter().find(|(name, _)| *name == row.name).map(|(_, target)| *target);
            let figure = Figure { name: row.name, unit: row.unit.leak(), baseline, better, ..Figure::default() };
            let figure = match target {
                Some(target) => figure.wants(target),
                None => figure,
            };
            sheet.add(figure, row.value, row.baseline_value);
        }
        Ok(())
    }
}

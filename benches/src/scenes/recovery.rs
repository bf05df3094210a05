//! Sender recovery as the stage does it, beside libsecp256k1 one by one and a pure-Rust curve.

use std::hint::black_box;

use alloy_consensus::TxEnvelope;
use alloy_primitives::Address;
use eyre::Result;
use horae_recovery::{Input, Outcome, Recoverer, recover_by_libsecp256k1};
use horae_stages::{ChainParams, Decode, DecodePolicy, Recover};

use super::Scene;
use crate::args::Options;
use crate::cpu::spent;
use crate::fixtures::{self, Kind, Senders};
use crate::sheet::{Figure, Sheet};

/// Transactions of a round.
const COUNT: usize = 2_048;
/// Of those, how many a baseline takes: it is slower, and costs are a transaction.
const PART: usize = 512;
/// A burst of the recover worker.
const BURST: usize = 64;

/// Signs what is recovered in every round.
///
/// # Errors
/// None; the signature is that of all scenes.
pub fn open(_: &Options) -> Result<Box<dyn Scene>> {
    let raws = Senders::new(64, 3, fixtures::CHAIN_ID).sign(COUNT, Kind::Transfer);
    let decode = Decode::new(DecodePolicy::new(&ChainParams::devnet(fixtures::CHAIN_ID)));
    let envelopes: Vec<TxEnvelope> = raws.iter().map(|raw| decode.transaction(raw).expect("it decodes").0).collect();
    let inputs = envelopes.iter().map(input).collect();
    Ok(Box::new(Recovery { envelopes, inputs, recover: Recover::new(), bare: Recoverer::default() }))
}

struct Recovery {
    envelopes: Vec<TxEnvelope>,
    inputs: Vec<Input>,
    recover: Recover,
    bare: Recoverer,
}

impl Scene for Recovery {
    fn round(&mut self, sheet: &mut Sheet) -> Result<()> {
        let Self { envelopes, inputs, recover, bare } = self;
        let (stage, ()) = spent(|| {
            for burst in envelopes.chunks(BURST) {
                recover.senders(burst.iter()).for_each(|sender| {
                    black_box(sender.expect("it is signed"));
                });
            }
        });
        let stage = stage.ns / COUNT as f64;
        let mut outcomes: Vec<Outcome> = vec![Ok([0; 20]); BURST];
        let (alone, ()) = spent(|| {
            for burst in inputs.chunks(BURST) {
                bare.recover_batch(burst, &mut outcomes[..burst.len()]);
                black_box(&outcomes);
            }
        });
        let (libsecp, ()) = spent(|| {
            for input in &inputs[..PART] {
                black_box(recover_by_libsecp256k1(input).expect("it is signed"));
            }
        });
        let (k256, ()) = spent(|| {
            for input in &inputs[..PART] {
                black_box(by_k256(input));
            }
        });
        let (alone, libsecp, k256) = (alone.ns / COUNT as f64, libsecp.ns / PART as f64, k256.ns / PART as f64);
        sheet.add(Figure::cost("stage/recover", "ns/tx").beside("libsecp256k1, one by one"), stage, Some(libsecp));
        sheet.add(Figure::cost("stage/recover/k256", "ns/tx").beside("k256, one by one"), stage, Some(k256));
        let figure = Figure::cost("stage/recover/over", "ns/tx")
            .beside("bare recovery, batches of 64")
            .note("the stage also lays out and hashes what was signed");
        sheet.add(figure, stage, Some(alone));
        Ok(())
    }
}

/// So many signatures of transfers, for a look at bare recovery.
///
/// # Panics
/// If a transaction that was made to be decoded is refused.
#[must_use]
pub fn inputs(count: usize) -> Vec<Input> {
    let raws = Senders::new(64, 5, fixtures::CHAIN_ID).sign(count, Kind::Transfer);
    let decode = Decode::new(DecodePolicy::new(&ChainParams::devnet(fixtures::CHAIN_ID)));
    raws.iter().map(|raw| input(&decode.transaction(raw).expect("it decodes").0)).collect()
}

/// What is recovered from, of a signed transaction.
fn input(envelope: &TxEnvelope) -> Input {
    let signature = envelope.signature();
    Input {
        hash: envelope.signature_hash().0,
        r: signature.r().to_be_bytes(),
        s: signature.s().to_be_bytes(),
        recovery_id: u8::from(signature.v()),
    }
}

fn by_k256(input: &Input) -> Address {
    let id = k256::ecdsa::RecoveryId::from_byte(input.recovery_id).expect("0 or 1");
    let signature = k256::ecdsa::Signature::from_scalars(input.r, input.s).expect("it is signed");
    let key = k256::ecdsa::VerifyingKey::recover_from_prehash(&input.hash, &signature, id).expect("it is signed");
    Address::from_public_key(&key)
}

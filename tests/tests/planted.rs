//! The simulator is itself tested: each fault of horae-control's `src/planted.rs` that breaks a rule is planted in every node,
//! and the judge has to find it.
//!
//! Each is looked for from its own first seed on, in at most [`SEEDS`] seeds of [`EVENTS`] events; the seed that finds it is
//! then run without the fault and has to be clean, so that it is the fault that was found.

use std::time::Instant;

use horae_control::planted::{Fault, plant};
use horae_tests::sim::Many;

/// In so many seeds each fault has to be found.
const SEEDS: u64 = 1_000;
/// Events of a seed before its world's own faults stop.
const EVENTS: u64 = 20_000;

/// Every fault that breaks a rule, with the seed from which it is looked for.
const FAULTS: [(Fault, u64); 28] = [
    (Fault::QuorumOffByOne, 0),
    (Fault::CertificateByHeads, 0),
    (Fault::CommitOnOneRound, 0),
    (Fault::AckBeforeStored, 0),
    (Fault::CertificateNotStored, 0),
    (Fault::CloseBeforeStored, 0),
    (Fault::CloseForgotten, 0),
    (Fault::SealedBeforeNoted, 0),
    (Fault::RestartedSequencerSeals, 0),
    (Fault::AckWithGap, 0),
    (Fault::AckAfterClose, 0),
    (Fault::CloseForSlotOnly, 0),
    (Fault::NothingListed, 0),
    (Fault::EarlierCertificate, 0),
    (Fault::HeadByLongestChain, 0),
    (Fault::HeadByAcksAlone, 0),
    (Fault::PhantomHead, 0),
    (Fault::HeadFromTheFuture, 0),
    (Fault::NoFence, 0),
    (Fault::WindowStaysShut, 0),
    (Fault::UnagreedL1Event, 0),
    (Fault::EpochWithoutClosing, 0),
    (Fault::QuietIncarnation, 0),
    (Fault::OldBackupSpeaks, 0),
    (Fault::MemoryOfTooFew, 0),
    (Fault::NonceTwice, 0),
    (Fault::DuplicateBatch, 0),
    (Fault::LostResend, 0),
];

/// Faults that make a liar of one process among others: `byzantine.rs` is about them.
const LIARS: [Fault; 3] = [Fault::EquivocatingSequencer, Fault::LyingSigner, Fault::SilentSigner];

/// One test, because a fault is planted in the whole process.
#[test]
fn every_planted_fault_is_found() {
    let mut all: Vec<Fault> = FAULTS.iter().map(|(fault, _)| *fault).chain(LIARS).collect();
    all.sort_unstable();
    assert_eq!(
        all,
        Fault::ALL.iter().copied().collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    );
    let mut missed = Vec::new();
    for (fault, first) in FAULTS {
        let began = Instant::now();
        let many = Many { first, seeds: SEEDS, events: EVENTS, nodes: None, threads: 2 };
        plant(Some(fault));
        let found = many.first_failure();
        plant(None);
        let seconds = began.elapsed().as_secs_f64();
        let Some(found) = found else {
            println!("{}: not found in {SEEDS} seeds, {seconds:.0} s", fault.name());
            missed.push(fault.name());
            continue;
        };
        let (seeds, violation) = (found.seed - first + 1, &found.violation);
        println!(
            "{}: found in {seeds} seeds, {seconds:.1} s: invariant {}: {}",
            fault.name(),
            violation.invariant,
            violation.what
        );
        if let Err((_, violation)) = many.one(found.seed) {
            panic!("seed {} is not clean without a fault: {violation:?}", found.seed);
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

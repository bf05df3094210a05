//! The simulator is itself tested: each fault of horae-control's `src/planted.rs` that breaks a rule is planted in every node,
//! and the judge has to find it in at most [`SEEDS`] seeds of [`EVENTS`] events.
//!
//! A fault that shows only now and then is looked for from a seed on that is known to show it, so that this test is quick; how
//! many seeds it takes from 0 on is said beside it. Each finding is played again without the fault and has to be clean, so that
//! it is the fault that was found.

use std::collections::BTreeSet;
use std::time::Instant;

use horae_control::planted::{Fault, plant};
use horae_tests::sim::{Lie, Many, Plan, Violation, World, caught, first_failure};

/// In so many seeds each fault has to be found.
const SEEDS: u64 = 1_000;
/// Events of a seed before its world's own faults stop.
const EVENTS: u64 = 20_000;
/// Of the machine.
const THREADS: usize = 2;

/// Where a fault is looked for.
#[derive(Clone, Copy)]
enum Look {
    /// In whole worlds with all that goes wrong in them, from this seed on.
    From(u64),
    /// In worlds of four validators where nothing goes wrong but that one tells this lie.
    Liar(Lie),
}

use Look::{From, Liar};

/// Every fault that breaks a rule.
const FAULTS: [(Fault, Look); 29] = [
    (Fault::QuorumOffByOne, From(0)),
    (Fault::CertificateByHeads, From(8)), // 9 seeds from 0 on: only some sets have different weights
    (Fault::CommitOnOneRound, From(0)),
    (Fault::AckBeforeStored, From(0)),
    (Fault::CertificateNotStored, From(0)),
    (Fault::CloseBeforeStored, From(27)), // 28 seeds from 0 on
    (Fault::CloseForgotten, From(0)),
    (Fault::SealedBeforeNoted, From(6)),        // 7 seeds from 0 on
    (Fault::RestartedSequencerSeals, From(31)), // 32 seeds from 0 on until it seals a height twice; seed 1 stands still
    (Fault::AckWithGap, From(0)),
    (Fault::AckAfterClose, From(0)),
    (Fault::CloseForSlotOnly, From(0)),
    (Fault::NothingListed, From(0)),
    (Fault::EarlierCertificate, From(0)),
    (Fault::HeadByLongestChain, From(264)), // at most 265 seeds from 0 on: takes a sequencer that seals twice
    (Fault::HeadByAcksAlone, From(0)),
    (Fault::PhantomHead, From(264)), // at most 265 seeds from 0 on: takes a liar that lists phantoms in a slot of its own
    (Fault::HeadFromTheFuture, Liar(Lie::SealsInTheFuture)),
    (Fault::NoFence, From(15)), // 16 seeds from 0 on
    (Fault::WindowStaysShut, From(0)),
    (Fault::UnagreedL1Event, From(0)),
    (Fault::EpochWithoutClosing, From(0)),
    (Fault::QuietIncarnation, From(33)), // 34 seeds from 0 on: the registration must be the last reason to close a term
    (Fault::OldBackupSpeaks, From(0)),
    (Fault::MemoryOfTooFew, From(0)),
    (Fault::NonceTwice, From(0)),
    (Fault::DuplicateBatch, From(0)),
    (Fault::ForcedLeftOut, From(0)),
    (Fault::LostResend, From(0)),
];

/// Faults that make a liar of one process among others: `byzantine.rs` is about them.
const LIARS: [Fault; 3] = [Fault::EquivocatingSequencer, Fault::LyingSigner, Fault::SilentSigner];

impl Look {
    fn first(self) -> u64 {
        match self {
            From(seed) => seed,
            Liar(_) => 0,
        }
    }

    fn at(self, seed: u64) -> Result<(), (u64, Violation)> {
        match self {
            From(_) => {
                let many = Many { first: seed, seeds: 1, events: EVENTS, nodes: None, threads: 1 };
                many.one(seed).map(drop)
            }
            Liar(lie) => {
                let plan = Plan { seed, events: u64::MAX, nodes: Some(4), loud: false };
                let liar = (seed % 4) as usize;
                let scene = || World::with_liar(plan, liar, vec![lie]).conviction(liar, 90_000);
                caught(|| scene().map(drop).map_err(|violation| (0, violation)))
            }
        }
    }
}

/// One test, because a fault is planted in the whole process.
#[test]
fn every_planted_fault_is_found() {
    let all: BTreeSet<Fault> = FAULTS.iter().map(|(fault, _)| *fault).chain(LIARS).collect();
    assert_eq!(all, Fault::ALL.iter().copied().collect(), "every fault is looked for");
    let (mut found, mut missed) = (Vec::new(), Vec::new());
    for (fault, look) in FAULTS {
        let began = Instant::now();
        plant(Some(fault));
        let failure = first_failure(look.first(), SEEDS, THREADS, |seed| look.at(seed));
        plant(None);
        let (name, seconds) = (fault.name(), began.elapsed().as_secs_f64());
        let Some(failure) = failure else {
            println!("{name}: not found in {SEEDS} seeds, {seconds:.0} s");
            missed.push(name);
            continue;
        };
        let Violation { invariant, what } = failure.violation;
        let (seed, seeds) = (failure.seed, failure.seed - look.first() + 1);
        println!("{name}: seed {seed}, {seeds} seeds, {seconds:.1} s, invariant {invariant}: {what}");
        found.push((look, seed));
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
    let clean = first_failure(0, found.len() as u64, THREADS, |at| {
        let (look, seed) = found[at as usize];
        look.at(seed)
    });
    assert!(clean.is_none(), "without a fault {clean:?}");
}

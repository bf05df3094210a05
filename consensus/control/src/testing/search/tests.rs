//! What the search says of the code that ships, and of each planted fault.

use super::fault::Fault;
use super::tree::Shape;
use super::universe::{Report, Universe};

/// Children of a block, by whether they end their slot; of equal weight, the first is chosen.
const C: &[bool] = &[false];
const CE: &[bool] = &[false, true];
const EC: &[bool] = &[true, false];
const CC: &[bool] = &[false, false];
const EE: &[bool] = &[true, true];

/// Two slots and more: an honest sequencer may end its slot at once, or go on.
const HONEST: &[&[bool]] = &[CE, CE, C];
/// A second term of one block, or of two.
const SHORT: Shape = Shape { byzantine: &[CE], honest: &[CE], phantom: true };
const LONG: Shape = Shape { byzantine: &[CE, CC], honest: &[CE, C], phantom: true };

fn universe(byzantine_slot: u64, window: u64, byzantine: &'static [&'static [bool]], second: Shape) -> Universe {
    let first = Shape { byzantine, honest: HONEST, phantom: true };
    Universe { byzantine_slot, window, first, second }
}

/// Every pair of siblings at two heights, by the slot that the Byzantine validator leads in the first term; and windows
/// that bind.
fn bound() -> Vec<Universe> {
    vec![
        universe(1, 8, &[CC, CC, C], SHORT),
        universe(1, 8, &[CC, CE, C], SHORT),
        universe(1, 8, &[CC, EC, C], SHORT),
        universe(1, 8, &[CC, EE, C], SHORT),
        universe(1, 8, &[CE, CC, C], SHORT),
        universe(1, 8, &[CE, CE, CC], LONG),
        universe(1, 8, &[CE, EC, C], SHORT),
        universe(1, 8, &[CE, EE, C], SHORT),
        universe(1, 8, &[EC, CC, C], SHORT),
        universe(1, 8, &[EC, CE, C], SHORT),
        universe(1, 8, &[EC, EC, C], SHORT),
        universe(1, 8, &[EC, EE, C], SHORT),
        universe(1, 8, &[EE, C, C], SHORT),
        universe(2, 8, &[C, CC, CC], SHORT),
        universe(2, 8, &[C, CE, CC], LONG),
        universe(2, 8, &[C, EC, CC], SHORT),
        universe(2, 8, &[C, EE, CC], SHORT),
        universe(3, 8, &[C, C, CC], LONG),
        universe(4, 8, &[C, C, C], LONG),
        universe(1, 2, &[CE, CE, C], SHORT),
        universe(2, 1, &[C, CE, C], SHORT),
    ]
}

fn hold(universes: &[Universe]) -> Report {
    let mut all = Report::default();
    for universe in universes {
        let report = universe.search(Fault::None, false);
        println!("{:?} + {:?} worlds: {universe:?}", report.states[0], report.states[1]);
        if let Some((violation, way)) = &report.violation {
            panic!("{violation}\n{}", way.join("\n"));
        }
        all.add(&report);
    }
    println!("{all:?}");
    all
}

#[test]
fn nothing_is_lost_and_nothing_is_stuck_in_two_terms() {
    let all = hold(&bound());
    assert!(all.states[0] > 4_000_000 && all.states[1] > 2_000_000, "{all:?}");
    assert!(all.certified > 100_000 && all.committed > 100_000 && all.lost > 10_000, "{all:?}");
}

/// Higher and wider, and second terms of two blocks after every first one.
#[test]
#[ignore = "minutes: a wider bound than a suite has time for"]
fn nothing_is_lost_in_a_wider_bound() {
    let mut wide: Vec<Universe> = bound().into_iter().map(|universe| Universe { second: LONG, ..universe }).collect();
    wide.push(universe(1, 8, &[CC, CC, CC], SHORT));
    wide.push(universe(2, 2, &[C, CE, CC], LONG));
    let first = Shape { byzantine: &[CE, CE, CE, C], honest: &[CE, CE, CE, C], phantom: true };
    wide.extend([1, 2, 3].map(|byzantine_slot| Universe { byzantine_slot, window: 8, first, second: SHORT }));
    hold(&wide);
}

/// An exact search, in which minds are told apart by every byte that they keep and certificates by who acked them, comes
/// to the same worlds.
#[test]
fn merging_minds_loses_nothing() {
    for byzantine_slot in [1, 2] {
        let shape = Shape { byzantine: &[CE, C], honest: &[CE, C], phantom: false };
        let universe = Universe { byzantine_slot, window: 8, first: shape, second: shape };
        let (merged, worlds) = universe.worlds(false);
        let (exact, told) = universe.worlds(true);
        println!("{exact} worlds, {merged} merged");
        assert!(exact > 10 * merged, "{exact} {merged}");
        assert!(told == worlds, "{} {}", told.len(), worlds.len());
    }
}

/// What finds each fault: whoever looks at everything, and whoever does not look whether honest validators can be
/// convicted, so that what the fault breaks in the chain itself is shown.
const FOUND: &[(Fault, &str, &str)] = &[
    (Fault::QuorumOffByOne, "invariant 1", "invariant 1"),
    (Fault::AckAfterClose, "invariant 8", "invariants 2, 3"),
    (Fault::CloseOfSlotOnly, "invariant 8", "invariant 2"),
    (Fault::AckWithGap, "stuck", "stuck"),
    (Fault::NoHandoverCertificate, "invariants 2, 3", "invariants 2, 3"),
    (Fault::CertificateForgotten, "invariant 8", "invariant 2"),
    (Fault::CloseForgotten, "invariant 8", "invariants 2, 3"),
    (Fault::AckForgotten, "invariant 8", "invariant 1"),
    (Fault::BegunForgotten, "invariant 8", "invariants 2, 3"),
    (Fault::NothingListed, "invariant 8", "invariants 2, 3"),
    (Fault::LongestChain, "invariant 2", "invariant 2"),
    (Fault::AcksAlone, "invariant 2", "invariant 2"),
    (Fault::StaleCertificate, "the head of term 2", "the head of term 2"),
    (Fault::CommitOnOneRound, "invariant 2", "invariant 2"),
    (Fault::PhantomHead, "the head is", "the head is"),
];

#[test]
fn each_planted_fault_is_found() {
    for (fault, sighted, blind) in FOUND {
        for (expected, is_blind) in [(sighted, false), (blind, true)] {
            let mut worlds = 0;
            let found =
                [universe(1, 8, &[CE, CE, C], SHORT), universe(2, 8, &[C, CE, C], SHORT)].iter().find_map(|u| {
                    let report = u.search(*fault, is_blind);
                    worlds += report.states.iter().sum::<usize>();
                    report.violation
                });
            let (violation, way) = found.unwrap_or_else(|| panic!("{fault:?} is not found in {worlds} worlds"));
            let what: String = violation.chars().take(90).collect();
            println!("{fault:?}, blind {is_blind}: {worlds} worlds, {} steps: {what}", way.len() - 1);
            assert!(violation.starts_with(expected), "{fault:?}, blind {is_blind}: {violation}\n{}", way.join("\n"));
        }
    }
}

//! Offences on record go to L1's Slasher: by turns and with stand-ins, as batches do, until the agreed L1 view shows them punished.
//!
//! Anyone may report an offence, so whoever's turn it is asks L1 first and sends nothing that L1 has punished already. What L1
//! refuses is tried again a few times only, for a proof does not get better; an L1 that does not answer is asked again ever
//! more slowly. A restart begins anew.

use std::collections::BTreeMap;

use horae_control::{Jailed, Proof};
use metrics::counter;
use tracing::{debug, error, info, warn};

use super::Council;
use super::carrying::{RETRY_MS, UNHURRIED_MS};
use super::io::{CouncilIo, Work};

/// Refusals of L1 after which an offence is given up.
const REFUSALS: u32 = 5;
/// The wait doubles with each try that failed, so often at most.
const DOUBLINGS: u32 = 7;
/// An offence that L1's head has punished is looked at again after this long, in milliseconds, until the agreed view shows it
/// too: a reorganisation may drop the punishment.
const LOOK_AGAIN_MS: u64 = 60_000;

/// What came of an offence on L1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnL1 {
    /// It is punished; by a report of ours, or another's.
    Punished {
        /// Whether the report was ours.
        by_us: bool,
    },
    /// This chain's LockingPool works with no Slasher.
    NoSlasher,
    /// L1 would not take the report.
    Refused(String),
    /// L1 could not be asked, or the report is not in a block.
    NoAnswer(String),
}

/// The offences of this chain, by the offender's number.
#[derive(Default)]
pub(super) struct Reporting(BTreeMap<u64, Report>);

/// One offence on its way.
struct Report {
    proof: Proof,
    since_ms: u64,
    refused: u32,
    failed: u32,
    own: Own,
}

/// How far this node is with reporting it itself.
enum Own {
    Idle { not_before_ms: u64 },
    Asking,
    GivenUp,
}

impl Council {
    /// Moves the reports along.
    pub(super) fn report_offences(&mut self, now_ms: u64, io: &mut impl CouncilIo) {
        let jail = self.state.jail();
        let due: BTreeMap<u64, &Jailed> =
            jail.iter().filter(|(id, jailed)| !jail.is_punished(*id, &jailed.proof)).collect();
        self.reporting.0.retain(|id, report| due.get(id).is_some_and(|jailed| jailed.proof == report.proof));
        let Some(key) = self.key_in_force().filter(|_| io.carries() && !due.is_empty()) else { return };
        for (id, jailed) in due {
            let Some(turn) = self.turn(&key, jailed.height) else { continue };
            let begun = || Report::new(jailed.proof.clone(), now_ms);
            let report = self.reporting.0.entry(id).or_insert_with(begun);
            let Own::Idle { not_before_ms } = report.own else { continue };
            let my_time = report.since_ms.saturating_add(turn.saturating_mul(UNHURRIED_MS));
            if now_ms >= my_time.max(not_before_ms) {
                report.own = Own::Asking;
                io.begin(Work::Report { id, proof: Box::new(report.proof.clone()) });
            }
        }
    }

    /// L1 was asked about an offence, and told of it if it did not know.
    pub(super) fn reported(&mut self, id: u64, said: OnL1, now_ms: u64) {
        let Some(report) = self.reporting.0.get_mut(&id).filter(|report| matches!(report.own, Own::Asking)) else {
            return;
        };
        let validator = report.proof.validator;
        match said {
            OnL1::Punished { by_us } => {
                if by_us {
                    counter!("horae_offences_reported").increment(1);
                    info!(%validator, id, "an offence was reported to L1, which has punished it");
                } else {
                    debug!(%validator, id, "L1 has punished an offence");
                }
                report.own = Own::Idle { not_before_ms: now_ms.saturating_add(LOOK_AGAIN_MS) };
            }
            OnL1::NoSlasher => {
                warn!(%validator, id, "an offence cannot be reported: this chain's LockingPool works with no Slasher");
                report.own = Own::GivenUp;
            }
            OnL1::Refused(why) => {
                report.refused += 1;
                counter!("horae_offences_refused").increment(1);
                if report.refused == REFUSALS {
                    error!(%validator, id, %why, "L1 refuses the report of an offence: given up here until a restart");
                    report.own = Own::GivenUp;
                } else {
                    warn!(%validator, id, %why, "L1 refuses the report of an offence");
                    report.wait(now_ms);
                }
            }
            OnL1::NoAnswer(why) => {
                warn!(%validator, id, %why, "an offence could not be reported to L1 yet");
                report.wait(now_ms);
            }
        }
    }
}

impl Report {
    fn new(proof: Proof, now_ms: u64) -> Self {
        Self { proof, since_ms: now_ms, refused: 0, failed: 0, own: Own::Idle { not_before_ms: 0 } }
    }

    fn wait(&mut self, now_ms: u64) {
        let wait_ms = RETRY_MS << self.failed.min(DOUBLINGS);
        self.failed = self.failed.saturating_add(1);
        self.own = Own::Idle { not_before_ms: now_ms.saturating_add(wait_ms) };
    }
}

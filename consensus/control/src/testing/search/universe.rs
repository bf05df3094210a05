//! Whole searches: a first term of one shape, then a second term from each of its outcomes.

use alloy_primitives::map::HashSet;

use super::super::control::{open, state};
use super::super::{PlantedQuorum, child};
use super::explore::{Found, Told};
use super::fault::Fault;
use super::mind::MindId;
use super::tree::{Shape, each};
use super::{Search, Violation};
use crate::tally::{Tallied, Tally};
use crate::voter::Voter;

/// Where the Byzantine validator stands and what may be sealed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Universe {
    /// The slot of the first term that the Byzantine validator leads.
    pub(super) byzantine_slot: u64,
    pub(super) window: u64,
    pub(super) first: Shape,
    pub(super) second: Shape,
}

/// What was found in a universe, or in many.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    /// Worlds, of the first and of the second terms.
    pub(super) states: [usize; 2],
    /// Worlds with something certified, something committed in a closed term, something certified lost with evidence.
    pub(super) certified: usize,
    pub(super) committed: usize,
    pub(super) lost: usize,
    /// Distinct minds, closings handed to the control state, second terms.
    pub(super) minds: usize,
    pub(super) closings: usize,
    pub(super) openings: usize,
    pub(super) violation: Option<(Violation, Vec<String>)>,
}

impl Report {
    fn take(&mut self, term: usize, search: &Search, found: &Found) {
        self.states[term] += found.states;
        self.certified += found.certified;
        self.committed += found.committed;
        self.lost += found.lost;
        self.minds += search.minds.len();
        self.closings += search.closings.tried();
        self.violation = found.violation.clone();
    }

    pub(super) fn add(&mut self, other: &Self) {
        (0..2).for_each(|term| self.states[term] += other.states[term]);
        self.certified += other.certified;
        self.committed += other.committed;
        self.lost += other.lost;
        self.minds += other.minds;
        self.closings += other.closings;
        self.openings += other.openings;
    }
}

impl Universe {
    /// The first term, and its validators before they say anything. Wants the guard that plants the quorum alive.
    fn open(&self, fault: Fault, exact: bool) -> (Search, [MindId; 3]) {
        let mut control = state(&[1, 1, 1, 1], self.window);
        open(&mut control);
        let term = control.open_term().unwrap();
        let byzantine = term.schedule.leader(self.byzantine_slot).unwrap();
        let mut search = Search::new(fault, control, byzantine, &self.first);
        search.exact = exact;
        let minds = search.honest.map(|member| {
            let voter = Voter::new(search.term.domain, search.keys[member].clone(), 0);
            search.newcomer(member, voter, vec![])
        });
        (search, minds)
    }

    /// Searches the first term and gives its worlds, merged, and how many there were before.
    pub(super) fn worlds(&self, exact: bool) -> (usize, HashSet<Told>) {
        let (mut search, minds) = self.open(Fault::None, exact);
        let found = search.explore(minds, true);
        assert!(found.violation.is_none(), "{:?}", found.violation);
        (found.states, found.worlds.unwrap())
    }

    /// Searches both terms, or until something is wrong.
    pub(super) fn search(&self, fault: Fault, blind: bool) -> Report {
        let _planted = (fault == Fault::QuorumOffByOne).then(|| PlantedQuorum::new(1));
        let mut report = Report::default();
        let (mut first, minds) = self.open(fault, false);
        first.blind = blind;
        let found = first.explore(minds, false);
        report.take(0, &first, &found);
        if report.violation.is_some() {
            return report;
        }
        report.openings = found.openings.len();
        for (outcome, (minds, certified)) in &found.openings {
            let control = first.closings.outcomes[usize::from(*outcome)].control.clone();
            let mut second = Search::new(fault, control, first.byzantine, &self.second);
            second.blind = blind;
            let stale = |at: usize| Some((first.tree.nodes[at].block, first.certificate(at)?));
            second.stale = each(*certified).filter_map(stale).collect();
            if fault == Fault::None {
                report.violation =
                    first.leaves_nothing(&second).and_then(|()| second.flows()).err().map(|e| (e, vec![]));
            }
            let minds = minds.map(|id| {
                let mind = &first.minds[id as usize];
                second.newcomer(usize::from(mind.key.member), mind.voter.clone(), mind.records.clone())
            });
            let found = second.explore(minds, false);
            let before = report.violation.take();
            report.take(1, &second, &found);
            report.violation = before.or(report.violation.take());
            if report.violation.is_some() {
                return report;
            }
        }
        report
    }
}

impl Search {
    /// No mind of this term takes anything along into the next, and one that speaks there never speaks here again, even if
    /// the control plane is replayed from here after its log was cut.
    fn leaves_nothing(&self, next: &Search) -> Result<(), Violation> {
        for mind in &self.minds {
            let mut voter = mind.voter.clone();
            voter.open_term(next.term.clone());
            if voter.tip().is_some() || voter.close_vote().is_some() || voter.begun_before_restart().is_some() {
                return Err(format!("a voter takes something along into term {}", next.term.number));
            }
            voter.close().map_err(|e| format!("a voter cannot close the term it opened: {e}"))?;
            let cut = self.restored(mind.key.member, voter.compacted())?;
            if cut.term().is_some() {
                return Err(format!("a voter may speak again in term {}, which is over and cut off", self.term.number));
            }
        }
        Ok(())
    }

    /// If all messages arrive and its first sequencer is honest, the term certifies and commits a block without the
    /// Byzantine validator.
    fn flows(&self) -> Result<(), Violation> {
        let term = &self.term;
        let leader = term.schedule.leader(term.first_slot).unwrap();
        if leader == self.byzantine {
            return Ok(());
        }
        let fresh = |member: usize| {
            let mut voter = Voter::new(term.domain, self.keys[member].clone(), 0);
            voter.open_term(term.clone());
            voter
        };
        let mut sequencer = fresh(leader);
        let stuck = |what: &str| format!("stuck: term {} does not {what}", term.number);
        sequencer.begin_slot(term.first_slot).map_err(|_| stuck("begin"))?;
        let block = sequencer.seal(child(term, &term.parent, false, 0)).map_err(|_| stuck("seal"))?;
        let mut tally = Tally::new(term.clone());
        let mut voters = self.honest.map(fresh);
        let mut certificate = None;
        for voter in &mut voters {
            let ack = voter.ack(&block, None).map_err(|_| stuck("ack"))?.statement;
            certificate = tally.add(&ack).unwrap_or_default().into_iter().next().or(certificate);
        }
        let Some(Tallied::Certificate(certificate)) = certificate else { return Err(stuck("certify")) };
        let again = voters.iter_mut().filter_map(|v| v.hold_certificate(&certificate).ok()??.statement);
        let acks: Vec<_> = again.collect();
        let done = acks.iter().flat_map(|ack| tally.add(ack).unwrap_or_default());
        let commits = done.filter(|done| matches!(done, Tallied::Commit(c) if c.block() == block.facts.id));
        if commits.count() == 1 { Ok(()) } else { Err(stuck("commit")) }
    }
}

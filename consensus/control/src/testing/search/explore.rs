//! The search itself: every world that any order of events leads to, each judged once.

use std::collections::BTreeMap;

use alloy_primitives::map::HashSet;

use super::closing::OutcomeId;
use super::mind::{Event, Key, MindId};
use super::tree::{Mask, each};
use super::{Search, Violation};

/// No closing is decided yet.
const UNDECIDED: OutcomeId = OutcomeId::MAX;

/// All that can be told apart: what each honest validator has said and knows, and what was decided. Blocks of the
/// Byzantine validator are there from the start, and every message that can be made may arrive, or not, at any time.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct World {
    minds: [MindId; 3],
    outcome: OutcomeId,
}

/// How a world came to be.
struct Step {
    world: World,
    from: u32,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Begins,
    Happens(usize, Event),
    Decided,
}

/// A world in words that two searches share: minds, merged, and the head.
pub(super) type Told = ([Key; 3], Option<usize>);

/// What a search of one term found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) states: usize,
    /// Worlds in which something is certified, is committed, is certified and lost with evidence.
    pub(super) certified: usize,
    pub(super) committed: usize,
    pub(super) lost: usize,
    /// For each outcome: minds that led to it, and blocks that could be certified in a world that led to it.
    pub(super) openings: BTreeMap<OutcomeId, ([MindId; 3], Mask)>,
    /// The worlds themselves, merged, if they are asked for.
    pub(super) worlds: Option<HashSet<Told>>,
    /// What is wrong, and the way there.
    pub(super) violation: Option<(Violation, Vec<String>)>,
}

/// What can be shown in a world.
struct View {
    existing: Mask,
    certified: Mask,
}

impl Search {
    /// Every world that can be reached from these minds.
    pub(super) fn explore(&mut self, minds: [MindId; 3], tell: bool) -> Found {
        let start = World { minds, outcome: UNDECIDED };
        let mut steps = vec![Step { world: start, from: 0, what: What::Begins }];
        let mut seen: HashSet<World> = HashSet::from_iter([start]);
        let mut found = Found::default();
        let mut at = 0;
        while at < steps.len() {
            let world = steps[at].world;
            let mut next = Vec::new();
            if let Err(violation) = self.visit(&world, &mut found, &mut next) {
                found.violation = Some((violation, self.trace(&steps, at)));
                break;
            }
            for (world, what) in next {
                if seen.insert(world) {
                    steps.push(Step { world, from: at as u32, what });
                }
            }
            at += 1;
        }
        found.states = steps.len();
        let head = |outcome: OutcomeId| self.closings.outcomes.get(usize::from(outcome)).map(|o| o.head);
        let key = |id: MindId| self.minds[id as usize].key.merged(self);
        found.worlds = tell.then(|| steps.iter().map(|s| (s.world.minds.map(key), head(s.world.outcome))).collect());
        found
    }

    /// Judges a world and gives the ones after it.
    fn visit(&mut self, world: &World, found: &mut Found, next: &mut Vec<(World, What)>) -> Result<(), Violation> {
        let view = self.view(&world.minds)?;
        self.judge(world, &view, found)?;
        for n in 0..3 {
            let id = world.minds[n];
            let mut happens = |search: &mut Self, event: Event| -> Result<(), Violation> {
                let after = search.after(id, event)?;
                if after != id {
                    let mut world = *world;
                    world.minds[n] = after;
                    next.push((world, What::Happens(n, event)));
                }
                Ok(())
            };
            for at in each(view.existing & self.shown) {
                let parent = self.tree.nodes[at].parent;
                if view.certified >> parent & 1 == 0 {
                    happens(self, Event::Block { at, carried: None })?;
                    continue;
                }
                for which in self.ways(parent, &world.minds) {
                    happens(self, Event::Block { at, carried: Some(which) })?;
                }
            }
            for at in each(view.certified) {
                for which in self.ways(at, &world.minds) {
                    happens(self, Event::Certificate { at, which })?;
                }
                if self.tight && self.is_committed(at, &world.minds)? {
                    happens(self, Event::Commit(at))?;
                }
            }
            for at in 0..self.stale.len() {
                happens(self, Event::Stale(at))?;
            }
            for at in each(self.led[n] & !view.existing) {
                happens(self, Event::Seal(at))?;
            }
            happens(self, Event::Close)?;
            happens(self, Event::Restart)?;
        }
        if world.outcome == UNDECIDED {
            self.close(world, &view, found, next)?;
        }
        Ok(())
    }

    fn close(
        &mut self,
        world: &World,
        view: &View,
        found: &mut Found,
        next: &mut Vec<(World, What)>,
    ) -> Result<(), Violation> {
        let vote = |search: &Self, id: MindId| search.minds[id as usize].key.vote;
        let mut all = [0; 3];
        for (n, id) in world.minds.into_iter().enumerate() {
            let closed = if vote(self, id).is_some() { id } else { self.after(id, Event::Close)? };
            all[n] = vote(self, closed).ok_or("an honest validator does not vote to close")?;
        }
        self.settles(all)?;
        let votes = world.minds.map(|id| vote(self, id));
        if votes.iter().all(Option::is_none) {
            return Ok(());
        }
        for outcome in self.outcomes(votes, view.certified, view.existing)?.iter() {
            let (_, certified) = found.openings.entry(*outcome).or_insert((world.minds, 0));
            *certified |= view.certified;
            next.push((World { outcome: *outcome, ..*world }, What::Decided));
        }
        Ok(())
    }

    fn view(&mut self, minds: &[MindId; 3]) -> Result<View, Violation> {
        let sealed = |id: &MindId| self.minds[*id as usize].key.sealed;
        let sealed = minds.iter().fold(1, |mask, id| mask | sealed(id)) | self.byzantine_blocks;
        let whole = |at: &usize| self.tree.chain[*at] & !sealed == 0;
        let existing = each(sealed & !1).filter(whole).fold(0, |mask, at| mask | 1 << at);
        let mut certified = 0;
        for at in each(existing & self.shown) {
            if self.is_certified(at, self.ackers(at, minds), minds)? {
                certified |= 1 << at;
            }
        }
        Ok(View { existing, certified })
    }

    /// Invariants 1, 2 and 3; the eighth is judged where statements are made.
    fn judge(&mut self, world: &World, view: &View, found: &mut Found) -> Result<(), Violation> {
        for at in each(view.certified) {
            if (view.certified & self.level(at)).count_ones() > 1 {
                return Err(format!("invariant 1: two certified blocks at {}", self.tree.number(at)));
            }
        }
        found.certified += usize::from(view.certified != 0);
        if world.outcome == UNDECIDED {
            return Ok(());
        }
        let head = self.closings.outcomes[usize::from(world.outcome)].head;
        let (mut committed, mut lost) = (false, false);
        for at in each(view.certified) {
            let is_committed = self.is_committed(at, &world.minds)?;
            committed |= is_committed;
            if self.tree.is_on_chain(at, head) {
                continue;
            }
            if is_committed {
                return Err(format!("invariant 2: committed block {at} is lost to head {head}"));
            }
            if !self.is_excused(at, head) {
                return Err(format!("invariants 2, 3: certified block {at} is lost to head {head} without evidence"));
            }
            lost = true;
        }
        found.committed += usize::from(committed);
        found.lost += usize::from(lost);
        Ok(())
    }

    /// The way to a world, for people.
    fn trace(&self, steps: &[Step], mut at: usize) -> Vec<String> {
        let mut way = Vec::new();
        loop {
            let Step { world, from, what } = &steps[at];
            let what_happened = match what {
                What::Begins => "the term opens".into(),
                What::Happens(n, event) => format!("validator {n}: {event:?}"),
                What::Decided => {
                    let head = self.closings.outcomes[usize::from(world.outcome)].head;
                    format!("the closing is decided, with block {head} as head")
                }
            };
            way.push(what_happened);
            if matches!(what, What::Begins) {
                way.reverse();
                return way;
            }
            at = *from as usize;
        }
    }
}

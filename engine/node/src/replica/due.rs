//! What L1 has made due: where the next block's L1 view may go, what that block begins with, and what a block of another has to
//! begin with. Entries of the forced queue come from the council, which reads them from this node's own L1.

use std::collections::BTreeMap;

use alloy_primitives::{B256, Bytes, keccak256};
use horae_control::{Due as Owed, DueBlock, planted};
use horae_stages::protocol::{Due, Position, SYSTEM_GAS, batch_paid, fitting, is_protocol};
use horae_stages::{Applied, L1View, StateSource};

use super::Replica;
use super::chain::Held;

/// Positions looked at for one block: more never fit.
const POSITIONS: usize = 64;
/// A sequencer whose view could move on has this many slot timeouts to do so; one that lacks what is due ends its slot after half.
const VIEW_TIMEOUTS: u64 = 4;

/// Encodings of entries that are to be executed, by hash. The council hands over a bounded stretch of them; whatever was taken back with
/// its block returns.
#[derive(Debug, Default)]
pub(super) struct Entries(BTreeMap<B256, Bytes>);

impl Entries {
    fn put(&mut self, raw: Bytes) {
        self.0.insert(keccak256(&raw), raw);
    }

    /// The block is executed: what it began with is not needed any more.
    pub(super) fn executed(&mut self, held: &Held) {
        let block = &held.executed;
        let protocol = block.transactions.iter().zip(&block.block.transactions);
        for (tx, _) in protocol.take_while(|(_, raw)| is_protocol(raw)) {
            self.0.remove(&tx.hash);
        }
    }

    /// The block is taken back: what it began with is due again.
    pub(super) fn taken_back(&mut self, held: &Held) {
        held.executed
            .block
            .transactions
            .iter()
            .take_while(|raw| is_protocol(raw))
            .for_each(|raw| self.put(raw.clone()));
    }
}

/// Since when the view of the running slot's blocks has stood still at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standstill {
    slot: u64,
    at: u64,
    since_ms: u64,
}

impl<S: StateSource> Replica<S> {
    /// Entries of the forced queue, read from L1.
    pub(super) fn take_entries(&mut self, entries: Vec<Bytes>) {
        entries.into_iter().for_each(|raw| self.entries.put(raw));
        // Made up anew at the next look.
        self.applied = Applied::default();
    }

    /// Makes up what the next block applies, above one whose L1 view is at `above`.
    pub(super) fn apply_above(&mut self, above: u64) {
        let control_height = self.control.height;
        if self.applied.control_height == control_height && self.applied.above == above {
            return;
        }
        let (l1_view, due) = self.reach(above).unwrap_or_default();
        self.applied = Applied { control_height, l1_view, above, due };
    }

    /// The furthest position above an L1 block that one block can go to, and what it then begins with: as far as all of it fits and
    /// is known here. Nothing where what is due above that L1 block is no longer known.
    fn reach(&self, above: u64) -> Option<(L1View, Vec<Bytes>)> {
        let dues = &self.control.dues;
        if above < dues.settled() {
            return None;
        }
        let blocks: Vec<&DueBlock> = dues.above(above).take(POSITIONS).collect();
        let mut positions: Vec<Position> = blocks.iter().map(|block| position(block)).collect();
        let last = blocks.last().map_or(above, |block| block.view.number);
        if blocks.len() < POSITIONS && self.control.l1_view.number > last {
            positions.push(Position { view: self.control.l1_view, due: Vec::new() });
        }
        let (mut reached, mut due) = (None, Vec::new());
        for (at, position) in positions[..fitting(&positions, &self.config.params)].iter().enumerate() {
            match blocks.get(at).map(|block| self.encodings(block)) {
                Some(Some(encodings)) => due.extend(encodings),
                Some(None) => break,
                None => {}
            }
            reached = Some(position.view);
        }
        reached.map(|view| (view, due))
    }

    /// What an L1 block has brought, encoded; nothing if an entry of it has not been read.
    fn encodings(&self, block: &DueBlock) -> Option<Vec<Bytes>> {
        let encoding = |item: &Owed| match *item {
            Owed::Forced { hash, .. } => self.entries.0.get(&hash).cloned(),
            Owed::Batch { index, carrier } => Some(batch_paid(index, carrier)),
        };
        counted(block).map(encoding).collect()
    }

    /// What a block with its view at `to` begins with, above one whose view is at `above`: the hashes, in order.
    pub(super) fn due_between(&self, above: u64, to: u64) -> Vec<B256> {
        let between = self.control.dues.above(above).take_while(|block| block.view.number <= to);
        between.flat_map(|block| position(block).due).map(|due| due.hash).collect()
    }

    /// Whether a block that names this control height may have this view: one agreed by then, or an L1 block below it with something due.
    pub(super) fn knows_view(&self, control_height: u64, view: &L1View) -> bool {
        let head = self.chain.head().l1_view;
        // Which views were agreed before this replica started it does not know, only how far they had come.
        let first =
            self.views.first_key_value().filter(|(height, _)| control_height < **height).map(|(_, first)| first);
        if first.is_some_and(|first| view.number > head.number && view.number <= first.number) {
            return true;
        }
        let mut agreed = self.views.range(..=control_height);
        let is_below = || agreed.clone().next_back().is_some_and(|(_, last)| view.number <= last.number);
        let mut due = self.control.dues.above(head.number).map(|block| (block.view.number, block.view.hash));
        head == *view
            || (is_below() && due.any(|at| at == (view.number, view.hash)))
            || agreed.any(|(_, known)| known == view)
    }

    /// Whether something above the head's view is due, or agreed, that this node could not go on to, for want of entries.
    pub(super) fn lacks_entries(&self) -> bool {
        let head = self.chain.head().l1_view.number;
        self.control.dues.above(head).next().is_some_and(|next| self.encodings(next).is_none())
    }

    /// Looks whether the running slot's blocks leave the L1 view where it is though it could move on. A sequencer that lacks what is due
    /// ends its slot; gives whether another is to be voted out.
    pub(super) fn view_is_late(&mut self, now_ms: u64) -> bool {
        let at = self.chain.head().l1_view.number;
        let Some(slot) = self.voter.term().map(|term| term.child_slot(&self.chain.head_facts())) else { return false };
        if self.control.l1_view.number <= at {
            self.standstill = None;
            return false;
        }
        let since_ms = match self.standstill {
            Some(before) if (before.slot, before.at) == (slot, at) => before.since_ms,
            _ => now_ms,
        };
        self.standstill = Some(Standstill { slot, at, since_ms });
        let patience_ms = VIEW_TIMEOUTS * self.control.slot_timeout_ms;
        self.apply_above(at);
        let could_move = self.applied.l1_view.number > at;
        match &mut self.leading {
            Some(leading) if !could_move && now_ms >= since_ms.saturating_add(patience_ms / 2) => {
                leading.end();
                false
            }
            Some(_) => false,
            None => could_move && now_ms >= since_ms.saturating_add(patience_ms),
        }
    }

    /// When [`Self::view_is_late`] next has something to say.
    pub(super) fn view_due_ms(&self, now_ms: u64) -> Option<u64> {
        let patience_ms = VIEW_TIMEOUTS * self.control.slot_timeout_ms;
        let since_ms = self.standstill?.since_ms;
        let due_ms = if self.leading.is_some() { since_ms + patience_ms / 2 } else { since_ms + patience_ms };
        (due_ms > now_ms).then_some(due_ms)
    }
}

/// The place of an L1 block with something due.
fn position(block: &DueBlock) -> Position {
    let due = counted(block).map(|item| match *item {
        Owed::Forced { hash, gas, bytes, .. } => {
            Due { hash, gas, bytes: usize::try_from(bytes).unwrap_or(usize::MAX), forced: true }
        }
        Owed::Batch { index, carrier } => {
            let raw = batch_paid(index, carrier);
            Due { hash: keccak256(&raw), gas: SYSTEM_GAS, bytes: raw.len(), forced: false }
        }
    });
    Position { view: L1View { number: block.view.number, hash: block.view.hash }, due: due.collect() }
}

/// What an L1 block has brought, but for what a planted fault leaves out.
fn counted(block: &DueBlock) -> impl Iterator<Item = &Owed> {
    block.items.iter().filter(|item| !(planted!(ForcedLeftOut) && matches!(item, Owed::Forced { .. })))
}

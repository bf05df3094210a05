//! What a node hears of L1 through its endpoint.

use alloy_primitives::{B256, keccak256};
use horae_control::command::L1Event;
use horae_node::council::L1News;
use horae_node::council::groups::KeyInForce;
use horae_node::edges::l1::AcceptedBatch;
use horae_stages::L1View;

use super::{Contract, DEPTH, Endpoint, FINAL_DEPTH, L1, NO_ANSWER, STEP_BLOCKS, control_key};

/// One node's watch of L1.
pub struct Watch {
    /// How its endpoint tells of L1.
    pub endpoint: Endpoint,
    known: Vec<(u64, B256)>,
    told: Option<L1View>,
}

impl Watch {
    /// A watch that knows no batch yet.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, known: Vec::new(), told: None }
    }

    fn head(&self, l1: &L1) -> Option<u64> {
        let newest = l1.blocks.len() as u64 - 1;
        match self.endpoint {
            Endpoint::Behind(blocks) => Some(newest.saturating_sub(blocks).max(1)),
            Endpoint::Silent => None,
            Endpoint::Lying | Endpoint::Inventing => Some(newest),
        }
    }

    /// One look.
    pub fn look(&mut self, l1: &L1, agreed: L1View) -> Vec<L1News> {
        let Some(head) = self.head(l1) else {
            return vec![L1News::Standing(Err(NO_ANSWER.to_owned()))];
        };
        let mut news = Vec::new();
        let seen: Vec<&AcceptedBatch> = l1.blocks[..=head as usize].iter().flat_map(|block| &block.batches).collect();
        let stands = |known: &(u64, B256)| seen.iter().any(|batch| (batch.batch.index, batch.digest) == *known);
        if let Some(from) = self.known.iter().filter(|known| !stands(known)).map(|known| known.0).min() {
            self.known.retain(|known| known.0 < from);
            news.push(L1News::Dropped { from });
        }
        let new: Vec<_> = seen
            .iter()
            .filter(|batch| !self.known.contains(&(batch.batch.index, batch.digest)))
            .map(|batch| ((*batch).clone(), 100_000))
            .collect();
        self.known.extend(new.iter().map(|(batch, _)| (batch.batch.index, batch.digest)));
        if !new.is_empty() {
            news.push(L1News::Batches(new));
        }
        let mut inbox = l1.blocks[head as usize].after.head;
        if self.endpoint == Endpoint::Lying {
            inbox.digest = keccak256(inbox.digest);
        }
        news.push(L1News::Inbox(inbox));
        let Contract { key, key_index, .. } = &l1.blocks[head as usize].after;
        news.push(L1News::Key(key.map(|key| KeyInForce { index: *key_index, key: control_key(&key) })));
        news.push(L1News::Finalized(head.saturating_sub(FINAL_DEPTH)));
        let lies = self.endpoint == Endpoint::Lying;
        let has_agreed = agreed.number <= head && l1.view(agreed.number).hash == agreed.hash && !lies;
        let standing = if has_agreed { Ok(()) } else { Err("the agreed view is not on its chain".to_owned()) };
        news.push(L1News::Standing(standing));
        let candidate = head.saturating_sub(DEPTH);
        if candidate > agreed.number && (has_agreed || lies) {
            let number = candidate.min(agreed.number + STEP_BLOCKS);
            let mut view = l1.view(number);
            let mut events = l1.events_between(agreed.number, number);
            if lies {
                view.hash = keccak256(view.hash);
            }
            events.extend(self.invented());
            if self.told != Some(view) {
                self.told = Some(view);
                news.push(L1News::View(view, events));
            }
        }
        news
    }

    /// Whether L1 says this, as far as the endpoint tells; nothing while it cannot know.
    #[must_use]
    pub fn matches(&self, l1: &L1, after: L1View, to: L1View, events: &[L1Event]) -> Option<bool> {
        let head = self.head(l1)?;
        if head.saturating_sub(DEPTH) < to.number {
            return None;
        }
        if self.endpoint == Endpoint::Lying {
            return Some(keccak256(l1.view(to.number).hash) == to.hash);
        }
        Some(
            l1.events(after, to).is_some_and(|ours| ours.into_iter().chain(self.invented()).eq(events.iter().cloned())),
        )
    }

    /// What never happened.
    fn invented(&self) -> Option<L1Event> {
        matches!(self.endpoint, Endpoint::Lying | Endpoint::Inventing).then_some(L1Event::ValidatorLeaving { id: 1 })
    }
}

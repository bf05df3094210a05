//! Looks at L1 now and then, so that the council never waits for it: its head, the inbox, batches accepted since, and the
//! next view that this node would agree to.

use std::time::Duration;

use horae_control::GroupKey;
use horae_control::command::L1Event;
use horae_stages::L1View;
use metrics::{counter, gauge};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::batches::BatchHead;
use super::groups::KeyInForce;
use crate::edges::l1::{AcceptedBatch, L1, L1Error};

/// Batches are read anew from this many L1 blocks below the highest one seen, so that a reorganisation is noticed.
const REREAD_BLOCKS: u64 = 64;

/// What was seen.
#[derive(Clone, Debug)]
pub enum L1News {
    /// The last batch that the inbox has at the head of L1.
    Inbox(BatchHead),
    /// The group key that the inbox has in force at the head of L1, if any.
    Key(Option<KeyInForce>),
    /// Batches accepted since the last look, in order, with the gas their transactions used.
    Batches(Vec<(AcceptedBatch, u64)>),
    /// L1 has fewer batches than were seen before, or others: a reorganisation dropped them from this index on.
    Dropped {
        /// The lowest index dropped.
        from: u64,
    },
    /// The highest final L1 block.
    Finalized(u64),
    /// Whether L1 answers here and has the agreed view on its chain; said at every look, with the reason if not.
    Standing(Result<(), String>),
    /// The next view that this node would agree to, with what happened up to it.
    View(L1View, Vec<L1Event>),
}

/// Where the watch begins.
#[derive(Clone, Debug)]
pub struct WatchFrom {
    /// Batches are looked for from this L1 block on.
    pub l1_block: u64,
    /// Index and digest of the batches known already, lowest first.
    pub known: Vec<(u64, alloy_primitives::B256)>,
    /// How often L1 is looked at.
    pub every: Duration,
    /// How many L1 blocks one view may advance.
    pub step_blocks: u64,
}

/// Watches until the receiver is gone. `agreed` is the view of the control plane.
pub async fn watch_l1(l1: L1, from: WatchFrom, agreed: watch::Receiver<L1View>, news: mpsc::Sender<L1News>) {
    let mut look = Look { read_to: from.l1_block.saturating_sub(1), from, l1, agreed, told: None, settled: None };
    let mut down = false;
    loop {
        match look.round(&news).await {
            Ok(()) if down => {
                info!("L1 answers again");
                down = false;
            }
            Ok(()) => {}
            Err(Stopped::Gone) => return,
            Err(Stopped::L1(why)) => {
                look.settled = None;
                if tell(&news, L1News::Standing(Err(why.to_string()))).await.is_err() {
                    return;
                }
                counter!("horae_l1_failures").increment(1);
                if !down {
                    warn!(%why, "L1 does not answer: no view, no batch until it does; blocks go on");
                }
                down = true;
            }
        }
        gauge!("horae_l1_down").set(if down { 1.0 } else { 0.0 });
        tokio::time::sleep(look.from.every).await;
    }
}

struct Look {
    l1: L1,
    from: WatchFrom,
    agreed: watch::Receiver<L1View>,
    read_to: u64,
    told: Option<L1View>,
    /// Head of L1 and agreed view at the end of the last round: with both unchanged there is nothing to tell.
    settled: Option<(L1View, L1View)>,
}

enum Stopped {
    L1(L1Error),
    Gone,
}

impl From<L1Error> for Stopped {
    fn from(why: L1Error) -> Self {
        Self::L1(why)
    }
}

impl Look {
    async fn round(&mut self, news: &mpsc::Sender<L1News>) -> Result<(), Stopped> {
        let head = self.l1.head().await?.view;
        let agreed = *self.agreed.borrow_and_update();
        if self.settled.replace((head, agreed)) == Some((head, agreed)) {
            return Ok(());
        }
        let inbox = self.l1.inbox_state_at(head).await?;
        self.batches(head.number, inbox.head.nextIndex, news).await?;
        let batch_head = if inbox.head.lastBlock == 0 {
            BatchHead::default()
        } else {
            BatchHead { next_index: inbox.head.nextIndex, digest: inbox.head.digest, last_block: inbox.head.lastBlock }
        };
        tell(news, L1News::Inbox(batch_head)).await?;
        let key = GroupKey { px: inbox.key.px, parity: inbox.key.parity };
        let in_force = (inbox.key.index > 0).then_some(KeyInForce { index: inbox.key.index, key });
        tell(news, L1News::Key(in_force)).await?;
        tell(news, L1News::Finalized(self.l1.finalized().await?.view.number)).await?;
        let standing = if agreed.number > 0 { self.l1.require(agreed).await } else { Ok(()) };
        tell(news, L1News::Standing(standing.map_err(|why| why.to_string()))).await?;
        if let Some((view, events)) = self.l1.next_view(agreed, self.from.step_blocks).await?
            && self.told != Some(view)
        {
            self.told = Some(view);
            tell(news, L1News::View(view, events)).await?;
        }
        Ok(())
    }

    async fn batches(&mut self, head: u64, next_index: u64, news: &mpsc::Sender<L1News>) -> Result<(), Stopped> {
        if head == self.read_to {
            return Ok(());
        }
        let first = self.from.l1_block.max(self.read_to.min(head).saturating_sub(REREAD_BLOCKS) + 1);
        let accepted = self.l1.batch_events(first, head).await?;
        let known = &mut self.from.known;
        let lowest_read = accepted.first().map(|batch| batch.index);
        // Of what was known in the range that was read again, whatever is not there any more was dropped.
        let dropped = known.iter().map(|(index, digest)| (*index, *digest)).find(|(index, digest)| {
            let read_again = lowest_read.is_some_and(|lowest| *index >= lowest) || *index >= next_index;
            read_again && accepted.iter().all(|batch| (batch.index, batch.digest) != (*index, *digest))
        });
        if let Some((from, _)) = dropped {
            known.retain(|(index, _)| *index < from);
            warn!(from, "an L1 reorganisation dropped batches; they are sent again");
            tell(news, L1News::Dropped { from }).await?;
        }
        let new: Vec<_> = accepted
            .into_iter()
            .filter(|batch| known.iter().all(|(index, digest)| (*index, *digest) != (batch.index, batch.digest)))
            .collect();
        let mut with_gas = Vec::with_capacity(new.len());
        for event in &new {
            let batch = self.l1.batch_of(event).await?;
            let gas = self.l1.inclusion(batch.l1_tx).await?.map_or(0, |included| included.gas_used);
            with_gas.push((batch, gas));
        }
        let known = &mut self.from.known;
        known.extend(new.iter().map(|batch| (batch.index, batch.digest)));
        let surplus = known.len().saturating_sub(usize::try_from(4 * REREAD_BLOCKS).unwrap_or(usize::MAX));
        known.drain(..surplus);
        self.read_to = head;
        if with_gas.is_empty() {
            return Ok(());
        }
        tell(news, L1News::Batches(with_gas)).await
    }
}

async fn tell(news: &mpsc::Sender<L1News>, what: L1News) -> Result<(), Stopped> {
    news.send(what).await.map_err(|_| Stopped::Gone)
}

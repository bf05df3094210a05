//! How transactions get from JSON-RPC into the pipeline, and how the answers to one request find their way back together.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use alloy_primitives::{Address, B256, Bytes};
use futures_util::task::AtomicWaker;
use horae_stages::Shed;

use crate::pipeline::Standing;

/// The answer to a submitted transaction: its hash once it is admitted, or why it was refused.
pub type Outcome = Result<B256, Shed>;

/// The door of the pipeline. Implemented by the node core.
pub trait TransactionIntake: Send + Sync + 'static {
    /// Hands over the EIP-2718 encodings of one request. Must not block: what cannot be taken at once is refused as busy,
    /// and each is answered in bounded time.
    ///
    /// They are handed over, in this order, when this returns, so that transactions of one client keep their order.
    fn submit(&self, raws: &[&[u8]]) -> Admissions;

    /// Remembers the bytes of what was admitted, for [`raw`](Self::raw). Called before the client hears of it.
    fn remember(&self, _admitted: &mut dyn Iterator<Item = (B256, &[u8])>) {}

    /// The nonce after the last transaction of a sender that was admitted and is not ordered yet, if this node knows one.
    ///
    /// Makes `eth_getTransactionCount` at `pending` count transactions under way. Must not block.
    fn next_nonce(&self, _sender: Address) -> Option<u64> {
        None
    }

    /// How a transaction stands that was handed over here and is in no block, if this node remembers. Must not block for long.
    fn standing(&self, _hash: &B256) -> Option<Standing> {
        None
    }

    /// The bytes of a transaction that waits, if this node remembers them.
    fn raw(&self, _hash: &B256) -> Option<Bytes> {
        None
    }
}

/// The answers to the transactions of one request. Whoever waits is woken once, by the last of them.
#[derive(Debug)]
pub struct Admissions(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    outcomes: Box<[OnceLock<Outcome>]>,
    open: AtomicUsize,
    waiting: AtomicWaker,
}

impl Admissions {
    /// Answers for `count` transactions, and the seats from which they are given.
    #[must_use]
    pub fn new(count: usize) -> (Self, Seats) {
        let outcomes = (0..count).map(|_| OnceLock::new()).collect();
        let shared = Arc::new(Shared { outcomes, open: AtomicUsize::new(count), waiting: AtomicWaker::new() });
        (Self(Arc::clone(&shared)), Seats { shared, next: 0 })
    }

    /// Waits until all are answered.
    pub async fn settled(&self) {
        poll_fn(|context| {
            self.0.waiting.register(context.waker());
            if self.0.open.load(Ordering::Acquire) == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// The answers in the order of the request; `None` for what is not answered yet, which nothing is once
    /// [`settled`](Self::settled) has returned.
    pub fn outcomes(&self) -> impl ExactSizeIterator<Item = Option<&Outcome>> {
        self.0.outcomes.iter().map(OnceLock::get)
    }
}

/// One [`Seat`] for each transaction, in order. Seats that nobody takes answer like seats that are dropped.
#[derive(Debug)]
pub struct Seats {
    shared: Arc<Shared>,
    next: usize,
}

impl Iterator for Seats {
    type Item = Seat;

    fn next(&mut self) -> Option<Seat> {
        let index = self.next;
        (index < self.shared.outcomes.len()).then(|| {
            self.next += 1;
            Seat { shared: Arc::clone(&self.shared), index }
        })
    }
}

impl Drop for Seats {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

/// The place of one transaction among those of its request. Answers once; dropped unanswered it answers [`Shed::Busy`], so
/// that nobody is left waiting.
#[derive(Debug)]
pub struct Seat {
    shared: Arc<Shared>,
    index: usize,
}

impl Seat {
    /// Answers.
    pub fn answer(self, outcome: Outcome) {
        // The drop that follows finds it answered.
        self.shared.outcomes[self.index].get_or_init(|| outcome);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.outcomes[self.index].get_or_init(|| Err(Shed::Busy));
        if self.shared.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.waiting.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    fn is_settled(admissions: &Admissions) -> bool {
        let settled = std::pin::pin!(admissions.settled());
        settled.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn answers_keep_the_order_of_the_request_whatever_order_they_come_in() {
        let (admissions, seats) = Admissions::new(3);
        let mut seats: Vec<_> = seats.collect();
        let outcomes = [Ok(B256::repeat_byte(1)), Err(Shed::AlreadyKnown), Ok(B256::repeat_byte(3))];
        for index in [2, 0, 1] {
            assert!(!is_settled(&admissions));
            let seat = seats.iter().position(|seat| seat.index == index).expect("each seat is taken once");
            seats.swap_remove(seat).answer(outcomes[index].clone());
        }
        assert!(is_settled(&admissions));
        assert!(admissions.outcomes().eq(outcomes.iter().map(Some)));
    }

    #[test]
    fn a_seat_that_is_dropped_or_never_taken_says_busy() {
        let (admissions, mut seats) = Admissions::new(3);
        drop(seats.next());
        assert!(!is_settled(&admissions));
        drop(seats);
        assert!(is_settled(&admissions));
        assert!(admissions.outcomes().all(|outcome| outcome == Some(&Err(Shed::Busy))));
    }

    #[tokio::test]
    async fn the_last_answer_wakes_whoever_waits() {
        let (admissions, seats) = Admissions::new(64);
        let answering = std::thread::spawn(|| seats.for_each(|seat| seat.answer(Ok(B256::ZERO))));
        admissions.settled().await;
        answering.join().expect("it does not panic");
        let (nothing, _) = Admissions::new(0);
        nothing.settled().await;
    }
}

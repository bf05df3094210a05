//! One direction between two nodes.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::Counts;
use crate::sim::rng::Rng;

/// What a lost piece of a TCP stream waits longer: the shortest retransmission timeout of Linux.
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// What a link is like, in each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Conditions {
    /// Added to the way there, and again to the way back.
    pub delay: Duration,
    /// Datagrams lost, in percent. A piece of a TCP stream is late instead.
    pub loss_percent: f64,
}

/// One direction, whichever connections run along it.
#[derive(Debug)]
pub struct Road {
    conditions: Mutex<(Conditions, Rng)>,
    cut: watch::Sender<bool>,
    datagrams: AtomicU64,
    bytes: AtomicU64,
    dropped: AtomicU64,
}

impl Road {
    /// An open road.
    pub fn new(conditions: Conditions, rng: Rng) -> Self {
        let zero = || AtomicU64::new(0);
        let conditions = Mutex::new((conditions, rng));
        Self { conditions, cut: watch::channel(false).0, datagrams: zero(), bytes: zero(), dropped: zero() }
    }

    /// Cuts or heals it.
    pub fn cut(&self, cut: bool) {
        self.cut.send_replace(cut);
    }

    /// Changes what it is like.
    pub fn set(&self, conditions: Conditions) {
        self.lock().0 = conditions;
    }

    /// When a datagram that came now is delivered; `None` if it is not.
    pub fn datagram_due(&self) -> Option<Instant> {
        let (conditions, lost) = self.draw();
        if lost || *self.cut.borrow() {
            self.drop_one();
            return None;
        }
        Some(Instant::now() + conditions.delay)
    }

    /// When a piece of a stream that came now is delivered.
    pub fn piece_due(&self) -> Instant {
        let (conditions, lost) = self.draw();
        Instant::now() + conditions.delay + if lost { RETRANSMISSION } else { Duration::ZERO }
    }

    /// Waits while it is cut.
    pub async fn open(&self) {
        let mut cut = self.cut.subscribe();
        cut.wait_for(|cut| !cut).await.expect("the sender of the watch is here");
    }

    /// A datagram was delivered.
    pub fn delivered(&self) {
        self.datagrams.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes were delivered.
    pub fn carried(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A datagram was not delivered.
    pub fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// What went along it.
    pub fn counts(&self) -> Counts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts { datagrams: of(&self.datagrams), bytes: of(&self.bytes), dropped: of(&self.dropped) }
    }

    fn draw(&self) -> (Conditions, bool) {
        let mut held = self.lock();
        let lot = held.1.between(0, 99_999) as f64 / 1_000.0;
        (held.0, lot < held.0.loss_percent)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Conditions, Rng)> {
        self.conditions.lock().expect("nobody panics with the conditions of a road in hand")
    }
}

//! The way back into a twin: answers from any thread, taken up by the twin's own.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam_queue::ArrayQueue;

use crate::edges::intake::{Intake, Reply, ReplySink, ReplyTo};

/// The answer to one frame.
pub(super) struct Settled {
    pub connection: u64,
    pub sequence: u64,
    pub reply: Reply,
}

/// A queue of answers with a bell for the twin. A frame is offered to the node only when a place for its answer is
/// reserved here, so an answer always fits.
pub(super) struct Replies {
    queue: ArrayQueue<Settled>,
    /// Written by the twin's thread only.
    reserved: AtomicUsize,
    /// The bell has rung and the twin has not looked yet: more answers need no more ringing.
    rung: AtomicBool,
    stopped: AtomicBool,
    bell: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Replies {
    pub fn new(unanswered_max: usize) -> Self {
        Self {
            queue: ArrayQueue::new(unanswered_max.max(1)),
            reserved: AtomicUsize::new(0),
            rung: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            bell: OnceLock::new(),
        }
    }

    /// How to wake the twin; set once, by it.
    pub fn set_bell(&self, bell: impl Fn() + Send + Sync + 'static) {
        if self.bell.set(Box::new(bell)).is_err() {
            tracing::error!("a second twin on one set of replies");
        }
        // Whoever rang before there was a bell is heard now.
        if self.rung.load(Ordering::Acquire) {
            self.ring_bell();
        }
    }

    /// Offers a frame to the node, if there is a place for its answer. For the twin's thread.
    pub fn offer(self: &Arc<Self>, intake: &impl Intake, connection: u64, sequence: u64, frame: &[u8]) -> bool {
        let reserved = self.reserved.load(Ordering::Relaxed);
        if reserved >= self.queue.capacity() {
            return false;
        }
        self.reserved.store(reserved + 1, Ordering::Relaxed);
        intake.offer(frame, ReplyTo::new(Arc::clone(self) as Arc<dyn ReplySink>, connection, sequence));
        true
    }

    /// To be called by the twin when the bell has rung, before it takes.
    pub fn answer_bell(&self) {
        self.rung.swap(false, Ordering::AcqRel);
    }

    /// The next answer. For the twin's thread.
    pub fn take(&self) -> Option<Settled> {
        let settled = self.queue.pop()?;
        self.reserved.store(self.reserved.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
        Some(settled)
    }

    /// Asks the twin to end.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.ring();
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.ring_bell();
        }
    }

    fn ring_bell(&self) {
        if let Some(bell) = self.bell.get() {
            bell();
        }
    }
}

impl ReplySink for Replies {
    fn deliver(&self, connection: u64, sequence: u64, reply: Reply) {
        let fits = self.queue.push(Settled { connection, sequence, reply });
        debug_assert!(fits.is_ok(), "a place is reserved for every answer");
        self.ring();
    }
}

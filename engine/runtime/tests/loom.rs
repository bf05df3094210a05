//! The wake-up protocol, and a ring that rests on it, in every order that the memory model allows. A lost wake-up shows as a
//! deadlock.
//!
//! `cargo test --release -p horae-runtime --features loom --test loom`

use std::sync::Arc;

use horae_runtime::{Parker, ring};
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

/// `wakers` threads each add one and wake; the sleeper waits for all.
fn wakes_after(wakers: usize) {
    let mut model = loom::model::Builder::new();
    // More than three forced switches between threads find nothing new here, and take minutes.
    model.preemption_bound = Some(3);
    model.check(move || {
        let parker = Parker::new();
        let items = Arc::new(AtomicUsize::new(0));
        for _ in 0..wakers {
            let (waker, items) = (parker.waker(), Arc::clone(&items));
            thread::spawn(move || {
                items.fetch_add(1, Ordering::Relaxed);
                waker.wake();
            });
        }
        let parker = parker.bind();
        let found = || items.load(Ordering::Relaxed) == wakers;
        while !found() {
            parker.park_unless(None, found);
        }
    });
}

#[test]
fn a_wake_up_is_never_lost() {
    wakes_after(1);
}

#[test]
fn two_wakers_lose_nothing_between_them() {
    wakes_after(2);
}

#[test]
fn a_thread_that_retracts_can_sleep_again() {
    loom::model(|| {
        let parker = Parker::new();
        let waker = parker.waker();
        let item = Arc::new(AtomicUsize::new(0));
        let written = Arc::clone(&item);
        thread::spawn(move || {
            for value in 1..=2 {
                written.store(value, Ordering::Relaxed);
                waker.wake();
            }
        });
        let parker = parker.bind();
        for value in 1..=2 {
            while item.load(Ordering::Relaxed) < value {
                parker.park_unless(None, || item.load(Ordering::Relaxed) >= value);
            }
        }
    });
}

#[test]
fn a_ring_wakes_for_its_items_and_for_its_end() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let parker = Parker::new();
        let (mut tx, mut rx) = ring(1, parker.waker());
        thread::spawn(move || tx.push(7_u64));
        let parker = parker.bind();
        let mut popped = None;
        loop {
            let gone = rx.is_abandoned();
            popped = rx.pop().or(popped);
            if gone {
                break;
            }
            parker.park_unless(None, || rx.is_abandoned() || !rx.is_empty());
        }
        assert_eq!(popped, Some(7));
    });
}

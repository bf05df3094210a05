//! The wake-up protocol in every order that the memory model allows. A lost wake-up shows as a deadlock.
//!
//! `cargo test --release -p horae-runtime --features loom --test loom`

use std::sync::Arc;

use horae_runtime::Parker;
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

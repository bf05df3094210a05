//! The ring's memory in every order that the memory model allows: items in order, none lost, none read before it is
//! written, each dropped once. The same source as the library's, with a model checker's atomics and cells.
//!
//! `cargo test --release -p horae-runtime --test ring_loom`

use std::collections::VecDeque;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

/// What [`slots`] takes its atomics from; in the library the standard library's.
mod sync {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::sync::Arc;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64};
}

#[path = "../src/ring/slots.rs"]
#[allow(dead_code, reason = "the gauges' half has no model: its numbers order nothing")]
mod slots;

use slots::{Popper, Pusher, slots};
use sync::Arc;

const ITEMS: u64 = 3;

/// The checker fails if one of these is dropped twice, or never.
type Item = Arc<u64>;

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    // Without a bound to the forced switches between threads this takes two minutes, and finds nothing more.
    model.preemption_bound = Some(3);
    model.check(run);
}

fn push_one_by_one(mut tx: Pusher<Item, ()>) {
    for number in 0..ITEMS {
        let mut item = Arc::new(number);
        while let Err(refused) = tx.push(item) {
            if tx.is_abandoned() {
                return;
            }
            item = refused;
            thread::yield_now();
        }
    }
}

fn push_in_bursts(mut tx: Pusher<Item, ()>) {
    let mut items: VecDeque<Item> = (0..ITEMS).map(Arc::new).collect();
    while !items.is_empty() && !tx.is_abandoned() {
        let burst = tx.room_for(items.len()).min(items.len());
        tx.push_burst(items.drain(..burst), burst);
        if burst == 0 {
            thread::yield_now();
        }
    }
}

fn pop_all(mut rx: Popper<Item>, mut pop: impl FnMut(&mut Popper<Item>, &mut Vec<Item>) -> bool) {
    let mut out = Vec::new();
    loop {
        let gone = rx.is_abandoned();
        if !pop(&mut rx, &mut out) {
            if gone {
                break;
            }
            thread::yield_now();
        }
    }
    assert!(out.iter().map(|item| **item).eq(0..ITEMS));
}

fn pop_one(rx: &mut Popper<Item>, out: &mut Vec<Item>) -> bool {
    let before = out.len();
    out.extend(rx.pop());
    out.len() > before
}

fn pop_two(rx: &mut Popper<Item>, out: &mut Vec<Item>) -> bool {
    rx.pop_burst(out, 2) > 0
}

#[test]
fn one_by_one() {
    for depth in [1, 2] {
        model(move || {
            let (tx, rx) = slots(depth, ());
            let pushing = thread::spawn(move || push_one_by_one(tx));
            pop_all(rx, pop_one);
            pushing.join().unwrap();
        });
    }
}

#[test]
fn in_bursts() {
    for depth in [1, 2] {
        model(move || {
            let (tx, rx) = slots(depth, ());
            let pushing = thread::spawn(move || push_in_bursts(tx));
            pop_all(rx, pop_two);
            pushing.join().unwrap();
        });
    }
}

#[test]
fn bursts_over_the_buffers_end() {
    model(|| {
        let (mut tx, mut rx) = slots(2, ());
        tx.push(Arc::new(ITEMS)).unwrap();
        drop(rx.pop());
        let pushing = thread::spawn(move || push_in_bursts(tx));
        pop_all(rx, pop_two);
        pushing.join().unwrap();
    });
}

#[test]
fn a_burst_meets_single_pops() {
    model(|| {
        let (tx, rx) = slots(2, ());
        let pushing = thread::spawn(move || push_in_bursts(tx));
        pop_all(rx, pop_one);
        pushing.join().unwrap();
    });
}

#[test]
fn a_depth_that_is_no_power_of_two_is_kept() {
    model(|| {
        let (mut tx, mut rx) = slots(3, ());
        tx.push_burst((0..9).map(Arc::new), 9);
        assert_eq!((tx.pushed(), tx.room()), (3, 0));
        let popping = thread::spawn(move || rx.pop());
        let mut pushed = tx.push(Arc::new(3)).is_ok();
        assert_eq!(popping.join().unwrap().as_deref(), Some(&0));
        pushed |= tx.push(Arc::new(3)).is_ok();
        assert!(pushed);
    });
}

#[test]
fn the_consumer_goes_while_the_producer_works() {
    for push in [push_one_by_one as fn(Pusher<Item, ()>), push_in_bursts] {
        model(move || {
            let (tx, mut rx) = slots(2, ());
            let pushing = thread::spawn(move || push(tx));
            drop(rx.pop());
            drop(rx);
            pushing.join().unwrap();
        });
    }
}

#[test]
fn the_producer_goes_and_leaves_items() {
    model(|| {
        let (mut tx, mut rx) = slots(2, ());
        let pushing = thread::spawn(move || {
            tx.push_burst((0..2).map(Arc::new), 2);
        });
        if let Some(item) = rx.pop() {
            assert_eq!(*item, 0);
        }
        drop(rx);
        pushing.join().unwrap();
    });
}

#[test]
fn what_comes_after_the_producer_finds_the_ring_abandoned() {
    struct Tells(Arc<AtomicBool>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    model(|| {
        let told = Arc::new(AtomicBool::new(false));
        let (mut tx, mut rx) = slots(1, Tells(Arc::clone(&told)));
        let pushing = thread::spawn(move || drop(tx.push(Arc::new(0))));
        if told.load(Ordering::Acquire) {
            assert!(rx.is_abandoned());
            assert!(rx.pop().is_some());
        }
        pushing.join().unwrap();
    });
}

//! Our ring beside its peers: across two pinned threads in bursts and one by one, and in one thread.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use crossbeam_queue::ArrayQueue;
use disruptor::{BusySpin, ProcessorSettings as _, Producer as _, build_single_producer};
use eyre::{Result, ensure};
use horae_runtime::pin::{available_cores, pin_current_thread};
use horae_runtime::{Parker, Waker, ring};
use rtrb::chunks::ChunkError;

use super::Scene;
use crate::args::Options;
use crate::sheet::{Figure, Sheet, Target};

/// Room of every ring.
const DEPTH: usize = 4_096;
/// A burst of the node's workers.
const BURST: usize = 32;
/// Items of one run across threads: so few that both threads may come through it without losing their cores.
const ITEMS: u64 = 320_000;
/// Runs of each ring in a round, by turns; the best counts, since whatever else runs here can only make one longer.
const RUNS: usize = 12;
/// Items of a round in one thread.
const ALONE: u64 = 8_000_000;
/// Looks at an unchanged ring before the thread gives its core away: with one core for each it never comes to that.
const SPINS: u32 = 10_000;

/// Finds two cores.
///
/// # Errors
/// If this process may use only one.
pub fn open(_: &Options) -> Result<Box<dyn Scene>> {
    let cores = available_cores();
    ensure!(cores.len() >= 2, "a hop between two pinned threads takes two cores; this process may use {cores:?}");
    Ok(Box::new(Rings { producer: cores[0], consumer: cores[1] }))
}

struct Rings {
    producer: usize,
    consumer: usize,
}

impl Scene for Rings {
    fn round(&mut self, sheet: &mut Sheet) -> Result<()> {
        let rings: [fn(&Self) -> f64; 8] = [
            Self::ours,
            Self::rtrb,
            Self::array_queue,
            Self::channel,
            Self::disruptor,
            |rings| rings.ours_one_by_one(Waker::none()),
            |rings| rings.ours_one_by_one(Parker::new().waker()),
            Self::rtrb_one_by_one,
        ];
        let mut best = [f64::INFINITY; 8];
        for _ in 0..RUNS {
            for (best, ring) in best.iter_mut().zip(rings) {
                *best = best.min(ring(self));
            }
        }
        let [hop, rtrb, queue, channel, disruptor, one, parking, rtrb_one] = best;
        let figure = |name| {
            Figure::cost(name, "ns/item").note("bursts of 32 across two pinned threads, the best of 12 runs by turns")
        };
        sheet.add(figure("ring/hop").beside("rtrb").wants(Target::RatioAtMost(1.1)), hop, Some(rtrb));
        sheet.add(figure("ring/hop/array-queue").beside("crossbeam ArrayQueue"), hop, Some(queue));
        sheet.add(figure("ring/hop/channel").beside("crossbeam bounded channel"), hop, Some(channel));
        sheet.add(figure("ring/hop/disruptor").beside("disruptor, batches of 32"), hop, Some(disruptor));
        let figure = Figure::cost("ring/hop/one", "ns/item")
            .note("one item at a time to a consumer that spins, as on bare metal; two pinned threads, the best of 12 runs by turns");
        sheet.add(figure.beside("rtrb").wants(Target::RatioAtMost(1.1)), one, Some(rtrb_one));
        let figure = Figure::cost("ring/hop/one/parking", "ns/item").note(
            "the same to a consumer that may sleep: a fence for each item, which the node's workers pay once a burst",
        );
        sheet.add(figure.beside("rtrb"), parking, Some(rtrb_one));
        let figure = Figure::cost("ring/burst", "ns/item").note("bursts of 32, in and out in one thread");
        let (alone, rtrb) = (ours_alone(), rtrb_alone());
        sheet.add(figure.beside("rtrb").wants(Target::RatioAtMost(1.1)), alone, Some(rtrb));
        Ok(())
    }
}

/// Looks again, and gives the core away when that has not helped for long.
struct Patience(u32);

impl Patience {
    fn wait(&mut self) {
        self.0 += 1;
        if self.0.is_multiple_of(SPINS) {
            thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
    }
}

impl Rings {
    /// Wall time an item, from when both threads stand ready until the consumer has all.
    fn across(&self, produce: impl FnOnce(&mut Patience) + Send, consume: impl FnOnce(&mut Patience) + Send) -> f64 {
        let ready = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                pin_current_thread(self.producer).expect("the core was there");
                ready.wait();
                produce(&mut Patience(0));
            });
            pinned(self.consumer, || {
                ready.wait();
                let began = Instant::now();
                consume(&mut Patience(0));
                began.elapsed().as_nanos() as f64 / ITEMS as f64
            })
        })
    }

    fn ours(&self) -> f64 {
        let parker = Parker::new();
        let (mut tx, mut rx) = ring::<u64>(DEPTH, parker.waker());
        let produce = move |patience: &mut Patience| {
            let mut items = 0..ITEMS;
            while !items.is_empty() {
                if tx.push_burst(items.by_ref().take(BURST)) == 0 {
                    patience.wait();
                }
            }
        };
        self.across(produce, |patience| {
            let _parker = parker.bind();
            let (mut out, mut next) = (Vec::with_capacity(BURST), 0);
            while next < ITEMS {
                if rx.pop_burst(&mut out, BURST) == 0 {
                    patience.wait();
                }
                out.drain(..).for_each(|item| check(item, &mut next));
            }
        })
    }

    fn rtrb(&self) -> f64 {
        let (mut tx, mut rx) = rtrb::RingBuffer::<u64>::new(DEPTH);
        let produce = move |patience: &mut Patience| {
            let mut items = 0..ITEMS;
            while !items.is_empty() {
                let room = match tx.write_chunk_uninit(BURST) {
                    Ok(chunk) => {
                        chunk.fill_from_iter(items.by_ref().take(BURST));
                        continue;
                    }
                    Err(ChunkError::TooFewSlots(room)) => room,
                };
                match tx.write_chunk_uninit(room) {
                    Ok(chunk) if room > 0 => drop(chunk.fill_from_iter(items.by_ref().take(room))),
                    _ => patience.wait(),
                }
            }
        };
        self.across(produce, |patience| {
            let (mut out, mut next) = (Vec::with_capacity(BURST), 0);
            while next < ITEMS {
                let burst = match rx.read_chunk(BURST) {
                    Ok(chunk) => {
                        out.extend(chunk);
                        0
                    }
                    Err(ChunkError::TooFewSlots(0)) => {
                        patience.wait();
                        0
                    }
                    Err(ChunkError::TooFewSlots(burst)) => burst,
                };
                out.extend(rx.read_chunk(burst).into_iter().flatten());
                out.drain(..).for_each(|item| check(item, &mut next));
            }
        })
    }

    /// Whoever the waker wakes is awake all the time.
    fn ours_one_by_one(&self, waker: Waker) -> f64 {
        let (mut tx, mut rx) = ring::<u64>(DEPTH, waker);
        let produce = move |patience: &mut Patience| {
            for item in 0..ITEMS {
                while tx.push(item).is_err() {
                    patience.wait();
                }
            }
        };
        self.across(produce, |patience| take(|| rx.pop(), patience))
    }

    fn rtrb_one_by_one(&self) -> f64 {
        let (mut tx, mut rx) = rtrb::RingBuffer::<u64>::new(DEPTH);
        let produce = move |patience: &mut Patience| {
            for item in 0..ITEMS {
                while tx.push(item).is_err() {
                    patience.wait();
                }
            }
        };
        self.across(produce, |patience| take(|| rx.pop().ok(), patience))
    }

    fn array_queue(&self) -> f64 {
        let queue = ArrayQueue::<u64>::new(DEPTH);
        let produce = |patience: &mut Patience| {
            for item in 0..ITEMS {
                while queue.push(item).is_err() {
                    patience.wait();
                }
            }
        };
        self.across(produce, |patience| take(|| queue.pop(), patience))
    }

    fn channel(&self) -> f64 {
        let (tx, rx) = crossbeam_channel::bounded::<u64>(DEPTH);
        let produce = move |patience: &mut Patience| {
            for item in 0..ITEMS {
                while tx.try_send(item).is_err() {
                    patience.wait();
                }
            }
        };
        self.across(produce, |patience| take(|| rx.try_recv().ok(), patience))
    }

    /// Its consumer is a thread of its own making, which ends when all is processed.
    fn disruptor(&self) -> f64 {
        let mut next = 0;
        let consume = move |item: &u64, _: i64, _: bool| check(*item, &mut next);
        let mut producer = build_single_producer(DEPTH, || 0_u64, BusySpin)
            .pin_at_core(self.consumer)
            .handle_events_with(consume)
            .build();
        pinned(self.producer, move || {
            let began = Instant::now();
            for burst in 0..ITEMS / BURST as u64 {
                let first = burst * BURST as u64;
                producer.batch_publish(BURST, |items| {
                    for (item, value) in items.zip(first..) {
                        *item = value;
                    }
                });
            }
            drop(producer);
            began.elapsed().as_nanos() as f64 / ITEMS as f64
        })
    }
}

/// Runs on a thread of its own on this core.
fn pinned(core: usize, work: impl FnOnce() -> f64 + Send) -> f64 {
    thread::scope(|scope| {
        let thread = scope.spawn(move || {
            pin_current_thread(core).expect("the core was there");
            work()
        });
        thread.join().expect("nothing panics")
    })
}

fn take(mut pop: impl FnMut() -> Option<u64>, patience: &mut Patience) {
    let mut next = 0;
    while next < ITEMS {
        match pop() {
            Some(item) => check(item, &mut next),
            None => patience.wait(),
        }
    }
}

fn check(item: u64, next: &mut u64) {
    assert_eq!(item, *next, "a ring lost or swapped an item");
    *next += 1;
}

fn ours_alone() -> f64 {
    let (mut tx, mut rx) = ring::<u64>(DEPTH, Parker::new().waker());
    let mut out = Vec::with_capacity(BURST);
    alone(|items, next| {
        tx.push_burst(items.take(BURST));
        rx.pop_burst(&mut out, BURST);
        out.drain(..).for_each(|item| check(item, next));
    })
}

fn rtrb_alone() -> f64 {
    let (mut tx, mut rx) = rtrb::RingBuffer::<u64>::new(DEPTH);
    let mut out = Vec::with_capacity(BURST);
    alone(|items, next| {
        let chunk = tx.write_chunk_uninit(BURST).expect("the ring is empty");
        chunk.fill_from_iter(items.take(BURST));
        out.extend(rx.read_chunk(BURST).expect("the burst is in it"));
        out.drain(..).for_each(|item| check(item, next));
    })
}

fn alone(mut turn: impl FnMut(&mut std::ops::Range<u64>, &mut u64)) -> f64 {
    let (mut items, mut next) = (0..ALONE, 0);
    let (cost, ()) = crate::cpu::spent(|| {
        while !items.is_empty() {
            turn(&mut items, &mut next);
        }
    });
    cost.ns / ALONE as f64
}

//! Speeds, by the CPU time of the thread: other processes on the machine cost cache, not the clock.

use nix::time::{ClockId, clock_gettime};

use crate::contender::Contender;
use crate::data::Batch;
use crate::report::Row;

/// All contenders take turns in every round.
const ROUNDS: usize = 5;

/// A contender repeats its share of a round until it has taken so long, in seconds of CPU.
const LEAST_S: f64 = 0.1;

/// Speeds of packing and of unpacking beside the span batch's; round `r` takes every fifth batch from the `r`-th.
pub fn speeds(suffix: &str, batches: &[Batch]) -> Vec<Row> {
    let contenders: Vec<_> = [Contender::Span].into_iter().chain(Contender::ours()).chain(Contender::PEERS).collect();
    let mut packing = vec![Vec::new(); contenders.len()];
    let mut unpacking = vec![Vec::new(); contenders.len()];
    for round in 0..ROUNDS {
        let share: Vec<_> = batches.iter().skip(round).step_by(ROUNDS).collect();
        let megabytes = share.iter().map(|batch| batch.raw.len()).sum::<usize>() as f64 / 1e6;
        for (index, contender) in contenders.iter().enumerate() {
            let (seconds, packed) = timed(|| share.iter().map(|batch| contender.pack(batch)).collect::<Vec<_>>());
            packing[index].push(megabytes / seconds);
            let both = || share.iter().zip(&packed);
            let (seconds, ()) = timed(|| both().for_each(|(batch, packed)| contender.unpack(packed, batch)));
            unpacking[index].push(megabytes / seconds);
        }
    }
    let mut rows = Vec::new();
    for (index, contender) in contenders.iter().enumerate().skip(1) {
        let peer = if matches!(contender, Contender::Ours(_)) { "" } else { "peer/" };
        let name = contender.name();
        for (what, speeds) in [("pack", &packing), ("unpack", &unpacking)] {
            let row = |name| Row::of_rounds(name, "MB/s", &speeds[index], &speeds[0]);
            rows.push(row(format!("{what}/{peer}{name}/speed{suffix}")));
            if what == "unpack" && matches!(contender, Contender::Ours(horae_stages::pack::Level::Best)) {
                rows.push(row(format!("unpack/speed{suffix}")));
            }
        }
    }
    rows
}

/// Seconds of CPU that one turn takes, on average over as many as fill [`LEAST_S`], and what the last one gave.
fn timed<T>(turn: impl Fn() -> T) -> (f64, T) {
    let start = cpu_s();
    let mut turns = 0.0;
    loop {
        let given = turn();
        turns += 1.0;
        let taken = cpu_s() - start;
        if taken >= LEAST_S {
            return (taken / turns, given);
        }
    }
}

fn cpu_s() -> f64 {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has this clock");
    now.tv_sec() as f64 + now.tv_nsec() as f64 / 1e9
}

//! Sender recovery: ours beside libsecp256k1, `k256` and the published eight-lane crate, interleaved in one run on one
//! thread; the recover stage and the pipeline before the replica with either backend; and where the time of a recovery goes.
//!
//! No criterion here: it runs one subject after the other, and on a machine that is shared the ratio then says more about
//! the neighbours. Every round runs every subject once, and each keeps its best and its median round.
//! `taskset -c 1 cargo bench --locked --bench recovery` keeps it on one core. `ROUNDS` (default 60) is the number of rounds.

#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Instant;

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, B256, keccak256};
use horae_benches::fixtures::{CHAIN_ID, Kind, Senders};
use horae_recovery::anatomy::{self, Dissected};
use horae_recovery::{Choice, Input, Outcome, Phase, Recoverer, Setup, Tally, recover_by_libsecp256k1};
use horae_stages::{ChainParams, Decode, DecodePolicy, Dedup, Frame, Recover, TxBody};

/// The published crate's batch, and ours in the middle row of the table.
const BATCHES: [usize; 3] = [8, 64, 512];
/// A burst of the node's recover worker.
const BURST: usize = 64;

/// One contestant: a name, what it does, how many signatures that is, and what each round took, in ns a signature.
struct Subject<'a> {
    name: String,
    work: Box<dyn FnMut() + 'a>,
    signatures: usize,
    rounds: Vec<f64>,
}

impl<'a> Subject<'a> {
    fn new(name: impl Into<String>, signatures: usize, work: impl FnMut() + 'a) -> Self {
        Self { name: name.into(), work: Box::new(work), signatures, rounds: Vec::new() }
    }

    fn round(&mut self) {
        let start = Instant::now();
        (self.work)();
        self.rounds.push(start.elapsed().as_nanos() as f64 / self.signatures as f64);
    }

    fn best(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn median(&self) -> f64 {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }
}

/// Runs all subjects in turn, and prints what each takes beside the first.
fn contest(title: &str, rounds: usize, subjects: &mut [Subject<'_>]) {
    for _ in 0..rounds {
        subjects.iter_mut().for_each(Subject::round);
    }
    println!("\n{title}\n{:48} {:>10} {:>10} {:>12} {:>8}", "", "best ns", "median ns", "a second", "ratio");
    let (first, of_best) = (subjects[0].median(), subjects[0].best());
    for subject in subjects {
        let (best, median) = (subject.best(), subject.median());
        println!(
            "{:48} {best:10.0} {median:10.0} {:12.0} {:7.2}x (best: {:.2}x)",
            subject.name,
            1e9 / median,
            first / median,
            of_best / best
        );
    }
}

fn inputs(count: usize) -> Vec<Input> {
    (0..count as u64)
        .map(|i| {
            let signer = PrivateKeySigner::from_bytes(&keccak256(i.to_be_bytes())).unwrap();
            let hash = keccak256((!i).to_be_bytes());
            let signature = signer.sign_hash_sync(&hash).unwrap();
            Input {
                hash: hash.0,
                r: signature.r().to_be_bytes(),
                s: signature.s().to_be_bytes(),
                recovery_id: u8::from(signature.v()),
            }
        })
        .collect()
}

fn by_k256(input: &Input) -> Address {
    let id = k256::ecdsa::RecoveryId::from_byte(input.recovery_id).unwrap();
    let signature = k256::ecdsa::Signature::from_scalars(input.r, input.s).unwrap();
    let key = k256::ecdsa::VerifyingKey::recover_from_prehash(&input.hash, &signature, id).unwrap();
    Address::from_public_key(&key)
}

/// The published crate recovers eight at a time, and gives zeros for what has no signer.
fn by_asmcrypto(eight: &[Input]) -> [[u8; 20]; 8] {
    asmcrypto::recover_addresses_batch(
        std::array::from_fn(|lane| &eight[lane].hash),
        std::array::from_fn(|lane| &eight[lane].r),
        std::array::from_fn(|lane| &eight[lane].s),
        std::array::from_fn(|lane| eight[lane].recovery_id),
    )
}

fn recoverer(choice: Choice) -> Option<Recoverer> {
    Setup::new(choice, NonZeroU32::new(1_024).unwrap()).ok().map(Recoverer::new)
}

fn race(rounds: usize) {
    let inputs = inputs(512);
    let right: Vec<Outcome> = inputs.iter().map(recover_by_libsecp256k1).collect();
    let mut subjects = vec![
        Subject::new("libsecp256k1, one by one", 64, || {
            inputs[..64].iter().for_each(|input| {
                let _ = black_box(recover_by_libsecp256k1(input));
            });
        }),
        Subject::new("k256, one by one", 64, || {
            inputs[..64].iter().for_each(|input| {
                black_box(by_k256(input));
            });
        }),
    ];
    assert_eq!(inputs[..64].iter().map(|input| Ok(by_k256(input).0.0)).collect::<Vec<Outcome>>(), right[..64]);
    assert_eq!(inputs[..64].chunks(8).flat_map(by_asmcrypto).map(Ok).collect::<Vec<Outcome>>(), right[..64]);
    subjects.push(Subject::new("asmcrypto 0.1.2, batches of 8", 64, || {
        inputs[..64].chunks(8).for_each(|eight| {
            black_box(by_asmcrypto(eight));
        });
    }));
    for batch in BATCHES {
        let Some(mut ours) = recoverer(Choice::Vector) else { continue };
        let mut outcomes = right.clone();
        outcomes.fill(Ok([0; 20]));
        ours.recover_batch(&inputs[..batch], &mut outcomes[..batch]);
        assert_eq!(outcomes[..batch], right[..batch]);
        let (inputs, count) = (&inputs, batch.max(64));
        subjects.push(Subject::new(format!("horae-recovery, batches of {batch}"), count, move || {
            for (inputs, outcomes) in inputs[..count].chunks(batch).zip(outcomes[..count].chunks_mut(batch)) {
                ours.recover_batch(inputs, outcomes);
            }
            black_box(&outcomes);
        }));
    }
    contest("a recovery (hash and signature to address), ns each; ratio to libsecp256k1", rounds, &mut subjects);
}

/// As the node's pool has them: each cell stays where it is.
type Cell = Box<TxBody>;

/// decode, dedup and recover, as the node's front and recover workers do them, in bursts.
fn walk(raws: &[Vec<u8>], decode: &Decode, recover: &mut Recover, cells: &mut Vec<Cell>) {
    let mut dedup = Dedup::new(2 * raws.len());
    let mut burst = Vec::with_capacity(BURST);
    for raws in raws.chunks(BURST) {
        for raw in raws {
            let mut cell = cells.pop().unwrap_or_default();
            cell.fill(raw, 0, 0);
            burst.push(dedup.step(decode.step(Frame::new(cell)).unwrap()).unwrap());
        }
        recover.burst(&mut burst, |recovered| cells.push(recovered.unwrap().dissolve()));
    }
}

fn stages(rounds: usize) {
    let raws = Senders::new(16, 1, CHAIN_ID).sign(512, Kind::Transfer);
    let decode = Decode::new(DecodePolicy::new(&ChainParams::devnet(CHAIN_ID)));
    let envelopes: Vec<_> = raws.iter().map(|raw| decode.transaction(raw).unwrap().0).collect();
    let backends = [(Choice::Libsecp256k1, "before: libsecp256k1"), (Choice::Auto, "after: auto")];
    let mut lone = Recover::over(recoverer(Choice::Auto).unwrap());
    let mut senders = Vec::new();
    let mut whole = Vec::new();
    for (choice, name) in backends {
        let envelopes = &envelopes;
        let mut recover = Recover::over(recoverer(choice).unwrap());
        senders.push(Subject::new(format!("Recover::senders, bursts of {BURST}, {name}"), 512, move || {
            for burst in envelopes.chunks(BURST) {
                recover.senders(burst.iter()).for_each(|sender| {
                    let _ = black_box(sender);
                });
            }
        }));
        let (raws, decode) = (&raws, &decode);
        let mut recover = Recover::over(recoverer(choice).unwrap());
        let mut cells = Vec::new();
        whole.push(Subject::new(format!("decode, dedup, recover, {name}"), 512, move || {
            walk(raws, decode, &mut recover, &mut cells);
        }));
    }
    senders.push(Subject::new("Recover::sender, one at a time, after: auto", 512, || {
        for envelope in &envelopes {
            let _ = black_box(lone.sender(envelope));
        }
    }));
    contest("the recover stage (signing hash and recovery), ns a transaction", rounds, &mut senders);
    contest("the pipeline before the replica, one thread, ns a transaction", rounds, &mut whole);

    let bytes: Vec<u8> = raws.concat();
    let mut spans = Vec::new();
    for raw in &raws {
        let start = spans.last().map_or(0, |span: &std::ops::Range<usize>| span.end);
        spans.push(start..start + raw.len());
    }
    let mut hashes = vec![[0; 32]; spans.len()];
    let eight = recoverer(Choice::Auto).unwrap();
    let mut subjects = [
        Subject::new("alloy's keccak256, one by one", 512, || {
            for span in &spans {
                black_box::<B256>(keccak256(&bytes[span.clone()]));
            }
        }),
        Subject::new("Recoverer::hash_batch", 512, || eight.hash_batch(&bytes, &spans, &mut hashes)),
    ];
    contest("Keccak-256 of a transaction (one block), ns each", rounds, &mut subjects);
}

/// The least of some runs, in ns a turn.
fn unit(turns: u32, each: f64, mut run: impl FnMut(u32)) -> f64 {
    let time = |run: &mut dyn FnMut(u32)| {
        let start = Instant::now();
        run(turns);
        start.elapsed().as_nanos() as f64 / f64::from(turns) / each
    };
    (0..50).map(|_| time(&mut run)).fold(f64::INFINITY, f64::min)
}

/// Multiplications counted, times what one costs, beside what each phase takes.
fn anatomy(rounds: usize) {
    let Some(mut dissected) = Dissected::new() else {
        return println!("\nno AVX-512 IFMA here: there is nothing to dissect");
    };
    let inputs = inputs(BURST);
    let vectors = (BURST / 8) as f64;
    let multiply = unit(20_000, 2.0, |turns| dissected.products(turns));
    let square = unit(20_000, 2.0, |turns| dissected.squares(turns));
    let scalar = unit(20_000, 2.0, |turns| dissected.scalar_products(turns));
    let permutation = unit(2_000, 1.0, |turns| dissected.permutations(turns));
    println!("\nwhat eight lanes cost, two chains interleaved: product {multiply:.1} ns, square {square:.1} ns,");
    println!("product modulo n {scalar:.1} ns, Keccak-f {permutation:.0} ns (one chain)");

    let mut outcomes = vec![Ok([0; 20]); inputs.len()];
    let mut least: Vec<(Phase, f64)> = Vec::new();
    for _ in 0..rounds.max(50) {
        let mut at = Instant::now();
        let mut index = 0;
        dissected.recover(&inputs, &mut outcomes, |phase| {
            let took = at.elapsed().as_nanos() as f64;
            match least.get_mut(index) {
                Some((_, ns)) => *ns = ns.min(took),
                None => least.push((phase, took)),
            }
            index += 1;
            at = Instant::now();
        });
    }
    println!("\nwhere the time goes: a batch of {BURST}; operations a vector of eight, ns a signature");
    println!(
        "{:10} {:>7} {:>7} {:>6} {:>7} {:>6} {:>6} | {:>9} {:>9} {:>9}",
        "phase", "product", "square", "mod n", "lookup", "invert", "keccak", "floor", "measured", "above"
    );
    let (mut floors, mut measured) = (0.0, 0.0);
    for ((phase, tally), (_, ns)) in anatomy::count(&inputs).into_iter().zip(least) {
        let Tally { multiply: m, square: s, scalar_multiply: n, lookup, inversion, permutation: k } = tally;
        let floor =
            (m as f64 * multiply + s as f64 * square + n as f64 * scalar + k as f64 * permutation) / BURST as f64;
        let took = ns / BURST as f64;
        let per = |count: u64| count as f64 / vectors;
        println!(
            "{:10} {:7.1} {:7.1} {:6.1} {:7.1} {:6.2} {:6.1} | {floor:9.0} {took:9.0} {:9.0}",
            format!("{phase:?}"),
            per(m),
            per(s),
            per(n),
            per(lookup),
            per(inversion),
            per(k),
            took - floor
        );
        floors += floor;
        measured += took;
    }
    println!("{:10} {:46} | {floors:9.0} {measured:9.0} {:9.0}", "all", "", measured - floors);
}

fn main() {
    // `cargo test` runs bench targets too, to see that they run; `cargo bench` says so.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(60);
    race(rounds);
    stages(rounds);
    anatomy(rounds);
}

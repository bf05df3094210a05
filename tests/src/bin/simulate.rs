//! `simulate`: whole nodes on seeded time, under faults and liars, judged by the invariants. A failing seed is told with the
//! command that plays it again, and the exit status is then not 0.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
#[cfg(feature = "planted")]
use horae_control::planted::{Fault, plant};
use horae_tests::sim::{Failure, Many, Plan, Sum, World};
use serde_json::json;

/// Runs whole nodes on seeded time, under crashes, partitions, bad disks, bad L1 endpoints and liars, and checks every
/// invariant of the protocol all along. The same seed gives the same run.
#[derive(Parser)]
#[command(name = "simulate", version)]
struct Options {
    /// The first seed.
    #[arg(long, value_name = "FIRST", default_value_t = 0)]
    seed: u64,
    /// How many seeds.
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    seeds: u64,
    /// Events of each seed before faults stop; some more follow until everything has come right.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    events: u64,
    /// Validators, of equal weight; 4 to 7 of drawn weights if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=16))]
    nodes: Option<u64>,
    /// Threads; as many as there are cores if not given.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
    /// Tells of a failing seed what the nodes log, too.
    #[arg(long)]
    log: bool,
    /// Plants a fault in every node, to see whether it is found.
    #[cfg(feature = "planted")]
    #[arg(long, value_name = "NAME", value_parser = fault)]
    planted: Option<Fault>,
    /// Lists the faults that can be planted.
    #[cfg(feature = "planted")]
    #[arg(long)]
    list_planted: bool,
}

#[cfg(feature = "planted")]
fn fault(name: &str) -> Result<Fault, String> {
    Fault::named(&format!("planted:{name}")).or(Fault::named(name)).ok_or_else(|| "no such fault".to_owned())
}

fn main() -> ExitCode {
    let options = Options::parse();
    #[cfg(feature = "planted")]
    {
        if options.list_planted {
            Fault::ALL.iter().for_each(|fault| println!("{}", fault.name().trim_start_matches("planted:")));
            return ExitCode::SUCCESS;
        }
        plant(options.planted);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let many = Many {
        first: options.seed,
        seeds: options.seeds,
        events: options.events,
        nodes: options.nodes.and_then(|nodes| usize::try_from(nodes).ok()),
        threads: options.threads.unwrap_or(cores),
    };
    let began = Instant::now();
    let shows = std::io::stderr().is_terminal();
    let sum = many.run(|done| {
        if shows {
            let _ = write!(std::io::stderr(), "\r{done} of {} seeds ", options.seeds);
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    if shows {
        eprintln!();
    }
    match options.json {
        true => println!("{}", report(&options, &sum, seconds)),
        false => tell(&sum, seconds),
    }
    for failure in &sum.failures {
        explain(&options, failure);
    }
    if let Some(first) = sum.failures.first() {
        eprintln!("\nwhat happened in seed {}:", first.seed);
        if options.log {
            let level = tracing_subscriber::filter::LevelFilter::DEBUG;
            tracing_subscriber::fmt().with_max_level(level).without_time().with_writer(std::io::stderr).init();
        }
        let plan = Plan { seed: first.seed, events: options.events, nodes: many.nodes, loud: true };
        let _ = std::panic::catch_unwind(|| World::new(plan).run());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn report(options: &Options, sum: &Sum, seconds: f64) -> serde_json::Value {
    let failures = sum.failures.iter().map(|failure| {
        json!({
            "seed": failure.seed,
            "at_ms": failure.at_ms,
            "invariant": failure.violation.invariant,
            "what": failure.violation.what,
        })
    });
    json!({
        "first_seed": options.seed,
        "seeds": sum.seeds,
        "events_per_seed": options.events,
        "events": sum.all.events,
        "simulated_hours": sum.all.simulated_ms as f64 / 3_600_000.0,
        "blocks": sum.all.blocks,
        "transactions": sum.all.transactions,
        "batches": sum.all.batches,
        "settlements": sum.all.settlements,
        "punished": sum.all.punished,
        "failovers": sum.all.failovers,
        "epochs": sum.all.epochs,
        "rollbacks": sum.all.rollbacks,
        "faults": sum.faults(),
        "violations": sum.failures.len(),
        "failed": failures.collect::<Vec<_>>(),
        "seconds": seconds,
        "events_per_second": sum.all.events as f64 / seconds,
        "hash": sum.hash,
    })
}

fn tell(sum: &Sum, seconds: f64) {
    let all = &sum.all;
    println!("seeds                {}", sum.seeds);
    println!("events               {}", all.events);
    println!("simulated hours      {:.1}", all.simulated_ms as f64 / 3_600_000.0);
    println!("settlements          {}, and {} offences punished", all.settlements, all.punished);
    println!("blocks               {} with {} transactions, {} batches", all.blocks, all.transactions, all.batches);
    println!("failovers            {}", all.failovers);
    println!("epochs               {}", all.epochs);
    println!("rollbacks            {}", all.rollbacks);
    if let Ok(serde_json::Value::Object(faults)) = serde_json::to_value(sum.faults()) {
        for (kind, count) in faults {
            println!("  {:<18} {count}", kind.replace('_', " "));
        }
    }
    println!("violations           {}", sum.failures.len());
    println!("events per second    {:.0}", all.events as f64 / seconds);
    println!("hash                 {}", sum.hash);
}

fn explain(options: &Options, failure: &Failure) {
    let Failure { seed, at_ms, violation } = failure;
    let nodes = options.nodes.map(|nodes| format!(" --nodes {nodes}")).unwrap_or_default();
    eprintln!("seed {seed}, at {at_ms} ms: invariant {}: {}", violation.invariant, violation.what);
    eprintln!(
        "  cargo run --release -p horae-tests --bin simulate -- --seed {seed} --seeds 1 --events {}{nodes}",
        options.events
    );
}

//! `horae load`: signs first, then sends at a rate that waits for nobody, and counts what comes out at the other end.

mod accounts;
pub mod args;
mod bars;
mod ceiling;
mod chain;
mod contracts;
mod lanes;
mod mix;
mod pace;
mod page;
mod plan;
mod purse;
mod saved;
mod series;
mod sink;
mod skew;
mod summary;
mod supply;
mod tally;
mod tidings;
pub mod wallet;

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{error::CliError, json, rpc::Rpc, signals::asked_to_stop};

use args::LoadOptions;
use bars::Bars;
use ceiling::{Ceiling, Way};
use chain::Chain;
use lanes::{Door, Run};
use pace::Pace;
use plan::Plan;
use series::{Point, Series};
use sink::{Seen, Sink};
use summary::{End, Record, Setting};
use tally::Tally;

/// Where the chain is watched if only a door for transactions was named.
const DEFAULT_RPC: &str = "http://127.0.0.1:8545";
/// How often bars move and the end is looked for.
const LOOK: Duration = Duration::from_millis(100);
/// Without a rate: transactions under way for each account. Nodes hold 64 of one that wait for their turn.
const WINDOW_PER_ACCOUNT: u64 = 32;
/// The same for all accounts: what nodes hold that wait for their turn.
const WINDOW_MAX: u64 = 16_384;
/// Transactions whose receipts are looked at in the end.
const RECEIPTS: usize = 200;
/// Exit code of a command that was interrupted, as shells have it.
const INTERRUPTED: u8 = 130;

/// Runs a load. Exit code 1 if not everything was committed.
pub async fn run(options: LoadOptions) -> Result<ExitCode, CliError> {
    let stop = asked_to_stop()?;
    tokio::pin!(stop);
    for path in [&options.save, &options.report, &options.html].into_iter().flatten() {
        // What cannot be written is said before anything is measured.
        std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .map_err(|why| CliError::because(path.display(), why))?;
    }
    let mut bars = Bars::new();
    let work = async {
        if options.rpc.is_none() && options.quic.is_none() && options.tcp.is_none() {
            let plan = Arc::new(supply::for_nobody(&options, &bars.say).await?);
            let mut ceilings = Vec::new();
            for way in Way::ALL {
                ceilings.push(measure(way, &plan, &options, &bars).await?);
            }
            return Ok(Prepared::Ceilings(ceilings));
        }
        let rpc = Rpc::new(options.rpc.as_deref().unwrap_or(DEFAULT_RPC))?;
        let plan = Arc::new(supply::supply(&rpc, &options, &bars.say).await?);
        if let Some(path) = &options.save {
            bars.say.set_message(format!("writing {}", path.display()));
            saved::save(&plan, path)?;
            return Ok(Prepared::Saved(plan));
        }
        let door = match (options.quic, options.tcp) {
            (Some(address), _) => Door::Quic(address),
            (_, Some(address)) => Door::Tcp(address),
            _ => Door::Rpc(rpc.clone()),
        };
        let ceiling = match options.ceiling {
            true => Some(measure(Way::of(&door), &plan, &options, &bars).await?),
            false => None,
        };
        Ok::<_, CliError>(Prepared::Run { plan, ceiling, door, chain: Arc::new(Chain::open(rpc).await?) })
    };
    let prepared = tokio::select! {
        prepared = work => prepared,
        _ = &mut stop => {
            bars.clear();
            eprintln!("interrupted before anything was sent");
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    let (plan, ceiling, door, chain) = match prepared.inspect_err(|_| bars.clear())? {
        Prepared::Ceilings(ceilings) => {
            bars.clear();
            return show_ceilings(&ceilings, options.json);
        }
        Prepared::Saved(plan) => {
            bars.clear();
            return show_saved(&plan, &options);
        }
        Prepared::Run { plan, ceiling, door, chain } => (plan, ceiling, door, chain),
    };

    bars.say.set_message(format!("sending over {door}"));
    bars.expect(plan.len());
    let poll = options.poll.map(Duration::from_millis);
    let pace = Arc::new(Pace::new(plan.len(), options.rate, window(&options, &plan)));
    let sink = Sink::watch(chain.clone(), plan.clone(), pace.clone(), poll).await?;
    let tally = Arc::new(Tally::new()?);
    let run = Run { plan, pace, tally, committed: sink.counter().clone() };
    run.pace.begin();
    let senders = lanes::start(&door, &run, options.lanes).await?;
    let mut series = Series::new(LOOK);
    let end = tokio::select! {
        end = follow(&run, &sink, &mut series, &mut bars, Duration::from_secs(options.patience)) => end,
        _ = &mut stop => End::Interrupted,
    };
    drop(senders);
    series.end(point(&run));
    let seen = sink.finish().await?;
    bars.clear();

    let sampled = sample(&run, &chain, &seen).await;
    let client = chain.client().await;
    let setting = Setting { door, client, rate: options.rate, ceiling };
    let record = Record::make(setting, &run, &seen, end, sampled, series.points());
    if let Some(path) = &options.report {
        let text = serde_json::to_string(&record).map_err(|why| CliError::because("the report", why))?;
        write(path, &text)?;
    }
    if let Some(path) = &options.html {
        write(path, &page::page(&record))?;
    }
    record.summary.print(options.json)?;
    Ok(match end {
        End::Interrupted => ExitCode::from(INTERRUPTED),
        _ if record.summary.is_whole() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// What there is before anything is sent.
enum Prepared {
    /// There is nowhere to send to.
    Ceilings(Vec<Ceiling>),
    /// It is in a file.
    Saved(Arc<Plan>),
    /// All that it takes.
    Run { plan: Arc<Plan>, ceiling: Option<Ceiling>, door: Door, chain: Arc<Chain> },
}

async fn measure(way: Way, plan: &Arc<Plan>, options: &LoadOptions, bars: &Bars) -> Result<Ceiling, CliError> {
    bars.say.set_message(format!("measuring the generator's own ceiling ({way:?})"));
    ceiling::measure(way, plan, options.window.unwrap_or(WINDOW_MAX), options.lanes).await
}

fn window(options: &LoadOptions, plan: &Plan) -> u64 {
    options.window.unwrap_or_else(|| (WINDOW_PER_ACCOUNT * plan.senders().len() as u64).min(WINDOW_MAX))
}

/// Shows how it goes until everything is settled, or nothing happens any more.
async fn follow(run: &Run, sink: &Sink, series: &mut Series, bars: &mut Bars, patience: Duration) -> End {
    let mut progressed = (0, Instant::now());
    loop {
        let now = point(run);
        bars.show(now, &run.tally, &sink.seen());
        series.offer(now);
        if now.committed + run.tally.refused() >= run.plan.len() as u64 {
            return End::Done;
        }
        if progressed.0 != now.committed + now.sent {
            progressed = (now.committed + now.sent, Instant::now());
        }
        if progressed.1.elapsed() > patience {
            bars.say.suspend(|| eprintln!("nothing more was committed for {} s: given up", patience.as_secs()));
            return End::GivenUp;
        }
        sleep(LOOK).await;
    }
}

fn point(run: &Run) -> Point {
    Point {
        seconds: run.pace.now().as_secs_f64(),
        sent: run.tally.sent(),
        accepted: run.tally.accepted(),
        committed: run.committed.load(std::sync::atomic::Ordering::Relaxed),
    }
}

/// Looks at some receipts, spread over the run: how many, and how many of them tell of a failure.
async fn sample(run: &Run, chain: &Chain, seen: &Seen) -> (u64, u64) {
    let every = run.plan.len().div_ceil(RECEIPTS).max(1);
    // An odd step meets the kinds of a mix whose shares are even numbers, too.
    let some: Vec<_> =
        (0..run.plan.len()).step_by(every | 1).map(|at| alloy_primitives::keccak256(run.plan.raw(at))).collect();
    if seen.kinds.iter().sum::<u64>() == 0 {
        return (0, 0);
    }
    match chain.reverted(&some).await {
        Ok(reverted) => (some.len() as u64, reverted),
        Err(error) => {
            tracing::warn!(%error, "receipts could not be looked at");
            (0, 0)
        }
    }
}

fn show_ceilings(ceilings: &[Ceiling], as_json: bool) -> Result<ExitCode, CliError> {
    if as_json {
        json::print(&serde_json::json!({ "ceilings": ceilings }))?;
    } else {
        ceilings.iter().for_each(Ceiling::print);
    }
    Ok(ExitCode::SUCCESS)
}

fn show_saved(plan: &Plan, options: &LoadOptions) -> Result<ExitCode, CliError> {
    let about = plan.about();
    let path = options.save.as_deref().unwrap_or(Path::new(""));
    if options.json {
        let (transactions, accounts) = (plan.len(), plan.senders().len());
        json::print(&serde_json::json!({
            "file": path, "transactions": transactions, "accounts": accounts, "about": about,
        }))?;
    } else {
        println!("{} holds {} transactions of {} accounts", path.display(), plan.len(), plan.senders().len());
        println!(
            "for chain {} and the nonces that the accounts have now ({}); send them with --from",
            about.chain_id, about.mix
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    std::fs::write(path, text).map_err(|why| CliError::because(path.display(), why))
}

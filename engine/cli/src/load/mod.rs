//! `horae load`: signs first, then sends at a rate that waits for nobody, and counts what comes out at the other end.

mod accounts;
mod lanes;
mod plan;
mod sink;
mod summary;
pub mod wallet;

use std::{process::ExitCode, sync::Arc, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep};

use crate::{args::LoadOptions, error::CliError, rpc::Rpc, signals::asked_to_stop};

use lanes::{Door, Tally};
use plan::Plan;
use sink::Sink;

/// Where the chain is watched if only a door for transactions was named.
const DEFAULT_RPC: &str = "http://127.0.0.1:8545";
/// How often bars move and the end is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// Runs a load. Exit code 1 if not everything that was taken was committed.
pub async fn run(options: LoadOptions) -> Result<ExitCode, CliError> {
    let stop = asked_to_stop()?;
    tokio::pin!(stop);
    let bars = Bars::new(&options);
    let rpc = Rpc::new(options.rpc.as_deref().unwrap_or(DEFAULT_RPC))?;
    let door = match (options.quic, options.tcp) {
        (Some(address), _) => Door::Quic(address),
        (_, Some(address)) => Door::Tcp(address),
        _ => Door::Rpc(rpc.clone()),
    };
    let funded = tokio::select! {
        funded = accounts::prepare(&rpc, &options, &bars.say) => funded?,
        _ = &mut stop => return Ok(ExitCode::from(130)),
    };
    bars.say.set_message(format!("signing {} transactions", options.transactions));
    let (transactions, rate) = (options.transactions, options.rate);
    let plan = tokio::task::spawn_blocking(move || Plan::sign(&funded, transactions, rate))
        .await
        .map_err(|e| CliError::because("signing", e))?;
    let plan = Arc::new(plan);
    bars.say.set_message(format!("sending over {door}"));

    let tally = Arc::new(Tally::default());
    let sink = Sink::watch(rpc, plan.clone()).await?;
    plan.begin();
    let senders = lanes::start(&door, &plan, &tally, sink.counter()).await?;
    let patience = Duration::from_secs(options.patience);
    let mut progressed = (0, Instant::now());
    loop {
        let (settled, committed) = (tally.refused(), sink.committed());
        bars.show(tally.sent(), committed);
        if committed + settled >= options.transactions {
            break;
        }
        if progressed.0 != committed + tally.sent() {
            progressed = (committed + tally.sent(), Instant::now());
        }
        if progressed.1.elapsed() > patience {
            bars.say.suspend(|| eprintln!("nothing more was committed for {} s: given up", patience.as_secs()));
            break;
        }
        tokio::select! {
            () = sleep(LOOK) => {}
            _ = &mut stop => break,
        }
    }
    drop(senders);
    bars.clear();
    let summary = summary::Summary::make(&door, &plan, &tally, &sink.finish().await?);
    summary.print(options.json)?;
    Ok(if summary.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What moves on the terminal.
struct Bars {
    all: MultiProgress,
    say: ProgressBar,
    sent: ProgressBar,
    committed: ProgressBar,
}

impl Bars {
    fn new(options: &LoadOptions) -> Self {
        let all = MultiProgress::new();
        let bar = |name: &'static str| {
            let bar = all.add(ProgressBar::new(options.transactions));
            if let Ok(style) = ProgressStyle::with_template("{msg:10} {wide_bar} {pos}/{len}") {
                bar.set_style(style);
            }
            bar.set_message(name);
            bar
        };
        let say = all.add(ProgressBar::new_spinner());
        Self { say, sent: bar("sent"), committed: bar("committed"), all }
    }

    fn show(&self, sent: u64, committed: u64) {
        self.say.tick();
        self.sent.set_position(sent);
        self.committed.set_position(committed);
    }

    fn clear(&self) {
        // Fails only if the terminal is gone.
        let _ = self.all.clear();
    }
}

//! `horae devnet`: an L1, its contracts, and nodes, started as real processes and stopped again, all of them.

mod anvil;
mod chain;
mod ground;
mod live;
mod process;
mod report;
mod scan;
mod traffic;

use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use horae_node::home::Home;

use crate::{args::DevnetOptions, error::CliError, signals::asked_to_stop};

use anvil::Anvil;
pub use chain::test_key;
use chain::{Chain, ChainRules};
use ground::Ground;
use live::Screen;
use process::Process;
use traffic::Traffic;

/// What `--until-batches` may take.
const UNTIL_LIMIT: Duration = Duration::from_secs(300);
/// What the first slot may take from the start of the nodes on.
const START_LIMIT: Duration = Duration::from_secs(120);
/// What a node may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// How long the last transactions may take to be committed.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// Everything that runs.
struct Devnet {
    ground: Ground,
    anvil: Anvil,
    chain: Chain,
    /// Signers of the nodes, in order.
    signers: Vec<alloy_primitives::Address>,
    nodes: Vec<Process>,
}

/// Starts, watches, stops, reports.
pub async fn run(options: DevnetOptions) -> Result<ExitCode, CliError> {
    let began = Instant::now();
    let stop = asked_to_stop()?;
    tokio::pin!(stop);
    let screen = Screen::new();
    let rules = ChainRules {
        epoch_slots: options.epoch_slots,
        block_interval_ms: options.block_interval_ms,
        voting_period_s: options.voting_period,
        deployer_owns: options.deployer_owns,
    };
    let ground = Ground::take(&options)?;
    let mut up = None;
    tokio::select! {
        started = start(ground, &screen, &rules) => up = Some(started?),
        name = &mut stop => screen.line(&format!("{name}: stopped before it was up")),
    }
    let Some(mut devnet) = up else { return Ok(ExitCode::from(130)) };
    screen.line(&format!("up in {:.1} s", began.elapsed().as_secs_f32()));
    screen.line(&devnet.chain.summary(&devnet.ground));

    let traffic = match options.load {
        Some(rate) if rate > 0 => Some(Traffic::start(rate, &devnet.ground, &devnet.chain).await?),
        _ => None,
    };
    let ended = tokio::select! {
        ended = live::watch(&mut devnet, &screen, traffic.as_ref(), options.until_batches) => ended,
        name = &mut stop => Ok(format!("{name}: stopping")),
        () = deadline(began, options.until_batches.map(|_| UNTIL_LIMIT)) => Err(CliError::new(format!(
            "{} batches were not accepted on L1 within {} minutes; see the logs in {}",
            options.until_batches.unwrap_or_default(),
            UNTIL_LIMIT.as_secs() / 60,
            devnet.ground.logs().display()
        ))),
    };
    screen.clear();
    let sent = match traffic {
        // Only a report has a use for what became of the last transfers.
        Some(traffic) => traffic.stop(if options.report.is_some() { DRAIN_LIMIT } else { Duration::ZERO }).await,
        None => traffic::Sent::default(),
    };
    if let Ok(why) = &ended {
        screen.line(why);
    }
    let written = tokio::select! {
        written = devnet.finish(&sent, options.report.as_deref(), &screen) => written,
        name = asked_to_stop()? => Err(CliError::new(format!("{name} again: what still ran was killed, nothing was written"))),
    };
    ended?;
    written?;
    Ok(ExitCode::SUCCESS)
}

async fn start(ground: Ground, screen: &Screen, rules: &ChainRules) -> Result<Devnet, CliError> {
    let step = screen.step("starting the L1");
    let anvil = Anvil::start(&ground).await?;
    step.done(&format!("L1 (anvil) at {}", anvil.url()));
    let chain = match Chain::load(&ground)? {
        Some(chain) => {
            chain.check(anvil.url()).await?;
            screen.line("resuming the chain of an earlier start (--reset begins anew)");
            chain
        }
        None => {
            let step = screen.step("deploying contracts and locking stake");
            let chain = Chain::create(&ground, anvil.url(), rules).await?;
            step.done(&format!("contracts deployed, stake locked for {} validators", ground.validators()));
            chain
        }
    };
    let signers = chain.write_settings(&ground, anvil.url())?;
    let step = screen.step("starting the nodes");
    let mut nodes = Vec::new();
    for index in 0..ground.nodes() {
        let home = ground.node_home(index);
        let arguments = ["node".as_ref(), "--home".as_ref(), home.root().as_os_str()];
        let log = ground.logs().join(format!("node-{index}.log"));
        nodes.push(Process::start(&format!("node-{index}"), &process::own_program()?, &arguments, &log)?);
    }
    step.done(&format!("{} nodes started, logs in {}", nodes.len(), ground.logs().display()));
    let mut devnet = Devnet { ground, anvil, chain, signers, nodes };
    live::wait_until_up(&mut devnet, screen, START_LIMIT).await?;
    Ok(devnet)
}

impl Devnet {
    /// Stops the nodes, takes stock of the L1, stops it, writes the report.
    async fn finish(mut self, sent: &traffic::Sent, file: Option<&Path>, screen: &Screen) -> Result<(), CliError> {
        let scanned = match file {
            Some(_) => Some(scan::scan(&self.ground).await),
            None => None,
        };
        for node in &self.nodes {
            node.ask_to_stop();
        }
        for node in &mut self.nodes {
            if !node.wait(STOP_LIMIT).await {
                screen.line(&format!("{} did not stop within {} s and was killed", node.name(), STOP_LIMIT.as_secs()));
            }
        }
        let report = match (file, scanned) {
            (Some(_), Some(scanned)) => Some(report::make(&self, sent, scanned?).await?),
            _ => None,
        };
        self.anvil.stop(STOP_LIMIT).await;
        if let (Some(file), Some(report)) = (file, report) {
            report::write(file, report, &self.ground.l1_state())?;
            screen.line(&format!("report written to {}, the L1's state beside it", file.display()));
        }
        screen.line(&format!("everything is stopped; the chain is kept in {}", self.ground.root().display()));
        Ok(())
    }

    /// The home of the first node, for what all share.
    fn first_home(&self) -> Home {
        self.ground.node_home(0)
    }
}

async fn deadline(began: Instant, limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep_until((began + limit).into()).await,
        None => std::future::pending().await,
    }
}

//! What a devnet shows while it starts and runs.

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use futures_util::future::join_all;
use horae_node::edges::l1::L1;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep, timeout};

use super::{Devnet, traffic::Traffic};
use crate::{
    error::CliError,
    rpc::{Rpc, Status},
};

/// How often a terminal is redrawn.
const REDRAW: Duration = Duration::from_millis(250);
/// How often the chain is looked at where there is no terminal: an idle devnet must cost next to nothing.
const LOOK: Duration = Duration::from_secs(1);
/// How often a line is printed where there is no terminal.
const PRINT: Duration = Duration::from_secs(5);

/// How long the line waits for a node: one that is paused must not hold it up.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// Standard error: one line that lives, above it what stays.
pub struct Screen {
    bar: Option<ProgressBar>,
}

/// A step of the start.
pub struct Step<'a> {
    screen: &'a Screen,
}

impl Screen {
    /// With a living line only on a terminal.
    pub fn new() -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(REDRAW);
            bar
        });
        Self { bar }
    }

    /// A line that stays.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    /// The line that lives.
    pub fn live(&self, text: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
        }
    }

    /// Ends the line that lives.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Says what is being done.
    pub fn step(&self, text: &str) -> Step<'_> {
        self.live(format!("{text} ..."));
        Step { screen: self }
    }
}

impl Step<'_> {
    /// Says what was done.
    pub fn done(&self, text: &str) {
        self.screen.line(&format!("  {text}"));
    }
}

/// Waits for the first slot to open: key generation, the first key on L1, the first committed block.
pub async fn wait_until_up(devnet: &mut Devnet, screen: &Screen, limit: Duration) -> Result<(), CliError> {
    let l1 = L1::new(&[devnet.anvil.url().to_owned()], &devnet.chain.l1_genesis())?;
    let rpc = Rpc::new(&devnet.ground.rpc_urls()[0])?;
    let until = Instant::now() + limit;
    let (mut answered, mut generated, mut installed) = (false, false, false);
    // After a restart there are committed blocks; a slot is open when there is a new one.
    let mut stored = 0;
    let mut step = screen.step("waiting for the nodes to answer");
    loop {
        for process in devnet.nodes.iter_mut().chain([devnet.anvil.process()]) {
            if let Some(obituary) = process.obituary() {
                return Err(CliError::new(obituary));
            }
        }
        if let Ok(status) = rpc.status().await {
            if !answered {
                answered = true;
                stored = status.heads.committed;
                step = screen.step("key generation");
            }
            if !generated && status.group_key.is_some() {
                generated = true;
                step.done("the validators have generated their group key");
                step = screen.step("installing the first key on L1");
            }
            if generated && !installed && l1.inbox_state().await.is_ok_and(|state| state.key.index > 0) {
                installed = true;
                step.done("the first group key is installed on L1");
                step = screen.step("waiting for the first slot");
            }
            if installed && status.heads.committed > stored && status.slot > 0 {
                step.done(&format!("slot {} is open: {}", status.slot, name_of(devnet, &status)));
                return Ok(());
            }
        }
        if Instant::now() >= until {
            let stage = match (answered, generated, installed) {
                (false, ..) => "node-0 does not answer",
                (_, false, _) => "key generation has not ended",
                (.., false) => "the first key is not on L1",
                _ => "no new block is committed",
            };
            let (seconds, logs) = (limit.as_secs(), devnet.ground.logs());
            return Err(CliError::new(format!("{stage} after {seconds} s; see the logs in {}", logs.display())));
        }
        sleep(REDRAW / 2).await;
    }
}

/// Shows the chain until enough batches are on L1, or something ends that must not. The reason it stopped.
pub async fn watch(
    devnet: &mut Devnet,
    screen: &Screen,
    traffic: Option<&Traffic>,
    until_batches: Option<u64>,
) -> Result<String, CliError> {
    let l1 = L1::new(&[devnet.anvil.url().to_owned()], &devnet.chain.l1_genesis())?;
    let nodes = devnet.ground.rpc_urls().iter().map(|url| Rpc::new(url)).collect::<Result<Vec<_>, _>>()?;
    let mut told = vec![false; devnet.nodes.len()];
    let mut printed = Instant::now();
    loop {
        if let Some(obituary) = devnet.anvil.process().obituary() {
            return Err(CliError::new(obituary));
        }
        for (process, told) in devnet.nodes.iter_mut().zip(&mut told) {
            if let Some(obituary) = process.obituary().filter(|_| !*told) {
                screen.line(&obituary);
                *told = true;
            }
        }
        let accepted = l1.inbox_state().await.map_or(0, |state| state.head.nextIndex);
        // A node that ended may have been started again by hand, under somebody else.
        let answers: Vec<Option<Status>> = join_all(nodes.iter().map(status_of)).await;
        let lost = told.iter().zip(&answers).filter(|(told, answer)| **told && answer.is_none()).count();
        if until_batches.is_some() && 3 * (told.len() - lost) <= 2 * told.len() {
            return Err(CliError::new(format!(
                "{lost} of {} nodes ended: no batch can be signed any more",
                told.len()
            )));
        }
        let shown = answers.into_iter().flatten().max_by_key(|status| status.heads.committed);
        let text = match &shown {
            Some(status) => line_of(devnet, status, accepted, traffic),
            None => "no node answers".to_owned(),
        };
        if screen.bar.is_none() && printed.elapsed() >= PRINT {
            screen.line(&text);
            printed = Instant::now();
        }
        screen.live(text);
        if until_batches.is_some_and(|wanted| accepted >= wanted) {
            return Ok(format!("{accepted} batches are accepted on L1"));
        }
        sleep(if screen.bar.is_some() { REDRAW } else { LOOK }).await;
    }
}

async fn status_of(node: &Rpc) -> Option<Status> {
    timeout(ANSWER_LIMIT, node.status()).await.ok()?.ok()
}

fn line_of(devnet: &Devnet, status: &Status, accepted: u64, traffic: Option<&Traffic>) -> String {
    let heads = status.heads;
    let mut text = format!(
        "slot {} by {} | block {} | {:.0} tx/s | committed {} safe {} finalized {} | {accepted} batches on L1",
        status.slot,
        name_of(devnet, status),
        heads.ordered,
        status.transactions_per_second,
        heads.committed,
        heads.safe,
        heads.finalized,
    );
    if let Some(traffic) = traffic {
        let (sent, refused) = traffic.counts();
        text += &format!(" | sent {sent}, refused {refused}");
    }
    text
}

/// The sequencer as the node of this devnet that it is.
fn name_of(devnet: &Devnet, status: &Status) -> String {
    match devnet.signers.iter().position(|signer| *signer == status.sequencer) {
        Some(index) => format!("node-{index}"),
        None => status.sequencer.to_string(),
    }
}

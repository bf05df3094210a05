//! The command line.

use std::time::Duration;

use clap::Parser;
use horae_tests::{
    chaos::{Plan, fault::Fault},
    relay::Conditions,
};

/// Kill or stop the sequencer of four real nodes at random moments, and judge what became of the chain.
///
/// Starts a devnet (anvil, contracts, four nodes with default settings) and a steady load. Each fault hits the node that holds the slot:
/// `kill -9` and a start afterwards, or SIGSTOP and SIGCONT. It is undone once the chain has gone on, and the next one comes when the
/// node takes part again.
///
/// In the end every transaction that was reported committed must be where it was reported, in one chain that all nodes share; every
/// block that was certified must be in it; and L1 alone must give the same chain. Anything else is a violation, and the exit status
/// is not 0.
///
/// Printed are the times from a fault to the first commit of a later slot that another node tells of, and the gaps between the last
/// block of a slot and the first of the next one in planned rotations, by block timestamps.
#[derive(Debug, Parser)]
#[command(name = "chaos", max_term_width = 110)]
pub struct Arguments {
    /// Faults, each of the sequencer of the moment.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    kills: u32,
    /// Draws moments and kinds of faults, and losses.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Transfers a second.
    #[arg(long, value_name = "R", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    rate: u32,
    /// Delay added to what one node sends to another, each way, in milliseconds. Links then go through relays.
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1_000))]
    delay_ms: u64,
    /// Datagrams lost between nodes, in percent; pieces of TCP streams are 200 ms late instead.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = percent)]
    loss: f64,
    /// Cut the sequencer's links in one direction, too: nobody hears it, or it hears nobody.
    #[arg(long)]
    one_way: bool,
    /// Print one JSON object in the end; what happens meanwhile goes to standard error.
    #[arg(long)]
    pub json: bool,
}

impl Arguments {
    /// What they ask for.
    pub fn plan(&self) -> Plan {
        let links = Conditions { delay: Duration::from_millis(self.delay_ms), loss_percent: self.loss };
        Plan {
            faults: self.kills as usize,
            seed: self.seed,
            rate: self.rate,
            links: (links != Conditions::default()).then_some(links),
            kinds: if self.one_way { Fault::ALL } else { Fault::PROCESS },
        }
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(percent) if (0.0..=50.0).contains(&percent) => Ok(percent),
        _ => Err("choose 0 to 50".to_owned()),
    }
}

//! `horae`: runs a node, a whole devnet, a load; shows slots, epochs and validators; locks stake and reports offences on L1; follows and
//! verifies the feed; rebuilds the chain from L1; fits a node to its machine. A library, so that `horae-planted` of the tests is the same program but for its faults.

mod account;
mod admin;
mod amount;
mod apply;
mod args;
mod derive;
mod devnet;
mod epochs;
mod error;
mod ethereum;
mod feed;
mod governance;
mod init;
mod json;
mod keys;
mod load;
mod logs;
mod moment;
mod node;
mod plan;
mod queue;
mod rejoin;
mod rewards;
mod rpc;
mod signals;
mod slash;
mod stake;
mod status;
mod tune;
mod under;
mod validators;
mod vault;
mod vote;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command, EpochCommand, NodeCommand, NodeOptions, SlotCommand, ValidatorsCommand};
use error::CliError;

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // Fails only if there is a provider already, which is then as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let is_node = matches!(&cli.command, Command::Node(options) if options.command.is_none());
    logs::start(cli.log_format, cli.log.as_deref(), is_node);
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode, CliError> {
    // `under` must not have threads, and a node chooses its own from its profile.
    match command {
        Command::Under(options) => return Err(under::run(&options)),
        Command::Node(NodeOptions { home: Some(home), command: None }) => return node::run(&home).map(done),
        Command::Tune { command } => return tune::run(&command),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| CliError::new(format!("the system gave no threads: {e}")))?;
    runtime.block_on(async {
        match command {
            Command::Devnet(options) => devnet::run(options).await,
            Command::Init(options) => init::run(&options).map(done),
            Command::Slot { command: SlotCommand::Status(options) } => status::slot(&options).await.map(done),
            Command::Slot { command: SlotCommand::Transfer(options) } => admin::transfer(&options).await.map(done),
            Command::Node(NodeOptions { command: Some(command), .. }) => match &command {
                NodeCommand::Drain(options) => admin::drain(options).await.map(done),
                NodeCommand::Resume(options) => admin::resume(options).await.map(done),
                NodeCommand::Rejoin(options) => rejoin::run(options).await.map(done),
            },
            Command::Slot { command: SlotCommand::List(options) } => epochs::turns(&options).await.map(done),
            Command::Epoch { command } => match &command {
                EpochCommand::Status(options) => status::epoch(options).await.map(done),
                EpochCommand::List(options) => epochs::list(options).await.map(done),
                EpochCommand::Show(options) => epochs::show(&options.rpc, options.number).await.map(done),
                EpochCommand::Next(options) => epochs::next(options).await.map(done),
            },
            Command::Validators(options) => match &options.command {
                None => validators::list(&options.rpc).await.map(done),
                Some(ValidatorsCommand::List(options)) => validators::list(options).await.map(done),
                Some(ValidatorsCommand::Show(options)) => validators::show(options).await.map(done),
            },
            Command::Stake { command } => stake::run(&command).await.map(done),
            Command::Apply { command } => apply::run(&command).await.map(done),
            Command::Vote { command } => vote::run(&command).await.map(done),
            Command::Vault { command } => vault::run(&command).await.map(done),
            Command::Governance { command } => governance::run(&command).await.map(done),
            Command::Rewards { command } => rewards::run(&command).await.map(done),
            Command::Slash { command } => slash::run(&command).await.map(done),
            Command::Queue { command } => queue::run(&command).await.map(done),
            Command::Keys(options) => keys::run(&options).map(done),
            Command::Feed(options) => feed::run(&options).await.map(done),
            Command::Load(options) => load::run(options).await,
            Command::Derive(options) => derive::run(&options).await,
            Command::Under(_) | Command::Node(_) | Command::Tune { .. } => Ok(ExitCode::SUCCESS),
        }
    })
}

fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

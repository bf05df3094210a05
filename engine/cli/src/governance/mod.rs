//! `horae governance`: what holders of votes decide about the chain's contracts, from the proposal to its execution.

pub mod args;
mod changes;
pub mod contracts;
mod decide;
pub mod find;
pub mod proposal;
mod propose;
pub mod refusals;
mod show;
mod status;

use crate::error::CliError;
use args::GovernanceCommand;

/// Does what the command line says.
pub async fn run(command: &GovernanceCommand) -> Result<(), CliError> {
    match command {
        GovernanceCommand::Status(options) => status::run(options).await,
        GovernanceCommand::Propose(options) => propose::run(options).await,
        GovernanceCommand::List(options) => show::list(options).await,
        GovernanceCommand::Show(options) => show::one(options).await,
        GovernanceCommand::Queue(options) => decide::queue(options).await,
        GovernanceCommand::Execute(options) => decide::execute(options).await,
        GovernanceCommand::Cancel(options) => decide::cancel(options).await,
    }
}

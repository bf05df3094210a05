//! `horae node`.

use std::{os::unix::process::CommandExt, process::Command};

use horae_node::{config::NodeConfig, council::Ended, home::Home};
use horae_tuning::Profile;

use std::path::Path;

use crate::{error::CliError, signals::asked_to_stop, tune};

/// Runs until a signal comes or the node cannot go on.
pub fn run(home: &Path) -> Result<(), CliError> {
    let config = NodeConfig::load(Home::new(home))?;
    let findings = tune::warn(&config.settings.profile, &Profile::load(&config.settings.profile)?);
    let shutdown = async move {
        tune::count(findings);
        match asked_to_stop() {
            Ok(signal) => tracing::info!("{}: stopping", signal.await),
            Err(error) => {
                tracing::error!(%error, "the node can be stopped by SIGKILL only");
                std::future::pending().await
            }
        }
    };
    match horae_node::node::run(config, Box::pin(shutdown)) {
        Ok(Ended::Stopped) => Ok(()),
        Ok(Ended::ToSpeakAgain { incarnation }) => {
            tracing::info!(incarnation, "starting again: this validator has a voice now");
            Err(become_again())
        }
        Err(error) => Err(CliError::new(error.to_string())),
    }
}

/// Becomes the same command anew, in the same process. Does not return if all is well.
fn become_again() -> CliError {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    match std::env::current_exe() {
        Ok(program) => CliError::because("cannot start again", Command::new(program).arg0(name).args(arguments).exec()),
        Err(error) => CliError::because("cannot find this program to start it again", error),
    }
}

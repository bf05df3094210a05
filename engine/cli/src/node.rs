//! `horae node`.

use horae_node::{config::NodeConfig, home::Home};

use std::path::Path;

use crate::{error::CliError, signals::asked_to_stop};

/// Runs until a signal comes or the node cannot go on.
pub fn run(home: &Path) -> Result<(), CliError> {
    let config = NodeConfig::load(Home::new(home))?;
    let shutdown = async {
        match asked_to_stop() {
            Ok(signal) => tracing::info!("{}: stopping", signal.await),
            Err(error) => {
                tracing::error!(%error, "the node can be stopped by SIGKILL only");
                std::future::pending().await
            }
        }
    };
    horae_node::node::run(config, Box::pin(shutdown)).map_err(|error| CliError::new(error.to_string()))
}

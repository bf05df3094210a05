//! What ends a command: one message for the person who typed it, saying what happened and what to do.

use std::fmt::Display;

/// A message for the user.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CliError(String);

impl CliError {
    /// A message as it is.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// `what: why`.
    pub fn because(what: impl Display, why: impl Display) -> Self {
        Self(format!("{what}: {why}"))
    }
}

impl From<horae_node::edges::l1::L1Error> for CliError {
    fn from(error: horae_node::edges::l1::L1Error) -> Self {
        Self(error.to_string())
    }
}

impl From<horae_node::config::ConfigError> for CliError {
    fn from(error: horae_node::config::ConfigError) -> Self {
        Self(error.to_string())
    }
}

impl From<horae_node::home::HomeError> for CliError {
    fn from(error: horae_node::home::HomeError) -> Self {
        Self(error.to_string())
    }
}

impl From<horae_node::edges::admin::AdminError> for CliError {
    fn from(error: horae_node::edges::admin::AdminError) -> Self {
        Self(error.to_string())
    }
}

impl From<horae_node::keys::KeyError> for CliError {
    fn from(error: horae_node::keys::KeyError) -> Self {
        Self(error.to_string())
    }
}

impl From<horae_node::genesis::GenesisError> for CliError {
    fn from(error: horae_node::genesis::GenesisError) -> Self {
        Self(error.to_string())
    }
}

impl From<crate::account::KeystoreError> for CliError {
    fn from(error: crate::account::KeystoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<horae_tuning::ProfileError> for CliError {
    fn from(error: horae_tuning::ProfileError) -> Self {
        Self(error.to_string())
    }
}

impl From<horae_tuning::change::ChangeError> for CliError {
    fn from(error: horae_tuning::change::ChangeError) -> Self {
        Self(error.to_string())
    }
}

impl From<horae_tuning::machine::TopologyError> for CliError {
    fn from(error: horae_tuning::machine::TopologyError) -> Self {
        Self(error.to_string())
    }
}

impl From<horae_tuning::capacity::ReportError> for CliError {
    fn from(error: horae_tuning::capacity::ReportError) -> Self {
        Self(error.to_string())
    }
}

//! `horae under PID -- COMMAND`: becomes the command, which the kernel then ends when the process `PID` ends, however that happens.
//! The devnet starts everything through it, so that even `kill -9` of the devnet leaves nothing behind.

use std::{os::unix::process::CommandExt, process::Command};

use nix::{
    sys::{prctl::set_pdeathsig, signal::Signal},
    unistd::getppid,
};

use crate::{args::UnderOptions, error::CliError};

/// Does not return if all is well.
pub fn run(options: &UnderOptions) -> CliError {
    let Some((program, arguments)) = options.command.split_first() else {
        return CliError::new("no command was given");
    };
    // SIGTERM, at which anvil writes its state and a node stops in order.
    if let Err(error) = set_pdeathsig(Signal::SIGTERM) {
        return CliError::because("cannot tie this process to its parent", error);
    }
    // The parent may have gone before the line above.
    if getppid().as_raw() != options.parent {
        return CliError::new(format!("process {} is gone", options.parent));
    }
    CliError::because(program, Command::new(program).args(arguments).exec())
}

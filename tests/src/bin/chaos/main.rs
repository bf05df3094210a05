//! `chaos`: kills and stops the sequencer of four real nodes under load, again and again, and judges what became of the chain.

mod args;

use std::{
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
};

use clap::Parser;
use horae_tests::{
    chaos,
    rpc::runtime,
    wait::{INTERRUPTION, interrupt, is_interrupted},
};

use args::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    runtime().spawn(async {
        if tokio::signal::ctrl_c().await.is_ok() {
            eprintln!("{INTERRUPTION}: ending what was started");
            interrupt();
        }
    });
    // What the harness waits for in vain it says by a panic.
    panic::set_hook(Box::new(|why| {
        if !is_interrupted() {
            let message = why.payload_as_str().unwrap_or("a panic without a message");
            eprintln!("error: {message}");
        }
    }));
    let json = arguments.json;
    let mut say = |line: &str| if json { eprintln!("{line}") } else { println!("{line}") };
    let ran = panic::catch_unwind(AssertUnwindSafe(|| chaos::run(&arguments.plan(), &mut say)));
    match ran {
        Err(_) if is_interrupted() => ExitCode::from(130),
        Err(_) => ExitCode::FAILURE,
        Ok(outcome) => {
            if json {
                println!("{}", serde_json::to_string(&outcome).expect("an outcome is JSON"));
            } else {
                println!("{outcome}");
            }
            if outcome.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    }
}

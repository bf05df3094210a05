//! The program behind `make bench`.

use std::process::ExitCode;

use clap::Parser;
use horae_benches::{alloc::Counting, args::Options, run};

/// What the node allocates from too, and counted.
#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    match run::run(&Options::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

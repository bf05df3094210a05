//! `horae node drain`, `horae node resume`, `horae slot transfer`: what an operator tells a running node.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use horae_node::{
    edges::admin::{Answer, Request, Standing, ask},
    home::Home,
};
use serde_json::json;

use crate::{
    args::{AdminOptions, DrainOptions},
    error::CliError,
};

/// How often a draining node is asked how it stands.
const POLL: Duration = Duration::from_millis(250);

/// Takes a running node out of its turns, and waits until it is.
pub async fn drain(options: &DrainOptions) -> Result<(), CliError> {
    let home = &options.admin.home;
    let began = Instant::now();
    let mut standing = standing_after(home, Request::Drain).await?;
    while !standing.out && began.elapsed() < Duration::from_secs(options.patience) {
        tokio::time::sleep(POLL).await;
        standing = standing_after(home, Request::Standing).await?;
    }
    if options.admin.json {
        println!("{}", json!(standing));
    }
    if !standing.out {
        return Err(CliError::new(not_out(&standing, options.patience)));
    }
    if !options.admin.json {
        println!("validator {} is out of its turns: the node may be stopped", standing.validator);
    }
    Ok(())
}

/// Why a drained node still has turns.
fn not_out(standing: &Standing, patience_s: u64) -> String {
    let waited = format!("after {patience_s} s the node is drained, but");
    if standing.skipped {
        return format!("{waited} slot {} has not passed on yet; wait, or see `horae slot status`", standing.slot);
    }
    if standing.passed_over.is_empty() {
        return format!(
            "{waited} the validators have not decided to pass it over: its weight is 1/3 of the set or more, or the control \
             plane stands still. If it is stopped now, each of its turns costs a failover"
        );
    }
    format!(
        "{waited} with {} others passed over already its weight would make it 1/3 of the set or more. If it is stopped now, \
         each of its turns costs a failover",
        standing.passed_over.len()
    )
}

/// Puts a drained node back into its turns.
pub async fn resume(options: &AdminOptions) -> Result<(), CliError> {
    let standing = standing_after(&options.home, Request::Resume).await?;
    if options.json {
        println!("{}", json!(standing));
        return Ok(());
    }
    match &standing.trouble {
        None => println!("validator {} takes its turns again once that is decided", standing.validator),
        Some(why) => println!("validator {} takes its turns again once it can: {why}", standing.validator),
    }
    Ok(())
}

/// Hands the running slot on.
pub async fn transfer(options: &AdminOptions) -> Result<(), CliError> {
    match ask(&Home::new(&options.home).admin(), Request::EndSlot).await? {
        Answer::Ends { slot } if options.json => println!("{}", json!({ "slot": slot })),
        Answer::Ends { slot } => println!("slot {slot} ends at its next block"),
        Answer::NotOurs { slot, sequencer: Some(sequencer) } => {
            return Err(CliError::new(format!("slot {slot} is not this node's: {sequencer} holds it")));
        }
        Answer::NotOurs { sequencer: None, .. } => return Err(CliError::new("no term is open: there is no slot yet")),
        other => return Err(unexpected(&other)),
    }
    Ok(())
}

async fn standing_after(home: &Path, request: Request) -> Result<Standing, CliError> {
    match ask(&Home::new(home).admin(), request).await? {
        Answer::Standing(standing) => Ok(standing),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(answer: &Answer) -> CliError {
    match answer {
        Answer::Refused { why } => CliError::because("the node does not understand", why),
        _ => CliError::new("the node answered something else than was asked"),
    }
}

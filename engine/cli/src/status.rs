//! `horae slot status`, `horae epoch status`, `horae validators`.

use horae_node::chain_view::{EpochStatus, EpochStep, NextEpochStatus, SlotStatus, ValidatorStatus};
use serde::Serialize;

use crate::{
    args::{RpcOptions, StatusCommand},
    error::CliError,
    json,
    rpc::Rpc,
};

/// Wei in one METIS.
const WEI: u128 = 1_000_000_000_000_000_000;

/// Prints the slot.
pub async fn slot(options: &RpcOptions) -> Result<(), CliError> {
    let slot: SlotStatus = Rpc::new(&options.rpc)?.ask("horae_slot", []).await?;
    show(options, &slot, |slot| {
        println!("slot            {} (epoch {}, term {})", slot.slot, slot.epoch, slot.term);
        println!("sequencer       {}", slot.sequencer);
        println!("next sequencer  {}", slot.next_sequencer);
        println!("first block     {}", slot.first_block);
        println!("length          at most {} ms, {} blocks", slot.slot_ms, slot.slot_blocks);
        for validator in &slot.passed_over {
            println!("passed over     {validator}");
        }
    })
}

/// Prints the epoch.
pub async fn epoch(command: &StatusCommand) -> Result<(), CliError> {
    let StatusCommand::Status(options) = command;
    let epoch: EpochStatus = Rpc::new(&options.rpc)?.ask("horae_epoch", []).await?;
    show(options, &epoch, |epoch| {
        println!("epoch           {}", epoch.epoch);
        println!("since           slot {}, block {}", epoch.first_slot, epoch.first_block);
        match &epoch.group_key {
            Some(key) => println!("group key       {key} (number {})", epoch.key_index),
            None => println!("group key       none yet: key generation is running"),
        }
        println!("signing shares  {} of {}", epoch.threshold, epoch.shares);
        println!("total weight    {}", epoch.total_weight);
        if let Some(next) = &epoch.next {
            print_next(next);
        }
    })
}

fn print_next(next: &NextEpochStatus) {
    println!(
        "next epoch      {}, {} validators, total weight {}",
        next.epoch,
        next.validators.len(),
        next.total_weight
    );
    if let Some(key) = &next.group_key {
        println!("next group key  {key}");
    }
    let ready = next.ready_weight;
    let awaits = match next.awaits {
        EpochStep::Key => "its validators to generate their group key".to_owned(),
        EpochStep::Rotation => "the present group to sign the key, and L1 to show it".to_owned(),
        EpochStep::Readiness => format!("more than 2/3 of its weight to be ready (now {ready})"),
        EpochStep::Closing => "the running slot to end".to_owned(),
    };
    println!("waits for       {awaits}");
}

/// Prints the validators.
pub async fn validators(options: &RpcOptions) -> Result<(), CliError> {
    let validators: Vec<ValidatorStatus> = Rpc::new(&options.rpc)?.ask("horae_validators", []).await?;
    show(options, &validators, |validators| {
        println!("{:<42}  {:>12}  {:>6}  {:>9}  link  standing", "signer", "stake METIS", "weight", "acked");
        for v in validators {
            let stake = v.stake.parse::<u128>().map_or_else(|_| v.stake.clone(), |wei| (wei / WEI).to_string());
            let link = if v.connected { "up" } else { "down" };
            let standing = standing(v) + &faults(v);
            println!("{}  {stake:>12}  {:>6}  {:>9}  {link:<4}  {standing}", v.signer, v.weight, v.acked);
        }
    })
}

/// Whether a validator has turns, and why not.
fn standing(validator: &ValidatorStatus) -> String {
    let word = if validator.ready { "ready" } else { "not ready" };
    match (validator.offence, validator.skipped) {
        (Some(offence), _) if validator.punished => format!("jailed: {offence}, punished on L1"),
        (Some(offence), _) => format!("jailed: {offence}"),
        (None, true) => format!("passed over ({word} at slot {})", validator.ready_slot),
        (None, false) => format!("{word} at slot {}", validator.ready_slot),
    }
}

/// What it did wrong in signatures.
fn faults(validator: &ValidatorStatus) -> String {
    let words = validator.signing_faults.iter().map(|fault| format!("{} {}x", fault.kind.name(), fault.count));
    let words: Vec<String> = words.collect();
    if words.is_empty() { String::new() } else { format!("; signing: {}", words.join(", ")) }
}

fn show<T: Serialize>(options: &RpcOptions, value: &T, print: impl FnOnce(&T)) -> Result<(), CliError> {
    if options.json {
        return json::print(value);
    }
    print(value);
    Ok(())
}

//! `horae slot status`, `horae epoch status`.

use horae_node::chain_view::{EpochStatus, EpochStep, NextEpochStatus, SlotStatus};
use serde::Serialize;

use crate::{args::RpcOptions, error::CliError, json, rpc::Rpc};

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
pub async fn epoch(options: &RpcOptions) -> Result<(), CliError> {
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

fn show<T: Serialize>(options: &RpcOptions, value: &T, print: impl FnOnce(&T)) -> Result<(), CliError> {
    if options.json {
        return json::print(value);
    }
    print(value);
    Ok(())
}

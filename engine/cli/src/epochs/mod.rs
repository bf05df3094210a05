//! `horae epoch list | show | next` and `horae slot list`: what follows from the control state that a node shows.
//!
//! The state is taken by the node's own word, as `horae_status` is; `horae feed --verify` checks.

mod next;
mod turns;

use alloy_primitives::{Address, U256, hex};
use horae_control::{ControlState, Epoch, GroupKey, ValidatorSet};
use serde::Serialize;

use crate::{amount::metis, args::RpcOptions, error::CliError, json, rpc::Rpc};
pub use next::next;
pub use turns::turns;

/// An epoch.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    epoch: u64,
    first_slot: u64,
    first_block: u64,
    /// `None` while it runs.
    last_block: Option<u64>,
    group_key: Option<String>,
    total_weight: u64,
    validators: Vec<Member>,
}

/// A validator of an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Member {
    id: u64,
    signer: Address,
    stake: U256,
    weight: u64,
}

/// Prints the epochs that the control plane remembers, the newest first.
pub async fn list(options: &RpcOptions) -> Result<(), CliError> {
    let mut epochs = known(&Rpc::new(&options.rpc)?.control_state().await?);
    epochs.reverse();
    if options.json {
        return json::print(&epochs);
    }
    println!(
        "{:>6}  {:>10}  {:>10}  {:>10}  {:>10}  {:>6}  group key",
        "epoch", "from slot", "from block", "to block", "validators", "weight"
    );
    for shown in &epochs {
        let last = shown.last_block.map_or_else(|| "runs".to_owned(), |last| last.to_string());
        println!(
            "{:>6}  {:>10}  {:>10}  {last:>10}  {:>10}  {:>6}  {}",
            shown.epoch,
            shown.first_slot,
            shown.first_block,
            shown.validators.len(),
            shown.total_weight,
            shown.group_key.as_deref().unwrap_or("none yet")
        );
    }
    Ok(())
}

/// Prints one of them.
pub async fn show(options: &RpcOptions, number: u64) -> Result<(), CliError> {
    let epochs = known(&Rpc::new(&options.rpc)?.control_state().await?);
    let Some(shown) = epochs.iter().find(|shown| shown.epoch == number) else {
        let range = epochs.first().zip(epochs.last()).map(|(first, last)| (first.epoch, last.epoch));
        let (first, last) = range.unwrap_or_default();
        return Err(CliError::new(format!(
            "the control plane remembers the epochs {first} to {last}, not {number}; blocks and batches of older ones are in the store and on L1"
        )));
    };
    if options.json {
        return json::print(shown);
    }
    println!("epoch         {}", shown.epoch);
    println!("from          slot {}, block {}", shown.first_slot, shown.first_block);
    match shown.last_block {
        Some(last) => println!("to            block {last}"),
        None => println!("to            it runs"),
    }
    println!("group key     {}", shown.group_key.as_deref().unwrap_or("none yet: key generation is running"));
    println!("total weight  {}", shown.total_weight);
    print_members(&shown.validators);
    Ok(())
}

/// All that are known, oldest first; the last one runs.
fn known(state: &ControlState) -> Vec<Shown> {
    let all: Vec<&Epoch> = state.past_epochs().map(AsRef::as_ref).chain([state.epoch()]).collect();
    let next = all.iter().skip(1).map(|epoch| Some(epoch.first_block.saturating_sub(1))).chain([None]);
    all.iter()
        .zip(next)
        .map(|(epoch, last_block)| Shown {
            epoch: epoch.number,
            first_slot: epoch.first_slot,
            first_block: epoch.first_block,
            last_block,
            group_key: epoch.group_key.map(compressed),
            total_weight: epoch.set.total(),
            validators: members(&epoch.set),
        })
        .collect()
}

fn members(set: &ValidatorSet) -> Vec<Member> {
    let member = |v: &horae_control::Validator| Member { id: v.id, signer: v.signer, stake: v.stake, weight: v.weight };
    set.validators().iter().map(member).collect()
}

fn print_members(members: &[Member]) {
    println!("{:>6}  {:<42}  {:>16}  {:>6}", "id", "signer", "stake", "weight");
    for Member { id, signer, stake, weight } in members {
        println!("{id:>6}  {signer}  {:>16}  {weight:>6}", metis(*stake));
    }
}

/// A group key as SEC 1 compresses it.
fn compressed(key: GroupKey) -> String {
    let sign = if key.parity == 27 { 2 } else { 3 };
    hex::encode_prefixed([&[sign][..], &key.px.to_be_bytes::<32>()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_key_is_shown_compressed() {
        let key = |parity| compressed(GroupKey { px: U256::from(5), parity });
        assert!(key(27).starts_with("0x0200") && key(27).ends_with("05") && key(27).len() == 68);
        assert!(key(28).starts_with("0x0300"));
    }
}

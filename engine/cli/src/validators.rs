//! `horae validators list | show`: the validators of the epoch, as a node sees them.

use alloy_primitives::Address;
use horae_node::chain_view::ValidatorStatus;
use serde::Serialize;

use crate::{
    args::{RpcOptions, WhoOptions},
    error::CliError,
    json,
    rpc::Rpc,
};

/// Wei in one METIS.
const WEI: u128 = 1_000_000_000_000_000_000;
/// Turns of a validator that are shown.
const TURNS: usize = 5;

/// Prints all.
pub async fn list(options: &RpcOptions) -> Result<(), CliError> {
    let validators = all(&Rpc::new(&options.rpc)?).await?;
    if options.json {
        return json::print(&validators);
    }
    println!("{:<42}  {:>12}  {:>6}  {:>9}  link  standing", "signer", "stake METIS", "weight", "acked");
    for v in &validators {
        let link = if v.connected { "up" } else { "down" };
        let standing = standing(v) + &faults(v);
        println!("{}  {:>12}  {:>6}  {:>9}  {link:<4}  {standing}", v.signer, stake(v), v.weight, v.acked);
    }
    Ok(())
}

/// A validator of the epoch, or one that the agreed L1 view has on the list for the next.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: u64,
    signer: Address,
    /// `None` while it is in no epoch.
    status: Option<ValidatorStatus>,
    incarnation: Option<u64>,
    /// Its next turns, by slot, while the term goes on.
    turns: Vec<u64>,
    is_listed_on_l1: bool,
}

/// Prints one.
pub async fn show(options: &WhoOptions) -> Result<(), CliError> {
    let rpc = Rpc::new(&options.rpc.rpc)?;
    let shown = read(&rpc, &options.who).await?;
    if options.rpc.json {
        return json::print(&shown);
    }
    println!("validator    {}", shown.id);
    println!("signer       {}", shown.signer);
    match &shown.status {
        Some(v) => {
            println!("node key     {}", v.node_key);
            println!("stake        {} METIS, weight {}", stake(v), v.weight);
            println!("link         {}, acked block {}", if v.connected { "up" } else { "down" }, v.acked);
            println!("standing     {}{}", standing(v), faults(v));
        }
        None => println!("standing     in no epoch yet: it joins with the next one"),
    }
    if let Some(incarnation) = shown.incarnation {
        println!("incarnation  {incarnation}");
    }
    if !shown.turns.is_empty() {
        let turns: Vec<String> = shown.turns.iter().map(u64::to_string).collect();
        println!("next turns   slots {}", turns.join(", "));
    }
    if !shown.is_listed_on_l1 {
        println!("on L1        not on the list any more: it leaves with the next epoch");
    }
    println!("more         `horae stake show --id {}` has its stake, rewards and withdrawals on L1", shown.id);
    Ok(())
}

async fn read(rpc: &Rpc, who: &str) -> Result<Shown, CliError> {
    let statuses = all(rpc).await?;
    let running: horae_node::chain_view::SlotStatus = rpc.ask("horae_slot", []).await?;
    let state = rpc.control_state().await?;
    let set = &state.epoch().set;
    let known = set.validators().iter().map(|v| (v.id, v.signer));
    let mut known: Vec<(u64, Address)> = known.chain(state.l1().candidates().map(|c| (c.id, c.signer))).collect();
    known.sort_unstable();
    known.dedup();
    let wanted = who.to_lowercase();
    let is_wanted = |(id, signer): &&(u64, Address)| {
        id.to_string() == wanted || (wanted.len() > 3 && signer.to_string().to_lowercase().starts_with(&wanted))
    };
    let found: Vec<_> = known.iter().filter(is_wanted).collect();
    let (id, signer) = match found.as_slice() {
        [one] => **one,
        [] => {
            return Err(CliError::new(format!(
                "no validator of this epoch or on the list is {who}; see `horae validators list`"
            )));
        }
        _ => return Err(CliError::new(format!("several validators begin with {who}; give more of the address"))),
    };
    let turns = state.open_term().map(|term| {
        let cycles = running.slot..running.slot.saturating_add(term.schedule.cycle_slots() * TURNS as u64);
        cycles.filter(|slot| term.sequencer_of(*slot).is_some_and(|v| v.signer == signer)).take(TURNS).collect()
    });
    Ok(Shown {
        id,
        signer,
        status: statuses.into_iter().find(|status| status.signer == signer),
        incarnation: set.get(&signer).map(|v| v.incarnation),
        turns: turns.unwrap_or_default(),
        is_listed_on_l1: state.l1().candidates().any(|candidate| candidate.id == id),
    })
}

async fn all(rpc: &Rpc) -> Result<Vec<ValidatorStatus>, CliError> {
    rpc.ask("horae_validators", []).await
}

fn stake(validator: &ValidatorStatus) -> String {
    validator.stake.parse::<u128>().map_or_else(|_| validator.stake.clone(), |wei| (wei / WEI).to_string())
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

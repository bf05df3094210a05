//! `horae slot list`: the turns to come.

use alloy_primitives::Address;
use horae_control::Term;
use horae_node::chain_view::SlotStatus;
use serde::Serialize;

use crate::{args::TurnsOptions, error::CliError, json, rpc::Rpc};

/// A turn.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Turn {
    slot: u64,
    sequencer: Address,
    /// Whether the turn is passed over, as things stand.
    passed_over: bool,
}

/// Prints them, from the running slot on.
pub async fn turns(options: &TurnsOptions) -> Result<(), CliError> {
    let rpc = Rpc::new(&options.rpc.rpc)?;
    let running: SlotStatus = rpc.ask("horae_slot", []).await?;
    let state = rpc.control_state().await?;
    let term = state.open_term().ok_or_else(|| CliError::new("no term is open: there is no slot now"))?;
    let turns = from(term, running.slot, options.count);
    if options.rpc.json {
        return json::print(&turns);
    }
    println!("{:>10}  sequencer", "slot");
    for turn in &turns {
        let note = match (turn.slot == running.slot, turn.passed_over) {
            (true, _) => "  runs",
            (false, true) => "  passed over",
            (false, false) => "",
        };
        println!("{:>10}  {}{note}", turn.slot, turn.sequencer);
    }
    println!(
        "as long as term {} of epoch {} goes on; another shuffle follows with the next epoch",
        term.number, running.epoch
    );
    Ok(())
}

fn from(term: &Term, slot: u64, count: u64) -> Vec<Turn> {
    let slots = slot..slot.saturating_add(count);
    slots
        .filter_map(|slot| {
            let sequencer = term.sequencer_of(slot)?.signer;
            Some(Turn { slot, sequencer, passed_over: term.skips.latest().contains(&sequencer) })
        })
        .collect()
}

//! `horae epoch next`: who the next epoch is going to consist of, and when it opens.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use horae_control::{Awaits, ControlState, ValidatorSet};
use serde::Serialize;

use super::{Member, compressed, members, print_members};
use crate::{args::RpcOptions, error::CliError, json, rpc::Rpc};

/// What is known of the next epoch.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Next {
    epoch: u64,
    /// Whether the control plane has begun to prepare it.
    is_prepared: bool,
    /// Slot before which it is not begun; `None` if epochs last for ever here.
    from_slot: Option<u64>,
    waits_for: &'static str,
    group_key: Option<String>,
    total_weight: u64,
    validators: Vec<Member>,
    #[serde(flatten)]
    changes: Changes,
}

/// What is different from the epoch that runs.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Changes {
    joins: Vec<Address>,
    leaves: Vec<Address>,
    /// Whose weight changes: from, to.
    reweighed: BTreeMap<Address, (u64, u64)>,
}

/// Prints it.
pub async fn next(options: &RpcOptions) -> Result<(), CliError> {
    let state = Rpc::new(&options.rpc)?.control_state().await?;
    let next = foreseen(&state)?;
    if options.json {
        return json::print(&next);
    }
    println!("epoch         {}", next.epoch);
    match next.from_slot {
        Some(slot) if !next.is_prepared => println!("earliest      prepared from slot {slot} on"),
        Some(_) | None => {}
    }
    println!("waits for     {}", next.waits_for);
    if let Some(key) = &next.group_key {
        println!("group key     {key}");
    }
    for signer in &next.changes.joins {
        println!("joins         {signer}");
    }
    for signer in &next.changes.leaves {
        println!("leaves        {signer}");
    }
    for (signer, (from, to)) in &next.changes.reweighed {
        println!("weight        {signer}: {from} -> {to}");
    }
    println!("total weight  {}", next.total_weight);
    print_members(&next.validators);
    Ok(())
}

fn foreseen(state: &ControlState) -> Result<Next, CliError> {
    let epoch = state.epoch();
    let params = state.params();
    let from_slot = (params.epoch_slots > 0).then(|| epoch.first_slot + params.epoch_slots);
    let (set, waits_for, key) = match state.next_epoch() {
        Some(next) => (next.set().clone(), step(next.awaits()), next.key()),
        None => {
            let candidates: Vec<_> = state.l1().candidates().cloned().collect();
            let set = ValidatorSet::form(&candidates)
                .map_err(|why| CliError::because("the LockingPool lists no set for another epoch", why))?;
            (set, waiting(from_slot.is_some()), None)
        }
    };
    let (now, then) = (members(&epoch.set), members(&set));
    let changes = changes(&now, &then);
    Ok(Next {
        epoch: epoch.number + 1,
        is_prepared: state.next_epoch().is_some(),
        from_slot,
        waits_for,
        group_key: key.map(compressed),
        total_weight: set.total(),
        validators: then,
        changes,
    })
}

fn waiting(ever: bool) -> &'static str {
    match ever {
        true => "a change on L1 to the list, the weights or the keys, or the age of the present epoch",
        false => "nothing: on this chain the first epoch lasts for ever",
    }
}

fn step(awaits: Awaits) -> &'static str {
    match awaits {
        Awaits::Key => "its validators to generate their group key",
        Awaits::Rotation => "the present group to sign the key, and L1 to show it",
        Awaits::Readiness => "more than 2/3 of its weight to be ready",
        Awaits::Closing => "the running slot to end",
    }
}

/// Who joins, who leaves, and whose weight changes.
fn changes(now: &[Member], then: &[Member]) -> Changes {
    let of = |members: &[Member]| members.iter().map(|m| (m.signer, m.weight)).collect::<BTreeMap<_, _>>();
    let (old, new) = (of(now), of(then));
    let joins = new.keys().filter(|signer| !old.contains_key(*signer)).copied().collect();
    let leaves = old.keys().filter(|signer| !new.contains_key(*signer)).copied().collect();
    let stays = old.iter().filter_map(|(signer, from)| new.get(signer).map(|to| (*signer, (*from, *to))));
    Changes { joins, leaves, reweighed: stays.filter(|(_, (from, to))| from != to).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;

    #[test]
    fn joins_leaves_and_weights_are_told_apart() {
        let member = |byte, weight| Member { id: 1, signer: Address::repeat_byte(byte), stake: U256::ZERO, weight };
        let told = changes(&[member(1, 1), member(2, 1), member(3, 2)], &[member(2, 4), member(3, 2), member(4, 1)]);
        let reweighed = BTreeMap::from([(Address::repeat_byte(2), (1, 4))]);
        let (joins, leaves) = (vec![Address::repeat_byte(4)], vec![Address::repeat_byte(1)]);
        assert_eq!(told, Changes { joins, leaves, reweighed });
    }
}

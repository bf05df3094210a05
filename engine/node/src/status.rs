//! What the node says of itself a few times a second: the slot, the epoch, the validators, and where its workers' time goes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes};
use horae_control::dkg::GroupKey;
use horae_control::{ControlState, NextEpoch};
use horae_mpc::ShareLayout;
use horae_runtime::{Cell, Meter};
use horae_stages::ChainParams;
use horae_tendermint::Handle;
use metrics::{counter, gauge};
use tokio::sync::watch;

use crate::chain_view::{
    ChainEvent, ChainFeed, ChainView, EpochStatus, ForcedStatus, NextEpochStatus, NodeStatus, SettlementStatus,
    SigningFaults, SlotStatus, TrafficStatus, ValidatorStatus,
};
use crate::pipeline::{Desk, RecoveryWatch, Traffic};
use crate::replica::RunningSlot;

/// How often the status is looked at; it is published when it has changed.
const EVERY: Duration = Duration::from_millis(250);

/// What the status is made of.
pub struct Reporting {
    /// This validator.
    pub me: Address,
    /// The chain rules that are numbers.
    pub params: ChainParams,
    /// The query side.
    pub view: ChainView,
    /// The way to it.
    pub feed: ChainFeed,
    /// The slot that runs.
    pub running: Cell<RunningSlot>,
    /// What the control plane has decided.
    pub control_state: watch::Receiver<Arc<ControlState>>,
    /// What validators did wrong in signatures.
    pub signing_faults: watch::Receiver<SigningFaults>,
    /// The settlement that the group has signed and L1 does not have.
    pub settlement: watch::Receiver<Option<SettlementStatus>>,
    /// The links.
    pub engine: Handle,
    /// What clients sent.
    pub traffic: Arc<Traffic>,
    /// What became of transactions: its notes are filed here.
    pub desk: Arc<Desk>,
    /// The workers' meters.
    pub meters: Vec<(String, Meter)>,
    /// The watch over sender recovery.
    pub recovery: RecoveryWatch,
}

/// Publishes until the query side is gone.
pub async fn report(mut reporting: Reporting) {
    let mut last = NodeStatus::default();
    let mut acked = HashMap::new();
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        meter(&reporting.meters);
        reporting.traffic.publish();
        reporting.recovery.look();
        reporting.desk.file();
        see_acks(&reporting.view, &mut acked);
        let status = compose(&reporting, &acked);
        if status != last {
            gauge!("horae_forced_brought").set(status.forced.brought as f64);
            gauge!("horae_forced_executed").set(status.forced.executed as f64);
            gauge!("horae_l1_view").set(status.l1_view_number as f64);
            gauge!("horae_l1_view_of_head").set(status.forced.l1_view as f64);
            last = status.clone();
            // A full queue means that newer events wait already; the next look tries again.
            if reporting.feed.try_send(ChainEvent::Status(Arc::new(status))).is_err() {
                last = NodeStatus::default();
            }
        }
        if reporting.view.fault().is_some() {
            return;
        }
    }
}

fn meter(meters: &[(String, Meter)]) {
    for (name, meter) in meters {
        let reading = meter.read();
        for (regime, ns) in
            [("idle", reading.idle_ns), ("working", reading.working_ns), ("blocked", reading.blocked_ns)]
        {
            counter!("horae_worker_ns", "worker" => name.clone(), "regime" => regime).absolute(ns);
        }
    }
}

/// Notes whose acks the newest certificate bears.
fn see_acks(view: &ChainView, acked: &mut HashMap<Address, u64>) {
    let snapshot = view.snapshot();
    let certified = snapshot.certificate(snapshot.heads().certified);
    if let Ok(Some(certificate)) = certified {
        for ack in &certificate.acks {
            acked.insert(ack.validator, certificate.block.number);
        }
    }
}

fn compose(reporting: &Reporting, acked: &HashMap<Address, u64>) -> NodeStatus {
    let state = reporting.control_state.borrow().clone();
    let running = reporting.running.latest();
    let linked: HashSet<[u8; 32]> = reporting.engine.peers().iter().map(|peer| peer.node_key).collect();
    let epoch = state.epoch();
    let view = state.l1_view();
    let skipped = state.open_term().map_or(&[][..], |term| term.skips.latest());
    NodeStatus {
        own: epoch.set.get(&reporting.me).map(|validator| validator.signer),
        slot: SlotStatus {
            slot: running.slot,
            term: running.term,
            epoch: epoch.number,
            sequencer: running.sequencer.unwrap_or_default(),
            next_sequencer: running.next_sequencer.unwrap_or_default(),
            first_block: running.first_block,
            began_ms: running.began_ms,
            slot_ms: reporting.params.slot_ms,
            slot_blocks: reporting.params.slot_blocks,
            passed_over: skipped.to_vec(),
        },
        epoch: epoch_status(&state),
        validators: epoch
            .set
            .validators()
            .iter()
            .map(|validator| ValidatorStatus {
                signer: validator.signer,
                node_key: B256::from(validator.node_key),
                stake: validator.stake.to_string(),
                weight: validator.weight,
                connected: validator.signer == reporting.me || linked.contains(&validator.node_key),
                acked: acked.get(&validator.signer).copied().unwrap_or_default(),
                offence: state.jail().get(validator.id).map(|jailed| jailed.offence),
                punished: state
                    .jail()
                    .get(validator.id)
                    .is_some_and(|jailed| state.jail().is_punished(validator.id, &jailed.proof)),
                skipped: skipped.contains(&validator.signer),
                ready: state.roll_call().of(&validator.signer).is_some_and(|stated| stated.ready),
                ready_slot: state.roll_call().of(&validator.signer).map_or(0, |stated| stated.slot),
                signing_faults: reporting.signing_faults.borrow().of(&validator.signer),
            })
            .collect(),
        control_height: state.height(),
        l1_view_number: view.number,
        l1_view_hash: view.hash,
        forced: ForcedStatus {
            brought: state.dues().next_forced(),
            executed: running.forced,
            waiting: state.dues().waiting(),
            l1_view: running.l1_view,
        },
        peers: u32::try_from(linked.len()).unwrap_or(u32::MAX),
        settlement: reporting.settlement.borrow().clone(),
        highest_known_block: running.highest_known,
        traffic: TrafficStatus {
            received: reporting.traffic.received(),
            refused: reporting.traffic.refused(),
            forwarded: reporting.traffic.forwarded(),
        },
    }
}

fn epoch_status(state: &ControlState) -> EpochStatus {
    let epoch = state.epoch();
    let weights: Vec<_> = epoch.set.validators().iter().map(|v| (v.signer, v.weight)).collect();
    let layout = ShareLayout::new(&weights).ok();
    EpochStatus {
        epoch: epoch.number,
        first_slot: epoch.first_slot,
        first_block: epoch.first_block,
        group_key: epoch.group_key.map(compressed),
        key_index: state.l1().installed().map_or(0, |installed| installed.key_index),
        shares: layout.as_ref().map_or(0, |layout| layout.total().into()),
        threshold: layout.as_ref().map_or(0, |layout| layout.threshold().into()),
        total_weight: epoch.set.total(),
        next: state.next_epoch().map(next_epoch_status),
    }
}

fn next_epoch_status(next: &NextEpoch) -> NextEpochStatus {
    let set = next.set();
    NextEpochStatus {
        epoch: next.number(),
        validators: set.validators().iter().map(|v| v.signer).collect(),
        total_weight: set.total(),
        group_key: next.key().map(compressed),
        ready_weight: next.ready().iter().filter_map(|signer| set.get(signer)).map(|v| v.weight).sum(),
        awaits: next.awaits().into(),
    }
}

/// SEC 1 compressed form: 02 or 03, then x.
fn compressed(key: GroupKey) -> Bytes {
    let mut bytes = vec![if key.parity == 27 { 2 } else { 3 }];
    bytes.extend_from_slice(&key.px.to_be_bytes::<32>());
    bytes.into()
}

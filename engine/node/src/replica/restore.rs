//! From store and journal to a replica, at start: the store's state, the journal's blocks above it executed again, and the
//! promises of this validator's whole life.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use alloy_primitives::B256;
use horae_control::{Certificate, Domain, RestoreError as VoterError, SignedBlock, SignerKey, Voter};
use horae_stages::admit::{Admit, AdmitLimits};
use horae_stages::order::{Arrival, Order};
use horae_stages::{
    Applied, Executor, FromL1, Header, HotState, StateSource, execute_block, limits, recover_block, rules,
};
use thiserror::Error;
use tracing::info;

use super::chain::{Chain, Held, facts_of};
use super::due::Entries;
use super::following::Arrivals;
use super::io::{Entry, ReplicaIo};
use super::message::SealedBlock;
use super::relay::Relay;
use super::side::{Kept, Side};
use super::{ControlUpdate, Replica, ReplicaConfig};
use crate::chain_view::ChainEvent;

/// Why a replica could not be made from what is on disk.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// The promises in the journal contradict one another.
    #[error(
        "the journal's record of promises cannot be used: {0}; move the home directory aside and start afresh as a new incarnation"
    )]
    Promises(#[from] VoterError),
    /// A block in the journal does not execute as it did.
    #[error("block {number} of the journal does not execute as it did before: {why}; rebuild with `horae derive`")]
    Execution {
        /// Height of the block.
        number: u64,
        /// What differs.
        why: String,
    },
    /// The journal begins above the store.
    #[error(
        "the store ends at block {stored}, but the lowest block in the journal above it is {lowest}: a part of the journal is missing; restore it, or rebuild with `horae derive`"
    )]
    Gap {
        /// Height of the store.
        stored: u64,
        /// Lowest block found above it.
        lowest: u64,
    },
}

/// What a replica starts from.
pub struct Origin<S> {
    /// The store's state.
    pub source: S,
    /// Header of the highest stored block.
    pub header: Header,
    /// Its hash.
    pub hash: B256,
    /// Stored blocks up to the highest one, lowest first, with the certificates that slots began with.
    pub below: Vec<(SignedBlock, Option<Certificate>)>,
}

/// What a journal said, in order.
#[derive(Default)]
struct Told {
    blocks: Vec<(SealedBlock, Option<Certificate>, B256)>,
    /// Blocks that were executed and taken back.
    left: Vec<Kept>,
    promises: Vec<horae_control::Record>,
    commit: Option<horae_control::Commit>,
    head: u64,
}

impl Told {
    fn read(entries: impl IntoIterator<Item = Entry>, stored: u64) -> Self {
        let mut told = Self::default();
        for entry in entries {
            match entry {
                Entry::Block { block, carried } => {
                    let number = block.header().number;
                    // A block at a height that was there before follows a rollback: it and what is above it is void.
                    let stays = told.blocks.partition_point(|(earlier, _, _)| earlier.header().number < number);
                    told.left.extend(
                        told.blocks
                            .drain(stays..)
                            .map(|(block, carried, hash)| Kept::new(facts_of(block.header(), hash), block, carried)),
                    );
                    if number > stored {
                        let hash = block.header().hash();
                        told.blocks.push((block, carried, hash));
                    }
                }
                Entry::Vote(record) => told.promises.push(record),
                Entry::Commit(commit) => told.commit = Some(commit),
                Entry::Head { number, .. } => told.head = told.head.max(number),
            }
        }
        told
    }
}

/// Makes the replica of one validator: `entries` are the journal's, oldest first; `control` is what the control plane had
/// decided when the node stopped. It is silent until [`super::Input::SpeakAs`].
///
/// Tells the query side of every block above the store, and of what is known to be committed.
#[allow(clippy::too_many_arguments)]
pub fn restore<S: StateSource>(
    config: ReplicaConfig,
    domain: Domain,
    key: SignerKey,
    incarnation: u64,
    origin: Origin<S>,
    entries: impl IntoIterator<Item = Entry>,
    control: ControlUpdate,
    io: &mut impl ReplicaIo,
) -> Result<Replica<S>, RestoreError> {
    let stored = origin.header.number;
    let told = Told::read(entries, stored);
    if let Some((lowest, _, _)) = told.blocks.first().filter(|(block, _, _)| block.header().number > stored + 1) {
        return Err(RestoreError::Gap { stored, lowest: lowest.header().number });
    }
    let mut voter = Voter::restore(domain, key, incarnation, told.promises)?;
    voter.hush();
    let state = HotState::new(origin.source, stored, origin.hash, limits::HOT_ENTRIES);
    let mut executor = Executor::new(state, config.params.chain_id);
    let mut chain = Chain::new(origin.header, origin.hash, origin.below);
    let mut slot_began = (0, 0, 0);
    let replayed = told.blocks.len();
    for (sealed, carried, hash) in told.blocks {
        let number = sealed.header().number;
        if sealed.header().parent != chain.head_facts().id.hash {
            break;
        }
        let failed = |why: String| RestoreError::Execution { number, why };
        let parent = chain.head().clone();
        let recovered = recover_block(sealed.block).map_err(|why| failed(why.to_string()))?;
        let executed = execute_block(&mut executor, &config.params, &parent, recovered, FromL1::Settled)
            .map_err(|why| failed(why.to_string()))?;
        if executed.hash != hash {
            return Err(failed("another hash".to_owned()));
        }
        let held = Held::new(Arc::new(executed), sealed.signature, carried);
        io.event(ChainEvent::Executed { block: held.executed.clone(), signature: Some(sealed.signature) });
        let header = held.header();
        if header.slot != chain.head().slot {
            slot_began = (header.slot, header.number, header.timestamp_ms);
        }
        chain.push(held);
    }
    info!(stored, replayed, head = chain.head().number, "chain restored");

    let next_base_fee = rules::next_base_fee(chain.head(), &config.params);
    let admit_limits = AdmitLimits {
        per_sender: limits::WAITING_PER_SENDER,
        in_all: config.waiting_max,
        in_flight_per_sender: limits::IN_FLIGHT_PER_SENDER,
        waiting_ms: config.waiting_ms,
        min_tip: 0,
    };
    let admit = Admit::new(admit_limits, next_base_fee, config.params.gas_limit);
    let mut replica = Replica {
        applied: Applied::default(),
        control: ControlUpdate { height: 0, term: None, ..control.clone() },
        config,
        executor,
        chain,
        committed: stored,
        commit_ahead: None,
        commit_shown: None,
        voter,
        tally: None,
        views: BTreeMap::new(),
        admit,
        order: Order::new(Arrival),
        relay: Relay::default(),
        leading: None,
        draining: false,
        disagrees: false,
        arrivals: Arrivals::default(),
        side: Side::of(told.left),
        promised: VecDeque::new(),
        questions: Vec::new(),
        entries: Entries::default(),
        standstill: None,
        closing: None,
        accused: BTreeSet::new(),
        committed_in_term: false,
        progressed: false,
        progress_ms: 0,
        repeated_ms: 0,
        standing_ms: 0,
        slot_began,
    };
    if let Some(commit) = told.commit {
        replica.recommit(commit, told.head, io);
    }
    replica.control_decided(0, control, io);
    Ok(replica)
}

impl<S: StateSource> Replica<S> {
    /// What the journal knew to be committed.
    fn recommit(&mut self, commit: horae_control::Commit, head: u64, io: &mut impl ReplicaIo) {
        let block = commit.block();
        if block.number > self.committed && self.chain.contains(&block) {
            self.committed = block.number;
            io.event(ChainEvent::Committed(Arc::new(commit.clone())));
        }
        self.commit_shown = Some(commit);
        if let Some(facts) = self.chain.facts(head).filter(|facts| facts.id.number > self.committed) {
            self.committed = head;
            io.event(ChainEvent::CommittedByDecision(facts.id));
        }
    }
}

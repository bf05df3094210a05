//! What the simulated L1 does beside the inbox: it takes settlements of rewards by the schedule's rules, and reports of offences,
//! for which it takes validators off its list and puts them back after a while.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;
use horae_contracts::{Settlement, settlement_digest};
use horae_control::command::L1Event;
use horae_control::{Proof, ValidatorSet};
use horae_mpc::GroupKey;
use horae_node::council::reporting::OnL1;
use horae_node::council::settling::{Reckoned, SignedSettlement, ToSettle};

use super::judge::{Judge, Violation};
use super::l1::INBOX;
use super::store::Store;

/// Where settlements are for.
const SCHEDULE: Address = Address::repeat_byte(0x33);
/// Blocks that a validator is in jail, some minutes; then its owner releases it at once.
const JAIL_BLOCKS: u64 = 400;

/// The schedule of rewards and the slasher, as of one L1 block.
#[derive(Clone, Debug, Default)]
pub struct Payroll {
    next_index: u64,
    last_settled: u64,
    /// Offences punished: number, epoch and term.
    punished: BTreeSet<(u64, u64, u64)>,
    /// Who is in jail, and up to which block.
    jailed: BTreeMap<u64, u64>,
}

impl Payroll {
    /// Takes a settlement, if the contract would; `accepted` is the last block of the inbox's last batch.
    ///
    /// # Errors
    /// The contract's error.
    pub fn settle(&mut self, signed: &SignedSettlement, key: Option<GroupKey>, accepted: u64) -> Result<(), String> {
        let Settlement { index, firstBlock, lastBlock, ids, blocks } = &signed.what.settlement;
        if *index != self.next_index {
            return Err("WrongIndex".to_owned());
        }
        if *firstBlock != self.last_settled + 1 || lastBlock < firstBlock || *lastBlock > accepted {
            return Err("WrongBlockRange".to_owned());
        }
        let ascends = ids.windows(2).all(|pair| pair[0] < pair[1]) && ids.len() == blocks.len();
        if !ascends || blocks.contains(&0) || blocks.iter().sum::<u64>() != lastBlock - firstBlock + 1 {
            return Err("WrongBlockCount".to_owned());
        }
        let digest = settlement_digest(INBOX.l1_chain_id, signed.what.schedule, &signed.what.settlement);
        key.ok_or("NoGroupKey")?.verify(digest, &signed.signature).map_err(|why| why.to_string())?;
        (self.next_index, self.last_settled) = (index + 1, *lastBlock);
        Ok(())
    }

    /// What is to be settled up to this block, by the blocks in a store.
    ///
    /// # Errors
    /// The store does not have them.
    pub fn reckon(&self, store: &Store, set: &ValidatorSet, last_block: u64) -> Result<Reckoned, String> {
        if self.last_settled >= last_block {
            return Ok(Reckoned::Settled);
        }
        let first_block = self.last_settled + 1;
        let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
        for number in first_block..=last_block {
            let block = store.executed(number).ok_or("a block is not stored yet")?;
            let sealer = set.get(&block.block.header.sequencer).ok_or("a stranger sealed a block")?;
            *counts.entry(sealer.id).or_default() += 1;
        }
        let (ids, blocks) = counts.into_iter().unzip();
        let settlement =
            Settlement { index: self.next_index, firstBlock: first_block, lastBlock: last_block, ids, blocks };
        Ok(Reckoned::Due(Box::new(ToSettle { schedule: SCHEDULE, settlement })))
    }

    /// Whether L1 has punished what the proof shows.
    #[must_use]
    pub fn has_punished(&self, id: u64, proof: &Proof) -> bool {
        self.punished.contains(&(id, proof.epoch, proof.term))
    }

    /// Takes a report in this block; what the control plane hears of it.
    ///
    /// # Errors
    /// The contract's error.
    pub fn report(&mut self, number: u64, id: u64, proof: &Proof) -> Result<Vec<L1Event>, String> {
        let (epoch, term) = (proof.epoch, proof.term);
        if !self.punished.insert((id, epoch, term)) {
            return Err("AlreadyConvicted".to_owned());
        }
        let was_listed = self.jailed.insert(id, number + JAIL_BLOCKS).is_none();
        let leaving = was_listed.then_some(L1Event::ValidatorLeaving { id });
        Ok([L1Event::ValidatorPunished { id, epoch, term }].into_iter().chain(leaving).collect())
    }

    /// How many offences it has punished.
    #[must_use]
    pub fn punished(&self) -> u64 {
        self.punished.len() as u64
    }

    /// Those whose time is over come back in this block.
    pub fn release(&mut self, number: u64, set: &ValidatorSet) -> Vec<L1Event> {
        let free: Vec<u64> = self.jailed.iter().filter(|(_, until)| **until <= number).map(|(id, _)| *id).collect();
        let mut events = Vec::new();
        for id in free {
            self.jailed.remove(&id);
            let validator = set.validators().iter().find(|validator| validator.id == id);
            let joined = validator.map(|validator| L1Event::ValidatorJoined {
                id,
                signer: validator.signer,
                node_key: validator.node_key,
                stake: validator.stake,
            });
            events.extend([L1Event::ValidatorReleased { id }].into_iter().chain(joined));
        }
        events
    }
}

/// What a node hears of its report.
#[must_use]
pub fn of_report(result: Result<(), String>) -> OnL1 {
    match result {
        Ok(()) => OnL1::Punished { by_us: true },
        Err(why) if why == "AlreadyConvicted" => OnL1::Punished { by_us: false },
        Err(why) => OnL1::Refused(why),
    }
}

impl Judge {
    /// What L1 has settled is the committed chain, from block 1 on without a gap, each block once and its sequencer's.
    ///
    /// # Errors
    /// It is not.
    pub fn settled<'a>(
        &self,
        settlements: impl Iterator<Item = &'a Settlement>,
        set: &ValidatorSet,
    ) -> Result<(), Violation> {
        let mut next = 1;
        for (at, settlement) in settlements.enumerate() {
            let wrong = |what: &str| Violation::new(0, format!("settlement {at} {what}: {settlement:?}"));
            if (settlement.index, settlement.firstBlock) != (at as u64, next) {
                return Err(wrong("does not follow the one before"));
            }
            let mut sealed: BTreeMap<u64, u64> = BTreeMap::new();
            for number in next..=settlement.lastBlock {
                let sealer = self.sequencer_of(number).and_then(|sequencer| set.get(&sequencer));
                let sealer = sealer.ok_or_else(|| wrong("has blocks that nobody committed"))?;
                *sealed.entry(sealer.id).or_default() += 1;
            }
            if !sealed.into_iter().eq(settlement.ids.iter().copied().zip(settlement.blocks.iter().copied())) {
                return Err(wrong("splits otherwise than blocks were sealed"));
            }
            next = settlement.lastBlock + 1;
        }
        Ok(())
    }
}

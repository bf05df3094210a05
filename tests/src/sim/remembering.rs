//! What the judge holds a validator to when it starts: that it still knows what it said, and that it asks before it speaks.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;
use horae_control::{Ack, CloseVote, SpokenInTerm, ValidatorSet};

use super::judge::{Judge, Spoken, Violation, is_quorum};

/// Who has told a validator what it said, since its last start.
#[derive(Debug)]
pub(super) struct Asked {
    set: ValidatorSet,
    answered: BTreeSet<Address>,
    /// What its log held: to say that again is not to speak.
    said: BTreeMap<u64, SpokenInTerm>,
}

impl Judge {
    /// A node starts from what it stored: all that ever left it in the open term is there, if the disk is its own. From here on
    /// it has to ask before it speaks; `set` is what it takes the validators to be.
    pub fn starts(
        &mut self,
        validator: Address,
        set: ValidatorSet,
        said: &BTreeMap<u64, SpokenInTerm>,
    ) -> Result<(), Violation> {
        self.asked.insert(validator, Asked { set, answered: BTreeSet::from([validator]), said: said.clone() });
        let Some(term) = self.newest_term() else { return Ok(()) };
        let Some(spoken) = self.spoken.get(&(validator, term)).filter(|_| !self.may_be_convicted(&validator)) else {
            return Ok(());
        };
        match forgotten(spoken, said.get(&term).cloned().unwrap_or_default()) {
            Some(what) => {
                Err(Violation::new(8, format!("{validator} restarts on its own disk and has forgotten {what}")))
            }
            None => Ok(()),
        }
    }

    /// A validator is told by another what it said.
    pub fn is_told(&mut self, validator: Address, by: Address) {
        if let Some(asked) = self.asked.get_mut(&validator) {
            asked.answered.insert(by);
        }
    }

    /// A validator acks: if that is not what its log held last, it has to have asked.
    pub(super) fn acks_anew(&self, validator: Address, ack: &Ack) -> Result<(), Violation> {
        self.speaks(validator, |asked| asked.said.get(&ack.term).is_some_and(|said| said.ack == Some(*ack)))
    }

    /// A validator votes to close a term: the same goes for the vote.
    ///
    /// # Errors
    /// It has not asked.
    pub fn closes_anew(&self, validator: Address, vote: &CloseVote) -> Result<(), Violation> {
        self.speaks(validator, |asked| asked.said.get(&vote.term).is_some_and(|said| said.close.as_ref() == Some(vote)))
    }

    fn speaks(&self, validator: Address, repeats: impl Fn(&Asked) -> bool) -> Result<(), Violation> {
        let asked = self.asked.get(&validator).filter(|asked| !self.is_liar(&validator) && !repeats(asked));
        let Some(asked) = asked else { return Ok(()) };
        let weight = asked.answered.iter().filter_map(|by| Some(asked.set.get(by)?.weight)).sum();
        if is_quorum(&asked.set, weight) {
            return Ok(());
        }
        let what = format!("{validator} speaks, though only {weight} of {} told it what it said", asked.set.total());
        Err(Violation::new(8, what))
    }

    /// A validator registers a new incarnation: only one that has lost its memory has a reason to.
    ///
    /// # Errors
    /// It runs on its own disk.
    pub fn reincarnates(&self, validator: Address) -> Result<(), Violation> {
        if self.may_be_convicted(&validator) {
            return Ok(());
        }
        Err(Violation::new(8, format!("{validator}, on its own disk, takes itself to have forgotten something")))
    }
}

/// What was said in a term and is not remembered, in words.
fn forgotten(spoken: &Spoken, said: SpokenInTerm) -> Option<String> {
    let acked = said.ack.map_or(0, |ack| ack.block.number);
    let highest = spoken.acks.last_key_value().map_or(0, |(number, _)| *number);
    if highest > acked {
        return Some(format!("its ack of block {highest}; the last that it knows of is {acked}"));
    }
    let named = spoken.highest_named.as_ref().and_then(|ack| ack.certificate);
    let held = said.certificate.map_or(0, |certificate| certificate.number);
    if let Some(named) = named.filter(|named| named.number > held) {
        return Some(format!("the certificate of {named} that it named; the highest that it knows of is {held}"));
    }
    (spoken.close.is_some() && spoken.close != said.close).then(|| "its close vote".to_owned())
}

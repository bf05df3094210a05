//! Proofs of offences as the Slasher takes them.

use alloy_primitives::Address;
use horae_contracts::{LockingPool, Proof, Slasher, Statement, recoverable};
use horae_control::{EngineStatement, Said, SaidAndSigned, Step};

use super::{Included, L1, L1Error, Sender};

/// What L1 says of an offence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffenceOnL1 {
    /// The contract that convicts.
    pub slasher: Address,
    /// Number of the offender at the LockingPool; zero if L1 does not know its signer.
    pub id: u64,
    /// Whether it was convicted of what it did in that term.
    pub is_convicted: bool,
}

impl L1 {
    /// Whether an offence has been punished, as of the head of L1; `None` if the LockingPool works with no Slasher.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`], [`L1Error::Nonsense`].
    pub async fn offence(&self, proof: &horae_control::Proof) -> Result<Option<OffenceOnL1>, L1Error> {
        let Some(slasher) = self.slasher().await? else { return Ok(None) };
        let id = self.view(self.locking(), LockingPool::validatorOfSignerCall { signer: proof.validator }).await?;
        let convicted = Slasher::isConvictedCall { id, epoch: proof.epoch, term: proof.term };
        let is_convicted = id != 0 && self.view(slasher, convicted).await?;
        Ok(Some(OffenceOnL1 { slasher, id, is_convicted }))
    }
}

/// What came of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported {
    /// The LockingPool works with no Slasher.
    NoSlasher,
    /// L1 had punished the offence before.
    Before,
    /// It has now.
    Now(Included),
}

impl Sender {
    /// Reports an offence for a share of the penalty, and waits until that is in a block; sends nothing if L1 has punished it already.
    ///
    /// # Errors
    /// [`L1Error::Reverted`] if the Slasher would refuse it, and all others of sending.
    pub async fn report(&self, proof: &horae_control::Proof) -> Result<Reported, L1Error> {
        let Some(OffenceOnL1 { slasher, is_convicted, .. }) = self.l1().offence(proof).await? else {
            return Ok(Reported::NoSlasher);
        };
        if is_convicted {
            return Ok(Reported::Before);
        }
        let call = Slasher::reportCall { proof: for_slasher(proof), reporter: self.address() };
        match self.call(slasher, &call).await {
            Ok(included) => Ok(Reported::Now(included)),
            // Another was first between the look and the try.
            Err(L1Error::Reverted { reason }) if reason.starts_with("AlreadyConvicted") => Ok(Reported::Before),
            Err(why) => Err(why),
        }
    }
}

/// A proof in the words of the contract.
pub fn for_slasher(proof: &horae_control::Proof) -> Proof {
    Proof {
        validator: proof.validator,
        incarnation: proof.incarnation,
        epoch: proof.epoch,
        term: proof.term,
        first: statement(&proof.first),
        second: statement(&proof.second),
    }
}

fn statement(signed: &SaidAndSigned) -> Statement {
    Statement {
        kind: kind(&signed.said),
        slot: signed.said.slot(),
        words: signed.said.words(),
        listed: signed.said.listed(),
        signature: recoverable(&signed.signature.0),
    }
}

/// `ISlasher.Kind`.
fn kind(said: &Said) -> u8 {
    match said {
        Said::Block { .. } => 0,
        Said::Ack { .. } => 1,
        Said::Close { .. } => 2,
        Said::Engine(EngineStatement { step: Step::Prevote | Step::Precommit, .. }) => 3,
        Said::Engine(EngineStatement { step: Step::Proposal, .. }) => 4,
    }
}

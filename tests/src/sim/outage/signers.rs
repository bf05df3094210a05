//! A signer of the group that is silent or lies, and what a batch's signature costs then.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;
use horae_mpc::SigningRequest;
use horae_node::chain_view::SigningFaultKind;

use crate::sim::byzantine::Lie;
use crate::sim::judge::Violation;
use crate::sim::world::World;

/// The first term is open.
const BEGINS_MS: u64 = 10_000;

/// What is wrong with a signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadSigner {
    /// It answers nothing that a signature needs.
    Silent,
    /// It promises its share, and never gives it.
    Withholding,
    /// Its shares are wrong.
    Lying,
}

impl BadSigner {
    /// The lies of such a signer.
    #[must_use]
    pub fn lies(self) -> Vec<Lie> {
        match self {
            Self::Silent => vec![Lie::WithholdsCommitments, Lie::WithholdsShares],
            Self::Withholding => vec![Lie::WithholdsShares],
            Self::Lying => vec![Lie::SpoilsShares],
        }
    }
}

/// What batches cost beside a bad signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Batches accepted.
    pub batches: u64,
    /// Lies that the signer told.
    pub lies: u64,
    /// Rounds beyond the first, of the batch that needed most.
    pub most_extra_rounds: usize,
    /// Rounds beyond the first, of all batches.
    pub extra_rounds: usize,
    /// What the others' councils show that the signer did, and how often.
    pub faults: BTreeMap<SigningFaultKind, u64>,
    /// The others' councils that call it a liar.
    pub called_liar_by: usize,
    /// Others that were called liars.
    pub others_called_liars: usize,
}

/// Rounds of signing: requests for shares, by the digest that was to be signed.
#[derive(Default)]
pub struct Rounds(BTreeMap<B256, BTreeSet<B256>>);

impl Rounds {
    /// Notes a request that leaves its coordinator.
    pub fn note(&mut self, request: &SigningRequest) {
        self.0.entry(request.digest).or_default().insert(request.session());
    }

    fn of(&self, digest: &B256) -> usize {
        self.0.get(digest).map_or(0, BTreeSet::len)
    }
}

impl World {
    /// Batches are signed beside a bad signer until this many are accepted.
    ///
    /// # Errors
    /// The first thing seen that must not be.
    pub fn signing_beside(mut self, bad: usize, batches: u64, limit_ms: u64) -> Result<Signed, Violation> {
        self.run_to(BEGINS_MS)?;
        self.wait_for("batches", limit_ms, |world| world.batches() >= batches)?;
        self.judge.rebuild(&self.beginning.genesis, &self.l1)?;
        let extra = |digest: &B256| self.rounds.of(digest).saturating_sub(1);
        let extra: Vec<usize> = self.l1.batches().map(|accepted| extra(&accepted.digest)).collect();
        let (mut faults, mut called_liar_by, mut others_called_liars) = (BTreeMap::new(), 0, 0);
        for node in (0..self.nodes.len()).filter(|node| *node != bad) {
            let Some(running) = self.running(node) else { continue };
            for of in 0..self.nodes.len() {
                let shown = running.side.signing_faults.of(&self.nodes[of].address);
                let liar = shown.iter().any(|fault| fault.kind == SigningFaultKind::BadShare);
                if of == bad {
                    called_liar_by += usize::from(liar);
                    shown.iter().for_each(|fault| *faults.entry(fault.kind).or_default() += fault.count);
                } else {
                    others_called_liars += usize::from(liar);
                }
            }
        }
        Ok(Signed {
            batches: self.batches(),
            lies: self.nodes[bad].mask.as_ref().map_or(0, |mask| mask.told),
            most_extra_rounds: extra.iter().copied().max().unwrap_or_default(),
            extra_rounds: extra.iter().sum(),
            faults,
            called_liar_by,
            others_called_liars,
        })
    }
}

//! Double votes and proposals, in the form that the node and L1 can check.
//!
//! The engine reports what it sees before a height is decided. What comes later, and it drops, is compared here.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::keccak256;
use arc_malachitebft_core_consensus::MisbehaviorEvidence;
use arc_malachitebft_core_types::{SignedProposal, SignedVote};
use horae_control::{
    Decision, Domain, EngineStatement, Precommit, Proof, Said, SaidAndSigned, Signature, SignedEngineStatement, Step,
    recover,
};

use crate::{
    context::{Height, Members, Plane, Signer},
    limits,
    signing::{proposal_statement, vote_statement},
};

/// What one validator may sign only one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    height: Height,
    round: u32,
    step: Step,
    signer: Signer,
}

impl Place {
    fn of(statement: &EngineStatement, signer: Signer) -> Self {
        Self { height: Height(statement.height), round: statement.round, step: statement.step, signer }
    }
}

/// A statement and a signature that is to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Signed {
    statement: EngineStatement,
    signature: Signature,
}

impl From<Signed> for SaidAndSigned {
    fn from(signed: Signed) -> Self {
        Self { said: Said::Engine(signed.statement), signature: signed.signature }
    }
}

fn vote(vote: &SignedVote<Plane>) -> Option<(Place, Signed)> {
    let statement = vote_statement(vote, vote.round.as_u32()?);
    let signature = Signature(vote.signature.0);
    Some((Place::of(&statement, vote.voter), Signed { statement, signature }))
}

fn proposal(proposal: &SignedProposal<Plane>) -> Option<(Place, Signed)> {
    let statement = proposal_statement(proposal, proposal.round.as_u32()?);
    let signature = Signature(proposal.signature.0);
    Some((Place::of(&statement, proposal.proposer), Signed { statement, signature }))
}

/// Remembers what validators signed in the last heights.
#[derive(Debug)]
pub(crate) struct Witness {
    domain: Domain,
    heights: BTreeMap<Height, Members>,
    seen: BTreeMap<Place, Signed>,
    /// Of each member the newest of what was seen in heights that are forgotten by now, or decided before the start.
    newest: BTreeMap<Signer, SignedEngineStatement>,
    reported: BTreeSet<Place>,
}

impl Witness {
    pub(crate) fn new(domain: Domain) -> Self {
        Self {
            domain,
            heights: BTreeMap::new(),
            seen: BTreeMap::new(),
            newest: BTreeMap::new(),
            reported: BTreeSet::new(),
        }
    }

    /// A height begins; old ones are forgotten, but for the newest that each member signed.
    pub(crate) fn enter(&mut self, height: Height, members: Members) {
        let oldest = Height(height.0.saturating_sub(limits::WITNESSED_HEIGHTS));
        let leaving: Vec<Signer> =
            self.seen.keys().filter(|place| place.height <= oldest).map(|place| place.signer).collect();
        for signer in leaving.into_iter().collect::<BTreeSet<_>>() {
            if let Some(newest) = self.newest_of(&signer) {
                self.newest.insert(signer, newest);
            }
        }
        self.newest.retain(|signer, _| members.get(signer).is_some());
        self.heights.insert(height, members);
        self.heights.retain(|h, _| *h > oldest);
        self.seen.retain(|place, _| place.height > oldest);
        self.reported.retain(|place| place.height > oldest);
    }

    /// A decision shows what its authors signed, though nobody here saw them sign it. `members` are those of its height, as
    /// far as that is known: of others the signatures do not count.
    pub(crate) fn decided(&mut self, members: &Members, decision: &Decision) {
        let Decision { height, round, .. } = *decision;
        let value = keccak256(&decision.value);
        let statement = EngineStatement { step: Step::Precommit, height, round, value, pol_round: None };
        for Precommit { validator, signature } in decision.precommits.iter().copied() {
            let signer = Signer(validator);
            let Some(key) = members.get(&signer).map(|member| member.key) else { continue };
            let (incarnation, epoch) = (key.incarnation, key.epoch);
            let shown = SignedEngineStatement { incarnation, epoch, statement, signature };
            let newer = self.newest.get(&signer).is_none_or(|known| known.statement.place() < statement.place());
            if newer && shown.is_by(&validator, &self.domain) {
                self.newest.insert(signer, shown);
            }
        }
    }

    /// Looks at a vote from a peer.
    pub(crate) fn vote(&mut self, signed: &SignedVote<Plane>) -> Option<Proof> {
        vote(signed).and_then(|(place, signed)| self.compare(place, signed))
    }

    /// Looks at a proposal from a peer.
    pub(crate) fn proposal(&mut self, signed: &SignedProposal<Plane>) -> Option<Proof> {
        proposal(signed).and_then(|(place, signed)| self.compare(place, signed))
    }

    /// What the engine found that was not reported before.
    pub(crate) fn found(&mut self, found: &MisbehaviorEvidence<Plane>) -> Vec<Proof> {
        let votes = found.votes.iter().flat_map(|(_, pairs)| pairs).map(|(a, b)| (vote(a), vote(b)));
        let proposals = found.proposals.iter().flat_map(|(_, pairs)| pairs).map(|(a, b)| (proposal(a), proposal(b)));
        let pairs = votes.chain(proposals).filter_map(|(a, b)| Some((a?, b?)));
        pairs.filter_map(|((place, first), (_, second))| self.report(place, first, second)).collect()
    }

    fn compare(&mut self, place: Place, second: Signed) -> Option<Proof> {
        let known = self.heights.get(&place.height).is_some_and(|members| members.get(&place.signer).is_some());
        if !known || place.round > limits::WITNESSED_ROUNDS || self.reported.contains(&place) {
            return None;
        }
        let Some(first) = self.seen.get(&place).copied() else {
            self.seen.insert(place, second);
            return None;
        };
        if first.statement == second.statement || !self.signed(&place, &second) {
            return None;
        }
        if !self.signed(&place, &first) {
            // Somebody else put it there.
            self.seen.insert(place, second);
            return None;
        }
        self.report(place, first, second)
    }

    /// The newest thing that a validator is known to have signed.
    pub(crate) fn newest_of(&self, signer: &Signer) -> Option<SignedEngineStatement> {
        let theirs = self.seen.iter().filter(|(place, signed)| place.signer == *signer && self.signed(place, signed));
        let seen = theirs.max_by_key(|(_, signed)| signed.statement.place()).and_then(|(place, signed)| {
            let key = self.heights.get(&place.height)?.get(&place.signer)?.key;
            let (incarnation, epoch) = (key.incarnation, key.epoch);
            Some(SignedEngineStatement { incarnation, epoch, statement: signed.statement, signature: signed.signature })
        });
        seen.into_iter().chain(self.newest.get(signer).copied()).max_by_key(|shown| shown.statement.place())
    }

    fn signed(&self, place: &Place, signed: &Signed) -> bool {
        let Some(member) = self.heights.get(&place.height).and_then(|members| members.get(&place.signer)) else {
            return false;
        };
        let digest = signed.statement.digest(&self.domain, member.key.incarnation, member.key.epoch);
        recover(digest, &signed.signature) == Some(member.key.signer)
    }

    fn report(&mut self, place: Place, first: Signed, second: Signed) -> Option<Proof> {
        let key = self.heights.get(&place.height)?.get(&place.signer)?.key;
        if !self.reported.insert(place) {
            return None;
        }
        let Place { height, round, step, .. } = place;
        let (validator, incarnation, epoch) = (key.signer, key.incarnation, key.epoch);
        tracing::warn!(%validator, %height, round, ?step, "a validator signed twice");
        metrics::counter!("horae_tendermint_evidence_total").increment(1);
        Some(Proof { validator, incarnation, epoch, term: 0, first: first.into(), second: second.into() })
    }

    /// Takes back a report that did not reach the node.
    pub(crate) fn unreported(&mut self, proof: &Proof) {
        if let Said::Engine(statement) = &proof.first.said {
            self.reported.remove(&Place::of(statement, Signer(proof.validator)));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alloy_primitives::{Address, B256};
    use arc_malachitebft_core_types::{NilOrVal, Round, VoteType};
    use horae_control::{Offence, SignerKey};

    use super::*;
    use crate::{
        NextHeight, Validator,
        context::{ValueHash, Vote, VoteKey, VoteSignature},
        signing::VoteSigner,
    };

    const DOMAIN: Domain = Domain { chain_id: 1, locking: Address::repeat_byte(2) };

    fn signer() -> VoteSigner {
        let signer = VoteSigner::new(SignerKey::from_bytes(&[3; 32]).unwrap(), DOMAIN);
        signer.enter(VoteKey { signer: signer.address(), incarnation: 1, epoch: 2 });
        signer
    }

    fn witness(signer: &VoteSigner) -> Witness {
        let validator = Validator { signer: signer.address(), node_key: [1; 32], weight: 1, incarnation: 1 };
        let members = Members::new(&NextHeight { epoch: 2, validators: vec![validator], pending: false }).unwrap();
        let mut witness = Witness::new(DOMAIN);
        for height in 1..=9 {
            witness.enter(Height(height), members.clone());
        }
        witness
    }

    fn vote_for(signer: &VoteSigner, height: u64, kind: VoteType, value: &[u8]) -> SignedVote<Plane> {
        let value = if value.is_empty() { NilOrVal::Nil } else { NilOrVal::Val(ValueHash::of(value)) };
        let voter = Signer(signer.address());
        signer.vote(Vote { kind, height: Height(height), round: Round::new(0), value, voter })
    }

    #[test]
    fn two_votes_in_one_place_are_reported_once() {
        let signer = signer();
        let mut witness = witness(&signer);
        assert_eq!(witness.vote(&vote_for(&signer, 9, VoteType::Prevote, b"a")), None);
        assert_eq!(witness.vote(&vote_for(&signer, 9, VoteType::Prevote, b"a")), None);
        assert_eq!(witness.vote(&vote_for(&signer, 9, VoteType::Precommit, b"b")), None);
        assert_eq!(witness.vote(&vote_for(&signer, 8, VoteType::Prevote, b"b")), None);
        let evidence = witness.vote(&vote_for(&signer, 9, VoteType::Prevote, b"")).unwrap();
        assert_eq!((evidence.offence(), evidence.engine_height()), (Ok(Offence::DoubleVote), Some(9)));
        let Said::Engine(second) = evidence.second.said else { panic!("a Tendermint statement") };
        assert_eq!((second.step, second.value), (Step::Prevote, B256::ZERO));
        assert_eq!(witness.vote(&vote_for(&signer, 9, VoteType::Prevote, b"c")), None);
        witness.unreported(&evidence);
        assert!(witness.vote(&vote_for(&signer, 9, VoteType::Prevote, b"c")).is_some());
    }

    #[test]
    fn what_somebody_else_signed_neither_convicts_nor_hides() {
        let signer = signer();
        let mut witness = witness(&signer);
        let mut forged = vote_for(&signer, 9, VoteType::Prevote, b"forged");
        forged.signature = VoteSignature([1; 65]);
        assert_eq!(witness.vote(&forged), None);
        assert_eq!(witness.vote(&vote_for(&signer, 9, VoteType::Prevote, b"a")), None);
        assert_eq!(witness.vote(&forged), None);
        assert!(witness.vote(&vote_for(&signer, 9, VoteType::Prevote, b"b")).is_some());
    }

    #[test]
    fn what_decisions_show_of_a_validator_outlives_the_heights_that_are_watched() {
        let signer = signer();
        let members = || {
            let (signer, node_key) = (signer.address(), [4; 32]);
            let member = Validator { signer, node_key, weight: 1, incarnation: 1 };
            Members::new(&NextHeight { epoch: 2, validators: vec![member], pending: false }).unwrap()
        };
        let value = b"decided".to_vec();
        let decision = |height: u64| {
            let statement =
                EngineStatement { step: Step::Precommit, height, round: 0, value: keccak256(&value), pol_round: None };
            let key = SignerKey::from_bytes(&[3; 32]).unwrap();
            let signature = key.sign(statement.digest(&DOMAIN, 1, 2));
            let precommits = vec![Precommit { validator: key.address(), signature }];
            Decision { height, round: 0, value: value.clone(), precommits }
        };
        let mut witness = Witness::new(DOMAIN);
        witness.decided(&members(), &decision(9));
        witness.decided(&members(), &decision(5));
        for height in 10..30 {
            witness.enter(Height(height), members());
        }
        let newest = witness.newest_of(&Signer(signer.address())).unwrap();
        assert_eq!((newest.statement.height, newest.statement.step), (9, Step::Precommit));
        assert!(newest.is_by(&signer.address(), &DOMAIN));

        let mut forged = decision(12);
        forged.precommits[0].signature.0[3] ^= 1;
        witness.decided(&members(), &forged);
        assert_eq!(witness.newest_of(&Signer(signer.address())), Some(newest));
    }

    #[test]
    fn the_newest_thing_signed_is_shown_and_can_be_checked() {
        let signer = signer();
        let mut witness = witness(&signer);
        assert_eq!(witness.newest_of(&Signer(signer.address())), None);
        witness.vote(&vote_for(&signer, 9, VoteType::Precommit, b"a"));
        witness.vote(&vote_for(&signer, 9, VoteType::Prevote, b"a"));
        let newest = witness.newest_of(&Signer(signer.address())).unwrap();
        assert_eq!((newest.statement.height, newest.statement.step, newest.incarnation), (9, Step::Precommit, 1));
        assert!(newest.is_by(&signer.address(), &DOMAIN));
    }

    #[test]
    fn old_and_future_heights_are_not_kept() {
        let signer = signer();
        let mut witness = witness(&signer);
        let old = 9 - limits::WITNESSED_HEIGHTS;
        for height in [old, 10, u64::MAX] {
            assert_eq!(witness.vote(&vote_for(&signer, height, VoteType::Prevote, b"a")), None);
            assert_eq!(witness.vote(&vote_for(&signer, height, VoteType::Prevote, b"b")), None);
        }
        assert!(witness.seen.is_empty());
        assert_eq!(witness.vote(&vote_for(&signer, old + 1, VoteType::Prevote, b"a")), None);
        assert!(witness.vote(&vote_for(&signer, old + 1, VoteType::Prevote, b"b")).is_some());
    }
}

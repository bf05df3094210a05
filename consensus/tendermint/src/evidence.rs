//! Double votes and proposals, in the form that the node and L1 can check.
//!
//! The engine reports what it sees before a height is decided. What comes later, and it drops, is compared here.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;
use arc_malachitebft_core_consensus::MisbehaviorEvidence;
use arc_malachitebft_core_types::{NilOrVal, Round, SignedProposal, SignedVote, VoteType};
use horae_control::{Domain, Signature, recover};

use crate::{
    Evidence, EvidenceKind, SignedStatement, Witnessed,
    context::{Height, Members, Plane, Signer},
    limits,
    signing::statement,
};

/// What one validator may sign only one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    height: Height,
    round: u32,
    kind: EvidenceKind,
    signer: Signer,
}

impl Place {
    fn of(evidence: &Evidence) -> Self {
        let Evidence { height, round, kind, signer, .. } = *evidence;
        Self { height: Height(height), round, kind, signer: Signer(signer) }
    }
}

fn vote(vote: &SignedVote<Plane>) -> Option<(Place, SignedStatement)> {
    let kind = match vote.kind {
        VoteType::Prevote => EvidenceKind::Prevote,
        VoteType::Precommit => EvidenceKind::Precommit,
    };
    let value = match vote.value {
        NilOrVal::Nil => B256::ZERO,
        NilOrVal::Val(hash) => hash.0,
    };
    let place = Place { height: vote.height, round: vote.round.as_u32()?, kind, signer: vote.voter };
    Some((place, SignedStatement { value, pol_round: None, signature: Signature(vote.signature.0) }))
}

fn proposal(proposal: &SignedProposal<Plane>) -> Option<(Place, SignedStatement)> {
    let Round::Some(round) = proposal.round else { return None };
    let place = Place { height: proposal.height, round, kind: EvidenceKind::Proposal, signer: proposal.proposer };
    let pol_round = proposal.pol_round.as_u32();
    let signature = Signature(proposal.signature.0);
    Some((place, SignedStatement { value: proposal.value.0, pol_round, signature }))
}

/// Whether two statements say the same; signatures of one statement may differ.
fn same(a: &SignedStatement, b: &SignedStatement) -> bool {
    (a.value, a.pol_round) == (b.value, b.pol_round)
}

/// Remembers what validators signed in the last heights.
#[derive(Debug)]
pub(crate) struct Witness {
    domain: Domain,
    heights: BTreeMap<Height, Members>,
    seen: BTreeMap<Place, SignedStatement>,
    reported: BTreeSet<Place>,
}

impl Witness {
    pub(crate) fn new(domain: Domain) -> Self {
        Self { domain, heights: BTreeMap::new(), seen: BTreeMap::new(), reported: BTreeSet::new() }
    }

    /// A height begins; old ones are forgotten.
    pub(crate) fn enter(&mut self, height: Height, members: Members) {
        self.heights.insert(height, members);
        let oldest = Height(height.0.saturating_sub(limits::WITNESSED_HEIGHTS));
        self.heights.retain(|h, _| *h > oldest);
        self.seen.retain(|place, _| place.height > oldest);
        self.reported.retain(|place| place.height > oldest);
    }

    /// Looks at a vote from a peer.
    pub(crate) fn vote(&mut self, signed: &SignedVote<Plane>) -> Option<Evidence> {
        vote(signed).and_then(|(place, statement)| self.compare(place, statement))
    }

    /// Looks at a proposal from a peer.
    pub(crate) fn proposal(&mut self, signed: &SignedProposal<Plane>) -> Option<Evidence> {
        proposal(signed).and_then(|(place, statement)| self.compare(place, statement))
    }

    /// What the engine found that was not reported before.
    pub(crate) fn found(&mut self, found: &MisbehaviorEvidence<Plane>) -> Vec<Evidence> {
        let votes = found.votes.iter().flat_map(|(_, pairs)| pairs).map(|(a, b)| (vote(a), vote(b)));
        let proposals = found.proposals.iter().flat_map(|(_, pairs)| pairs).map(|(a, b)| (proposal(a), proposal(b)));
        let pairs = votes.chain(proposals).filter_map(|(a, b)| Some((a?, b?)));
        pairs.filter_map(|((place, first), (_, second))| self.report(place, first, second)).collect()
    }

    fn compare(&mut self, place: Place, statement: SignedStatement) -> Option<Evidence> {
        let known = self.heights.get(&place.height).is_some_and(|members| members.get(&place.signer).is_some());
        if !known || place.round > limits::WITNESSED_ROUNDS || self.reported.contains(&place) {
            return None;
        }
        let Some(first) = self.seen.get(&place).copied() else {
            self.seen.insert(place, statement);
            return None;
        };
        if same(&first, &statement) || !self.signed(&place, &statement) {
            return None;
        }
        if !self.signed(&place, &first) {
            // Somebody else put it there.
            self.seen.insert(place, statement);
            return None;
        }
        self.report(place, first, statement)
    }

    /// The newest thing that a validator is known to have signed.
    pub(crate) fn newest_of(&self, signer: &Signer) -> Option<Witnessed> {
        let theirs = self.seen.iter().filter(|(place, signed)| place.signer == *signer && self.signed(place, signed));
        let (place, signed) = theirs.max_by_key(|(place, _)| place.kind.place(place.height.0, place.round))?;
        let key = self.heights.get(&place.height)?.get(&place.signer)?.key;
        let Place { height, round, kind, .. } = *place;
        let (incarnation, epoch) = (key.incarnation, key.epoch);
        Some(Witnessed { incarnation, epoch, height: height.0, round, kind, signed: *signed })
    }

    fn signed(&self, place: &Place, signed: &SignedStatement) -> bool {
        let Some(member) = self.heights.get(&place.height).and_then(|members| members.get(&place.signer)) else {
            return false;
        };
        let (scope, at) = ((member.key.incarnation, member.key.epoch), (place.height.0, place.round));
        let digest = statement(&self.domain, scope, place.kind, at, signed.value, signed.pol_round);
        recover(digest, &signed.signature) == Some(member.key.signer)
    }

    fn report(&mut self, place: Place, first: SignedStatement, second: SignedStatement) -> Option<Evidence> {
        let key = self.heights.get(&place.height)?.get(&place.signer)?.key;
        if !self.reported.insert(place) {
            return None;
        }
        let Place { height, round, kind, .. } = place;
        let (signer, incarnation, epoch) = (key.signer, key.incarnation, key.epoch);
        tracing::warn!(%signer, %height, round, ?kind, "a validator signed twice");
        metrics::counter!("horae_tendermint_evidence_total").increment(1);
        Some(Evidence { signer, incarnation, epoch, height: height.0, round, kind, first, second })
    }

    /// Takes back a report that did not reach the node.
    pub(crate) fn unreported(&mut self, evidence: &Evidence) {
        self.reported.remove(&Place::of(evidence));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alloy_primitives::Address;
    use horae_control::SignerKey;

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
        assert_eq!((evidence.kind, evidence.height), (EvidenceKind::Prevote, 9));
        assert_eq!(evidence.second.value, B256::ZERO);
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
    fn the_newest_thing_signed_is_shown_and_can_be_checked() {
        let signer = signer();
        let mut witness = witness(&signer);
        assert_eq!(witness.newest_of(&Signer(signer.address())), None);
        witness.vote(&vote_for(&signer, 9, VoteType::Precommit, b"a"));
        witness.vote(&vote_for(&signer, 9, VoteType::Prevote, b"a"));
        let newest = witness.newest_of(&Signer(signer.address())).unwrap();
        assert_eq!((newest.height, newest.kind, newest.incarnation), (9, EvidenceKind::Precommit, 1));
        let place = newest.place_of(&signer.address(), &DOMAIN).unwrap();
        assert_eq!(place, EvidenceKind::Precommit.place(9, newest.round));
        assert_eq!(newest.place_of(&Address::repeat_byte(1), &DOMAIN), None);
        assert_eq!(Witnessed { incarnation: 2, ..newest }.place_of(&signer.address(), &DOMAIN), None);
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

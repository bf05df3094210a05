//! Signs and checks votes and proposals with secp256k1 signer keys, over the statement digest of the protocol.
//!
//! The digest is [`horae_control::digest`] with the kinds `Vote` and `Proposal`, term and slot 0, and as content
//! [`horae_control::decision::vote_content`].

use std::sync::{Arc, RwLock};

use alloy_primitives::{Address, B256};
use arc_malachitebft_core_types::{NilOrVal, Round, SignedMessage, ValidatorProof, VoteExtensionScope, VoteType};
use arc_malachitebft_signing::{Error, Signer as EngineSigner, VerificationResult, Verifier};
use async_trait::async_trait;
use bytes::Bytes;
use horae_control::{
    Domain, Kind, Signature, SignerKey,
    decision::{Step, vote_content},
    digest, recover,
};

use crate::{
    EvidenceKind,
    context::{Plane, Proposal, Vote, VoteKey, VoteSignature},
};

/// The statement digest of a vote or proposal. `value` is zero for nil; `pol_round` is for proposals.
pub fn statement(
    domain: &Domain,
    (incarnation, epoch): (u64, u64),
    kind: EvidenceKind,
    (height, round): (u64, u32),
    value: B256,
    pol_round: Option<u32>,
) -> B256 {
    let (kind, step) = match kind {
        EvidenceKind::Prevote => (Kind::Vote, Step::Prevote),
        EvidenceKind::Precommit => (Kind::Vote, Step::Precommit),
        EvidenceKind::Proposal => (Kind::Proposal, Step::Proposal),
    };
    digest(domain, kind, incarnation, epoch, 0, 0, vote_content(step, height, round, value, pol_round))
}

/// A round as the engine has it in a signed message; only the lack of one is not a number.
fn number(round: Round) -> u32 {
    round.as_u32().unwrap_or(u32::MAX)
}

/// The digest of a vote by the holder of `key`.
pub(crate) fn vote_digest(domain: &Domain, key: &VoteKey, vote: &Vote) -> B256 {
    let kind = match vote.kind {
        VoteType::Prevote => EvidenceKind::Prevote,
        VoteType::Precommit => EvidenceKind::Precommit,
    };
    let value = match vote.value {
        NilOrVal::Nil => B256::ZERO,
        NilOrVal::Val(hash) => hash.0,
    };
    statement(domain, (key.incarnation, key.epoch), kind, (vote.height.0, number(vote.round)), value, None)
}

/// The digest of a proposal by the holder of `key`.
pub(crate) fn proposal_digest(domain: &Domain, key: &VoteKey, proposal: &Proposal) -> B256 {
    let at = (proposal.height.0, number(proposal.round));
    let pol_round = proposal.pol_round.as_u32();
    statement(domain, (key.incarnation, key.epoch), EvidenceKind::Proposal, at, proposal.value.0, pol_round)
}

/// Whether the holder of `key` signed the digest.
pub(crate) fn signed_by(digest: B256, signature: &VoteSignature, key: &VoteKey) -> bool {
    recover(digest, &Signature(signature.0)) == Some(key.signer)
}

/// Checks signatures for the engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VoteVerifier(pub Domain);

fn outcome(valid: bool) -> Result<VerificationResult, Error> {
    Ok(VerificationResult::from_bool(valid))
}

#[async_trait]
impl Verifier<Plane> for VoteVerifier {
    async fn verify_signed_vote(
        &self,
        vote: &Vote,
        signature: &VoteSignature,
        key: &VoteKey,
    ) -> Result<VerificationResult, Error> {
        outcome(vote.voter.0 == key.signer && signed_by(vote_digest(&self.0, key, vote), signature, key))
    }

    async fn verify_signed_proposal(
        &self,
        proposal: &Proposal,
        signature: &VoteSignature,
        key: &VoteKey,
    ) -> Result<VerificationResult, Error> {
        outcome(proposal.proposer.0 == key.signer && signed_by(proposal_digest(&self.0, key, proposal), signature, key))
    }

    async fn verify_signed_vote_extension(
        &self,
        _: &VoteExtensionScope<Plane>,
        _: &Bytes,
        _: &VoteSignature,
        _: &VoteKey,
    ) -> Result<VerificationResult, Error> {
        outcome(false)
    }

    async fn verify_validator_proof(&self, _: &ValidatorProof<Plane>) -> Result<VerificationResult, Error> {
        outcome(false)
    }
}

/// Signs for the engine. Which incarnation and epoch it signs in is set before each height.
#[derive(Clone)]
pub(crate) struct VoteSigner {
    key: Arc<SignerKey>,
    domain: Domain,
    scope: Arc<RwLock<VoteKey>>,
}

impl VoteSigner {
    /// A signer that signs nothing useful until [`Self::enter`].
    pub(crate) fn new(key: SignerKey, domain: Domain) -> Self {
        let scope = VoteKey { signer: key.address(), incarnation: 0, epoch: 0 };
        Self { key: Arc::new(key), domain, scope: Arc::new(RwLock::new(scope)) }
    }

    /// The identity it signs as.
    pub(crate) fn address(&self) -> Address {
        self.key.address()
    }

    /// What it is bound to.
    pub(crate) fn domain(&self) -> Domain {
        self.domain
    }

    /// Signs from now on in this incarnation and epoch.
    pub(crate) fn enter(&self, key: VoteKey) {
        *self.scope.write().unwrap_or_else(|e| e.into_inner()) = key;
    }

    fn scope(&self) -> VoteKey {
        *self.scope.read().unwrap_or_else(|e| e.into_inner())
    }

    fn sign(&self, digest: B256) -> VoteSignature {
        VoteSignature(self.key.sign(digest).0)
    }

    /// Signs a vote.
    pub(crate) fn vote(&self, vote: Vote) -> SignedMessage<Plane, Vote> {
        SignedMessage::new(vote, self.sign(vote_digest(&self.domain, &self.scope(), &vote)))
    }

    /// Signs a proposal.
    pub(crate) fn proposal(&self, proposal: Proposal) -> SignedMessage<Plane, Proposal> {
        SignedMessage::new(proposal, self.sign(proposal_digest(&self.domain, &self.scope(), &proposal)))
    }
}

#[async_trait]
impl EngineSigner<Plane> for VoteSigner {
    async fn sign_vote(&self, vote: Vote) -> Result<SignedMessage<Plane, Vote>, Error> {
        Ok(self.vote(vote))
    }

    async fn sign_proposal(&self, proposal: Proposal) -> Result<SignedMessage<Plane, Proposal>, Error> {
        Ok(self.proposal(proposal))
    }

    async fn sign_vote_extension(
        &self,
        _: VoteExtensionScope<Plane>,
        _: Bytes,
    ) -> Result<SignedMessage<Plane, Bytes>, Error> {
        Err(Error::from_source("vote extensions are not used"))
    }

    async fn sign_validator_proof(&self, _: Vec<u8>, _: Vec<u8>) -> Result<ValidatorProof<Plane>, Error> {
        Err(Error::from_source("validator proofs are not used: links are authenticated by node keys"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::context::{Height, Signer, ValueHash};

    const DOMAIN: Domain = Domain { chain_id: 1088, locking: Address::repeat_byte(7) };

    fn signer() -> (VoteSigner, VoteKey) {
        let signer = VoteSigner::new(SignerKey::from_bytes(&[5; 32]).unwrap(), DOMAIN);
        let key = VoteKey { signer: signer.address(), incarnation: 2, epoch: 9 };
        signer.enter(key);
        (signer, key)
    }

    fn vote(signer: &VoteSigner) -> Vote {
        Vote {
            kind: VoteType::Prevote,
            height: Height(4),
            round: Round::new(1),
            value: NilOrVal::Val(ValueHash::of(b"value")),
            voter: Signer(signer.address()),
        }
    }

    #[test]
    fn a_vote_is_bound_to_all_it_says() {
        let (signer, key) = signer();
        let vote = vote(&signer);
        let signed = signer.vote(vote);
        let holds = |key: &VoteKey, vote: &Vote| signed_by(vote_digest(&DOMAIN, key, vote), &signed.signature, key);
        assert!(holds(&key, &vote));
        assert!(!holds(&VoteKey { incarnation: 3, ..key }, &vote));
        assert!(!holds(&VoteKey { epoch: 8, ..key }, &vote));
        assert!(!holds(&key, &Vote { kind: VoteType::Precommit, ..vote }));
        assert!(!holds(&key, &Vote { round: Round::new(2), ..vote }));
        assert!(!holds(&key, &Vote { height: Height(5), ..vote }));
        assert!(!holds(&key, &Vote { value: NilOrVal::Nil, ..vote }));
        let elsewhere = Domain { chain_id: 1, ..DOMAIN };
        assert!(!signed_by(vote_digest(&elsewhere, &key, &vote), &signed.signature, &key));
    }

    #[test]
    fn a_proposal_is_bound_to_its_lock_round() {
        let (signer, key) = signer();
        let proposal = Proposal {
            height: Height(4),
            round: Round::new(1),
            value: ValueHash::of(b"value"),
            pol_round: Round::Nil,
            proposer: Signer(signer.address()),
        };
        let signed = signer.proposal(proposal);
        assert!(signed_by(proposal_digest(&DOMAIN, &key, &proposal), &signed.signature, &key));
        let locked = Proposal { pol_round: Round::new(0), ..proposal };
        assert!(!signed_by(proposal_digest(&DOMAIN, &key, &locked), &signed.signature, &key));
    }
}

//! Double votes and proposals as the engine finds them, in the form that the node and L1 can check.

use alloy_primitives::B256;
use arc_malachitebft_core_consensus::MisbehaviorEvidence;
use arc_malachitebft_core_types::{NilOrVal, VoteType};
use horae_control::Signature;

use crate::{
    Evidence, EvidenceKind, SignedStatement,
    context::{Members, Plane, Proposal, Vote, VoteSignature},
};

/// All evidence against these members.
pub(crate) fn all(members: &Members, found: &MisbehaviorEvidence<Plane>) -> Vec<Evidence> {
    let votes = found.votes.iter().flat_map(|(_, pairs)| pairs).filter_map(|(a, b)| {
        let kind = match a.kind {
            VoteType::Prevote => EvidenceKind::Prevote,
            VoteType::Precommit => EvidenceKind::Precommit,
        };
        let pair = (signed_vote(&a.message, &a.signature), signed_vote(&b.message, &b.signature));
        pair_of(members, kind, (a.voter, a.height.0, a.round), pair)
    });
    let proposals = found.proposals.iter().flat_map(|(_, pairs)| pairs).filter_map(|(a, b)| {
        let pair = (signed_proposal(&a.message, &a.signature), signed_proposal(&b.message, &b.signature));
        pair_of(members, EvidenceKind::Proposal, (a.proposer, a.height.0, a.round), pair)
    });
    votes.chain(proposals).collect()
}

fn pair_of(
    members: &Members,
    kind: EvidenceKind,
    (signer, height, round): (crate::context::Signer, u64, arc_malachitebft_core_types::Round),
    (first, second): (SignedStatement, SignedStatement),
) -> Option<Evidence> {
    let key = members.get(&signer)?.key;
    let round = round.as_u32()?;
    Some(Evidence {
        signer: key.signer,
        incarnation: key.incarnation,
        epoch: key.epoch,
        height,
        round,
        kind,
        first,
        second,
    })
}

fn signed_vote(vote: &Vote, signature: &VoteSignature) -> SignedStatement {
    let value = match vote.value {
        NilOrVal::Nil => B256::ZERO,
        NilOrVal::Val(hash) => hash.0,
    };
    SignedStatement { value, pol_round: None, signature: Signature(signature.0) }
}

fn signed_proposal(proposal: &Proposal, signature: &VoteSignature) -> SignedStatement {
    SignedStatement {
        value: proposal.value.0,
        pol_round: proposal.pol_round.as_u32(),
        signature: Signature(signature.0),
    }
}

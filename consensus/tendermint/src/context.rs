//! The types that Malachite is instantiated with.
//!
//! A value is only its hash here: the bytes travel with the signed proposal, are checked by the node, and are handed to the engine as a
//! [`CheckedValue`] once the node has judged them.

use std::{collections::HashSet, fmt, sync::Arc};

use alloy_primitives::{Address, B256, keccak256};
use arc_malachitebft_core_types::{
    self as core, Context, LinearTimeouts, NilOrVal, Round, SignedExtension, SigningScheme, Validity, VoteType,
};
use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use horae_control::Signature;

use crate::{NextHeight, NodeKey, limits};

/// Names the types to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plane;

/// Number of a decision, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub(crate) struct Height(pub u64);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::Height for Height {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// Address of a signer key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub(crate) struct Signer(pub Address);

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::Address for Signer {}

/// keccak256 of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub(crate) struct ValueHash(pub B256);

impl ValueHash {
    /// The hash of a value.
    pub(crate) fn of(value: &[u8]) -> Self {
        Self(keccak256(value))
    }
}

impl fmt::Display for ValueHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::Value for ValueHash {
    type Id = Self;

    fn id(&self) -> Self {
        *self
    }
}

/// What a proposer signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Proposal {
    pub height: Height,
    pub round: Round,
    pub value: ValueHash,
    pub pol_round: Round,
    pub proposer: Signer,
}

impl core::Proposal<Plane> for Proposal {
    fn height(&self) -> Height {
        self.height
    }
    fn round(&self) -> Round {
        self.round
    }
    fn value(&self) -> &ValueHash {
        &self.value
    }
    fn take_value(self) -> ValueHash {
        self.value
    }
    fn pol_round(&self) -> Round {
        self.pol_round
    }
    fn validator_address(&self) -> &Signer {
        &self.proposer
    }
}

/// A value that the node has judged; made by this node only and never on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct CheckedValue {
    pub proposal: Proposal,
    pub validity: Validity,
}

impl core::ProposalPart<Plane> for CheckedValue {
    fn is_first(&self) -> bool {
        true
    }
    fn is_last(&self) -> bool {
        true
    }
}

/// A prevote or precommit. There are no vote extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    pub kind: VoteType,
    pub height: Height,
    pub round: Round,
    pub value: NilOrVal<ValueHash>,
    pub voter: Signer,
}

impl BorshSerialize for Vote {
    fn serialize<W: std::io::Write>(&self, writer: &mut W) -> std::io::Result<()> {
        (self.kind, self.height, self.round, self.value, self.voter).serialize(writer)
    }
}

impl BorshDeserialize for Vote {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        let (kind, height, round, value, voter) = BorshDeserialize::deserialize_reader(reader)?;
        Ok(Self { kind, height, round, value, voter })
    }
}

impl core::Vote<Plane> for Vote {
    fn height(&self) -> Height {
        self.height
    }
    fn round(&self) -> Round {
        self.round
    }
    fn value(&self) -> &NilOrVal<ValueHash> {
        &self.value
    }
    fn take_value(self) -> NilOrVal<ValueHash> {
        self.value
    }
    fn vote_type(&self) -> VoteType {
        self.kind
    }
    fn validator_address(&self) -> &Signer {
        &self.voter
    }
    fn extension(&self) -> Option<&SignedExtension<Plane>> {
        None
    }
    fn take_extension(&mut self) -> Option<SignedExtension<Plane>> {
        None
    }
    fn extend(self, _: SignedExtension<Plane>) -> Self {
        self
    }
}

/// What a validator's signatures of a height are checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct VoteKey {
    pub signer: Address,
    pub incarnation: u64,
    pub epoch: u64,
}

/// A validator of a height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub address: Signer,
    pub key: VoteKey,
    pub node_key: NodeKey,
    pub weight: u64,
}

impl core::Validator<Plane> for Member {
    fn address(&self) -> &Signer {
        &self.address
    }
    fn public_key(&self) -> &VoteKey {
        &self.key
    }
    fn voting_power(&self) -> u64 {
        self.weight
    }
}

/// The validators of a height and whose turn it is to propose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Members(Arc<Roster>);

#[derive(Debug, PartialEq, Eq)]
struct Roster {
    /// Ascending by address.
    list: Vec<Member>,
    total: u64,
    /// Indices into `list`, each as often as its weight, spread evenly.
    turns: Vec<usize>,
}

impl Members {
    /// The set, or what is wrong with it.
    pub(crate) fn new(next: &NextHeight) -> Result<Self, String> {
        let mut list: Vec<Member> = next
            .validators
            .iter()
            .map(|v| Member {
                address: Signer(v.signer),
                key: VoteKey { signer: v.signer, incarnation: v.incarnation, epoch: next.epoch },
                node_key: v.node_key,
                weight: v.weight,
            })
            .collect();
        list.sort_by_key(|m| m.address);
        if list.is_empty() {
            return Err("it is empty".into());
        }
        if let Some(m) = list.iter().find(|m| m.weight == 0) {
            return Err(format!("{} has no weight", m.address));
        }
        if let Some(pair) = list.windows(2).find(|pair| pair[0].address == pair[1].address) {
            return Err(format!("{} is in it twice", pair[0].address));
        }
        if list.iter().map(|m| m.node_key).collect::<HashSet<_>>().len() != list.len() {
            return Err("two validators share a node key".into());
        }
        let total = list.iter().fold(0u64, |sum, m| sum.saturating_add(m.weight));
        if total > limits::TOTAL_WEIGHT_MAX {
            return Err(format!("its weights add up to {total}, the most allowed is {}", limits::TOTAL_WEIGHT_MAX));
        }
        let turns = turns(&list, total);
        Ok(Self(Arc::new(Roster { list, total, turns })))
    }

    /// Whose turn it is: weighted round robin, moved on by one with every height and every round.
    pub(crate) fn proposer(&self, height: Height, round: Round) -> &Member {
        let turn = height.0.wrapping_add(u64::from(round.as_u32().unwrap_or(0))) % self.0.total;
        &self.0.list[self.0.turns[turn as usize]]
    }

    /// The member with this address.
    pub(crate) fn get(&self, address: &Signer) -> Option<&Member> {
        let at = self.0.list.binary_search_by_key(address, |m| m.address).ok()?;
        self.0.list.get(at)
    }
}

/// Smooth weighted round robin: a heavy validator's turns are spread, so that its failure does not cost several rounds in a row.
fn turns(list: &[Member], total: u64) -> Vec<usize> {
    let mut credit = vec![0i64; list.len()];
    (0..total)
        .map(|_| {
            for (c, m) in credit.iter_mut().zip(list) {
                *c += m.weight as i64;
            }
            let mut best = 0;
            for at in 1..credit.len() {
                if credit[at] > credit[best] {
                    best = at;
                }
            }
            credit[best] -= total as i64;
            best
        })
        .collect()
}

impl core::ValidatorSet<Plane> for Members {
    fn count(&self) -> usize {
        self.0.list.len()
    }
    fn total_voting_power(&self) -> u64 {
        self.0.total
    }
    fn get_by_address(&self, address: &Signer) -> Option<&Member> {
        self.get(address)
    }
    fn get_by_index(&self, index: usize) -> Option<&Member> {
        self.0.list.get(index)
    }
}

/// ECDSA on secp256k1 with recovery, over the statement digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ecdsa;

/// A signature that the engine can order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(crate) struct VoteSignature(pub [u8; 65]);

impl fmt::Debug for VoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Signature(self.0).fmt(f)
    }
}

/// Bytes that the engine hands back are not what it was given.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not a signature or key of this protocol")]
pub(crate) struct Undecodable;

impl SigningScheme for Ecdsa {
    type DecodingError = Undecodable;
    type Signature = VoteSignature;
    type PublicKey = VoteKey;
    /// The key stays with [`crate::signing::VoteSigner`].
    type PrivateKey = ();

    fn decode_signature(bytes: &[u8]) -> Result<VoteSignature, Undecodable> {
        bytes.try_into().map(VoteSignature).map_err(|_| Undecodable)
    }
    fn encode_signature(signature: &VoteSignature) -> Vec<u8> {
        signature.0.to_vec()
    }
    fn decode_public_key(bytes: &[u8]) -> Result<VoteKey, Undecodable> {
        borsh::from_slice(bytes).map_err(|_| Undecodable)
    }
    fn encode_public_key(key: &VoteKey) -> Vec<u8> {
        [key.signer.as_slice(), &key.incarnation.to_le_bytes(), &key.epoch.to_le_bytes()].concat()
    }
}

impl Context for Plane {
    type Address = Signer;
    type Height = Height;
    type ProposalPart = CheckedValue;
    type Proposal = Proposal;
    type Validator = Member;
    type ValidatorSet = Members;
    type Timeouts = LinearTimeouts;
    type Value = ValueHash;
    type Vote = Vote;
    type Extension = Bytes;
    type SigningScheme = Ecdsa;

    fn select_proposer<'a>(&self, set: &'a Members, height: Height, round: Round) -> &'a Member {
        set.proposer(height, round)
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        value: ValueHash,
        pol_round: Round,
        proposer: Signer,
    ) -> Proposal {
        Proposal { height, round, value, pol_round, proposer }
    }

    fn new_prevote(&self, height: Height, round: Round, value: NilOrVal<ValueHash>, voter: Signer) -> Vote {
        Vote { kind: VoteType::Prevote, height, round, value, voter }
    }

    fn new_precommit(&self, height: Height, round: Round, value: NilOrVal<ValueHash>, voter: Signer) -> Vote {
        Vote { kind: VoteType::Precommit, height, round, value, voter }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arc_malachitebft_core_types::ValidatorSet;

    use super::*;
    use crate::Validator;

    fn set(weights: &[u64]) -> NextHeight {
        let validator = |(at, weight): (usize, &u64)| Validator {
            signer: Address::repeat_byte(at as u8 + 1),
            node_key: [at as u8; 32],
            weight: *weight,
            incarnation: 0,
        };
        NextHeight { epoch: 3, pending: false, validators: weights.iter().enumerate().map(validator).collect() }
    }

    #[test]
    fn turns_follow_weight_and_are_spread() {
        let members = Members::new(&set(&[3, 1, 1, 1])).unwrap();
        let order: Vec<u8> = (0..6).map(|h| members.proposer(Height(h), Round::new(0)).address.0[0]).collect();
        assert_eq!(order.iter().filter(|a| **a == 1).count(), 3);
        assert!(order.windows(2).all(|pair| pair != [1, 1]), "{order:?}");
        assert_eq!(members.total_voting_power(), 6);
    }

    #[test]
    fn a_round_and_a_height_move_the_turn_alike() {
        let members = Members::new(&set(&[2, 1, 1])).unwrap();
        for h in 0..9 {
            for r in 0..9 {
                assert_eq!(
                    members.proposer(Height(h), Round::new(r)),
                    members.proposer(Height(h + u64::from(r)), Round::new(0))
                );
            }
        }
    }

    #[test]
    fn unusable_sets_are_refused() {
        assert!(Members::new(&set(&[])).is_err());
        assert!(Members::new(&set(&[1, 0])).is_err());
        assert!(Members::new(&set(&[limits::TOTAL_WEIGHT_MAX, 1])).is_err());
        assert!(Members::new(&set(&[u64::MAX, u64::MAX])).is_err());
        let mut twice = set(&[1, 1]);
        twice.validators[1].signer = twice.validators[0].signer;
        assert!(Members::new(&twice).is_err());
        let mut shared = set(&[1, 1]);
        shared.validators[1].node_key = shared.validators[0].node_key;
        assert!(Members::new(&shared).is_err());
    }

    #[test]
    fn vote_round_trips() {
        let vote = Vote {
            kind: VoteType::Precommit,
            height: Height(7),
            round: Round::new(2),
            value: NilOrVal::Val(ValueHash::of(b"x")),
            voter: Signer(Address::repeat_byte(9)),
        };
        assert_eq!(borsh::from_slice::<Vote>(&borsh::to_vec(&vote).unwrap()).unwrap(), vote);
        let key = VoteKey { signer: Address::repeat_byte(1), incarnation: 2, epoch: 3 };
        assert_eq!(Ecdsa::decode_public_key(&Ecdsa::encode_public_key(&key)).unwrap(), key);
    }
}

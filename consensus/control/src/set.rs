//! Validators, their weights, and what a quorum is.

use alloy_primitives::{Address, B256, U256};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::digest::{word, words};
use crate::limits::{MAX_TOTAL_WEIGHT, MAX_WEIGHT, MIN_STAKE};
use crate::planted;

/// One that the Locking contract lists and that may join a set.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Candidate {
    /// Number the Locking contract gave it.
    pub id: u64,
    /// Address of its secp256k1 signer key; the identity of the protocol.
    pub signer: Address,
    /// Its ed25519 node key, which authenticates links only.
    pub node_key: [u8; 32],
    /// Locked stake in wei.
    pub stake: U256,
}

/// A member of an epoch's set.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Validator {
    /// Number the Locking contract gave it.
    pub id: u64,
    /// Address of its secp256k1 signer key; the identity of the protocol.
    pub signer: Address,
    /// Its ed25519 node key, which authenticates links only.
    pub node_key: [u8; 32],
    /// Locked stake in wei when the set was formed.
    pub stake: U256,
    /// Its weight in every quorum, and its number of signing shares.
    pub weight: u64,
    /// The incarnation whose statements count. Fixed while a term is open.
    pub incarnation: u64,
}

/// Why a set cannot be formed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// No candidate has the minimum stake.
    #[error("no candidate has the minimum stake")]
    Empty,
    /// Two candidates share an id, a signer or a node key.
    #[error("two candidates share an id, a signer or a node key; one of them is {signer}")]
    Duplicate {
        /// One of the two.
        signer: Address,
    },
    /// The weights add up to more signing shares than allowed.
    #[error("the weights add up to {total}, the most allowed is {MAX_TOTAL_WEIGHT}")]
    TooHeavy {
        /// Sum of the weights.
        total: u64,
    },
}

/// The validators of one epoch, sorted by signer address. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct ValidatorSet {
    validators: Vec<Validator>,
    total: u64,
}

impl ValidatorSet {
    /// The set of all candidates with at least the minimum stake, weighed by [`weights`].
    pub fn form(candidates: &[Candidate]) -> Result<Self, SetError> {
        let staked: Vec<&Candidate> = candidates.iter().filter(|c| units(c.stake) > 0).collect();
        let stakes: Vec<U256> = staked.iter().map(|c| c.stake).collect();
        let validators = staked
            .into_iter()
            .zip(weights(&stakes))
            .map(|(c, weight)| Validator {
                id: c.id,
                signer: c.signer,
                node_key: c.node_key,
                stake: c.stake,
                weight,
                incarnation: 0,
            })
            .collect();
        Self::from_validators(validators)
    }

    /// The set of these members with the weights they have.
    pub fn from_validators(mut validators: Vec<Validator>) -> Result<Self, SetError> {
        validators.sort_by_key(|v| v.signer);
        if validators.is_empty() || validators.iter().any(|v| v.weight == 0) {
            return Err(SetError::Empty);
        }
        for (at, v) in validators.iter().enumerate() {
            let twin = |o: &Validator| o.id == v.id || o.signer == v.signer || o.node_key == v.node_key;
            if validators[at + 1..].iter().any(twin) {
                return Err(SetError::Duplicate { signer: v.signer });
            }
        }
        let total = validators.iter().fold(0u64, |sum, v| sum.saturating_add(v.weight));
        if total > MAX_TOTAL_WEIGHT {
            return Err(SetError::TooHeavy { total });
        }
        Ok(Self { validators, total })
    }

    /// Members, ascending by signer.
    pub fn validators(&self) -> &[Validator] {
        &self.validators
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.validators.len()
    }

    /// Never true: a set has at least one member.
    pub fn is_empty(&self) -> bool {
        self.validators.is_empty()
    }

    /// Sum of the weights.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether `weight` is more than 2/3 of the total.
    pub fn is_quorum(&self, weight: u64) -> bool {
        #[cfg(test)]
        let weight = weight + crate::testing::planted_quorum_slack();
        u128::from(weight + u64::from(planted!(QuorumOffByOne))) * 3 > u128::from(self.total) * 2
    }

    /// Place of a signer among [`Self::validators`].
    pub fn index_of(&self, signer: &Address) -> Option<usize> {
        self.validators.binary_search_by_key(signer, |v| v.signer).ok()
    }

    /// The member with this signer.
    pub fn get(&self, signer: &Address) -> Option<&Validator> {
        self.index_of(signer).map(|at| &self.validators[at])
    }

    /// `keccak256(abi.encode(address[] signers, uint64[] weights))`, as the inbox stores it with a key.
    pub fn snapshot_hash(&self) -> B256 {
        let members: Vec<(Address, u64)> = self.validators.iter().map(|v| (v.signer, v.weight)).collect();
        snapshot_hash(&members)
    }

    /// The same members, with the incarnations that `of` names.
    pub fn with_incarnations(mut self, of: impl Fn(&Address) -> Option<u64>) -> Self {
        for v in &mut self.validators {
            if let Some(incarnation) = of(&v.signer) {
                v.incarnation = incarnation;
            }
        }
        self
    }
}

impl BorshDeserialize for ValidatorSet {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        let validators = Vec::<Validator>::deserialize_reader(reader)?;
        let total = u64::deserialize_reader(reader)?;
        let invalid = |what: String| std::io::Error::new(std::io::ErrorKind::InvalidData, what);
        let set = Self::from_validators(validators.clone()).map_err(|e| invalid(e.to_string()))?;
        if set.total != total || set.validators != validators {
            return Err(invalid("validator set is not in its canonical form".into()));
        }
        Ok(set)
    }
}

/// Weights of a set with these stakes, in the same order.
///
/// A stake counts in whole minimum locks, at most [`MAX_WEIGHT`]; below one it counts nothing and is no member. In a
/// set of four or more members all are cut by the largest common cap that leaves each below 1/3 of the total.
pub fn weights(stakes: &[U256]) -> Vec<u64> {
    let raw: Vec<u64> = stakes.iter().map(|stake| units(*stake)).collect();
    if raw.iter().filter(|w| **w > 0).count() < 4 {
        return raw;
    }
    let cut = |cap: u64| -> Vec<u64> { raw.iter().map(|w| (*w).min(cap)).collect() };
    let fits = |weights: &Vec<u64>| {
        let total: u64 = weights.iter().sum();
        weights.iter().all(|w| 3 * w < total)
    };
    (1..=MAX_WEIGHT).rev().map(cut).find(fits).unwrap_or_else(|| cut(1))
}

fn units(stake: U256) -> u64 {
    let units = stake / U256::from(MIN_STAKE);
    units.min(U256::from(MAX_WEIGHT)).to::<u64>()
}

fn snapshot_hash(members: &[(Address, u64)]) -> B256 {
    let count = members.len() as u64;
    let mut list = vec![word(64), word(96 + 32 * count), word(count)];
    list.extend(members.iter().map(|(signer, _)| signer.into_word()));
    list.push(word(count));
    list.extend(members.iter().map(|(_, weight)| word(*weight)));
    words(&list)
}

#[cfg(test)]
mod tests;

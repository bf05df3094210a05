//! `genesis.json`: what all nodes of a chain share from the first block on. Two nodes with different files are on different chains.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use horae_contracts::{FeePot, SequencerSet};
use horae_control::{Candidate, ControlParams, Domain, ValidatorSet, set::SetError};
use horae_stages::genesis::GenesisAccount;
use horae_stages::{Genesis, Header, L1View, protocol};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::home::write_atomic;

/// Largest genesis file, in bytes.
const GENESIS_MAX_BYTES: u64 = 64 << 20;

/// Why a genesis file cannot be used.
#[derive(Debug, Error)]
pub enum GenesisError {
    /// It cannot be read or written.
    #[error("{file}: {source}; copy the chain's genesis.json there, all nodes share one")]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not JSON, or has a key that is not known, missing, or of the wrong type.
    #[error("{file}: {problem}; copy the chain's genesis.json again from a node that runs")]
    Parse {
        /// The file.
        file: PathBuf,
        /// Line, column and what is wrong there.
        problem: String,
    },
    /// A value cannot be used.
    #[error("{file}: `{key}` {problem}; all nodes must share the file as its author meant it")]
    Value {
        /// The file.
        file: PathBuf,
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The Locking contract lists other validators at the origin block.
    #[error(
        "{what} at L1 block {origin} (by `l1.locking`), but genesis.json says otherwise; it is the wrong file or the wrong L1"
    )]
    NotAsLocked {
        /// The L1 block.
        origin: u64,
        /// The first difference.
        what: String,
    },
}

/// The genesis file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisFile {
    /// Block 0 of the L2, the state below it and the chain rules that are numbers.
    pub l2: Genesis,
    /// The chain's contracts on Ethereum.
    pub l1: L1Genesis,
    /// The control plane's numbers.
    pub control: ControlRules,
    /// The validators of epoch 0, as the Locking contract lists them at `l1.origin`.
    pub validators: Vec<GenesisValidator>,
}

/// The control plane's numbers, but for those that [`Genesis`] holds already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlRules {
    /// A validator votes to close a term in which it saw no new commit for this long, in milliseconds, before doubling.
    pub slot_timeout_ms: u64,
    /// Control heights after which a key generation starts again.
    pub dkg_deadline_heights: u64,
    /// L1 blocks that one L1 view may advance.
    pub l1_step_blocks: u64,
    /// Bytes of a control block that a proposer fills.
    pub control_block_bytes: u64,
    /// A ready validator says so again once it has come this many slots further.
    pub readiness_slots: u64,
    /// A validator whose last statement is more than this many slots behind is passed over.
    pub stale_slots: u64,
    /// Slots that an epoch lasts at least; 0 keeps the first epoch, its validators and its key for ever.
    pub epoch_slots: u64,
    /// Slots after which a new epoch with a new group key is prepared although the set would stay; 0 for never.
    pub epoch_slots_max: u64,
}

impl From<ControlParams> for ControlRules {
    fn from(params: ControlParams) -> Self {
        Self {
            slot_timeout_ms: params.slot_timeout_ms,
            dkg_deadline_heights: params.dkg_deadline_heights,
            l1_step_blocks: params.l1_step_blocks,
            control_block_bytes: params.control_block_bytes,
            readiness_slots: params.readiness_slots,
            stale_slots: params.stale_slots,
            epoch_slots: params.epoch_slots,
            epoch_slots_max: params.epoch_slots_max,
        }
    }
}

/// Where the chain lives on L1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1Genesis {
    /// EIP-155 chain id of L1.
    pub chain_id: u64,
    /// The LockingPool.
    pub locking: Address,
    /// The BatchInbox.
    pub inbox: Address,
    /// The governor, for the command line; nodes do without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub governor: Option<Address>,
    /// The ForcedQueue.
    pub queue: Address,
    /// Number of the L1 block at which the validators of epoch 0 are read, and above which events count.
    pub origin_number: u64,
    /// Its hash.
    pub origin_hash: B256,
    /// How deep an L1 block must be before the control plane may agree on it.
    #[serde(default)]
    pub view_depth: ViewDepth,
}

impl L1Genesis {
    /// The origin as a view of L1.
    pub fn origin(&self) -> L1View {
        L1View { number: self.origin_number, hash: self.origin_hash }
    }
}

/// Which L1 blocks the control plane may take for its view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewDepth {
    /// Those that L1 calls finalized.
    #[default]
    Finalized,
    /// Those with at least this many blocks above them.
    Blocks(u64),
}

/// A validator of epoch 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisValidator {
    /// Number the Locking contract gave it.
    pub id: u64,
    /// Address of its signer key.
    pub signer: Address,
    /// Its ed25519 node key.
    pub node_key: B256,
    /// Locked stake, in wei METIS.
    pub stake: U256,
}

impl GenesisFile {
    /// Reads and checks a genesis file.
    ///
    /// # Errors
    /// [`GenesisError::Io`], [`GenesisError::Parse`], [`GenesisError::Value`].
    pub fn load(file: &Path) -> Result<Self, GenesisError> {
        let io = |source| GenesisError::Io { file: file.to_owned(), source };
        let length = fs::metadata(file).map_err(io)?.len();
        if length > GENESIS_MAX_BYTES {
            let problem = format!("{length} bytes are more than {GENESIS_MAX_BYTES}");
            return Err(GenesisError::Parse { file: file.to_owned(), problem });
        }
        let text = fs::read(file).map_err(io)?;
        let genesis: Self = serde_json::from_slice(&text)
            .map_err(|e| GenesisError::Parse { file: file.to_owned(), problem: e.to_string() })?;
        genesis.check(file)?;
        Ok(genesis)
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// [`GenesisError::Io`].
    pub fn save(&self, file: &Path) -> Result<(), GenesisError> {
        let io = |source| GenesisError::Io { file: file.to_owned(), source };
        let text = serde_json::to_vec_pretty(self).map_err(|e| io(e.into()))?;
        write_atomic(file, &text).map_err(io)
    }

    /// The header of block 0.
    pub fn header(&self) -> Header {
        self.l2.header()
    }

    /// A hash of the whole file's meaning: equal on all nodes of a chain.
    pub fn digest(&self) -> B256 {
        // Struct fields keep their order and maps are sorted, so equal values have equal text.
        keccak256(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Where the control plane begins. The turns of epoch 0 are shuffled by `l2.prevrandao`.
    pub fn control_genesis(&self) -> horae_control::Genesis {
        horae_control::Genesis {
            domain: Domain { chain_id: self.l2.params.chain_id, locking: self.l1.locking },
            l1_view: horae_control::L1View { number: self.l1.origin_number, hash: self.l1.origin_hash },
            validators: self.candidates(),
            seed: self.l2.prevrandao,
            block_hash: self.header().hash(),
            params: ControlParams {
                window_blocks: self.l2.params.window_blocks,
                slot_timeout_ms: self.control.slot_timeout_ms,
                dkg_deadline_heights: self.control.dkg_deadline_heights,
                l1_step_blocks: self.control.l1_step_blocks,
                control_block_bytes: self.control.control_block_bytes,
                readiness_slots: self.control.readiness_slots,
                stale_slots: self.control.stale_slots,
                epoch_slots: self.control.epoch_slots,
                epoch_slots_max: self.control.epoch_slots_max,
            },
        }
    }

    /// The validators of epoch 0 as candidates of the control plane.
    pub fn candidates(&self) -> Vec<Candidate> {
        let candidate =
            |v: &GenesisValidator| Candidate { id: v.id, signer: v.signer, node_key: v.node_key.0, stake: v.stake };
        self.validators.iter().map(candidate).collect()
    }

    /// The validator set of epoch 0 with its weights.
    ///
    /// # Errors
    /// Those of [`ValidatorSet::form`].
    pub fn validator_set(&self) -> Result<ValidatorSet, SetError> {
        ValidatorSet::form(&self.candidates())
    }

    /// Compares with what the Locking contract lists at the origin block.
    ///
    /// # Errors
    /// [`GenesisError::NotAsLocked`] with the first difference.
    pub fn check_locked(&self, locked: &[Candidate]) -> Result<(), GenesisError> {
        let differs = |what: String| Err(GenesisError::NotAsLocked { origin: self.l1.origin_number, what });
        let ours = self.candidates();
        for validator in locked {
            match ours.iter().find(|o| o.id == validator.id) {
                None => return differs(format!("validator {} ({}) is locked", validator.id, validator.signer)),
                Some(own) if own != validator => {
                    let node_key = hex::encode(validator.node_key);
                    return differs(format!(
                        "validator {} has signer {}, node key {node_key} and stake {}",
                        validator.id, validator.signer, validator.stake
                    ));
                }
                Some(_) => {}
            }
        }
        match ours.iter().find(|o| !locked.iter().any(|l| l.id == o.id)) {
            Some(extra) => differs(format!("validator {} is not locked", extra.id)),
            None => Ok(()),
        }
    }

    fn check(&self, file: &Path) -> Result<(), GenesisError> {
        let bad = |key, problem: String| Err(GenesisError::Value { file: file.to_owned(), key, problem });
        if self.l2.params.chain_id == 0 || self.l2.params.chain_id == self.l1.chain_id {
            return bad("l2.params.chain_id", format!("is {}, zero or that of L1", self.l2.params.chain_id));
        }
        if [self.l1.locking, self.l1.inbox, self.l1.queue].iter().any(|contract| contract.is_zero()) {
            return bad("l1", "lacks the address of a contract".to_owned());
        }
        for (address, _) in predeploys() {
            if self.l2.alloc.get(&address).is_none_or(|account| account.code.is_empty()) {
                return bad("l2.alloc", format!("has no contract at {address}, where the protocol calls one"));
            }
        }
        if self.l2.l1_view != self.l1.origin() {
            return bad("l2.l1_view", "is not the L1 origin block".to_owned());
        }
        match self.validator_set() {
            Ok(_) => Ok(()),
            Err(error) => bad("validators", format!("make no set: {error}")),
        }
    }
}

/// The contracts that every L2 has from block 0 on, where the protocol calls them.
pub fn predeploys() -> [(Address, GenesisAccount); 2] {
    let contract = |code: &Bytes| GenesisAccount { code: code.clone(), nonce: 1, ..GenesisAccount::default() };
    [
        (protocol::SEQUENCER_SET, contract(&SequencerSet::DEPLOYED_BYTECODE)),
        (protocol::FEE_POT, contract(&FeePot::DEPLOYED_BYTECODE)),
    ]
}

/// A genesis for tests of this crate.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use horae_stages::ChainParams;

    /// Four validators of one unit each.
    pub(crate) fn genesis() -> GenesisFile {
        let origin = L1View { number: 9, hash: B256::repeat_byte(9) };
        GenesisFile {
            l2: Genesis {
                params: ChainParams::devnet(1_088_001),
                timestamp_ms: 1_000,
                l1_view: origin,
                prevrandao: B256::ZERO,
                alloc: predeploys().into(),
            },
            l1: L1Genesis {
                chain_id: 31_337,
                locking: Address::repeat_byte(1),
                inbox: Address::repeat_byte(2),
                governor: None,
                queue: Address::repeat_byte(3),
                origin_number: origin.number,
                origin_hash: origin.hash,
                view_depth: ViewDepth::Blocks(2),
            },
            control: ControlParams::devnet().into(),
            validators: (1..=4)
                .map(|id| GenesisValidator {
                    id,
                    signer: Address::repeat_byte(id as u8),
                    node_key: B256::repeat_byte(id as u8),
                    stake: U256::from(20_000u64) * U256::from(10).pow(U256::from(18)),
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::testing::genesis;
    use super::*;

    #[test]
    fn a_genesis_comes_back_as_it_was_saved() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("genesis.json");
        genesis().save(&file).unwrap();
        let read = GenesisFile::load(&file).unwrap();
        assert_eq!(read, genesis());
        assert_eq!(read.digest(), genesis().digest());
    }

    #[test]
    fn the_digest_sees_every_part() {
        let mut other = genesis();
        other.l2.params.slot_ms += 1;
        assert_ne!(other.digest(), genesis().digest());
        let mut other = genesis();
        other.validators[0].stake += U256::from(1);
        assert_ne!(other.digest(), genesis().digest());
    }

    #[test]
    fn errors_name_the_file_and_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("genesis.json");
        let error = GenesisFile::load(&file).unwrap_err().to_string();
        assert!(error.contains("genesis.json"), "{error}");
        let mut wrong = genesis();
        wrong.l2.params.chain_id = wrong.l1.chain_id;
        wrong.save(&file).unwrap();
        let error = GenesisFile::load(&file).unwrap_err().to_string();
        assert!(error.contains("genesis.json") && error.contains("l2.params.chain_id"), "{error}");
        fs::write(&file, "{\"l2\": 3}").unwrap();
        let error = GenesisFile::load(&file).unwrap_err().to_string();
        assert!(error.contains("line 1"), "{error}");
    }

    #[test]
    fn a_chain_without_a_predeploy_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("genesis.json");
        for (address, _) in predeploys() {
            let mut wrong = genesis();
            wrong.l2.alloc.remove(&address);
            wrong.save(&file).unwrap();
            let error = GenesisFile::load(&file).unwrap_err().to_string();
            assert!(error.contains("l2.alloc") && error.contains(&address.to_string()), "{error}");
        }
    }

    #[test]
    fn a_set_that_is_not_the_locked_one_is_refused() {
        let genesis = genesis();
        let locked = genesis.candidates();
        genesis.check_locked(&locked).unwrap();
        let error = genesis.check_locked(&locked[..3]).unwrap_err().to_string();
        assert!(error.contains("validator 4 is not locked"), "{error}");
        let mut other = locked.clone();
        other[1].stake += U256::from(1);
        let error = genesis.check_locked(&other).unwrap_err().to_string();
        assert!(error.contains("validator 2 has signer"), "{error}");
        let mut more = locked;
        more.push(Candidate { id: 5, ..more[0].clone() });
        assert!(genesis.check_locked(&more).is_err());
    }
}

//! What an owner needs of a node to lock stake for it, or to give it a new signer: public keys, and the signer's word for it.

use std::{fs, path::Path};

use alloy_primitives::{Address, B256, Bytes};
use horae_node::{
    edges::l1::{L1, deploy::signer_proof},
    home::Home,
    keys::Keys,
};
use serde::{Deserialize, Serialize};

use crate::{
    error::CliError,
    ethereum::{keys_of, signer_key},
};

/// Keys of a node, and the proof that they mean to serve an owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Who will own the validator.
    pub owner: Address,
    /// Address of the signer key.
    pub signer: Address,
    /// ed25519 public key of the node's links.
    pub node_key: B256,
    /// The signer's 65 bytes over `LockingPool.signerDigest(owner, signer)`.
    pub proof: Bytes,
}

impl Registration {
    /// That of these keys under an owner, at this LockingPool.
    pub fn of(keys: &Keys, owner: Address, l1_chain_id: u64, locking: Address) -> Result<Self, CliError> {
        let signer = signer_key(keys)?;
        let proof = signer_proof(l1_chain_id, locking, owner, &signer);
        Ok(Self { owner, signer: signer.address(), node_key: keys.node_key().into(), proof })
    }

    /// The one in a file, or else that of the keys in a home.
    pub fn find(file: Option<&Path>, home: Option<&Path>, owner: Address, l1: &L1) -> Result<Self, CliError> {
        let found = match (file, home) {
            (Some(file), _) => Self::load(file)?,
            (None, Some(home)) => Self::of(&keys_of(&Home::new(home))?, owner, l1.chain_id(), l1.locking())?,
            (None, None) => return Err(CliError::new("name the node's --home, or a --registration of its keys")),
        };
        if found.owner != owner {
            return Err(CliError::new(format!(
                "the registration is for the owner {}, but {owner} sends; make one with `horae keys --home HOME --owner {owner} --json`",
                found.owner
            )));
        }
        Ok(found)
    }

    fn load(file: &Path) -> Result<Self, CliError> {
        let text = fs::read_to_string(file).map_err(|why| CliError::because(file.display(), why))?;
        serde_json::from_str(&text).map_err(|why| {
            let what = format!("{} is no registration (from `horae keys --owner OWNER --json`)", file.display());
            CliError::because(what, why)
        })
    }
}

//! The keys that make a validator, and the [`Vault`] in which they and the shares of group keys rest.

mod vault;

pub use vault::{Cost, KeyError, KeySource, PASSPHRASE_VARIABLE, Vault};

use alloy_primitives::{Address, hex, keccak256};
use zeroize::Zeroizing;

use vault::random;

const SIGNER: &str = "signer";
const NODE: &str = "node";
const L1: &str = "l1";

/// The keys that make a validator.
#[derive(Clone)]
pub struct Keys {
    /// Signs blocks, acks, close votes, readiness, Tendermint votes; listed by the Locking contract.
    pub signer: secp256k1::SecretKey,
    /// Authenticates links, nothing else.
    pub node: ed25519_consensus::SigningKey,
    /// Pays for L1 transactions; the signer key unless another was stored.
    pub l1: secp256k1::SecretKey,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("signer", &self.signer_address())
            .field("node", &hex::encode(self.node_key()))
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// New random keys; nothing is stored.
    ///
    /// # Errors
    /// [`KeyError::Randomness`].
    pub fn generate() -> Result<Self, KeyError> {
        let signer = random_secp256k1()?;
        let node = ed25519_consensus::SigningKey::from(*random::<32>()?);
        Ok(Self { signer, node, l1: signer })
    }

    /// Stores the keys; the L1 key only if it is not the signer key.
    ///
    /// # Errors
    /// Those of [`Vault::seal`].
    pub fn store(&self, vault: &Vault) -> Result<(), KeyError> {
        vault.seal(SIGNER, Zeroizing::new(self.signer.to_secret_bytes()).as_slice())?;
        vault.seal(NODE, self.node.as_bytes())?;
        if self.l1 != self.signer {
            vault.seal(L1, Zeroizing::new(self.l1.to_secret_bytes()).as_slice())?;
        }
        Ok(())
    }

    /// Reads the keys of a vault.
    ///
    /// # Errors
    /// [`KeyError::Damaged`] for one that is missing or no key; those of [`Vault::unseal`].
    pub fn load(vault: &Vault) -> Result<Self, KeyError> {
        let signer = secp256k1_of(vault, SIGNER)?;
        let node = ed25519_consensus::SigningKey::from(*bytes32(vault, NODE)?);
        let l1 = match vault.unseal(L1)? {
            Some(_) => secp256k1_of(vault, L1)?,
            None => signer,
        };
        Ok(Self { signer, node, l1 })
    }

    /// Ethereum address of the signer key: the validator's identity.
    pub fn signer_address(&self) -> Address {
        address_of(&self.signer)
    }

    /// The ed25519 public key that links are authenticated with.
    pub fn node_key(&self) -> [u8; 32] {
        self.node.verification_key().to_bytes()
    }
}

/// Ethereum address of a secp256k1 key.
pub fn address_of(key: &secp256k1::SecretKey) -> Address {
    let point = key.public_key().serialize_uncompressed();
    Address::from_slice(&keccak256(&point[1..])[12..])
}

fn secp256k1_of(vault: &Vault, name: &str) -> Result<secp256k1::SecretKey, KeyError> {
    let path = vault.path(name)?;
    secp256k1::SecretKey::from_secret_bytes(*bytes32(vault, name)?)
        .map_err(|e| KeyError::Damaged { path, problem: e.to_string() })
}

fn bytes32(vault: &Vault, name: &str) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let path = vault.path(name)?;
    let secret = vault
        .unseal(name)?
        .ok_or_else(|| KeyError::Damaged { path: path.clone(), problem: "it is not there".to_owned() })?;
    <[u8; 32]>::try_from(secret.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| KeyError::Damaged { path, problem: format!("it has {} bytes, not 32", secret.len()) })
}

fn random_secp256k1() -> Result<secp256k1::SecretKey, KeyError> {
    loop {
        // All but 2^-128 of the 32-byte strings are keys.
        if let Ok(key) = secp256k1::SecretKey::from_secret_bytes(*random::<32>()?) {
            return Ok(key);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::home::Home;
    use std::fs;

    const SOURCE: KeySource = KeySource::Devnet;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        home.create().unwrap();
        (dir, home)
    }

    #[test]
    fn keys_come_back_as_they_went() {
        let (_dir, home) = home();
        let keys = Keys::generate().unwrap();
        keys.store(&Vault::create(&home, &SOURCE).unwrap()).unwrap();
        let vault = Vault::open(&home, &SOURCE).unwrap();
        let read = Keys::load(&vault).unwrap();
        assert_eq!(read.signer, keys.signer);
        assert_eq!(read.node_key(), keys.node_key());
        assert_eq!(read.l1, keys.signer);
        assert_eq!(vault.names().unwrap(), ["node", "signer"]);
    }

    #[test]
    fn no_file_holds_a_key_in_the_clear() {
        let (_dir, home) = home();
        let keys = Keys::generate().unwrap();
        keys.store(&Vault::create(&home, &SOURCE).unwrap()).unwrap();
        for entry in fs::read_dir(home.keys()).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            for secret in [keys.signer.to_secret_bytes(), *keys.node.as_bytes()] {
                assert!(!bytes.windows(32).any(|w| w == secret));
                assert!(!String::from_utf8_lossy(&bytes).contains(&hex::encode(secret)));
            }
        }
    }

    #[test]
    fn the_address_is_the_one_ethereum_gives() {
        // The first account of every development chain.
        let key =
            hex::const_decode_to_array(b"ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80").unwrap();
        let key = secp256k1::SecretKey::from_secret_bytes(key).unwrap();
        assert_eq!(address_of(&key).to_string(), "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
    }
}

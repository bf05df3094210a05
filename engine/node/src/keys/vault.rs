//! Secrets at rest, sealed under one passphrase.
//!
//! A vault is the `keys/` directory of a home. `vault.json` holds the salt and cost of the key derivation (argon2id, RFC 9106) and a sealed
//! constant that tells a wrong passphrase from a damaged file; every `<name>.sealed` is one secret under XChaCha20-Poly1305
//! (draft-irtf-cfrg-xchacha-03) with a nonce of its own, bound to its name, so that files cannot be swapped. The passphrase comes from a file, from the
//! environment, or, on a devnet, from `devnet.key` beside the vault, which protects nothing and is there so that the same code runs.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use alloy_primitives::hex;
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::{
    Key, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use rand::TryRngCore;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::home::{Home, write_atomic};

/// The variable that holds the passphrase when [`KeySource::Environment`] is configured.
pub const PASSPHRASE_VARIABLE: &str = "HORAE_PASSPHRASE";
/// Largest sealed file that is read, in bytes: a vault is small, and a damaged one must not fill memory.
const SEALED_MAX_BYTES: u64 = 1 << 20;
/// Longest passphrase, in bytes.
const PASSPHRASE_MAX_BYTES: u64 = 4096;
/// Most memory that a vault may ask of the key derivation, in KiB.
const MEMORY_MAX_KIB: u32 = 1 << 20;
/// Most passes that a vault may ask of the key derivation.
const PASSES_MAX: u32 = 64;

const MAGIC: &[u8; 8] = b"HORAEK\x00\x01";
const NONCE_BYTES: usize = 24;
const VAULT_FILE: &str = "vault.json";
const DEVNET_KEY_FILE: &str = "devnet.key";
const CHECK_NAME: &str = "vault";
const CHECK_TEXT: &[u8] = b"the passphrase is right";

/// Where the passphrase comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "kebab-case", deny_unknown_fields)]
pub enum KeySource {
    /// From `keys/devnet.key`, made with the vault: for devnets only.
    Devnet,
    /// From [`PASSPHRASE_VARIABLE`].
    Environment,
    /// From the first line of a file.
    File {
        /// The file; relative to the home.
        path: PathBuf,
    },
}

/// Why a key cannot be had.
#[derive(Debug, Error)]
pub enum KeyError {
    /// Neither is the passphrase in the environment.
    #[error("the passphrase is not set; export {PASSPHRASE_VARIABLE}, or name a file under [keys] in node.toml")]
    NoPassphrase,
    /// The passphrase is empty or too long.
    #[error("the passphrase from {from} {problem}; it must have 1 to {PASSPHRASE_MAX_BYTES} bytes on one line")]
    BadPassphrase {
        /// The file or variable.
        from: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The vault was sealed with another passphrase.
    #[error("wrong passphrase for {path}; check [keys] in node.toml and {PASSPHRASE_VARIABLE}")]
    WrongPassphrase {
        /// The vault file.
        path: PathBuf,
    },
    /// A file does not decrypt though the passphrase is right, or is no vault file at all.
    #[error("{path} is damaged or was exchanged ({problem}); restore it from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A vault is there already.
    #[error("{path} is there already; keys are never overwritten")]
    Exists {
        /// The vault file.
        path: PathBuf,
    },
    /// The name of a secret is not one that can be a file name.
    #[error("`{name}` cannot name a secret: 1 to 64 of a-z, 0-9, `-`")]
    BadName {
        /// The name.
        name: String,
    },
    /// The system's source of randomness failed.
    #[error("the system gave no random bytes: {0}")]
    Randomness(String),
    /// The file system refused.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Cost of the key derivation; written into the vault, so it can change without breaking old ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Cost {
    /// For a passphrase that a person made up: 64 MiB, three passes (second recommendation of RFC 9106).
    pub const PASSPHRASE: Self = Self { memory_kib: 64 * 1024, passes: 3 };
    /// For a passphrase of 256 random bits, which needs no stretching.
    pub const RANDOM: Self = Self { memory_kib: 64, passes: 1 };
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VaultFile {
    version: u32,
    salt: String,
    cost: Cost,
    check: String,
}

/// An opened vault: seals and opens secrets by name.
pub struct Vault {
    directory: PathBuf,
    key: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Vault {
    /// Makes a new vault in a home; with [`KeySource::Devnet`] the key file too.
    ///
    /// # Errors
    /// [`KeyError::Exists`] if there is one, and those of the passphrase and the file system.
    pub fn create(home: &Home, source: &KeySource) -> Result<Self, KeyError> {
        let path = home.keys().join(VAULT_FILE);
        if path.exists() {
            return Err(KeyError::Exists { path });
        }
        let cost = match source {
            KeySource::Devnet => {
                let secret = hex::encode(random::<32>()?.as_slice());
                let file = home.keys().join(DEVNET_KEY_FILE);
                write_atomic(&file, secret.as_bytes()).map_err(io_error("writing", &file))?;
                Cost::RANDOM
            }
            KeySource::Environment | KeySource::File { .. } => Cost::PASSPHRASE,
        };
        let salt = random::<16>()?;
        let key = derive(&passphrase(home, source)?, salt.as_slice(), cost)
            .map_err(|problem| KeyError::Damaged { path: path.clone(), problem })?;
        let vault = Self { directory: home.keys(), key };
        let file = VaultFile {
            version: 1,
            salt: hex::encode(salt.as_slice()),
            cost,
            check: hex::encode(vault.encrypt(CHECK_NAME, CHECK_TEXT)?),
        };
        let text = serde_json::to_vec_pretty(&file)
            .map_err(|e| KeyError::Damaged { path: path.clone(), problem: e.to_string() })?;
        write_atomic(&path, &text).map_err(io_error("writing", &path))?;
        Ok(vault)
    }

    /// Opens the vault of a home.
    ///
    /// # Errors
    /// [`KeyError::WrongPassphrase`], [`KeyError::Damaged`], and those of the passphrase and the file system.
    pub fn open(home: &Home, source: &KeySource) -> Result<Self, KeyError> {
        let path = home.keys().join(VAULT_FILE);
        let damaged = |problem: String| KeyError::Damaged { path: path.clone(), problem };
        let text = read_bounded(&path, SEALED_MAX_BYTES).map_err(io_error("reading", &path))?;
        let file: VaultFile = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        if file.version != 1 {
            return Err(damaged(format!("version {} is not known", file.version)));
        }
        if file.cost.memory_kib > MEMORY_MAX_KIB || file.cost.passes > PASSES_MAX {
            return Err(damaged("it asks for an absurd amount of work".to_owned()));
        }
        let salt = hex::decode(&file.salt).map_err(|e| damaged(format!("salt: {e}")))?;
        let check = hex::decode(&file.check).map_err(|e| damaged(format!("check: {e}")))?;
        let key = derive(&passphrase(home, source)?, &salt, file.cost).map_err(damaged)?;
        let vault = Self { directory: home.keys(), key };
        match vault.decrypt(CHECK_NAME, &check) {
            Ok(text) if text.as_slice() == CHECK_TEXT => Ok(vault),
            _ => Err(KeyError::WrongPassphrase { path }),
        }
    }

    /// Stores a secret under a name, in place of the one that was there. On return it is on stable storage.
    ///
    /// # Errors
    /// [`KeyError::BadName`], [`KeyError::Randomness`], [`KeyError::Io`]; the old secret is then still there.
    pub fn seal(&self, name: &str, secret: &[u8]) -> Result<(), KeyError> {
        let path = self.path(name)?;
        let sealed = self.encrypt(name, secret)?;
        write_atomic(&path, &sealed).map_err(io_error("writing", &path))
    }

    /// The secret of that name; `None` if there is none.
    ///
    /// # Errors
    /// [`KeyError::BadName`], [`KeyError::Damaged`], [`KeyError::Io`].
    pub fn unseal(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
        let path = self.path(name)?;
        let sealed = match read_bounded(&path, SEALED_MAX_BYTES) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("reading", &path)(error)),
        };
        self.decrypt(name, &sealed).map(Some).map_err(|problem| KeyError::Damaged { path, problem })
    }

    /// Forgets a secret: its file is overwritten with zeros, synced and removed. Nothing happens if there is none.
    ///
    /// # Errors
    /// [`KeyError::BadName`], [`KeyError::Io`].
    pub fn erase(&self, name: &str) -> Result<(), KeyError> {
        let path = self.path(name)?;
        let erase = || -> io::Result<()> {
            let file = match fs::OpenOptions::new().write(true).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            };
            let length = file.metadata()?.len();
            io::copy(&mut io::repeat(0).take(length), &mut &file)?;
            file.sync_all()?;
            fs::remove_file(&path)
        };
        erase().map_err(io_error("erasing", &path))
    }

    /// Names of all secrets, sorted.
    ///
    /// # Errors
    /// [`KeyError::Io`].
    pub fn names(&self) -> Result<Vec<String>, KeyError> {
        let entries = fs::read_dir(&self.directory).map_err(io_error("listing", &self.directory))?;
        let mut names: Vec<String> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".sealed").map(str::to_owned))
            .collect();
        names.sort();
        Ok(names)
    }

    pub(super) fn path(&self, name: &str) -> Result<PathBuf, KeyError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            return Err(KeyError::BadName { name: name.to_owned() });
        }
        Ok(self.directory.join(format!("{name}.sealed")))
    }

    fn encrypt(&self, name: &str, secret: &[u8]) -> Result<Vec<u8>, KeyError> {
        let nonce = random::<NONCE_BYTES>()?;
        let cipher = XChaCha20Poly1305::new(Key::from_slice(self.key.as_slice()));
        let payload = Payload { msg: secret, aad: &associated_data(name) };
        let body = cipher
            .encrypt(XNonce::from_slice(nonce.as_slice()), payload)
            .map_err(|_| KeyError::BadName { name: name.to_owned() })?;
        Ok([MAGIC.as_slice(), nonce.as_slice(), &body].concat())
    }

    fn decrypt(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
        let body = sealed.strip_prefix(MAGIC.as_slice()).ok_or("it is not a sealed key")?;
        let (nonce, body) = body.split_at_checked(NONCE_BYTES).ok_or("it is cut short")?;
        let cipher = XChaCha20Poly1305::new(Key::from_slice(self.key.as_slice()));
        let payload = Payload { msg: body, aad: &associated_data(name) };
        cipher
            .decrypt(XNonce::from_slice(nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| "its authentication tag does not match".to_owned())
    }
}

fn associated_data(name: &str) -> Vec<u8> {
    [b"horae.v1.sealed:", name.as_bytes()].concat()
}

pub(super) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, KeyError> {
    let mut bytes = Zeroizing::new([0; N]);
    rand::rngs::OsRng.try_fill_bytes(bytes.as_mut_slice()).map_err(|e| KeyError::Randomness(e.to_string()))?;
    Ok(bytes)
}

fn derive(passphrase: &[u8], salt: &[u8], cost: Cost) -> Result<Zeroizing<[u8; 32]>, String> {
    let params = Params::new(cost.memory_kib, cost.passes, 1, Some(32)).map_err(|e| e.to_string())?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase, salt, key.as_mut_slice())
        .map_err(|e| e.to_string())?;
    Ok(key)
}

fn passphrase(home: &Home, source: &KeySource) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let (from, mut text) = match source {
        KeySource::Environment => {
            let value = std::env::var_os(PASSPHRASE_VARIABLE).ok_or(KeyError::NoPassphrase)?;
            (PASSPHRASE_VARIABLE.to_owned(), Zeroizing::new(value.into_encoded_bytes()))
        }
        KeySource::Devnet => read_passphrase(&home.keys().join(DEVNET_KEY_FILE))?,
        KeySource::File { path } => read_passphrase(&home.root().join(path))?,
    };
    while text.last().is_some_and(|b| *b == b'\n' || *b == b'\r') {
        text.pop();
    }
    let problem = match text.len() as u64 {
        0 => "is empty",
        n if n > PASSPHRASE_MAX_BYTES => "is too long",
        _ if text.contains(&b'\n') => "has more than one line",
        _ => return Ok(text),
    };
    Err(KeyError::BadPassphrase { from, problem })
}

fn read_passphrase(path: &Path) -> Result<(String, Zeroizing<Vec<u8>>), KeyError> {
    let text = read_bounded(path, PASSPHRASE_MAX_BYTES + 2).map_err(io_error("reading the passphrase from", path))?;
    Ok((path.display().to_string(), Zeroizing::new(text)))
}

fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {most} bytes")));
    }
    Ok(bytes)
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyError {
    let path = path.to_owned();
    move |source| KeyError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SOURCE: KeySource = KeySource::Devnet;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        home.create().unwrap();
        (dir, home)
    }

    #[test]
    fn a_wrong_passphrase_says_so() {
        let (_dir, home) = home();
        Vault::create(&home, &SOURCE).unwrap();
        fs::write(home.root().join("other"), "not it\n").unwrap();
        let error = Vault::open(&home, &KeySource::File { path: "other".into() }).unwrap_err();
        assert!(matches!(error, KeyError::WrongPassphrase { .. }), "{error}");
        assert!(error.to_string().starts_with("wrong passphrase for "), "{error}");
    }

    #[test]
    fn a_passphrase_file_opens_what_it_sealed_with_or_without_a_newline() {
        let (_dir, home) = home();
        let source = KeySource::File { path: "pass".into() };
        fs::write(home.root().join("pass"), "correct horse\n").unwrap();
        Vault::create(&home, &source).unwrap().seal("share-1", b"share").unwrap();
        fs::write(home.root().join("pass"), "correct horse").unwrap();
        let vault = Vault::open(&home, &source).unwrap();
        assert_eq!(vault.unseal("share-1").unwrap().unwrap().as_slice(), b"share");
    }

    #[test]
    fn any_flipped_byte_is_noticed_and_the_file_named() {
        let (_dir, home) = home();
        let vault = Vault::create(&home, &SOURCE).unwrap();
        vault.seal("share-1", b"a share").unwrap();
        let path = home.keys().join("share-1.sealed");
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            let error = vault.unseal("share-1").unwrap_err();
            assert!(matches!(error, KeyError::Damaged { .. }), "byte {at}: {error}");
            assert!(error.to_string().contains("share-1.sealed"), "{error}");
        }
        fs::write(&path, &good[..good.len() / 2]).unwrap();
        assert!(vault.unseal("share-1").is_err());
    }

    #[test]
    fn a_file_under_another_name_does_not_open() {
        let (_dir, home) = home();
        let vault = Vault::create(&home, &SOURCE).unwrap();
        vault.seal("epoch-1", b"old share").unwrap();
        fs::copy(home.keys().join("epoch-1.sealed"), home.keys().join("epoch-2.sealed")).unwrap();
        assert!(matches!(vault.unseal("epoch-2"), Err(KeyError::Damaged { .. })));
    }

    #[test]
    fn an_erased_secret_is_gone() {
        let (_dir, home) = home();
        let vault = Vault::create(&home, &SOURCE).unwrap();
        vault.seal("epoch-1", b"share").unwrap();
        vault.erase("epoch-1").unwrap();
        vault.erase("epoch-1").unwrap();
        assert_eq!(vault.unseal("epoch-1").unwrap(), None);
    }

    #[test]
    fn names_cannot_leave_the_directory() {
        let (_dir, home) = home();
        let vault = Vault::create(&home, &SOURCE).unwrap();
        for name in ["", "../signer", "a/b", "A", "x.y"] {
            assert!(matches!(vault.seal(name, b""), Err(KeyError::BadName { .. })), "{name}");
        }
    }

    #[test]
    fn a_vault_is_not_made_over_another() {
        let (_dir, home) = home();
        Vault::create(&home, &SOURCE).unwrap();
        assert!(matches!(Vault::create(&home, &SOURCE), Err(KeyError::Exists { .. })));
    }
}

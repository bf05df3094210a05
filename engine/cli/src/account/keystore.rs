//! Web3 secret storage, version 3: a private key under a password, in the JSON that Ethereum's tools share.

use std::{
    fs,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use aes::Aes128;
use alloy_primitives::{Address, Bytes, keccak256};
use ctr::{
    Ctr128BE,
    cipher::{KeyIvInit, StreamCipher},
};
use horae_control::SignerKey;
use ring::pbkdf2;
use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

/// Largest file that is read, in bytes; keystores have about 500.
const MAX_BYTES: u64 = 64 << 10;
/// Memory that the file may ask for, in bytes: eight times what geth asks for.
const SCRYPT_MAX_BYTES: u64 = 2 << 30;
/// Largest parallelisation of scrypt; the specification's example has 8.
const SCRYPT_MAX_P: u32 = 16;
/// Most rounds of PBKDF2: 38 times those of the specification's example.
const PBKDF2_MAX_ROUNDS: u32 = 10_000_000;
/// Bytes of the derived key: one half decrypts, the other authenticates.
const DERIVED: usize = 32;

/// Why a keystore gives no key.
#[derive(Debug, Error)]
pub enum KeystoreError {
    /// It cannot be read.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no keystore.
    #[error("{file} is no keystore (Web3 secret storage, version 3): {problem}")]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// It asks for more time or memory than any tool's keystores.
    #[error("{file} asks for {cost}, more than any tool's keystores do; it is refused")]
    TooCostly {
        /// The file.
        file: PathBuf,
        /// What it asks for.
        cost: String,
    },
    /// The password does not fit.
    #[error("the password of {file} is wrong, or the file is damaged")]
    WrongPassword {
        /// The file.
        file: PathBuf,
    },
    /// It holds another key than it says.
    #[error("{file} says that it holds the key of {says}, but that is the key of {holds}")]
    OtherAddress {
        /// The file.
        file: PathBuf,
        /// What is written in it.
        says: Address,
        /// Whose key it is.
        holds: Address,
    },
}

#[derive(Deserialize)]
struct Keystore {
    version: u32,
    #[serde(default)]
    address: Option<String>,
    #[serde(alias = "Crypto")]
    crypto: Crypto,
}

#[derive(Deserialize)]
struct Crypto {
    cipher: String,
    cipherparams: CipherParams,
    ciphertext: String,
    kdf: String,
    kdfparams: KdfParams,
    mac: String,
}

#[derive(Deserialize)]
struct CipherParams {
    iv: String,
}

/// Of either function; those of the other are absent.
#[derive(Deserialize)]
struct KdfParams {
    dklen: usize,
    salt: String,
    n: Option<u64>,
    r: Option<u32>,
    p: Option<u32>,
    c: Option<u32>,
    prf: Option<String>,
}

/// The key in a keystore.
///
/// # Errors
/// [`KeystoreError`]: what is wrong with the file, or the password.
pub fn open(file: &Path, password: &str) -> Result<SignerKey, KeystoreError> {
    let io = |source| KeystoreError::Io { file: file.to_owned(), source };
    let malformed = |problem: String| KeystoreError::Malformed { file: file.to_owned(), problem };
    let length = fs::metadata(file).map_err(io)?.len();
    if length > MAX_BYTES {
        return Err(malformed(format!("it has {length} bytes")));
    }
    let text = fs::read(file).map_err(io)?;
    let store: Keystore = serde_json::from_slice(&text).map_err(|why| malformed(why.to_string()))?;
    if store.version != 3 {
        return Err(malformed(format!("its version is {}", store.version)));
    }
    let crypto = &store.crypto;
    if crypto.cipher != "aes-128-ctr" {
        return Err(malformed(format!("its cipher is {}, not aes-128-ctr", crypto.cipher)));
    }
    let iv = bytes("iv", &crypto.cipherparams.iv).map_err(malformed)?;
    let iv: [u8; 16] = iv.as_ref().try_into().map_err(|_| malformed("its iv has not 16 bytes".to_owned()))?;
    let mut secret = Zeroizing::new(bytes("ciphertext", &crypto.ciphertext).map_err(malformed)?.to_vec());
    if secret.len() != 32 {
        return Err(malformed(format!("its ciphertext has {} bytes, not 32", secret.len())));
    }
    let derived = derive(file, crypto, password)?;
    let mac = keccak256([&derived[16..], &secret].concat());
    if bytes("mac", &crypto.mac).map_err(malformed)?.as_ref() != mac.as_slice() {
        return Err(KeystoreError::WrongPassword { file: file.to_owned() });
    }
    let key: [u8; 16] = derived[..16].try_into().expect("half of 32 bytes");
    Ctr128BE::<Aes128>::new(&key.into(), &iv.into()).apply_keystream(&mut secret);
    let secret = Zeroizing::new(<[u8; 32]>::try_from(secret.as_slice()).expect("its length was checked"));
    let key = SignerKey::from_bytes(&secret).map_err(|why| malformed(why.to_string()))?;
    if let Some(says) = &store.address {
        let says = Address::try_from(bytes("address", says).map_err(malformed)?.as_ref());
        let says = says.map_err(|_| malformed("its address has not 20 bytes".to_owned()))?;
        if says != key.address() {
            return Err(KeystoreError::OtherAddress { file: file.to_owned(), says, holds: key.address() });
        }
    }
    Ok(key)
}

fn derive(file: &Path, crypto: &Crypto, password: &str) -> Result<Zeroizing<[u8; DERIVED]>, KeystoreError> {
    let malformed = |problem: String| KeystoreError::Malformed { file: file.to_owned(), problem };
    let costly = |cost: String| KeystoreError::TooCostly { file: file.to_owned(), cost };
    let params = &crypto.kdfparams;
    if params.dklen != DERIVED {
        return Err(malformed(format!("its dklen is {}, not {DERIVED}", params.dklen)));
    }
    let salt = bytes("salt", &params.salt).map_err(malformed)?;
    let mut derived = Zeroizing::new([0; DERIVED]);
    match (crypto.kdf.as_str(), params) {
        ("scrypt", KdfParams { n: Some(n), r: Some(r), p: Some(p), .. }) => {
            let memory = n.saturating_mul(128).saturating_mul(u64::from(*r));
            if memory > SCRYPT_MAX_BYTES || *p > SCRYPT_MAX_P {
                return Err(costly(format!("{} MiB of memory, {p} times", memory >> 20)));
            }
            if !n.is_power_of_two() {
                return Err(malformed(format!("its n is {n}, not a power of two")));
            }
            let log_n = u8::try_from(n.ilog2()).expect("at most 64");
            let params = scrypt::Params::new(log_n, *r, *p, DERIVED).map_err(|why| malformed(why.to_string()))?;
            scrypt::scrypt(password.as_bytes(), &salt, &params, derived.as_mut_slice())
                .map_err(|why| malformed(why.to_string()))?;
        }
        ("pbkdf2", KdfParams { c: Some(c), prf: Some(prf), .. }) if prf == "hmac-sha256" => {
            if *c > PBKDF2_MAX_ROUNDS {
                return Err(costly(format!("{c} rounds")));
            }
            let rounds = NonZeroU32::new(*c).ok_or_else(|| malformed("it asks for no rounds".to_owned()))?;
            pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), derived.as_mut_slice());
        }
        ("scrypt" | "pbkdf2", _) => return Err(malformed(format!("it lacks parameters of {}", crypto.kdf))),
        (other, _) => return Err(malformed(format!("its key derivation is {other}, neither scrypt nor pbkdf2"))),
    }
    Ok(derived)
}

fn bytes(what: &str, text: &str) -> Result<Bytes, String> {
    text.parse().map_err(|why| format!("its {what} is not hexadecimal ({why})"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    /// Both with the password `testpassword`. That of pbkdf2 is from the Web3 Secret Storage Definition, whose example of scrypt has an `n`
    /// beyond what RFC 7914 allows for its `r`; so that of scrypt is worked out with Python's hashlib, openssl and cast.
    fn examples() -> [Value; 2] {
        let of = |iv: &str, ciphertext: &str, kdf: &str, kdfparams: Value, mac: &str| {
            json!({
                "crypto": { "cipher": "aes-128-ctr", "cipherparams": { "iv": iv }, "ciphertext": ciphertext, "kdf": kdf,
                    "kdfparams": kdfparams, "mac": mac },
                "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
                "version": 3,
            })
        };
        [
            of(
                "6087dab2f9fdbbfaddc31a909735c1e6",
                "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
                "pbkdf2",
                json!({ "c": 262_144, "dklen": 32, "prf": "hmac-sha256",
                    "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd" }),
                "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
            ),
            of(
                "83dbcc02d8ccb40e466191a123791e0e",
                "3b4309355ad643f2b15cfb6a83a7f6f328e7a6459a56ab8c6e25a89c8f43eb80",
                "scrypt",
                json!({ "dklen": 32, "n": 4_096, "p": 1, "r": 8,
                    "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19" }),
                "994d83f6bfb7e6e3aa95980f72b6ad87db9d352789d0f2e433cf777425db3a42",
            ),
        ]
    }

    fn opened(store: &Value, password: &str) -> Result<SignerKey, KeystoreError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keystore.json");
        fs::write(&file, store.to_string()).unwrap();
        open(&file, password)
    }

    #[test]
    fn keystores_of_both_kinds_open_with_their_password_only() {
        let key = alloy_primitives::hex!("7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d");
        let address = SignerKey::from_bytes(&key).unwrap().address();
        for mut store in examples() {
            assert_eq!(opened(&store, "testpassword").unwrap().address(), address);
            assert!(matches!(opened(&store, "testpassworD"), Err(KeystoreError::WrongPassword { .. })));
            store["address"] = json!("008aeeda4d805471df9b2a5b0f38a0c3bcba786b");
            assert_eq!(opened(&store, "testpassword").unwrap().address(), address, "as written in it");
            store["address"] = json!("018aeeda4d805471df9b2a5b0f38a0c3bcba786b");
            assert!(matches!(opened(&store, "testpassword"), Err(KeystoreError::OtherAddress { .. })));
        }
    }

    #[test]
    fn what_is_no_keystore_or_would_take_for_ever_is_refused_in_words() {
        let [by_rounds, by_memory] = examples();
        let with = |store: &Value, path: &str, value: Value| {
            let mut changed = store.clone();
            *changed.pointer_mut(path).unwrap() = value;
            opened(&changed, "testpassword").unwrap_err().to_string()
        };
        for (store, path, value, says) in [
            (&by_rounds, "/version", json!(1), "its version is 1"),
            (&by_rounds, "/crypto/cipher", json!("rot13"), "its cipher is rot13"),
            (&by_rounds, "/crypto/kdf", json!("md5"), "neither scrypt nor pbkdf2"),
            (&by_rounds, "/crypto/kdf", json!("scrypt"), "it lacks parameters of scrypt"),
            (&by_rounds, "/crypto/kdfparams/c", json!(0), "no rounds"),
            (&by_rounds, "/crypto/kdfparams/c", json!(4_000_000_000_u32), "4000000000 rounds"),
            (&by_rounds, "/crypto/kdfparams/dklen", json!(16), "its dklen is 16"),
            (&by_rounds, "/crypto/cipherparams/iv", json!("00"), "its iv has not 16 bytes"),
            (&by_rounds, "/crypto/ciphertext", json!("0g"), "its ciphertext is not hexadecimal"),
            (&by_rounds, "/crypto/ciphertext", json!("00"), "its ciphertext has 1 bytes"),
            (&by_memory, "/crypto/kdfparams/n", json!(1_u64 << 40), "MiB of memory"),
            (&by_memory, "/crypto/kdfparams/n", json!(3), "not a power of two"),
            (&by_memory, "/crypto/kdfparams/p", json!(1_000), "1000 times"),
        ] {
            let said = with(store, path, value);
            assert!(said.contains(says), "{path}: {said}");
        }
        assert!(opened(&json!([1]), "x").unwrap_err().to_string().contains("is no keystore"));
        assert!(matches!(open(Path::new("/nowhere/at/all"), "x"), Err(KeystoreError::Io { .. })));
    }
}

//! The account that a command speaks for: a key in a file, a keystore, the environment or a node's home, or a program that signs.

mod external;
mod keystore;

use std::{
    fmt::Display,
    fs,
    io::IsTerminal,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy_primitives::{Address, hex};
use async_trait::async_trait;
use clap::Args;
use horae_control::{Signature, SignerKey};
use horae_node::{
    edges::l1::{Account, L1Error},
    home::Home,
};
use zeroize::Zeroizing;

use crate::{
    error::CliError,
    ethereum::{keys_of, signer_key},
};
use external::ExternalSigner;
pub use keystore::KeystoreError;

/// Longest password that a file may hold, in bytes.
const PASSWORD_MAX_BYTES: usize = 4_096;

/// Whose transactions they are. At most one of these; then the environment; then the signer key of --home.
#[derive(Clone, Debug, Args)]
pub struct AccountOptions {
    /// Web3 secret storage (version 3) with the key of the account that sends, as geth, cast and clef make it.
    #[arg(long, help_heading = "Account", value_name = "FILE", conflicts_with_all = ["key_file", "signer_command"])]
    pub keystore: Option<PathBuf>,
    /// File whose first line is the keystore's password; without it a terminal is asked.
    #[arg(long, help_heading = "Account", value_name = "FILE", requires = "keystore")]
    pub password_file: Option<PathBuf>,
    /// Program that signs, run by `sh -c`, such as one that asks a hardware wallet. The key stays with it.
    ///
    /// It is run once for each answer, with one JSON object on its standard input, and prints one JSON object.
    /// {"version":1,"request":"address"} wants {"address":"0x.."}. {"version":1,"request":"sign","address":"0x..","digest":"0x..",
    /// "transaction":{"type":"0x2","chainId":..,"nonce":..,"to":..,"value":..,"input":..,"gas":..,"maxFeePerGas":..,
    /// "maxPriorityFeePerGas":..}} wants {"signature":"0x.."}: 65 bytes r, s, v (0, 1, 27 or 28) over the digest, which is that of the
    /// transaction (EIP-1559). {"error":"why"} refuses. Standard error is shown, and a terminal may be asked. What is signed is checked.
    #[arg(long, help_heading = "Account", value_name = "COMMAND", conflicts_with = "key_file")]
    pub signer_command: Option<String>,
    /// Give the signer this long for each answer, in seconds.
    #[arg(long, help_heading = "Account", value_name = "S", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub signer_timeout: u64,
    /// File with the private key (hex) of the account that sends.
    #[arg(long, help_heading = "Account", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// That key itself; from the environment rather than the command line.
    #[arg(long, help_heading = "Account", value_name = "HEX", env = "HORAE_KEY", hide_env_values = true)]
    pub key: Option<String>,
}

/// Someone who signs.
pub struct Signing(Box<dyn Account>);

#[async_trait]
impl Account for Signing {
    fn address(&self) -> Address {
        self.0.address()
    }

    async fn sign(&self, transaction: &alloy_consensus::TxEip1559) -> Result<Signature, L1Error> {
        self.0.sign(transaction).await
    }
}

impl AccountOptions {
    /// The account; `home` is a node's whose signer key sends if nothing else is named.
    pub async fn open(&self, home: Option<&Path>) -> Result<Signing, CliError> {
        if let Some(command) = &self.signer_command {
            let signer = ExternalSigner::ask(command, Duration::from_secs(self.signer_timeout)).await;
            let signer = signer.map_err(|why| CliError::because("--signer-command", why))?;
            return Ok(Signing(Box::new(signer)));
        }
        Ok(Signing(Box::new(self.key(home)?)))
    }

    fn key(&self, home: Option<&Path>) -> Result<SignerKey, CliError> {
        if let Some(file) = &self.keystore {
            return Ok(keystore::open(file, &self.password(file)?)?);
        }
        if let Some(file) = &self.key_file {
            let text = Zeroizing::new(fs::read_to_string(file).map_err(|why| CliError::because(file.display(), why))?);
            return parse_key(file.display(), &text);
        }
        if let Some(text) = &self.key {
            return parse_key("HORAE_KEY (--key)", text);
        }
        match home {
            Some(home) => signer_key(&keys_of(&Home::new(home))?),
            None => Err(CliError::new("no key: name --keystore, --signer-command or --key-file, or set HORAE_KEY")),
        }
    }

    fn password(&self, keystore: &Path) -> Result<Zeroizing<String>, CliError> {
        if let Some(file) = &self.password_file {
            let text = Zeroizing::new(fs::read_to_string(file).map_err(|why| CliError::because(file.display(), why))?);
            if text.len() > PASSWORD_MAX_BYTES {
                let problem = format!("{} bytes are more than {PASSWORD_MAX_BYTES}: that is no password", text.len());
                return Err(CliError::because(file.display(), problem));
            }
            return Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()));
        }
        if !std::io::stdin().is_terminal() {
            return Err(CliError::new("there is nobody to ask for the keystore's password: name --password-file"));
        }
        let asked = rpassword::prompt_password(format!("password of {}: ", keystore.display()));
        asked.map(Zeroizing::new).map_err(|why| CliError::because("cannot ask for the password", why))
    }
}

/// A private key in hex, with or without `0x`; `from` says where it stands.
pub fn parse_key(from: impl Display, text: &str) -> Result<SignerKey, CliError> {
    let bad = || CliError::new(format!("{from} is no private key: 64 hexadecimal digits"));
    let secret: Zeroizing<[u8; 32]> = Zeroizing::new(hex::decode_to_array(text.trim()).map_err(|_| bad())?);
    SignerKey::from_bytes(&secret).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_read_with_and_without_its_prefix() {
        let hex = "ab".repeat(32);
        assert_eq!(parse_key("it", &hex).unwrap().address(), parse_key("it", &format!("0x{hex}\n")).unwrap().address());
        for bad in ["", "0x12", &"zz".repeat(32)] {
            assert!(parse_key("it", bad).is_err(), "{bad}");
        }
    }
}

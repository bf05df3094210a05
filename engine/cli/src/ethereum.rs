//! The L1 that a command speaks to, and the account that it speaks for.

use std::path::PathBuf;

use clap::Args;
use horae_control::SignerKey;
use horae_node::{
    config::Settings,
    edges::l1::{L1, Sender},
    genesis::GenesisFile,
    home::Home,
    keys::{Keys, Vault},
};

use crate::{account::AccountOptions, error::CliError};

/// Which chain, and where its L1 is.
#[derive(Clone, Debug, Args)]
pub struct L1Options {
    /// Home directory of a node of the chain: for its genesis.json, the L1 endpoints in its node.toml, and its keys.
    #[arg(long, value_name = "DIR", required_unless_present = "genesis")]
    pub home: Option<PathBuf>,
    /// The chain's genesis.json, where there is no home.
    #[arg(long, value_name = "FILE", requires = "l1")]
    pub genesis: Option<PathBuf>,
    /// HTTP endpoint of Ethereum; those of the home unless told.
    #[arg(long, value_name = "URL", env = "HORAE_L1")]
    pub l1: Option<String>,
}

/// Who sends, and how much is asked before.
#[derive(Clone, Debug, Args)]
pub struct SendOptions {
    /// The chain.
    #[command(flatten)]
    pub l1: L1Options,
    /// The account.
    #[command(flatten)]
    pub account: AccountOptions,
    /// Do not ask.
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Show what would be sent, find out whether L1 would take it, and send nothing.
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Print one JSON object; wants --yes or --dry-run.
    #[arg(long)]
    pub json: bool,
}

impl L1Options {
    /// The chain's genesis file.
    pub fn genesis(&self) -> Result<GenesisFile, CliError> {
        let file = match (&self.genesis, &self.home) {
            (Some(file), _) => file.clone(),
            (None, Some(home)) => Home::new(home).genesis(),
            (None, None) => return Err(CliError::new("name a node's --home, or --genesis and --l1")),
        };
        Ok(GenesisFile::load(&file)?)
    }

    /// A client of the L1, once it has been found to be the one of the chain.
    pub async fn connect(&self) -> Result<L1, CliError> {
        let urls = match (&self.l1, &self.home) {
            (Some(url), _) => vec![url.clone()],
            (None, Some(home)) => Settings::load(&Home::new(home).settings())?.l1.urls,
            (None, None) => return Err(CliError::new("name Ethereum's endpoint with --l1")),
        };
        let l1 = L1::new(&urls, &self.genesis()?.l1)?;
        l1.check().await?;
        Ok(l1)
    }
}

impl SendOptions {
    /// The account that sends.
    pub async fn sender(&self) -> Result<Sender, CliError> {
        let account = self.account.open(self.l1.home.as_deref()).await?;
        Ok(Sender::new(self.l1.connect().await?, account))
    }
}

/// The keys in a home.
pub fn keys_of(home: &Home) -> Result<Keys, CliError> {
    let settings = Settings::load(&home.settings())?;
    Ok(Keys::load(&Vault::open(home, &settings.keys)?)?)
}

/// The key that signs for a validator.
pub fn signer_key(keys: &Keys) -> Result<SignerKey, CliError> {
    SignerKey::from_bytes(&keys.signer.to_secret_bytes()).map_err(|why| CliError::because("the signer key", why))
}

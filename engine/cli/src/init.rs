//! `horae init`: a new home with keys of its own.

use std::fs;

use alloy_primitives::hex;
use horae_node::{
    config::{LinkSettings, Settings},
    genesis::GenesisFile,
    home::Home,
    keys::{KeySource, Keys, Vault},
};
use serde_json::json;

use crate::{args::InitOptions, error::CliError};

/// Makes the home and prints what has to be registered on L1.
pub fn run(options: &InitOptions) -> Result<(), CliError> {
    let home = Home::new(&options.home);
    home.create()?;
    let source = match &options.passphrase_file {
        Some(path) => {
            let path = fs::canonicalize(path).map_err(|e| CliError::because(path.display(), e))?;
            KeySource::File { path }
        }
        None if options.devnet_keys => KeySource::Devnet,
        None => KeySource::Environment,
    };
    let vault = Vault::create(&home, &source)?;
    let keys = Keys::generate()?;
    keys.store(&vault)?;
    let links = LinkSettings { control: options.control, stream: options.stream };
    let mut settings = Settings::new(options.l1.clone(), links);
    settings.keys = source;
    settings.rpc.address = options.rpc;
    settings.save(&home.settings())?;
    if let Some(file) = &options.genesis {
        GenesisFile::load(file)?.save(&home.genesis())?;
    }
    let (signer, node_key) = (keys.signer_address(), hex::encode(keys.node_key()));
    if options.json {
        println!("{}", json!({ "home": options.home, "signer": signer, "node_key": node_key }));
        return Ok(());
    }
    println!("home      {}", options.home.display());
    println!("signer    {signer}   lock stake for it in the LockingPool, and give it ether on L1");
    println!("node key  {node_key}   registered with the stake");
    let missing = if options.genesis.is_some() { "" } else { "the chain's genesis.json into the home, " };
    println!(
        "next      put {missing}the other validators under [[peers]] in node.toml, then `horae node --home {}`",
        options.home.display()
    );
    Ok(())
}

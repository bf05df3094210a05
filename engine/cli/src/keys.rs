//! `horae keys`: the public halves of what a home holds, and the signer's word that it serves an owner.

use alloy_primitives::hex;
use horae_node::{
    config::Settings,
    genesis::GenesisFile,
    home::Home,
    keys::{Keys, Vault, address_of},
};
use serde_json::json;

use crate::{args::KeysOptions, error::CliError, json, stake::Registration};

/// Opens the vault and prints public keys; no secret leaves it.
pub fn run(options: &KeysOptions) -> Result<(), CliError> {
    let home = Home::new(&options.home);
    let settings = Settings::load(&home.settings())?;
    let vault = Vault::open(&home, &settings.keys)?;
    let keys = Keys::load(&vault)?;
    if let Some(owner) = options.owner {
        let chain = GenesisFile::load(&home.genesis())?.l1;
        return json::print(&Registration::of(&keys, owner, chain.chain_id, chain.locking)?);
    }
    let node_key = hex::encode(keys.node_key());
    let sealed = vault.names()?;
    if options.json {
        let signer = keys.signer_address();
        return json::print(
            &json!({ "signer": signer, "node_key": node_key, "l1": address_of(&keys.l1), "sealed": sealed }),
        );
    }
    println!("signer    {}", keys.signer_address());
    println!("node key  {node_key}");
    println!("l1        {}", address_of(&keys.l1));
    println!("sealed    {}", sealed.join(", "));
    Ok(())
}

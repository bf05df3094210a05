//! `horae derive`: the chain from L1 alone, and where it first differs from a node's.

use std::process::ExitCode;

use alloy_primitives::B256;
use horae_node::{
    derive::{DeriveError, derive},
    edges::l1::L1,
    genesis::GenesisFile,
    home::Home,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::{
    args::DeriveOptions,
    error::CliError,
    json,
    rpc::{BlockReport, Rpc, value},
};

#[derive(Serialize)]
struct Outcome {
    head: u64,
    head_hash: B256,
    state_root: B256,
    batches: u64,
    transactions: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<Compared>,
}

#[derive(Serialize)]
struct Compared {
    with: String,
    same: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_difference: Option<Difference>,
}

#[derive(Serialize)]
struct Difference {
    block: u64,
    derived: B256,
    node: Option<B256>,
}

/// Rebuilds, prints, compares. Exit code 1 if the node differs.
pub async fn run(options: &DeriveOptions) -> Result<ExitCode, CliError> {
    let mut genesis = GenesisFile::load(&Home::new(&options.home).genesis())?;
    if let Some(inbox) = options.inbox {
        genesis.l1.inbox = inbox;
    }
    let l1 = L1::new(std::slice::from_ref(&options.l1), &genesis.l1)?;
    l1.check().await?;
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{spinner} L1 block {pos}/{len}  {msg}") {
        bar.set_style(style);
    }
    let (mut batches, mut transactions) = (0, 0);
    let derivation = derive(&l1, &genesis, |step| {
        batches += 1;
        transactions += step.batch.transactions;
        bar.set_length(step.l1_head);
        bar.set_position(step.accepted.l1_block.number);
        bar.set_message(format!("batch {} up to block {}", step.batch.index, step.batch.last_block));
        Ok::<(), DeriveError>(())
    })
    .await
    .map_err(|e| CliError::new(e.to_string()))?;
    bar.finish_and_clear();
    let compared = match &options.compare {
        Some(url) => Some(compare(derivation.hashes(), url).await?),
        None => None,
    };
    let outcome = Outcome {
        head: derivation.head().number,
        head_hash: derivation.head_hash(),
        state_root: derivation.state_root(),
        batches,
        transactions,
        compared,
    };
    print(&outcome, options.json)?;
    let differs = outcome.compared.is_some_and(|compared| !compared.same);
    Ok(if differs { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(outcome: &Outcome, json: bool) -> Result<(), CliError> {
    if json {
        return json::print(outcome);
    }
    println!("head        block {} {}", outcome.head, outcome.head_hash);
    println!("state root  {}", outcome.state_root);
    println!("from        {} batches, {} transactions", outcome.batches, outcome.transactions);
    if let Some(compared) = &outcome.compared {
        match &compared.first_difference {
            None => println!("compared    every block is the same on {}", compared.with),
            Some(Difference { block, derived, node: Some(node) }) => {
                println!("compared    block {block} differs: L1 says {derived}, {} says {node}", compared.with);
            }
            Some(Difference { block, .. }) => println!("compared    {} has no block {block}", compared.with),
        }
    }
    Ok(())
}

/// Hashes chain, so the first difference is found by halving.
async fn compare(hashes: &[B256], url: &str) -> Result<Compared, CliError> {
    let rpc = Rpc::new(url)?;
    let hash_at = async |number: usize| -> Result<Option<B256>, CliError> {
        let block: Option<BlockReport> = rpc.ask("horae_block", [value(format!("{number:#x}"))]).await?;
        Ok(block.map(|block| block.hash))
    };
    let last = hashes.len() - 1;
    if hash_at(last).await? == Some(hashes[last]) {
        return Ok(Compared { with: url.to_owned(), same: true, first_difference: None });
    }
    let (mut low, mut high) = (0, last);
    while low < high {
        let middle = low.midpoint(high);
        if hash_at(middle).await? == Some(hashes[middle]) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let difference = Difference { block: low as u64, derived: hashes[low], node: hash_at(low).await? };
    Ok(Compared { with: url.to_owned(), same: false, first_difference: Some(difference) })
}

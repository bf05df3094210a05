//! Items as lines.

use std::io::Write;

use horae_node::feed::{Item, json::ItemJson};

use super::link::Broken;
use crate::error::CliError;

/// What an error calls an item.
pub fn name(item: &Item) -> String {
    match item {
        Item::Decision(item) => format!("decision {}", item.decision.height),
        Item::Block(block) => format!("block {}", block.header.number),
        Item::Certificate(certificate) => format!("the certificate of block {}", certificate.block.number),
        Item::Commit(commit) => format!("the commit of block {}", commit.block().number),
        Item::Void { above } => format!("the end of the blocks above {above}"),
        Item::End { .. } => "the end of the feed".to_owned(),
    }
}

/// Prints an item as one line.
pub fn item(item: &Item, json: bool) -> Result<(), Broken> {
    let line = match json {
        true => serde_json::to_string(&ItemJson::from(item)).unwrap_or_default(),
        false => line(item),
    };
    let failed = |why| Broken::ForGood(CliError::because("cannot print", why));
    writeln!(std::io::stdout().lock(), "{line}").map_err(failed)
}

fn line(item: &Item) -> String {
    match item {
        Item::Decision(item) => {
            let closed = item.closed.map(|closed| format!(": closes term {} with {}", closed.term, closed.head));
            let (height, by) = (item.decision.height, item.decision.precommits.len());
            format!("decision    {height:>8}  by {by} validators{}", closed.unwrap_or_default())
        }
        Item::Block(block) => {
            let header = &block.header;
            let ends = if header.ends_slot { ", ends its slot" } else { "" };
            format!(
                "block       {:>8}  {}  term {}, slot {}, {} transactions{ends}",
                header.number,
                block.hash,
                header.term,
                header.slot,
                block.transactions.len()
            )
        }
        Item::Certificate(certificate) => {
            let block = certificate.block;
            format!("certified   {:>8}  {}  {} acks", block.number, block.hash, certificate.acks.len())
        }
        Item::Commit(commit) => {
            let block = commit.block();
            format!("committed   {:>8}  {}  {} acks", block.number, block.hash, commit.acks.len())
        }
        Item::Void { above } => format!("void        {:>8}  and all blocks above it", above + 1),
        Item::End { code, message } => format!("end         {message} ({code})"),
    }
}

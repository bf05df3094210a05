//! Reads the whole committed chain from a node: how many blocks and transactions, who held which slot.

use alloy_primitives::{Address, Bytes, U64};
use horae_stages::protocol;
use serde::Serialize;

use super::ground::Ground;
use crate::{
    error::CliError,
    rpc::{BlockReport, BlockSummary, Rpc, TransactionSummary, value},
};

/// Blocks asked for at a time.
const STRIDE: u64 = 50;

/// A slot as the chain has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SlotReport {
    /// Its number.
    pub slot: u64,
    /// Its epoch.
    pub epoch: u64,
    /// Who sealed its blocks.
    pub sequencer: Address,
    /// Its first block.
    pub first_block: u64,
    /// Its last block.
    pub last_block: u64,
}

/// The committed chain.
#[derive(Clone, Debug, Default)]
pub struct Scanned {
    /// Height of the committed head.
    pub blocks: u64,
    /// Transactions that users signed, up to there.
    pub transactions: u64,
    /// The group key in force.
    pub group_key: Option<Bytes>,
    /// Slots with blocks.
    pub slots: Vec<SlotReport>,
    /// Most signers that any node knows of each batch, by the height of its last block.
    pub signers: Vec<(u64, usize)>,
}

/// Reads from the first node that answers.
pub async fn scan(ground: &Ground) -> Result<Scanned, CliError> {
    let mut nodes = Vec::new();
    for url in ground.rpc_urls() {
        let rpc = Rpc::new(&url)?;
        if let Ok(status) = rpc.status().await {
            nodes.push((rpc, status));
        }
    }
    let Some((rpc, status)) = nodes.first() else {
        return Err(CliError::new(format!(
            "no node answers, so there is nothing to report; see the logs in {}",
            ground.logs().display()
        )));
    };
    let mut scanned =
        Scanned { blocks: status.heads.committed, group_key: status.group_key.clone(), ..Default::default() };
    let mut from = 1;
    while from <= scanned.blocks {
        let to = scanned.blocks.min(from + STRIDE - 1);
        let asked = (from..=to).map(|number| [value(format!("{number:#x}")), value(true)]);
        for block in rpc.ask_many::<Option<BlockSummary>, 2>("eth_getBlockByNumber", asked).await?.into_iter().flatten()
        {
            scanned.add(&block);
        }
        from = to + 1;
    }
    let rpcs: Vec<&Rpc> = nodes.iter().map(|(rpc, _)| rpc).collect();
    scanned.count_signers(&rpcs, status.heads.safe).await;
    Ok(scanned)
}

impl Scanned {
    fn add(&mut self, block: &BlockSummary) {
        let (number, slot) = (block.number.to(), block.slot.to());
        let by_users = |transaction: &&TransactionSummary| transaction.kind != U64::from(protocol::TYPE);
        self.transactions += block.transactions.iter().filter(by_users).count() as u64;
        match self.slots.last_mut() {
            Some(last) if last.slot == slot => last.last_block = number,
            _ => self.slots.push(SlotReport {
                slot,
                epoch: block.epoch.to(),
                sequencer: block.sequencer,
                first_block: number,
                last_block: number,
            }),
        }
    }

    /// Each signer is known to the node that put the signature together, and to whom it told.
    async fn count_signers(&mut self, nodes: &[&Rpc], safe: u64) {
        let mut last_blocks = Vec::new();
        let mut at = safe;
        while let (true, Some(first)) = (at > 0, nodes.first()) {
            let Ok(Some(block)) = first.ask::<Option<BlockReport>, 1>("horae_block", [value(format!("{at:#x}"))]).await
            else {
                break;
            };
            let Some(batch) = block.batch else { break };
            last_blocks.push(at);
            at = batch.first_block.saturating_sub(1);
        }
        for last_block in last_blocks {
            let mut most = 0;
            for node in nodes {
                let asked = [value(format!("{last_block:#x}"))];
                if let Ok(Some(block)) = node.ask::<Option<BlockReport>, 1>("horae_block", asked).await {
                    most = most.max(block.batch.map_or(0, |batch| batch.signers.len()));
                }
            }
            self.signers.push((last_block, most));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn block(number: u64, slot: u64, sequencer: u8, transactions: usize) -> BlockSummary {
        BlockSummary {
            number: U64::from(number),
            sequencer: Address::repeat_byte(sequencer),
            transactions: [protocol::TYPE].into_iter().chain(vec![2; transactions]).map(of_kind).collect(),
            epoch: U64::ZERO,
            slot: U64::from(slot),
        }
    }

    fn of_kind(kind: u8) -> TransactionSummary {
        TransactionSummary { kind: U64::from(kind) }
    }

    #[test]
    fn blocks_are_gathered_into_slots() {
        let mut scanned = Scanned::default();
        for (number, slot, sequencer) in [(1, 0, 7), (2, 0, 7), (3, 1, 8), (4, 3, 7)] {
            scanned.add(&block(number, slot, sequencer, 2));
        }
        let slots: Vec<_> = scanned.slots.iter().map(|s| (s.slot, s.first_block, s.last_block)).collect();
        assert_eq!(slots, [(0, 1, 2), (1, 3, 3), (3, 4, 4)]);
        assert_eq!(scanned.slots[1].sequencer, Address::repeat_byte(8));
        assert_eq!(scanned.transactions, 8);
    }
}

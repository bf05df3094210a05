//! In a node: what is to be settled, of this node's own blocks and its own L1, and what L1 says of an offence.

use horae_contracts::Settlement;
use horae_control::Proof;

use super::reporting::OnL1;
use super::settling::{Reckoned, ToSettle};
use crate::edges::l1::evidence::Reported;
use crate::edges::l1::{L1, L1Error, Sender};
use crate::edges::store::Store;

/// What is to be settled up to this block.
pub(super) async fn reckon(l1: &L1, store: Store, last_block: u64) -> Result<Reckoned, String> {
    let on_l1 = l1.schedule().await.map_err(|why| why.to_string())?;
    let Some(on_l1) = on_l1.filter(|schedule| schedule.begun_s > 0) else { return Ok(Reckoned::NotBegun) };
    if on_l1.last_settled >= last_block {
        return Ok(Reckoned::Settled);
    }
    let first_block = on_l1.last_settled + 1;
    let counted = tokio::task::spawn_blocking(move || store.reader().sealed(first_block, last_block));
    let counted = counted.await.map_err(|why| why.to_string())?.map_err(|why| why.to_string())?;
    let sealed =
        counted.ok_or_else(|| format!("blocks {first_block}..={last_block} are no whole epochs stored here"))?;
    let (ids, blocks) = l1.by_number(sealed).await.map_err(|why| why.to_string())?.into_iter().unzip();
    let (index, schedule) = (on_l1.next_index, on_l1.address);
    let settlement = Settlement { index, firstBlock: first_block, lastBlock: last_block, ids, blocks };
    Ok(Reckoned::Due(Box::new(ToSettle { schedule, settlement })))
}

/// Reports an offence, unless L1 has punished it.
pub(super) async fn report(sender: &Sender, proof: &Proof) -> OnL1 {
    match sender.report(proof).await {
        Ok(Reported::NoSlasher) => OnL1::NoSlasher,
        Ok(Reported::Before) => OnL1::Punished { by_us: false },
        Ok(Reported::Now(_)) => OnL1::Punished { by_us: true },
        Err(L1Error::Reverted { reason }) => OnL1::Refused(reason),
        Err(why) => OnL1::NoAnswer(why.to_string()),
    }
}

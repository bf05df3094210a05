//! Transactions in, and waiting for what becomes of them.

use std::time::Duration;

use alloy_primitives::{B256, Bytes};
use horae_stages::Shed;
use jsonrpsee::core::RpcResult;
use tokio::sync::broadcast::error::RecvError;

use super::context::Context;
use super::intake::{Admissions, Outcome};
use super::limits::{MAX_SYNC_TIMEOUT_MS, SYNC_TIMEOUT_MS};
use super::shapes::RpcReceipt;
use super::{error, shapes};
use crate::chain_view::{ChainView, Change, Located, Strength};
use crate::edges::metrics::names;
use crate::edges::store::StoreError;

pub(super) async fn send(context: &Context, raw: Bytes) -> RpcResult<B256> {
    let admissions = send_all(context, &[&raw]).await;
    match admissions.outcomes().next().flatten() {
        Some(Ok(hash)) => Ok(*hash),
        Some(Err(why)) => Err(error::refused(why)),
        None => Err(error::busy()),
    }
}

/// Hands over the transactions of one request, and waits until each is admitted or refused.
pub(super) async fn send_all(context: &Context, raws: &[&[u8]]) -> Admissions {
    let admissions = context.intake().submit(raws);
    admissions.settled().await;
    let admitted = |(outcome, raw): (Option<&Outcome>, &_)| Some((*outcome?.as_ref().ok()?, *raw));
    context.intake().remember(&mut admissions.outcomes().zip(raws).filter_map(admitted));
    count_refused(admissions.outcomes().filter_map(|outcome| outcome?.as_ref().err()));
    admissions
}

/// Counts by reason, those of one reason in a row at once: whoever is refused for lack of room is not alone.
fn count_refused<'a>(whys: impl Iterator<Item = &'a Shed>) {
    let count = |reason: &'static str, refused: u64| {
        if refused > 0 {
            metrics::counter!(names::RPC_REFUSED, "reason" => reason).increment(refused);
        }
    };
    let (last, refused) = whys.fold(("", 0), |(reason, refused), why| {
        if why.label() == reason {
            return (reason, refused + 1);
        }
        count(reason, refused);
        (why.label(), 1)
    });
    count(last, refused);
}

pub(super) async fn send_and_wait(
    context: &Context,
    raw: Bytes,
    timeout_ms: Option<u64>,
    strength: Option<Strength>,
) -> RpcResult<RpcReceipt> {
    let timeout_ms = timeout_ms.unwrap_or(SYNC_TIMEOUT_MS).min(MAX_SYNC_TIMEOUT_MS);
    let strength = strength.unwrap_or(Strength::Committed);
    let _place = context.sync_waiters().clone().try_acquire_owned().map_err(|_| error::busy())?;
    // Subscribed before it is sent, so that nothing is missed in between.
    let changes = context.view().subscribe();
    let hash = send(context, raw).await?;
    let confirmed = confirmed(context.view(), hash, strength, changes);
    match tokio::time::timeout(Duration::from_millis(timeout_ms), confirmed).await {
        Err(_) => Err(error::not_confirmed(hash, timeout_ms, strength.name())),
        Ok(Err(e)) => Err(error::store(&e)),
        Ok(Ok(None)) => Err(error::internal("the node is stopping")),
        Ok(Ok(Some(located))) => {
            shapes::receipt(&located.block, located.index).ok_or_else(|| error::internal("no receipt"))
        }
    }
}

/// Waits until a transaction is in a block of this strength. `None` when the chain view stops first.
async fn confirmed(
    view: &ChainView,
    hash: B256,
    strength: Strength,
    mut changes: tokio::sync::broadcast::Receiver<Change>,
) -> Result<Option<Located>, StoreError> {
    let mut place = view.snapshot().transaction(&hash)?;
    loop {
        let snapshot = view.snapshot();
        let reached = snapshot.heads().at(strength);
        if place.as_ref().is_some_and(|l| l.block.header().number <= reached) {
            // Looked up again: the block seen first may have been rolled back, and the change not have been read yet.
            place = snapshot.transaction(&hash)?;
            if place.as_ref().is_some_and(|l| l.block.header().number <= reached) {
                return Ok(place);
            }
        }
        match changes.recv().await {
            Ok(Change::Ordered(block)) if place.is_none() => {
                let index = block.executed.transactions.iter().position(|t| t.hash == hash);
                place = index.map(|index| Located { block, index });
            }
            Ok(Change::RolledBack { to }) => place = place.filter(|l| l.block.header().number <= to),
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => place = view.snapshot().transaction(&hash)?,
            Err(RecvError::Closed) => return Ok(None),
        }
    }
}

//! What every method needs: the chain view, the intake, and the meaning of block tags.

use std::sync::Arc;

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::B256;
use jsonrpsee::core::RpcResult;
use jsonrpsee::types::ErrorObjectOwned;
use tokio::sync::Semaphore;

use super::limits::{HEAVY_CALLS, HEAVY_CALLS_WAITING, LIGHT_CALLS, MAX_FEEDS, SYNC_WAITERS};
use super::{RpcOptions, TransactionIntake, error};
use crate::chain_view::{ChainView, Snapshot, StateAt, ViewedBlock};
use crate::feed::Decisions;

/// The methods' shared state. Cheap to clone.
#[derive(Clone)]
pub(super) struct Context {
    shared: Arc<Shared>,
}

struct Shared {
    view: ChainView,
    intake: Arc<dyn TransactionIntake>,
    options: RpcOptions,
    /// Height at which the node began.
    began_at: u64,
    /// Light calls that run.
    light_running: Semaphore,
    /// Heavy calls that run or wait.
    heavy_admitted: Semaphore,
    /// Heavy calls that run.
    heavy_running: Semaphore,
    sync_waiters: Arc<Semaphore>,
    decisions: Arc<dyn Decisions>,
    feeds: Arc<Semaphore>,
}

impl Context {
    pub(super) fn new(
        view: ChainView,
        intake: Arc<dyn TransactionIntake>,
        decisions: Arc<dyn Decisions>,
        options: RpcOptions,
    ) -> Self {
        let began_at = view.snapshot().heads().committed;
        let shared = Shared {
            view,
            intake,
            options,
            began_at,
            light_running: Semaphore::new(LIGHT_CALLS),
            heavy_admitted: Semaphore::new(HEAVY_CALLS + HEAVY_CALLS_WAITING),
            heavy_running: Semaphore::new(HEAVY_CALLS),
            sync_waiters: Arc::new(Semaphore::new(SYNC_WAITERS)),
            decisions,
            feeds: Arc::new(Semaphore::new(MAX_FEEDS)),
        };
        Self { shared: Arc::new(shared) }
    }

    pub(super) fn view(&self) -> &ChainView {
        &self.shared.view
    }

    pub(super) fn intake(&self) -> &dyn TransactionIntake {
        self.shared.intake.as_ref()
    }

    pub(super) fn options(&self) -> &RpcOptions {
        &self.shared.options
    }

    pub(super) fn began_at(&self) -> u64 {
        self.shared.began_at
    }

    pub(super) fn sync_waiters(&self) -> &Arc<Semaphore> {
        &self.shared.sync_waiters
    }

    pub(super) fn decisions(&self) -> &dyn Decisions {
        self.shared.decisions.as_ref()
    }

    pub(super) fn feeds(&self) -> &Arc<Semaphore> {
        &self.shared.feeds
    }

    pub(super) fn chain_id(&self) -> u64 {
        self.shared.options.params.chain_id
    }

    /// The root in a block's header: zero for one that does not end a batch, or whose root is still being computed.
    pub(super) fn state_root(&self, block: &ViewedBlock) -> RpcResult<B256> {
        let header = block.header();
        if !horae_stages::rules::ends_batch(header, &self.shared.options.params) {
            return Ok(B256::ZERO);
        }
        let root = self.view().state_root(header.number).map_err(|e| error::store(&e))?;
        Ok(root.unwrap_or_default())
    }

    /// Reads on a thread that may block, a few at a time; refused as busy when many wait already.
    pub(super) async fn heavy<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Context) -> RpcResult<T> + Send + 'static,
    ) -> RpcResult<T> {
        let _admitted = self.shared.heavy_admitted.try_acquire().map_err(|_| error::busy())?;
        let _running = self.shared.heavy_running.acquire().await.map_err(|_| error::busy())?;
        self.apart(work).await
    }

    /// Reads on a thread that may block: for what takes a lookup or two.
    pub(super) async fn light<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Context) -> RpcResult<T> + Send + 'static,
    ) -> RpcResult<T> {
        let _running = self.shared.light_running.acquire().await.map_err(|_| error::busy())?;
        self.apart(work).await
    }

    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Context) -> RpcResult<T> + Send + 'static,
    ) -> RpcResult<T> {
        let context = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&context)).await;
        done.unwrap_or_else(|stopped| Err(error::internal(stopped.to_string())))
    }
}

/// A block that a client named, on the snapshot it is to be read from.
pub(super) struct Named {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) number: u64,
}

impl Named {
    /// The block, which the snapshot has unless it is pruned.
    pub(super) fn block(&self) -> RpcResult<Option<Arc<ViewedBlock>>> {
        self.snapshot.block(self.number).map_err(|e| error::store(&e))
    }

    /// The state after the block.
    pub(super) fn state(&self) -> RpcResult<StateAt> {
        self.snapshot.state(self.number).map_err(|e| error::state(&e))
    }

    /// The block's header.
    pub(super) fn header(&self) -> RpcResult<horae_stages::Header> {
        let header = self.snapshot.header(self.number).map_err(|e| error::store(&e))?;
        header.ok_or_else(error::header_not_found)
    }
}

impl Context {
    /// Finds a block by number or tag. By number only committed blocks are found; only `pending` shows ordered ones.
    pub(super) fn by_number(&self, number: BlockNumberOrTag) -> Option<Named> {
        let snapshot = self.view().snapshot();
        let heads = *snapshot.heads();
        let number = match number {
            BlockNumberOrTag::Pending => heads.ordered.number,
            BlockNumberOrTag::Latest => heads.committed,
            BlockNumberOrTag::Safe => heads.safe,
            BlockNumberOrTag::Finalized => heads.finalized,
            BlockNumberOrTag::Earliest => 0,
            BlockNumberOrTag::Number(number) if number > heads.committed => return None,
            BlockNumberOrTag::Number(number) => number,
        };
        Some(Named { snapshot, number })
    }

    /// Finds a committed block by hash. Every committed block is canonical, so `requireCanonical` changes nothing.
    pub(super) fn by_hash(&self, hash: &B256) -> RpcResult<Option<Named>> {
        let snapshot = self.view().snapshot();
        let number = snapshot.number(hash).map_err(|e| error::store(&e))?;
        let committed = snapshot.heads().committed;
        Ok(number.filter(|number| *number <= committed).map(|number| Named { snapshot, number }))
    }

    /// Finds a block by number, tag or hash (EIP-1898).
    pub(super) fn find(&self, block: BlockId) -> RpcResult<Option<Named>> {
        match block {
            BlockId::Number(number) => Ok(self.by_number(number)),
            BlockId::Hash(hash) => self.by_hash(&hash.block_hash),
        }
    }

    /// Finds a block whose state is asked for; an unknown one is an error, as in go-ethereum.
    pub(super) fn must_find(&self, block: BlockId) -> RpcResult<Named> {
        self.find(block)?.ok_or_else(|| match block {
            BlockId::Number(_) => error::header_not_found(),
            BlockId::Hash(_) => error::server("header for hash not found"),
        })
    }
}

/// What a lookup in a [`StateAt`] can fail with, told to the client.
pub(super) fn read<T>(value: Result<T, crate::edges::store::StoreError>) -> Result<T, ErrorObjectOwned> {
    value.map_err(|e| error::store(&e))
}

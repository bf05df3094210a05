//! Ethereum's methods.

use alloy::rpc::types::state::StateOverride;
use alloy::rpc::types::{BlockOverrides, FeeHistory, Filter, Index, Log, TransactionRequest};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use horae_stages::StateSource;
use jsonrpsee::PendingSubscriptionSink;
use jsonrpsee::core::{RpcResult, SubscriptionResult, async_trait};

use super::api::{EthServer, NetServer, Web3Server};
use super::calls::Call;
use super::context::{Context, Named, read};
use super::shapes::{RpcBlock, RpcReceipt, RpcTransaction, SyncProgress, Syncing};
use super::{fees, logs, send, shapes, subscribe};
use crate::chain_view::Strength;

const LATEST: BlockId = BlockId::Number(BlockNumberOrTag::Latest);
const PENDING: BlockId = BlockId::Number(BlockNumberOrTag::Pending);

impl Context {
    fn json_block(&self, named: Option<Named>, full: bool) -> RpcResult<Option<RpcBlock>> {
        let Some(named) = named else { return Ok(None) };
        let Some(block) = named.block()? else { return Ok(None) };
        Ok(Some(shapes::block(&block, full, self.state_root(&block)?)))
    }

    fn json_transaction(&self, named: Option<Named>, index: usize) -> RpcResult<Option<RpcTransaction>> {
        let Some(named) = named else { return Ok(None) };
        let placed = named.number <= named.snapshot.heads().committed;
        Ok(named.block()?.and_then(|block| shapes::transaction(&block, index, placed)))
    }
}

#[async_trait]
impl EthServer for Context {
    fn chain_id(&self) -> RpcResult<U64> {
        Ok(U64::from(Context::chain_id(self)))
    }

    fn block_number(&self) -> RpcResult<U64> {
        Ok(U64::from(self.view().snapshot().heads().committed))
    }

    fn syncing(&self) -> RpcResult<Syncing> {
        let snapshot = self.view().snapshot();
        let heads = snapshot.heads();
        let highest = snapshot.status().highest_known_block;
        if highest <= heads.ordered.number {
            return Ok(Syncing::No(false));
        }
        Ok(Syncing::Behind(SyncProgress {
            starting_block: U64::from(self.began_at()),
            current_block: U64::from(heads.committed),
            highest_block: U64::from(highest),
        }))
    }

    async fn block_by_number(&self, number: BlockNumberOrTag, full: Option<bool>) -> RpcResult<Option<RpcBlock>> {
        self.light(move |c| c.json_block(c.by_number(number), full.unwrap_or(false))).await
    }

    async fn block_by_hash(&self, hash: B256, full: Option<bool>) -> RpcResult<Option<RpcBlock>> {
        self.light(move |c| c.json_block(c.by_hash(&hash)?, full.unwrap_or(false))).await
    }

    async fn block_receipts(&self, block: BlockId) -> RpcResult<Option<Vec<RpcReceipt>>> {
        self.light(move |c| {
            let Some(named) = c.find(block)? else { return Ok(None) };
            if named.number > named.snapshot.heads().committed {
                return Ok(None);
            }
            Ok(named.block()?.map(|block| shapes::receipts(&block)))
        })
        .await
    }

    async fn balance(&self, address: Address, block: Option<BlockId>) -> RpcResult<U256> {
        self.light(move |c| {
            let state = c.must_find(block.unwrap_or(LATEST))?.state()?;
            Ok(read(state.account(address))?.unwrap_or_default().balance)
        })
        .await
    }

    async fn transaction_count(&self, address: Address, block: Option<BlockId>) -> RpcResult<U64> {
        self.light(move |c| {
            let block = block.unwrap_or(LATEST);
            let state = c.must_find(block)?.state()?;
            let nonce = read(state.account(address))?.unwrap_or_default().nonce;
            let under_way = if block == PENDING { c.intake().next_nonce(address) } else { None };
            Ok(U64::from(under_way.map_or(nonce, |next| next.max(nonce))))
        })
        .await
    }

    async fn code(&self, address: Address, block: Option<BlockId>) -> RpcResult<Bytes> {
        self.light(move |c| {
            let state = c.must_find(block.unwrap_or(LATEST))?.state()?;
            match read(state.account(address))?.filter(|account| account.has_code()) {
                Some(account) => Ok(read(state.code(account.code_hash))?.unwrap_or_default()),
                None => Ok(Bytes::new()),
            }
        })
        .await
    }

    async fn storage_at(&self, address: Address, slot: U256, block: Option<BlockId>) -> RpcResult<B256> {
        self.light(move |c| {
            let state = c.must_find(block.unwrap_or(LATEST))?.state()?;
            Ok(read(state.storage(address, slot))?.into())
        })
        .await
    }

    async fn call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        state: Option<StateOverride>,
        overrides: Option<Box<BlockOverrides>>,
    ) -> RpcResult<Bytes> {
        let chain_id = Context::chain_id(self);
        let call = Call::new(request, state, overrides, chain_id)?;
        self.heavy(move |c| call.run(&c.must_find(block.unwrap_or(LATEST))?, chain_id)).await
    }

    async fn estimate_gas(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        state: Option<StateOverride>,
        overrides: Option<Box<BlockOverrides>>,
    ) -> RpcResult<U64> {
        let chain_id = Context::chain_id(self);
        let call = Call::new(request, state, overrides, chain_id)?;
        let estimate = move |c: &Context| call.estimate(&c.must_find(block.unwrap_or(PENDING))?, chain_id);
        self.heavy(estimate).await.map(U64::from)
    }

    async fn gas_price(&self) -> RpcResult<U256> {
        self.light(|c| Ok(U256::from(fees::next_fee(c)?) + U256::from(fees::suggested_priority_fee(c)?))).await
    }

    async fn max_priority_fee_per_gas(&self) -> RpcResult<U256> {
        self.light(|c| fees::suggested_priority_fee(c).map(U256::from)).await
    }

    async fn fee_history(
        &self,
        count: Index,
        newest: BlockNumberOrTag,
        percentiles: Option<Vec<f64>>,
    ) -> RpcResult<FeeHistory> {
        self.heavy(move |c| {
            let newest = c.must_find(BlockId::Number(newest))?;
            fees::history(c, count.0 as u64, &newest, percentiles.as_deref())
        })
        .await
    }

    async fn send_raw_transaction(&self, raw: Bytes) -> RpcResult<B256> {
        send::send(self, raw).await
    }

    async fn send_raw_transaction_sync(
        &self,
        raw: Bytes,
        timeout_ms: Option<Index>,
        strength: Option<Strength>,
    ) -> RpcResult<RpcReceipt> {
        send::send_and_wait(self, raw, timeout_ms.map(|ms| ms.0 as u64), strength).await
    }

    async fn transaction_by_hash(&self, hash: B256) -> RpcResult<Option<RpcTransaction>> {
        self.light(move |c| {
            let snapshot = c.view().snapshot();
            let Some(located) = read(snapshot.transaction(&hash))? else {
                return Ok(c.intake().raw(&hash).and_then(|raw| shapes::waiting_transaction(&raw)));
            };
            let placed = located.block.header().number <= snapshot.heads().committed;
            Ok(shapes::transaction(&located.block, located.index, placed))
        })
        .await
    }

    async fn transaction_by_block_hash(&self, hash: B256, index: Index) -> RpcResult<Option<RpcTransaction>> {
        self.light(move |c| c.json_transaction(c.by_hash(&hash)?, index.0)).await
    }

    async fn transaction_by_block_number(
        &self,
        number: BlockNumberOrTag,
        index: Index,
    ) -> RpcResult<Option<RpcTransaction>> {
        self.light(move |c| c.json_transaction(c.by_number(number), index.0)).await
    }

    async fn transaction_receipt(&self, hash: B256) -> RpcResult<Option<RpcReceipt>> {
        self.light(move |c| {
            let snapshot = c.view().snapshot();
            let located = read(snapshot.transaction(&hash))?;
            let located = located.filter(|l| l.block.header().number <= snapshot.heads().committed);
            Ok(located.and_then(|l| shapes::receipt(&l.block, l.index)))
        })
        .await
    }

    async fn logs(&self, filter: Filter) -> RpcResult<Vec<Log>> {
        self.heavy(move |c| logs::find(c, &filter)).await
    }

    async fn subscribe(
        &self,
        pending: PendingSubscriptionSink,
        kind: String,
        options: Option<serde_json::Value>,
    ) -> SubscriptionResult {
        subscribe::serve(self.clone(), pending, &kind, options).await;
        Ok(())
    }
}

impl NetServer for Context {
    fn version(&self) -> RpcResult<String> {
        Ok(Context::chain_id(self).to_string())
    }
}

impl Web3Server for Context {
    fn client_version(&self) -> RpcResult<String> {
        let version = env!("CARGO_PKG_VERSION");
        Ok(format!("horae/v{version}/{}-{}", std::env::consts::OS, std::env::consts::ARCH))
    }
}

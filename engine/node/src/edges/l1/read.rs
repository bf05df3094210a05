//! Reading L1: heads, blocks, validators, the inbox.

use alloy::{
    rpc::types::{Block, TransactionRequest},
    sol_types::{SolCall, SolEvent},
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256, b256};
use horae_contracts::{BatchInbox, GroupKey, Head, LockingPool};
use horae_control::Candidate;
use horae_stages::L1View;
use serde::Serialize;

use super::{
    L1, L1Error,
    client::{CanonicalBlock, quantity},
};
use crate::genesis::ViewDepth;

/// What the node needs of an L1 block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1Block {
    /// Number and hash.
    pub view: L1View,
    /// Hash of the block below.
    pub parent: B256,
    /// Unix time in seconds.
    pub timestamp_s: u64,
    /// What `PREVRANDAO` returned in it; seeds the schedule.
    pub prevrandao: B256,
}

/// The inbox at one L1 block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxState {
    /// The last accepted batch; all zero before the first.
    pub head: Head,
    /// The group key in force; its index is 0 if there is none.
    pub key: GroupKey,
}

/// `keccak256("eip1967.proxy.admin") - 1`.
const PROXY_ADMIN_SLOT: B256 = b256!("b53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103");

impl L1 {
    /// The head of L1.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`], [`L1Error::Nonsense`].
    pub async fn head(&self) -> Result<L1Block, L1Error> {
        self.tagged("latest").await
    }

    /// The highest L1 block that is final.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`], [`L1Error::Nonsense`].
    pub async fn finalized(&self) -> Result<L1Block, L1Error> {
        self.tagged("finalized").await
    }

    /// The highest L1 block that is as deep as the genesis file asks for: what this node would agree to as the next view.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`], [`L1Error::Nonsense`].
    pub async fn view_candidate(&self) -> Result<L1Block, L1Error> {
        match self.view_depth() {
            ViewDepth::Finalized => self.finalized().await,
            ViewDepth::Blocks(depth) => {
                let head = self.head().await?.view.number;
                let number = head.saturating_sub(depth);
                self.block(number).await?.ok_or_else(|| L1Error::Nonsense {
                    what: "block",
                    problem: format!("its head is {head}, but it has no block {number}"),
                })
            }
        }
    }

    /// The L1 block at a height; `None` above the head.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`].
    pub async fn block(&self, number: u64) -> Result<Option<L1Block>, L1Error> {
        let block: Option<Block> = self.call("eth_getBlockByNumber", (quantity(number), false)).await?;
        Ok(block.as_ref().map(facts))
    }

    /// Hash of the L1 block at a height; `None` above the head.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`].
    pub async fn hash_at(&self, number: u64) -> Result<Option<B256>, L1Error> {
        Ok(self.block(number).await?.map(|block| block.view.hash))
    }

    /// Fails unless `view` is on L1's chain.
    ///
    /// # Errors
    /// [`L1Error::Reorganised`], [`L1Error::Unreachable`].
    pub async fn require(&self, view: L1View) -> Result<(), L1Error> {
        match self.hash_at(view.number).await? {
            Some(hash) if hash == view.hash => Ok(()),
            _ => Err(L1Error::Reorganised { number: view.number, expected: view.hash }),
        }
    }

    /// The active validators that the Locking contract lists as of an L1 block, by id.
    ///
    /// # Errors
    /// [`L1Error::Reorganised`] if the block is not on L1's chain; [`L1Error::Unreachable`], [`L1Error::Nonsense`].
    pub async fn validators_at(&self, view: L1View) -> Result<Vec<Candidate>, L1Error> {
        self.require(view).await?;
        let entries = self.view_call(self.locking(), LockingPool::validatorsCall {}, at(view)).await?;
        let mut candidates: Vec<Candidate> = entries
            .into_iter()
            .map(|e| Candidate { id: e.id, signer: e.signer, node_key: e.nodeKey.0, stake: e.stake })
            .collect();
        candidates.sort_by_key(|c| c.id);
        Ok(candidates)
    }

    /// The inbox as of the head of L1.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`], [`L1Error::Nonsense`].
    pub async fn inbox_state(&self) -> Result<InboxState, L1Error> {
        let head = self.head().await?.view;
        self.inbox_state_at(head).await
    }

    /// The inbox as of an L1 block.
    ///
    /// # Errors
    /// [`L1Error::Reorganised`] if the block is not on L1's chain; [`L1Error::Unreachable`], [`L1Error::Nonsense`].
    pub async fn inbox_state_at(&self, view: L1View) -> Result<InboxState, L1Error> {
        self.require(view).await?;
        let head = self.view_call(self.inbox(), BatchInbox::headCall {}, at(view)).await?;
        let key = self.view_call(self.inbox(), BatchInbox::groupKeyCall {}, at(view)).await?;
        Ok(InboxState { head, key })
    }

    /// What a contract has said by one of its events in the L1 blocks `from..=to`, in order. No finality is asked for: this is for people.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`]; [`L1Error::Nonsense`] if the range is too long or a log is not that event.
    pub async fn said<E: SolEvent>(&self, contract: Address, from: u64, to: u64) -> Result<Vec<E>, L1Error> {
        let logs = self.logs(from, to, &[contract], Some(E::SIGNATURE_HASH)).await?;
        let nonsense = |why: alloy::sol_types::Error| L1Error::Nonsense { what: "event", problem: why.to_string() };
        logs.iter().map(|log| E::decode_log(&log.inner).map(|log| log.data).map_err(nonsense)).collect()
    }

    /// Whether a call by `from`, who need not have the key here, would go through as of the head of L1; `value` in wei.
    ///
    /// # Errors
    /// [`L1Error::Reverted`] if it would not; [`L1Error::Unreachable`].
    pub async fn rehearse(&self, from: Address, to: Address, input: Bytes, value: U256) -> Result<(), L1Error> {
        let request = TransactionRequest {
            from: Some(from),
            to: Some(TxKind::Call(to)),
            input: input.into(),
            value: Some(value),
            ..Default::default()
        };
        self.call::<_, Bytes>("eth_call", (request, "latest")).await.map(drop)
    }

    /// Who may upgrade the contract behind a transparent proxy: the proxy's admin, from the storage slot that ERC-1967 gives it.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`], [`L1Error::Nonsense`].
    pub async fn proxy_admin(&self, proxy: Address) -> Result<Address, L1Error> {
        let word: B256 = self.call("eth_getStorageAt", (proxy, PROXY_ADMIN_SLOT, "latest")).await?;
        Ok(Address::from_word(word))
    }

    /// Calls a view function as of the head of L1.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`], [`L1Error::Reverted`], [`L1Error::Nonsense`].
    pub async fn view<C: SolCall>(&self, to: Address, call: C) -> Result<C::Return, L1Error> {
        self.view_call(to, call, "latest").await
    }

    /// Calls a view function as of a block.
    pub(super) async fn view_call<C, B>(&self, to: Address, call: C, block: B) -> Result<C::Return, L1Error>
    where
        C: SolCall,
        B: Serialize + Clone + std::fmt::Debug + Send + Sync + Unpin + 'static,
    {
        let request = TransactionRequest {
            to: Some(TxKind::Call(to)),
            input: Bytes::from(call.abi_encode()).into(),
            ..Default::default()
        };
        let answer: Bytes = self.call("eth_call", (request, block)).await?;
        C::abi_decode_returns(&answer)
            .map_err(|e| L1Error::Nonsense { what: "result of a contract call", problem: e.to_string() })
    }

    async fn tagged(&self, tag: &'static str) -> Result<L1Block, L1Error> {
        let block: Option<Block> = self.call("eth_getBlockByNumber", (tag, false)).await?;
        block
            .as_ref()
            .map(facts)
            .ok_or_else(|| L1Error::Nonsense { what: "block", problem: format!("it has no {tag} block") })
    }

    /// Number of the head alone, for what is asked often.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`].
    pub async fn height(&self) -> Result<u64, L1Error> {
        self.call::<_, U64>("eth_blockNumber", ()).await.map(|n| n.to())
    }
}

pub(super) fn at(view: L1View) -> CanonicalBlock {
    CanonicalBlock { block_hash: view.hash, require_canonical: true }
}

fn facts(block: &Block) -> L1Block {
    L1Block {
        view: L1View { number: block.header.inner.number, hash: block.header.hash },
        parent: block.header.inner.parent_hash,
        timestamp_s: block.header.inner.timestamp,
        prevrandao: block.header.inner.mix_hash,
    }
}

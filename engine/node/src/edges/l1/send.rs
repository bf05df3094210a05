//! Sending to L1: one transaction at a time from one account, with its fee raised until it is included.
//!
//! The nonce is that of the last block, not of the pool, so that what a crashed or cancelled call left in the pool is
//! replaced and never waited for. Inclusion is not the end: the caller asks [`L1::inclusion`] until the block is final.

use alloy::{
    rpc::types::{Block, TransactionReceipt, TransactionRequest},
    sol_types::SolCall,
};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U128, U256};
use horae_contracts::{Batch, BatchInbox, Signature};
use horae_stages::L1View;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use super::{
    Account, L1, L1Error,
    client::Refusal,
    limits::{
        BUMP_AFTER, BUMP_PERCENT, BUMPS_MAX, DEFAULT_TIP, GAS_MARGIN_LEAST, GAS_MARGIN_PERCENT, RECEIPT_LAG,
        RECEIPT_POLL,
    },
};

/// An account on L1 that sends.
pub struct Sender {
    l1: L1,
    account: Box<dyn Account>,
    /// Held while a transaction is under way: there is one at a time.
    turn: Mutex<()>,
}

/// A transaction that is in an L1 block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Included {
    /// Its hash.
    pub hash: B256,
    /// The L1 block.
    pub block: L1View,
    /// Gas it used.
    pub gas_used: u64,
    /// The contract it created.
    pub contract: Option<Address>,
}

#[derive(Clone, Copy)]
struct Fee {
    max: u128,
    tip: u128,
}

impl Fee {
    fn raised(self) -> Self {
        let raise = |wei: u128| wei + wei * BUMP_PERCENT / 100 + 1;
        Self { max: raise(self.max), tip: raise(self.tip) }
    }
}

impl L1 {
    /// Where a transaction is included now; `None` if it is in no block (any more).
    ///
    /// # Errors
    /// [`L1Error::Unreachable`].
    pub async fn inclusion(&self, transaction: B256) -> Result<Option<Included>, L1Error> {
        let receipt: Option<TransactionReceipt> = self.call("eth_getTransactionReceipt", (transaction,)).await?;
        Ok(receipt.and_then(|receipt| {
            Some(Included {
                hash: transaction,
                block: L1View { number: receipt.block_number?, hash: receipt.block_hash? },
                gas_used: receipt.gas_used,
                contract: receipt.contract_address,
            })
        }))
    }
}

impl Sender {
    /// A sender with this key, or whatever else signs.
    pub fn new(l1: L1, account: impl Account + 'static) -> Self {
        Self { l1, account: Box::new(account), turn: Mutex::new(()) }
    }

    /// The L1 it sends to.
    pub fn l1(&self) -> &L1 {
        &self.l1
    }

    /// The account.
    pub fn address(&self) -> Address {
        self.account.address()
    }

    /// Its ether as of the head of L1, in wei.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`].
    pub async fn balance(&self) -> Result<U256, L1Error> {
        self.l1.call("eth_getBalance", (self.address(), "latest")).await
    }

    /// Carries a batch to the inbox and waits until it is in a block.
    ///
    /// # Errors
    /// [`L1Error::Reverted`] if the inbox would refuse it (`WrongIndex`: another node was first), and all others of sending.
    pub async fn submit_batch(&self, batch: Batch, signature: Signature, data: Bytes) -> Result<Included, L1Error> {
        self.call(self.l1.inbox(), &BatchInbox::submitCall { batch, signature, data }).await
    }

    /// Installs the first group key and waits until that is in a block. `signatures` in the order of `signers`, 65 bytes each with
    /// `v` 27 or 28, or empty for who has not signed.
    ///
    /// # Errors
    /// [`L1Error::Reverted`] if the inbox would refuse it (`KeyAlreadyInstalled`: another node was first), and all others of sending.
    pub async fn install_first_key(
        &self,
        px: U256,
        parity: u8,
        signers: Vec<Address>,
        weights: Vec<u64>,
        signatures: Vec<Bytes>,
    ) -> Result<Included, L1Error> {
        let call = BatchInbox::installFirstKeyCall { px, parity, signers, weights, signatures };
        self.call(self.l1.inbox(), &call).await
    }

    /// Puts the next group key in force, under the signature of the present one, and waits until that is in a block.
    ///
    /// # Errors
    /// [`L1Error::Reverted`] if the inbox would refuse it, and all others of sending.
    pub async fn rotate(
        &self,
        px: U256,
        parity: u8,
        signers: Vec<Address>,
        weights: Vec<u64>,
        signature: Signature,
    ) -> Result<Included, L1Error> {
        self.call(self.l1.inbox(), &BatchInbox::rotateCall { px, parity, signers, weights, signature }).await
    }

    /// Calls a contract and waits until that is in a block.
    ///
    /// # Errors
    /// Those of [`Self::send`].
    pub async fn call(&self, to: Address, call: &impl SolCall) -> Result<Included, L1Error> {
        self.send(TxKind::Call(to), call.abi_encode().into(), U256::ZERO).await
    }

    /// What a transaction with `value` in wei would cost in gas, with some to spare; an error if it would revert. Nothing is sent.
    ///
    /// # Errors
    /// [`L1Error::Reverted`], [`L1Error::NoFunds`], [`L1Error::Unreachable`].
    pub async fn try_out(&self, to: TxKind, input: &Bytes, value: U256) -> Result<u64, L1Error> {
        self.gas(to, input, value).await
    }

    /// Sends any transaction, with `value` in wei, and waits until it is in a block. It is tried against L1's head first, and not sent if it
    /// would revert.
    ///
    /// # Errors
    /// [`L1Error::Reverted`], [`L1Error::NoFunds`], [`L1Error::NotSigned`], [`L1Error::NotIncluded`], [`L1Error::Unreachable`],
    /// [`L1Error::Nonsense`].
    pub async fn send(&self, to: TxKind, input: Bytes, value: U256) -> Result<Included, L1Error> {
        let _turn = self.turn.lock().await;
        let nonce = self.nonce().await?;
        let gas_limit = self.gas(to, &input, value).await?;
        let mut transaction = TxEip1559 {
            chain_id: self.l1.chain_id(),
            nonce,
            gas_limit,
            to,
            input,
            value,
            max_fee_per_gas: 0,
            max_priority_fee_per_gas: 0,
            access_list: Default::default(),
        };
        let mut fee = self.fee().await?;
        let mut sent: Vec<B256> = Vec::new();
        let began = Instant::now();
        for _ in 0..=BUMPS_MAX {
            transaction.max_fee_per_gas = fee.max;
            transaction.max_priority_fee_per_gas = fee.tip;
            let (hash, raw) = self.sign(&transaction).await?;
            match self.offer(hash, raw).await? {
                Offer::Taken => sent.push(hash),
                Offer::Underpriced => {
                    fee = fee.raised();
                    continue;
                }
                Offer::NonceUsed => {}
            }
            if let Some(included) = self.wait(&sent, nonce).await? {
                return Ok(included);
            }
            let market = self.fee().await?;
            let raised = fee.raised();
            fee = Fee { max: raised.max.max(market.max), tip: raised.tip.max(market.tip) };
            tracing::warn!(transaction = %hash, "not included on L1 yet; sent again with a higher fee");
        }
        let hash = sent.last().copied().unwrap_or_default();
        Err(L1Error::NotIncluded { hash, seconds: began.elapsed().as_secs(), bumps: BUMPS_MAX })
    }

    async fn nonce(&self) -> Result<u64, L1Error> {
        let count: U64 = self.l1.call("eth_getTransactionCount", (self.address(), "latest")).await?;
        Ok(count.to())
    }

    async fn gas(&self, to: TxKind, input: &Bytes, value: U256) -> Result<u64, L1Error> {
        let request = TransactionRequest {
            from: Some(self.address()),
            to: Some(to),
            input: input.clone().into(),
            value: Some(value),
            ..Default::default()
        };
        let estimate: Result<U64, Refusal> = self.l1.try_call("eth_estimateGas", (request, "latest")).await;
        let estimate = estimate.map_err(|refusal| self.no_funds(refusal, "eth_estimateGas"))?.to::<u64>();
        Ok(estimate + (estimate * GAS_MARGIN_PERCENT / 100).max(GAS_MARGIN_LEAST))
    }

    async fn fee(&self) -> Result<Fee, L1Error> {
        let head: Option<Block> = self.l1.call("eth_getBlockByNumber", ("latest", false)).await?;
        let base = head.and_then(|b| b.header.inner.base_fee_per_gas).unwrap_or_default();
        let tip = match self.l1.try_call::<_, U128>("eth_maxPriorityFeePerGas", ()).await {
            Ok(tip) => tip.to::<u128>().max(1),
            Err(Refusal::Answered { .. }) => DEFAULT_TIP,
            Err(Refusal::Failed(error)) => return Err(error),
        };
        Ok(Fee { max: 2 * u128::from(base) + tip, tip })
    }

    async fn sign(&self, transaction: &TxEip1559) -> Result<(B256, Bytes), L1Error> {
        let signature = self.account.sign(transaction).await?.0;
        let signature = alloy_primitives::Signature::from_bytes_and_parity(&signature[..64], signature[64] == 1);
        let envelope = TxEnvelope::from(transaction.clone().into_signed(signature));
        Ok((*envelope.tx_hash(), envelope.encoded_2718().into()))
    }

    async fn offer(&self, hash: B256, raw: Bytes) -> Result<Offer, L1Error> {
        let answer: Result<B256, Refusal> = self.l1.try_call("eth_sendRawTransaction", (raw,)).await;
        match answer {
            Ok(_) => Ok(Offer::Taken),
            Err(Refusal::Answered { message, reverted }) => {
                let words = message.to_lowercase();
                let says = |text: &str| words.contains(text);
                if says("already known") || says("already imported") {
                    Ok(Offer::Taken)
                } else if says("underpriced") {
                    Ok(Offer::Underpriced)
                } else if says("nonce too low") {
                    Ok(Offer::NonceUsed)
                } else {
                    Err(self.no_funds(Refusal::Answered { message, reverted }, "eth_sendRawTransaction"))
                }
            }
            // The answer may have been lost on the way back: look for the receipt all the same.
            Err(Refusal::Failed(error)) => {
                tracing::warn!(transaction = %hash, %error, "no answer to a transaction sent to L1");
                Ok(Offer::Taken)
            }
        }
    }

    /// Waits [`BUMP_AFTER`] for a receipt of any version of the transaction.
    async fn wait(&self, sent: &[B256], nonce: u64) -> Result<Option<Included>, L1Error> {
        let until = Instant::now() + BUMP_AFTER;
        let mut used_since = None;
        while Instant::now() < until {
            // The nonce is read first: if it is used and no version has a receipt for a while afterwards, another transaction
            // used it. An L1 node shows a block's state before its receipts.
            if self.nonce().await? > nonce {
                used_since.get_or_insert_with(Instant::now);
            }
            for hash in sent {
                let receipt: Option<TransactionReceipt> = self.l1.call("eth_getTransactionReceipt", (*hash,)).await?;
                if receipt.as_ref().is_some_and(|r| !r.status()) {
                    return Err(L1Error::Reverted { reason: format!("transaction {hash} failed in its block") });
                }
                if receipt.is_some() {
                    return self.l1.inclusion(*hash).await;
                }
            }
            if used_since.is_some_and(|since| since.elapsed() >= RECEIPT_LAG) {
                let problem = format!("nonce {nonce} of {} was used by another process", self.address());
                return Err(L1Error::Nonsense { what: "nonce", problem });
            }
            sleep(RECEIPT_POLL).await;
        }
        Ok(None)
    }

    fn no_funds(&self, refusal: Refusal, call: &'static str) -> L1Error {
        match refusal {
            Refusal::Answered { message, .. } if message.to_lowercase().contains("insufficient funds") => {
                L1Error::NoFunds { address: self.address(), problem: message }
            }
            other => other.into_error(call, ""),
        }
    }
}

enum Offer {
    Taken,
    Underpriced,
    NonceUsed,
}

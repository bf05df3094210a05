//! The transactions of a block and what they leave behind: users' signed ones, and the protocol's own.

use alloy_consensus::{Receipt, ReceiptWithBloom, Transaction, TxEnvelope, Typed2718};
use alloy_primitives::{Address, B256, Bloom, Log, TxKind, keccak256};
use alloy_rlp::{BufMut, Encodable};

use crate::decode::{Decode, DecodePolicy};
use crate::protocol::{self, ProtocolTx, is_protocol};
use crate::recover::recover_sender;
use crate::shed::Shed;

/// The version of the receipts of protocol transactions, which OP Stack chains have had since Canyon.
const DEPOSIT_RECEIPT_VERSION: u64 = 1;

/// A transaction as a block may have it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly all are signed: a box would be an allocation for each")]
pub enum AnyTx {
    /// A user signed it.
    Signed(TxEnvelope),
    /// The rules or L1 made it due.
    Protocol(ProtocolTx),
}

impl AnyTx {
    /// The user's transaction, if it is one.
    pub fn signed(&self) -> Option<&TxEnvelope> {
        match self {
            Self::Signed(tx) => Some(tx),
            Self::Protocol(_) => None,
        }
    }

    /// EIP-2718 type.
    pub fn ty(&self) -> u8 {
        match self {
            Self::Signed(tx) => tx.ty(),
            Self::Protocol(_) => protocol::TYPE,
        }
    }

    /// Whom it calls, or the creation of a contract.
    pub fn kind(&self) -> TxKind {
        match self {
            Self::Signed(tx) => tx.kind(),
            Self::Protocol(tx) => tx.to,
        }
    }

    /// Gas limit.
    pub fn gas_limit(&self) -> u64 {
        match self {
            Self::Signed(tx) => tx.gas_limit(),
            Self::Protocol(tx) => tx.gas,
        }
    }

    /// Wei a gas that it pays at this base fee; the protocol pays nothing.
    pub fn effective_gas_price(&self, base_fee: u64) -> u128 {
        self.signed().map_or(0, |tx| tx.effective_gas_price(Some(base_fee)))
    }
}

/// A decoded transaction whose sender is known. Made by [`crate::recover_block`] and its kin, so the sender is true.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockTx {
    /// Transaction hash.
    pub hash: B256,
    /// Who signed it, or in whose name the protocol sends it.
    pub sender: Address,
    /// The transaction.
    pub envelope: AnyTx,
}

impl BlockTx {
    /// Decodes a user's transaction and recovers its sender. Whether it may be in a block is for execution to say.
    pub fn recover(raw: &[u8]) -> Result<Self, Shed> {
        let (envelope, hash) = Decode::new(DecodePolicy::any()).transaction(raw)?;
        Ok(Self::signed(hash, recover_sender(&envelope)?, envelope))
    }

    /// Decodes a protocol transaction.
    pub fn protocol(raw: &[u8]) -> Result<Self, Shed> {
        let tx = ProtocolTx::decode(raw)?;
        Ok(Self { hash: keccak256(raw), sender: tx.from, envelope: AnyTx::Protocol(tx) })
    }

    /// Decodes a transaction whose sender was recovered before and kept in this node's own store.
    pub fn from_stored(raw: &[u8], sender: Address) -> Result<Self, Shed> {
        if is_protocol(raw) {
            return Self::protocol(raw);
        }
        let (envelope, hash) = Decode::new(DecodePolicy::any()).transaction(raw)?;
        Ok(Self::signed(hash, sender, envelope))
    }

    pub(crate) fn signed(hash: B256, sender: Address, envelope: TxEnvelope) -> Self {
        Self { hash, sender, envelope: AnyTx::Signed(envelope) }
    }

    pub(crate) fn as_protocol(&self) -> Option<(B256, &ProtocolTx)> {
        match &self.envelope {
            AnyTx::Protocol(tx) => Some((self.hash, tx)),
            AnyTx::Signed(_) => None,
        }
    }
}

/// A consensus receipt of any type that a block may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyReceipt {
    /// EIP-2718 type of the transaction.
    pub ty: u8,
    /// Status, cumulative gas, logs and their bloom.
    pub receipt: ReceiptWithBloom<Receipt>,
    /// Of a protocol transaction: the sender's nonce before it, which nothing else in the block says.
    pub deposit_nonce: Option<u64>,
}

impl AnyReceipt {
    /// It succeeded.
    pub fn status(&self) -> bool {
        self.receipt.receipt.status.coerce_status()
    }

    /// Gas used in the block up to and including the transaction.
    pub fn cumulative_gas_used(&self) -> u64 {
        self.receipt.receipt.cumulative_gas_used
    }

    /// The logs.
    pub fn logs(&self) -> &[Log] {
        &self.receipt.receipt.logs
    }

    /// The bloom of the logs.
    pub fn logs_bloom(&self) -> &Bloom {
        &self.receipt.logs_bloom
    }

    /// The version that goes with [`Self::deposit_nonce`].
    pub fn deposit_version(&self) -> Option<u64> {
        self.deposit_nonce.map(|_| DEPOSIT_RECEIPT_VERSION)
    }

    /// The EIP-2718 encoding: Ethereum's, and that of OP Stack chains since Canyon for a protocol transaction.
    pub fn encode_2718(&self, out: &mut dyn BufMut) {
        if self.ty != 0 {
            out.put_u8(self.ty);
        }
        let Some(nonce) = self.deposit_nonce else { return self.receipt.encode(out) };
        let ReceiptWithBloom { receipt, logs_bloom } = &self.receipt;
        let fields = receipt.rlp_encoded_fields_length_with_bloom(logs_bloom);
        let payload_length = fields + nonce.length() + DEPOSIT_RECEIPT_VERSION.length();
        alloy_rlp::Header { list: true, payload_length }.encode(out);
        receipt.rlp_encode_fields_with_bloom(logs_bloom, out);
        nonce.encode(out);
        DEPOSIT_RECEIPT_VERSION.encode(out);
    }
}

/// What a transaction left behind, with what JSON-RPC adds to the consensus receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxReceipt {
    /// The consensus receipt: type, status, cumulative gas, logs, bloom.
    pub envelope: AnyReceipt,
    /// Gas used by this transaction alone.
    pub gas_used: u64,
    /// Wei a gas that were paid.
    pub effective_gas_price: u128,
    /// The contract it created.
    pub contract_address: Option<Address>,
}

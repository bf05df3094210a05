//! Who signs what a [`super::Sender`] sends.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::Address;
use async_trait::async_trait;
use horae_control::{Signature, SignerKey};

use super::L1Error;

/// An account on L1: a key at hand, or something that has one and may ask a person first.
#[async_trait]
pub trait Account: Send + Sync {
    /// Its address.
    fn address(&self) -> Address;

    /// Its signature of `transaction.signature_hash()`, with `v` 0 or 1 and low `s`.
    ///
    /// # Errors
    /// [`L1Error::NotSigned`].
    async fn sign(&self, transaction: &TxEip1559) -> Result<Signature, L1Error>;
}

#[async_trait]
impl Account for SignerKey {
    fn address(&self) -> Address {
        Self::address(self)
    }

    async fn sign(&self, transaction: &TxEip1559) -> Result<Signature, L1Error> {
        Ok(Self::sign(self, transaction.signature_hash()))
    }
}

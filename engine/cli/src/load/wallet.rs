//! Signed EIP-1559 transactions.

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718,
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use horae_control::SignerKey;

/// Gas of a plain transfer.
pub const TRANSFER_GAS: u64 = 21_000;

/// A signed transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Its hash.
    pub hash: B256,
    /// Its EIP-2718 encoding.
    pub raw: Bytes,
}

/// What all transactions of a run share.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Most that is paid, in wei a gas.
    pub max_fee: u128,
    /// Of that, the tip.
    pub tip: u128,
}

/// What a transaction does.
#[derive(Clone, Debug)]
pub struct Action {
    /// Whom it calls, or that it deploys.
    pub to: TxKind,
    /// Wei that go with it.
    pub value: U256,
    /// Calldata, or creation code.
    pub input: Bytes,
    /// Its gas limit.
    pub gas: u64,
}

impl Action {
    /// Pays `value` wei.
    pub fn transfer(to: Address, value: U256) -> Self {
        Self { to: TxKind::Call(to), value, input: Bytes::new(), gas: TRANSFER_GAS }
    }

    /// Calls a contract.
    pub fn call(to: Address, input: impl Into<Bytes>, gas: u64) -> Self {
        Self { to: TxKind::Call(to), value: U256::ZERO, input: input.into(), gas }
    }
}

/// Signs.
pub fn sign(key: &SignerKey, terms: Terms, nonce: u64, action: Action) -> Signed {
    let transaction = TxEip1559 {
        chain_id: terms.chain_id,
        nonce,
        gas_limit: action.gas,
        max_fee_per_gas: terms.max_fee,
        max_priority_fee_per_gas: terms.tip,
        to: action.to,
        value: action.value,
        access_list: Default::default(),
        input: action.input,
    };
    let signature = key.sign(transaction.signature_hash()).0;
    let signature = alloy_primitives::Signature::from_bytes_and_parity(&signature[..64], signature[64] == 1);
    let envelope = TxEnvelope::from(transaction.into_signed(signature));
    Signed { hash: *envelope.tx_hash(), raw: envelope.encoded_2718().into() }
}

/// Signs a transfer of `value` wei.
pub fn transfer(key: &SignerKey, terms: Terms, nonce: u64, to: Address, value: U256) -> Signed {
    sign(key, terms, nonce, Action::transfer(to, value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use horae_stages::BlockTx;

    #[test]
    fn a_transfer_decodes_to_its_sender() {
        let key = SignerKey::from_bytes(&[7; 32]).unwrap();
        let terms = Terms { chain_id: 5, max_fee: 10, tip: 1 };
        let signed = transfer(&key, terms, 3, Address::repeat_byte(9), U256::from(1));
        let read = BlockTx::recover(&signed.raw).unwrap();
        assert_eq!((read.sender, read.hash), (key.address(), signed.hash));
    }
}

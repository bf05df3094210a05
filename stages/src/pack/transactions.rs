//! Transactions in columns. One whose fields, encoded again, do not give the same bytes is kept as raw bytes.

use alloy_consensus::transaction::{SignableTransaction, TxEip4844};
use alloy_consensus::{
    Transaction, TxEip1559, TxEip2930, TxEip4844Variant, TxEip7702, TxEnvelope, TxLegacy, Typed2718,
};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_eips::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};

use super::calldata::{self, ReadTables, Tables};
use super::columns::{Column, Columns, Readers};
use super::{UnpackError, numbers};

/// The kind byte: the EIP-2718 type, and these.
const TYPE: u8 = 0x07;
/// A transaction that is kept as it is.
const RAW: u8 = 0x07;
/// A contract creation: there is no address.
const CREATE: u8 = 0x08;
/// A legacy transaction without a chain id.
const UNPROTECTED: u8 = 0x10;
/// The chain id is not the batch's.
const OTHER_CHAIN: u8 = 0x20;
/// There is an access list.
const ACCESS_LIST: u8 = 0x40;

/// What memory a decoded transaction, an access list entry or an authorization is charged for, in bytes.
const ENTRY_BYTES: usize = 32;

/// Writes transactions.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub tables: Tables,
    parities: Vec<bool>,
    again: Vec<u8>,
}

impl Writer {
    /// Writes one transaction.
    pub(super) fn put(&mut self, columns: &mut Columns, chain_id: u64, raw: &[u8]) {
        match TxEnvelope::decode_2718_exact(raw) {
            Ok(tx) if !has_sidecar(&tx) && self.encodes_to(&tx, raw) => self.put_envelope(columns, chain_id, &tx),
            _ => {
                columns.push(Column::Kind, RAW);
                columns.varint(Column::Lists, raw.len() as u64);
                columns.extend(Column::Blob, raw);
            }
        }
    }

    fn encodes_to(&mut self, tx: &TxEnvelope, raw: &[u8]) -> bool {
        self.again.clear();
        tx.encode_2718(&mut self.again);
        self.again == raw
    }

    fn put_envelope(&mut self, columns: &mut Columns, chain_id: u64, tx: &TxEnvelope) {
        let access_list = tx.access_list().filter(|list| !list.0.is_empty());
        let mut kind = tx.ty();
        kind |= if tx.is_create() { CREATE } else { 0 };
        kind |= if access_list.is_some() { ACCESS_LIST } else { 0 };
        kind |= match tx.chain_id() {
            None => UNPROTECTED,
            Some(id) if id != chain_id => OTHER_CHAIN,
            Some(_) => 0,
        };
        columns.push(Column::Kind, kind);
        if kind & OTHER_CHAIN != 0 {
            columns.varint(Column::Chain, tx.chain_id().unwrap_or(0));
        }
        let mut number = |head, tail, value| numbers::put(columns, head, tail, value);
        number(Column::NonceHead, Column::Nonce, U256::from(tx.nonce()));
        number(Column::GasHead, Column::Gas, U256::from(tx.gas_limit()));
        number(Column::FeeHead, Column::Fee, U256::from(tx.max_fee_per_gas()));
        if let Some(tip) = tx.max_priority_fee_per_gas() {
            number(Column::TipHead, Column::Tip, U256::from(tip));
        }
        number(Column::ValueHead, Column::Value, tx.value());
        if let TxKind::Call(to) = tx.kind() {
            self.tables.addresses.push(to.0.0);
        }
        calldata::put(columns, &mut self.tables, tx.input());
        if let Some(list) = access_list {
            self.put_access_list(columns, list);
        }
        if let Some(fee) = tx.max_fee_per_blob_gas() {
            numbers::put(columns, Column::TipHead, Column::Tip, U256::from(fee));
        }
        if let Some(hashes) = tx.blob_versioned_hashes() {
            columns.varint(Column::Lists, hashes.len() as u64);
            hashes.iter().for_each(|hash| columns.extend(Column::Random, hash.as_slice()));
        }
        if let Some(authorizations) = tx.authorization_list() {
            self.put_authorizations(columns, authorizations);
        }
        let signature = tx.signature();
        self.put_signature(columns, signature.v(), signature.r(), signature.s());
    }

    fn put_access_list(&mut self, columns: &mut Columns, list: &AccessList) {
        columns.varint(Column::Lists, list.0.len() as u64);
        for item in &list.0 {
            self.tables.addresses.push(item.address.0.0);
            columns.varint(Column::Lists, item.storage_keys.len() as u64);
            item.storage_keys.iter().for_each(|key| calldata::put_word(columns, &mut self.tables, &key.0));
        }
    }

    fn put_authorizations(&mut self, columns: &mut Columns, authorizations: &[SignedAuthorization]) {
        columns.varint(Column::Lists, authorizations.len() as u64);
        for signed in authorizations {
            numbers::put(columns, Column::DecimalHead, Column::Decimal, *signed.chain_id());
            self.tables.addresses.push(signed.address().0.0);
            columns.varint(Column::Lists, signed.nonce());
            columns.push(Column::Lists, signed.y_parity());
            put_pair(columns, signed.r(), signed.s());
        }
    }

    fn put_signature(&mut self, columns: &mut Columns, parity: bool, r: U256, s: U256) {
        self.parities.push(parity);
        put_pair(columns, r, s);
    }

    /// Writes what is known only at the end.
    pub(super) fn finish(self, columns: &mut Columns) {
        self.tables.write(columns);
        for eight in self.parities.chunks(8) {
            let byte = eight.iter().enumerate().fold(0, |byte, (bit, parity)| byte | u8::from(*parity) << bit);
            columns.push(Column::Parity, byte);
        }
    }
}

fn put_pair(columns: &mut Columns, r: U256, s: U256) {
    columns.extend(Column::Random, &r.to_be_bytes::<32>());
    columns.extend(Column::Random, &s.to_be_bytes::<32>());
}

fn has_sidecar(tx: &TxEnvelope) -> bool {
    matches!(tx, TxEnvelope::Eip4844(signed) if matches!(signed.tx(), TxEip4844Variant::TxEip4844WithSidecar(_)))
}

/// Reads transactions back.
#[derive(Debug)]
pub(super) struct TxReader<'a> {
    tables: ReadTables<'a>,
    chain_id: u64,
    parities: (u8, u8),
}

impl<'a> TxReader<'a> {
    pub(super) fn new(readers: &mut Readers<'a>, chain_id: u64) -> Result<Self, UnpackError> {
        Ok(Self { tables: ReadTables::read(readers)?, chain_id, parities: (0, 0) })
    }

    /// Reads one transaction and encodes it; `budget` is what all that is still to come may take, in bytes.
    pub(super) fn next(&mut self, readers: &mut Readers<'a>, budget: &mut usize) -> Result<Bytes, UnpackError> {
        charge(budget, ENTRY_BYTES)?;
        let kind = readers.get(Column::Kind).byte()?;
        if kind == RAW {
            let len = readers.get(Column::Lists).count("raw transaction", *budget)?;
            *budget -= len;
            return Ok(Bytes::copy_from_slice(readers.get(Column::Blob).bytes(len)?));
        }
        let envelope = self.envelope(readers, kind, budget)?;
        Ok(envelope.encoded_2718().into())
    }

    fn envelope(&mut self, readers: &mut Readers<'a>, kind: u8, budget: &mut usize) -> Result<TxEnvelope, UnpackError> {
        let ty = kind & TYPE;
        let chain_id = match kind & (UNPROTECTED | OTHER_CHAIN) {
            0 => Some(self.chain_id),
            OTHER_CHAIN => Some(readers.get(Column::Chain).varint()?),
            UNPROTECTED if ty == 0 => None,
            _ => return Err(UnpackError::Damaged("no such kind of transactions")),
        };
        let nonce = numbers::get_as(readers, Column::NonceHead, Column::Nonce)?;
        let gas_limit = numbers::get_as(readers, Column::GasHead, Column::Gas)?;
        let fee: u128 = numbers::get_as(readers, Column::FeeHead, Column::Fee)?;
        let tip: u128 = if ty >= 2 { numbers::get_as(readers, Column::TipHead, Column::Tip)? } else { 0 };
        let value = numbers::get(readers, Column::ValueHead, Column::Value)?;
        let to = if kind & CREATE != 0 { TxKind::Create } else { TxKind::Call(self.address(readers)?) };
        let input = Bytes::from(calldata::get(readers, &self.tables, budget)?);
        let access_list =
            if kind & ACCESS_LIST != 0 { self.access_list(readers, budget)? } else { AccessList::default() };
        let chain = chain_id.unwrap_or(0);
        let callee = || to.to().copied().ok_or(UnpackError::Damaged("a creation of a type that cannot create"));
        Ok(match ty {
            0 => {
                let tx = TxLegacy { chain_id, nonce, gas_price: fee, gas_limit, to, value, input };
                tx.into_signed(self.signature(readers)?).into()
            }
            1 => {
                let tx = TxEip2930 { chain_id: chain, nonce, gas_price: fee, gas_limit, to, value, access_list, input };
                tx.into_signed(self.signature(readers)?).into()
            }
            2 => {
                let tx = TxEip1559 {
                    chain_id: chain,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: fee,
                    max_priority_fee_per_gas: tip,
                    to,
                    value,
                    access_list,
                    input,
                };
                tx.into_signed(self.signature(readers)?).into()
            }
            3 => {
                let max_fee_per_blob_gas = numbers::get_as(readers, Column::TipHead, Column::Tip)?;
                let count = readers.get(Column::Lists).count("blob hashes", *budget / ENTRY_BYTES)?;
                charge(budget, count * ENTRY_BYTES)?;
                let hashes = (0..count).map(|_| readers.get(Column::Random).array().map(B256::from));
                let tx = TxEip4844 {
                    chain_id: chain,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: fee,
                    max_priority_fee_per_gas: tip,
                    to: callee()?,
                    value,
                    access_list,
                    blob_versioned_hashes: hashes.collect::<Result<_, _>>()?,
                    max_fee_per_blob_gas,
                    input,
                };
                TxEnvelope::Eip4844(TxEip4844Variant::from(tx).into_signed(self.signature(readers)?))
            }
            4 => {
                let authorization_list = self.authorizations(readers, budget)?;
                let tx = TxEip7702 {
                    chain_id: chain,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: fee,
                    max_priority_fee_per_gas: tip,
                    to: callee()?,
                    value,
                    access_list,
                    authorization_list,
                    input,
                };
                tx.into_signed(self.signature(readers)?).into()
            }
            _ => return Err(UnpackError::Damaged("no such type of transactions")),
        })
    }

    fn address(&self, readers: &mut Readers<'a>) -> Result<Address, UnpackError> {
        self.tables.addresses.next(readers).map(Address::from)
    }

    fn access_list(&self, readers: &mut Readers<'a>, budget: &mut usize) -> Result<AccessList, UnpackError> {
        let count = readers.get(Column::Lists).count("access list", *budget / ENTRY_BYTES)?;
        charge(budget, count * ENTRY_BYTES)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            let address = self.address(readers)?;
            let keys = readers.get(Column::Lists).count("access list", *budget / ENTRY_BYTES)?;
            charge(budget, keys * ENTRY_BYTES)?;
            let keys = (0..keys).map(|_| calldata::get_word(readers, &self.tables).map(B256::from));
            items.push(AccessListItem { address, storage_keys: keys.collect::<Result<_, _>>()? });
        }
        Ok(AccessList(items))
    }

    fn authorizations(
        &self,
        readers: &mut Readers<'a>,
        budget: &mut usize,
    ) -> Result<Vec<SignedAuthorization>, UnpackError> {
        let count = readers.get(Column::Lists).count("authorizations", *budget / ENTRY_BYTES)?;
        charge(budget, count * ENTRY_BYTES)?;
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            let chain_id = numbers::get(readers, Column::DecimalHead, Column::Decimal)?;
            let address = self.address(readers)?;
            let nonce = readers.get(Column::Lists).varint()?;
            let parity = readers.get(Column::Lists).byte()?;
            let (r, s) = get_pair(readers)?;
            list.push(SignedAuthorization::new_unchecked(Authorization { chain_id, address, nonce }, parity, r, s));
        }
        Ok(list)
    }

    fn signature(&mut self, readers: &mut Readers<'a>) -> Result<Signature, UnpackError> {
        if self.parities.1 == 0 {
            self.parities = (readers.get(Column::Parity).byte()?, 8);
        }
        let parity = self.parities.0 & 1 == 1;
        self.parities = (self.parities.0 >> 1, self.parities.1 - 1);
        let (r, s) = get_pair(readers)?;
        Ok(Signature::new(r, s, parity))
    }
}

fn get_pair(readers: &mut Readers<'_>) -> Result<(U256, U256), UnpackError> {
    let mut next = || readers.get(Column::Random).array().map(U256::from_be_bytes::<32>);
    Ok((next()?, next()?))
}

fn charge(budget: &mut usize, bytes: usize) -> Result<(), UnpackError> {
    let left = budget.checked_sub(bytes);
    *budget =
        left.ok_or(UnpackError::TooLarge { what: "unpacked bytes", have: bytes as u64, limit: *budget as u64 })?;
    Ok(())
}

//! Decode turns bytes into a typed transaction and refuses what no state could make valid.
//!
//! In: [`Frame`]. Out: [`Decoded`]. Remembers nothing. Bound: the size limit of the policy, checked before anything else.

use std::ops::{DerefMut, Range};

use alloy_consensus::{Signed, Transaction, TxEip4844Variant, TxEnvelope};
use alloy_eips::Decodable2718;
use alloy_eips::eip2718::Eip2718Error;
use alloy_primitives::{B256, keccak256};
use horae_recovery::Recoverer;
use revm::context_interface::cfg::GasParams;
use revm::primitives::eip3860::MAX_INITCODE_SIZE;

use crate::limits;
use crate::params::ChainParams;
use crate::parcel::{Frame, Rejected, TxBody, typestate};
use crate::rules;
use crate::shed::Shed;

const LEGACY_FROM: u8 = 0xc0;
const EIP4844: u8 = 3;
const TYPES: [u8; 4] = [1, 2, EIP4844, 4];

/// Well formed, of a type and chain we take, with gas and fees that make sense. Only [`Decode`] makes one.
#[derive(Debug)]
pub struct Decoded<P>(pub(crate) P);
typestate!(Decoded);

/// What a node takes at the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodePolicy {
    /// The chain id that transactions are signed for; `None` to leave it to execution.
    pub chain_id: Option<u64>,
    /// Largest encoding, in bytes.
    pub max_bytes: usize,
    /// Largest gas limit of one transaction; `None` to leave all gas rules to execution.
    pub max_gas: Option<u64>,
    /// Take legacy transactions without a chain id.
    pub unprotected: bool,
    /// Take EIP-4844 blob transactions (without sidecar). No L2 block may contain one.
    pub blobs: bool,
}

impl DecodePolicy {
    /// What a node of this chain takes from users.
    pub fn new(params: &ChainParams) -> Self {
        Self {
            chain_id: Some(params.chain_id),
            max_bytes: params.max_transaction_bytes.min(params.max_block_bytes),
            max_gas: Some(params.gas_limit.min(limits::TRANSACTION_GAS_CAP)),
            unprotected: false,
            blobs: false,
        }
    }

    /// What is read back from blocks: whatever has a meaning. Execution says whether it may be there.
    pub fn any() -> Self {
        Self { chain_id: None, max_bytes: usize::MAX, max_gas: None, unprotected: true, blobs: true }
    }
}

/// The stage.
#[derive(Clone, Debug)]
pub struct Decode {
    policy: DecodePolicy,
    gas: GasParams,
    hashing: Hashing,
}

/// What a burst is hashed in, kept from one to the next.
#[derive(Clone, Debug, Default)]
struct Hashing {
    bytes: Vec<u8>,
    spans: Vec<Range<usize>>,
    hashes: Vec<[u8; 32]>,
}

impl Decode {
    /// A stage with this policy.
    pub fn new(policy: DecodePolicy) -> Self {
        Self { policy, gas: GasParams::new_spec(rules::SPEC), hashing: Hashing::default() }
    }

    /// Decodes and hashes one transaction.
    pub fn step<P: DerefMut<Target = TxBody>>(&self, frame: Frame<P>) -> Result<Decoded<P>, Rejected<P>> {
        let found = self.transaction(&frame.0.raw);
        decoded(frame, found)
    }

    /// Decodes and hashes a burst and hands the results out in its order; `burst` is left empty, its buffer kept. Its hashes are made
    /// eight at a time where the processor can.
    pub fn burst<P: DerefMut<Target = TxBody>>(
        &mut self,
        burst: &mut Vec<Frame<P>>,
        mut out: impl FnMut(Result<Decoded<P>, Rejected<P>>),
    ) {
        let Hashing { bytes, spans, hashes } = &mut self.hashing;
        bytes.clear();
        spans.clear();
        for Frame(parcel) in &*burst {
            let start = bytes.len();
            bytes.extend_from_slice(&parcel.raw);
            spans.push(start..bytes.len());
        }
        hashes.resize(spans.len(), [0; 32]);
        Recoverer::default().hash_batch(bytes, spans, hashes);
        for (frame, hash) in burst.drain(..).zip(&self.hashing.hashes) {
            let found = self.envelope(&frame.0.raw).map(|envelope| hashed(envelope, B256::from(hash)));
            out(decoded(frame, found));
        }
    }

    /// Decodes one EIP-2718 encoding, checks it by the policy, and hashes it.
    pub fn transaction(&self, raw: &[u8]) -> Result<(TxEnvelope, B256), Shed> {
        self.envelope(raw).map(|envelope| hashed(envelope, keccak256(raw)))
    }

    fn envelope(&self, raw: &[u8]) -> Result<TxEnvelope, Shed> {
        let policy = &self.policy;
        if raw.len() > policy.max_bytes {
            return Err(Shed::Oversized { size: raw.len(), limit: policy.max_bytes });
        }
        match raw.first() {
            None => return Err(Shed::Malformed("empty")),
            Some(first) if *first >= LEGACY_FROM || TYPES.contains(first) => {}
            Some(first) => return Err(Shed::TypeNotSupported(*first)),
        }
        if raw[0] == EIP4844 && !policy.blobs {
            return Err(Shed::TypeNotSupported(EIP4844));
        }
        let envelope = TxEnvelope::decode_2718_exact(raw).map_err(malformed)?;
        self.check(&envelope)?;
        Ok(envelope)
    }

    fn check(&self, tx: &TxEnvelope) -> Result<(), Shed> {
        let policy = &self.policy;
        match (tx.chain_id(), policy.chain_id) {
            (None, _) if !policy.unprotected => return Err(Shed::NotReplayProtected),
            (Some(have), Some(want)) if have != want => return Err(Shed::WrongChain { have, want }),
            _ => {}
        }
        if let TxEnvelope::Eip4844(signed) = tx
            && matches!(signed.tx(), TxEip4844Variant::TxEip4844WithSidecar(_))
        {
            return Err(Shed::Malformed("blob sidecar in a block transaction"));
        }
        let (tip, cap) = (tx.max_priority_fee_per_gas().unwrap_or(0), tx.max_fee_per_gas());
        if tip > cap {
            return Err(Shed::TipAboveFeeCap { tip, cap });
        }
        if tx.nonce() == u64::MAX {
            return Err(Shed::NonceMax);
        }
        if tx.is_eip7702() && tx.authorization_list().is_none_or(|list| list.is_empty()) {
            return Err(Shed::EmptyAuthorizationList);
        }
        match policy.max_gas {
            Some(max_gas) => self.check_gas(tx, max_gas),
            None => Ok(()),
        }
    }

    fn check_gas(&self, tx: &TxEnvelope, cap: u64) -> Result<(), Shed> {
        let have = tx.gas_limit();
        if have > cap {
            return Err(Shed::GasLimitTooHigh { have, cap });
        }
        let size = tx.input().len();
        if tx.is_create() && size > MAX_INITCODE_SIZE {
            return Err(Shed::InitCodeTooLong { size, limit: MAX_INITCODE_SIZE });
        }
        let (accounts, slots) = tx.access_list().map_or((0, 0), |list| {
            (list.0.len() as u64, list.0.iter().map(|item| item.storage_keys.len() as u64).sum())
        });
        let authorizations = tx.authorization_list().map_or(0, |list| list.len() as u64);
        let gas = self.gas.initial_tx_gas(tx.input(), tx.is_create(), accounts, slots, authorizations, None);
        if have < gas.initial_total_gas() {
            return Err(Shed::IntrinsicGas { have, want: gas.initial_total_gas() });
        }
        if have < gas.floor_gas() {
            return Err(Shed::FloorDataGas { have, want: gas.floor_gas() });
        }
        Ok(())
    }
}

fn decoded<P: DerefMut<Target = TxBody>>(
    Frame(mut parcel): Frame<P>,
    found: Result<(TxEnvelope, B256), Shed>,
) -> Result<Decoded<P>, Rejected<P>> {
    match found {
        Ok((envelope, hash)) => {
            parcel.envelope = Some(envelope);
            parcel.hash = hash;
            Ok(Decoded(parcel))
        }
        Err(why) => Err(Rejected { parcel, why }),
    }
}

/// Keeps the hash with the envelope, so that nobody encodes it again to ask.
fn hashed(envelope: TxEnvelope, hash: B256) -> (TxEnvelope, B256) {
    fn keep<T>(signed: Signed<T>, hash: B256) -> Signed<T> {
        let signature = *signed.signature();
        Signed::new_unchecked(signed.strip_signature(), signature, hash)
    }
    let envelope = match envelope {
        TxEnvelope::Legacy(tx) => TxEnvelope::Legacy(keep(tx, hash)),
        TxEnvelope::Eip2930(tx) => TxEnvelope::Eip2930(keep(tx, hash)),
        TxEnvelope::Eip1559(tx) => TxEnvelope::Eip1559(keep(tx, hash)),
        TxEnvelope::Eip4844(tx) => TxEnvelope::Eip4844(keep(tx, hash)),
        TxEnvelope::Eip7702(tx) => TxEnvelope::Eip7702(keep(tx, hash)),
    };
    (envelope, hash)
}

fn malformed(error: Eip2718Error) -> Shed {
    use alloy_rlp::Error;
    Shed::Malformed(match error {
        // Types that are not taken were refused before: what has none is no legacy transaction either.
        Eip2718Error::UnexpectedType(_) => "rlp: not a legacy transaction",
        Eip2718Error::RlpError(Error::Overflow) => "rlp: value too large",
        Eip2718Error::RlpError(Error::LeadingZero) => "rlp: non-canonical integer (leading zero bytes)",
        Eip2718Error::RlpError(Error::InputTooShort) => "rlp: value size exceeds available input length",
        Eip2718Error::RlpError(Error::NonCanonicalSingleByte | Error::NonCanonicalSize) => {
            "rlp: non-canonical size information"
        }
        Eip2718Error::RlpError(Error::UnexpectedString) => "rlp: expected List",
        Eip2718Error::RlpError(Error::UnexpectedList) => "rlp: expected String",
        Eip2718Error::RlpError(Error::UnexpectedLength) => "rlp: unexpected length",
        Eip2718Error::RlpError(Error::ListLengthMismatch { .. }) => {
            "rlp: input list has another length than its elements"
        }
        Eip2718Error::RlpError(Error::Custom(text)) => text,
        _ => "rlp: not a transaction",
    })
}

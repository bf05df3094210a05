//! Blocks, certificates, commits and decisions as JSON, both ways. Numbers are plain JSON numbers, bytes hexadecimal.

use alloy_primitives::{Address, B256, Bytes};
use horae_control::{Ack, BlockId, Certificate, CertificateAck, Commit, Decision, Precommit, Signature};
use horae_stages::{Header, L1View};
use serde::{Deserialize, Serialize};

use super::item::{ClosedAt, DecisionItem, FeedBlock, Item};

/// A signature of another length than 65 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signature of {0} bytes; it has 65")]
pub struct BadSignatureLength(usize);

fn bytes_of(signature: &Signature) -> Bytes {
    signature.0.to_vec().into()
}

fn signature_of(bytes: &Bytes) -> Result<Signature, BadSignatureLength> {
    let array: Result<[u8; 65], _> = bytes.as_ref().try_into();
    array.map(Signature).map_err(|_| BadSignatureLength(bytes.len()))
}

/// The fields in the order in which they are hashed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeaderJson {
    parent: B256,
    number: u64,
    epoch: u64,
    term: u64,
    slot: u64,
    sequencer: Address,
    timestamp_ms: u64,
    control_height: u64,
    l1_view_number: u64,
    l1_view_hash: B256,
    forced: u64,
    base_fee: u64,
    gas_limit: u64,
    gas_used: u64,
    fee_recipient: Address,
    prevrandao: B256,
    transactions_root: B256,
    receipts_root: B256,
    changes_hash: B256,
    batch: u64,
    batch_start_ms: u64,
    batch_bytes: u64,
    ends_slot: bool,
}

impl From<&Header> for HeaderJson {
    fn from(header: &Header) -> Self {
        Self {
            parent: header.parent,
            number: header.number,
            epoch: header.epoch,
            term: header.term,
            slot: header.slot,
            sequencer: header.sequencer,
            timestamp_ms: header.timestamp_ms,
            control_height: header.control_height,
            l1_view_number: header.l1_view.number,
            l1_view_hash: header.l1_view.hash,
            forced: header.forced,
            base_fee: header.base_fee,
            gas_limit: header.gas_limit,
            gas_used: header.gas_used,
            fee_recipient: header.fee_recipient,
            prevrandao: header.prevrandao,
            transactions_root: header.transactions_root,
            receipts_root: header.receipts_root,
            changes_hash: header.changes_hash,
            batch: header.batch,
            batch_start_ms: header.batch_start_ms,
            batch_bytes: header.batch_bytes,
            ends_slot: header.ends_slot,
        }
    }
}

impl From<HeaderJson> for Header {
    fn from(json: HeaderJson) -> Self {
        Self {
            parent: json.parent,
            number: json.number,
            epoch: json.epoch,
            term: json.term,
            slot: json.slot,
            sequencer: json.sequencer,
            timestamp_ms: json.timestamp_ms,
            control_height: json.control_height,
            l1_view: L1View { number: json.l1_view_number, hash: json.l1_view_hash },
            forced: json.forced,
            base_fee: json.base_fee,
            gas_limit: json.gas_limit,
            gas_used: json.gas_used,
            fee_recipient: json.fee_recipient,
            prevrandao: json.prevrandao,
            transactions_root: json.transactions_root,
            receipts_root: json.receipts_root,
            changes_hash: json.changes_hash,
            batch: json.batch,
            batch_start_ms: json.batch_start_ms,
            batch_bytes: json.batch_bytes,
            ends_slot: json.ends_slot,
        }
    }
}

/// A block by height and hash.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct IdJson {
    number: u64,
    hash: B256,
}

impl From<BlockId> for IdJson {
    fn from(id: BlockId) -> Self {
        Self { number: id.number, hash: id.hash }
    }
}

impl From<IdJson> for BlockId {
    fn from(json: IdJson) -> Self {
        Self { number: json.number, hash: json.hash }
    }
}

/// A certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CertificateJson {
    epoch: u64,
    term: u64,
    slot: u64,
    block: IdJson,
    acks: Vec<CertificateAckJson>,
}

/// An ack inside a certificate; block and place are the certificate's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CertificateAckJson {
    validator: Address,
    incarnation: u64,
    /// Block of the certificate that the validator held.
    certificate: Option<IdJson>,
    signature: Bytes,
}

/// An ack inside a commit; epoch and term are the certificate's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AckJson {
    validator: Address,
    incarnation: u64,
    slot: u64,
    /// The block that was acked.
    block: IdJson,
    /// Block of the certificate that the validator held.
    certificate: Option<IdJson>,
    signature: Bytes,
}

/// The acks that commit a block, as beside a certificate of their own in `horae_block`.
#[derive(Clone, Debug, Serialize)]
pub struct CommitAcksJson {
    block: IdJson,
    acks: Vec<AckJson>,
}

impl From<&Commit> for CommitAcksJson {
    fn from(commit: &Commit) -> Self {
        Self { block: commit.block().into(), acks: commit.acks.iter().map(AckJson::from).collect() }
    }
}

impl From<&CertificateAck> for CertificateAckJson {
    fn from(ack: &CertificateAck) -> Self {
        Self {
            validator: ack.validator,
            incarnation: ack.incarnation,
            certificate: ack.certificate.map(IdJson::from),
            signature: bytes_of(&ack.signature),
        }
    }
}

impl TryFrom<CertificateAckJson> for CertificateAck {
    type Error = BadSignatureLength;

    fn try_from(json: CertificateAckJson) -> Result<Self, BadSignatureLength> {
        Ok(Self {
            validator: json.validator,
            incarnation: json.incarnation,
            certificate: json.certificate.map(BlockId::from),
            signature: signature_of(&json.signature)?,
        })
    }
}

impl From<&Ack> for AckJson {
    fn from(ack: &Ack) -> Self {
        Self {
            validator: ack.validator,
            incarnation: ack.incarnation,
            slot: ack.slot,
            block: ack.block.into(),
            certificate: ack.certificate.map(IdJson::from),
            signature: bytes_of(&ack.signature),
        }
    }
}

impl From<&Certificate> for CertificateJson {
    fn from(certificate: &Certificate) -> Self {
        Self {
            epoch: certificate.epoch,
            term: certificate.term,
            slot: certificate.slot,
            block: certificate.block.into(),
            acks: certificate.acks.iter().map(CertificateAckJson::from).collect(),
        }
    }
}

impl TryFrom<CertificateJson> for Certificate {
    type Error = BadSignatureLength;

    fn try_from(json: CertificateJson) -> Result<Self, BadSignatureLength> {
        Ok(Self {
            epoch: json.epoch,
            term: json.term,
            slot: json.slot,
            block: json.block.into(),
            acks: json.acks.into_iter().map(CertificateAck::try_from).collect::<Result<_, _>>()?,
        })
    }
}

/// An item on the wire.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ItemJson {
    /// [`Item::Decision`].
    Decision {
        /// Control height.
        height: u64,
        /// Round in which it was decided.
        round: u32,
        /// Borsh bytes of the control block.
        value: Bytes,
        /// The signatures that decided it.
        precommits: Vec<PrecommitJson>,
        /// The term that it closes, and its last block.
        closed: Option<ClosedJson>,
    },
    /// [`Item::Block`].
    Block {
        /// Its hash.
        hash: B256,
        /// Its header.
        header: Box<HeaderJson>,
        /// The sequencer's signature.
        signature: Option<Bytes>,
        /// EIP-2718 encodings.
        transactions: Vec<Bytes>,
    },
    /// [`Item::Certificate`].
    Certificate(CertificateJson),
    /// [`Item::Commit`].
    Commit {
        /// Of the committed block.
        certificate: CertificateJson,
        /// Those that hold it, or a higher one.
        acks: Vec<AckJson>,
    },
    /// [`Item::Void`].
    Void {
        /// Height that stays.
        above: u64,
    },
    /// [`Item::End`].
    End {
        /// As of a JSON-RPC error.
        code: i32,
        /// What happened.
        message: String,
    },
}

/// A precommit of a decision.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PrecommitJson {
    validator: Address,
    signature: Bytes,
}

/// A term that a decision closed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ClosedJson {
    term: u64,
    head: IdJson,
}

impl From<&Item> for ItemJson {
    fn from(item: &Item) -> Self {
        match item {
            Item::Decision(item) => {
                let DecisionItem { decision, closed } = item.as_ref();
                let precommit =
                    |p: &Precommit| PrecommitJson { validator: p.validator, signature: bytes_of(&p.signature) };
                Self::Decision {
                    height: decision.height,
                    round: decision.round,
                    value: decision.value.clone().into(),
                    precommits: decision.precommits.iter().map(precommit).collect(),
                    closed: closed.map(|closed| ClosedJson { term: closed.term, head: closed.head.into() }),
                }
            }
            Item::Block(block) => Self::Block {
                hash: block.hash,
                header: Box::new((&block.header).into()),
                signature: block.signature.as_ref().map(bytes_of),
                transactions: block.transactions.clone(),
            },
            Item::Certificate(certificate) => Self::Certificate(certificate.as_ref().into()),
            Item::Commit(commit) => Self::Commit {
                certificate: (&commit.certificate).into(),
                acks: commit.acks.iter().map(AckJson::from).collect(),
            },
            Item::Void { above } => Self::Void { above: *above },
            Item::End { code, message } => Self::End { code: *code, message: message.clone() },
        }
    }
}

impl TryFrom<ItemJson> for Item {
    type Error = BadSignatureLength;

    fn try_from(json: ItemJson) -> Result<Self, BadSignatureLength> {
        Ok(match json {
            ItemJson::Decision { height, round, value, precommits, closed } => {
                let precommit =
                    |p: PrecommitJson| Ok(Precommit { validator: p.validator, signature: signature_of(&p.signature)? });
                let precommits = precommits.into_iter().map(precommit).collect::<Result<_, BadSignatureLength>>()?;
                let closed = closed.map(|closed| ClosedAt { term: closed.term, head: closed.head.into() });
                let decision = Decision { height, round, value: value.into(), precommits };
                Self::Decision(Box::new(DecisionItem { decision, closed }))
            }
            ItemJson::Block { hash, header, signature, transactions } => {
                let signature = signature.as_ref().map(signature_of).transpose()?;
                Self::Block(Box::new(FeedBlock { hash, header: (*header).into(), signature, transactions }))
            }
            ItemJson::Certificate(certificate) => Self::Certificate(Box::new(certificate.try_into()?)),
            ItemJson::Commit { certificate, acks } => {
                let certificate = Certificate::try_from(certificate)?;
                let (epoch, term) = (certificate.epoch, certificate.term);
                let ack = |json: AckJson| {
                    Ok(Ack {
                        validator: json.validator,
                        incarnation: json.incarnation,
                        epoch,
                        term,
                        slot: json.slot,
                        block: json.block.into(),
                        certificate: json.certificate.map(BlockId::from),
                        signature: signature_of(&json.signature)?,
                    })
                };
                let acks = acks.into_iter().map(ack).collect::<Result<_, BadSignatureLength>>()?;
                Self::Commit(Box::new(Commit { certificate, acks }))
            }
            ItemJson::Void { above } => Self::Void { above },
            ItemJson::End { code, message } => Self::End { code, message },
        })
    }
}

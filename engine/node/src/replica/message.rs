//! What replicas say to each other on the peer streams, and its bytes (borsh; blocks in RLP inside).

use alloy_rlp::Decodable;
use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use horae_control::{Ack, BlockId, Certificate, Commit, Signature};
use horae_stages::{Block, Header};
use thiserror::Error;

/// Most blocks in one answer to [`PeerMessage::GetBlocks`].
pub const BLOCKS_PER_ANSWER: u64 = 64;
/// Most transaction bytes in one answer to [`PeerMessage::GetBlocks`] or one [`PeerMessage::Transactions`].
pub const BYTES_PER_ANSWER: usize = 4 << 20;
/// Most transactions in one [`PeerMessage::Transactions`].
pub const TRANSACTIONS_PER_MESSAGE: usize = 2_048;

/// A block as its sequencer sealed it: with the signature over its statement digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedBlock {
    /// The block.
    pub block: Block,
    /// By the sequencer of the block's slot, over the statement digest of the header hash.
    pub signature: Signature,
}

impl BorshSerialize for SealedBlock {
    fn serialize<W: std::io::Write>(&self, writer: &mut W) -> std::io::Result<()> {
        alloy_rlp::encode(&self.block).serialize(writer)?;
        self.signature.serialize(writer)
    }
}

impl BorshDeserialize for SealedBlock {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        let rlp = Vec::<u8>::deserialize_reader(reader)?;
        let mut rest = rlp.as_slice();
        let block =
            Block::decode(&mut rest).map_err(|why| std::io::Error::new(std::io::ErrorKind::InvalidData, why))?;
        if !rest.is_empty() {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "bytes after a block"));
        }
        Ok(Self { block, signature: Signature::deserialize_reader(reader)? })
    }
}

impl SealedBlock {
    /// The header.
    pub fn header(&self) -> &Header {
        &self.block.header
    }
}

/// Where a replica stands; sent when a connection comes up and at every tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Standing {
    /// Highest block it has executed.
    pub head: BlockId,
    /// Highest block it knows to be committed.
    pub committed: BlockId,
}

/// One message between replicas. It is encoded as soon as it is made, so its size in memory does not matter.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum PeerMessage {
    /// A sealed block, from its sequencer; the first of a slot carries the certificate of the slot before.
    Block {
        /// The block.
        block: SealedBlock,
        /// Certificate of the last block of the slot before, with the first block of a slot that follows by handover.
        carried: Option<Certificate>,
    },
    /// A validator's ack.
    Ack(Ack),
    /// A certificate, from whoever tallied it.
    Certificate(Certificate),
    /// A commit with its certificate.
    Commit(Commit),
    /// Transactions on their way to the sequencer, as EIP-2718 encodings.
    Transactions(Vec<Vec<u8>>),
    /// Where the sender stands.
    Standing(Standing),
    /// Asks for executed blocks from a height on.
    GetBlocks {
        /// First height wanted.
        from: u64,
    },
    /// Executed blocks in ascending order, with the highest commit that the sender can show for them.
    Blocks {
        /// The blocks; with the first of a slot, the certificate of the block below, as far as the sender has it.
        blocks: Vec<(SealedBlock, Option<Certificate>)>,
        /// Commit of one of these blocks or of one above them.
        commit: Option<Commit>,
    },
}

/// Bytes that are no message.
#[derive(Debug, Error)]
#[error("not a peer message: {0}")]
pub struct BadMessage(#[from] std::io::Error);

impl PeerMessage {
    /// The bytes on the wire.
    pub fn encode(&self) -> Bytes {
        Bytes::from(borsh::to_vec(self).expect("writing to memory does not fail"))
    }

    /// Reads one message.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadMessage> {
        Ok(borsh::from_slice(bytes)?)
    }
}

//! What control planes say to each other over a link, in borsh.

use std::io;

use arc_malachitebft_core_consensus::LivenessMsg;
use arc_malachitebft_core_types::{SignedProposal, SignedVote};
use arc_malachitebft_sync::{Request, Response};
use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;

use crate::{
    codec::{response_from_bytes, response_to_bytes},
    context::{Height, Plane},
};

/// A message between two control planes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// A signed proposal with its value, where the sender has it.
    Proposal(SignedProposal<Plane>, Option<Bytes>),
    /// A signed vote.
    Vote(SignedVote<Plane>),
    /// Votes and certificates that are sent again.
    Liveness(LivenessMsg<Plane>),
    /// The highest decided height and the lowest one that can be asked for.
    Status(Height, Height),
    /// A numbered question for decided values.
    Request(u64, Request<Plane>),
    /// The answer to the question of that number.
    Response(u64, Response<Plane>),
    /// The sender begins this height.
    Begin(Height),
    /// A message of the application.
    Message(Bytes),
}

/// On the wire: the same with bytes in place of what has no codec of its own.
#[derive(BorshSerialize, BorshDeserialize)]
enum Encoded {
    Proposal(SignedProposal<Plane>, Option<Vec<u8>>),
    Vote(SignedVote<Plane>),
    Liveness(LivenessMsg<Plane>),
    Status(Height, Height),
    Request(u64, Request<Plane>),
    Response(u64, Vec<u8>),
    Begin(Height),
    Message(Vec<u8>),
}

impl Wire {
    /// # Errors
    /// Never in practice: the encoding is into memory.
    pub(crate) fn encode(self) -> io::Result<Bytes> {
        let encoded = match self {
            Self::Proposal(proposal, value) => Encoded::Proposal(proposal, value.map(Into::into)),
            Self::Vote(vote) => Encoded::Vote(vote),
            Self::Liveness(message) => Encoded::Liveness(message),
            Self::Status(tip, min) => Encoded::Status(tip, min),
            Self::Request(number, request) => Encoded::Request(number, request),
            Self::Response(number, response) => Encoded::Response(number, response_to_bytes(&response)?),
            Self::Begin(height) => Encoded::Begin(height),
            Self::Message(bytes) => Encoded::Message(bytes.into()),
        };
        Ok(borsh::to_vec(&encoded)?.into())
    }

    /// # Errors
    /// The bytes are not exactly one message.
    pub(crate) fn decode(bytes: &[u8]) -> io::Result<Self> {
        Ok(match borsh::from_slice(bytes)? {
            Encoded::Proposal(proposal, value) => Self::Proposal(proposal, value.map(Into::into)),
            Encoded::Vote(vote) => Self::Vote(vote),
            Encoded::Liveness(message) => Self::Liveness(message),
            Encoded::Status(tip, min) => Self::Status(tip, min),
            Encoded::Request(number, request) => Self::Request(number, request),
            Encoded::Response(number, response) => Self::Response(number, response_from_bytes(&response)?),
            Encoded::Begin(height) => Self::Begin(height),
            Encoded::Message(bytes) => Self::Message(bytes.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alloy_primitives::Address;
    use arc_malachitebft_core_types::{NilOrVal, Round, SignedMessage, VoteType};
    use arc_malachitebft_sync::{ValueRequest, ValueResponse};

    use super::*;
    use crate::context::{Proposal, Signer, ValueHash, Vote, VoteSignature};

    fn all() -> Vec<Wire> {
        let voter = Signer(Address::repeat_byte(3));
        let (height, round) = (Height(8), Round::new(1));
        let value = NilOrVal::Val(ValueHash::of(b"v"));
        let vote =
            SignedMessage::new(Vote { kind: VoteType::Prevote, height, round, value, voter }, VoteSignature([4; 65]));
        let proposal = Proposal { height, round, value: ValueHash::of(b"v"), pol_round: Round::Nil, proposer: voter };
        let proposal = SignedMessage::new(proposal, VoteSignature([5; 65]));
        vec![
            Wire::Proposal(proposal.clone(), None),
            Wire::Proposal(proposal, Some(Bytes::from_static(b"v"))),
            Wire::Vote(vote.clone()),
            Wire::Liveness(LivenessMsg::Vote(vote)),
            Wire::Status(Height(9), Height(2)),
            Wire::Request(7, Request::ValueRequest(ValueRequest::new(Height(2)..=Height(9)))),
            Wire::Response(7, Response::ValueResponse(ValueResponse::new(Height(2), Vec::new()))),
            Wire::Begin(Height(10)),
            Wire::Message(Bytes::from_static(b"hello")),
        ]
    }

    #[test]
    fn every_message_round_trips() {
        for message in all() {
            assert_eq!(Wire::decode(&message.clone().encode().unwrap()).unwrap(), message);
        }
    }

    #[test]
    fn cut_or_followed_messages_are_refused() {
        for message in all() {
            let bytes = message.encode().unwrap();
            for end in 0..bytes.len() {
                assert!(Wire::decode(&bytes[..end]).is_err());
            }
            assert!(Wire::decode(&[&bytes[..], &[0]].concat()).is_err());
        }
    }
}

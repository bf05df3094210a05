//! How the engine's messages and files are encoded: borsh, by the engine crates' own implementations where there are any.
//!
//! `ExtendedCommitCertificate` has none, so what contains it (`RawDecidedValue`, `Response`) is written here, without the extensions.

use std::io;

use arc_malachitebft_codec::{Codec, HasEncodedLen};
use arc_malachitebft_core_consensus::{LivenessMsg, ProposedValue, SignedConsensusMsg};
use arc_malachitebft_core_types::{
    CommitCertificate, CommitSignature, ExtendedCommitCertificate, PolkaCertificate, VoteExtensions,
};
use arc_malachitebft_sync::{RawDecidedValue, Request, Response, Status, ValueResponse};
use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use horae_control::{Decision, Precommit, Signature};

use crate::context::{Height, Plane};

/// The one codec.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Borsh;

macro_rules! by_borsh {
    ($($type:ty),* $(,)?) => {$(
        impl Codec<$type> for Borsh {
            type Error = io::Error;

            fn decode(&self, bytes: Bytes) -> io::Result<$type> {
                borsh::from_slice(&bytes)
            }

            fn encode(&self, message: &$type) -> io::Result<Bytes> {
                Ok(borsh::to_vec(message)?.into())
            }
        }
    )*};
}

by_borsh!(
    SignedConsensusMsg<Plane>,
    LivenessMsg<Plane>,
    ProposedValue<Plane>,
    PolkaCertificate<Plane>,
    Status<Plane>,
    Request<Plane>,
);

/// A decided value and its certificate, as stored and as sent to peers that catch up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decided {
    pub value: Bytes,
    pub certificate: CommitCertificate<Plane>,
}

impl BorshSerialize for Decided {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.value[..].serialize(writer)?;
        self.certificate.serialize(writer)
    }
}

impl BorshDeserialize for Decided {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let value = Vec::<u8>::deserialize_reader(reader)?.into();
        Ok(Self { value, certificate: BorshDeserialize::deserialize_reader(reader)? })
    }
}

impl From<Decided> for Decision {
    fn from(Decided { value, certificate }: Decided) -> Self {
        let precommit =
            |s: CommitSignature<Plane>| Precommit { validator: s.address.0, signature: Signature(s.signature.0) };
        let mut precommits: Vec<Precommit> = certificate.commit_signatures.into_iter().map(precommit).collect();
        precommits.sort_by_key(|precommit| precommit.validator);
        precommits.dedup_by_key(|precommit| precommit.validator);
        let round = certificate.round.as_u32().unwrap_or(u32::MAX);
        Self { height: certificate.height.0, round, value: value.into(), precommits }
    }
}

impl From<Decided> for RawDecidedValue<Plane> {
    fn from(decided: Decided) -> Self {
        let certificate = ExtendedCommitCertificate::from_commit_certificate_and_extensions(
            decided.certificate,
            VoteExtensions::new(Vec::new()),
        );
        Self::new(decided.value, certificate)
    }
}

/// What a peer that catches up gets.
pub(crate) fn response_to_bytes(response: &Response<Plane>) -> io::Result<Vec<u8>> {
    let Response::ValueResponse(response) = response;
    let values: Vec<Decided> = response
        .values
        .iter()
        .map(|raw| Decided {
            value: raw.value_bytes.clone(),
            certificate: raw.certificate.clone().trim_vote_extensions(),
        })
        .collect();
    borsh::to_vec(&(response.start_height, values))
}

/// The reverse of [`response_to_bytes`].
pub(crate) fn response_from_bytes(bytes: &[u8]) -> io::Result<Response<Plane>> {
    let (start, values): (Height, Vec<Decided>) = borsh::from_slice(bytes)?;
    Ok(Response::ValueResponse(ValueResponse::new(start, values.into_iter().map(Into::into).collect())))
}

impl Codec<Response<Plane>> for Borsh {
    type Error = io::Error;

    fn decode(&self, bytes: Bytes) -> io::Result<Response<Plane>> {
        response_from_bytes(&bytes)
    }

    fn encode(&self, response: &Response<Plane>) -> io::Result<Bytes> {
        response_to_bytes(response).map(Into::into)
    }
}

impl HasEncodedLen<Response<Plane>> for Borsh {
    fn encoded_len(&self, response: &Response<Plane>) -> io::Result<usize> {
        response_to_bytes(response).map(|bytes| bytes.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alloy_primitives::Address;
    use arc_malachitebft_core_types::{CommitSignature, Round};

    use super::*;
    use crate::context::{Signer, ValueHash, VoteSignature};

    fn decided(height: u64) -> Decided {
        let value = Bytes::from(format!("value {height}"));
        let signature = |n: u8| CommitSignature::new(Signer(Address::repeat_byte(n)), VoteSignature([n; 65]));
        let certificate = CommitCertificate {
            height: Height(height),
            round: Round::new(1),
            value_id: ValueHash::of(&value),
            commit_signatures: vec![signature(1), signature(2)],
        };
        Decided { value, certificate }
    }

    #[test]
    fn response_round_trips() {
        let values = vec![decided(3).into(), decided(4).into()];
        let response = Response::ValueResponse(ValueResponse::new(Height(3), values));
        let bytes = response_to_bytes(&response).unwrap();
        assert_eq!(response_from_bytes(&bytes).unwrap(), response);
        assert_eq!(Borsh.encoded_len(&response).unwrap(), bytes.len());
    }

    #[test]
    fn a_decision_names_each_author_once_in_ascending_order() {
        let mut twice = decided(7);
        let first = twice.certificate.commit_signatures[0].clone();
        twice.certificate.commit_signatures.push(first);
        twice.certificate.commit_signatures.swap(0, 1);
        let decision = Decision::from(twice);
        assert_eq!((decision.height, decision.round, decision.value.as_slice()), (7, 1, b"value 7".as_slice()));
        let authors: Vec<Address> = decision.precommits.iter().map(|p| p.validator).collect();
        assert_eq!(authors, [Address::repeat_byte(1), Address::repeat_byte(2)]);
    }

    #[test]
    fn a_cut_response_is_an_error() {
        let response = Response::ValueResponse(ValueResponse::new(Height(3), vec![decided(3).into()]));
        let bytes = response_to_bytes(&response).unwrap();
        for end in 0..bytes.len() {
            assert!(response_from_bytes(&bytes[..end]).is_err());
        }
    }
}

//! The digest against an encoding written out by hand.

use super::*;
use crate::testing::domain;

#[test]
fn digest_is_keccak_of_eight_abi_words() {
    let content = B256::repeat_byte(0xab);
    let mut bytes = keccak256("horae.v1.ack").to_vec();
    for x in [59_901u128, 0, 3, 4, 5, 6] {
        bytes.extend([0u8; 16]);
        bytes.extend(x.to_be_bytes());
    }
    bytes[64..96].copy_from_slice(&[[0; 12].as_slice(), &[0x11; 20]].concat());
    bytes.extend(content);
    assert_eq!(bytes.len(), 8 * 32);
    assert_eq!(digest(&domain(), Kind::Ack, 3, 4, 5, 6, content), keccak256(bytes));
}

#[test]
fn every_place_of_the_digest_matters() {
    let c = B256::ZERO;
    let d = domain();
    let other_chain = Domain { chain_id: 1, ..d };
    let other_pool = Domain { locking: Address::ZERO, ..d };
    let all = [
        digest(&d, Kind::Ack, 1, 2, 3, 4, c),
        digest(&other_chain, Kind::Ack, 1, 2, 3, 4, c),
        digest(&other_pool, Kind::Ack, 1, 2, 3, 4, c),
        digest(&d, Kind::Block, 1, 2, 3, 4, c),
        digest(&d, Kind::Ack, 0, 2, 3, 4, c),
        digest(&d, Kind::Ack, 1, 0, 3, 4, c),
        digest(&d, Kind::Ack, 1, 2, 0, 4, c),
        digest(&d, Kind::Ack, 1, 2, 3, 0, c),
        digest(&d, Kind::Ack, 1, 2, 3, 4, B256::repeat_byte(1)),
    ];
    for (at, one) in all.iter().enumerate() {
        assert!(!all[at + 1..].contains(one), "digest {at} repeats");
    }
}

#[test]
fn kinds_have_different_names() {
    let kinds = [Kind::Block, Kind::Ack, Kind::Close, Kind::Readiness, Kind::Vote, Kind::Proposal, Kind::Command];
    let names: std::collections::BTreeSet<&str> = kinds.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), kinds.len());
}

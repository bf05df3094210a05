//! The test vectors of RFC 9591, appendix E.5, for FROST(secp256k1, SHA-256): three participants, of which 1 and 3 sign.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, VecDeque},
    error::Error,
};

use alloy_primitives::{B256, hex};
use frost_secp256k1::{
    SigningKey, SigningPackage, aggregate,
    keys::{IdentifierList, KeyPackage, PublicKeyPackage, split},
    round2::SignatureShare,
};
use rand_core::{CryptoRng, RngCore};

use super::{NonceCommitment, NonceCommitments, nonce::NonceSet};
use crate::group::{GroupKey, GroupSignature, identifier};

const GROUP_SECRET: [u8; 32] = hex!("0d004150d27c3bf2a42f312683d35fac7394b1e9e318249c1bfe7f0795a83114");
const GROUP_KEY: [u8; 33] = hex!("02f37c34b66ced1fb51c34a90bdae006901f10625cc06c4f64663b0eae87d87b4f");
const COEFFICIENT: [u8; 32] = hex!("fbf85eadae3058ea14f19148bb72b45e4399c0b16028acaf0395c9b03c823579");
const MESSAGE: &[u8] = b"test";
const SHARES: [[u8; 32]; 3] = [
    hex!("08f89ffe80ac94dcb920c26f3f46140bfc7f95b493f8310f5fc1ea2b01f4254c"),
    hex!("04f0feac2edcedc6ce1253b7fab8c86b856a797f44d83d82a385554e6e401984"),
    hex!("00e95d59dd0d46b0e303e500b62b7ccb0e555d49f5b849f5e748c071da8c0dbc"),
];
const SIGNATURE: [u8; 65] = hex!(
    "024c1ad4e031872661fa6ebd05dfc7fb30db08b38d79f0edbc82051ae931381bc6"
    "a46881e25c7989d3816eae32074f1ab0d49ee908a59713ed5284c6bade7cfb02"
);

struct Participant {
    index: u16,
    /// hiding_nonce_randomness, binding_nonce_randomness
    randomness: [[u8; 32]; 2],
    hiding: [u8; 33],
    binding: [u8; 33],
    share: [u8; 32],
}

const SIGNERS: [Participant; 2] = [
    Participant {
        index: 1,
        randomness: [
            hex!("bda8e748e599187762cff956f03dc6ea13fc8e04491a0427b7e6e78600f41c52"),
            hex!("2ca682429bf05df435b9927b8edb1d748278f3e42fa11ef358e49bbf4a1b780d"),
        ],
        hiding: hex!("0305e62a1d3f57a0b17ade569a3a4043e2a1fc3bd0b102614a8d8cc68e3322ad89"),
        binding: hex!("03b634c2aed7f85b8eec22e97e5f916ab43a3518821480e15da2af7cffcb060a30"),
        share: hex!("ca54b18d7449377cfa680760a5770b9e64e201f7ea36b068effeca5fce2155e5"),
    },
    Participant {
        index: 3,
        randomness: [
            hex!("70818dd5170672c4a4285fd593d4f222417f941f3118e1244955e7a1098a35d8"),
            hex!("74ca2da071ed4a2a6cad5087d6758b48a558ab5861c61117fee05757e4b1309e"),
        ],
        hiding: hex!("036f878da0dc19ba7da9f2d9e795e2674e62ff06c990fc4464cc1ed55a2acce46b"),
        binding: hex!("025350e2a9e32e7b1fe0161e990623600b2d301b3307641469129cff7936c4d2ce"),
        share: hex!("da13d054e83052568706a6d161d80f112a6bc3f76aa903c022585ae7e091e65e"),
    },
];

/// Gives out the vector's randomness, and nothing else.
struct Script(VecDeque<u8>);

impl Script {
    fn new(bytes: &[[u8; 32]]) -> Self {
        Self(bytes.concat().into())
    }
}

impl RngCore for Script {
    fn next_u32(&mut self) -> u32 {
        panic!("only bytes are drawn")
    }

    fn next_u64(&mut self) -> u64 {
        panic!("only bytes are drawn")
    }

    fn fill_bytes(&mut self, target: &mut [u8]) {
        target.fill_with(|| self.0.pop_front().expect("the vector has no more randomness"));
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(target);
        Ok(())
    }
}

impl CryptoRng for Script {}

fn keys() -> (BTreeMap<u16, KeyPackage>, PublicKeyPackage) {
    let secret = SigningKey::deserialize(&GROUP_SECRET).unwrap();
    let (shares, public) = split(&secret, 3, 2, IdentifierList::Default, &mut Script::new(&[COEFFICIENT])).unwrap();
    let package = |index: u16| (index, shares[&identifier(index)].clone().try_into().unwrap());
    ((1..=3).map(package).collect(), public)
}

#[test]
fn key_shares_are_the_vectors() {
    let (keys, public) = keys();
    for (key, expected) in keys.values().zip(SHARES) {
        assert_eq!(key.signing_share().serialize(), expected);
    }
    assert_eq!(public.verifying_key().serialize().unwrap(), GROUP_KEY);
    let key = GroupKey::from_verifying_key(public.verifying_key()).unwrap();
    assert_eq!((key.px(), key.parity()), (B256::from_slice(&GROUP_KEY[1..]), 27));
}

#[test]
fn commitments_shares_and_signature_are_the_vectors() -> Result<(), Box<dyn Error>> {
    let (keys, public) = keys();
    let mut sets = Vec::new();
    let mut list = BTreeMap::new();
    for signer in &SIGNERS {
        let own = BTreeMap::from([(signer.index, keys[&signer.index].clone())]);
        let (nonces, commitments) = NonceSet::draw(&own, &mut Script::new(&signer.randomness));
        let expected = NonceCommitment { hiding: signer.hiding, binding: signer.binding };
        assert_eq!(commitments, NonceCommitments(vec![expected]));
        list.insert(identifier(signer.index), commitments.decode(1).unwrap()[0]);
        sets.push((own, nonces));
    }
    let package = SigningPackage::new(list, MESSAGE);
    let mut shares = BTreeMap::new();
    for (signer, (own, nonces)) in SIGNERS.iter().zip(sets) {
        assert_eq!(nonces.sign(&own, &package).unwrap(), [signer.share]);
        shares.insert(identifier(signer.index), SignatureShare::deserialize(&signer.share)?);
    }
    let signature = aggregate(&package, &shares, &public)?;
    assert_eq!(signature.serialize()?, SIGNATURE);
    let encoded = GroupSignature::encode(&signature)?;
    assert_eq!((encoded.rx.as_slice(), encoded.z.as_slice()), (&SIGNATURE[1..33], &SIGNATURE[33..]));
    assert_eq!(encoded.decode()?, signature);
    Ok(())
}

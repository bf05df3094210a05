//! Keys and signatures: a published vector, malleability, and that the secret does not show.

use alloy_primitives::{address, b256, hex};
use proptest::prelude::*;

use super::*;
use crate::testing::key;

/// n - s: the other `s` that verifies with the other parity.
fn mirrored(signature: &Signature) -> Signature {
    let order =
        alloy_primitives::U256::from_be_bytes(hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"));
    let s = alloy_primitives::U256::from_be_slice(&signature.0[32..64]);
    let mut bytes = signature.0;
    bytes[32..64].copy_from_slice(&(order - s).to_be_bytes::<32>());
    bytes[64] ^= 1;
    Signature(bytes)
}

#[test]
fn first_anvil_key_has_its_address() {
    let secret = hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
    let key = SignerKey::from_bytes(&secret).unwrap();
    assert_eq!(key.address(), address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
}

#[test]
fn rfc_6979_nonce_is_the_published_one() {
    // Key 1 and SHA-256("Satoshi Nakamoto"), from the test vectors that Bitcoin's libraries share.
    let mut secret = [0; 32];
    secret[31] = 1;
    let digest = b256!("a0dc65ffca799873cbea0ac274015b9526505daaaed385155425f7337704883e");
    let signature = SignerKey::from_bytes(&secret).unwrap().sign(digest);
    assert_eq!(
        signature.0[..64],
        hex!(
            "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
            "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"
        )
    );
}

#[test]
fn high_s_is_refused() {
    let key = key(1);
    let digest = B256::repeat_byte(5);
    let signature = key.sign(digest);
    assert_eq!(recover(digest, &signature), Some(key.address()));
    assert_eq!(recover(digest, &mirrored(&signature)), None);
}

#[test]
fn recovery_ids_above_one_are_refused() {
    let digest = B256::repeat_byte(5);
    let mut signature = key(1).sign(digest);
    for v in [2, 3, 4, 27, 28, 255] {
        signature.0[64] = v;
        assert_eq!(recover(digest, &signature), None);
    }
}

#[test]
fn invalid_secrets_are_refused() {
    assert_eq!(SignerKey::from_bytes(&[0; 32]).unwrap_err(), InvalidKey);
    assert_eq!(SignerKey::from_bytes(&[0xff; 32]).unwrap_err(), InvalidKey);
}

#[test]
fn debug_does_not_show_the_secret() {
    let secret = [0x42; 32];
    let shown = format!("{:?}", SignerKey::from_bytes(&secret).unwrap());
    assert!(!shown.contains("4242") && !shown.contains("66, 66"), "{shown}");
}

proptest! {
    #[test]
    fn recover_takes_any_bytes(r in any::<[u8; 32]>(), s in any::<[u8; 32]>(), v in 0u8..4, digest in any::<[u8; 32]>()) {
        let mut bytes = [0; 65];
        bytes[..32].copy_from_slice(&r);
        bytes[32..64].copy_from_slice(&s);
        bytes[64] = v;
        let _ = recover(B256::new(digest), &Signature(bytes));
    }

    #[test]
    fn only_the_signed_digest_recovers_the_signer(a in any::<[u8; 32]>(), b in any::<[u8; 32]>()) {
        prop_assume!(a != b);
        let key = key(2);
        let signature = key.sign(B256::new(a));
        prop_assert_eq!(recover(B256::new(a), &signature), Some(key.address()));
        prop_assert_ne!(recover(B256::new(b), &signature), Some(key.address()));
    }
}

//! Who signed what, remembered for a while: a certificate is made of acks that have been checked one by one, a commit of both,
//! and the same close vote comes from everybody.
//!
//! [`recover`](crate::recover) is a function of its arguments, so remembering what it said changes nothing but the time. Each
//! thread has a table of its own, of a fixed size; a new entry takes the place of whatever was in its row.

use std::cell::RefCell;

use alloy_primitives::{Address, B256};

use crate::sign::Signature;

/// Rows of a thread's table; about half a MiB.
const ROWS: usize = 4_096;

#[derive(Clone)]
struct Seen {
    digest: B256,
    signature: Signature,
    signer: Option<Address>,
}

thread_local! {
    static SEEN: RefCell<Vec<Option<Seen>>> = const { RefCell::new(Vec::new()) };
}

/// What was found out before, if it is remembered.
pub(crate) fn recalled(digest: B256, signature: &Signature) -> Option<Option<Address>> {
    SEEN.with_borrow(|seen| {
        let seen = seen.get(row(&digest, signature))?.as_ref()?;
        (seen.digest == digest && seen.signature == *signature).then_some(seen.signer)
    })
}

/// Remembers what was found out.
pub(crate) fn remember(digest: B256, signature: Signature, signer: Option<Address>) {
    SEEN.with_borrow_mut(|seen| {
        if seen.is_empty() {
            seen.resize(ROWS, None);
        }
        seen[row(&digest, &signature)] = Some(Seen { digest, signature, signer });
    });
}

fn row(digest: &B256, signature: &Signature) -> usize {
    let word = |bytes: &[u8]| usize::from(bytes[0]) << 8 | usize::from(bytes[1]);
    (word(&digest[..2]) ^ word(&signature.0[30..32])) % ROWS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::{SignerKey, recover};

    #[test]
    fn what_is_remembered_is_what_was_found_out() {
        let key = SignerKey::from_bytes(&[7; 32]).unwrap();
        let signatures: Vec<_> = (0..64u8).map(|n| (B256::repeat_byte(n), key.sign(B256::repeat_byte(n)))).collect();
        for (digest, signature) in &signatures {
            assert_eq!(recover(*digest, signature), Some(key.address()));
            assert_eq!(recalled(*digest, signature), Some(Some(key.address())));
        }
        let (digest, mut signature) = signatures[3];
        signature.0[5] ^= 1;
        assert_ne!(recover(digest, &signature), Some(key.address()));
        assert_eq!(recalled(digest, &signature), Some(recover(digest, &signature)));
        assert_ne!(recover(B256::repeat_byte(200), &signatures[3].1), Some(key.address()));
    }
}

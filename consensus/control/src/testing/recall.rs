//! Who signed what, remembered: a search checks the same few signatures some million times.
//!
//! [`crate::sign::recover`] is a function of its arguments, so remembering what it said changes nothing but the time. Off
//! unless a [`Recall`] lives on the thread, and only in tests.

use std::cell::RefCell;

use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256};

use crate::sign::Signature;

type Known = HashMap<(B256, Signature), Option<Address>>;

thread_local! {
    static KNOWN: RefCell<Option<Known>> = const { RefCell::new(None) };
}

/// What was found out before, if this thread remembers it.
pub(crate) fn recalled(digest: B256, signature: &Signature) -> Option<Option<Address>> {
    KNOWN.with_borrow(|known| known.as_ref()?.get(&(digest, *signature)).copied())
}

/// Keeps what was found out, if this thread remembers anything.
pub(crate) fn remember(digest: B256, signature: &Signature, signer: Option<Address>) {
    KNOWN.with_borrow_mut(|known| {
        if let Some(known) = known {
            known.insert((digest, *signature), signer);
        }
    });
}

/// Makes this thread remember until it is dropped.
pub(crate) struct Recall;

impl Recall {
    pub(crate) fn new() -> Self {
        KNOWN.set(Some(Known::default()));
        Self
    }
}

impl Drop for Recall {
    fn drop(&mut self) {
        KNOWN.set(None);
    }
}

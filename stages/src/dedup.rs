//! Dedup lets each transaction through once, before the cost of recovery is paid for it.
//!
//! In: [`Decoded`]. Out: [`Fresh`]. Remembers the last [`limits::RECENT_HASHES`] hashes; the oldest makes way for the newest. An older duplicate is
//! not our business: its nonce is spent, and admit refuses it.

use std::ops::DerefMut;

use alloy_primitives::B256;
use alloy_primitives::map::B256Map;

use crate::decode::Decoded;
use crate::limits;
use crate::parcel::{Rejected, TxBody, typestate};
use crate::shed::Shed;

/// Not seen lately. Only [`Dedup`] makes one.
#[derive(Debug)]
pub struct Fresh<P>(pub(crate) P);
typestate!(Fresh);

/// The stage.
#[derive(Debug)]
pub struct Dedup {
    /// Where in the ring a hash is.
    places: B256Map<usize>,
    ring: Vec<B256>,
    next: usize,
    recent: usize,
}

impl Default for Dedup {
    fn default() -> Self {
        Self::new(limits::RECENT_HASHES)
    }
}

impl Dedup {
    /// Remembers `recent` hashes ([`limits::RECENT_HASHES`] is a good value), one at least.
    pub fn new(recent: usize) -> Self {
        let recent = recent.max(1);
        let mut places = B256Map::default();
        places.reserve(recent + 1);
        Self { places, ring: Vec::with_capacity(recent), next: 0, recent }
    }

    /// Lets a transaction through unless its hash is remembered.
    pub fn step<P: DerefMut<Target = TxBody>>(&mut self, decoded: Decoded<P>) -> Result<Fresh<P>, Rejected<P>> {
        if self.insert(decoded.0.hash) { Ok(Fresh(decoded.0)) } else { Err(decoded.reject(Shed::AlreadyKnown)) }
    }

    /// Forgets a hash, so that a transaction that was shed or rolled back may come again.
    pub fn forget(&mut self, hash: B256) {
        self.places.remove(&hash);
    }

    fn insert(&mut self, hash: B256) -> bool {
        if self.places.contains_key(&hash) {
            return false;
        }
        let place = self.next;
        self.next = (self.next + 1) % self.recent;
        match self.ring.get_mut(place) {
            None => self.ring.push(hash),
            Some(slot) => {
                let oldest = std::mem::replace(slot, hash);
                if self.places.get(&oldest) == Some(&place) {
                    self.places.remove(&oldest);
                }
            }
        }
        self.places.insert(hash, place);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_exactly_the_last_hashes() {
        let mut dedup = Dedup::new(3);
        let hash = B256::with_last_byte;
        assert!((0..3).all(|i| dedup.insert(hash(i))));
        assert!((0..3).all(|i| !dedup.insert(hash(i))));
        assert!(dedup.insert(hash(3)));
        assert!(!dedup.insert(hash(1)));
        assert!(dedup.insert(hash(0)));
        assert_eq!(dedup.places.len(), 3);
    }

    #[test]
    fn a_forgotten_hash_may_come_again_and_is_then_remembered_for_a_full_turn() {
        let mut dedup = Dedup::new(3);
        let hash = B256::with_last_byte;
        assert!(dedup.insert(hash(0)));
        dedup.forget(hash(0));
        assert!(dedup.insert(hash(0)));
        assert!(dedup.insert(hash(1)));
        assert!(dedup.insert(hash(2)), "takes the place of the forgotten entry");
        assert!(!dedup.insert(hash(0)), "its newer entry is still in the ring");
    }
}

//! The desk: what became of transactions between their admission and their block, for whoever asks.
//!
//! The replica leaves notes in a bounded queue, without a lock and without waiting; whoever reads the desk, and the report that runs
//! a few times a second, files them. All of it is bounded, and the oldest goes first: the desk is for questions, not for keeping
//! transactions, which are in admit, order and relay.

use std::collections::VecDeque;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256, Bytes};
use crossbeam_queue::ArrayQueue;
use horae_stages::Shed;

/// Notes that may wait to be filed; beyond, the oldest is lost.
pub const NOTES_WAITING: usize = 32_768;
/// Waiting transactions that are remembered.
pub const WAITING_KEPT: usize = 65_536;
/// Refusals that are remembered.
pub const REFUSALS_KEPT: usize = 16_384;
/// Transactions from JSON-RPC whose bytes are remembered while they wait.
pub const BYTES_KEPT: usize = 16_384;
/// The bytes of these in all.
pub const BYTES_KEPT_IN_ALL: usize = 32 << 20;
/// Senders whose next nonce is remembered.
pub const SENDERS_KEPT: usize = 65_536;

/// What the replica notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A transaction was admitted. `executable` says that its nonce is next, so that the sender's next nonce is the one after.
    Waiting {
        /// The transaction.
        hash: B256,
        /// Who sent it.
        sender: Address,
        /// Its nonce.
        nonce: u64,
        /// No transaction before it is missing.
        executable: bool,
        /// When, in unix milliseconds.
        at_ms: u64,
    },
    /// A transaction was refused, at its admission or after.
    Refused {
        /// The transaction.
        hash: B256,
        /// Why.
        why: Shed,
    },
}

/// How a transaction stands that is in no block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Admitted: it goes into a block, or is refused with a reason.
    Waiting,
    /// Refused.
    Refused(Shed),
}

/// The desk. Shared by the replica, the edges and the report.
pub struct Desk {
    notes: ArrayQueue<Note>,
    files: Mutex<Files>,
    /// How long an admitted transaction holds its nonce, in milliseconds: as in admit.
    nonce_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Admitted {
    sender: Address,
    nonce: u64,
    executable: bool,
}

#[derive(Clone, Copy, Debug)]
struct NextNonce {
    nonce: u64,
    at_ms: u64,
}

struct Files {
    waiting: Recent<B256, Admitted>,
    refused: Recent<B256, Shed>,
    nonces: Recent<Address, NextNonce>,
    raw: Recent<B256, Bytes>,
    raw_bytes: usize,
}

impl Desk {
    /// An empty desk. `nonce_ms` is how long an admitted transaction holds its nonce.
    pub fn new(nonce_ms: u64) -> Self {
        let files = Files {
            waiting: Recent::new(WAITING_KEPT),
            refused: Recent::new(REFUSALS_KEPT),
            nonces: Recent::new(SENDERS_KEPT),
            raw: Recent::new(BYTES_KEPT),
            raw_bytes: 0,
        };
        Self { notes: ArrayQueue::new(NOTES_WAITING), files: Mutex::new(files), nonce_ms }
    }

    /// Leaves a note. Never waits.
    pub fn note(&self, note: Note) {
        self.notes.force_push(note);
    }

    /// Files the notes that wait.
    pub fn file(&self) {
        drop(self.files());
    }

    /// How a transaction stands, if it is remembered. Whether a block contains it, the chain says.
    pub fn standing(&self, hash: &B256) -> Option<Standing> {
        let files = self.files();
        match files.refused.get(hash) {
            Some(why) => Some(Standing::Refused(why.clone())),
            None => files.waiting.get(hash).map(|_| Standing::Waiting),
        }
    }

    /// The nonce after the last executable transaction of a sender that was admitted, if that is not too long ago.
    pub fn next_nonce(&self, sender: &Address, now_ms: u64) -> Option<u64> {
        let next = *self.files().nonces.get(sender)?;
        (now_ms.saturating_sub(next.at_ms) <= self.nonce_ms).then_some(next.nonce)
    }

    /// Remembers the bytes of transactions that were admitted.
    pub fn keep_raw<'a>(&self, admitted: impl Iterator<Item = (B256, &'a [u8])>) {
        let mut files = self.files();
        for (hash, raw) in admitted {
            files.keep_raw(hash, Bytes::copy_from_slice(raw));
        }
    }

    /// The bytes of a transaction that waits, if they are remembered.
    pub fn raw(&self, hash: &B256) -> Option<Bytes> {
        let files = self.files();
        files.waiting.get(hash)?;
        files.raw.get(hash).cloned()
    }

    /// The files, with all notes filed.
    fn files(&self) -> MutexGuard<'_, Files> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(note) = self.notes.pop() {
            files.take(note);
        }
        files
    }
}

impl Files {
    fn keep_raw(&mut self, hash: B256, raw: Bytes) {
        self.raw_bytes += raw.len();
        let gone = self.raw.insert(hash, raw);
        self.raw_bytes -= gone.iter().map(|raw| raw.len()).sum::<usize>();
        while self.raw_bytes > BYTES_KEPT_IN_ALL {
            let Some(oldest) = self.raw.pop() else { break };
            self.raw_bytes -= oldest.len();
        }
    }

    fn take(&mut self, note: Note) {
        match note {
            Note::Waiting { hash, sender, nonce, executable, at_ms } => {
                self.refused.remove(&hash);
                self.waiting.insert(hash, Admitted { sender, nonce, executable });
                if executable {
                    self.nonces.insert(sender, NextNonce { nonce: nonce.saturating_add(1), at_ms });
                }
            }
            Note::Refused { hash, why } => self.refuse(hash, why),
        }
    }

    fn refuse(&mut self, hash: B256, why: Shed) {
        // Said of a second copy, or of no copy in particular: how the transaction stands does not change.
        if matches!(why, Shed::AlreadyKnown | Shed::Busy) {
            return;
        }
        if let Some(Admitted { sender, nonce, executable: true }) = self.waiting.remove(&hash)
            && let Some(next) = self.nonces.get_mut(&sender)
        {
            next.nonce = next.nonce.min(nonce);
        }
        if let Some(raw) = self.raw.remove(&hash) {
            self.raw_bytes -= raw.len();
        }
        self.refused.insert(hash, why);
    }
}

/// A map that remembers the newest.
struct Recent<K, V> {
    map: HashMap<K, (u64, V)>,
    /// In order of insertion; some are not there any more, or were inserted again later.
    order: VecDeque<(u64, K)>,
    most: usize,
    inserted: u64,
}

impl<K: Copy + Eq + Hash, V> Recent<K, V> {
    fn new(most: usize) -> Self {
        Self { map: HashMap::default(), order: VecDeque::new(), most, inserted: 0 }
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.map.get(key).map(|(_, value)| value)
    }

    fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.map.get_mut(key).map(|(_, value)| value)
    }

    fn remove(&mut self, key: &K) -> Option<V> {
        self.map.remove(key).map(|(_, value)| value)
    }

    /// Gives what had to go, the value from before included.
    fn insert(&mut self, key: K, value: V) -> Vec<V> {
        self.inserted += 1;
        self.order.push_back((self.inserted, key));
        let mut gone: Vec<V> = self.map.insert(key, (self.inserted, value)).map(|(_, old)| old).into_iter().collect();
        while self.map.len() > self.most {
            gone.extend(self.pop());
        }
        if self.order.len() > 2 * self.most {
            let map = &self.map;
            self.order.retain(|(at, key)| map.get(key).is_some_and(|(inserted, _)| inserted == at));
        }
        gone
    }

    /// Takes out the oldest.
    fn pop(&mut self) -> Option<V> {
        while let Some((at, key)) = self.order.pop_front() {
            if self.map.get(&key).is_some_and(|(inserted, _)| *inserted == at) {
                return self.remove(&key);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SENDER: Address = Address::repeat_byte(7);

    fn hash(n: u64) -> B256 {
        B256::from(alloy_primitives::U256::from(n))
    }

    fn waiting(n: u64, executable: bool) -> Note {
        Note::Waiting { hash: hash(n), sender: SENDER, nonce: n, executable, at_ms: 1_000 }
    }

    #[test]
    fn a_transaction_waits_until_it_is_refused() {
        let desk = Desk::new(60_000);
        assert_eq!(desk.standing(&hash(1)), None);
        desk.note(waiting(1, true));
        assert_eq!(desk.standing(&hash(1)), Some(Standing::Waiting));
        for said_of_a_copy in [Shed::AlreadyKnown, Shed::Busy] {
            desk.note(Note::Refused { hash: hash(1), why: said_of_a_copy });
            assert_eq!(desk.standing(&hash(1)), Some(Standing::Waiting));
        }
        let why = Shed::Replaced(hash(9));
        desk.note(Note::Refused { hash: hash(1), why: why.clone() });
        assert_eq!(desk.standing(&hash(1)), Some(Standing::Refused(why)));
        desk.note(waiting(1, true));
        assert_eq!(desk.standing(&hash(1)), Some(Standing::Waiting), "it came again");
    }

    #[test]
    fn the_next_nonce_counts_what_can_be_executed_and_gives_back_what_was_refused() {
        let desk = Desk::new(60_000);
        assert_eq!(desk.next_nonce(&SENDER, 1_000), None);
        (3..=5).for_each(|n| desk.note(waiting(n, true)));
        desk.note(waiting(9, false));
        assert_eq!(desk.next_nonce(&SENDER, 2_000), Some(6));
        desk.note(Note::Refused { hash: hash(9), why: Shed::PoolFull });
        assert_eq!(desk.next_nonce(&SENDER, 2_000), Some(6), "one behind a gap holds no nonce");
        let why = Shed::NonceTooLow { next: 9, have: 1 };
        desk.note(Note::Refused { hash: hash(77), why });
        assert_eq!(desk.next_nonce(&SENDER, 2_000), Some(6), "one that was never admitted holds none");
        desk.note(Note::Refused { hash: hash(4), why: Shed::PoolFull });
        assert_eq!(desk.next_nonce(&SENDER, 2_000), Some(4));
        assert_eq!(desk.next_nonce(&SENDER, 61_001), None, "held for as long as admit holds it");
    }

    #[test]
    fn bytes_are_kept_while_a_transaction_waits() {
        let desk = Desk::new(60_000);
        desk.keep_raw([(hash(1), b"one".as_slice())].into_iter());
        assert_eq!(desk.raw(&hash(1)), None, "not admitted yet");
        desk.note(waiting(1, true));
        assert_eq!(desk.raw(&hash(1)), Some(Bytes::from_static(b"one")));
        desk.note(Note::Refused { hash: hash(1), why: Shed::PoolFull });
        assert_eq!(desk.raw(&hash(1)), None);
        assert_eq!(desk.files().raw_bytes, 0);
    }

    #[test]
    fn everything_is_bounded_and_the_oldest_goes_first() {
        let desk = Desk::new(60_000);
        let all = WAITING_KEPT as u64 + 10;
        for n in 0..all {
            desk.note(waiting(n, true));
            if n % 1_000 == 0 {
                desk.file();
            }
        }
        assert_eq!(desk.standing(&hash(9)), None);
        assert_eq!(desk.standing(&hash(10)), Some(Standing::Waiting));
        let large = vec![0; BYTES_KEPT_IN_ALL / 4];
        desk.keep_raw((all - 6..all).map(|n| (hash(n), large.as_slice())));
        let kept = (all - 6..all).filter(|n| desk.raw(&hash(*n)).is_some()).count();
        assert_eq!(kept, 4);
        for n in 0..NOTES_WAITING as u64 + 5 {
            desk.note(Note::Refused { hash: hash(n), why: Shed::PoolFull });
        }
        let files = desk.files();
        assert_eq!((files.refused.map.len(), files.refused.order.len() <= 2 * REFUSALS_KEPT), (REFUSALS_KEPT, true));
        assert!(files.raw_bytes <= BYTES_KEPT_IN_ALL);
    }

    #[test]
    fn one_inserted_again_is_young_again() {
        let mut recent: Recent<u64, u64> = Recent::new(2);
        recent.insert(1, 10);
        recent.insert(2, 20);
        assert_eq!(recent.insert(1, 11), [10]);
        assert_eq!(recent.insert(3, 30), [20]);
        assert_eq!((recent.get(&1), recent.get(&2), recent.get(&3)), (Some(&11), None, Some(&30)));
        (0..1_000).for_each(|n| drop(recent.insert(1, n)));
        assert!(recent.order.len() <= 4);
    }
}

//! One kind of entry of the hot state: values written by recent blocks over a bounded cache of clean ones.

use std::hash::Hash;

use alloy_primitives::map::HashMap;

/// A bounded cache in two generations: when the young one is full it becomes the old one, and what nobody asked for since
/// the last turn is dropped. Lookups and inserts are constant time, and nothing depends on the order of a map.
#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    most: usize,
}

impl<K: Hash + Eq + Clone, V: Clone> Generations<K, V> {
    fn new(entries: usize) -> Self {
        Self { young: HashMap::default(), old: HashMap::default(), most: (entries / 2).max(1) }
    }

    fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let value = self.old.remove(key)?;
        self.insert(key.clone(), value.clone());
        Some(value)
    }

    fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.most {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

/// A value with the block that wrote it last.
#[derive(Clone, Debug)]
struct Written<V> {
    value: V,
    at: u64,
}

/// What a key held before a block: its value, and the block that had written it if the source does not have it yet.
#[derive(Clone, Debug)]
pub(crate) struct Prior<V> {
    pub value: V,
    at: Option<u64>,
}

/// Written values over clean ones.
#[derive(Debug)]
pub(crate) struct Layer<K, V> {
    written: HashMap<K, Written<V>>,
    clean: Generations<K, V>,
}

impl<K: Hash + Eq + Clone, V: Clone> Layer<K, V> {
    pub(crate) fn new(entries: usize) -> Self {
        Self { written: HashMap::default(), clean: Generations::new(entries) }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        match self.written.get(key) {
            Some(written) => Some(written.value.clone()),
            None => self.clean.get(key),
        }
    }

    /// Remembers what the source said.
    pub(crate) fn fill(&mut self, key: K, value: V) {
        self.clean.insert(key, value);
    }

    /// Writes in block `at` a value over `before`. Returns what to undo, once a block and key.
    pub(crate) fn write(&mut self, key: K, value: V, before: V, at: u64) -> Option<Prior<V>> {
        match self.written.get_mut(&key) {
            Some(written) => {
                let prior = (written.at != at).then_some(Prior { value: before, at: Some(written.at) });
                *written = Written { value, at };
                prior
            }
            None => {
                self.clean.remove(&key);
                self.written.insert(key, Written { value, at });
                Some(Prior { value: before, at: None })
            }
        }
    }

    /// Puts back what a block overwrote. `settled` is the highest block the source has.
    pub(crate) fn undo(&mut self, key: K, prior: Prior<V>, settled: u64) {
        match prior.at {
            Some(at) if at > settled => {
                self.written.insert(key, Written { value: prior.value, at });
            }
            _ => {
                self.written.remove(&key);
                self.clean.insert(key, prior.value);
            }
        }
    }

    /// The source has every block up to `settled`: a value written no later is clean.
    pub(crate) fn settle(&mut self, key: &K, settled: u64) {
        if self.written.get(key).is_some_and(|w| w.at <= settled)
            && let Some(written) = self.written.remove(key)
        {
            self.clean.insert(key.clone(), written.value);
        }
    }

    /// Adds a value that can only be added (code, by its hash), in block `at`. False if it was written before.
    pub(crate) fn add(&mut self, key: K, value: V, at: u64) -> bool {
        if self.written.contains_key(&key) {
            return false;
        }
        self.written.insert(key, Written { value, at });
        true
    }

    /// Takes back what [`Layer::add`] added.
    pub(crate) fn take_back(&mut self, key: &K) {
        self.written.remove(key);
    }

    /// How many entries are held for blocks the source does not have, and how many beyond those.
    pub(crate) fn len(&self) -> (usize, usize) {
        (self.written.len(), self.clean.young.len() + self.clean.old.len())
    }
}

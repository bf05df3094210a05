//! The network between replicas: what is said on one link arrives in order, as QUIC streams give it; links delay as they
//! like, lose messages, and are cut by partitions.

use std::collections::BTreeMap;

use super::rng::Rng;

/// How links behave.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Least delay, in milliseconds.
    pub least_ms: u64,
    /// Usual most delay, in milliseconds.
    pub most_ms: u64,
    /// Messages in a thousand that are lost.
    pub lost_per_mille: u64,
    /// Messages in a thousand that are delayed by up to a second.
    pub late_per_mille: u64,
}

impl Weather {
    /// A good day on one continent.
    pub const CALM: Self = Self { least_ms: 1, most_ms: 15, lost_per_mille: 0, late_per_mille: 0 };
}

/// All links.
#[derive(Debug)]
pub struct Net {
    rng: Rng,
    weather: Weather,
    /// When the last message on a link arrives.
    latest_ms: BTreeMap<(usize, usize), u64>,
    /// The side of the partition that a node is on.
    sides: Vec<u8>,
}

impl Net {
    /// Links between `nodes` nodes.
    #[must_use]
    pub fn new(rng: Rng, nodes: usize, weather: Weather) -> Self {
        Self { rng, weather, latest_ms: BTreeMap::new(), sides: vec![0; nodes] }
    }

    /// Changes how links behave from now on.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// Parts the nodes; equal sides hear each other.
    pub fn part(&mut self, sides: Vec<u8>) {
        self.sides = sides;
    }

    /// Whether two nodes can hear each other.
    #[must_use]
    pub fn joined(&self, a: usize, b: usize) -> bool {
        self.sides[a] == self.sides[b]
    }

    /// When a message sent now arrives; never, if it is lost.
    pub fn carry(&mut self, now_ms: u64, from: usize, to: usize) -> Option<u64> {
        let weather = self.weather;
        if !self.joined(from, to) || self.rng.chance(weather.lost_per_mille) {
            return None;
        }
        let most = if self.rng.chance(weather.late_per_mille) { 1_000 } else { weather.most_ms };
        let at = now_ms + self.rng.between(weather.least_ms, most);
        let latest = self.latest_ms.entry((from, to)).or_default();
        *latest = at.max(*latest);
        Some(*latest)
    }
}

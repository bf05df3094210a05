//! The links between nodes. What is said on one link arrives in order, unless the weather is so bad that connections are
//! made anew all the time; links delay as they like, lose messages and repeat them, and are cut, both ways or one way.

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
    /// Messages in a thousand that come twice.
    pub twice_per_mille: u64,
    /// Messages in a thousand that overtake others, or are overtaken.
    pub shuffled_per_mille: u64,
}

impl Weather {
    /// A good day on one continent.
    pub const CALM: Self = Self {
        least_ms: 1,
        most_ms: 15,
        lost_per_mille: 0,
        late_per_mille: 0,
        twice_per_mille: 0,
        shuffled_per_mille: 0,
    };
}

/// The two kinds of link between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Replica to replica: messages may be lost.
    Stream,
    /// Council to council: in order and whole, or the link is down.
    Control,
}

/// All links.
#[derive(Debug)]
pub struct Net {
    rng: Rng,
    weather: Weather,
    /// When the last message on a link arrives.
    latest_ms: BTreeMap<(usize, usize, Kind), u64>,
    /// From whom to whom nothing comes through.
    cut: Vec<Vec<bool>>,
    /// Who hears nothing of other replicas, though councils hear each other.
    deaf: Vec<bool>,
}

impl Net {
    /// Links between `nodes` nodes.
    #[must_use]
    pub fn new(rng: Rng, nodes: usize, weather: Weather) -> Self {
        Self {
            rng,
            weather,
            latest_ms: BTreeMap::new(),
            cut: vec![vec![false; nodes]; nodes],
            deaf: vec![false; nodes],
        }
    }

    /// Changes how links behave from now on.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// Parts the nodes; equal sides hear each other. Gives the pairs that hear each other again.
    pub fn part(&mut self, sides: &[u8]) -> Vec<(usize, usize)> {
        let before = self.cut.clone();
        for (a, row) in self.cut.iter_mut().enumerate() {
            for (b, cut) in row.iter_mut().enumerate() {
                *cut = sides[a] != sides[b];
            }
        }
        self.joined_since(&before)
    }

    /// Cuts what one node says, or what it hears.
    pub fn cut_one_way(&mut self, node: usize, says: bool) {
        for other in (0..self.cut.len()).filter(|other| *other != node) {
            let (from, to) = if says { (node, other) } else { (other, node) };
            self.cut[from][to] = true;
        }
    }

    /// Takes what other replicas say from a node, or gives it back.
    pub fn deafen(&mut self, node: usize, deaf: bool) {
        self.deaf[node] = deaf;
    }

    fn joined_since(&self, before: &[Vec<bool>]) -> Vec<(usize, usize)> {
        let nodes = self.cut.len();
        let pairs = (0..nodes).flat_map(|a| (0..nodes).map(move |b| (a, b)));
        let was_joined = |a: usize, b: usize| !before[a][b] && !before[b][a];
        pairs.filter(|(a, b)| a != b && self.joined(*a, *b) && !was_joined(*a, *b)).collect()
    }

    /// Whether two nodes hear each other.
    #[must_use]
    pub fn joined(&self, a: usize, b: usize) -> bool {
        !self.cut[a][b] && !self.cut[b][a]
    }

    /// When a message sent now arrives: never, once, or twice.
    pub fn carry(&mut self, now_ms: u64, from: usize, to: usize, kind: Kind) -> Vec<u64> {
        let weather = self.weather;
        let lost = match kind {
            Kind::Stream => self.cut[from][to] || self.deaf[to] || self.rng.chance(weather.lost_per_mille),
            Kind::Control => !self.joined(from, to),
        };
        if lost {
            return Vec::new();
        }
        let most = if self.rng.chance(weather.late_per_mille) { 1_000 } else { weather.most_ms };
        let mut at = now_ms + self.rng.between(weather.least_ms, most);
        if kind == Kind::Control || !self.rng.chance(weather.shuffled_per_mille) {
            let latest = self.latest_ms.entry((from, to, kind)).or_default();
            *latest = at.max(*latest);
            at = *latest;
        }
        match kind == Kind::Stream && self.rng.chance(weather.twice_per_mille) {
            true => vec![at, at + self.rng.between(0, 200)],
            false => vec![at],
        }
    }
}

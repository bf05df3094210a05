//! Links between the nodes of a devnet that a test can make slow, lossy, or dead in one direction: user-space relays on loopback,
//! one for each ordered pair of nodes, for both the UDP of the block streams and the TCP of the control plane.
//!
//! | file | is |
//! |---|---|
//! | [`road`] | one direction between two nodes: its delay, its loss, whether it is cut |
//! | `udp` | datagrams: delayed, lost |
//! | `tcp` | bytes: delayed; a loss is a delay, and a cut holds them back |

mod road;
mod tcp;
mod udp;

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc};

use tokio::task::JoinSet;

use crate::{
    node::{Ports, loopback},
    rpc::runtime,
    sim::rng::Rng,
};

pub use road::Conditions;
use road::Road;

/// Where one node reaches another one.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    /// For the control plane (TCP).
    pub control: SocketAddr,
    /// For block streams (UDP).
    pub stream: SocketAddr,
}

/// The relays between all nodes of a devnet. They end when it is dropped.
#[derive(Debug)]
pub struct Links {
    roads: BTreeMap<(usize, usize), Arc<Road>>,
    doors: BTreeMap<(usize, usize), Door>,
    _tasks: JoinSet<()>,
}

impl Links {
    /// Starts the relays. `ports` are those on which the nodes listen; `seed` draws losses.
    ///
    /// # Errors
    /// The system gave no ports.
    pub fn start(ports: &[Ports], conditions: Conditions, seed: u64) -> io::Result<Self> {
        let mut rng = Rng::new(seed);
        let pairs = (0..ports.len()).flat_map(|from| (0..ports.len()).map(move |to| (from, to)));
        let pairs: Vec<(usize, usize)> = pairs.filter(|(from, to)| from != to).collect();
        let road = |pair: &(usize, usize)| (*pair, Arc::new(Road::new(conditions, rng.fork())));
        let roads: BTreeMap<_, _> = pairs.iter().map(road).collect();
        let (mut doors, mut tasks) = (BTreeMap::new(), JoinSet::new());
        let _inside = runtime().enter();
        for (from, to) in pairs {
            let (there, back) = (roads[&(from, to)].clone(), roads[&(to, from)].clone());
            let stream = udp::start(&mut tasks, loopback(ports[to].stream), there.clone(), back.clone())?;
            let control = tcp::start(&mut tasks, loopback(ports[to].control), there, back)?;
            doors.insert((from, to), Door { control, stream });
        }
        Ok(Self { roads, doors, _tasks: tasks })
    }

    /// Where node `from` reaches node `to`.
    ///
    /// # Panics
    /// If there are no such two nodes.
    #[must_use]
    pub fn door(&self, from: usize, to: usize) -> Door {
        self.doors[&(from, to)]
    }

    /// Cuts, or heals, what node `from` sends to node `to`, whoever of them dialled.
    ///
    /// # Panics
    /// If there are no such two nodes.
    pub fn cut(&self, from: usize, to: usize, cut: bool) {
        self.roads[&(from, to)].cut(cut);
    }

    /// Changes what all links are like, for what comes from now on.
    pub fn set(&self, conditions: Conditions) {
        self.roads.values().for_each(|road| road.set(conditions));
    }

    /// Datagrams and bytes that went through, datagrams that were lost or cut off: that the relays are in use at all.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.roads.values().map(|road| road.counts()).fold(Counts::default(), |all, of| Counts {
            datagrams: all.datagrams + of.datagrams,
            bytes: all.bytes + of.bytes,
            dropped: all.dropped + of.dropped,
        })
    }
}

/// What went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams delivered.
    pub datagrams: u64,
    /// Bytes delivered over TCP.
    pub bytes: u64,
    /// Datagrams lost, cut off, or beyond the queue.
    pub dropped: u64,
}

//! Scenes: one thing goes wrong in a world in which nothing else does, and what it came to.
//!
//! | file | scene |
//! |---|---|
//! | [`validator`] | a validator dies and comes back, or lies |
//! | [`unready`] | a validator that cannot take its turns |
//! | [`cut_logs`] | a validator whose logs end earlier than what it said |
//! | [`divergence`] | a validator whose execution is another one |
//! | [`endpoints`] | L1 endpoints that lie or do not answer |
//! | [`epoch_change`] | all validators die in the middle of an epoch change |
//! | [`backlog`] | an L1 that makes no blocks for a long time |
//! | [`forced`] | a full forced queue, and a sequencer without L1 |
//! | [`leaving`] | a validator that leaves |
//! | [`signers`] | a signer that is silent, or lies |

mod backlog;
mod cut_logs;
mod divergence;
mod endpoints;
mod epoch_change;
mod forced;
mod leaving;
mod signers;
mod unready;
mod validator;

pub use backlog::Backlog;
pub use cut_logs::{CutLog, Recovered};
pub use divergence::{Diverged, Divergence};
pub use endpoints::{BadEndpoints, Lied};
pub use epoch_change::EpochChange;
pub use forced::Forced;
pub use leaving::Left;
pub use signers::{BadSigner, Rounds, Signed};
pub use unready::{Candidate, Unready};
pub use validator::{Conviction, Outage};

use super::judge::Violation;
use super::node::Running;
use super::world::{Due, World};

/// Steps of a client in a thousand at which it sends something: a few transactions in a second, for a scene is long.
const EAGER_PER_MILLE: u64 = 10;
/// How often a scene looks, in milliseconds.
const LOOK_MS: u64 = 10;

impl World {
    /// Runs for a while, with clients that send.
    fn begin(&mut self, begins_ms: u64) -> Result<(), Violation> {
        (self.clients_send, self.clients.eager_per_mille) = (true, EAGER_PER_MILLE);
        self.run_to(begins_ms)
    }

    /// Runs until something holds, or for this long; whether it held.
    fn run_until(&mut self, limit_ms: u64, mut holds: impl FnMut(&Self) -> bool) -> Result<bool, Violation> {
        let end_ms = self.now_ms + limit_ms;
        while !holds(self) {
            if self.now_ms >= end_ms {
                return Ok(false);
            }
            self.run_to(self.now_ms + LOOK_MS)?;
        }
        Ok(true)
    }

    /// The same, where it has to hold.
    fn wait_for(&mut self, what: &str, limit_ms: u64, holds: impl FnMut(&Self) -> bool) -> Result<(), Violation> {
        match self.run_until(limit_ms, holds)? {
            true => Ok(()),
            false => Err(Violation::new(0, format!("no {what} within {limit_ms} ms: {}", self.standing()))),
        }
    }

    /// Terms that were closed, but for those that ended with their epoch.
    fn failovers(&self) -> u64 {
        let terms = self.engine.state().open_term().map_or(0, |term| term.number - 1);
        terms.saturating_sub(self.engine.state().epoch().number)
    }

    /// Whether the turns of this node are passed over by the newest decision.
    fn is_passed_over(&self, node: usize) -> bool {
        let address = self.nodes[node].address;
        self.engine.state().open_term().is_some_and(|term| term.skips.latest().contains(&address))
    }

    /// The slot that runs and the node that holds it, as the one of these nodes sees it that is furthest.
    fn slot_of(&self, nodes: impl Iterator<Item = usize>) -> Option<(u64, u64, usize)> {
        let running = nodes.filter_map(|node| Some(self.nodes[node].running.as_ref()?.replica.running()));
        let slot = running.max_by_key(|slot| (slot.term, slot.head))?;
        let holder = self.nodes.iter().position(|node| Some(node.address) == slot.sequencer)?;
        Some((slot.term, slot.slot, holder))
    }

    /// Whether the slot that runs is this node's, and it has sealed nothing in it.
    fn is_about_to_lead(&self, node: usize) -> bool {
        let slot = self.running(node).map(|running| running.replica.running());
        slot.is_some_and(|slot| slot.sequencer == Some(self.nodes[node].address) && slot.began_ms == 0)
    }

    fn running(&self, node: usize) -> Option<&Running> {
        self.nodes[node].running.as_ref()
    }

    /// Batches that L1 has accepted.
    fn batches(&self) -> u64 {
        self.l1.batches().count() as u64
    }

    /// Kills a node that starts again after this long.
    fn restart(&mut self, node: usize, after_ms: u64) {
        self.tell(|| format!("node {node} crashes"));
        self.nodes[node].crash(&mut self.rng);
        self.at(after_ms, Due::Starts { node });
    }
}

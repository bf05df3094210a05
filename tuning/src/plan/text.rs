//! A proposal as a file: TOML that `Profile::load` takes, with the reason of every knob.

use std::fmt::{self, Display, Formatter};

use super::{Bound, Plan};
use crate::profile::{Idle, Profile};

impl Plan {
    /// The file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        self.to_string()
    }
}

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.write_head(f)?;
        let profile = &self.profile;
        writeln!(f, "exercised = false        # set it to true once it has run under load on that machine")?;
        writeln!(
            f,
            "pool_size = {:<12} # transactions in flight at most: 50 ms of the rate it carries; clients may have half, the rest is for what other nodes pass on",
            profile.pool_size
        )?;
        writeln!(
            f,
            "door_depth = {:<11} # of those, at the door: what is not there is on its way or waits for earlier nonces",
            profile.door_depth
        )?;
        writeln!(
            f,
            "recover_workers = {:<6} # what the rate takes at 3/4 busy, as far as the cores go",
            profile.recover_workers
        )?;
        writeln!(
            f,
            "tokio_threads = {:<8} # JSON-RPC, QUIC, peers, L1: as many as cores are left to them\n",
            profile.tokio_threads
        )?;
        writeln!(f, "[rings]                  # 5 ms of a recover worker's share")?;
        writeln!(f, "decode_to_recover = {}", profile.rings.decode_to_recover)?;
        writeln!(f, "recover_to_execute = {}", profile.rings.recover_to_execute)?;
        write_edges(f, profile)?;
        profile.threads.iter().try_for_each(|thread| {
            let workers: Vec<String> = thread.workers.iter().map(|worker| format!("\"{worker}\"")).collect();
            write!(f, "\n[[threads]]\nname = \"{}\"\n", thread.name)?;
            if let Some(core) = thread.core {
                writeln!(f, "core = {core}")?;
            }
            writeln!(f, "workers = [{}]", workers.join(", "))?;
            match thread.idle {
                Idle::Spin {} => writeln!(f, "idle = {{ policy = \"spin\" }}"),
                Idle::Park { spins, yields, gather_us } => writeln!(
                    f,
                    "idle = {{ policy = \"park\", spins = {spins}, yields = {yields}, gather_us = {gather_us} }}"
                ),
            }
        })
    }
}

impl Plan {
    fn write_head(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (cores, nodes) = self.machine;
        writeln!(
            f,
            "# Proposed by `horae tune plan` for {cores} cores on {nodes} memory node(s) and {} transactions a second.",
            self.rate
        )?;
        match &self.bound {
            None => writeln!(f, "# By the unit costs that were measured it carries that.")?,
            Some(Bound::Worker(worker)) => writeln!(
                f,
                "# By the unit costs that were measured it carries {} a second: {worker} is one thread, and more cores do not help it.",
                self.carries
            )?,
            Some(Bound::Cores) => writeln!(
                f,
                "# By the unit costs that were measured it carries {} a second: there are no more cores for recovery.",
                self.carries
            )?,
        }
        if !self.unmeasured.is_empty() {
            writeln!(f, "# Not measured, so that it may be less: {}.", self.unmeasured.join(", "))?;
        }
        let left: Vec<String> = self.left.iter().map(usize::to_string).collect();
        match self.profile.cores().is_empty() {
            true => writeln!(f, "# Nothing spins and nothing is bound to a core: there are too few for that.\n"),
            false => writeln!(
                f,
                "# Left to the kernel, interrupts and the asynchronous edges: processors {}.\n",
                left.join(", ")
            ),
        }
    }
}

fn write_edges(f: &mut Formatter<'_>, profile: &Profile) -> fmt::Result {
    let edges = [("tcp_ingest_core", profile.edges.tcp_ingest_core), ("journal_core", profile.edges.journal_core)];
    if edges.iter().all(|(_, core)| core.is_none()) {
        return Ok(());
    }
    writeln!(f, "\n[edges]                  # they sleep when there is nothing to do, so they may share a core")?;
    edges
        .iter()
        .filter_map(|(key, core)| core.map(|core| (key, core)))
        .try_for_each(|(key, core)| writeln!(f, "{key} = {core}"))
}

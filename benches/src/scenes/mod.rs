//! What is measured: each scene some rows, once a round.

pub mod edges;
pub mod journal;
pub mod libsecp;
pub mod line;
pub mod overload;
pub mod packing;
pub mod peers;
pub mod pipeline;
pub mod recovery;
pub mod rings;
pub mod root;
pub mod sinks;
pub mod stages;
pub mod sweeps;

use eyre::Result;

use crate::args::Options;
use crate::sheet::Sheet;

/// Measures some rows.
pub trait Scene {
    /// Measures each of its rows once, and the baseline right after or before it.
    ///
    /// # Errors
    /// Why it cannot; the rows that it has added stand.
    fn round(&mut self, sheet: &mut Sheet) -> Result<()>;
}

/// Scenes that share what it takes to set them up, which is gone before the next group begins.
pub struct Group {
    /// What is shown meanwhile.
    pub title: &'static str,
    /// Beginnings of the names of its rows.
    pub rows: &'static [&'static str],
    /// Runs only with `--full`.
    pub full: bool,
    /// Rounds at most, where one takes long.
    pub rounds_max: u32,
    /// Sets it up.
    pub open: fn(&Options) -> Result<Box<dyn Scene>>,
}

impl Group {
    /// Whether any of its rows is wanted.
    #[must_use]
    pub fn is_wanted(&self, options: &Options) -> bool {
        let may =
            |rows: &&str| options.only.iter().any(|only| rows.starts_with(only.as_str()) || only.starts_with(rows));
        (options.full || !self.full) && (options.only.is_empty() || self.rows.iter().any(may))
    }
}

/// All of them, the parts before the whole.
pub const GROUPS: &[Group] = &[
    Group { title: "stages", rows: &["stage/", "alloc/"], full: false, rounds_max: u32::MAX, open: stages::open },
    Group { title: "recovery", rows: &["stage/recover"], full: false, rounds_max: u32::MAX, open: recovery::open },
    Group { title: "rings", rows: &["ring/"], full: false, rounds_max: u32::MAX, open: rings::open },
    Group {
        title: "packing",
        rows: &["stage/pack", "stream/"],
        full: false,
        rounds_max: u32::MAX,
        open: packing::open,
    },
    Group { title: "span batches", rows: &["pack/"], full: false, rounds_max: 1, open: packing::open_span },
    Group { title: "state root", rows: &["root"], full: false, rounds_max: u32::MAX, open: root::open },
    Group { title: "journal", rows: &["journal/append"], full: false, rounds_max: u32::MAX, open: journal::open },
    Group { title: "edges", rows: &["wire/"], full: false, rounds_max: u32::MAX, open: edges::open },
    Group {
        title: "one node",
        rows: &["pipeline/", "root/share", "journal/bytes", "journal/fsyncs", "journal/disk", "store/bytes", "calls/"],
        full: false,
        rounds_max: 7,
        open: pipeline::open,
    },
    Group { title: "one node, libsecp256k1", rows: &["libsecp/"], full: false, rounds_max: 5, open: libsecp::open },
    Group {
        title: "four nodes",
        rows: &["four/", "latency/", "overload/", "idle/"],
        full: false,
        rounds_max: 7,
        open: overload::open,
    },
    Group { title: "sweep: accounts", rows: &["sweep/accounts"], full: true, rounds_max: 3, open: sweeps::accounts },
    Group { title: "sweep: batch size", rows: &["sweep/batch"], full: true, rounds_max: 3, open: sweeps::batches },
    Group { title: "sweep: nodes", rows: &["sweep/nodes"], full: true, rounds_max: 1, open: sweeps::nodes },
    Group { title: "sweep: interval", rows: &["sweep/interval"], full: true, rounds_max: 1, open: sweeps::intervals },
    Group { title: "sweep: sinks", rows: &["sweep/sinks"], full: true, rounds_max: 3, open: sinks::open },
    Group { title: "sweep: stubs", rows: &["sweep/stubs"], full: true, rounds_max: 3, open: sweeps::stubs },
];

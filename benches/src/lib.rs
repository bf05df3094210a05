//! `make bench`: what Horae costs and how fast it is, beside its peers in the same run.
//!
//! A [`scenes::Scene`] measures some rows once a round, ours and the baseline one after the other; rounds go over all scenes in turn, so
//! that a noisy neighbour hits all alike. The [`sheet::Sheet`] keeps every sample; a ratio is always of one round. [`report`] prints the table and
//! writes `report.json`, [`page`] the page with plots, [`baseline`] the committed `BASELINE.md`.
//!
//! criterion benches of the parts are in `benches/` (`cargo bench`) and share [`fixtures`].

pub mod alloc;
pub mod args;
pub mod baseline;
pub mod cpu;
pub mod fixtures;
pub mod machine;
pub mod page;
pub mod plot;
pub mod report;
pub mod run;
pub mod scenes;
pub mod sheet;
pub mod system;

//! What a rate takes, on paper: cores, network, disk and L1, worked out from unit costs that were measured and nothing else.

mod l1;
mod page;
mod report;
mod stages;
#[cfg(test)]
mod tests;

pub use l1::{
    BLOB_BYTES, BLOB_GAS, BLOB_TARGET, BLOBS_MAX, BLOCK_GAS, BLOCK_S, CALLDATA_FLOOR_GAS, CALLDATA_GAS, Fits,
    USABLE_BLOB_BYTES, blobs_per_s, fits,
};
pub use page::page;
pub use report::{Report, ReportError, Row};
pub use stages::{BUSY_SHARE, UnitCosts, WorkerCost};

/// The rows that the committed page and `horae tune plan` are made of.
pub const COMMITTED_REPORT: &str = include_str!("../../capacity-input.json");

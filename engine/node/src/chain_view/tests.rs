//! Tests of the keeper and the snapshots.

//! Criterion benches of the parts (`cargo bench`): each beside its baseline in the same run, because machines are noisy.

//! Every bound of this crate that is not a parameter of the chain.

/// The minimum lock, in wei of METIS (18 decimals): one unit of weight.
pub const MIN_STAKE: u128 = 20_000 * 1_000_000_000_000_000_000;

/// The largest weight of one validator, before the common cap.
pub const MAX_WEIGHT: u64 = 5;

/// Signing shares of an epoch in all, and so also the largest total weight.
pub const MAX_TOTAL_WEIGHT: u64 = 200;

/// Validators that the registry keeps, in the set or waiting for an epoch.
pub const MAX_REGISTERED: usize = 1_024;

/// Payload of one DKG message, in bytes: a dealer of weight 5 for 200 shares stays below.
pub const MAX_DKG_PAYLOAD_BYTES: usize = 128 * 1024;

/// Events one L1 view may bring. A view that would bring more is taken in smaller steps.
pub const MAX_L1_EVENTS: usize = 256;

/// Entries of the forced queue and payments of carriers that are kept until an accepted batch has them: 500 L1 blocks filled to the brim.
/// Beyond that the oldest go that committed blocks have executed, and if there are none the L1 view stands still.
pub const MAX_DUE: usize = 16_384;

/// Commands in one control block.
pub const MAX_COMMANDS: usize = 512;

/// Windows of heights at which the tally keeps one validator's acks: twice what an honest one has open at once.
pub const TALLY_WINDOWS: u64 = 2;

/// Terms whose outcome is remembered after they closed.
pub const MAX_CLOSED_TERMS: usize = 64;

/// Epochs that are remembered after they ended, so that a node that lags knows who signed their blocks.
pub const MAX_PAST_EPOCHS: usize = 16;

/// Closed terms against which evidence is still judged.
pub const MAX_JUDGED_TERMS: usize = 8;

/// Decisions about turns in one term that follow from readiness; after that only convictions change them, until the term
/// closes.
pub const MAX_SKIP_DECISIONS: usize = 4_096;

/// Punished offences of one validator that are remembered, and as many that it has served. Each was paid for with stake.
pub const MAX_PUNISHED: usize = 16;

/// Doublings of the slot timeout, at most.
pub const MAX_TIMEOUT_DOUBLINGS: u32 = 8;

//! Horae's contracts as Rust sees them: typed bindings with deploy bytecode, the digests that L1 checks, and the
//! forms in which L1 takes keys and signatures.
//!
//! The bindings come from the committed `contracts/artifacts/*.json`, so building needs no Node; `npm test` in
//! `contracts/` proves that those are of the sources. The digests are written a second time here, for a node must know
//! them without asking L1; `tests/vectors/` holds both sides to the same bytes. What each call means and which errors
//! it answers is in `contracts/src/interfaces/`.

mod bindings;
pub mod digest;
pub mod point;
pub mod reward;

pub use bindings::applications::{
    Applications,
    IApplications::{Application, Profile},
};
pub use bindings::governor::{
    HoraeGovernor,
    IRules::{Approval, Rule},
};
pub use bindings::inbox::{
    BatchInbox,
    Frost::Signature,
    IBatchInbox::{Batch, GroupKey, Head},
};
pub use bindings::pool::{
    ILockingPool::{Entry, Validator, Withdrawal},
    LockingPool,
};
pub use bindings::rewards::{Frost::Signature as SettlementSignature, IRewardSchedule::Settlement, RewardSchedule};
pub use bindings::slasher::{
    ISlasher::{Penalty, Proof, Statement},
    Slasher,
};
pub use bindings::{
    admin::ProxyAdmin, escrow::LockingEscrow, factory::LiquidStakingFactory, fee_pot::FeePot, metis::TestMetis,
    power::VotingPower, proxy::TransparentUpgradeableProxy, queue::ForcedQueue, sequencer_set::SequencerSet,
    stake_votes::StakeVotes, timelock::Timelock, vault::LiquidStakingVault, wrapped::VotingMetis,
};
pub use digest::{
    Succession, batch_digest, installation_digest, rotation_digest, settlement_digest, signer_digest, snapshot_hash,
};
pub use point::{PointError, group_key, group_signature, recoverable};
pub use reward::Rates;

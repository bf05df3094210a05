//! A home made again, for a node that lost its disk, or was away for longer than its peers keep what was decided: blocks and
//! state from L1 alone, the control state from any node, believed for what L1 and > 2/3 of the validators say of it
//! ([`Checkpoint`]).
//!
//! Everything is made in `HOME/rejoining` and moved to its place in the end. While that directory is there no node starts; the
//! next attempt begins afresh, or moves what was whole already. What was signed before is forgotten: the node finds that out when it starts, as after any
//! lost disk, and speaks on under a new incarnation.

use std::fs;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::B256;
use horae_control::{Checkpoint, ControlState, GroupKey, InstalledKey, NotACheckpoint};
use thiserror::Error;
use tokio::time::{Instant, sleep};

use crate::council::{StateFileError, save_state};
use crate::derive::{DeriveError, Step, derive};
use crate::edges::l1::{L1, L1Error};
use crate::edges::store::{CommittedBlock, PRUNED_AT_ONCE, Store, StoreError, StoreOptions};
use crate::genesis::GenesisFile;
use crate::home::{Home, HomeError, write_atomic};

/// How long an epoch that ends is waited for: longer than L1 takes to make a rotation final.
const EPOCH_PATIENCE: Duration = Duration::from_secs(45 * 60);
/// Between two looks at it.
const EPOCH_LOOK: Duration = Duration::from_secs(2);
/// Batches after which the new store is made durable.
const FLUSH_BATCHES: u64 = 64;

/// Why a home could not be made again. Nothing that was there before is lost.
#[derive(Debug, Error)]
pub enum RejoinError {
    /// A chain is in the home already.
    #[error(
        "{} is there: this home has a chain already; start the node, or move what it has aside with --set-aside", .0.display()
    )]
    HasChain(PathBuf),
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A file or directory.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// L1.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// The chain on L1.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// The new store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The new control state.
    #[error(transparent)]
    StateFile(#[from] StateFileError),
    /// L1 has no group key yet.
    #[error("the inbox has no group key yet: the chain has not begun, start the node as it is")]
    NotBegun,
    /// The node that was asked did not give a checkpoint.
    #[error("no control state from the node that was asked: {0}; name another with --from")]
    Source(String),
    /// What it gave is not to be believed.
    #[error("the control state of the node that was asked is not to be believed: {0}; name another with --from")]
    Checkpoint(#[from] NotACheckpoint),
    /// What it gave is older than the chain on L1.
    #[error(
        "the node that was asked has decided up to control height {has}, but the chain on L1 needs {needs}: it lags; name another with --from"
    )]
    Behind {
        /// Its height.
        has: u64,
        /// What the last block on L1 has applied.
        needs: u64,
    },
    /// The validators agreed on other batches than L1 shows here.
    #[error(
        "batch {index} is {agreed} by agreement of the validators, but {shown} on the L1 that was read; check the L1 endpoint"
    )]
    OtherL1 {
        /// The batch.
        index: u64,
        /// Its digest as agreed.
        agreed: B256,
        /// Its digest on L1.
        shown: B256,
    },
}

/// Who is asked for a control state.
pub trait Source {
    /// Its control state with the decision above it, or what went wrong, in words. Waits for that decision.
    fn checkpoint(&self) -> impl Future<Output = Result<Checkpoint, String>>;
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A batch was executed.
    Batch {
        /// Its index.
        index: u64,
        /// Its last block.
        last_block: u64,
        /// The L1 block with it.
        l1_block: u64,
        /// L1's head.
        l1_head: u64,
    },
    /// The control state is asked for.
    Asking,
    /// An epoch ends, and it waits until the next one has opened.
    EpochEnds {
        /// The epoch that ends.
        epoch: u64,
    },
}

/// What the home has now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejoined {
    /// Height of its chain: the last block in a batch.
    pub head: u64,
    /// Hash of that block.
    pub head_hash: B256,
    /// Batches read.
    pub batches: u64,
    /// Control height of its control state.
    pub control_height: u64,
    /// The epoch in force there.
    pub epoch: u64,
    /// Where what was there before lies now.
    pub set_aside: Option<PathBuf>,
}

/// Makes the chain, the state and the control state of a home again. The caller holds the home's lock.
///
/// `kept_blocks` is how many blocks the store keeps; a chain that is there already is refused, or moved aside.
///
/// # Errors
/// [`RejoinError`]; the home is then as it was, but for `HOME/rejoining` and what was set aside.
pub async fn rejoin(
    home: &Home,
    genesis: &GenesisFile,
    l1: &L1,
    source: &impl Source,
    kept_blocks: u64,
    set_aside: bool,
    mut told: impl FnMut(Progress),
) -> Result<Rejoined, RejoinError> {
    l1.check().await?;
    if l1.inbox_state().await?.key.index == 0 {
        return Err(RejoinError::NotBegun);
    }
    let making = Home::new(home.rejoining());
    if whole(&making).exists() {
        install(home, &making)?;
    } else if making.root().exists() {
        fs::remove_dir_all(making.root()).map_err(io(making.root()))?;
    }
    let set_aside = clear(home, set_aside)?;
    fs::create_dir(making.root()).map_err(io(making.root()))?;

    let store = Store::open(&making.state(), &genesis.l2, StoreOptions::default())?;
    let (mut batches, mut digests) = (0, Vec::new());
    let derived = derive(l1, genesis, |step| {
        batches += 1;
        digests.push(step.accepted.digest);
        told(Progress::Batch {
            index: step.batch.index,
            last_block: step.batch.last_block,
            l1_block: step.accepted.l1_block.number,
            l1_head: step.l1_head,
        });
        keep(&store, step, kept_blocks)
    })
    .await?;
    store.flush()?;
    drop(store);

    told(Progress::Asking);
    let control = control_state(genesis, l1, source, &mut told).await?;
    let (has, needs) = (control.height(), derived.head().control_height);
    if has < needs {
        return Err(RejoinError::Behind { has, needs });
    }
    if let Some(agreed) = control.batches().last()
        && let Some(shown) = usize::try_from(agreed.index).ok().and_then(|at| digests.get(at))
        && *shown != agreed.digest
    {
        return Err(RejoinError::OtherL1 { index: agreed.index, agreed: agreed.digest, shown: *shown });
    }
    save_state(&making.control(), &control)?;
    write_atomic(&whole(&making), b"").map_err(io(making.root()))?;
    install(home, &making)?;
    Ok(Rejoined {
        head: derived.head().number,
        head_hash: derived.head_hash(),
        batches,
        control_height: has,
        epoch: control.epoch().number,
        set_aside,
    })
}

/// Puts a batch into the new store.
fn keep(store: &Store, step: Step<'_>, kept_blocks: u64) -> Result<(), RejoinError> {
    let Step { accepted, batch, blocks, .. } = step;
    let committed: Vec<CommittedBlock> =
        blocks.into_iter().map(|block| CommittedBlock { block: Arc::new(block), signature: None }).collect();
    store.apply(&committed, &[])?;
    store.index(committed.iter().map(|committed| committed.block.as_ref()))?;
    store.record_root(batch.last_block, batch.state_root)?;
    store.record_batch(&accepted.record(batch.transactions, batch.raw_bytes))?;
    while store.prune(batch.last_block.saturating_sub(kept_blocks))? == PRUNED_AT_ONCE {}
    if batch.index % FLUSH_BATCHES == 0 {
        store.flush()?;
    }
    Ok(())
}

/// A control state that L1 and the validators vouch for.
async fn control_state(
    genesis: &GenesisFile,
    l1: &L1,
    source: &impl Source,
    told: &mut impl FnMut(Progress),
) -> Result<ControlState, RejoinError> {
    let genesis = genesis.control_genesis();
    let until = Instant::now() + EPOCH_PATIENCE;
    loop {
        let checkpoint = source.checkpoint().await.map_err(RejoinError::Source)?;
        let key = l1.inbox_state().await?.key;
        let group = GroupKey { px: key.px, parity: key.parity };
        let in_force = InstalledKey { key_index: key.index, key: group, snapshot_hash: key.snapshotHash };
        match checkpoint.verify(&genesis, &in_force) {
            Err(NotACheckpoint::EpochEnds { epoch }) if Instant::now() < until => {
                told(Progress::EpochEnds { epoch });
                sleep(EPOCH_LOOK).await;
            }
            outcome => return Ok(outcome?),
        }
    }
}

/// Sees that no chain is in the home, or moves what is there aside; gives where to.
fn clear(home: &Home, set_aside: bool) -> Result<Option<PathBuf>, RejoinError> {
    let found: Vec<PathBuf> = [home.state(), home.control(), home.journal(), home.consensus()]
        .into_iter()
        .filter(|path| match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => path.exists(),
        })
        .collect();
    let Some(first) = found.first() else { return Ok(None) };
    if !set_aside {
        return Err(RejoinError::HasChain(first.clone()));
    }
    let aside = (1..).map(|n| home.root().join(format!("aside-{n}"))).find(|path| !path.exists());
    let aside = aside.expect("there are more numbers than directories");
    fs::create_dir(&aside).map_err(io(&aside))?;
    for path in &found {
        let to = aside.join(path.file_name().unwrap_or_default());
        fs::rename(path, to).map_err(io(path))?;
    }
    home.create_directories()?;
    Ok(Some(aside))
}

/// There once everything in `making` is whole and on stable storage.
fn whole(making: &Home) -> PathBuf {
    making.root().join("whole")
}

/// Moves what was made to its place, as far as that was not done before a crash.
fn install(home: &Home, making: &Home) -> Result<(), RejoinError> {
    let sync = || fs::File::open(home.root()).and_then(|file| file.sync_all()).map_err(io(home.root()));
    for (from, to) in [(making.state(), home.state()), (making.control(), home.control())] {
        if from.exists() {
            fs::rename(&from, to).map_err(io(&from))?;
        }
    }
    sync()?;
    fs::remove_dir_all(making.root()).map_err(io(making.root()))?;
    sync()
}

fn io(path: &Path) -> impl FnOnce(io::Error) -> RejoinError {
    let path = path.to_path_buf();
    |source| RejoinError::Io { path, source }
}

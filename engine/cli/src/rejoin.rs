//! `horae node rejoin`: the home of a node that lost its disk, or was away for too long, made again from L1 and one other node.

use std::time::Duration;

use alloy_primitives::Bytes;
use horae_control::Checkpoint;
use horae_node::{
    config::{ConfigError, Settings},
    edges::l1::L1,
    genesis::GenesisFile,
    home::Home,
    rejoin::{Progress, Source, rejoin},
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::{
    args::RejoinOptions,
    error::CliError,
    rpc::{Rpc, value},
};

/// How long the decision above a control state is waited for: some heartbeats of the control plane.
const DECISION_PATIENCE: Duration = Duration::from_secs(120);
/// Between two questions for it.
const DECISION_LOOK: Duration = Duration::from_millis(500);

/// Makes the home again and says what it has now.
pub async fn run(options: &RejoinOptions) -> Result<(), CliError> {
    let home = Home::new(&options.home);
    let _lock = home.lock().map_err(ConfigError::from)?;
    let settings = Settings::load(&home.settings())?;
    let genesis = GenesisFile::load(&home.genesis())?;
    let l1 = L1::new(&settings.l1.urls, &genesis.l1)?;
    let source = Other { rpc: Rpc::new(&options.from)? };
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{spinner} L1 block {pos}/{len}  {msg}") {
        bar.set_style(style);
    }
    let told = |progress| match progress {
        Progress::Batch { index, last_block, l1_block, l1_head } => {
            bar.set_length(l1_head);
            bar.set_position(l1_block);
            bar.set_message(format!("batch {index} up to block {last_block}"));
        }
        Progress::Asking => bar.set_message(format!("asking {} for the control state", options.from)),
        Progress::EpochEnds { epoch } => bar.set_message(format!("epoch {epoch} ends; waiting for the next to open")),
    };
    let kept_blocks = settings.retention.blocks;
    let made = rejoin(&home, &genesis, &l1, &source, kept_blocks, options.set_aside, told).await;
    bar.finish_and_clear();
    let made = made.map_err(|why| CliError::new(why.to_string()))?;
    if options.json {
        let aside = made.set_aside.as_ref().map(|path| path.display().to_string());
        println!(
            "{}",
            json!({
                "head": made.head,
                "headHash": made.head_hash,
                "batches": made.batches,
                "controlHeight": made.control_height,
                "epoch": made.epoch,
                "setAside": aside,
            })
        );
        return Ok(());
    }
    println!("chain       block {} {}, from {} batches on L1", made.head, made.head_hash, made.batches);
    println!("control     height {} of epoch {}, vouched for by its validators", made.control_height, made.epoch);
    if let Some(aside) = &made.set_aside {
        println!("set aside   {}: remove it once the node has rejoined", aside.display());
    }
    println!("next        start the node: `horae node --home {}`", options.home.display());
    Ok(())
}

/// The node that is asked for a control state. It need not be trusted.
struct Other {
    rpc: Rpc,
}

impl Source for Other {
    async fn checkpoint(&self) -> Result<Checkpoint, String> {
        let failed = |why: CliError| why.to_string();
        let state = self.rpc.control_state().await.map_err(failed)?;
        let next = state.height().saturating_add(1);
        let until = tokio::time::Instant::now() + DECISION_PATIENCE;
        loop {
            let found: Option<Bytes> = self.rpc.ask("horae_decision", [value(next)]).await.map_err(failed)?;
            if let Some(bytes) = found {
                let decision =
                    borsh::from_slice(&bytes).map_err(|why| format!("its decision {next} is unreadable: {why}"))?;
                return Ok(Checkpoint { state, decision });
            }
            if tokio::time::Instant::now() >= until {
                return Err(format!(
                    "it decided nothing above control height {} for {} s",
                    state.height(),
                    DECISION_PATIENCE.as_secs()
                ));
            }
            tokio::time::sleep(DECISION_LOOK).await;
        }
    }
}

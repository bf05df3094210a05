//! Starts an engine: opens its files, its port and its actors.

use std::{
    fs,
    net::TcpListener,
    sync::{Arc, Mutex},
};

use arc_malachitebft_app_channel::{
    ConsensusContext, EngineBuilder, RequestContext, SyncContext, WalContext, app::config::NodeConfig,
};
use arc_malachitebft_config::{ConsensusConfig, ValuePayload, ValueSyncConfig};
use arc_malachitebft_core_types::LinearTimeouts;
use tokio::sync::{mpsc, watch};

use crate::{
    Config, Event, Handle, Listen, OwnVotes, Part, StartError, Timeouts,
    codec::Borsh,
    context::{Height, Members, Plane, Signer},
    decided::DecidedLog,
    driver::{Files, Waiting, Wake},
    limits,
    links::Links,
    network::Network,
    signing::{VoteSigner, VoteVerifier},
    values::Values,
    wal,
};

/// The engine's own configuration.
struct EngineConfig {
    name: String,
    consensus: ConsensusConfig,
    sync: ValueSyncConfig,
}

impl NodeConfig for EngineConfig {
    fn moniker(&self) -> &str {
        &self.name
    }
    fn consensus(&self) -> &ConsensusConfig {
        &self.consensus
    }
    fn consensus_mut(&mut self) -> &mut ConsensusConfig {
        &mut self.consensus
    }
    fn value_sync(&self) -> &ValueSyncConfig {
        &self.sync
    }
    fn value_sync_mut(&mut self) -> &mut ValueSyncConfig {
        &mut self.sync
    }
}

impl From<Timeouts> for LinearTimeouts {
    fn from(t: Timeouts) -> Self {
        Self {
            propose: t.propose,
            propose_delta: t.propose_delta,
            prevote: t.prevote,
            prevote_delta: t.prevote_delta,
            precommit: t.precommit,
            precommit_delta: t.precommit_delta,
            rebroadcast: t.rebroadcast,
            max_timeout: t.max,
        }
    }
}

/// Starts an engine on the current tokio runtime.
///
/// Decided values above `config.applied_height` that are already in the decided log are delivered first, as [`Event::Decided`], in order.
///
/// # Errors
/// [`StartError`], naming the file or the address at fault and the way out.
///
/// # Panics
/// Outside a tokio runtime.
pub async fn spawn(config: Config) -> Result<(Handle, mpsc::Receiver<Event>), StartError> {
    let members = Members::new(&config.first).map_err(|what| StartError::Validators { what })?;
    let file_failed = |action| {
        let path = config.home.clone();
        move |source| StartError::File { action, path, source }
    };
    fs::create_dir_all(&config.home).map_err(file_failed("create"))?;
    let files = Files {
        wal: config.home.join("consensus.wal"),
        proposals: config.home.join("proposals.log"),
        decided: config.home.join("decided.log"),
    };
    let applied = config.applied_height;
    let log = DecidedLog::open(&files.decided)?;
    if let Some((first, last)) = log.heights()
        && (applied + 1 < first || applied > last)
    {
        return Err(StartError::AppliedHeight { path: files.decided, first, last, applied });
    }
    let last = log.heights().map_or(applied, |(_, last)| last);
    let entries = wal::check(&files.wal, last, log.heights().is_none())?;
    let unreadable = |e: std::io::Error| StartError::WalCorrupt { path: files.wal.clone(), what: e.to_string() };
    let newest = wal::newest_of(entries, &Signer(config.signer.address())).map_err(unreadable)?;
    let values = Arc::new(Values::open(&files.proposals, last + 1)?);

    let listener = match config.listen {
        Listen::Bound(listener) => listener,
        Listen::Address(address) => {
            TcpListener::bind(address).map_err(|source| StartError::Listen { address, source })?
        }
    };
    let address = listener.local_addr().map_err(file_failed("use the port for"))?;
    let (events, receiver) = mpsc::channel(limits::EVENT_QUEUE);
    let (intake_sender, intake) = mpsc::channel(limits::INTAKE_QUEUE);
    let (command_sender, commands) = mpsc::channel(16);
    let network = Network::new(config.domain, values.clone(), intake_sender, events.clone());
    if let Some((first, last)) = log.heights() {
        let from = first.max(last.saturating_sub(limits::RECALLED_HEIGHTS));
        let mut at = from;
        while at <= last {
            let decided = log.range(at, last).map_err(file_failed("read"))?;
            at += decided.len().max(1) as u64;
            decided.into_iter().for_each(|decided| network.decided(&members, &decided.into()));
        }
    }
    let links = Links::start(config.node_key, listener, &config.peers, &config.allowed, network.clone())
        .map_err(|source| StartError::Listen { address, source })?;
    network.attach(links.clone());

    let signer = VoteSigner::new(config.signer, config.domain);
    let wake = Arc::new(Wake::default());
    let (part, part_taken) = watch::channel(config.part);
    let handle = Handle {
        commands: command_sender,
        network: network.clone(),
        links: links.clone(),
        wake: wake.clone(),
        part: Arc::new(part),
        own: OwnVotes { decided_height: last, newest },
    };
    let waiting = Waiting {
        part: part_taken,
        events,
        commands,
        intake,
        network,
        links,
        log: Arc::new(Mutex::new(log)),
        values,
        signer,
        wake,
        files,
        timeouts: config.timeouts.into(),
        heartbeat: config.heartbeat,
        height: Height(last),
        members,
    };
    tokio::spawn(waiting.run(applied + 1..=last));
    Ok((handle, receiver))
}

type Engine = (arc_malachitebft_app_channel::Channels<Plane>, arc_malachitebft_app_channel::EngineHandle);

/// Builds the engine's actors; they begin at once.
pub(crate) async fn start_engine(
    network: &Arc<Network>,
    signer: &VoteSigner,
    files: &Files,
    part: Part,
) -> Result<Engine, String> {
    let (actor, sender) = network.spawn().await.map_err(|e| e.to_string())?;
    let config = EngineConfig {
        name: signer.address().to_string(),
        consensus: ConsensusConfig {
            enabled: part == Part::Validator,
            value_payload: ValuePayload::ProposalAndParts,
            ..Default::default()
        },
        sync: ValueSyncConfig {
            enabled: true,
            status_update_interval: limits::STATUS_INTERVAL,
            request_timeout: limits::SYNC_TIMEOUT,
            parallel_requests: limits::SYNC_PARALLEL,
            batch_size: limits::SYNC_BATCH_VALUES as usize,
            ..Default::default()
        },
    };
    let verifier = Box::new(VoteVerifier(signer.domain()));
    let address = Signer(signer.address());
    let consensus = match part {
        Part::Validator => ConsensusContext::new_validator(address, verifier, Box::new(signer.clone())),
        Part::Observer => ConsensusContext::new_full_node(address, verifier),
    };
    EngineBuilder::new(Plane, config)
        .with_default_wal(WalContext::new(files.wal.clone(), Borsh))
        .with_custom_network(actor, sender)
        .with_default_sync(SyncContext::new(Borsh))
        .with_default_consensus(consensus)
        .with_default_request(RequestContext::new(1))
        .build()
        .await
        .map_err(|e| e.to_string())
}

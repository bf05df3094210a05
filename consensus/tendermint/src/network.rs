//! Stands between the engine and the links: what the engine publishes goes to the peers, what they send goes to the engine, to value sync,
//! to the driver or to the node.

mod publish;
mod receive;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arc_malachitebft_app_channel::NetworkMsg as AppMessage;
use arc_malachitebft_core_consensus::MisbehaviorEvidence;
use arc_malachitebft_core_types::SignedProposal;
use arc_malachitebft_engine::{
    network::{NetworkEvent, NetworkRef, Subscriber},
    util::streaming::{StreamContent, StreamId, StreamMessage},
};
use arc_malachitebft_peer::PeerId;
use arc_malachitebft_sync::InboundRequestId;
use bytes::Bytes;
use horae_control::{Decision, Domain, Proof, SignedEngineStatement};
use ractor::Actor;
use tokio::sync::{Notify, mpsc};

use crate::{
    Event, NodeKey,
    context::{CheckedValue, Height, Members, Plane, Signer},
    evidence::Witness,
    limits,
    links::{Junk, Links},
    values::Values,
    wire::Wire,
};

use publish::NetworkActor;

/// A proposal from a peer whose value the node has to judge.
#[derive(Debug)]
pub(crate) struct Received {
    pub from: PeerId,
    pub proposal: SignedProposal<Plane>,
    pub value: Bytes,
}

/// What the engine's network actor, the links and the driver share.
pub(crate) struct Network {
    links: OnceLock<Arc<Links>>,
    subscribers: Mutex<Vec<Box<dyn Subscriber<NetworkEvent<Plane>>>>>,
    peers: Mutex<HashMap<NodeKey, PeerState>>,
    requests: Mutex<Requests>,
    recent: Mutex<Recent>,
    /// Set while the engine rests between two heights.
    resting: AtomicBool,
    /// Told when a peer shows that it is further than it was.
    progress: Notify,
    values: Arc<Values>,
    intake: mpsc::Sender<Received>,
    /// Gone once the engine is closed, so that the node's stream of events ends.
    events: Mutex<Option<mpsc::Sender<Event>>>,
    number: AtomicU64,
    witness: Mutex<Witness>,
}

struct PeerState {
    id: PeerId,
    /// The highest height that it says it works on.
    height: u64,
    /// The lowest height that it still keeps, once it has said so.
    kept_from: Option<u64>,
}

#[derive(Default)]
struct Requests {
    /// Questions of peers that are being answered: who asked, under which number.
    asked: HashMap<InboundRequestId, (NodeKey, u64)>,
    /// Own questions: whom.
    asking: HashMap<u64, NodeKey>,
}

/// Own messages of one height, for peers whose link comes up later.
#[derive(Default)]
struct Recent {
    height: Height,
    messages: Vec<Bytes>,
    status: Option<Bytes>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

/// The engine's name of a peer.
fn peer_id(key: &NodeKey) -> Result<PeerId, Junk> {
    let key = libp2p_identity::ed25519::PublicKey::try_from_bytes(key).map_err(|e| Junk(e.to_string()))?;
    let id = libp2p_identity::PublicKey::from(key).to_peer_id();
    PeerId::from_bytes(&id.to_bytes()).map_err(|e| Junk(e.to_string()))
}

impl Network {
    pub(crate) fn new(
        domain: Domain,
        values: Arc<Values>,
        intake: mpsc::Sender<Received>,
        events: mpsc::Sender<Event>,
    ) -> Arc<Self> {
        Arc::new(Self {
            links: OnceLock::new(),
            subscribers: Mutex::default(),
            peers: Mutex::default(),
            requests: Mutex::default(),
            recent: Mutex::default(),
            resting: AtomicBool::new(false),
            progress: Notify::new(),
            values,
            intake,
            events: Mutex::new(Some(events)),
            number: AtomicU64::new(0),
            witness: Mutex::new(Witness::new(domain)),
        })
    }

    /// Gives it the links, which need it to start.
    pub(crate) fn attach(&self, links: Arc<Links>) {
        let _ = self.links.set(links);
    }

    /// Starts the engine's network actor.
    pub(crate) async fn spawn(
        self: &Arc<Self>,
    ) -> Result<(NetworkRef<Plane>, mpsc::Sender<AppMessage<Plane>>), ractor::SpawnErr> {
        let (actor, _) = Actor::spawn(None, NetworkActor(self.clone()), ()).await?;
        let (sender, mut receiver) = mpsc::channel::<AppMessage<Plane>>(1);
        let target = actor.clone();
        tokio::spawn(async move {
            while let Some(message) = receiver.recv().await {
                if target.cast(message.into()).is_err() {
                    break;
                }
            }
        });
        Ok((actor, sender))
    }

    /// Tells the node nothing more.
    pub(crate) fn close(&self) {
        *lock(&self.events) = None;
    }

    /// Hands a judged value to the engine.
    pub(crate) fn checked(&self, from: PeerId, checked: CheckedValue) {
        let part = StreamMessage::new(StreamId::new(Bytes::new()), 0, StreamContent::Data(checked));
        self.emit(NetworkEvent::ProposalPart(from, None, part));
    }

    /// Whether the engine rests: votes of the past height are not repeated then.
    pub(crate) fn rest(&self, resting: bool) {
        self.resting.store(resting, Ordering::Relaxed);
    }

    /// Tells peers, also those whose link comes up later, that this node begins a height.
    pub(crate) fn begin(&self, height: Height) {
        self.publish(height, Wire::Begin(height));
    }

    /// The highest height that any connected peer says it works on.
    pub(crate) fn peer_height(&self) -> u64 {
        lock(&self.peers).values().map(|p| p.height).max().unwrap_or(0)
    }

    /// Returns when a peer has got further since the last call.
    pub(crate) async fn peer_progress(&self) {
        self.progress.notified().await;
    }

    /// Sends an application message.
    pub(crate) fn send_message(&self, to: &NodeKey, bytes: Bytes) -> bool {
        self.send(to, Wire::Message(bytes))
    }

    /// Sends an application message to all peers; returns to how many.
    pub(crate) fn broadcast_message(&self, bytes: Bytes) -> usize {
        self.broadcast(Wire::Message(bytes))
    }

    fn encode(message: Wire) -> Option<Bytes> {
        match message.encode() {
            Ok(bytes) if bytes.len() <= limits::MESSAGE_MAX_BYTES => Some(bytes),
            Ok(bytes) => {
                tracing::error!(bytes = bytes.len(), "a message is too large to send");
                metrics::counter!("horae_tendermint_oversized_messages_total").increment(1);
                None
            }
            Err(error) => {
                tracing::error!(%error, "a message cannot be encoded");
                None
            }
        }
    }

    fn send(&self, to: &NodeKey, message: Wire) -> bool {
        let (Some(links), Some(bytes)) = (self.links.get(), Self::encode(message)) else { return false };
        links.send(to, bytes)
    }

    fn broadcast(&self, message: Wire) -> usize {
        let (Some(links), Some(bytes)) = (self.links.get(), Self::encode(message)) else { return 0 };
        links.broadcast(&bytes)
    }

    fn emit(&self, event: NetworkEvent<Plane>) {
        for subscriber in lock(&self.subscribers).iter() {
            subscriber.send(event.clone());
        }
    }

    fn tell_node(&self, event: Event) -> bool {
        let sent = lock(&self.events).as_ref().is_none_or(|events| events.try_send(event).is_ok());
        if !sent {
            metrics::counter!("horae_tendermint_events_dropped_total").increment(1);
        }
        sent
    }

    /// A height begins with these members.
    pub(crate) fn enter(&self, height: Height, members: Members) {
        lock(&self.witness).enter(height, members);
    }

    /// A height was decided, by members of whom these are known.
    pub(crate) fn decided(&self, members: &Members, decision: &Decision) {
        lock(&self.witness).decided(members, decision);
    }

    /// What the engine found that the node was not told yet.
    pub(crate) fn found(&self, found: &MisbehaviorEvidence<Plane>) -> Vec<Proof> {
        lock(&self.witness).found(found)
    }

    /// The newest vote or proposal of a validator that came by.
    pub(crate) fn newest_of(&self, signer: &Signer) -> Option<SignedEngineStatement> {
        lock(&self.witness).newest_of(signer)
    }

    fn witnessed(&self, evidence: Option<Proof>) {
        if let Some(evidence) = evidence
            && !self.tell_node(Event::Evidence(Box::new(evidence.clone())))
        {
            lock(&self.witness).unreported(&evidence);
        }
    }

    /// Notes that a peer works on a height, or has decided it.
    fn reached(&self, peer: &NodeKey, height: u64) {
        if let Some(state) = lock(&self.peers).get_mut(peer)
            && height > state.height
        {
            state.height = height;
            self.progress.notify_one();
        }
    }

    /// Notes that a peer has decided no height above `tip`, so that it works on the next one at most.
    fn settled(&self, peer: &NodeKey, tip: u64) {
        self.reached(peer, tip);
        if let Some(state) = lock(&self.peers).get_mut(peer) {
            state.height = state.height.min(tip.saturating_add(1));
        }
    }

    /// The lowest height that a connected peer still keeps, as far as they have said.
    pub(crate) fn oldest_kept(&self) -> Option<u64> {
        lock(&self.peers).values().filter_map(|state| state.kept_from).min()
    }

    fn key_of(&self, id: &PeerId) -> Option<NodeKey> {
        lock(&self.peers).iter().find(|(_, state)| state.id == *id).map(|(key, _)| *key)
    }

    /// Publishes an own message and remembers it for peers that are not connected yet.
    fn publish(&self, height: Height, message: Wire) {
        let (Some(links), Some(bytes)) = (self.links.get(), Self::encode(message)) else { return };
        {
            let mut recent = lock(&self.recent);
            if recent.height != height {
                recent.height = height;
                recent.messages.clear();
            }
            if recent.messages.len() < limits::RECENT_MESSAGES {
                recent.messages.push(bytes.clone());
            }
        }
        links.broadcast(&bytes);
    }
}

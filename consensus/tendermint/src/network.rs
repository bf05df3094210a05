//! Stands between the engine and the links: what the engine publishes goes to the peers, what they send goes to the engine, to value sync,
//! to the driver or to the node.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arc_malachitebft_app_channel::NetworkMsg as AppMessage;
use arc_malachitebft_core_consensus::{LivenessMsg, MisbehaviorEvidence, SignedConsensusMsg};
use arc_malachitebft_core_types::SignedProposal;
use arc_malachitebft_engine::{
    network::{Msg, NetworkEvent, NetworkRef, PersistentPeerError, Status, Subscriber},
    util::streaming::{StreamContent, StreamId, StreamMessage},
};
use arc_malachitebft_network::Channel;
use arc_malachitebft_peer::PeerId;
use arc_malachitebft_sync::{InboundRequestId, OutboundFailureReason, OutboundRequestId};
use bytes::Bytes;
use horae_control::Domain;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::{Notify, mpsc};

use crate::{
    Event, Evidence, NodeKey,
    context::{CheckedValue, Height, Members, Plane},
    evidence::Witness,
    limits,
    links::{Junk, Links, Sink},
    values::Values,
    wire::Wire,
};

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

    /// What the engine found that the node was not told yet.
    pub(crate) fn found(&self, found: &MisbehaviorEvidence<Plane>) -> Vec<Evidence> {
        lock(&self.witness).found(found)
    }

    fn witnessed(&self, evidence: Option<Evidence>) {
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

    fn handle(&self, message: Msg<Plane>) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Subscribe(subscriber) => {
                let mut subscribers = lock(&self.subscribers);
                subscriber.send(NetworkEvent::Listening("/memory/0".parse()?));
                for state in lock(&self.peers).values() {
                    subscriber.send(NetworkEvent::PeerConnected(state.id));
                    subscriber.send(NetworkEvent::PeerSubscribed(state.id, Channel::Sync));
                }
                subscribers.push(subscriber);
            }
            Msg::PublishConsensusMsg(SignedConsensusMsg::Vote(vote)) => self.publish(vote.height, Wire::Vote(vote)),
            Msg::PublishConsensusMsg(SignedConsensusMsg::Proposal(proposal)) => {
                let value = self.values.get(&proposal.value);
                self.publish(proposal.height, Wire::Proposal(proposal, value));
            }
            Msg::PublishLivenessMsg(message) => {
                if !self.resting.load(Ordering::Relaxed) {
                    self.broadcast(Wire::Liveness(message));
                }
            }
            Msg::BroadcastStatus(status) => {
                if let (Some(links), Some(bytes)) =
                    (self.links.get(), Self::encode(Wire::Status(status.tip_height, status.history_min_height)))
                {
                    lock(&self.recent).status = Some(bytes.clone());
                    links.broadcast(&bytes);
                }
            }
            Msg::OutgoingRequest(id, request, reply) => {
                let number = self.number.fetch_add(1, Ordering::Relaxed);
                let request_id = OutboundRequestId::new(number);
                let key = self.key_of(&id);
                if let Some(key) = key {
                    lock(&self.requests).asking.insert(number, key);
                }
                let sent = key.is_some_and(|key| self.send(&key, Wire::Request(number, request)));
                reply.send(request_id.clone())?;
                if !sent {
                    lock(&self.requests).asking.remove(&number);
                    self.emit(NetworkEvent::SyncRequestFailed(request_id, id, OutboundFailureReason::ConnectionClosed));
                }
            }
            Msg::CancelRequest(id) => {
                if let Ok(number) = id.to_string().parse() {
                    lock(&self.requests).asking.remove(&number);
                }
            }
            Msg::OutgoingResponse(id, response) => {
                let asked = lock(&self.requests).asked.remove(&id);
                if let Some((key, number)) = asked {
                    self.send(&key, Wire::Response(number, response));
                }
            }
            Msg::CancelInboundRequest(id) => {
                lock(&self.requests).asked.remove(&id);
            }
            Msg::DumpState(reply) => reply.send(None)?,
            Msg::UpdatePersistentPeers(_, reply) => reply.send(Err(PersistentPeerError::NetworkStopped))?,
            Msg::PublishProposalPart(_)
            | Msg::UpdateValidatorSet(_)
            | Msg::ValidatorProofVerified { .. }
            | Msg::NewEvent(_) => {}
        }
        Ok(())
    }

    fn receive(&self, from: NodeKey, id: PeerId, message: Wire) -> Result<(), Junk> {
        match message {
            Wire::Proposal(proposal, value) => {
                self.reached(&from, proposal.height.0);
                let evidence = lock(&self.witness).proposal(&proposal);
                self.witnessed(evidence);
                self.emit(NetworkEvent::Proposal(id, proposal.clone()));
                if let Some(value) = value
                    && self.intake.try_send(Received { from: id, proposal, value }).is_err()
                {
                    metrics::counter!("horae_tendermint_proposals_dropped_total").increment(1);
                }
            }
            Wire::Vote(vote) => {
                self.reached(&from, vote.height.0);
                let evidence = lock(&self.witness).vote(&vote);
                self.witnessed(evidence);
                self.emit(NetworkEvent::Vote(id, vote));
            }
            Wire::Liveness(LivenessMsg::Vote(vote)) => {
                let evidence = lock(&self.witness).vote(&vote);
                self.witnessed(evidence);
                self.emit(NetworkEvent::Vote(id, vote));
            }
            Wire::Liveness(LivenessMsg::PolkaCertificate(certificate)) => {
                self.emit(NetworkEvent::PolkaCertificate(id, certificate))
            }
            Wire::Liveness(LivenessMsg::SkipRoundCertificate(certificate)) => {
                self.emit(NetworkEvent::RoundCertificate(id, certificate))
            }
            Wire::Status(tip, min) => {
                self.settled(&from, tip.0);
                self.emit(NetworkEvent::Status(id, Status::new(tip, min)));
            }
            Wire::Begin(height) => self.reached(&from, height.0),
            Wire::Request(number, request) => {
                let request_id = InboundRequestId::new(format!("{id}/{number}"));
                lock(&self.requests).asked.insert(request_id.clone(), (from, number));
                self.emit(NetworkEvent::SyncRequest(request_id, id, request));
            }
            Wire::Response(number, response) => {
                let asked = {
                    let mut requests = lock(&self.requests);
                    let expected = requests.asking.get(&number) == Some(&from);
                    if expected { requests.asking.remove(&number) } else { None }
                };
                if asked.is_some() {
                    self.emit(NetworkEvent::SyncResponse(OutboundRequestId::new(number), id, Some(response)));
                }
            }
            Wire::Message(bytes) => {
                self.tell_node(Event::Message { from, bytes: bytes.into() });
            }
        }
        Ok(())
    }
}

impl Sink for Network {
    fn up(&self, peer: NodeKey) {
        let Ok(id) = peer_id(&peer) else { return };
        lock(&self.peers).insert(peer, PeerState { id, height: 0 });
        self.emit(NetworkEvent::PeerConnected(id));
        self.emit(NetworkEvent::PeerSubscribed(id, Channel::Sync));
        self.tell_node(Event::PeerUp { peer });
        let catch_up: Vec<Bytes> = {
            let recent = lock(&self.recent);
            recent.status.iter().chain(&recent.messages).cloned().collect()
        };
        if let Some(links) = self.links.get() {
            for message in catch_up {
                links.send(&peer, message);
            }
        }
    }

    fn down(&self, peer: NodeKey) {
        let Some(state) = lock(&self.peers).remove(&peer) else { return };
        {
            let mut requests = lock(&self.requests);
            requests.asking.retain(|_, key| *key != peer);
            requests.asked.retain(|_, (key, _)| *key != peer);
        }
        self.emit(NetworkEvent::PeerDisconnected(state.id));
        self.tell_node(Event::PeerDown { peer });
    }

    fn message(&self, from: NodeKey, bytes: Bytes) -> Result<(), Junk> {
        let message = Wire::decode(&bytes).map_err(|e| Junk(format!("a message does not decode: {e}")))?;
        let id = lock(&self.peers).get(&from).map(|state| state.id);
        match id {
            Some(id) => self.receive(from, id, message),
            None => Ok(()),
        }
    }
}

struct NetworkActor(Arc<Network>);

#[ractor::async_trait]
impl Actor for NetworkActor {
    type Msg = Msg<Plane>;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Msg<Plane>>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Msg<Plane>>,
        message: Msg<Plane>,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        self.0.handle(message)
    }
}

//! What peers send.

use arc_malachitebft_core_consensus::LivenessMsg;
use arc_malachitebft_engine::network::{NetworkEvent, Status};
use arc_malachitebft_network::Channel;
use arc_malachitebft_peer::PeerId;
use arc_malachitebft_sync::{InboundRequestId, OutboundRequestId};
use bytes::Bytes;

use super::{Network, PeerState, Received, lock, peer_id};
use crate::{
    Event, NodeKey,
    links::{Junk, Sink},
    wire::Wire,
};

impl Network {
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
                if let Some(state) = lock(&self.peers).get_mut(&from) {
                    state.kept_from = Some(min.0);
                }
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
        lock(&self.peers).insert(peer, PeerState { id, height: 0, kept_from: None });
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

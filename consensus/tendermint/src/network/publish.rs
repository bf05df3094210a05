//! What the engine publishes and asks for: its network actor.

use std::sync::{Arc, atomic::Ordering};

use arc_malachitebft_core_consensus::SignedConsensusMsg;
use arc_malachitebft_engine::network::{Msg, NetworkEvent, PersistentPeerError};
use arc_malachitebft_network::Channel;
use arc_malachitebft_sync::{OutboundFailureReason, OutboundRequestId};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::{Network, lock};
use crate::{context::Plane, wire::Wire};

impl Network {
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
                let _ = reply.send(request_id.clone());
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
            Msg::DumpState(reply) => drop(reply.send(None)),
            Msg::UpdatePersistentPeers(_, reply) => drop(reply.send(Err(PersistentPeerError::NetworkStopped))),
            Msg::PublishProposalPart(_)
            | Msg::UpdateValidatorSet(_)
            | Msg::ValidatorProofVerified { .. }
            | Msg::NewEvent(_) => {}
        }
        Ok(())
    }
}

/// The engine's network actor.
pub(super) struct NetworkActor(pub(super) Arc<Network>);

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

//! What leaves a node: carried to the others, through its mask if it is a liar, and shown to the judge on the way.

use horae_control::pending::Pending;
use horae_mpc::SigningBody;
use horae_node::chain_view::ChainEvent;
use horae_node::council::carrying::Checked;
use horae_node::council::io::{compared, packed};
use horae_node::council::message::{LinkMessage, YouSaid};
use horae_node::council::reporting::OnL1;
use horae_node::council::{Ended, Report, Work};
use horae_node::replica::message::{BLOCKS_PER_ANSWER, PeerMessage};
use horae_node::replica::{Input, NewestKnown, Received};

use super::edges::Said;
use super::judge::Violation;
use super::l1::{INBOX, NO_ANSWER, Tx, Waiting};
use super::net::Kind;
use super::node::Running;
use super::world::{Due, World};

impl World {
    /// A message between replicas has come.
    pub(super) fn deliver(&mut self, from: usize, to: usize, life: u64, bytes: &[u8]) -> Result<(), Violation> {
        if self.alive(to, life).is_none() {
            return Ok(());
        }
        let message = PeerMessage::decode(bytes).map_err(|why| Violation::new(0, why.to_string()))?;
        if let Some(mask) = &mut self.nodes[to].mask {
            mask.heard(&message);
        }
        if let PeerMessage::Transactions(transactions) = message {
            for raw in transactions {
                self.nodes[to].offer(self.now_ms, &raw, None);
            }
            return Ok(());
        }
        let message = Received::prepare(message).map_err(|why| Violation::new(0, why))?;
        let from = self.nodes[from].address;
        self.nodes[to].hear(Input::Peer { from, message });
        Ok(())
    }

    /// Carries what a replica said, and judges it.
    pub(super) fn carry(&mut self, node: usize) -> Result<(), Violation> {
        let honest = !self.nodes[node].is_liar();
        let Some(running) = &mut self.nodes[node].running else { return Ok(()) };
        let said = std::mem::take(&mut running.edges.said);
        let votes = std::mem::take(&mut running.edges.votes);
        let accusations = std::mem::take(&mut running.edges.accusations);
        let events = std::mem::take(&mut running.edges.events);
        if let Some(why) = running.edges.fault.take() {
            return Err(Violation::new(5, format!("node {node}: {why}")));
        }
        let (head, committed) = (running.replica.head(), running.edges.view.committed());
        let hash = running.edges.view.hash(committed);
        let executed = events.iter().any(|event| matches!(event, ChainEvent::Executed { .. }));
        let open = if executed { running.replica.running().term } else { 0 };
        if honest {
            for event in &events {
                self.out.rollbacks += u64::from(matches!(event, ChainEvent::RolledBack { to } if *to < u64::MAX));
                self.judge.told(event)?;
            }
            if let Some(hash) = hash {
                self.judge.holds(node, committed, hash)?;
            }
            if executed {
                self.judge.stands(node, open, head)?;
            }
        }
        if head.number < committed {
            return Err(Violation::new(5, format!("node {node}: head {head} below committed {committed}")));
        }
        self.write(node);
        for said in said {
            match said {
                Said::To(to, message) => {
                    if let Some(to) = self.nodes.iter().position(|other| other.address == to) {
                        self.say(node, to, message)?;
                    }
                }
                Said::All(message) => {
                    if let PeerMessage::Block { block, .. } = &message {
                        self.nodes[node].sealed += 1;
                        let (header, hash) = (block.header(), block.header().hash());
                        self.tell(|| {
                            let (number, term, slot) = (header.number, header.term, header.slot);
                            format!("node {node} seals block {number} ({hash}), term {term}, slot {slot}")
                        });
                    }
                    for to in (0..self.nodes.len()).filter(|to| *to != node) {
                        self.say(node, to, message.clone())?;
                    }
                }
                Said::Stored(to, from) => {
                    let store = self.nodes[node].store.clone();
                    let blocks: Vec<_> =
                        (from..from + BLOCKS_PER_ANSWER).map_while(|number| store.0.borrow().block(number)).collect();
                    let to = self.nodes.iter().position(|other| other.address == to);
                    if let Some(to) = to.filter(|_| !blocks.is_empty()) {
                        let commit = store.0.borrow().commit(from + blocks.len() as u64 - 1);
                        self.say(node, to, PeerMessage::Blocks { blocks, commit })?;
                    }
                }
            }
        }
        for vote in &votes {
            self.judge.closes_anew(self.nodes[node].address, vote)?;
            self.tell(|| {
                let certificate = vote.certificate.as_ref().map(|certificate| certificate.block.number);
                let listed: Vec<String> = vote.acked.iter().map(|block| block.facts.id.to_string()).collect();
                format!("node {node} votes to close term {}: holds {certificate:?}, lists {listed:?}", vote.term)
            });
        }
        if let Some(Running { council, side, .. }) = &mut self.nodes[node].running {
            for vote in votes {
                council.speak(Pending::Close(vote), side);
            }
            for proof in accusations {
                council.speak(Pending::Evidence(Box::new(proof)), side);
            }
        }
        self.settle(node)
    }

    fn say(&mut self, from: usize, to: usize, message: PeerMessage) -> Result<(), Violation> {
        let messages = match &mut self.nodes[from].mask {
            Some(mask) => mask.twist(to, message),
            None => vec![message],
        };
        for message in messages {
            self.judge.said(self.nodes[from].address, &message)?;
            let bytes = message.encode();
            self.trace(&bytes);
            for at in self.net.carry(self.now_ms, from, to, Kind::Stream) {
                let life = self.nodes[to].life;
                self.at(at - self.now_ms, Due::Message { from, to, life, bytes: bytes.clone() });
            }
        }
        Ok(())
    }

    /// Carries out what a council asked for.
    pub(super) fn settle(&mut self, node: usize) -> Result<(), Violation> {
        let Some(Running { side, .. }) = &mut self.nodes[node].running else { return Ok(()) };
        let (inputs, said, work) =
            (std::mem::take(&mut side.inputs), std::mem::take(&mut side.said), std::mem::take(&mut side.work));
        for input in inputs {
            if let Input::SpeakAs(incarnation) = &input
                && let Some(mask) = &mut self.nodes[node].mask
            {
                mask.speaks_as(*incarnation);
            }
            self.nodes[node].hear(input);
        }
        for (to, message) in said {
            for other in (0..self.nodes.len()).filter(|other| *other != node) {
                if to.is_none_or(|to| to == self.nodes[other].node_key) {
                    self.say_on_link(node, other, message.clone())?;
                }
            }
        }
        for work in work {
            self.work(node, work);
        }
        self.answer_recalls(node)?;
        let Some(running) = &mut self.nodes[node].running else { return Ok(()) };
        match running.council.ended() {
            Ok(Some(Ended::ToSpeakAgain { incarnation })) => {
                self.out.faults.reincarnations += 1;
                self.tell(|| format!("node {node} becomes incarnation {incarnation}"));
                self.nodes[node].crash(&mut self.rng);
                self.at(1, Due::Starts { node });
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(why) => Err(Violation::new(0, format!("node {node}: {why}"))),
        }
    }

    fn say_on_link(&mut self, from: usize, to: usize, message: LinkMessage) -> Result<(), Violation> {
        let term = self.engine.state().open_term();
        let messages = match &mut self.nodes[from].mask {
            Some(mask) => mask.twist_link(message, term),
            None => vec![message],
        };
        for message in messages {
            let (speaker, hearer) = (self.nodes[from].address, self.nodes[to].address);
            self.judge.said_on_link(speaker, hearer, &message)?;
            if let LinkMessage::Signing(message) = &message
                && let SigningBody::Request(request) = &message.body
            {
                self.rounds.note(request);
            }
            let recalls = matches!(message, LinkMessage::YouSaid(_));
            let bytes = message.encode();
            self.trace(&bytes);
            for at in self.net.carry(self.now_ms, from, to, Kind::Control) {
                let life = self.nodes[to].life;
                self.at(at - self.now_ms, Due::Link { from, to, life, bytes: bytes.clone(), recalls });
            }
        }
        Ok(())
    }

    fn answer_recalls(&mut self, node: usize) -> Result<(), Violation> {
        let Some(Running { side, .. }) = &mut self.nodes[node].running else { return Ok(()) };
        let mut answers = Vec::new();
        side.recalls.retain_mut(|recall| match recall.newest.try_recv() {
            Ok(NewestKnown { ack, sealed }) => {
                answers.push((recall.to, YouSaid { ack, sealed, ..recall.known.clone() }));
                false
            }
            Err(tokio::sync::oneshot::error::TryRecvError::Empty) => true,
            Err(tokio::sync::oneshot::error::TryRecvError::Closed) => false,
        });
        for (to, said) in answers {
            if let Some(to) = self.nodes.iter().position(|other| other.node_key == to) {
                self.say_on_link(node, to, LinkMessage::YouSaid(Box::new(said)))?;
            }
        }
        Ok(())
    }

    fn work(&mut self, node: usize, work: Work) {
        let life = self.nodes[node].life;
        let params = &self.beginning.genesis.params;
        let report = match work {
            Work::Look(head) => {
                let found = self.nodes[node].store.0.borrow().batch_after(&head);
                Report::Checked(Checked::Due(found.map(Box::new)))
            }
            Work::Pack(batch) => packed(&batch, 0, params, &INBOX),
            Work::Compare { from, batch, data } => compared(from, &batch, &data, params, &INBOX),
            Work::ReadEntries(blocks) => Report::Entries(self.l1.entries_in(self.nodes[node].endpoint, &blocks)),
            Work::Submit { header, .. } if !self.nodes[node].endpoint.answers() => {
                Report::Carried { index: header.index, result: Err(NO_ANSWER.to_owned()) }
            }
            Work::Install(_) if !self.nodes[node].endpoint.answers() => Report::Installed(Err(NO_ANSWER.to_owned())),
            Work::Rotate(_) if !self.nodes[node].endpoint.answers() => Report::Rotated(Err(NO_ANSWER.to_owned())),
            Work::Reckon { .. } if !self.nodes[node].endpoint.answers() => Report::Reckoned(Err(NO_ANSWER.to_owned())),
            Work::Reckon { last_block } => {
                let store = self.nodes[node].store.0.borrow();
                Report::Reckoned(self.l1.payroll().reckon(&store, self.l1.set(), last_block))
            }
            Work::Settle(signed) if !self.nodes[node].endpoint.answers() => {
                Report::Settled { index: signed.what.settlement.index, result: Err(NO_ANSWER.to_owned()) }
            }
            Work::Settle(signed) => return self.l1.send(Waiting { node, life, tx: Tx::Settle(signed) }),
            Work::Report { id, .. } if !self.nodes[node].endpoint.answers() => {
                Report::Reported { id, said: OnL1::NoAnswer(NO_ANSWER.to_owned()) }
            }
            Work::Report { id, proof } if self.l1.payroll().has_punished(id, &proof) => {
                Report::Reported { id, said: OnL1::Punished { by_us: false } }
            }
            Work::Report { id, proof } => return self.l1.send(Waiting { node, life, tx: Tx::Report { id, proof } }),
            Work::Submit { header, signature, data } => {
                return self.l1.send(Waiting { node, life, tx: Tx::Submit { header, signature, data } });
            }
            Work::Install(installation) => {
                return self.l1.send(Waiting { node, life, tx: Tx::Install(installation) });
            }
            Work::Rotate(rotation) => {
                return self.l1.send(Waiting { node, life, tx: Tx::Rotate(rotation) });
            }
        };
        let after_ms = self.rng.between(1, 40);
        self.at(after_ms, Due::Reports { node, life, report });
    }
}

//! The judge: takes down every statement that ever leaves a node and everything a replica tells, and holds them against the
//! invariants of design section 5.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256};
use horae_control::{Ack, BlockId, Certificate, CloseVote, ControlState, Evidence, SignedBlock, Term};
use horae_node::chain_view::ChainEvent;
use horae_node::replica::chain::facts_of;
use horae_node::replica::message::{PeerMessage, SealedBlock};

/// What was seen that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's number in the design; 0 for liveness, bounds and what else must not be.
    pub invariant: u8,
    /// What was seen.
    pub what: String,
}

impl Violation {
    /// A violation of an invariant.
    #[must_use]
    pub fn new(invariant: u8, what: impl Into<String>) -> Self {
        Self { invariant, what: what.into() }
    }
}

#[derive(Debug, Default)]
struct Spoken {
    acks: BTreeMap<u64, Ack>,
    highest_named: Option<Ack>,
    close: Option<CloseVote>,
}

/// Everything that was said and decided.
#[derive(Default)]
pub struct Judge {
    terms: BTreeMap<u64, Term>,
    /// Heads of closed terms.
    heads: BTreeMap<u64, BlockId>,
    /// Facts of every block seen: its parent.
    parents: BTreeMap<B256, BlockId>,
    spoken: BTreeMap<(Address, u64), Spoken>,
    sealed: BTreeMap<(u64, u64), SignedBlock>,
    /// Weight behind blocks by term, from acks that left their authors.
    behind: BTreeMap<(u64, BlockId), BTreeSet<Address>>,
    /// Certified blocks by term and height.
    certified: BTreeMap<(u64, u64), BlockId>,
    verified: BTreeSet<B256>,
    /// The committed chain, from block 1 on.
    committed: Vec<B256>,
    /// Every transaction committed, with its height.
    transactions: BTreeMap<B256, u64>,
    bodies: BTreeMap<B256, Vec<B256>>,
}

type Verdict = Result<(), Violation>;

impl Judge {
    /// Takes down what the control plane's newest state opened and closed.
    pub fn decided(&mut self, state: &ControlState) -> Verdict {
        if let Some(term) = state.open_term() {
            self.terms.insert(term.number, term.clone());
            self.parents.insert(
                term.parent.id.hash,
                BlockId { number: term.parent.id.number.saturating_sub(1), hash: term.parent.parent },
            );
        }
        let closed: Vec<_> = state.closed_terms().copied().collect();
        for closed in closed {
            if self.heads.insert(closed.term, closed.head.id).is_none() {
                self.check_closed(closed.term, closed.head.id)?;
            }
        }
        Ok(())
    }

    /// Highest committed height.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.committed.len() as u64
    }

    /// Whether a transaction is committed.
    #[must_use]
    pub fn has(&self, transaction: &B256) -> bool {
        self.transactions.contains_key(transaction)
    }

    /// Transactions committed.
    #[must_use]
    pub fn transactions(&self) -> usize {
        self.transactions.len()
    }

    /// Every certified block of a closed term is at or below its head, on its chain.
    fn check_closed(&self, term: u64, head: BlockId) -> Verdict {
        let of_term: Vec<BlockId> = self.certified.range((term, 0)..=(term, u64::MAX)).map(|(_, id)| *id).collect();
        for id in of_term {
            self.check_survives(term, id, head)?;
        }
        Ok(())
    }

    fn check_survives(&self, term: u64, id: BlockId, head: BlockId) -> Verdict {
        if id.number > head.number {
            return Err(Violation::new(3, format!("{id} of term {term} is certified above the term's head {head}")));
        }
        let mut at = head;
        while at.number > id.number {
            match self.parents.get(&at.hash) {
                Some(parent) => at = *parent,
                None => return Ok(()),
            }
        }
        if at != id {
            return Err(Violation::new(2, format!("{id} of term {term} is certified, the final chain has {at}")));
        }
        Ok(())
    }

    /// A message leaves `from`.
    pub fn said(&mut self, from: Address, message: &PeerMessage) -> Verdict {
        match message {
            PeerMessage::Block { block, carried } => {
                self.block(block)?;
                carried.as_ref().map_or(Ok(()), |certificate| self.certificate(certificate))
            }
            PeerMessage::Blocks { blocks, commit } => {
                for (block, carried) in blocks {
                    self.block(block)?;
                    carried.as_ref().map_or(Ok(()), |certificate| self.certificate(certificate))?;
                }
                commit.as_ref().map_or(Ok(()), |commit| self.certificate(&commit.certificate))
            }
            PeerMessage::Ack(ack) if ack.validator == from => self.ack(ack),
            PeerMessage::Certificate(certificate) => self.certificate(certificate),
            PeerMessage::Commit(commit) => {
                self.certificate(&commit.certificate)?;
                commit.acks.iter().try_for_each(|ack| self.ack(ack))
            }
            _ => Ok(()),
        }
    }

    fn block(&mut self, sealed: &SealedBlock) -> Verdict {
        let header = sealed.header();
        let hash = header.hash();
        let facts = facts_of(header, hash);
        self.parents.insert(hash, BlockId { number: facts.id.number.saturating_sub(1), hash: facts.parent });
        let signed = SignedBlock { facts, signature: sealed.signature };
        let first = *self.sealed.entry((facts.term, facts.id.number)).or_insert(signed);
        if first.facts.id != facts.id
            && let Some(term) = self.terms.get(&facts.term)
            && let Some(evidence) = Evidence::between_blocks(&first, &signed, term)
        {
            return convict(&evidence, term);
        }
        Ok(())
    }

    fn ack(&mut self, ack: &Ack) -> Verdict {
        let Some(term) = self.terms.get(&ack.term) else {
            return Err(Violation::new(3, format!("an ack in term {}, which never opened", ack.term)));
        };
        let spoken = self.spoken.entry((ack.validator, ack.term)).or_default();
        let first = *spoken.acks.entry(ack.block.number).or_insert(*ack);
        if first.block != ack.block {
            let evidence = Evidence::DoubleAck { first: Box::new(first), second: Box::new(*ack) };
            return convict(&evidence, term);
        }
        let named = |ack: &Ack| ack.certificate.map(|certificate| certificate.number);
        if spoken.highest_named.as_ref().is_none_or(|highest| named(highest) < named(ack)) {
            spoken.highest_named = Some(*ack);
        }
        if let Some(vote) = &spoken.close
            && let Some(evidence) = Evidence::between_ack_and_close(ack, vote)
        {
            return convict(&evidence, term);
        }
        let behind = self.behind.entry((ack.term, ack.block)).or_default();
        if behind.insert(ack.validator) {
            let weight = behind.iter().filter_map(|signer| Some(term.set.get(signer)?.weight)).sum();
            if term.set.is_quorum(weight) {
                return self.certify(ack.term, ack.block);
            }
        }
        Ok(())
    }

    fn certify(&mut self, term: u64, block: BlockId) -> Verdict {
        let first = *self.certified.entry((term, block.number)).or_insert(block);
        if first != block {
            return Err(Violation::new(1, format!("{first} and {block} are both certified in term {term}")));
        }
        match self.heads.get(&term) {
            Some(head) => self.check_survives(term, block, *head),
            None => Ok(()),
        }
    }

    fn certificate(&mut self, certificate: &Certificate) -> Verdict {
        let bytes = borsh::to_vec(certificate).expect("writing to memory does not fail");
        if !self.verified.insert(alloy_primitives::keccak256(bytes)) {
            return Ok(());
        }
        let Some(term) = self.terms.get(&certificate.term) else {
            return Err(Violation::new(3, format!("a certificate of term {}, which never opened", certificate.term)));
        };
        if let Err(why) = certificate.verify(&term.set, &term.domain) {
            return Err(Violation::new(1, format!("a certificate that does not count was sent: {why}")));
        }
        certificate.acks().try_for_each(|ack| self.ack(&ack))?;
        self.certify(certificate.term, certificate.block)
    }

    /// A close vote leaves its author.
    pub fn closes(&mut self, vote: &CloseVote) -> Verdict {
        let Some(term) = self.terms.get(&vote.term) else {
            return Err(Violation::new(3, format!("a close vote in term {}, which never opened", vote.term)));
        };
        let spoken = self.spoken.entry((vote.validator, vote.term)).or_default();
        if let Some(first) = spoken.close.as_ref().filter(|first| *first != vote) {
            let evidence = Evidence::DoubleClose { first: Box::new(first.clone()), second: Box::new(vote.clone()) };
            return convict(&evidence, term);
        }
        spoken.close = Some(vote.clone());
        for ack in spoken.acks.values().chain(&spoken.highest_named) {
            if let Some(evidence) = Evidence::between_ack_and_close(ack, vote) {
                return convict(&evidence, term);
            }
        }
        Ok(())
    }

    /// A replica tells its query side something.
    pub fn told(&mut self, event: &ChainEvent) -> Verdict {
        if let ChainEvent::Executed { block, .. } = event {
            let header = &block.block.header;
            let parent = BlockId { number: header.number.saturating_sub(1), hash: header.parent };
            self.parents.insert(block.hash, parent);
            self.bodies.entry(block.hash).or_insert_with(|| block.transactions.iter().map(|tx| tx.hash).collect());
        }
        let id = match event {
            ChainEvent::Committed(commit) => {
                self.certificate(&commit.certificate)?;
                commit.block()
            }
            ChainEvent::CommittedByDecision(id) => *id,
            _ => return Ok(()),
        };
        self.commit(id)
    }

    /// A block is committed, and all below it: they are those that were committed before, or new on top of them.
    fn commit(&mut self, id: BlockId) -> Verdict {
        let mut new = Vec::new();
        let mut at = id;
        while at.number > self.committed() {
            new.push(at);
            at = match self.parents.get(&at.hash) {
                Some(parent) => *parent,
                None => return Err(Violation::new(2, format!("{at} is committed, and nobody has shown it"))),
            };
        }
        if let Some(below) = at.number.checked_sub(1).and_then(|n| self.committed.get(n as usize))
            && *below != at.hash
        {
            return Err(Violation::new(2, format!("{id} is committed above {at}, but {below} was committed there")));
        }
        for id in new.into_iter().rev() {
            self.committed.push(id.hash);
            for tx in self.bodies.get(&id.hash).into_iter().flatten() {
                if self.transactions.insert(*tx, id.number).is_some() {
                    return Err(Violation::new(9, format!("transaction {tx} is committed twice")));
                }
            }
        }
        Ok(())
    }

    /// A node's committed block is the committed chain's.
    pub fn holds(&self, node: usize, number: u64, hash: B256) -> Verdict {
        let there = number.checked_sub(1).and_then(|at| self.committed.get(at as usize));
        match there {
            Some(committed) if *committed != hash => {
                Err(Violation::new(2, format!("node {node} has {hash} at {number}, committed is {committed}")))
            }
            _ => Ok(()),
        }
    }
}

fn convict(evidence: &Evidence, term: &Term) -> Verdict {
    match evidence.verify(term) {
        Ok(who) => Err(Violation::new(8, format!("{who} can be slashed: {}", name(evidence)))),
        Err(_) => Ok(()),
    }
}

fn name(evidence: &Evidence) -> String {
    match evidence {
        Evidence::DoubleBlock { first, second } => format!("sealed {} and {}", first.facts.id, second.facts.id),
        Evidence::DoubleAck { first, second } => format!("acked {} and {}", first.block, second.block),
        Evidence::DoubleClose { first, .. } => format!("voted twice to close term {}", first.term),
        Evidence::AckAndClose { ack, .. } => {
            format!("acked {} naming {:?}, against its close vote", ack.block, ack.certificate)
        }
    }
}

//! The judge: takes down every statement that ever leaves a node and everything a replica tells, and holds them against the
//! invariants of design section 5.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256};
use horae_control::command::{Command, ControlBlock};
use horae_control::pending::Pending;
use horae_control::{
    Ack, BlockId, Certificate, CloseTerm, CloseVote, Commit, ControlState, Evidence, SignedBlock, Term, ValidatorSet,
};
use horae_mpc::{NonceCommitments, SigningBody, SigningReply, SigningRequest};
use horae_node::chain_view::ChainEvent;
use horae_node::council::message::LinkMessage;
use horae_node::derive::Derivation;
use horae_node::edges::l1::AcceptedBatch;
use horae_node::replica::chain::facts_of;
use horae_node::replica::message::{PeerMessage, SealedBlock};
use horae_stages::Genesis;

use super::closing::head_of;
use super::conviction::convict;
use super::forcing::Forcing;
use super::l1::L1;
use super::remembering::Asked;

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

/// More than 2/3 of the weights. Not the nodes' own reckoning: that is what is judged.
#[must_use]
pub fn is_quorum(set: &ValidatorSet, weight: u64) -> bool {
    let total: u64 = set.validators().iter().map(|validator| validator.weight).sum();
    3 * weight > 2 * total
}

/// What a validator said in a term.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    pub(super) acks: BTreeMap<u64, Ack>,
    pub(super) highest_named: Option<Ack>,
    pub(super) close: Option<CloseVote>,
}

/// Everything that was said and decided.
#[derive(Default)]
pub struct Judge {
    terms: BTreeMap<u64, Term>,
    /// Heads of closed terms.
    heads: BTreeMap<u64, BlockId>,
    /// Facts of every block seen: its parent.
    parents: BTreeMap<B256, BlockId>,
    /// Term and timestamp of every block seen.
    sealed_in: BTreeMap<B256, (u64, u64)>,
    /// Who sealed every block seen, by its header.
    sealers: BTreeMap<B256, Address>,
    /// The latest timestamp that an honest clock takes now, in unix milliseconds.
    latest_ms: u64,
    pub(super) spoken: BTreeMap<(Address, u64), Spoken>,
    pub(super) asked: BTreeMap<Address, Asked>,
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
    /// Who may lie.
    liars: BTreeSet<Address>,
    /// Who has lost what it stored.
    forgot: BTreeSet<Address>,
    /// Terms in which a sequencer sealed two blocks at one height.
    forked: BTreeSet<u64>,
    /// What every nonce served for, by its author and commitments.
    nonces: BTreeMap<(Address, NonceCommitments), B256>,
    /// Signing requests, by session.
    requests: BTreeMap<B256, SigningRequest>,
    /// Digests of the batches on L1, lowest first, as last looked at.
    posted: Vec<B256>,
    /// The forced queue, and what blocks made of it.
    forcing: Forcing,
}

pub(super) type Verdict = Result<(), Violation>;

impl Judge {
    /// This validator's word is no promise.
    pub fn expect_lies_of(&mut self, validator: Address) {
        self.liars.insert(validator);
    }

    /// This validator has lost its disk, or runs on an old copy of it: what it said before, and nobody may have heard, it
    /// cannot be held to (invariant 8 is of validators on their own disks). What it says from now on it is.
    pub fn has_forgotten(&mut self, validator: Address) {
        self.forgot.insert(validator);
        self.spoken.retain(|(author, _), _| *author != validator);
        let terms = &self.terms;
        self.sealed.retain(|(term, _), block| {
            let sequencer = terms.get(term).and_then(|term| term.sequencer_of(block.facts.slot));
            sequencer.is_none_or(|sequencer| sequencer.signer != validator)
        });
    }

    /// Whether evidence against this validator may be right.
    #[must_use]
    pub fn may_be_convicted(&self, validator: &Address) -> bool {
        self.liars.contains(validator) || self.forgot.contains(validator)
    }

    /// Whether this validator's word is no promise.
    pub(super) fn is_liar(&self, validator: &Address) -> bool {
        self.liars.contains(validator)
    }

    /// Time goes on: blocks with later timestamps than this are from the future, whatever clock an honest validator has.
    pub fn clock(&mut self, latest_ms: u64) {
        self.latest_ms = latest_ms;
    }

    /// The term opened last.
    pub(super) fn newest_term(&self) -> Option<u64> {
        self.terms.last_key_value().map(|(number, _)| *number)
    }

    /// Takes down what a decided block, and the state after it, opened and closed.
    pub fn decided(&mut self, block: &ControlBlock, state: &ControlState) -> Verdict {
        for command in &block.commands {
            if let Command::CloseTerm(closing) = command {
                self.check_closing(closing, state)?;
            }
        }
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
        self.check_succession()
    }

    /// The open term follows the one before it, which is closed, and stands on its head.
    fn check_succession(&self) -> Verdict {
        let mut newest = self.terms.values().rev();
        let (Some(term), Some(before)) = (newest.next(), newest.next()) else { return Ok(()) };
        let head = self.heads.get(&before.number).copied();
        if term.number == before.number + 1 && head == Some(term.parent.id) {
            return Ok(());
        }
        let stands = format!("term {} opens on {}", term.number, term.parent.id);
        Err(Violation::new(3, format!("{stands}, the head of term {} is {head:?}", before.number)))
    }

    /// The open term ends where the decided votes say, with a block that an honest node has executed and no clock is behind.
    fn check_closing(&self, closing: &CloseTerm, state: &ControlState) -> Verdict {
        let (Some(term), Some(closed)) = (self.terms.values().next_back(), state.closed_terms().next_back()) else {
            return Err(Violation::new(3, "a closing was decided while no term was open"));
        };
        let (head, expected) = (closed.head, head_of(term, closing)?.id);
        if head.id != expected {
            return Err(Violation::new(2, format!("term {} ends with {}, not with {expected}", term.number, head.id)));
        }
        if head.id != term.parent.id && !self.bodies.contains_key(&head.id.hash) {
            return Err(Violation::new(3, format!("term {} ends with {}, which nobody has", term.number, head.id)));
        }
        if head.timestamp_ms > self.latest_ms {
            return Err(Violation::new(3, format!("term {} ends with {}, of the future", term.number, head.id)));
        }
        Ok(())
    }

    /// An honest node that knows this term to be open has this head: no block of a closed term above where that ended.
    pub fn stands(&self, node: usize, open: u64, head: BlockId) -> Verdict {
        let void = self.terms.get(&open).is_some_and(|term| {
            head.number > term.parent.id.number
                && self.sealed_in.get(&head.hash).is_some_and(|(sealed_in, _)| *sealed_in < open)
        });
        match void {
            true => Err(Violation::new(3, format!("node {node} goes on to {head} of a closed term in term {open}"))),
            false => Ok(()),
        }
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

    /// The L1 view has moved: what stands in the forced queue up to there stands for ever.
    pub fn entered(&mut self, l1: &L1, view: u64) {
        self.forcing.entered(l1, view);
    }

    /// Entries of the forced queue that committed blocks have executed.
    #[must_use]
    pub fn forced(&self) -> u64 {
        self.forcing.next()
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
        if self.forked.contains(&term) {
            return Ok(());
        }
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

    /// A message leaves `from`. Of a liar's only what is signed counts, and convicts nobody.
    pub fn said(&mut self, from: Address, message: &PeerMessage) -> Verdict {
        let lies = self.liars.contains(&from);
        let certificate = |judge: &mut Self, certificate: &Certificate| match judge.certificate(certificate) {
            Err(_) if lies && !judge.verifies(certificate) => Ok(()),
            verdict => verdict,
        };
        match message {
            PeerMessage::Block { block, carried } => {
                self.block(block)?;
                carried.as_ref().map_or(Ok(()), |carried| certificate(self, carried))
            }
            PeerMessage::Blocks { blocks, commit } => {
                for (block, carried) in blocks {
                    self.block(block)?;
                    carried.as_ref().map_or(Ok(()), |carried| certificate(self, carried))?;
                }
                commit.as_ref().map_or(Ok(()), |commit| certificate(self, &commit.certificate))
            }
            PeerMessage::Ack(ack) if ack.validator == from => {
                self.acks_anew(from, ack)?;
                self.ack(ack)
            }
            PeerMessage::Certificate(shown) => certificate(self, shown),
            PeerMessage::Commit(commit) => {
                certificate(self, &commit.certificate)?;
                commit.acks.iter().try_for_each(|ack| self.ack(ack))
            }
            _ => Ok(()),
        }
    }

    fn verifies(&self, certificate: &Certificate) -> bool {
        let term = self.terms.get(&certificate.term);
        term.is_some_and(|term| certificate.verify(&term.set, &term.domain).is_ok())
    }

    /// A message between councils leaves `from` for `to`.
    pub fn said_on_link(&mut self, from: Address, to: Address, message: &LinkMessage) -> Verdict {
        match message {
            LinkMessage::Pending(command) => match &**command {
                Pending::Close(vote) if vote.validator == from => self.closes(vote),
                Pending::Evidence(proof) if !self.liars.contains(&from) && !self.may_be_convicted(&proof.validator) => {
                    let what = format!("{from} can convict {}: {:?}", proof.validator, proof.offence());
                    Err(Violation::new(8, what))
                }
                _ => Ok(()),
            },
            LinkMessage::Signing(message) => self.signs(from, to, &message.body),
            _ => Ok(()),
        }
    }

    /// Every nonce serves one message and one list of commitments.
    fn signs(&mut self, from: Address, to: Address, body: &SigningBody) -> Verdict {
        match body {
            SigningBody::Request(request) => {
                self.requests.insert(request.session(), request.clone());
            }
            SigningBody::Reply(SigningReply::Shares { session, .. }) if !self.liars.contains(&from) => {
                let Some(request) = self.requests.get(session) else {
                    return Err(Violation::new(6, format!("{from} answers a request that {to} never made")));
                };
                for entry in request.signers.iter().filter(|entry| entry.signer == from) {
                    let before = self.nonces.insert((from, entry.commitments.clone()), *session);
                    if before.is_some_and(|before| before != *session) {
                        return Err(Violation::new(6, format!("{from} signs twice with one nonce")));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The batches that stand on L1: each is a run of committed blocks, and they are contiguous.
    pub fn posted<'a>(&mut self, batches: impl Iterator<Item = &'a AcceptedBatch>) -> Verdict {
        let (mut digests, mut next) = (Vec::new(), 1);
        for (at, accepted) in batches.enumerate() {
            let batch = &accepted.batch;
            digests.push(accepted.digest);
            if batch.index != at as u64 || batch.firstBlock != next {
                return Err(Violation::new(4, format!("batch {} does not follow the one before", batch.index)));
            }
            next = batch.lastBlock + 1;
            if self.posted.get(at) == Some(&accepted.digest) {
                continue;
            }
            self.forcing.check_batch(batch)?;
            let committed = self.committed.get(batch.lastBlock as usize - 1);
            if committed != Some(&batch.lastBlockHash) {
                let what =
                    format!("batch {} ends with {}, committed is {committed:?}", batch.index, batch.lastBlockHash);
                return Err(Violation::new(4, what));
            }
        }
        self.posted = digests;
        Ok(())
    }

    /// The chain rebuilt from what L1 holds is the one that was committed.
    pub fn rebuild(&self, genesis: &Genesis, l1: &L1) -> Verdict {
        let mut derivation = Derivation::new(genesis);
        l1.due().for_each(|due| derivation.owes(due));
        for accepted in l1.batches() {
            derivation.apply(accepted, drop).map_err(|why| Violation::new(7, why.to_string()))?;
        }
        let rebuilt = derivation.hashes().iter().skip(1);
        match rebuilt.zip(&self.committed).position(|(rebuilt, live)| rebuilt != live) {
            Some(at) => Err(Violation::new(7, format!("block {} rebuilt from L1 is another one", at + 1))),
            None => Ok(()),
        }
    }

    /// Who sealed this committed block.
    pub(super) fn sequencer_of(&self, number: u64) -> Option<Address> {
        let hash = self.committed.get(usize::try_from(number.checked_sub(1)?).ok()?)?;
        self.sealers.get(hash).copied()
    }

    fn block(&mut self, sealed: &SealedBlock) -> Verdict {
        let header = sealed.header();
        let hash = header.hash();
        let facts = facts_of(header, hash);
        self.parents.insert(hash, BlockId { number: facts.id.number.saturating_sub(1), hash: facts.parent });
        self.sealed_in.insert(hash, (facts.term, facts.timestamp_ms));
        self.sealers.insert(hash, header.sequencer);
        let signed = SignedBlock { facts, signature: sealed.signature };
        let first = *self.sealed.entry((facts.term, facts.id.number)).or_insert(signed);
        if first.facts.id != facts.id
            && let Some(term) = self.terms.get(&facts.term)
            && let Some(evidence) = Evidence::between_blocks(&first, &signed, term)
        {
            if evidence.verify(term).is_ok() {
                self.forked.insert(facts.term);
            }
            return convict(&evidence, term, &self.liars);
        }
        Ok(())
    }

    fn ack(&mut self, ack: &Ack) -> Verdict {
        let Some(term) = self.terms.get(&ack.term) else {
            if self.liars.contains(&ack.validator) {
                return Ok(());
            }
            return Err(Violation::new(3, format!("an ack in term {}, which never opened", ack.term)));
        };
        if !self.liars.contains(&ack.validator) {
            let early = self.sealed_in.get(&ack.block.hash).is_some_and(|(_, timestamp)| *timestamp > self.latest_ms);
            if early {
                return Err(Violation::new(0, format!("{} acks {} of the future", ack.validator, ack.block)));
            }
            if let Some(named) = ack.certificate.filter(|id| self.certified.get(&(ack.term, id.number)) != Some(id)) {
                let what =
                    format!("{} names a certificate of {named}, which has none in term {}", ack.validator, ack.term);
                return Err(Violation::new(1, what));
            }
        }
        let spoken = self.spoken.entry((ack.validator, ack.term)).or_default();
        let first = *spoken.acks.entry(ack.block.number).or_insert(*ack);
        if first.block != ack.block {
            let evidence = Evidence::DoubleAck { first: Box::new(first), second: Box::new(*ack) };
            return convict(&evidence, term, &self.liars);
        }
        let named = |ack: &Ack| ack.certificate.map(|certificate| certificate.number);
        if spoken.highest_named.as_ref().is_none_or(|highest| named(highest) < named(ack)) {
            spoken.highest_named = Some(*ack);
        }
        if let Some(vote) = &spoken.close
            && let Some(evidence) = Evidence::between_ack_and_close(ack, vote)
        {
            return convict(&evidence, term, &self.liars);
        }
        let behind = self.behind.entry((ack.term, ack.block)).or_default();
        if behind.insert(ack.validator) {
            let weight = behind.iter().filter_map(|signer| Some(term.set.get(signer)?.weight)).sum();
            if is_quorum(&term.set, weight) {
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
        let signers: BTreeSet<Address> = certificate.acks.iter().map(|ack| ack.validator).collect();
        check_weight("certified", certificate.block, &term.set, &signers, 1)?;
        certificate.acks().try_for_each(|ack| self.ack(&ack))?;
        self.certify(certificate.term, certificate.block)
    }

    /// A close vote leaves its author.
    pub fn closes(&mut self, vote: &CloseVote) -> Verdict {
        let Some(term) = self.terms.get(&vote.term) else {
            if self.liars.contains(&vote.validator) {
                return Ok(());
            }
            return Err(Violation::new(3, format!("a close vote in term {}, which never opened", vote.term)));
        };
        let spoken = self.spoken.entry((vote.validator, vote.term)).or_default();
        if spoken.close.is_none() && !self.liars.contains(&vote.validator) {
            let what =
                |why| Violation::new(2, format!("{} gives a close vote that does not count: {why}", vote.validator));
            vote.verify(term).map_err(what)?;
        }
        if let Some(first) = spoken.close.as_ref().filter(|first| *first != vote) {
            let evidence = Evidence::DoubleClose { first: Box::new(first.clone()), second: Box::new(vote.clone()) };
            return convict(&evidence, term, &self.liars);
        }
        spoken.close = Some(vote.clone());
        for ack in spoken.acks.values().chain(&spoken.highest_named) {
            if let Some(evidence) = Evidence::between_ack_and_close(ack, vote) {
                return convict(&evidence, term, &self.liars);
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
            self.sealed_in.insert(block.hash, (header.term, header.timestamp_ms));
            self.forcing.executed(block);
            self.bodies.entry(block.hash).or_insert_with(|| block.transactions.iter().map(|tx| tx.hash).collect());
        }
        let id = match event {
            ChainEvent::Committed(commit) => {
                self.certificate(&commit.certificate)?;
                self.check_commit(commit)?;
                commit.block()
            }
            ChainEvent::CommittedByDecision(id) => *id,
            _ => return Ok(()),
        };
        self.commit(id)
    }

    /// > 2/3 hold the committed block's certificate, or a higher one of its term.
    fn check_commit(&self, commit: &Commit) -> Verdict {
        let (id, of) = (commit.block(), commit.certificate.term);
        let Some(term) = self.terms.get(&of) else {
            return Err(Violation::new(3, format!("a commit in term {of}, which never opened")));
        };
        let holds = |ack: &&Ack| {
            let named = ack.certificate.is_some_and(|named| named == id || named.number > id.number);
            named && ack.term == of && ack.verify(&term.set, &term.domain).is_ok()
        };
        let holders: BTreeSet<Address> = commit.acks.iter().filter(holds).map(|ack| ack.validator).collect();
        check_weight("committed", id, &term.set, &holders, 2)
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
            self.forcing.committed(id)?;
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

/// What is claimed of a block needs > 2/3 of the weights.
fn check_weight(claim: &str, id: BlockId, set: &ValidatorSet, by: &BTreeSet<Address>, invariant: u8) -> Verdict {
    let weight = by.iter().filter_map(|signer| Some(set.get(signer)?.weight)).sum();
    if is_quorum(set, weight) {
        return Ok(());
    }
    Err(Violation::new(invariant, format!("{id} is taken to be {claim} by weight {weight} of {}", set.total())))
}

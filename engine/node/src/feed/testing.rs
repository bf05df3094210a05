//! A chain for tests whose every statement is really signed: decisions, blocks, certificates, commits, close votes. Nothing is
//! executed; headers say what the protocol asks of them.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use horae_control::limits::MIN_STAKE;
use horae_control::{
    Ack, BlockFacts, BlockId, Candidate, Certificate, CertificateAck, CloseTerm, CloseVote, Command, Commit,
    ControlParams, ControlState, Decision, DkgCommitments, DkgConfirm, DkgShares, Domain, Effect, Genesis, GroupKey,
    L1Event, L1View, Precommit, Signature, SignedBlock, SignerKey, Term,
};
use horae_stages::{Header, transactions_root};

use super::item::{ClosedAt, DecisionItem, FeedBlock, Item};
use crate::replica::chain::facts_of;

pub(crate) const DOMAIN: Domain = Domain { chain_id: 59_901, locking: Address::repeat_byte(0x11) };

fn key(n: usize) -> SignerKey {
    SignerKey::from_bytes(&keccak256(format!("feed key {n}")).0).expect("a valid key")
}

/// Four validators of weight 1.
pub(crate) fn genesis() -> Genesis {
    let candidate = |n: usize| Candidate {
        id: n as u64 + 1,
        signer: key(n).address(),
        node_key: keccak256(format!("feed node key {n}")).0,
        stake: U256::from(MIN_STAKE),
    };
    Genesis {
        domain: DOMAIN,
        l1_view: L1View { number: 100, hash: B256::repeat_byte(1) },
        validators: (0..4).map(candidate).collect(),
        seed: B256::repeat_byte(7),
        block_hash: B256::repeat_byte(0x99),
        params: ControlParams { window_blocks: 16, ..ControlParams::devnet() },
    }
}

/// The chain as its validators make it.
pub(crate) struct Validators {
    pub(crate) state: ControlState,
    /// In the order of the set.
    pub(crate) keys: Vec<SignerKey>,
    pub(crate) tip: BlockFacts,
}

impl Validators {
    /// Validators whose term 1 is open, and the decisions that opened it.
    pub(crate) fn open() -> (Self, Vec<Item>) {
        let state = ControlState::genesis(&genesis()).expect("a set");
        let mut keys: Vec<SignerKey> = (0..4).map(key).collect();
        keys.sort_by_key(SignerKey::address);
        let mut all = Self { state, keys, tip: BlockFacts::genesis(genesis().block_hash) };
        let group = GroupKey { px: U256::from_limbs([5, 6, 7, 8]), parity: 27 };
        let commitments = |k| Command::DkgCommitments(DkgCommitments::sign(&DOMAIN, 0, 0, 0, vec![1, 2], k));
        let shares = |k| Command::DkgShares(DkgShares::sign(&DOMAIN, 0, 0, 0, vec![3, 4], k));
        let confirm = |k| Command::DkgConfirm(DkgConfirm::sign(&DOMAIN, 0, 0, 0, group, k));
        let snapshot_hash = all.state.epoch().set.snapshot_hash();
        let installed = L1Event::KeyInstalled { key_index: 0, px: group.px, parity: group.parity, snapshot_hash };
        let view = Command::L1View { number: 101, hash: B256::repeat_byte(2), events: vec![installed] };
        let blocks = [
            all.keys.iter().map(commitments).collect(),
            all.keys.iter().map(shares).collect(),
            all.keys.iter().map(confirm).collect(),
            vec![view],
        ];
        let items = blocks.into_iter().map(|commands| all.decide(commands)).collect();
        assert!(all.state.open_term().is_some(), "term 1 is open");
        (all, items)
    }

    pub(crate) fn term(&self) -> Term {
        self.state.open_term().expect("a term is open").clone()
    }

    /// Decides these commands as the next control block, three validators precommitting.
    pub(crate) fn decide(&mut self, commands: Vec<Command>) -> Item {
        let block = self.state.next_block(commands);
        let value = borsh::to_vec(&block).expect("borsh");
        let decision = self.precommitted(block.height, value, 3);
        let effects = self.state.apply(&block).expect("a valid control block");
        let closed = effects.into_iter().find_map(|effect| match effect {
            Effect::TermClosed { term, head } => Some(ClosedAt { term, head }),
            _ => None,
        });
        Item::Decision(Box::new(DecisionItem { decision, closed }))
    }

    /// A decision of the first `count` validators.
    pub(crate) fn precommitted(&self, height: u64, value: Vec<u8>, count: usize) -> Decision {
        let mut decision = Decision { height, round: 0, value, precommits: Vec::new() };
        for key in &self.keys[..count] {
            let signature = key.sign(decision.digest(&DOMAIN, 0, 0));
            decision.precommits.push(Precommit { validator: key.address(), signature });
        }
        decision
    }

    /// What the header of the tip's next child would say.
    pub(crate) fn header(&self, ends_slot: bool, transactions: &[Bytes]) -> Header {
        let (term, parent) = (self.term(), &self.tip);
        Header {
            parent: parent.id.hash,
            number: parent.id.number + 1,
            epoch: term.epoch,
            term: term.number,
            slot: term.child_slot(parent),
            sequencer: term.sequencer_after(parent).map_or(Address::ZERO, |leader| leader.signer),
            timestamp_ms: parent.timestamp_ms + 1,
            control_height: self.state.height(),
            l1_view: Default::default(),
            forced: 0,
            base_fee: 1,
            gas_limit: 30_000_000,
            gas_used: 0,
            fee_recipient: Address::ZERO,
            prevrandao: B256::ZERO,
            transactions_root: transactions_root(transactions),
            receipts_root: B256::ZERO,
            changes_hash: B256::ZERO,
            batch: 0,
            batch_start_ms: 0,
            batch_bytes: 0,
            ends_slot,
        }
    }

    /// A header with the signature of its slot's sequencer.
    pub(crate) fn signed(&self, header: Header, transactions: Vec<Bytes>) -> FeedBlock {
        let term = self.term();
        let facts = facts_of(&header, header.hash());
        let leader = term.schedule.leader(facts.slot).expect("somebody leads");
        let signature = Some(SignedBlock::sign(facts, &DOMAIN, 0, &self.keys[leader]).signature);
        FeedBlock { hash: facts.id.hash, header, signature, transactions }
    }

    /// Seals the next block.
    pub(crate) fn seal(&mut self, ends_slot: bool) -> FeedBlock {
        let transactions = vec![Bytes::from(vec![self.tip.id.number as u8; 40])];
        let block = self.signed(self.header(ends_slot, &transactions), transactions);
        self.tip = facts_of(&block.header, block.hash);
        block
    }

    pub(crate) fn ack(&self, block: &FeedBlock, certificate: Option<BlockId>, at: usize) -> Ack {
        let Header { epoch, term, slot, .. } = block.header;
        let validator = self.keys[at].address();
        let signature = Signature([0; 65]);
        let ack = Ack { validator, incarnation: 0, epoch, term, slot, block: block.id(), certificate, signature };
        ack.signed(&DOMAIN, &self.keys[at])
    }

    /// A certificate of the first `count` validators.
    pub(crate) fn certificate(&self, block: &FeedBlock, count: usize) -> Certificate {
        let ack = |at| {
            let Ack { validator, incarnation, certificate, signature, .. } = self.ack(block, None, at);
            CertificateAck { validator, incarnation, certificate, signature }
        };
        let Header { epoch, term, slot, .. } = block.header;
        Certificate { epoch, term, slot, block: block.id(), acks: (0..count).map(ack).collect() }
    }

    /// A commit whose second round the first `count` validators made.
    pub(crate) fn commit(&self, block: &FeedBlock, count: usize) -> Commit {
        let acks = (0..count).map(|at| self.ack(block, Some(block.id()), at)).collect();
        Commit { certificate: self.certificate(block, 3), acks }
    }

    /// Closes the open term by three votes that show this certificate and list these blocks; the tip becomes the head.
    pub(crate) fn close(&mut self, certified: Option<&FeedBlock>, listed: &[FeedBlock]) -> Item {
        let term = self.term();
        let certificate = certified.map(|block| self.certificate(block, 3));
        let signed = |block: &FeedBlock| SignedBlock {
            facts: facts_of(&block.header, block.hash),
            signature: block.signature.expect("signed"),
        };
        let acked: Vec<SignedBlock> = listed.iter().map(signed).collect();
        let vote = |key: &SignerKey| CloseVote {
            validator: key.address(),
            incarnation: 0,
            epoch: term.epoch,
            term: term.number,
            certificate: certificate.clone(),
            acked: acked.clone(),
            signature: Signature([0; 65]),
        };
        let votes = self.keys[..3].iter().map(|key| vote(key).signed(&DOMAIN, key)).collect();
        let base = certified.map_or(term.parent, |block| facts_of(&block.header, block.hash));
        let item = self.decide(vec![Command::CloseTerm(CloseTerm { base, votes })]);
        self.tip = self.term().parent;
        item
    }
}

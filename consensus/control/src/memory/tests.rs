//! What a validator does with what others know of it: real voters, cut logs, answers that lie.

use super::*;
use crate::record::Record;
use crate::sign::SignerKey;
use crate::statement::{EngineStatement, SignedBlock, Step};
use crate::term::Term;
use crate::testing::{ack, certificate, chain, close_vote, domain, keys_of, term};
use crate::voter::{Refused, Voter};

struct Life {
    term: Term,
    key: SignerKey,
    blocks: Vec<SignedBlock>,
    /// What was stored, in order.
    log: Vec<Record>,
    voter: Voter,
}

/// A validator that acked three blocks, the last one holding a certificate for the second.
fn life() -> Life {
    let term = term(&[1, 1, 1, 1], 8);
    let key = keys_of(&term.set).remove(0);
    let mut voter = Voter::new(domain(), keys_of(&term.set).remove(0), 0);
    voter.open_term(term.clone());
    let blocks = chain(&term, 3, 8);
    let mut log: Vec<Record> = blocks[..2].iter().map(|block| voter.ack(block, None).unwrap().record).collect();
    let held = certificate(&term, &blocks[1].facts, None, 3);
    log.push(voter.hold_certificate(&held).unwrap().unwrap().record);
    log.push(voter.ack(&blocks[2], None).unwrap().record);
    Life { term, key, blocks, log, voter }
}

impl Life {
    /// What the first `records` of the log remember.
    fn spoken(&self, records: usize) -> Spoken {
        let key = keys_of(&self.term.set).remove(0);
        let mut voter = Voter::restore(domain(), key, 0, self.log[..records].to_vec()).unwrap();
        voter.open_term(self.term.clone());
        Spoken { terms: voter.said(), open_term: 1, decided_height: 7, vote: None }
    }

    fn recall(&self, spoken: Spoken, registered: u64, floor: u64) -> Recall {
        Recall::new(domain(), self.key.address(), self.term.set.clone(), spoken, registered, floor)
    }

    fn others(&self) -> Vec<Address> {
        self.term.set.validators().iter().map(|v| v.signer).filter(|signer| *signer != self.key.address()).collect()
    }

    /// The verdict when two others know this.
    fn verdict(&self, records: usize, known: &Known) -> Option<Recalled> {
        let mut recall = self.recall(self.spoken(records), 0, 0);
        self.others()[..2].iter().for_each(|other| recall.hear(*other, known));
        recall.verdict()
    }

    fn last_ack(&self) -> Known {
        Known { ack: self.voter.last_ack(), ..Known::default() }
    }
}

const WHOLE: Option<Recalled> = Some(Recalled::Whole { incarnation: 0 });

fn forgotten(incarnation: u64) -> Option<Recalled> {
    Some(Recalled::Forgotten { incarnation })
}

#[test]
fn a_whole_log_goes_on_and_any_cut_that_was_heard_of_does_not() {
    let life = life();
    assert_eq!(life.verdict(4, &life.last_ack()), WHOLE);
    for kept in 0..4 {
        assert_eq!(life.verdict(kept, &life.last_ack()), forgotten(1), "{kept} records kept");
    }
}

#[test]
fn a_forgotten_certificate_is_noticed() {
    let mut life = life();
    let renewed = life.voter.hold_certificate(&certificate(&life.term, &life.blocks[2].facts, None, 3));
    let known = Known { ack: renewed.unwrap().unwrap().statement, ..Known::default() };
    assert_eq!(life.verdict(4, &known), forgotten(1));
}

#[test]
fn a_forgotten_close_vote_is_noticed_and_a_remembered_one_is_not() {
    let mut life = life();
    let voted = life.voter.close().unwrap();
    let known = Known { close: Some(voted.statement), ..Known::default() };
    assert_eq!(life.verdict(4, &known), forgotten(1));
    life.log.push(voted.record);
    assert_eq!(life.verdict(5, &known), WHOLE);
    let other = close_vote(&life.term, None, Vec::new(), &life.key);
    assert_eq!(life.verdict(5, &Known { close: Some(other), ..Known::default() }), forgotten(1));
}

#[test]
fn a_block_of_a_slot_whose_beginning_is_not_noted_is_noticed() {
    let mut life = life();
    let slot = life.blocks[0].facts.slot;
    let sealed = SignedBlock::sign(life.blocks[0].facts, &domain(), 0, &life.key);
    let known = Known { sealed: Some(sealed), ..Known::default() };
    assert_eq!(life.verdict(4, &known), forgotten(1));
    life.log.push(Record::SlotBegun { incarnation: 0, term: 1, slot });
    assert_eq!(life.verdict(5, &known), WHOLE);
    let stranger = SignedBlock::sign(life.blocks[0].facts, &domain(), 0, &keys_of(&life.term.set)[1]);
    assert_eq!(life.verdict(4, &Known { sealed: Some(stranger), ..Known::default() }), WHOLE);
}

#[test]
fn tendermint_votes_count_from_the_height_in_progress_on() {
    let life = life();
    let vote = |height, round, step| EngineStatement { step, height, round, value: B256::ZERO, pol_round: None };
    let verdict = |own: Option<EngineStatement>, known: EngineStatement| {
        let spoken = Spoken { vote: own.map(|own| own.place()), ..life.spoken(4) };
        let mut recall = life.recall(spoken, 0, 0);
        let signature = life.key.sign(known.digest(&domain(), 0, 0));
        let signed = SignedEngineStatement { incarnation: 0, epoch: 0, statement: known, signature };
        let known = Known { vote: Some(signed), ..Known::default() };
        life.others()[..2].iter().for_each(|other| recall.hear(*other, &known));
        recall.verdict()
    };
    assert_eq!(verdict(None, vote(7, 9, Step::Precommit)), WHOLE);
    assert_eq!(verdict(None, vote(8, 0, Step::Prevote)), forgotten(1));
    assert_eq!(verdict(Some(vote(8, 0, Step::Precommit)), vote(8, 0, Step::Prevote)), WHOLE);
    assert_eq!(verdict(Some(vote(8, 0, Step::Precommit)), vote(8, 1, Step::Proposal)), forgotten(1));
}

#[test]
fn nothing_is_decided_before_more_than_two_thirds_have_answered() {
    let life = life();
    let mut recall = life.recall(life.spoken(4), 0, 0);
    assert_eq!(recall.verdict(), None);
    recall.hear(life.others()[0], &Known::default());
    recall.hear(life.others()[0], &Known::default());
    recall.hear(Address::repeat_byte(9), &Known::default());
    assert_eq!(recall.verdict(), None, "one answer counts once, a stranger's not at all");
    assert_eq!(recall.missing().collect::<Vec<_>>(), &life.others()[1..]);
    recall.hear(life.others()[1], &Known::default());
    assert_eq!(recall.verdict(), WHOLE);
}

#[test]
fn one_honest_answer_among_silent_ones_is_enough_to_notice() {
    let life = life();
    let mut recall = life.recall(life.spoken(1), 0, 0);
    recall.hear(life.others()[0], &life.last_ack());
    recall.hear(life.others()[1], &Known::default());
    assert_eq!(recall.verdict(), forgotten(1));
}

#[test]
fn liars_cannot_invent_a_gap() {
    let life = life();
    let other = &keys_of(&life.term.set)[1];
    let mut ack = ack(&life.term, &life.blocks[2].facts, None, other);
    let foreign = Known { ack: Some(ack), ..Known::default() };
    assert_eq!(life.verdict(0, &foreign), WHOLE, "another validator's ack");
    ack.validator = life.key.address();
    let mut close = close_vote(&life.term, None, Vec::new(), other);
    close.validator = life.key.address();
    let mut registration = RegisterIncarnation::sign(&domain(), 5, other);
    registration.validator = life.key.address();
    let statement = EngineStatement { step: Step::Prevote, height: 99, round: 0, value: B256::ZERO, pol_round: None };
    let signature = other.sign(statement.digest(&domain(), 0, 0));
    let vote = Some(SignedEngineStatement { incarnation: 0, epoch: 0, statement, signature });
    let forged =
        Known { vote, ack: Some(ack), close: Some(close), registration: Some(registration), ..Known::default() };
    assert_eq!(life.verdict(0, &forged), WHOLE, "forged statements");
}

#[test]
fn what_an_older_incarnation_said_does_not_bind_and_a_later_one_is_superseded() {
    let life = life();
    let registration =
        |n| Known { registration: Some(RegisterIncarnation::sign(&domain(), n, &life.key)), ..Known::default() };
    let verdict = |registered, floor, known: &Known| {
        let mut recall = life.recall(Spoken::default(), registered, floor);
        life.others()[..2].iter().for_each(|other| recall.hear(*other, known));
        recall.verdict()
    };
    assert_eq!(verdict(1, 0, &life.last_ack()), Some(Recalled::Whole { incarnation: 1 }));
    assert_eq!(verdict(0, 1, &life.last_ack()), forgotten(1), "the noted one is still to be registered");
    assert_eq!(verdict(0, 1, &registration(1)), forgotten(1), "it was, after our state was stored");
    assert_eq!(verdict(0, 0, &registration(3)), forgotten(4), "another life registered it");
    assert_eq!(verdict(3, 0, &registration(3)), Some(Recalled::Whole { incarnation: 3 }));
    let later = ack_as(&life, 2);
    assert_eq!(verdict(1, 0, &later), forgotten(3), "it has spoken as a later incarnation");
}

fn ack_as(life: &Life, incarnation: u64) -> Known {
    let mut ack = ack(&life.term, &life.blocks[2].facts, None, &life.key);
    ack.incarnation = incarnation;
    Known { ack: Some(ack.signed(&domain(), &life.key)), ..Known::default() }
}

#[test]
fn closed_terms_need_not_be_remembered() {
    let life = life();
    let mut recall = life.recall(Spoken { open_term: 2, ..Spoken::default() }, 0, 0);
    life.others()[..2].iter().for_each(|other| recall.hear(*other, &life.last_ack()));
    assert_eq!(recall.verdict(), WHOLE);
}

#[test]
fn a_silent_voter_says_nothing_and_a_new_incarnation_has_no_voice_in_the_open_term() {
    let Life { term, blocks, log, .. } = life();
    let key = keys_of(&term.set).remove(0);
    let mut voter = Voter::restore(domain(), key, 0, log).unwrap();
    voter.open_term(term.clone());
    voter.hush();
    let next = crate::testing::seal(&term, crate::testing::child(&term, &blocks[2].facts, false, 0));
    assert_eq!(voter.ack(&next, None), Err(Refused::Silent));
    assert_eq!(voter.close(), Err(Refused::Silent));
    assert!(!voter.has_voice());
    voter.speak_as(0);
    assert!(voter.has_voice());
    assert!(voter.ack(&next, None).is_ok(), "what was promised before is remembered");
    voter.speak_as(1);
    assert!(matches!(voter.close(), Err(Refused::NoVoice { incarnation: 1, .. })));
    assert_eq!(voter.said(), BTreeMap::new());
}

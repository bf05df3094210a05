//! Signing by whole groups: exactly a threshold, silent, refusing and lying signers, nonces that serve once.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeSet, VecDeque};

use alloy_primitives::{Address, B256};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;

use super::*;
use crate::{
    GroupSignature,
    testing::{group, rng, validator},
};

const DIGEST: B256 = B256::repeat_byte(0xd1);
const CONFIG: CoordinatorConfig =
    CoordinatorConfig { patience_ms: 100, retry_ms: 50, ask_interval_ms: 100, give_up_ms: 10_000 };

/// How a validator of the test behaves.
#[derive(Clone, Copy, PartialEq)]
enum Conduct {
    Honest,
    /// Answers nothing.
    Dead,
    /// Commits, and then answers no request.
    Silent,
    /// Commits, and sends a share that is not its own.
    Liar,
    /// Refuses every request until this time.
    Busy(u64),
}

/// A group, a coordinator that is its first member, and links that lose nothing but keep the bytes of every message.
struct Net {
    now_ms: u64,
    coordinator: Coordinator,
    signers: Vec<Signer>,
    conduct: Vec<Conduct>,
    rng: ChaCha20Rng,
    faults: Vec<(Address, Fault)>,
    signed: Vec<(B256, GroupSignature)>,
    failed: Vec<(B256, Failure)>,
    requests: Vec<(Vec<Address>, SigningRequest)>,
}

impl Net {
    fn new(weights: &[u64], conduct: &[(usize, Conduct)]) -> Self {
        let materials = group(weights, 21);
        let mut conducts = vec![Conduct::Honest; weights.len()];
        for (number, conduct) in conduct {
            conducts[*number] = *conduct;
        }
        Self {
            now_ms: 1_000,
            coordinator: Coordinator::new(materials[0].public().clone(), CONFIG),
            signers: materials.into_iter().map(Signer::new).collect(),
            conduct: conducts,
            rng: rng(22),
            faults: Vec::new(),
            signed: Vec::new(),
            failed: Vec::new(),
            requests: Vec::new(),
        }
    }

    fn answer(&mut self, number: usize, body: SigningBody) -> Option<SigningBody> {
        let from = validator(0);
        let signer = &mut self.signers[number];
        let body = match (body, self.conduct[number]) {
            (_, Conduct::Dead) | (SigningBody::Request(_), Conduct::Silent) => return None,
            (SigningBody::Ask, _) => SigningBody::Commitments(signer.commit(from, &mut self.rng).unwrap()),
            (SigningBody::Request(request), Conduct::Busy(until)) if self.now_ms < until => {
                SigningBody::Reply(signer.refuse(from, &request, Refusal::NotVouched, &mut self.rng).unwrap())
            }
            (SigningBody::Request(request), conduct) => {
                let mut reply = signer.sign(from, &request, &mut self.rng).unwrap();
                if let (Conduct::Liar, SigningReply::Shares { shares, .. }) = (conduct, &mut reply) {
                    shares[0] = B256::with_last_byte(7).0;
                }
                SigningBody::Reply(reply)
            }
            (body, _) => panic!("not for a signer: {body:?}"),
        };
        let message = SigningMessage { group: self.coordinator.public().key().px(), body };
        Some(SigningMessage::from_bytes(&message.to_bytes()).unwrap().body)
    }

    /// Carries messages until none is under way.
    fn settle(&mut self, outputs: Vec<CoordinatorOutput>) {
        let mut outputs = VecDeque::from(outputs);
        while let Some(output) = outputs.pop_front() {
            let (to, body) = match output {
                CoordinatorOutput::Ask { to } => (vec![to], SigningBody::Ask),
                CoordinatorOutput::Request { to, request } => {
                    self.requests.push((to.clone(), request.clone()));
                    (to, SigningBody::Request(request))
                }
                CoordinatorOutput::Fault { validator, fault } => {
                    self.faults.push((validator, fault));
                    continue;
                }
                CoordinatorOutput::Signed { digest, signature } => {
                    self.signed.push((digest, signature));
                    continue;
                }
                CoordinatorOutput::Failed { digest, failure } => {
                    self.failed.push((digest, failure));
                    continue;
                }
            };
            for to in to {
                let number = (0..self.signers.len()).find(|number| validator(*number) == to).unwrap();
                outputs.extend(match self.answer(number, body.clone()) {
                    Some(SigningBody::Commitments(c)) => self.coordinator.on_commitments(to, c, self.now_ms),
                    Some(SigningBody::Reply(reply)) => self.coordinator.on_reply(to, reply, self.now_ms),
                    _ => Vec::new(),
                });
            }
        }
    }

    fn begin(&mut self, digest: B256) {
        let outputs = self.coordinator.begin(digest, self.now_ms).unwrap();
        self.settle(outputs);
    }

    /// Lets time pass, from one thing that is due to the next, until nothing is being signed.
    fn run(&mut self) {
        while self.coordinator.is_signing(DIGEST) {
            let next_ms = self.coordinator.next_poll_ms(self.now_ms).unwrap();
            assert!(next_ms > self.now_ms, "a poll must not ask to be called again at once");
            self.now_ms = next_ms;
            let outputs = self.coordinator.poll(self.now_ms);
            self.settle(outputs);
        }
    }

    fn assert_signed(&self, digest: B256) {
        let (_, signature) = self.signed.iter().find(|(signed, _)| *signed == digest).expect("it is signed");
        self.coordinator.public().key().verify(digest, signature).unwrap();
        assert!(self.coordinator.public().key().verify(B256::ZERO, signature).is_err());
    }

    fn named(&self, fault: Fault) -> BTreeSet<Address> {
        self.faults.iter().filter(|(_, f)| *f == fault).map(|(validator, _)| *validator).collect()
    }
}

#[test]
fn a_threshold_signs_in_one_round_when_round_one_was_done_ahead() {
    for weights in [&[1, 1, 1, 1][..], &[3, 1, 2, 1, 5], &[1]] {
        let mut net = Net::new(weights, &[]);
        let outputs = net.coordinator.poll(net.now_ms);
        net.settle(outputs);
        assert_eq!(net.coordinator.next_poll_ms(net.now_ms), None, "at rest");
        for digest in [DIGEST, B256::repeat_byte(2), B256::repeat_byte(3)] {
            net.begin(digest);
            net.assert_signed(digest);
        }
        assert_eq!(net.requests.len(), 3, "one round each");
        let layout = net.coordinator.public().layout();
        for (to, _) in &net.requests {
            let shares: u16 = to.iter().map(|signer| layout.share_count(*signer)).sum();
            let least = to.iter().map(|signer| layout.share_count(*signer)).min().unwrap();
            assert!(shares >= layout.threshold() && shares - least < layout.threshold(), "no more than needed");
        }
        assert!(net.faults.is_empty());
    }
}

#[test]
fn exactly_the_threshold_is_enough_and_one_share_less_is_not() {
    // 12 shares, threshold 9: without validator 0 (3 shares) exactly nine are left.
    let mut net = Net::new(&[3, 1, 2, 1, 5], &[(0, Conduct::Dead)]);
    net.begin(DIGEST);
    net.run();
    net.assert_signed(DIGEST);

    let mut net = Net::new(&[3, 1, 2, 1, 5], &[(0, Conduct::Dead), (1, Conduct::Dead)]);
    net.begin(DIGEST);
    net.run();
    assert_eq!(net.failed, [(DIGEST, Failure::TimedOut)]);
    assert!(net.signed.is_empty() && net.requests.is_empty());
}

#[test]
fn silent_signers_are_named_and_replaced_after_patience() {
    let mut net = Net::new(&[1, 1, 1, 1], &[(1, Conduct::Silent)]);
    net.begin(DIGEST);
    assert!(net.signed.is_empty());
    net.run();
    net.assert_signed(DIGEST);
    assert_eq!(net.named(Fault::Silent), BTreeSet::from([validator(1)]));
    assert_eq!(net.now_ms, 1_000 + CONFIG.patience_ms);
}

#[test]
fn a_silent_signer_is_not_left_out_for_ever() {
    let mut net = Net::new(&[1, 1, 1, 1], &[(1, Conduct::Silent)]);
    net.begin(DIGEST);
    net.run();
    net.conduct[1] = Conduct::Honest;
    net.conduct[2] = Conduct::Silent;
    let second = B256::repeat_byte(2);
    net.begin(second);
    let outputs = net.coordinator.poll(net.now_ms + CONFIG.patience_ms);
    net.settle(outputs);
    net.assert_signed(second);
}

#[test]
fn liars_are_named_and_never_asked_again() {
    let mut net = Net::new(&[1, 1, 1, 1], &[(2, Conduct::Liar)]);
    net.begin(DIGEST);
    net.assert_signed(DIGEST);
    assert_eq!(net.faults, [(validator(2), Fault::BadShare)]);
    assert_eq!(net.coordinator.liars().collect::<Vec<_>>(), [validator(2)]);
    net.requests.clear();
    net.begin(B256::repeat_byte(2));
    net.assert_signed(B256::repeat_byte(2));
    assert!(net.requests.iter().all(|(to, _)| !to.contains(&validator(2))));
}

#[test]
fn a_liar_that_holds_several_shares_is_named_once() {
    let mut net = Net::new(&[3, 1, 2, 1, 5], &[(0, Conduct::Liar)]);
    net.begin(DIGEST);
    net.run();
    net.assert_signed(DIGEST);
    assert_eq!(net.faults, [(validator(0), Fault::BadShare)]);
}

#[test]
fn it_signs_in_spite_of_all_the_faults_it_can_bear() {
    // Ten shares, threshold seven: three may fail, each in its own way.
    let faults = [(1, Conduct::Liar), (2, Conduct::Silent), (3, Conduct::Dead)];
    let mut net = Net::new(&[1; 10], &faults);
    net.begin(DIGEST);
    net.run();
    net.assert_signed(DIGEST);
    assert!(net.named(Fault::BadShare).is_subset(&BTreeSet::from([validator(1)])));
    assert!(net.named(Fault::Silent).contains(&validator(2)));
    assert!(net.requests.len() <= 10);
}

#[test]
fn too_many_liars_are_a_failure_at_once() {
    let mut net = Net::new(&[1, 1, 1, 1], &[(0, Conduct::Liar), (1, Conduct::Liar)]);
    net.begin(DIGEST);
    assert_eq!(net.failed, [(DIGEST, Failure::TooFewSigners)]);
    assert!(net.signed.is_empty());
}

#[test]
fn who_cannot_vouch_yet_is_asked_again_later() {
    let mut net = Net::new(&[1, 1, 1, 1], &[(0, Conduct::Busy(1_300)), (1, Conduct::Busy(1_300))]);
    net.begin(DIGEST);
    net.run();
    net.assert_signed(DIGEST);
    assert!((1_300..1_300 + 40 * CONFIG.retry_ms).contains(&net.now_ms));
    assert_eq!(net.named(Fault::Refused(Refusal::NotVouched)), BTreeSet::from([validator(0), validator(1)]));
    assert_eq!(net.coordinator.liars().count(), 0);
    assert_eq!(net.faults.len(), 2 * 3, "asked at 1000, 1050 and 1150, each wait twice the one before");
}

#[test]
fn a_refusal_frees_the_others_at_once() {
    let mut net = Net::new(&[1; 10], &[(0, Conduct::Busy(u64::MAX)), (1, Conduct::Silent)]);
    net.begin(DIGEST);
    net.assert_signed(DIGEST);
    assert_eq!(net.now_ms, 1_000);
}

#[test]
fn who_refused_is_the_last_to_be_chosen_again() {
    let mut net = Net::new(&[1; 10], &[(0, Conduct::Busy(u64::MAX)), (7, Conduct::Silent)]);
    net.begin(DIGEST);
    net.run();
    net.assert_signed(DIGEST);
    assert!(net.now_ms >= 1_000 + CONFIG.retry_ms, "it was free again");
    let refusals = net.faults.iter().filter(|(_, fault)| *fault == Fault::Refused(Refusal::NotVouched));
    assert_eq!(refusals.count(), 1);
}

#[test]
fn a_silent_signer_is_asked_ever_more_slowly_until_the_digest_is_given_up() {
    let mut net = Net::new(&[1, 1, 1, 1], &[(1, Conduct::Silent), (3, Conduct::Dead)]);
    for number in [0, 1, 2, 0, 1, 2] {
        let commitments = net.signers[number].commit(validator(0), &mut net.rng).unwrap();
        let _ = net.coordinator.on_commitments(validator(number), commitments, net.now_ms);
    }
    net.begin(DIGEST);
    net.run();
    assert_eq!(net.failed, [(DIGEST, Failure::TimedOut)]);
    assert_eq!(net.now_ms, 1_000 + CONFIG.give_up_ms);
    let asked = net.requests.iter().filter(|(to, _)| to.contains(&validator(1))).count();
    assert!((6..=9).contains(&asked), "{asked} times in a hundred times the patience");
    let sessions: BTreeSet<_> = net.requests.iter().map(|(_, request)| request.session()).collect();
    assert_eq!(sessions.len(), 1, "who has not answered is put into no second session");
}

#[test]
fn a_signer_that_lost_its_nonces_in_a_restart_joins_again() {
    let mut net = Net::new(&[1, 1, 1, 1], &[(3, Conduct::Dead)]);
    let outputs = net.coordinator.poll(net.now_ms);
    net.settle(outputs);
    let materials = group(&[1, 1, 1, 1], 21);
    net.signers[1] = Signer::new(materials[1].clone());
    net.begin(DIGEST);
    net.run();
    net.assert_signed(DIGEST);
    assert_eq!(net.named(Fault::Refused(Refusal::UnknownNonces)), BTreeSet::from([validator(1)]));
}

#[test]
fn a_restart_voids_all_commitments_given_before_it() {
    let mut net = Net::new(&[1, 1, 1, 1], &[(3, Conduct::Dead)]);
    for _ in 0..4 {
        let commitments = net.signers[1].commit(validator(0), &mut net.rng).unwrap();
        let outputs = net.coordinator.on_commitments(validator(1), commitments, net.now_ms);
        net.settle(outputs);
    }
    net.signers[1] = Signer::new(group(&[1, 1, 1, 1], 21)[1].clone());
    net.begin(DIGEST);
    net.run();
    net.assert_signed(DIGEST);
    let refused = net.faults.iter().filter(|(_, fault)| matches!(fault, Fault::Refused(_)));
    assert_eq!(refused.count(), 1, "the first refusal tells all");
}

#[test]
fn a_liar_named_over_one_digest_does_not_hold_up_another() {
    let mut net = Net::new(&[1, 1, 1, 1], &[(2, Conduct::Liar)]);
    for number in [0, 1, 2, 3, 0, 1, 2, 3] {
        let commitments = net.signers[number].commit(validator(0), &mut net.rng).unwrap();
        let _ = net.coordinator.on_commitments(validator(number), commitments, net.now_ms);
    }
    let other = B256::repeat_byte(2);
    let first = net.coordinator.begin(DIGEST, net.now_ms).unwrap();
    let mut second = net.coordinator.begin(other, net.now_ms).unwrap();
    net.settle(first);
    assert_eq!(net.faults, [(validator(2), Fault::BadShare)]);
    for output in &mut second {
        if let CoordinatorOutput::Request { to, .. } = output {
            to.retain(|signer| *signer != validator(2));
        }
    }
    net.settle(second);
    net.assert_signed(DIGEST);
    net.assert_signed(other);
}

#[test]
fn a_nonce_serves_one_message_and_one_list() {
    let mut net = Net::new(&[1, 1, 1, 1], &[]);
    net.begin(DIGEST);
    let (_, request) = net.requests[0].clone();
    let me = validator(0);
    let signer = &mut net.signers[0];
    let mut ask = |request: &SigningRequest| match signer.sign(me, request, &mut net.rng).unwrap() {
        SigningReply::Refused { reason, .. } => Some(reason),
        SigningReply::Shares { .. } => None,
    };
    assert_eq!(ask(&request), Some(Refusal::UnknownNonces), "the same request again");
    let other_digest = SigningRequest { digest: B256::ZERO, ..request.clone() };
    assert_eq!(ask(&other_digest), Some(Refusal::UnknownNonces), "the same nonces for another digest");
}

#[test]
fn a_refused_request_spends_its_nonces_too() {
    let mut net = Net::new(&[1, 1, 1, 1], &[]);
    let list: Vec<_> = (0..3)
        .map(|number| SignerCommitments {
            signer: validator(number),
            commitments: net.signers[number].commit(validator(0), &mut net.rng).unwrap(),
        })
        .collect();
    let request = SigningRequest { digest: DIGEST, signers: list };
    let signer = &mut net.signers[1];
    signer.refuse(validator(0), &request, Refusal::NotVouched, &mut net.rng).unwrap();
    let again = signer.sign(validator(0), &request, &mut net.rng).unwrap();
    assert!(matches!(again, SigningReply::Refused { reason: Refusal::UnknownNonces, .. }));
}

#[test]
fn nonces_given_to_one_coordinator_serve_no_other() {
    let mut net = Net::new(&[1, 1, 1, 1], &[]);
    let list: Vec<_> = (0..3)
        .map(|number| SignerCommitments {
            signer: validator(number),
            commitments: net.signers[number].commit(validator(0), &mut net.rng).unwrap(),
        })
        .collect();
    let request = SigningRequest { digest: DIGEST, signers: list };
    let by_other = net.signers[1].sign(validator(3), &request, &mut net.rng).unwrap();
    assert!(matches!(by_other, SigningReply::Refused { reason: Refusal::UnknownNonces, .. }));
    let by_owner = net.signers[1].sign(validator(0), &request, &mut net.rng).unwrap();
    assert!(matches!(by_owner, SigningReply::Shares { .. }));
    let stranger = Address::repeat_byte(0xee);
    assert!(net.signers[1].sign(stranger, &request, &mut net.rng).is_none());
    assert!(net.signers[1].commit(stranger, &mut net.rng).is_none());
}

#[test]
fn bad_lists_are_refused() {
    let mut net = Net::new(&[1, 2, 1, 1], &[]);
    let list: Vec<_> = (0..4)
        .map(|number| SignerCommitments {
            signer: validator(number),
            commitments: net.signers[number].commit(validator(0), &mut net.rng).unwrap(),
        })
        .collect();
    let good = SigningRequest { digest: DIGEST, signers: list };
    let spoil: [fn(&mut SigningRequest); 7] = [
        |r| r.signers.truncate(2),
        |r| r.signers.swap(0, 1),
        |r| r.signers.push(r.signers[3].clone()),
        |r| r.signers[3].signer = Address::repeat_byte(0xee),
        |r| r.signers[0].commitments.0[0].hiding = [0; 33],
        |r| r.signers[0].commitments.0.clear(),
        |r| r.signers[1].commitments.0.truncate(1),
    ];
    for spoil in spoil {
        let mut request = good.clone();
        spoil(&mut request);
        let reply = net.signers[2].sign(validator(0), &request, &mut net.rng).unwrap();
        let SigningReply::Refused { reason, session, .. } = reply else { panic!("it signed {request:?}") };
        assert_eq!(session, request.session());
        assert_eq!(reason, Refusal::BadList);
    }
}

#[test]
fn unused_nonces_are_bounded() {
    let mut net = Net::new(&[1, 1], &[]);
    let sets = crate::limits::NONCE_SETS_PER_COORDINATOR;
    let commitments: Vec<_> = (0..=sets).map(|_| net.signers[1].commit(validator(0), &mut net.rng).unwrap()).collect();
    assert_eq!(BTreeSet::from_iter(commitments.clone()).len(), sets + 1);
    let mine: Vec<_> = (0..=sets).map(|_| net.signers[0].commit(validator(0), &mut net.rng).unwrap()).collect();
    let mut sign = |at: usize| {
        let signers = vec![
            SignerCommitments { signer: validator(0), commitments: mine[at].clone() },
            SignerCommitments { signer: validator(1), commitments: commitments[at].clone() },
        ];
        let reply = net.signers[1].sign(validator(0), &SigningRequest { digest: DIGEST, signers }, &mut net.rng);
        matches!(reply, Some(SigningReply::Shares { .. }))
    };
    assert!(!sign(0), "the oldest was dropped");
    assert!(sign(sets));
}

#[test]
fn digests_at_a_time_are_bounded() {
    let mut net = Net::new(&[1, 1, 1, 1], &[(1, Conduct::Dead), (2, Conduct::Dead)]);
    let digests: Vec<_> = (0..=crate::limits::MAX_DIGESTS as u8).map(B256::repeat_byte).collect();
    let (last, first) = digests.split_last().unwrap();
    for digest in first {
        net.begin(*digest);
        net.begin(*digest);
    }
    assert_eq!(net.coordinator.begin(*last, net.now_ms), Err(BeginError::Busy));
    net.coordinator.cancel(first[0]);
    assert!(net.coordinator.begin(*last, net.now_ms).is_ok());
}

#[test]
fn malformed_commitments_and_shares_are_named() {
    let mut net = Net::new(&[1, 1, 1, 1], &[]);
    let none = NonceCommitments(Vec::new());
    let outputs = net.coordinator.on_commitments(validator(1), none, net.now_ms);
    assert!(outputs.contains(&CoordinatorOutput::Fault { validator: validator(1), fault: Fault::Malformed }));
    net.conduct[0] = Conduct::Silent;
    net.settle(outputs);
    net.begin(DIGEST);
    let session = net.requests[0].1.session();
    let next = net.signers[0].commit(validator(0), &mut net.rng).unwrap();
    let reply = SigningReply::Shares { session, shares: vec![[0xff; 32]], next };
    let outputs = net.coordinator.on_reply(validator(0), reply, net.now_ms);
    assert!(outputs.contains(&CoordinatorOutput::Fault { validator: validator(0), fault: Fault::Malformed }));
    assert!(outputs.contains(&CoordinatorOutput::Failed { digest: DIGEST, failure: Failure::TooFewSigners }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = SigningMessage::from_bytes(&bytes);
    }

    #[test]
    fn no_spoilt_message_makes_it_panic(at in any::<prop::sample::Index>(), flip in 1u8.., from in 0usize..5) {
        let mut net = Net::new(&[1, 2, 1, 1], &[(1, Conduct::Silent)]);
        net.begin(DIGEST);
        let request = net.requests[0].1.clone();
        let reply = net.signers[1].sign(validator(0), &request, &mut net.rng).unwrap();
        let from = validator(from);
        for body in [SigningBody::Request(request), SigningBody::Reply(reply)] {
            let mut bytes = SigningMessage { group: B256::ZERO, body }.to_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            match SigningMessage::from_bytes(&bytes).map(|message| message.body) {
                Ok(SigningBody::Request(request)) => drop(net.signers[0].sign(from, &request, &mut net.rng)),
                Ok(SigningBody::Reply(reply)) => drop(net.coordinator.on_reply(from, reply, net.now_ms)),
                Ok(SigningBody::Commitments(c)) => drop(net.coordinator.on_commitments(from, c, net.now_ms)),
                _ => {}
            }
        }
    }

    #[test]
    fn any_bearable_mix_of_faults_is_borne(seed in any::<u64>(), kinds in proptest::collection::vec(0u8..4, 3)) {
        // Ten shares over seven validators, threshold seven.
        let weights = [1, 2, 1, 2, 1, 2, 1];
        let mut conduct = Vec::new();
        let mut left = 3u64;
        for (turn, kind) in kinds.iter().enumerate() {
            let number = (seed as usize).wrapping_add(turn * 3) % weights.len();
            if weights[number] > left || conduct.iter().any(|(n, _)| *n == number) {
                continue;
            }
            left -= weights[number];
            let kinds = [Conduct::Dead, Conduct::Silent, Conduct::Liar, Conduct::Busy(u64::MAX)];
            conduct.push((number, kinds[usize::from(*kind)]));
        }
        let mut net = Net::new(&weights, &conduct);
        net.begin(DIGEST);
        net.run();
        net.assert_signed(DIGEST);
        let liars: BTreeSet<_> =
            conduct.iter().filter(|(_, c)| *c == Conduct::Liar).map(|(n, _)| validator(*n)).collect();
        prop_assert!(net.coordinator.liars().all(|liar| liars.contains(&liar)));
    }
}

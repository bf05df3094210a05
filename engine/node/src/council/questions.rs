//! What must be true before this node votes for a control block: it holds the blocks, and L1 says the same. While the
//! answer is not known there is none, which is no refusal.

use std::time::Duration;

use horae_control::command::{L1Event, Question};
use horae_control::{BlockFacts, BlockId, L1View};
use horae_stages::L1View as StageView;
use tokio::sync::oneshot;

use crate::edges::l1::L1;
use crate::replica::{FactsQuestion, HoldsQuestion, Input, ReplicaInbox};

/// How often L1 is asked again while it does not have the answer yet.
const L1_RETRY: Duration = Duration::from_millis(400);
/// A replica that does not answer by then holds nothing.
const FACTS_TIMEOUT: Duration = Duration::from_millis(250);

/// Whether everything asked is true.
pub(super) enum Answer {
    /// It is.
    True,
    /// It is not.
    False(String),
    /// Not known, and no longer asked.
    Unknown,
}

/// Answers when it can; `gone` says whether anybody still wants to know.
pub(super) async fn answer_all(
    questions: Vec<Question>,
    replica: &ReplicaInbox,
    l1: &L1,
    gone: &(impl Fn() -> bool + Sync),
) -> Answer {
    for question in questions {
        let answer = match question {
            Question::HoldsBlocks(blocks) => holds(blocks, replica).await,
            Question::L1Matches { after, number, hash, events } => {
                l1_matches(after, L1View { number, hash }, &events, l1, gone).await
            }
        };
        if !matches!(answer, Answer::True) {
            return answer;
        }
    }
    Answer::True
}

async fn holds(blocks: Vec<BlockFacts>, replica: &ReplicaInbox) -> Answer {
    let (reply, answer) = oneshot::channel();
    replica.tell(Input::Holds(HoldsQuestion { blocks, reply }));
    answer.await.map_or(Answer::Unknown, |()| Answer::True)
}

async fn l1_matches(
    after: L1View,
    to: L1View,
    events: &[L1Event],
    l1: &L1,
    gone: &(impl Fn() -> bool + Sync),
) -> Answer {
    let (after, to) = (stage_view(after), stage_view(to));
    while !gone() {
        let deep_enough = l1.view_candidate().await.is_ok_and(|candidate| candidate.view.number >= to.number);
        if deep_enough {
            match l1.events(after, to).await {
                Ok(ours) if ours == events => return Answer::True,
                Ok(_) => return Answer::False(format!("L1 says other events up to block {}", to.number)),
                Err(why) if why.is_transient() => {}
                Err(why) => return Answer::False(why.to_string()),
            }
        }
        tokio::time::sleep(L1_RETRY).await;
    }
    Answer::Unknown
}

fn stage_view(view: L1View) -> StageView {
    StageView { number: view.number, hash: view.hash }
}

/// What the replica knows of these blocks.
pub(super) async fn facts_known(blocks: Vec<BlockId>, replica: &ReplicaInbox) -> Vec<BlockFacts> {
    if blocks.is_empty() {
        return Vec::new();
    }
    let (reply, answer) = oneshot::channel();
    replica.tell(Input::Facts(FactsQuestion { blocks, reply }));
    match tokio::time::timeout(FACTS_TIMEOUT, answer).await {
        Ok(Ok(facts)) => facts,
        _ => Vec::new(),
    }
}

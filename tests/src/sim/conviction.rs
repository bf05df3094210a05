//! Whom evidence may convict: liars alone.

use std::collections::BTreeSet;

use alloy_primitives::Address;
use horae_control::{Evidence, Term};

use super::judge::{Verdict, Violation};

/// Evidence that holds, against somebody who is no liar, is a violation.
pub(super) fn convict(evidence: &Evidence, term: &Term, liars: &BTreeSet<Address>) -> Verdict {
    match evidence.verify(term) {
        Ok(who) if liars.contains(&who) => Ok(()),
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

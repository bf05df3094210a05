//! Rules that look plausible and are wrong: each must be found by the search.
//!
//! All but the quorum are planted around the code that ships, not in it: what a restart reads back, which refusals of
//! the voter are overruled, how the head is chosen.

use crate::record::Record;
use crate::voter::Refused;

/// What is wrong with the honest validators, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// A quorum is taken to be one validator less.
    QuorumOffByOne,
    /// Blocks are acked after the close vote.
    AckAfterClose,
    /// The close vote binds in the slot of the block acked last, not in the slots after it.
    CloseOfSlotOnly,
    /// A block is acked though the one below was not.
    AckWithGap,
    /// A slot begins, and its first block is acked, without the certificate of the block below.
    NoHandoverCertificate,
    /// A restart does not read certificates back.
    CertificateForgotten,
    /// A restart does not read the close vote back.
    CloseForgotten,
    /// A restart does not read acks back.
    AckForgotten,
    /// A restart does not read the note of the begun slot back.
    BegunForgotten,
    /// Close votes do not list the blocks acked above the certificate.
    NothingListed,
    /// The head is the highest block that any vote shows.
    LongestChain,
    /// The head is searched from the term's parent, by acks alone: certificates do not count.
    AcksAlone,
    /// Certificates of an earlier term count.
    StaleCertificate,
    /// A block counts as committed as soon as it is certified.
    CommitOnOneRound,
    /// A closing is voted for though it lists a block that nobody honest holds.
    PhantomHead,
}

impl Fault {
    /// Whether a restart reads this record back; it may also come back altered.
    pub(super) fn survives(self, record: &mut Record) -> bool {
        match record {
            Record::Ack { adopted, .. } if self == Self::CertificateForgotten => *adopted = None,
            Record::Ack { .. } => return self != Self::AckForgotten,
            Record::Certificate { .. } => return self != Self::CertificateForgotten,
            Record::Close(_) => return self != Self::CloseForgotten,
            Record::SlotBegun { .. } => return self != Self::BegunForgotten,
        }
        true
    }

    /// Whether the block is acked though the voter refuses it. `later_slot`: it is of a later slot than the block acked
    /// last.
    pub(super) fn overrules(self, refused: &Refused, later_slot: bool) -> bool {
        match self {
            Self::AckAfterClose => matches!(refused, Refused::VotedToClose { .. }),
            Self::CloseOfSlotOnly => later_slot && matches!(refused, Refused::VotedToClose { .. }),
            Self::AckWithGap => matches!(refused, Refused::Gap { .. }),
            Self::NoHandoverCertificate => matches!(refused, Refused::CertificateMissing { .. }),
            _ => false,
        }
    }
}

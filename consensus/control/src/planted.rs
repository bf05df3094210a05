//! Faults put into the code on purpose, to see that the simulator notices them and that a cluster survives a liar.
//!
//! The feature `planted` compiles them in, and nothing but tests turns it on: without it [`planted!`](crate::planted) is
//! `false`, and no name below is in the binary.

#[cfg(feature = "planted")]
use std::sync::atomic::{AtomicU8, Ordering};

/// Whether a fault is planted in this process: `planted!(NoFence)`.
#[cfg(feature = "planted")]
#[macro_export]
macro_rules! planted {
    ($fault:ident) => {
        $crate::planted::is_planted($crate::planted::Fault::$fault)
    };
}

/// Whether a fault is planted in this process: never, in this build.
#[cfg(not(feature = "planted"))]
#[macro_export]
macro_rules! planted {
    ($fault:ident) => {
        false
    };
}

#[cfg(feature = "planted")]
macro_rules! faults {
    ($($(#[doc = $doc:literal])* $fault:ident = $name:literal,)*) => {
        /// A fault that can be planted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Fault {
            $($(#[doc = $doc])* $fault,)*
        }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$fault,)*];

            /// The name that command lines and reports use.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$fault => $name,)*
                }
            }

            /// The fault of this name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|fault| fault.name() == name)
            }
        }
    };
}

#[cfg(feature = "planted")]
faults! {
    /// Half of the weights and one more are taken for more than two thirds.
    QuorumOffByOne = "planted:quorum-off-by-one",
    /// An ack leaves before it is on stable storage.
    AckBeforeStored = "planted:ack-before-stored",
    /// A validator acks in a term that it has voted to close.
    AckAfterClose = "planted:ack-after-close",
    /// A close vote counts for its slot whatever its term.
    CloseForSlotOnly = "planted:close-for-slot-only",
    /// A deposed sequencer goes on, and the others go on to follow it.
    NoFence = "planted:no-fence",
    /// A closed term ends at the highest block that anyone lists.
    HeadByLongestChain = "planted:head-by-longest-chain",
    /// A closed term ends where most acks are, certificates notwithstanding.
    HeadByAcksAlone = "planted:head-by-acks-alone",
    /// A block is committed as soon as it is certified.
    CommitOnOneRound = "planted:commit-on-one-round",
    /// A certificate of an earlier term counts in a close vote.
    EarlierCertificate = "planted:earlier-certificate",
    /// A closed term may end at a block that nobody holds.
    PhantomHead = "planted:phantom-head",
    /// Commits do not reopen the window of blocks that may be acked.
    WindowStaysShut = "planted:window-stays-shut",
    /// A sequencer that starts again goes on sealing in the slot that it had begun.
    RestartedSequencerSeals = "planted:restarted-sequencer-seals",
    /// A signing nonce serves a second time.
    NonceTwice = "planted:nonce-twice",
    /// A certificate counts validators instead of their weights.
    CertificateByHeads = "planted:certificate-by-heads",
    /// What L1 shows is applied before it is agreed.
    UnagreedL1Event = "planted:unagreed-l1-event",
    /// The bytes of the last batch are carried again as the next one.
    DuplicateBatch = "planted:duplicate-batch",
    /// Transactions of a sequencer that fell are not sent to the next one.
    LostResend = "planted:lost-resend",
    /// A node on an old copy of its disk speaks without asking what it had said.
    OldBackupSpeaks = "planted:old-backup-speaks",
    /// A validator acks a block whose parent it has not acked.
    AckWithGap = "planted:ack-with-gap",
    /// A certificate is not stored with the ack that names it.
    CertificateNotStored = "planted:certificate-not-stored",
    /// An epoch opens while the term goes on.
    EpochWithoutClosing = "planted:epoch-without-closing",
    /// A block far ahead of the clock may become the head of a closed term.
    HeadFromTheFuture = "planted:head-from-the-future",
    /// The registration of an incarnation is no reason to close the open term.
    QuietIncarnation = "planted:quiet-incarnation",
    /// The sequencer seals two blocks at one height, and shows each to a part of the others.
    EquivocatingSequencer = "planted:equivocating-sequencer",
    /// A signer's shares of signatures are wrong.
    LyingSigner = "planted:lying-signer",
    /// A signer never answers.
    SilentSigner = "planted:silent-signer",
}

#[cfg(feature = "planted")]
const NOTHING: u8 = u8::MAX;

#[cfg(feature = "planted")]
static PLANTED: AtomicU8 = AtomicU8::new(NOTHING);

/// Plants one fault in this process, or none.
#[cfg(feature = "planted")]
pub fn plant(fault: Option<Fault>) {
    PLANTED.store(fault.map_or(NOTHING, |fault| fault as u8), Ordering::SeqCst);
}

/// Whether this fault is planted.
#[cfg(feature = "planted")]
#[must_use]
pub fn is_planted(fault: Fault) -> bool {
    PLANTED.load(Ordering::Relaxed) == fault as u8
}

//! Faults put into the code on purpose: to see that a cluster survives a liar, and that the simulator finds what is wrong.
//!
//! The first few make a liar of a real process (`tests/tests/byzantine.rs`). The others break one rule in every node, at the
//! place where the rule is kept, and the simulator's judge has to find each (`tests/tests/planted.rs`).
//!
//! The feature `planted` compiles them in, and nothing but tests turns it on: without it [`planted!`](crate::planted) is
//! `false`, and no name below is in the binary.

#[cfg(feature = "planted")]
use std::sync::atomic::{AtomicU8, Ordering};

/// Whether a fault is planted in this process: `planted!(SilentSigner)`.
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
    /// The sequencer seals two blocks at one height, and shows each to a part of the others.
    EquivocatingSequencer = "planted:equivocating-sequencer",
    /// A signer's shares of signatures are wrong.
    LyingSigner = "planted:lying-signer",
    /// A signer never answers.
    SilentSigner = "planted:silent-signer",
    /// One unit of weight too few is taken for more than 2/3.
    QuorumOffByOne = "planted:quorum-off-by-one",
    /// More than 2/3 of the validators make a certificate, whatever their weights.
    CertificateByHeads = "planted:certificate-by-heads",
    /// A block counts as committed as soon as it is certified.
    CommitOnOneRound = "planted:commit-on-one-round",
    /// Acks leave before they are on stable storage.
    AckBeforeStored = "planted:ack-before-stored",
    /// The certificate that an ack names is not stored with it.
    CertificateNotStored = "planted:certificate-not-stored",
    /// Close votes leave before they are on stable storage.
    CloseBeforeStored = "planted:close-before-stored",
    /// A restart does not read the close vote back.
    CloseForgotten = "planted:close-forgotten",
    /// Blocks are sealed before the note of the begun slot is on stable storage.
    SealedBeforeNoted = "planted:sealed-before-noted",
    /// A restarted sequencer seals in the slot that it had begun.
    RestartedSequencerSeals = "planted:restarted-sequencer-seals",
    /// The head is acked though blocks below it were not.
    AckWithGap = "planted:ack-with-gap",
    /// Blocks are acked and certificates held after the close vote.
    AckAfterClose = "planted:ack-after-close",
    /// The close vote binds in the running slot, not in the later ones of its term.
    CloseForSlotOnly = "planted:close-for-slot-only",
    /// Close votes do not list the blocks acked above the certificate.
    NothingListed = "planted:nothing-listed",
    /// The certificate of an earlier term counts in a close vote.
    EarlierCertificate = "planted:earlier-certificate",
    /// The head is the highest block that a close vote lists, whatever weight is behind it.
    HeadByLongestChain = "planted:head-by-longest-chain",
    /// The head is searched from the term's parent, by acks alone: certificates do not count.
    HeadByAcksAlone = "planted:head-by-acks-alone",
    /// A closing is proposed and voted for though it lists blocks that are not held.
    PhantomHead = "planted:phantom-head",
    /// Blocks far ahead of the clock are acked, and closings on them voted for.
    HeadFromTheFuture = "planted:head-from-the-future",
    /// Blocks of a closed term are executed above its head.
    NoFence = "planted:no-fence",
    /// Neither commits nor decisions move the window of blocks that may be acked.
    WindowStaysShut = "planted:window-stays-shut",
    /// An L1 view is voted for without asking one's own L1, so that what one node shows is applied.
    UnagreedL1Event = "planted:unagreed-l1-event",
    /// A due epoch opens at once on the open term's parent; the term is not closed.
    EpochWithoutClosing = "planted:epoch-without-closing",
    /// A registered incarnation is no reason to close the open term.
    QuietIncarnation = "planted:quiet-incarnation",
    /// A node speaks without asking the others what it said, whatever disk it runs on.
    OldBackupSpeaks = "planted:old-backup-speaks",
    /// One answer is enough for a node to believe that it remembers all that it said.
    MemoryOfTooFew = "planted:memory-of-too-few",
    /// The source of randomness gives the same again, so that a nonce serves twice; sited in the simulator's edge.
    NonceTwice = "planted:nonce-twice",
    /// The inbox takes a batch again; sited in the simulator's L1.
    DuplicateBatch = "planted:duplicate-batch",
    /// Blocks leave out what the forced queue has made due, and nobody minds.
    ForcedLeftOut = "planted:forced-left-out",
    /// What was passed on to a sequencer is not kept for the next one.
    LostResend = "planted:lost-resend",
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

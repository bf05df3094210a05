//! Faults put into the code on purpose, to see that a cluster survives a liar.
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

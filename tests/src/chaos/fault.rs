//! What is done to a sequencer, and undone.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::{child::send, devnet::Devnet};

/// A fault of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`; ended by a start.
    Kill,
    /// `SIGSTOP`; ended by `SIGCONT`.
    Freeze,
    /// Nothing that it sends arrives; it hears the others.
    Mute,
    /// Nothing arrives that it is sent; the others hear it.
    Deaf,
}

impl Fault {
    /// Those that come to a process.
    pub const PROCESS: &'static [Self] = &[Self::Kill, Self::Freeze];
    /// Those that come to links.
    pub const LINKS: &'static [Self] = &[Self::Mute, Self::Deaf];
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Kill, Self::Freeze, Self::Mute, Self::Deaf];

    /// Whether it takes relays between the nodes.
    #[must_use]
    pub fn needs_relays(self) -> bool {
        matches!(self, Self::Mute | Self::Deaf)
    }

    /// As lines of a run name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill -9",
            Self::Freeze => "SIGSTOP",
            Self::Mute => "cut off, unheard",
            Self::Deaf => "cut off, hearing nothing",
        }
    }

    /// 0 for a kill, 1 for a stop, 2 for links that are cut.
    #[must_use]
    pub fn kind(self) -> usize {
        match self {
            Self::Kill => 0,
            Self::Freeze => 1,
            Self::Mute | Self::Deaf => 2,
        }
    }

    /// Does it to a node.
    pub fn begin(self, devnet: &mut Devnet, victim: usize) {
        match self {
            Self::Kill => devnet.nodes[victim].kill(),
            Self::Freeze => send(devnet.nodes[victim].process(), Signal::SIGSTOP),
            Self::Mute | Self::Deaf => self.cut(devnet, victim, true),
        }
    }

    /// Undoes it; a node that was killed answers again afterwards.
    pub fn end(self, devnet: &mut Devnet, victim: usize, limit: Duration) {
        match self {
            Self::Kill => devnet.nodes[victim].start_and_wait(limit),
            Self::Freeze => send(devnet.nodes[victim].process(), Signal::SIGCONT),
            Self::Mute | Self::Deaf => self.cut(devnet, victim, false),
        }
    }

    fn cut(self, devnet: &Devnet, victim: usize, cut: bool) {
        for other in (0..devnet.nodes.len()).filter(|other| *other != victim) {
            let (from, to) = if self == Self::Mute { (victim, other) } else { (other, victim) };
            devnet.links().expect("links are cut only where they go through relays").cut(from, to, cut);
        }
    }
}

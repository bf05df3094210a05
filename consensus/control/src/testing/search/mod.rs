//! An exhaustive search over the slot protocol as it ships: four validators of weight 1, one of them Byzantine, two terms
//! of two slots and more, every order in which messages can arrive, be lost, and validators crash and start again.
//!
//! A world is what each honest validator has said and knows, and what was decided. What a validator makes of an event is
//! asked of the real [`Voter`]; whether something is certified or committed of the real [`Tally`](crate::tally::Tally) and
//! [`Commit::verify`]; what a closing leads to of the real [`ControlState`]; whether somebody is convicted of the real
//! [`Evidence`](crate::evidence::Evidence). Only the answers are remembered, never re-implemented.
//!
//! The bound is the tree of blocks that may be sealed ([`Shape`]): its height, and the children a block can have. Within
//! it nothing is left out: the Byzantine validator seals every block of its slots and shows each to whom it likes, acks
//! everything, and votes to close with any certificate and any run of blocks there is.
//!
//! Two terms are two searches: after the closing is decided, the validators that have not heard of it go on in the first
//! term; the second is searched from every distinct outcome of the first. That loses nothing, as a voter that opens a
//! term takes nothing along from an earlier one (checked of every mind), except certificates, which are shown again.

mod closing;
mod explore;
mod fault;
mod mind;
mod shown;
mod tests;
mod tree;
mod universe;

use alloy_primitives::map::HashMap;

use super::keys_of;
use crate::sign::SignerKey;
use crate::state::ControlState;
use crate::statement::{Certificate, Commit, SignedBlock};
use crate::term::Term;
use closing::{Closings, Votes};
use fault::Fault;
use mind::{Key, Mind, MindId};
use shown::WAYS;
use tree::{Mask, Shape, Tree};

/// An invariant that does not hold.
type Violation = String;

/// The search of one term.
struct Search {
    fault: Fault,
    /// Minds are told apart by all they keep: slow, to check that merging them loses nothing.
    exact: bool,
    /// Nobody looks for evidence against honest validators, so that a planted fault must break something else.
    blind: bool,
    /// The window is narrower than the tree is high, so commits matter to what is acked.
    tight: bool,
    control: ControlState,
    term: Term,
    tree: Tree,
    /// In the order of the set.
    keys: Vec<SignerKey>,
    byzantine: usize,
    /// Places of the honest validators in the set.
    honest: [usize; 3],
    /// Blocks that each of them may seal, that the Byzantine validator has sealed, that it shows, and by height.
    led: [Mask; 3],
    byzantine_blocks: Mask,
    shown: Mask,
    levels: Vec<Mask>,
    /// Blocks of the term before, with their certificates.
    stale: Vec<(SignedBlock, Certificate)>,
    minds: Vec<Mind>,
    known: HashMap<Key, MindId>,
    votes: Votes,
    closings: Closings,
    certifiable: Vec<[Option<bool>; 8]>,
    /// For each block, by who acked it: see `shown`.
    certificates: Vec<[Option<Certificate>; WAYS]>,
    committable: HashMap<(u8, [u8; 3]), bool>,
    commits: Vec<Option<Commit>>,
    excused: HashMap<(usize, usize), bool>,
}

impl Search {
    fn new(fault: Fault, control: ControlState, byzantine: usize, shape: &Shape) -> Self {
        let term = control.open_term().expect("a term is open").clone();
        let tree = Tree::grow(&term, byzantine, shape);
        let honest: Vec<usize> = (0..4).filter(|at| *at != byzantine).collect();
        let honest = [honest[0], honest[1], honest[2]];
        let blocks = tree.nodes.len();
        let shown = tree.blocks().filter(|at| !tree.nodes[*at].phantom).fold(0, |mask, at| mask | 1 << at);
        let above = |at: usize| (tree.number(at) - term.parent.id.number) as usize;
        let mut levels = vec![0; shape.byzantine.len().max(shape.honest.len()) + 1];
        tree.blocks().for_each(|at| levels[above(at)] |= 1 << at);
        Self {
            fault,
            exact: false,
            blind: false,
            tight: term.window_blocks < levels.len() as u64 - 1,
            keys: keys_of(&term.set),
            byzantine,
            honest,
            led: honest.map(|at| tree.led_by(at)),
            byzantine_blocks: tree.led_by(byzantine),
            shown,
            levels,
            stale: vec![],
            minds: vec![],
            known: HashMap::default(),
            votes: Votes::default(),
            closings: Closings::default(),
            certifiable: vec![[None; 8]; blocks],
            certificates: vec![const { [const { None }; WAYS] }; blocks],
            committable: HashMap::default(),
            commits: vec![None; blocks],
            excused: HashMap::default(),
            control,
            term,
            tree,
        }
    }
}

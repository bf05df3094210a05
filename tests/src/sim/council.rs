//! The edges of one simulated council: what it says is put aside for the world to carry, its files are in memory, its
//! randomness is seeded.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::Address;
use horae_control::{ControlState, SignedEngineStatement, VotePlace, planted};
use horae_mpc::Fault;
use horae_node::chain_view::{ChainEvent, SigningFaults};
use horae_node::council::message::{LinkMessage, YouSaid};
use horae_node::council::{CouncilIo, IncarnationFileError, StateFileError, Work};
use horae_node::keys::KeyError;
use horae_node::replica::{Input, NewestKnown, NewestQuestion, RunningSlot};
use horae_tendermint::{NodeKey, OwnVotes, Part};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// A node's files beside the journal and the store. Writes are durable at once, as the node's are.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// The control state.
    pub state: Option<ControlState>,
    /// The lowest incarnation that may speak.
    pub incarnation: u64,
    /// Decided heights in the engine's log.
    pub decided: u64,
    /// The newest that the decided log shows of every validator.
    pub shown: BTreeMap<Address, SignedEngineStatement>,
    /// Its newest vote in the engine's write-ahead log.
    pub voted: Option<VotePlace>,
    sealed: BTreeMap<String, Vec<u8>>,
}

impl Files {
    /// Loses the newer half of the decided log, what it shows, and its newest vote; how many heights.
    pub fn cut_decisions(&mut self) -> u64 {
        let keep = self.decided / 2;
        self.voted = None;
        self.shown.retain(|_, shown| shown.statement.place().height <= keep);
        std::mem::replace(&mut self.decided, keep) - keep
    }

    /// Loses the decided log, what it shows, its newest vote and the control state; how many heights.
    pub fn lose_control_plane(&mut self) -> u64 {
        (self.voted, self.state) = (None, None);
        self.shown.clear();
        std::mem::take(&mut self.decided)
    }
}

/// An answer to a validator that asks what it said, until the replica has added its part.
pub struct RecallAnswer {
    /// Who is answered.
    pub to: NodeKey,
    /// What the council knows.
    pub known: YouSaid,
    /// What the replica knows.
    pub newest: oneshot::Receiver<NewestKnown>,
}

/// One council's edges.
pub struct CouncilSide {
    /// Its files.
    pub files: Files,
    /// What was said and not yet carried; to nobody in particular means to all.
    pub said: Vec<(Option<NodeKey>, LinkMessage)>,
    /// For the replica.
    pub inputs: Vec<Input>,
    /// Work that was begun.
    pub work: Vec<Work>,
    /// Answers under way.
    pub recalls: Vec<RecallAnswer>,
    /// What the engine was told to be.
    pub part: Option<Part>,
    /// The agreed L1 view.
    pub agreed: horae_stages::L1View,
    /// How far the replica is.
    pub running: Arc<RunningSlot>,
    /// The newest vote of every validator that came by.
    pub heard: BTreeMap<Address, SignedEngineStatement>,
    /// Why this node cannot take its turns, as it shows it.
    pub trouble: Option<String>,
    /// What signers did wrong, as it shows it.
    pub signing_faults: SigningFaults,
    rng: ChaCha8Rng,
}

impl CouncilSide {
    /// Edges over these files.
    #[must_use]
    pub fn new(files: Files, seed: u64) -> Self {
        Self {
            files,
            said: Vec::new(),
            inputs: Vec::new(),
            work: Vec::new(),
            recalls: Vec::new(),
            part: None,
            agreed: horae_stages::L1View::default(),
            running: Arc::default(),
            heard: BTreeMap::new(),
            trouble: None,
            signing_faults: SigningFaults::default(),
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }
}

impl CouncilSide {
    /// A decision is in the log, with what its deciders signed.
    pub fn remember(&mut self, precommits: &[(Address, SignedEngineStatement)]) {
        self.files.shown.extend(precommits.iter().copied());
    }
}

impl CouncilIo for CouncilSide {
    type Rng = ChaCha8Rng;

    fn rng(&mut self) -> &mut ChaCha8Rng {
        if planted!(NonceTwice) {
            self.rng.set_word_pos(0);
        }
        &mut self.rng
    }

    fn send(&mut self, to: NodeKey, message: &LinkMessage) {
        self.said.push((Some(to), message.clone()));
    }

    fn broadcast(&mut self, message: &LinkMessage) {
        self.said.push((None, message.clone()));
    }

    fn wake(&mut self) {}

    fn take_part(&mut self, part: Part) {
        self.part.get_or_insert(part);
    }

    fn own_votes(&self) -> OwnVotes {
        OwnVotes { decided_height: self.files.decided, newest: self.files.voted }
    }

    fn oldest_kept(&self) -> Option<u64> {
        None
    }

    fn newest_of(&self, validator: Address) -> Option<SignedEngineStatement> {
        let known = [&self.heard, &self.files.shown].into_iter().filter_map(|known| known.get(&validator));
        known.max_by_key(|shown| shown.statement.place()).copied()
    }

    fn answer_recall(&mut self, to: NodeKey, asker: Address, known: YouSaid) {
        let (reply, newest) = oneshot::channel();
        self.inputs.push(Input::Newest(NewestQuestion { validator: asker, reply }));
        self.recalls.push(RecallAnswer { to, known, newest });
    }

    fn prune_below(&mut self, _height: u64) {}

    fn tell(&mut self, input: Input) {
        self.inputs.push(input);
    }

    fn event(&mut self, _event: ChainEvent) {}

    fn publish(&mut self, state: &ControlState) {
        let view = state.l1_view();
        self.agreed = horae_stages::L1View { number: view.number, hash: view.hash };
    }

    fn save(&mut self, state: &ControlState) -> Result<(), StateFileError> {
        self.files.state = Some(state.clone());
        Ok(())
    }

    fn note_incarnation(&mut self, incarnation: u64) -> Result<(), IncarnationFileError> {
        self.files.incarnation = incarnation;
        Ok(())
    }

    fn seal(&mut self, name: &str, secret: &[u8]) -> Result<(), KeyError> {
        self.files.sealed.insert(name.to_owned(), secret.to_vec());
        Ok(())
    }

    fn unseal(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
        Ok(self.files.sealed.get(name).cloned().map(Zeroizing::new))
    }

    fn erase(&mut self, name: &str) -> Result<(), KeyError> {
        self.files.sealed.remove(name);
        Ok(())
    }

    fn begin(&mut self, work: Work) {
        self.work.push(work);
    }

    fn carries(&self) -> bool {
        true
    }

    fn running(&self) -> Arc<RunningSlot> {
        self.running.clone()
    }

    fn is_drained(&self) -> bool {
        false
    }

    fn show_trouble(&mut self, trouble: Option<String>) {
        self.trouble = trouble;
    }

    fn note_signing_fault(&mut self, validator: Address, fault: Fault, now_ms: u64) {
        self.signing_faults.note(validator, &fault, now_ms);
    }
}

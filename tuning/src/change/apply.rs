//! Applying: the record first, then one write after the other, each read back.

use serde::Serialize;

use super::record::{Kept, Lock, Value};
use super::{ChangeError, Foreign, demand_root};
use crate::checks::Change;
use crate::machine::Root;

/// Changes that are being written.
pub struct Application {
    root: Root,
    kept: Kept,
    waiting: std::vec::IntoIter<Planned>,
    _lock: Lock,
}

struct Planned {
    change: Change,
    outcome: Option<Outcome>,
    foreign: Option<Foreign>,
}

/// What came of one change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// The change.
    pub change: Change,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What somebody else had set since an earlier apply; from now on that is what was there before.
    pub taken_over: Option<Foreign>,
}

/// How a write went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Written, and read back as it was written.
    Written {
        /// What was there.
        before: String,
    },
    /// It was so already.
    Already,
    /// The kernel took it and made something else of it.
    Bent {
        /// What is there now.
        found: String,
    },
    /// The kernel refused.
    Refused {
        /// What it said.
        why: String,
    },
}

impl Application {
    /// Notes what is there, on disk. Nothing is written to the machine yet.
    ///
    /// # Errors
    /// [`ChangeError`]
    pub fn begin(root: &Root, changes: Vec<Change>) -> Result<Self, ChangeError> {
        demand_root(root, "apply")?;
        let lock = Lock::take(root)?;
        let kept = Kept::load(root)?.filter(|kept| kept.is_of_this_start(root));
        let mut kept = kept.unwrap_or_else(|| Kept::new(root));
        let planned: Vec<_> = changes.into_iter().map(|change| note(root, &mut kept, change)).collect();
        if !kept.values.is_empty() {
            kept.save(root)?;
        }
        Ok(Self { root: root.clone(), kept, waiting: planned.into_iter(), _lock: lock })
    }

    /// Makes the next write; none when all are made.
    ///
    /// # Errors
    /// [`ChangeError`] if the record cannot be kept up.
    ///
    /// # Panics
    /// Never: what has no outcome yet was noted by [`begin`](Self::begin).
    pub fn step(&mut self) -> Option<Result<Applied, ChangeError>> {
        let Planned { change, outcome, foreign } = self.waiting.next()?;
        let outcome = match outcome {
            Some(outcome) => outcome,
            None => match self.write(&change) {
                Ok(outcome) => outcome,
                Err(error) => return Some(Err(error)),
            },
        };
        Some(Ok(Applied { change, outcome, taken_over: foreign }))
    }

    fn write(&mut self, change: &Change) -> Result<Outcome, ChangeError> {
        let written = self.root.write(&change.path, &change.value);
        let found = self.root.read(&change.path).map(|text| change.form.meaning(&text)).unwrap_or_default();
        let noted = self.kept.values.iter_mut().find(|value| value.path == change.path);
        let value = noted.expect("a change without an outcome is noted before anything is written");
        let outcome = match written {
            Err(error) => Outcome::Refused { why: error.to_string() },
            Ok(()) if found == value.written => return Ok(Outcome::Written { before: value.before.clone() }),
            Ok(()) => Outcome::Bent { found: found.clone() },
        };
        value.written = found;
        self.kept.save(&self.root)?;
        Ok(outcome)
    }
}

/// Notes what is there before `change`, unless an earlier apply has.
fn note(root: &Root, kept: &mut Kept, change: Change) -> Planned {
    let wanted = change.form.meaning(&change.value);
    let before = match root.read(&change.path) {
        Ok(text) => change.form.meaning(&text),
        Err(absent) => {
            let why = absent.to_string();
            return Planned { change, outcome: Some(Outcome::Refused { why }), foreign: None };
        }
    };
    if before == wanted {
        return Planned { change, outcome: Some(Outcome::Already), foreign: None };
    }
    let Some(value) = kept.values.iter_mut().find(|value| value.path == change.path) else {
        let (path, form) = (change.path.clone(), change.form);
        kept.values.push(Value { path, form, before, written: wanted });
        return Planned { change, outcome: None, foreign: None };
    };
    let is_foreign = before != value.written && before != value.before;
    let foreign = is_foreign.then(|| Foreign { written: value.written.clone(), found: before.clone() });
    if is_foreign {
        value.before = before;
    }
    value.written = wanted;
    Planned { change, outcome: None, foreign }
}

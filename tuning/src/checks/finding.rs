//! What a check says.

use serde::{Deserialize, Serialize};

use crate::machine::CpuSet;

/// The answer of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check.
    pub check: &'static str,
    /// How it stands.
    pub state: State,
    /// What is there.
    pub found: String,
    /// What the profile wants to be there.
    pub wants: String,
    /// What it costs otherwise.
    pub why: &'static str,
    /// What would put it right.
    pub remedy: Remedy,
}

/// How a check stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As wanted.
    Well,
    /// Not as wanted: it costs something.
    Costs,
    /// The machine has nothing of the kind (a virtual machine has no governor), or does not tell.
    Unknown,
    /// The profile has no use for it: it shares the machine.
    NotAsked,
}

/// What would put a finding right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// What can be written while the machine runs.
    pub changes: Vec<Change>,
    /// What only the kernel's boot line can do.
    pub boot: Vec<String>,
    /// What has to be done elsewhere.
    pub elsewhere: Option<String>,
}

/// A value for a file of the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The file, from the root on.
    pub path: String,
    /// How its text is read.
    pub form: Form,
    /// What to write.
    pub value: String,
}

/// How the text of a file of the kernel is read, so that two texts with one meaning are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Words with any white space between.
    Words,
    /// One of several in brackets: `always [madvise] never`.
    Choice,
    /// A list of processors.
    CpuList,
    /// A mask of processors.
    CpuMask,
}

impl Form {
    /// The text's meaning, in the one way in which it can be written back.
    #[must_use]
    pub fn meaning(self, text: &str) -> String {
        let words = || text.split_whitespace().collect::<Vec<_>>().join(" ");
        match self {
            Self::Words => words(),
            Self::Choice => {
                let chosen = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
                chosen.map_or_else(words, |(chosen, _)| chosen.to_owned())
            }
            Self::CpuList => CpuSet::parse_list(text).map_or_else(words, |set| set.to_string()),
            Self::CpuMask => CpuSet::parse_mask(text).map_or_else(words, |set| set.mask()),
        }
    }
}

impl Finding {
    /// A check with what it wants and why; nothing found yet.
    pub(crate) fn of(check: &'static str, wants: impl Into<String>, why: &'static str) -> Self {
        Self { check, state: State::Unknown, found: String::new(), wants: wants.into(), why, remedy: Remedy::default() }
    }

    /// Whether it costs something as it is.
    #[must_use]
    pub fn costs(&self) -> bool {
        self.state == State::Costs
    }

    pub(crate) fn well(self, found: impl Into<String>) -> Self {
        Self { state: State::Well, found: found.into(), ..self }
    }

    pub(crate) fn unknown(self, found: impl Into<String>) -> Self {
        Self { state: State::Unknown, found: found.into(), ..self }
    }

    pub(crate) fn not_asked(self) -> Self {
        let found = "the profile has no thread that spins on a core of its own".to_owned();
        Self { state: State::NotAsked, found, ..self }
    }

    pub(crate) fn found(self, found: impl Into<String>, remedy: Remedy) -> Self {
        Self { state: State::Costs, found: found.into(), remedy, ..self }
    }
}

impl Remedy {
    /// Files to write.
    pub(crate) fn write(changes: Vec<Change>) -> Self {
        Self { changes, ..Self::default() }
    }

    /// Arguments for the boot line.
    pub(crate) fn boot(arguments: Vec<String>) -> Self {
        Self { boot: arguments, ..Self::default() }
    }

    /// Something that no file of the kernel does.
    pub(crate) fn elsewhere(what: impl Into<String>) -> Self {
        Self { elsewhere: Some(what.into()), ..Self::default() }
    }
}

impl Change {
    /// A value of plain words.
    pub(crate) fn words(path: impl Into<String>, value: impl Into<String>) -> Self {
        Self { path: path.into(), form: Form::Words, value: value.into() }
    }
}

//! Putting back what was there, the last write first.

use serde::Serialize;

use super::record::{Kept, Lock, Value};
use super::{ChangeError, Foreign, demand_root};
use crate::machine::{Absent, Root};

/// What came of a revert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reverted", rename_all = "snake_case")]
pub enum Reverted {
    /// There was no apply, or all of it has been put back.
    Nothing,
    /// The machine has been started anew since: nothing of an apply survives that.
    Restarted,
    /// Each value.
    Values {
        /// In the order in which they were put back.
        values: Vec<(String, PutBack)>,
    },
}

/// What became of one value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "became", rename_all = "snake_case")]
pub enum PutBack {
    /// What was there is there again.
    Restored {
        /// It.
        value: String,
    },
    /// It was there already: the write was never made, or somebody put it back.
    AsBefore,
    /// The file is gone.
    Gone,
    /// Somebody else has set it since; it is left so.
    Left(Foreign),
    /// The kernel refused.
    Refused {
        /// What it said.
        why: String,
    },
}

impl PutBack {
    /// Whether what was there is there.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Restored { .. } | Self::AsBefore | Self::Gone)
    }
}

/// Puts everything back. With `force`, over what somebody else has set as well. With `dry_run`, says what it would do.
///
/// What cannot be put back stays in the record, and the next revert tries it again.
///
/// # Errors
/// [`ChangeError`]
pub fn revert(root: &Root, force: bool, dry_run: bool) -> Result<Reverted, ChangeError> {
    if !dry_run {
        demand_root(root, "revert")?;
    }
    if Kept::load(root)?.is_none() {
        return Ok(Reverted::Nothing);
    }
    let _lock = if dry_run { None } else { Some(Lock::take(root)?) };
    let Some(kept) = Kept::load(root)? else { return Ok(Reverted::Nothing) };
    if !kept.is_of_this_start(root) {
        if !dry_run {
            Kept::remove(root)?;
        }
        return Ok(Reverted::Restarted);
    }
    let (mut values, mut left) = (Vec::new(), Vec::new());
    for value in kept.values.into_iter().rev() {
        let became = put_back(root, &value, force, dry_run);
        values.push((value.path.clone(), became.clone()));
        if !became.is_done() {
            left.insert(0, value);
        }
    }
    if !dry_run {
        match left.is_empty() {
            true => Kept::remove(root)?,
            false => Kept { boot_id: kept.boot_id, values: left }.save(root)?,
        }
    }
    Ok(Reverted::Values { values })
}

fn put_back(root: &Root, value: &Value, force: bool, dry_run: bool) -> PutBack {
    let read = || root.read(&value.path).map(|text| value.form.meaning(&text));
    let found = match read() {
        Ok(found) => found,
        Err(Absent::Missing) => return PutBack::Gone,
        Err(why) => return PutBack::Refused { why: why.to_string() },
    };
    if found == value.before {
        return PutBack::AsBefore;
    }
    if found != value.written && !force {
        return PutBack::Left(Foreign { written: value.written.clone(), found });
    }
    let restored = PutBack::Restored { value: value.before.clone() };
    if dry_run {
        return restored;
    }
    if let Err(error) = root.write(&value.path, &value.before) {
        return PutBack::Refused { why: error.to_string() };
    }
    match read() {
        Ok(now) if now == value.before => restored,
        Ok(now) => PutBack::Refused { why: format!("the kernel made {now:?} of {:?}", value.before) },
        Err(why) => PutBack::Refused { why: why.to_string() },
    }
}

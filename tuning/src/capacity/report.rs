//! The report of `make bench`, as far as the unit costs go.

use serde::{Deserialize, Serialize};

/// Rows of unit costs that are used, with their unit.
pub(super) const NAMES: [(&str, &str); 16] = [
    ("stage/decode", NS),
    ("stage/dedup", NS),
    ("stage/recover", NS),
    ("stage/admit", NS),
    ("stage/order", NS),
    ("stage/execute/transfer", NS),
    ("stage/seal", NS),
    ("stage/pack", NS),
    ("wire/tcp", NS),
    ("wire/quic", NS),
    ("wire/rpc", NS),
    ("journal/append", NS),
    ("journal/bytes", BYTES),
    ("store/bytes", BYTES),
    ("stream/bytes", BYTES),
    ("pack/best/bytes", BYTES),
];
/// Time of one core for one transaction, in nanoseconds.
const NS: &str = "ns/tx";
/// Bytes of one transaction.
const BYTES: &str = "B/tx";

/// What was measured, and on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The machine, in whatever words it was described.
    pub machine: serde_json::Map<String, serde_json::Value>,
    /// The figures.
    pub rows: Vec<Row>,
}

/// One figure. What a report has beyond it (baselines, ratios) is not needed here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// How much of it.
    pub value: f64,
    /// Of what.
    pub unit: String,
}

/// Why a report cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Not the JSON that `make bench` writes.
    #[error("{file} is no report of `make bench`: {why}")]
    Parse {
        /// The file.
        file: String,
        /// Where and what.
        why: String,
    },
    /// A row of another unit, or a figure that makes no sense.
    #[error("{file}: row {name}: {problem}")]
    Row {
        /// The file.
        file: String,
        /// The row.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Report {
    /// Reads a report; `file` is its name in errors.
    ///
    /// # Errors
    /// [`ReportError`]
    pub fn parse(file: &str, text: &str) -> Result<Self, ReportError> {
        let report: Self = serde_json::from_str(text)
            .map_err(|error| ReportError::Parse { file: file.to_owned(), why: error.to_string() })?;
        for (name, unit) in NAMES {
            let wrong = |problem| ReportError::Row { file: file.to_owned(), name: name.to_owned(), problem };
            let mut rows = report.rows.iter().filter(|row| row.name == name);
            let Some(row) = rows.next() else { continue };
            if row.unit != unit {
                return Err(wrong(format!("its unit is {:?}, {unit:?} is expected", row.unit)));
            }
            if !row.value.is_finite() || row.value <= 0.0 {
                return Err(wrong(format!("{} is no cost", row.value)));
            }
            if rows.next().is_some() {
                return Err(wrong("it is there twice".to_owned()));
            }
        }
        Ok(report)
    }

    /// The report that the committed page is made of.
    ///
    /// # Panics
    /// Never: a test reads it.
    #[must_use]
    pub fn committed() -> Self {
        Self::parse("tuning/capacity-input.json", super::COMMITTED_REPORT).expect("the committed report is whole")
    }

    /// The value of a row, if it was measured.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<f64> {
        self.rows.iter().find(|row| row.name == name).map(|row| row.value)
    }

    /// The report with nothing but what the page is made of, in the page's order.
    #[must_use]
    pub fn used(&self) -> Self {
        let rows =
            NAMES.iter().filter_map(|(name, _)| self.rows.iter().find(|row| row.name == *name)).cloned().collect();
        Self { machine: self.machine.clone(), rows }
    }

    /// As it is committed.
    ///
    /// # Panics
    /// Never: it was read from JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("names and finite numbers");
        text.push('\n');
        text
    }
}

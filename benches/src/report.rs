//! The report: a table for people, JSON for programs.

use std::fmt::Write as _;

use serde::Serialize;

use crate::args::Options;
use crate::machine::Machine;
use crate::sheet::{Better, Row, Sheet, Target};

/// Everything measured, as it is written to `report.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// The rows.
    pub rows: Vec<ReportRow>,
    /// What could not be measured, and why.
    pub missing: Vec<Missing>,
}

/// A row of the report.
#[derive(Clone, Debug, Serialize)]
pub struct ReportRow {
    /// Its name.
    pub name: String,
    /// Median over the rounds.
    pub value: f64,
    /// Unit of the values.
    pub unit: String,
    /// What it is beside.
    pub baseline: Option<String>,
    /// The baseline's median.
    pub baseline_value: Option<f64>,
    /// Median of the ratios (value over baseline), each of one round.
    pub ratio: Option<f64>,
    /// The least of them.
    pub ratio_min: Option<f64>,
    /// The greatest.
    pub ratio_max: Option<f64>,
    /// Least value.
    pub value_min: f64,
    /// Greatest value.
    pub value_max: f64,
    /// `lower` or `higher`.
    pub better: &'static str,
    /// What the issue wants, in words.
    pub target: Option<String>,
    /// Whether it is met.
    pub met: Option<bool>,
    /// Rounds.
    pub rounds: usize,
    /// What a reader has to know.
    pub note: &'static str,
}

/// What could not be measured.
#[derive(Clone, Debug, Serialize)]
pub struct Missing {
    /// Rows or a group of them.
    pub what: String,
    /// Why.
    pub why: String,
}

impl Report {
    /// Of this sheet, the rows that were asked for.
    #[must_use]
    pub fn of(machine: &Machine, sheet: &Sheet, options: &Options) -> Self {
        let wanted = sheet.rows().iter().filter(|row| options.wants(&row.figure.name));
        let missing = sheet.missing.iter().map(|(what, why)| Missing { what: what.clone(), why: why.clone() });
        Self { machine: machine.clone(), rows: wanted.map(ReportRow::of).collect(), missing: missing.collect() }
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> String {
        let machine = &self.machine;
        let mut text = format!(
            "\n{}, {} cores, Linux {}, commit {}; load {:.1} at the start, {:.1} at the end; {} rounds in {} s\n",
            machine.processor,
            machine.cores,
            machine.kernel,
            machine.commit,
            machine.load_at_start,
            machine.load_at_end,
            machine.rounds,
            machine.took_s
        );
        let _ = writeln!(text, "{}\n", machine.conditions);
        let _ = writeln!(
            text,
            "{:26} {:>21} {:>11}  {:32} {:>22}  target",
            "", "figure", "baseline", "", "ratio (least-greatest)"
        );
        for row in &self.rows {
            let baseline = row.baseline_value.map(number).unwrap_or_default();
            let _ = writeln!(
                text,
                "{:26} {:>11} {:9} {baseline:>11}  {:32} {:>22}  {}",
                row.name,
                number(row.value),
                row.unit,
                row.baseline.as_deref().unwrap_or_default(),
                row.ratio_text(),
                row.target_text()
            );
        }
        for missing in &self.missing {
            let _ = writeln!(text, "{:26} not measured: {}", missing.what, missing.why);
        }
        text
    }
}

impl ReportRow {
    fn of(row: &Row) -> Self {
        let (value, ratio) = (row.value(), row.ratio());
        let figure = &row.figure;
        Self {
            name: figure.name.clone(),
            value: value.median,
            unit: figure.unit.to_owned(),
            baseline: figure.baseline.map(str::to_owned),
            baseline_value: row.baseline().map(|spread| spread.median),
            ratio: ratio.map(|spread| spread.median),
            ratio_min: ratio.map(|spread| spread.min),
            ratio_max: ratio.map(|spread| spread.max),
            value_min: value.min,
            value_max: value.max,
            better: match figure.better {
                Better::Lower => "lower",
                Better::Higher => "higher",
            },
            target: figure.target.map(|target| target_text(target, figure.unit)),
            met: row.meets(),
            rounds: row.values.len(),
            note: figure.note,
        }
    }

    /// The ratio with its spread; without a baseline the spread of the values.
    #[must_use]
    pub fn ratio_text(&self) -> String {
        match (self.ratio, self.ratio_min, self.ratio_max) {
            (Some(ratio), Some(min), Some(max)) => format!("{ratio:.2} ({min:.2}-{max:.2})"),
            _ => format!("({}-{})", number(self.value_min), number(self.value_max)),
        }
    }

    /// The target, and whether it is met.
    #[must_use]
    pub fn target_text(&self) -> String {
        match (&self.target, self.met) {
            (Some(target), Some(true)) => format!("{target}: met"),
            (Some(target), Some(false)) => format!("{target}: MISSED"),
            (Some(target), None) => format!("{target}: not known"),
            _ => String::new(),
        }
    }
}

fn target_text(target: Target, unit: &str) -> String {
    match target {
        Target::RatioAtMost(limit) => format!("ratio at most {limit}"),
        Target::RatioAtLeast(limit) => format!("ratio at least {limit}"),
        Target::AtMost(limit) => format!("at most {limit} {unit}"),
        Target::AtLeast(limit) => format!("at least {limit} {unit}"),
    }
}

/// A number with three digits that mean something.
#[must_use]
pub fn number(value: f64) -> String {
    let size = value.abs();
    let digits = match size {
        s if s >= 100.0 || s == 0.0 => 0,
        s if s >= 10.0 => 1,
        s if s >= 1.0 => 2,
        _ => 3,
    };
    let plain = format!("{value:.digits$}");
    let (whole, part) = plain.split_once('.').map_or((plain.as_str(), None), |(whole, part)| (whole, Some(part)));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let groups: Vec<&str> =
        whole.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
    let part = part.map_or(String::new(), |part| format!(".{part}"));
    format!("{sign}{}{part}", groups.join(","))
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_keep_three_digits_and_are_grouped() {
        let shown = [0.0, 0.0123, 1.234, 12.34, 123.4, 1_234.5, 1_234_567.0, -1_234.0].map(number);
        assert_eq!(shown, ["0", "0.012", "1.23", "12.3", "123", "1,234", "1,234,567", "-1,234"]);
    }
}

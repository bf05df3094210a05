//! The samples of every row, round by round, and what they come to.

use std::collections::BTreeMap;

use crate::plot::Series;

/// Which way is good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Better {
    /// Costs.
    #[default]
    Lower,
    /// Rates.
    Higher,
}

/// What the issue wants of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// The ratio to the baseline is at most this.
    RatioAtMost(f64),
    /// The ratio to the baseline is at least this.
    RatioAtLeast(f64),
    /// The value is at most this.
    AtMost(f64),
    /// The value is at least this.
    AtLeast(f64),
}

/// What a row is about.
#[derive(Clone, Debug, Default)]
pub struct Figure {
    /// Its name: `stage/decode`.
    pub name: String,
    /// Unit of its values.
    pub unit: &'static str,
    /// What it is measured beside, if anything.
    pub baseline: Option<&'static str>,
    /// Which way is good.
    pub better: Better,
    /// What the issue wants.
    pub target: Option<Target>,
    /// What a reader has to know.
    pub note: &'static str,
}

impl Figure {
    /// A cost.
    #[must_use]
    pub fn cost(name: impl Into<String>, unit: &'static str) -> Self {
        Self { name: name.into(), unit, ..Self::default() }
    }

    /// A rate.
    #[must_use]
    pub fn rate(name: impl Into<String>, unit: &'static str) -> Self {
        Self { better: Better::Higher, ..Self::cost(name, unit) }
    }

    /// Beside this.
    #[must_use]
    pub fn beside(self, baseline: &'static str) -> Self {
        Self { baseline: Some(baseline), ..self }
    }

    /// This is wanted.
    #[must_use]
    pub fn wants(self, target: Target) -> Self {
        Self { target: Some(target), ..self }
    }

    /// This has to be known.
    #[must_use]
    pub fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }
}

/// A row: its samples, one a round, and those of its baseline.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is about.
    pub figure: Figure,
    /// One a round.
    pub values: Vec<f64>,
    /// One a round, or none.
    pub baselines: Vec<f64>,
}

/// Least, middle and greatest of some samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The middle one.
    pub median: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of these samples; `None` if there are none.
    #[must_use]
    pub fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let half = sorted.len() / 2;
        let median =
            if sorted.len().is_multiple_of(2) { f64::midpoint(sorted[half - 1], sorted[half]) } else { sorted[half] };
        Some(Self { min, median, max })
    }
}

impl Row {
    /// Its values.
    #[must_use]
    pub fn value(&self) -> Spread {
        Spread::of(&self.values).unwrap_or_default()
    }

    /// The baseline's values.
    #[must_use]
    pub fn baseline(&self) -> Option<Spread> {
        Spread::of(&self.baselines)
    }

    /// Value over baseline, each of one round.
    #[must_use]
    pub fn ratio(&self) -> Option<Spread> {
        let ratios: Vec<f64> =
            self.values.iter().zip(&self.baselines).filter(|(_, b)| **b > 0.0).map(|(v, b)| v / b).collect();
        Spread::of(&ratios)
    }

    /// Whether it is as the issue wants; `None` if the issue wants nothing, or there is no ratio.
    #[must_use]
    pub fn meets(&self) -> Option<bool> {
        let ratio = self.ratio().map(|ratio| ratio.median);
        match self.figure.target? {
            Target::RatioAtMost(limit) => ratio.map(|ratio| ratio <= limit),
            Target::RatioAtLeast(limit) => ratio.map(|ratio| ratio >= limit),
            Target::AtMost(limit) => Some(self.value().median <= limit),
            Target::AtLeast(limit) => Some(self.value().median >= limit),
        }
    }
}

/// Where a worker's time went, in parts of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Regime {
    /// The worker.
    pub worker: String,
    /// Nothing to do.
    pub idle: f64,
    /// Got something done.
    pub working: f64,
    /// Had work and nowhere to put it.
    pub blocked: f64,
}

/// All that was measured.
#[derive(Debug, Default)]
pub struct Sheet {
    rows: Vec<Row>,
    places: BTreeMap<String, usize>,
    /// What could not be measured, and why.
    pub missing: Vec<(String, String)>,
    /// CPU time of a loaded node a transaction, nanoseconds, by its threads' names: one list for each load.
    pub threads: BTreeMap<String, BTreeMap<String, f64>>,
    /// Where the workers' time went on a loaded node: one list for each load.
    pub regimes: BTreeMap<String, Vec<Regime>>,
    /// System calls of a loaded node a transaction, the most frequent first: one list for each load.
    pub calls: BTreeMap<String, Vec<(String, f64)>>,
    /// Sweeps, to be plotted.
    pub sweeps: Vec<Series>,
}

impl Sheet {
    /// Adds the sample of a round.
    pub fn add(&mut self, figure: Figure, value: f64, baseline: Option<f64>) {
        let place = *self.places.entry(figure.name.clone()).or_insert_with(|| {
            self.rows.push(Row { figure, values: Vec::new(), baselines: Vec::new() });
            self.rows.len() - 1
        });
        let row = &mut self.rows[place];
        row.values.push(value);
        row.baselines.extend(baseline);
    }

    /// Says why a row has no figure; once a reason.
    pub fn miss(&mut self, what: &str, why: impl std::fmt::Display) {
        let said = (what.to_owned(), why.to_string());
        if !self.missing.contains(&said) {
            self.missing.push(said);
        }
    }

    /// A point of a sweep, in the plot of that title.
    pub fn point(&mut self, title: &str, across: &str, unit: &'static str, line: &str, x: f64, y: f64) {
        let found = self.sweeps.iter().position(|series| series.title == title);
        let place = found.unwrap_or_else(|| {
            self.sweeps.push(Series::new(title, across, unit));
            self.sweeps.len() - 1
        });
        self.sweeps[place].add(line, x, y);
    }

    /// The rows, in the order in which they came.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row of this name.
    #[must_use]
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.places.get(name).map(|place| &self.rows[*place])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_ratio_is_of_one_round_and_the_median_of_all_is_judged() {
        let mut sheet = Sheet::default();
        let figure = || Figure::cost("a", "ns").beside("b").wants(Target::RatioAtMost(1.1));
        for (ours, theirs) in [(10.0, 10.0), (30.0, 20.0), (21.0, 20.0)] {
            sheet.add(figure(), ours, Some(theirs));
        }
        let row = sheet.row("a").unwrap();
        assert_eq!(row.ratio().unwrap(), Spread { min: 1.0, median: 1.05, max: 1.5 });
        assert_eq!(row.value(), Spread { min: 10.0, median: 21.0, max: 30.0 });
        assert_eq!(row.meets(), Some(true));
        assert_eq!(sheet.rows().len(), 1);
    }

    #[test]
    fn the_middle_of_an_even_number_of_samples_lies_between_two() {
        assert_eq!(Spread::of(&[4.0, 1.0, 3.0, 2.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of(&[]), None);
    }
}

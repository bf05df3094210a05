//! The rows, for people and for `make bench`.

use serde_json::json;

use crate::contender::SPAN;

/// One figure beside its baseline.
#[derive(Debug)]
pub struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    baseline_value: f64,
    ratio: f64,
    ratio_min: f64,
    ratio_max: f64,
}

impl Row {
    /// A figure that is the same in every run.
    pub fn exact(name: String, value: f64, unit: &'static str, baseline_value: f64) -> Self {
        let ratio = value / baseline_value;
        Self { name, value, unit, baseline_value, ratio, ratio_min: ratio, ratio_max: ratio }
    }

    /// Medians over rounds; ratios are taken round by round.
    pub fn of_rounds(name: String, unit: &'static str, values: &[f64], baselines: &[f64]) -> Self {
        let ratios: Vec<_> = values.iter().zip(baselines).map(|(value, baseline)| value / baseline).collect();
        Self {
            name,
            value: median(values),
            unit,
            baseline_value: median(baselines),
            ratio: median(&ratios),
            ratio_min: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            ratio_max: ratios.iter().copied().fold(0.0, f64::max),
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Prints the rows on standard output.
pub fn print(rows: &[Row], as_json: bool) {
    if as_json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({
                    "name": row.name,
                    "value": row.value,
                    "unit": row.unit,
                    "baseline": SPAN,
                    "baseline_value": row.baseline_value,
                    "ratio": row.ratio,
                    "ratio_min": row.ratio_min,
                    "ratio_max": row.ratio_max,
                })
            })
            .collect();
        println!("{}", json!({ "rows": rows }));
        return;
    }
    println!("baseline: {SPAN}");
    println!("{:42} {:>10} {:5} {:>10} {:>7} {:>7} {:>7}", "row", "value", "", "baseline", "ratio", "least", "most");
    for Row { name, value, unit, baseline_value, ratio, ratio_min, ratio_max } in rows {
        println!("{name:42} {value:10.2} {unit:5} {baseline_value:10.2} {ratio:7.3} {ratio_min:7.3} {ratio_max:7.3}");
    }
}

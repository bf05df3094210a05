//! `BASELINE.md`: the committed outcome of a run, written by the program.

use std::fmt::Write as _;

use crate::report::{Report, number};

/// The text of `BASELINE.md` for this report.
#[must_use]
pub fn text(report: &Report) -> String {
    let machine = &report.machine;
    let mut text = format!(
        "# Baseline\n\nGenerated: `make bench ARGS=\"--baseline benches --conditions '...'\"` writes this file and `baseline.json` beside it. \
         The program was called as `{}`.\n\n\
         - Machine: {}, {} cores{}, {} MiB, Linux {}\n- Commit: {}\n- Load average of the last minute: {:.1} at the start, {:.1} at the end\n\
         - Rounds: {}, in {} s\n- Conditions: {}\n\n\
         Costs are CPU time of one core unless the unit says otherwise. The ratio is the figure over the baseline of the same round: median, and least to greatest \
         over the rounds; where there is no baseline, least and greatest figure.\n\n",
        machine.command,
        machine.processor,
        machine.cores,
        if machine.avx512_ifma { " with AVX-512 IFMA" } else { "" },
        machine.memory_mib,
        machine.kernel,
        machine.commit,
        machine.load_at_start,
        machine.load_at_end,
        machine.rounds,
        machine.took_s,
        if machine.conditions.is_empty() { "not said" } else { &machine.conditions },
    );
    text.push_str("| row | figure | unit | baseline | value | ratio | target |\n|---|---:|---|---|---:|---|---|\n");
    for row in &report.rows {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {} | {} |",
            row.name,
            number(row.value),
            row.unit,
            row.baseline.as_deref().unwrap_or_default(),
            row.baseline_value.map(number).unwrap_or_default(),
            row.ratio_text(),
            row.target_text()
        );
    }
    for missing in &report.missing {
        let _ = writeln!(text, "\nNot measured: {}: {}", missing.what, missing.why);
    }
    let notes = report.rows.iter().filter(|row| !row.note.is_empty());
    text.push_str("\n## Notes\n\n");
    for row in notes {
        let _ = writeln!(text, "- `{}`: {}", row.name, row.note);
    }
    text
}

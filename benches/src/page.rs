//! The page: where the time goes, in one HTML file that needs nothing else.

use std::fmt::Write as _;

use crate::plot::{bars, escape, lines, stacked};
use crate::report::{Report, number};
use crate::sheet::Sheet;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}\
table{border-collapse:collapse;font-size:13px;width:100%}td,th{padding:2px 8px;border-bottom:1px solid #ddd;text-align:left}\
td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}.met{color:#176b2c}.missed{color:#a8201a;font-weight:600}\
svg{width:100%;font:12px system-ui,sans-serif}.note{color:#666;font-size:12px}h2{margin-top:2.2rem}";

/// What a transaction costs on its way, stage by stage: the rows that add up.
const WAY: [(&str, &str); 8] = [
    ("stage/decode", "decode"),
    ("stage/dedup", "dedup"),
    ("stage/recover", "recover"),
    ("stage/admit", "admit"),
    ("stage/order", "order"),
    ("stage/execute/transfer", "execute"),
    ("stage/seal", "seal"),
    ("journal/append", "journal"),
];

/// The page of this report.
#[must_use]
pub fn page(report: &Report, sheet: &Sheet) -> String {
    let machine = &report.machine;
    let mut html = format!(
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Horae: where the time goes</title><style>{STYLE}</style></head><body>\
         <h1>Where the time goes</h1><p>{}, {} cores{}, {} MiB, Linux {}; commit {}; {} rounds, {} s; load {:.1} at the start, {:.1} at the end. {}</p>\
         <p class='note'>Costs are CPU time of one core. Every ratio is of one round, in which ours and the baseline ran one after the other; the \
         spread is over the rounds. <code>{}</code></p>",
        escape(&machine.processor),
        machine.cores,
        if machine.avx512_ifma { " with AVX-512 IFMA" } else { "" },
        machine.memory_mib,
        escape(&machine.kernel),
        escape(&machine.commit),
        machine.rounds,
        machine.took_s,
        machine.load_at_start,
        machine.load_at_end,
        escape(&machine.conditions),
        escape(&machine.command)
    );
    way(&mut html, sheet);
    node(&mut html, sheet);
    for series in &sheet.sweeps {
        let _ = write!(html, "<h2>{}</h2>{}", escape(&series.title), lines(series));
    }
    table(&mut html, report);
    html + "</body></html>\n"
}

/// The stages of one transaction.
fn way(html: &mut String, sheet: &Sheet) {
    let costs: Vec<(&str, f64)> =
        WAY.iter().filter_map(|(row, part)| Some((*part, sheet.row(row)?.value().median))).collect();
    if costs.is_empty() {
        return;
    }
    let (parts, values): (Vec<&str>, Vec<f64>) = costs.into_iter().unzip();
    let mut rows = vec![("a transfer".to_owned(), values.clone())];
    if let Some(libsecp) = sheet.row("stage/recover").and_then(|row| row.baseline()) {
        let swapped = parts.iter().zip(&values).map(|(part, v)| if *part == "recover" { libsecp.median } else { *v });
        rows.push(("with libsecp256k1".to_owned(), swapped.collect()));
    }
    html.push_str("<h2>A transaction, stage by stage</h2><p class='note'>Each stage alone, in a sequencer's order, in one thread; edges come on top.</p>");
    html.push_str(&stacked("ns", &parts, &rows));
}

/// A loaded node: its threads, its workers, its system calls.
fn node(html: &mut String, sheet: &Sheet) {
    for (load, threads) in &sheet.threads {
        let mut items: Vec<(String, f64)> = threads.iter().map(|(name, ns)| (name.clone(), *ns)).collect();
        items.retain(|(_, ns)| *ns >= 1.0);
        items.sort_by(|a, b| b.1.total_cmp(&a.1));
        let total: f64 = items.iter().map(|(_, ns)| ns).sum();
        let _ = write!(
            html,
            "<h2>Threads of a node under load: {}</h2><p class='note'>CPU time a committed transaction, {} ns in all. What watches the load asks the \
             node too, and is in it.</p>{}",
            escape(load),
            number(total),
            bars("ns", &items)
        );
    }
    for (load, regimes) in &sheet.regimes {
        let rows: Vec<(String, Vec<f64>)> = regimes
            .iter()
            .map(|regime| {
                (regime.worker.clone(), vec![regime.working * 100.0, regime.blocked * 100.0, regime.idle * 100.0])
            })
            .collect();
        let _ = write!(
            html,
            "<h2>Workers by regime: {}</h2><p class='note'>Wall time by the workers' own meters: working, blocked by what is downstream, idle. A worker \
             whose core is taken away in the middle of a burst still counts as working.</p>{}",
            escape(load),
            stacked("%", &["working", "blocked", "idle"], &rows)
        );
    }
    for (load, calls) in &sheet.calls {
        let _ = write!(html, "<h2>System calls a transaction: {}</h2>{}", escape(load), bars("calls/tx", calls));
    }
}

fn table(html: &mut String, report: &Report) {
    html.push_str("<h2>All rows</h2><table><tr><th>row<th>figure<th>unit<th>baseline<th><th>ratio (least-greatest)<th>target</tr>");
    for row in &report.rows {
        let class = match row.met {
            Some(true) => "met",
            Some(false) => "missed",
            None => "",
        };
        let _ = write!(
            html,
            "<tr><td>{}{}<td class='n'>{}<td>{}<td class='n'>{}<td>{}<td class='n'>{}<td class='{class}'>{}</tr>",
            escape(&row.name),
            if row.note.is_empty() { String::new() } else { format!("<div class='note'>{}</div>", escape(row.note)) },
            number(row.value),
            escape(&row.unit),
            row.baseline_value.map(number).unwrap_or_default(),
            escape(row.baseline.as_deref().unwrap_or_default()),
            row.ratio_text(),
            escape(&row.target_text())
        );
    }
    html.push_str("</table>");
    for missing in &report.missing {
        let _ = write!(html, "<p class='missed'>{} not measured: {}</p>", escape(&missing.what), escape(&missing.why));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;
    use crate::args::Options;
    use crate::machine;
    use crate::sheet::{Figure, Target};

    #[test]
    fn the_page_needs_nothing_else_and_shows_rows_plots_and_what_is_missing() {
        let mut sheet = Sheet::default();
        sheet.add(
            Figure::cost("stage/decode", "ns/tx").beside("a <peer>").wants(Target::RatioAtMost(1.0)),
            20.0,
            Some(10.0),
        );
        sheet.point("Costs", "accounts", "ns/tx", "execute", 10_000.0, 5.0);
        sheet.miss("wire/tcp", "no ring");
        let report = Report::of(&machine::facts(1, "quiet"), &sheet, &Options::try_parse_from(["bench"]).unwrap());
        let html = page(&report, &sheet);
        for part in [
            "stage/decode",
            "a &lt;peer&gt;",
            "ratio at most 1: MISSED",
            "2.00 (2.00-2.00)",
            "<polyline",
            "wire/tcp not measured: no ring",
        ] {
            assert!(html.contains(part), "{part}");
        }
        assert!(!html.contains("http") && !html.contains("<script"));
    }
}

//! The page with the plots of a run: one file that needs nothing from the net.

mod plot;

use std::fmt::Write;

use super::{
    series::Point,
    summary::{Curve, Record, Summary},
};
use plot::{Axis, Line, escape, number, plot};

/// Quantiles that the plot of latencies is marked with: the part above each is a tenth of the one before.
const MARKS: [(f64, &str); 6] =
    [(0.0, "0 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %"), (0.99999, "99.999 %")];
/// Names of what is waited for, in the order of the colours.
const COLORS: [&str; 4] = ["accepted", "ordered", "certified", "committed"];

/// The page.
pub fn page(record: &Record) -> String {
    let summary = &record.summary;
    let mut body = String::new();
    let mut add = |text: String| body.push_str(&text);
    add(format!("<h1>{}</h1>", escape(&summary.door)));
    add(format!("<p class=\"sub\">{}</p>", escape(&subtitle(summary))));
    add(format!("<div class=\"tiles\">{}</div>", tiles(summary)));
    add(rates(&record.series));
    add(latencies(&record.curves, summary));
    add(quantiles(summary));
    add(settings(summary));
    if !summary.refusals.is_empty() {
        let rows: String = summary.refusals.iter().map(|(why, count)| row(why, &count.to_string())).collect();
        add(format!("<h2>Refusals</h2><table>{rows}</table>"));
    }
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>horae load: {}</title><style>{}</style></head><body>{body}</body></html>\n",
        escape(&summary.door),
        include_str!("style.css")
    )
}

fn subtitle(summary: &Summary) -> String {
    let pace = match summary.window {
        Some(window) => format!("as fast as committed, {window} under way"),
        None => format!("{} transactions/s, open loop", summary.rate),
    };
    let skew = summary.skew.map_or_else(|| "even".into(), |skew| format!("skew {skew}"));
    let client = summary.client.as_deref().unwrap_or("a node without a name");
    format!(
        "chain {} ({client}) · {} · {} · {} accounts, {skew} · horae {}",
        summary.chain_id,
        pace,
        summary.mix,
        summary.accounts,
        env!("CARGO_PKG_VERSION")
    )
}

fn tiles(summary: &Summary) -> String {
    let mut tiles = vec![
        ("committed a second", number(summary.transactions_per_second)),
        ("committed", format!("{} of {}", summary.committed, summary.transactions)),
    ];
    if let Some(latency) = summary.latency_ms.get("committed").filter(|_| summary.committed > 0) {
        tiles.push(("committed p50, ms", number(latency.p50)));
        tiles.push(("committed p99, ms", number(latency.p99)));
    }
    if let Some(ceiling) = &summary.ceiling {
        tiles.push(("the generator's ceiling a second", number(ceiling.transactions_per_second)));
    }
    let tile = |(name, value): &(&str, String)| format!("<div><b>{}</b>{}</div>", escape(value), escape(name));
    tiles.iter().map(tile).collect()
}

fn rates(series: &[Point]) -> String {
    let rate = |count: fn(&Point) -> u64| -> Vec<(f64, f64)> {
        let steps = series.windows(2).filter(|pair| pair[1].seconds > pair[0].seconds);
        let rate = |pair: &[Point]| {
            let seconds = pair[1].seconds - pair[0].seconds;
            (pair[1].seconds, count(&pair[1]).saturating_sub(count(&pair[0])) as f64 / seconds)
        };
        steps.map(rate).collect()
    };
    let lines = [
        Line { name: "sent", color: 4, points: rate(|point| point.sent) },
        Line { name: "accepted", color: 0, points: rate(|point| point.accepted) },
        Line { name: "committed", color: 3, points: rate(|point| point.committed) },
    ];
    let most = lines.iter().flat_map(|line| &line.points).map(|(_, rate)| *rate).fold(1.0, f64::max);
    let end = series.last().map_or(1.0, |last| last.seconds);
    let mut x = Axis::linear("seconds", end);
    x.range.1 = end;
    x.ticks.retain(|(at, _)| *at <= end);
    plot("Rate over time", &x, &Axis::linear("transactions/s", most), &lines)
}

fn latencies(curves: &[Curve], summary: &Summary) -> String {
    let curves: Vec<&Curve> = curves.iter().filter(|curve| curve.count > 0).collect();
    // Beyond this quantile there is less than one transaction.
    let last = curves.iter().map(|curve| 1.0 - 1.0 / curve.count as f64).fold(0.9, f64::max);
    let odds = |quantile: f64| 1.0 / (1.0 - quantile.min(last));
    let marks: Vec<_> = MARKS.iter().filter(|(quantile, _)| *quantile <= last).collect();
    let x = Axis {
        label: "share of transactions that took no longer",
        range: (1.0, odds(1.0)),
        is_log: true,
        ticks: marks.into_iter().map(|(quantile, text)| (odds(*quantile), (*text).to_owned())).collect(),
    };
    let lines: Vec<Line<'_>> = curves
        .iter()
        .map(|curve| Line {
            name: curve.name,
            color: COLORS.iter().position(|name| *name == curve.name).unwrap_or_default(),
            points: curve.points.iter().map(|(quantile, ms)| (odds(*quantile), *ms)).collect(),
        })
        .collect();
    let all = || lines.iter().flat_map(|line| &line.points).map(|(_, ms)| *ms);
    let (least, most) = (all().fold(f64::INFINITY, f64::min), all().fold(0.001, f64::max));
    let y = Axis::log("milliseconds", least.clamp(0.001, most), most);
    let title = format!("Latency from when each was {}", summary.latency_from);
    if lines.is_empty() { String::new() } else { plot(&title, &x, &y, &lines) }
}

fn quantiles(summary: &Summary) -> String {
    let mut rows = String::from("<tr><th>ms</th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th><th>max</th></tr>");
    for name in COLORS {
        let Some(q) = summary.latency_ms.get(name) else { continue };
        let cells: String = [q.p50, q.p90, q.p99, q.p999, q.max].map(|ms| format!("<td>{ms:.1}</td>")).concat();
        // A string takes whatever is written to it.
        let _ = write!(rows, "<tr><th>{name}</th>{cells}</tr>");
    }
    let watched = summary.watched();
    let precision = if summary.looked_every_ms.is_some() { ": latencies are known to within that" } else { "" };
    format!("<h2>Latency</h2><table>{rows}</table><p class=\"sub\">Here {watched}{precision}.</p>")
}

fn settings(summary: &Summary) -> String {
    let kinds: Vec<String> = summary.committed_by_kind.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    let ceiling = summary.ceiling.as_ref().map_or_else(
        || "not measured (--ceiling)".into(),
        |c| {
            format!("{:.0} transactions/s over {} into a sink that does nothing", c.transactions_per_second, c.protocol)
        },
    );
    let rows = [
        ("ended", format!("{:?}", summary.end)),
        ("sent, taken, refused", format!("{}, {}, {}", summary.sent, summary.accepted, summary.refused)),
        ("told busy, unanswered", format!("{} times, {}", summary.busy_answers, summary.unanswered)),
        ("committed", format!("{} in {} blocks", kinds.join(", "), summary.blocks)),
        ("reverted", format!("{} of {} receipts looked at", summary.reverted, summary.receipts)),
        ("until the last commit", format!("{:.2} s", summary.seconds)),
        ("the generator's ceiling", ceiling),
    ];
    let rows: String = rows.iter().map(|(name, text)| row(name, text)).collect();
    format!("<h2>Run</h2><table>{rows}</table>")
}

fn row(name: &str, text: &str) -> String {
    format!("<tr><th>{}</th><td>{}</td></tr>", escape(name), escape(text))
}

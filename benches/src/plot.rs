//! Plots as SVG: bars, bars in parts, lines.

use std::fmt::Write as _;

use crate::report::number;

const WIDTH: f64 = 760.0;
const LABEL: f64 = 210.0;
const BAR: f64 = 20.0;
const GAP: f64 = 6.0;
const COLOURS: [&str; 9] =
    ["#3366aa", "#dd7733", "#449966", "#aa3355", "#8866bb", "#997744", "#5599bb", "#bb9922", "#777777"];

/// A sweep: lines of points over one axis.
#[derive(Clone, Debug)]
pub struct Series {
    /// What is shown.
    pub title: String,
    /// What goes along.
    pub across: String,
    /// Unit of what goes up.
    pub unit: &'static str,
    /// The lines, each with its points.
    pub lines: Vec<(String, Vec<(f64, f64)>)>,
}

impl Series {
    /// Without lines yet.
    #[must_use]
    pub fn new(title: &str, across: &str, unit: &'static str) -> Self {
        Self { title: title.to_owned(), across: across.to_owned(), unit, lines: Vec::new() }
    }

    /// Adds a point to a line.
    pub fn add(&mut self, line: &str, x: f64, y: f64) {
        match self.lines.iter_mut().find(|(name, _)| name == line) {
            Some((_, points)) => points.push((x, y)),
            None => self.lines.push((line.to_owned(), vec![(x, y)])),
        }
    }
}

/// Horizontal bars, one an item, longest first as they come.
#[must_use]
pub fn bars(unit: &str, items: &[(String, f64)]) -> String {
    let greatest = items.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let room = WIDTH - LABEL - 130.0;
    let mut svg = open(items.len());
    for (place, (name, value)) in items.iter().enumerate() {
        let y = place as f64 * (BAR + GAP);
        let width = (value.max(0.0) / greatest * room).max(0.5);
        let _ = write!(
            svg,
            "<text x='{}' y='{}' text-anchor='end'>{}</text><rect x='{LABEL}' y='{y}' width='{width:.1}' height='{BAR}' fill='{}'/>\
             <text x='{:.1}' y='{}'>{} {}</text>",
            LABEL - 8.0,
            y + 15.0,
            escape(name),
            COLOURS[0],
            LABEL + width + 6.0,
            y + 15.0,
            number(*value),
            escape(unit)
        );
    }
    svg + "</svg>"
}

/// Horizontal bars in parts, whose names are the same for all; each part is shown as a share of the longest bar.
#[must_use]
pub fn stacked(unit: &str, parts: &[&str], rows: &[(String, Vec<f64>)]) -> String {
    let sum = |values: &[f64]| values.iter().map(|value| value.max(0.0)).sum::<f64>();
    let greatest = rows.iter().map(|(_, values)| sum(values)).fold(f64::MIN_POSITIVE, f64::max);
    let room = WIDTH - LABEL - 130.0;
    let mut svg = open(rows.len() + 1);
    for (row, (name, values)) in rows.iter().enumerate() {
        let y = row as f64 * (BAR + GAP);
        let _ = write!(svg, "<text x='{}' y='{}' text-anchor='end'>{}</text>", LABEL - 8.0, y + 15.0, escape(name));
        let mut x = LABEL;
        for (place, value) in values.iter().enumerate() {
            let width = value.max(0.0) / greatest * room;
            let (colour, part) = (COLOURS[place % COLOURS.len()], parts.get(place).copied().unwrap_or_default());
            let _ = write!(
                svg,
                "<rect x='{x:.1}' y='{y}' width='{width:.1}' height='{BAR}' fill='{colour}'><title>{}: {} {}</title></rect>",
                escape(part),
                number(*value),
                escape(unit)
            );
            x += width;
        }
        let _ =
            write!(svg, "<text x='{:.1}' y='{}'>{} {}</text>", x + 6.0, y + 15.0, number(sum(values)), escape(unit));
    }
    let y = rows.len() as f64 * (BAR + GAP);
    let step = (WIDTH - 10.0) / parts.len().max(1) as f64;
    for (place, part) in parts.iter().enumerate() {
        let x = place as f64 * step;
        let colour = COLOURS[place % COLOURS.len()];
        let _ = write!(
            svg,
            "<rect x='{x:.1}' y='{}' width='12' height='12' fill='{colour}'/><text x='{:.1}' y='{}'>{}</text>",
            y + 4.0,
            x + 16.0,
            y + 15.0,
            escape(part)
        );
    }
    svg + "</svg>"
}

/// Lines over a logarithmic axis, from zero up.
#[must_use]
pub fn lines(series: &Series) -> String {
    let (left, top, width, height) = (70.0, 10.0, WIDTH - 240.0, 200.0);
    let points = || series.lines.iter().flat_map(|(_, points)| points);
    let least = points().map(|(x, _)| x.ln()).fold(f64::INFINITY, f64::min);
    let most = points().map(|(x, _)| x.ln()).fold(f64::NEG_INFINITY, f64::max);
    let highest = points().map(|(_, y)| *y).fold(f64::MIN_POSITIVE, f64::max) * 1.1;
    let along = |x: f64| left + if most > least { (x.ln() - least) / (most - least) * width } else { width / 2.0 };
    let up = |y: f64| top + height - y / highest * height;
    let mut svg = format!(
        "<svg viewBox='0 0 {WIDTH} {}' role='img'><rect x='{left}' y='{top}' width='{width}' height='{height}' fill='none' stroke='#999'/>",
        height + 60.0
    );
    for part in 0..=4 {
        let y = highest * f64::from(part) / 4.0;
        let _ = write!(svg, "<text x='{}' y='{:.1}' text-anchor='end'>{}</text>", left - 6.0, up(y) + 4.0, number(y));
    }
    let mut marks: Vec<f64> = points().map(|(x, _)| *x).collect();
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    for x in marks {
        let at = along(x);
        let _ = write!(svg, "<text x='{at:.1}' y='{}' text-anchor='middle'>{}</text>", top + height + 16.0, number(x));
    }
    let _ = write!(
        svg,
        "<text x='{}' y='{}' text-anchor='middle'>{} ({})</text>",
        left + width / 2.0,
        top + height + 36.0,
        escape(&series.across),
        escape(series.unit)
    );
    for (place, (name, points)) in series.lines.iter().enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{:.1},{:.1}", along(*x), up(*y))).collect();
        let _ = write!(svg, "<polyline points='{}' fill='none' stroke='{colour}' stroke-width='2'/>", path.join(" "));
        for (x, y) in points {
            let _ = write!(
                svg,
                "<circle cx='{:.1}' cy='{:.1}' r='3' fill='{colour}'><title>{}: {}</title></circle>",
                along(*x),
                up(*y),
                number(*x),
                number(*y)
            );
        }
        let y = top + 14.0 + place as f64 * 18.0;
        let _ = write!(svg, "<text x='{}' y='{y}' fill='{colour}'>{}</text>", left + width + 10.0, escape(name));
    }
    svg + "</svg>"
}

/// Text that is no markup.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;")
}

fn open(bars: usize) -> String {
    format!("<svg viewBox='0 0 {WIDTH} {}' role='img'>", bars as f64 * (BAR + GAP) + 4.0)
}

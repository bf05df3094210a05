//! Line plots as SVG.

use std::fmt::Write;

/// Size of a plot, in units of its own; a page scales it.
const WIDTH: f64 = 720.0;
/// See [`WIDTH`].
const HEIGHT: f64 = 300.0;
/// Room for what is written beside the axes: left, right, above, below.
const MARGIN: [f64; 4] = [64.0, 16.0, 14.0, 44.0];

/// One axis.
pub struct Axis {
    /// What it shows, with its unit.
    pub label: &'static str,
    /// Least and largest.
    pub range: (f64, f64),
    /// Whether equal distances are equal factors; the range is then above 0.
    pub is_log: bool,
    /// Where it is marked, and with what.
    pub ticks: Vec<(f64, String)>,
}

/// One line.
pub struct Line<'a> {
    /// What the legend calls it.
    pub name: &'a str,
    /// Which colour of the page.
    pub color: usize,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

impl Axis {
    /// From 0 to `most` or a little above.
    pub fn linear(label: &'static str, most: f64) -> Self {
        let step = step(most.max(f64::MIN_POSITIVE) / 5.0);
        let count = (most / step).ceil().max(1.0);
        let ticks = (0..=count as u32).map(|at| f64::from(at) * step).map(|at| (at, number(at))).collect();
        Self { label, range: (0.0, count * step), is_log: false, ticks }
    }

    /// From `least` to `most`, both above 0, out to the next 1, 2 or 5 times a power of ten.
    pub fn log(label: &'static str, least: f64, most: f64) -> Self {
        let (low, high) = (below(least), step(most.max(least * 1.01)));
        let mut ticks = Vec::new();
        let mut at = low;
        while at <= high * 1.001 {
            ticks.push((at, number(at)));
            at = step(at * 1.5);
        }
        Self { label, range: (low, high), is_log: true, ticks }
    }

    /// How far along the axis a value is, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let (low, high) = self.range;
        let value = value.clamp(low, high);
        if self.is_log { (value / low).ln() / (high / low).ln() } else { (value - low) / (high - low) }
    }
}

/// The least of 1, 2 and 5 times a power of ten that is not below `value`.
fn step(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    steps.into_iter().find(|step| step * power >= value * 0.999_999).unwrap_or(10.0) * power
}

/// The largest of them that is not above.
fn below(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    [5.0, 2.0, 1.0].into_iter().find(|step| step * power <= value * 1.000_001).unwrap_or(1.0) * power
}

/// A number as short as it can be told.
pub fn number(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{}M", (v / 1e4).round() / 1e2),
        v if v >= 1e4 => format!("{}k", (v / 1e2).round() / 1e1),
        v if v >= 100.0 => format!("{}", v.round()),
        v if v >= 10.0 => format!("{}", (v * 10.0).round() / 10.0),
        v => format!("{}", (v * 1e3).round() / 1e3),
    }
}

/// The plot, as one SVG element with a legend of the lines.
pub fn plot(title: &str, x: &Axis, y: &Axis, lines: &[Line<'_>]) -> String {
    let [left, right, above, under] = MARGIN;
    let (wide, high) = (WIDTH - left - right, HEIGHT - above - under);
    let at_x = |value: f64| left + x.place(value) * wide;
    let at_y = |value: f64| above + (1.0 - y.place(value)) * high;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">", escape(title));
    let mut draw = |text: std::fmt::Arguments<'_>| {
        // A string takes whatever is written to it.
        let _ = svg.write_fmt(text);
    };
    for (value, text) in &y.ticks {
        let (at, end, before) = (at_y(*value), WIDTH - right, left - 8.0);
        draw(format_args!("<line class=\"grid\" x1=\"{left}\" x2=\"{end}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"));
        draw(format_args!("<text x=\"{before}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", at + 4.0, escape(text)));
    }
    let base = above + high;
    draw(format_args!("<line class=\"axis\" x1=\"{left}\" x2=\"{}\" y1=\"{base}\" y2=\"{base}\"/>", WIDTH - right));
    for (value, text) in &x.ticks {
        let at = at_x(*value);
        draw(format_args!("<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>", base + 17.0, escape(text)));
    }
    draw(format_args!(
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
        left + wide / 2.0,
        HEIGHT - 6.0,
        escape(x.label)
    ));
    let middle = above + high / 2.0;
    draw(format_args!(
        "<text transform=\"translate(14 {middle}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        escape(y.label)
    ));
    for line in lines {
        let points: Vec<String> = line.points.iter().map(|(x, y)| format!("{:.1},{:.1}", at_x(*x), at_y(*y))).collect();
        draw(format_args!(
            "<polyline class=\"c{}\" points=\"{}\"><title>{}</title></polyline>",
            line.color,
            points.join(" "),
            escape(line.name)
        ));
    }
    svg.push_str("</svg>");
    let legend: String = lines
        .iter()
        .map(|line| format!("<span><i class=\"c{}\"></i>{}</span>", line.color, escape(line.name)))
        .collect();
    format!("<figure><figcaption>{}</figcaption><div class=\"legend\">{legend}</div>{svg}</figure>", escape(title))
}

/// Text that HTML and SVG show as it is.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_reach_around_what_they_show() {
        let linear = Axis::linear("", 930.0);
        assert_eq!((linear.range, linear.ticks.len()), ((0.0, 1_000.0), 6));
        let log = Axis::log("", 0.7, 130.0);
        assert_eq!(log.range, (0.5, 200.0));
        let marks: Vec<&str> = log.ticks.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(marks, ["0.5", "1", "2", "5", "10", "20", "50", "100", "200"]);
        assert!((log.place(10.0) - 0.5).abs() < 0.01 && log.place(1e9) == 1.0);
        // Nothing to show is no reason to fail.
        assert!(Axis::linear("", 0.0).range.1 > 0.0 && Axis::log("", 1.0, 1.0).range.1 > 1.0);
    }

    #[test]
    fn what_comes_from_outside_stays_text() {
        let line = Line { name: "<script>", color: 0, points: vec![(0.0, 1.0), (1.0, 2.0)] };
        let drawn = plot("a & b", &Axis::linear("x", 1.0), &Axis::linear("y", 2.0), &[line]);
        assert!(
            drawn.contains("&lt;script&gt;") && drawn.contains("a &amp; b") && !drawn.contains("<script"),
            "{drawn}"
        );
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
    }
}

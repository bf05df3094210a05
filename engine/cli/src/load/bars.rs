//! What moves on the terminal.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{series::Point, sink::Seen, tally::Tally};

/// Over how long the rates are told.
const RATE_OVER: Duration = Duration::from_secs(1);

/// A line that says what goes on, and bars for what was sent and committed.
pub struct Bars {
    all: MultiProgress,
    /// The line.
    pub say: ProgressBar,
    sent: ProgressBar,
    committed: ProgressBar,
    /// Where the rates are counted from, and the rates before.
    before: Point,
    rates: (f64, f64),
}

impl Bars {
    /// Nothing is shown where nobody looks: on anything but a terminal.
    pub fn new() -> Self {
        let all = MultiProgress::new();
        let say = all.add(ProgressBar::new_spinner());
        let (sent, committed) = (ProgressBar::hidden(), ProgressBar::hidden());
        Self { say, sent, committed, all, before: Point::default(), rates: (0.0, 0.0) }
    }

    /// So many will be sent.
    pub fn expect(&mut self, count: usize) {
        let bar = |name: &'static str| {
            let bar = self.all.add(ProgressBar::new(count as u64));
            if let Ok(style) = ProgressStyle::with_template("{msg:10} {wide_bar} {pos}/{len}") {
                bar.set_style(style);
            }
            bar.set_message(name);
            bar
        };
        (self.sent, self.committed) = (bar("sent"), bar("committed"));
    }

    /// Shows where the run is.
    pub fn show(&mut self, now: Point, tally: &Tally, seen: &Seen) {
        let seconds = now.seconds - self.before.seconds;
        if seconds >= RATE_OVER.as_secs_f64() {
            let rate = |now: u64, before: u64| (now - before) as f64 / seconds;
            self.rates = (rate(now.sent, self.before.sent), rate(now.committed, self.before.committed));
            self.before = now;
        }
        let (sent, committed) = self.rates;
        let latency = seen.latencies.last().map(|(_, histogram)| {
            let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
            format!("committed p50 {:.0} ms, p99 {:.0} ms", at(0.5), at(0.99))
        });
        let mut text = format!("{:.1} s: {sent:.0}/s sent, {committed:.0}/s committed; ", now.seconds);
        text += &latency.unwrap_or_default();
        for (count, word) in
            [(tally.refused(), "refused"), (tally.busy(), "told busy"), (tally.unanswered(), "unanswered")]
        {
            if count > 0 {
                text += &format!("; {count} {word}");
            }
        }
        self.say.set_message(text);
        self.sent.set_position(now.sent);
        self.committed.set_position(now.committed);
    }

    /// Takes everything off the terminal.
    pub fn clear(&self) {
        [&self.say, &self.sent, &self.committed].into_iter().for_each(ProgressBar::finish_and_clear);
        // Fails only if the terminal is gone.
        let _ = self.all.clear();
    }
}

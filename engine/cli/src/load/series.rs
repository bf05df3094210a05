//! The course of a run: counts at moments, few enough to keep however long it takes.

use std::time::Duration;

use serde::Serialize;

/// The most points that are kept; at twice as many, every other one is let go.
const POINTS: usize = 300;

/// Counts from the start until a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Point {
    /// The moment, in seconds from the start.
    pub seconds: f64,
    /// Handed over.
    pub sent: u64,
    /// Taken by the node.
    pub accepted: u64,
    /// Seen committed.
    pub committed: u64,
}

/// Points in time, at even distances.
#[derive(Debug)]
pub struct Series {
    every: Duration,
    points: Vec<Point>,
}

impl Series {
    /// Nothing yet; a point is kept `every` so often.
    pub fn new(every: Duration) -> Self {
        Self { every, points: vec![Point::default()] }
    }

    /// Offers a point, which is kept if it is time for one.
    pub fn offer(&mut self, point: Point) {
        let last = self.points.last().map_or(0.0, |last| last.seconds);
        if point.seconds - last < self.every.as_secs_f64() {
            return;
        }
        self.points.push(point);
        if self.points.len() > 2 * POINTS {
            let mut place = 0;
            self.points.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.every *= 2;
        }
    }

    /// The last one, which is always kept.
    pub fn end(&mut self, point: Point) {
        // Over a moment too short, rates would be of nothing.
        let last = self.points.last().map_or(0.0, |last| last.seconds);
        if self.points.len() > 1 && point.seconds - last < self.every.as_secs_f64() / 2.0 {
            self.points.pop();
        }
        self.points.push(point);
    }

    /// All of them.
    pub fn points(&self) -> &[Point] {
        &self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_bounded_and_keep_both_ends() {
        let mut series = Series::new(Duration::from_millis(100));
        let point = |at: u32| Point { seconds: f64::from(at) / 10.0, sent: u64::from(at), ..Point::default() };
        (1..100_000).for_each(|at| series.offer(point(at)));
        series.end(point(100_001));
        series.end(Point { seconds: 10_000.101, sent: 100_002, ..Point::default() });
        let points = series.points();
        assert!((POINTS..=2 * POINTS + 1).contains(&points.len()), "{}", points.len());
        assert_eq!((points[0].sent, points[points.len() - 1].sent), (0, 100_002));
        assert!(points.windows(2).all(|pair| pair[0].seconds < pair[1].seconds));
        // They reach to the end evenly, not only over the beginning.
        assert!(points[points.len() / 2].sent > 30_000, "{:?}", points[points.len() / 2]);
    }
}

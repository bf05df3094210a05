//! What a lane does about a node that has no room: as TCP does about a network. It goes on with fewer transactions under way, half of them each time it
//! is told again, one more for each that is answered otherwise, until it has caught up with its schedule. What there was no room for
//! goes out first, in the order of the plan, so that no account's later nonces take the places of earlier ones.

use std::{collections::BTreeMap, time::Duration};

use super::Parcel;

/// Pause after a node said that it has no room; what it says meanwhile was sent before.
pub(super) const AGAIN_AFTER: Duration = Duration::from_millis(20);
/// A lane keeps so many under way, however often it is told that there is no room.
const WINDOW_MIN: usize = 16;

/// How a lane stands with its node.
#[derive(Debug, Default)]
pub(super) struct Congestion {
    /// What goes out again, by its place in the plan.
    again: BTreeMap<u32, Parcel>,
    /// Without an answer.
    under_way: usize,
    /// How many may be under way; any number until the node has said that it has no room.
    window: Option<usize>,
    not_before: Duration,
}

impl Congestion {
    /// How long nothing may be sent; zero if an answer has to come first.
    pub(super) fn pause(&self, now: Duration) -> Option<Duration> {
        let full = self.window.is_some_and(|window| self.under_way >= window);
        (full || now < self.not_before).then(|| self.not_before.saturating_sub(now))
    }

    /// What goes out again now.
    pub(super) fn again(&mut self) -> Option<Parcel> {
        let (_, parcel) = self.again.pop_first()?;
        self.send();
        Some(parcel)
    }

    /// One more is under way.
    pub(super) fn send(&mut self) {
        self.under_way += 1;
    }

    /// The node has answered one, and there was room.
    pub(super) fn answered(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
        self.window = self.window.map(|window| window + 1);
    }

    /// There was no room for this one.
    pub(super) fn no_room(&mut self, parcel: Parcel, now: Duration) {
        if now >= self.not_before {
            self.window = Some((self.window.unwrap_or(self.under_way) / 2).max(WINDOW_MIN));
            self.not_before = now + AGAIN_AFTER;
        }
        self.under_way = self.under_way.saturating_sub(1);
        self.again.insert(parcel.at, parcel);
    }

    /// This one had no answer, and the node is not asked again before `not_before`.
    pub(super) fn lost(&mut self, parcel: Parcel, not_before: Duration) {
        self.not_before = self.not_before.max(not_before);
        self.under_way = self.under_way.saturating_sub(1);
        self.again.insert(parcel.at, parcel);
    }

    /// All that is due has been sent.
    pub(super) fn caught_up(&mut self) {
        self.window = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(at: u32) -> Parcel {
        Parcel { at, doubtful: false }
    }

    #[test]
    fn it_halves_what_is_under_way_once_a_pause_and_grows_with_every_answer() {
        let mut congestion = Congestion::default();
        (0..100).for_each(|_| congestion.send());
        assert_eq!(congestion.pause(Duration::ZERO), None);
        congestion.no_room(parcel(7), Duration::ZERO);
        congestion.no_room(parcel(3), Duration::ZERO);
        assert_eq!(congestion.pause(Duration::ZERO), Some(AGAIN_AFTER));
        assert_eq!(congestion.pause(AGAIN_AFTER), Some(Duration::ZERO), "98 under way, 50 allowed");
        (0..24).for_each(|_| congestion.answered());
        assert_eq!(congestion.pause(AGAIN_AFTER), Some(Duration::ZERO), "74 under way, 74 allowed");
        congestion.answered();
        assert_eq!(congestion.pause(AGAIN_AFTER), None);
        assert_eq!(
            [congestion.again(), congestion.again(), congestion.again()],
            [Some(parcel(3)), Some(parcel(7)), None]
        );
        congestion.caught_up();
        assert_eq!(congestion.pause(AGAIN_AFTER), None);
    }

    #[test]
    fn it_never_stops() {
        let mut congestion = Congestion::default();
        for turn in 0..20 {
            congestion.send();
            congestion.no_room(parcel(0), AGAIN_AFTER * turn);
        }
        (0..WINDOW_MIN - 1).for_each(|_| congestion.send());
        assert_eq!(congestion.pause(AGAIN_AFTER * 20), None);
    }
}

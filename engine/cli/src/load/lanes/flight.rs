//! Which frames of a connection have no answer yet. Frames are numbered from 0; answers come in any order.

use std::collections::VecDeque;

use super::Parcel;

/// Frames without an answer, oldest first.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// Number of the first frame below.
    base: u64,
    frames: VecDeque<Option<Parcel>>,
}

impl Flight {
    /// The next frames have these. Told before they are sent, so that none is forgotten when the connection breaks.
    pub(super) fn extend(&mut self, parcels: &[Parcel]) {
        self.frames.extend(parcels.iter().copied().map(Some));
    }

    /// What the frame had, if it was sent and not answered before.
    pub(super) fn take(&mut self, frame: u64) -> Option<Parcel> {
        let place = usize::try_from(frame.checked_sub(self.base)?).ok()?;
        let parcel = self.frames.get_mut(place)?.take();
        while self.frames.pop_front_if(|first| first.is_none()).is_some() {
            self.base += 1;
        }
        parcel
    }

    /// What has no answer; the next connection begins with frame 0.
    pub(super) fn end(&mut self) -> Vec<Parcel> {
        self.base = 0;
        self.frames.drain(..).flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_any_order_find_their_parcel_once() {
        let parcel = |at| Parcel { at, doubtful: false };
        let mut flight = Flight::default();
        flight.extend(&[10, 11, 12, 13].map(parcel));
        assert_eq!(flight.take(2), Some(parcel(12)));
        assert_eq!(flight.take(0), Some(parcel(10)));
        assert_eq!((flight.take(0), flight.take(2), flight.take(4)), (None, None, None));
        assert_eq!(flight.end(), [parcel(11), parcel(13)]);
        flight.extend(&[parcel(20)]);
        assert_eq!(flight.take(0), Some(parcel(20)));
    }
}

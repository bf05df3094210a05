//! How hard a batch is packed: bytes on L1 cost money, time costs only when batches wait.

/// Batches waiting behind the one being packed from which it is packed at [`Level::Middle`].
pub const MIDDLE_BACKLOG: u64 = 4;

/// Batches waiting behind the one being packed from which it is packed at [`Level::Fast`].
pub const FAST_BACKLOG: u64 = 16;

/// What packing aims at. A reader needs no word of it: it reads every level alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// The fewest bytes.
    Best,
    /// Nearly as few, several times as fast.
    Middle,
    /// As fast as it goes, for a few bytes more.
    Fast,
}

impl Level {
    /// All levels, from the fewest bytes to the fastest.
    pub const ALL: [Self; 3] = [Self::Best, Self::Middle, Self::Fast];

    /// What it is called in logs, metrics and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Middle => "middle",
            Self::Fast => "fast",
        }
    }

    /// The level for a batch when so many complete ones wait behind it.
    pub const fn for_backlog(waiting: u64) -> Self {
        match waiting {
            FAST_BACKLOG.. => Self::Fast,
            MIDDLE_BACKLOG.. => Self::Middle,
            _ => Self::Best,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_backlog_is_never_packed_harder() {
        assert_eq!(Level::for_backlog(0), Level::Best);
        assert_eq!(Level::for_backlog(MIDDLE_BACKLOG - 1), Level::Best);
        assert_eq!(Level::for_backlog(MIDDLE_BACKLOG), Level::Middle);
        assert_eq!(Level::for_backlog(FAST_BACKLOG - 1), Level::Middle);
        assert_eq!(Level::for_backlog(FAST_BACKLOG), Level::Fast);
        assert_eq!(Level::for_backlog(u64::MAX), Level::Fast);
    }
}

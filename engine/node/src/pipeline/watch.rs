//! The watch over sender recovery: which backend runs, and the mismatch that switches the vectors off.

use alloy_primitives::hex;
use horae_recovery::{Backend, Mismatch, Setup};
use metrics::{counter, gauge};
use tracing::error;

/// Looks at what the recoverers of this process share, and tells of a mismatch once.
#[derive(Debug)]
pub struct RecoveryWatch {
    setup: Setup,
    told: bool,
}

impl RecoveryWatch {
    /// A watch over the recoverers that were made with `setup`.
    pub fn new(setup: Setup) -> Self {
        counter!("horae_recovery_mismatches").absolute(0);
        Self { setup, told: false }
    }

    /// Sets the metrics; gives, logs and counts a mismatch that is new.
    pub fn look(&mut self) -> Option<Mismatch> {
        let vectors = self.setup.backend() == Backend::Vector;
        gauge!("horae_recovery_vector").set(f64::from(u8::from(vectors)));
        let mismatch = *self.setup.mismatch().filter(|_| !self.told)?;
        self.told = true;
        counter!("horae_recovery_mismatches").increment(1);
        let Mismatch { input, vector, libsecp256k1 } = mismatch;
        error!(
            hash = hex::encode(input.hash),
            r = hex::encode(input.r),
            s = hex::encode(input.s),
            id = input.recovery_id,
            vector = %shown(vector),
            libsecp256k1 = %shown(libsecp256k1),
            "the vector backend recovered another sender than libsecp256k1: it is switched off, the batch was done again"
        );
        Some(mismatch)
    }
}

fn shown(outcome: horae_recovery::Outcome) -> String {
    outcome.map_or_else(|why| why.to_string(), hex::encode)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use horae_recovery::{Choice, Engine, Input, Outcome, Recoverer, recover_by_libsecp256k1};

    use super::*;

    /// A planted fault: always the same sender.
    struct Liar;

    impl Engine for Liar {
        fn recover(&mut self, _inputs: &[Input], outputs: &mut [Outcome]) {
            outputs.fill(Ok([0xbd; 20]));
        }
    }

    #[test]
    fn a_planted_fault_is_told_of_once_and_does_no_harm() {
        let setup = Setup::new(Choice::Auto, NonZeroU32::MIN).unwrap();
        let mut recoverer = Recoverer::over(Box::new(Liar), setup);
        let mut watch = RecoveryWatch::new(recoverer.setup().clone());
        assert_eq!(watch.look(), None);

        let inputs: Vec<_> = (1..=16)
            .map(|byte| Input { hash: [byte; 32], r: [byte; 32], s: [byte; 32], recovery_id: byte & 1 })
            .collect();
        let right: Vec<_> = inputs.iter().map(recover_by_libsecp256k1).collect();
        let mut outcomes = vec![Ok([0; 20]); inputs.len()];
        recoverer.recover_batch(&inputs, &mut outcomes);
        assert_eq!(outcomes, right);
        assert!(right.iter().any(Result::is_ok));

        let mismatch = watch.look().unwrap();
        assert_eq!((mismatch.vector, mismatch.libsecp256k1), (Ok([0xbd; 20]), right[0]));
        assert_eq!(watch.look(), None);
        assert_eq!(recoverer.setup().backend(), Backend::Libsecp256k1);
    }
}

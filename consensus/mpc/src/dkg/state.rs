//! A run of key generation as bytes, so that a node killed in the middle goes on where it was.

use std::{collections::BTreeMap, fmt};

use alloy_primitives::{Address, B256};
use borsh::{BorshDeserialize, BorshSerialize};
use zeroize::Zeroizing;

use super::{Dkg, DkgCommitments, DkgError, DkgParams, DkgRun, message::encode, run::Opened};
use crate::{limits::MAX_STATE_BYTES, shares::ShareLayout};

/// Format of the stored state.
const VERSION: u8 = 1;

#[derive(BorshSerialize, BorshDeserialize)]
struct Stored {
    version: u8,
    run: DkgRun,
    weights: Vec<(Address, u64)>,
    me: Address,
    seed: [u8; 32],
    own_commitments: B256,
    commitments: BTreeMap<Address, DkgCommitments>,
    opened: BTreeMap<Address, (B256, Vec<u8>)>,
    own_shares_shown: bool,
}

impl Drop for Stored {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.seed.zeroize();
        self.opened.values_mut().for_each(|(_, scalars)| scalars.zeroize());
    }
}

impl Dkg {
    /// The whole state. Secret: the caller encrypts it at rest and erases it after the run.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let opened = |(dealer, opened): (&Address, &Opened)| (*dealer, (opened.message, opened.scalars.to_vec()));
        Zeroizing::new(encode(&Stored {
            version: VERSION,
            run: self.params.run,
            weights: self.params.layout.weights(),
            me: self.me,
            seed: *self.seed,
            own_commitments: self.own_commitments_digest(),
            commitments: self.commitments.clone(),
            opened: self.opened.iter().map(opened).collect(),
            own_shares_shown: self.own_shares_shown,
        }))
    }

    /// Restores [`Dkg::to_bytes`]. Refuses state from which this build would say something else than was said before.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DkgError> {
        let bad = DkgError::Undecodable("state of a key generation run");
        if bytes.len() > MAX_STATE_BYTES {
            return Err(bad);
        }
        let stored: Stored = borsh::from_slice(bytes).map_err(|_| bad.clone())?;
        let layout = ShareLayout::new(&stored.weights).map_err(|_| bad.clone())?;
        let params = DkgParams { run: stored.run, layout };
        let mut dkg = Self::from_seed(params, stored.me, Zeroizing::new(stored.seed))?;
        if stored.version != VERSION || stored.own_commitments != dkg.own_commitments_digest() {
            return Err(bad);
        }
        for (dealer, message) in &stored.commitments {
            dkg.on_commitments(*dealer, message)?;
        }
        let ours = usize::from(dkg.params.layout.share_count(dkg.me)) * 32;
        for (dealer, (message, scalars)) in &stored.opened {
            let dealers = usize::from(dkg.params.layout.share_count(*dealer));
            if dealers == 0 || *dealer == dkg.me || scalars.len() != dealers * ours {
                return Err(bad);
            }
            dkg.opened.insert(*dealer, Opened { message: *message, scalars: Zeroizing::new(scalars.clone()) });
        }
        dkg.own_shares_shown = stored.own_shares_shown;
        Ok(dkg)
    }
}

impl fmt::Debug for Dkg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dkg")
            .field("run", &self.params.run)
            .field("me", &self.me)
            .field("commitments", &self.commitments.len())
            .field("shares", &self.opened.len())
            .finish_non_exhaustive()
    }
}

//! The RewardSchedule on L1: how far it has settled, and settling.

use std::collections::BTreeMap;

use alloy::sol_types::SolEvent;
use alloy_primitives::{Address, U256};
use horae_contracts::{LockingPool, RewardSchedule, Settlement, SettlementSignature};

use super::limits::EVENT_BLOCKS_MAX;
use super::read::at;
use super::{Included, L1, L1Error, Sender};

/// How far L1 has settled rewards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduleOnL1 {
    /// The contract.
    pub address: Address,
    /// Unix second at which it began; zero if it has not.
    pub begun_s: u64,
    /// Index of the next settlement.
    pub next_index: u64,
    /// Last block that was settled.
    pub last_settled: u64,
}

impl L1 {
    /// How far L1 has settled as of its head; `None` if the LockingPool works with no RewardSchedule.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`], [`L1Error::Nonsense`].
    pub async fn schedule(&self) -> Result<Option<ScheduleOnL1>, L1Error> {
        let Some(address) = self.rewards().await? else { return Ok(None) };
        let head = at(self.head().await?.view);
        let begun_s = self.view_call(address, RewardSchedule::begunAtCall {}, head.clone()).await?;
        let next_index = self.view_call(address, RewardSchedule::nextIndexCall {}, head.clone()).await?;
        let last_settled = self.view_call(address, RewardSchedule::lastSettledCall {}, head).await?;
        Ok(Some(ScheduleOnL1 { address, begun_s, next_index, last_settled }))
    }

    /// The same counts by the numbers that the LockingPool gave to the signers' validators, whose keys they are or ever were.
    ///
    /// # Errors
    /// [`L1Error::Nonsense`] if L1 does not know a signer; [`L1Error::Unreachable`].
    pub async fn by_number(&self, counts: BTreeMap<Address, u64>) -> Result<BTreeMap<u64, u64>, L1Error> {
        let mut numbered: BTreeMap<u64, u64> = BTreeMap::new();
        for (signer, count) in counts {
            let id = self.view(self.locking(), LockingPool::validatorOfSignerCall { signer }).await?;
            if id == 0 {
                let problem = format!("{signer} has sealed blocks, and the LockingPool does not know it");
                return Err(L1Error::Nonsense { what: "list of signers", problem });
            }
            *numbered.entry(id).or_default() += count;
        }
        Ok(numbered)
    }
}

impl L1 {
    /// What each validator has earned by the settlements in the L1 blocks from this one on, by its number, in wei.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`], [`L1Error::Nonsense`].
    pub async fn earned(&self, schedule: Address, from: u64) -> Result<BTreeMap<u64, U256>, L1Error> {
        let head = self.height().await?;
        let mut earned: BTreeMap<u64, U256> = BTreeMap::new();
        let mut start = from;
        while start <= head {
            let end = head.min(start + EVENT_BLOCKS_MAX - 1);
            let topic = RewardSchedule::Earned::SIGNATURE_HASH;
            for log in self.logs(start, end, &[schedule], Some(topic)).await? {
                let event = RewardSchedule::Earned::decode_log(&log.inner)
                    .map_err(|e| L1Error::Nonsense { what: "event of the schedule", problem: e.to_string() })?;
                *earned.entry(event.id).or_default() += event.amount;
            }
            start = end + 1;
        }
        Ok(earned)
    }
}

impl Sender {
    /// Carries a settlement to the schedule and waits until it is in a block.
    ///
    /// # Errors
    /// [`L1Error::Reverted`] if the schedule would refuse it (`WrongIndex`: another node was first), and all others of sending.
    pub async fn settle(
        &self,
        schedule: Address,
        settlement: Settlement,
        signature: SettlementSignature,
    ) -> Result<Included, L1Error> {
        self.call(schedule, &RewardSchedule::settleCall { settlement, signature }).await
    }
}

//! The next epoch at this node: saying that it is ready for it, and what changes here when it opens.

use horae_control::{EpochReadiness, Pending, Signature};
use tracing::info;

use super::io::CouncilIo;
use super::{Council, CouncilError};

impl Council {
    /// Says that this node is ready for the next epoch, once it is, unless that is on its way already: it has shares of its
    /// key, and has executed what the present group leaves to be signed.
    pub(super) fn say_ready_for_epoch(&mut self, io: &mut impl CouncilIo) {
        let me = self.me();
        let Some(next) = self.state.next_epoch().filter(|next| next.shown().is_some()) else { return };
        let (Some(key), Some(member)) = (next.key(), next.set().get(&me)) else { return };
        let (epoch, incarnation) = (next.number(), member.incarnation);
        let said = |command: &Pending| matches!(command, Pending::EpochReadiness(of) if of.validator == me && of.epoch == epoch);
        if next.ready().contains(&me) || self.pending.commands().any(said) {
            return;
        }
        let running = io.running();
        let has_blocks = running.committed.number.saturating_add(1) >= self.state.batches().next_block();
        let able = self.groups.has(&key) && has_blocks && self.self_check.trouble(&running, &self.state).is_none();
        if !able || io.is_drained() || !self.may_prepare() {
            return;
        }
        let committed = running.committed;
        let ready = EpochReadiness { validator: me, incarnation, epoch, key, committed, signature: Signature([0; 65]) };
        info!(epoch, committed = %committed, "ready for the next epoch");
        self.speak(Pending::EpochReadiness(ready.signed(self.state.domain(), &self.signer)), io);
    }

    /// An epoch has a key and is in force.
    pub(super) fn epoch_begins(&mut self, io: &mut impl CouncilIo) -> Result<(), CouncilError> {
        if let Some(key) = self.state.epoch().group_key {
            self.keygen.begin_epoch(&key, io)?;
        }
        self.take_up_keys();
        Ok(())
    }
}

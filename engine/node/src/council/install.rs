//! The first group key on its way to L1: every validator signs its installation, whoever has > 2/3 of the weights together
//! may carry it.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use horae_contracts::{Succession, installation_digest, recoverable};
use horae_control::dkg::GroupKey;
use horae_control::{ControlState, Signature, SignerKey, recover};

use super::Council;
use super::batches::Inbox;
use super::io::{CouncilIo, Work};
use super::message::{InstallationSignature, LinkMessage};

/// What `BatchInbox.installFirstKey` takes.
#[derive(Clone, Debug)]
pub struct Installation {
    /// x coordinate of the key.
    pub px: U256,
    /// Parity of its y coordinate, 27 or 28.
    pub parity: u8,
    /// The validators, ascending by address.
    pub signers: Vec<Address>,
    /// Their weights.
    pub weights: Vec<u64>,
    /// Their signatures, empty for who has not signed.
    pub signatures: Vec<Bytes>,
}

/// Signatures collected for one key.
pub struct Installer {
    key: GroupKey,
    digest: B256,
    signatures: BTreeMap<Address, Signature>,
}

impl Installer {
    /// Starts with our own signature.
    pub fn new(state: &ControlState, key: GroupKey, inbox: &Inbox, signer: &SignerKey) -> Self {
        let succession = Succession {
            key_index: 1,
            px: key.px,
            parity: key.parity,
            snapshot_hash: state.epoch().set.snapshot_hash(),
            last_batch_digest: B256::ZERO,
        };
        let digest = installation_digest(inbox.l1_chain_id, inbox.address, &succession);
        let signatures = BTreeMap::from([(signer.address(), signer.sign(digest))]);
        Self { key, digest, signatures }
    }

    /// Our own signature, for the others.
    pub fn own(&self, me: Address) -> Option<InstallationSignature> {
        self.signatures.get(&me).map(|signature| InstallationSignature { validator: me, signature: *signature })
    }

    /// Takes in another validator's signature, if it is one.
    pub fn hear(&mut self, theirs: &InstallationSignature, state: &ControlState) {
        let member = state.epoch().set.get(&theirs.validator).is_some();
        if member && recover(self.digest, &theirs.signature) == Some(theirs.validator) {
            self.signatures.insert(theirs.validator, theirs.signature);
        }
    }

    /// What can be sent to L1, once > 2/3 of the weights have signed.
    pub fn complete(&self, state: &ControlState) -> Option<Installation> {
        let set = &state.epoch().set;
        let signed = |signer: &Address| self.signatures.get(signer);
        let weight = set.validators().iter().filter(|v| signed(&v.signer).is_some()).map(|v| v.weight).sum();
        set.is_quorum(weight).then(|| Installation {
            px: self.key.px,
            parity: self.key.parity,
            signers: set.validators().iter().map(|v| v.signer).collect(),
            weights: set.validators().iter().map(|v| v.weight).collect(),
            signatures: set
                .validators()
                .iter()
                .map(|v| signed(&v.signer).map(|s| recoverable(&s.0)).unwrap_or_default())
                .collect(),
        })
    }
}

impl Council {
    /// Says our signature again, and carries the installation once it is complete.
    pub(super) fn install(&mut self, io: &mut impl CouncilIo) {
        let Some(installer) = &self.installer else { return };
        if let Some(own) = installer.own(self.signer.address()) {
            io.broadcast(&LinkMessage::Installation(own));
        }
        if self.installing || !io.carries() {
            return;
        }
        let Some(installation) = installer.complete(&self.state) else { return };
        self.installing = true;
        io.begin(Work::Install(installation));
    }
}

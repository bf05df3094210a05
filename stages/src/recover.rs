//! Recover finds the sender from the signature, with libsecp256k1.
//!
//! In: [`Fresh`]. Out: [`Recovered`]. Remembers nothing, so any number of workers may each have one. Works on bursts, which
//! leaves room for vector code that recovers several senders at once.

use std::ops::DerefMut;

use alloy_consensus::TxEnvelope;
use alloy_consensus::transaction::SignableTransaction;
use alloy_primitives::{Address, U256, keccak256, uint};
use secp256k1::Message;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};

use crate::dedup::Fresh;
use crate::parcel::{Rejected, TxBody, typestate};
use crate::shed::Shed;

/// Half the order of the curve: EIP-2 refuses an `s` above it.
const HALF_ORDER: U256 = uint!(0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0_U256);

/// The sender is true. Only [`Recover`] makes one.
#[derive(Debug)]
pub struct Recovered<P>(pub(crate) P);
typestate!(Recovered);

/// The stage.
#[derive(Clone, Debug, Default)]
pub struct Recover {
    /// What is signed, laid out; kept for its buffer.
    signed: Vec<u8>,
}

impl Recover {
    /// A stage.
    pub fn new() -> Self {
        Self::default()
    }

    /// Recovers one sender.
    pub fn step<P: DerefMut<Target = TxBody>>(&mut self, fresh: Fresh<P>) -> Result<Recovered<P>, Rejected<P>> {
        let Fresh(mut parcel) = fresh;
        match self.sender(parcel.decoded()) {
            Ok(sender) => {
                parcel.sender = sender;
                Ok(Recovered(parcel))
            }
            Err(why) => Err(Rejected { parcel, why }),
        }
    }

    /// Recovers the senders of a burst and hands the results out in its order; `burst` is left empty, its buffer kept.
    pub fn burst<P: DerefMut<Target = TxBody>>(
        &mut self,
        burst: &mut Vec<Fresh<P>>,
        mut out: impl FnMut(Result<Recovered<P>, Rejected<P>>),
    ) {
        for fresh in burst.drain(..) {
            out(self.step(fresh));
        }
    }

    /// The sender of a transaction. High `s` (EIP-2) is refused.
    pub fn sender(&mut self, envelope: &TxEnvelope) -> Result<Address, Shed> {
        self.signed.clear();
        let out = &mut self.signed;
        let signature = match envelope {
            TxEnvelope::Legacy(tx) => (tx.tx().encode_for_signing(out), tx.signature()).1,
            TxEnvelope::Eip2930(tx) => (tx.tx().encode_for_signing(out), tx.signature()).1,
            TxEnvelope::Eip1559(tx) => (tx.tx().encode_for_signing(out), tx.signature()).1,
            TxEnvelope::Eip4844(tx) => (tx.tx().encode_for_signing(out), tx.signature()).1,
            TxEnvelope::Eip7702(tx) => (tx.tx().encode_for_signing(out), tx.signature()).1,
        };
        if signature.s() > HALF_ORDER {
            return Err(Shed::InvalidSender);
        }
        let mut compact = [0; 64];
        compact[..32].copy_from_slice(&signature.r().to_be_bytes::<32>());
        compact[32..].copy_from_slice(&signature.s().to_be_bytes::<32>());
        let parity = if signature.v() { RecoveryId::One } else { RecoveryId::Zero };
        let digest = Message::from_digest(keccak256(&self.signed).0);
        let key = RecoverableSignature::from_compact(&compact, parity)
            .and_then(|signature| signature.recover_ecdsa(digest))
            .map_err(|_| Shed::InvalidSender)?;
        Ok(Address::from_raw_public_key(&key.serialize_uncompressed()[1..]))
    }
}

/// The sender of one transaction: [`Recover::sender`] where no buffer is at hand.
pub fn recover_sender(envelope: &TxEnvelope) -> Result<Address, Shed> {
    Recover::new().sender(envelope)
}

//! Recover finds the senders from the signatures, a burst at a time.
//!
//! In: [`Fresh`]. Out: [`Recovered`]. Remembers nothing but buffers, so any number of workers may each have one. Hashes and
//! signatures go to `horae-recovery` as one batch, which works on eight at a time where the processor can.

use std::ops::{DerefMut, Range};

use alloy_consensus::TxEnvelope;
use alloy_consensus::transaction::SignableTransaction;
use alloy_primitives::{Address, U256, uint};
use horae_recovery::{Input, Outcome, Recoverer};

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
#[derive(Debug, Default)]
pub struct Recover {
    recoverer: Recoverer,
    /// What is signed, laid out one after the other.
    signed: Vec<u8>,
    spans: Vec<Range<usize>>,
    hashes: Vec<[u8; 32]>,
    inputs: Vec<Input>,
    outcomes: Vec<Outcome>,
}

impl Recover {
    /// A stage with the settings of the process.
    pub fn new() -> Self {
        Self::default()
    }

    /// A stage over this recoverer.
    pub fn over(recoverer: Recoverer) -> Self {
        Self { recoverer, ..Self::default() }
    }

    /// Recovers one sender.
    pub fn step<P: DerefMut<Target = TxBody>>(&mut self, fresh: Fresh<P>) -> Result<Recovered<P>, Rejected<P>> {
        let sender = self.sender(fresh.0.decoded());
        with_sender(fresh, sender)
    }

    /// Recovers the senders of a burst and hands the results out in its order; `burst` is left empty, its buffer kept.
    pub fn burst<P: DerefMut<Target = TxBody>>(
        &mut self,
        burst: &mut Vec<Fresh<P>>,
        mut out: impl FnMut(Result<Recovered<P>, Rejected<P>>),
    ) {
        self.run(burst.iter().map(|fresh| fresh.0.decoded()));
        for (fresh, sender) in burst.drain(..).zip(self.found()) {
            out(with_sender(fresh, sender));
        }
    }

    /// The sender of a transaction. High `s` (EIP-2) is refused.
    pub fn sender(&mut self, envelope: &TxEnvelope) -> Result<Address, Shed> {
        self.senders([envelope].into_iter()).next().unwrap_or(Err(Shed::InvalidSender))
    }

    /// The senders of transactions, in order. High `s` (EIP-2) is refused.
    pub fn senders<'a>(
        &mut self,
        envelopes: impl Iterator<Item = &'a TxEnvelope>,
    ) -> impl Iterator<Item = Result<Address, Shed>> {
        self.run(envelopes);
        self.found()
    }

    fn run<'a>(&mut self, envelopes: impl Iterator<Item = &'a TxEnvelope>) {
        self.signed.clear();
        self.spans.clear();
        self.inputs.clear();
        envelopes.for_each(|envelope| self.lay_out(envelope));
        let count = self.inputs.len();
        self.hashes.resize(count, [0; 32]);
        self.outcomes.resize(count, Ok([0; 20]));
        self.recoverer.hash_batch(&self.signed, &self.spans, &mut self.hashes);
        for (input, hash) in self.inputs.iter_mut().zip(&self.hashes) {
            input.hash = *hash;
        }
        self.recoverer.recover_batch(&self.inputs, &mut self.outcomes);
    }

    fn found(&self) -> impl Iterator<Item = Result<Address, Shed>> {
        self.outcomes.iter().map(|outcome| outcome.map(Address::from).map_err(|_| Shed::InvalidSender))
    }

    fn lay_out(&mut self, envelope: &TxEnvelope) {
        let start = self.signed.len();
        let out = &mut self.signed;
        let signature = match envelope {
            TxEnvelope::Legacy(tx) => (tx.tx().encode_for_signing(out), tx.signature()).1,
            TxEnvelope::Eip2930(tx) => (tx.tx().encode_for_signing(out), tx.signature()).1,
            TxEnvelope::Eip1559(tx) => (tx.tx().encode_for_signing(out), tx.signature()).1,
            TxEnvelope::Eip4844(tx) => (tx.tx().encode_for_signing(out), tx.signature()).1,
            TxEnvelope::Eip7702(tx) => (tx.tx().encode_for_signing(out), tx.signature()).1,
        };
        self.spans.push(start..self.signed.len());
        // No signature has an `s` of zero, so that this is refused like any other that has no signer.
        let s = if signature.s() > HALF_ORDER { U256::ZERO } else { signature.s() };
        self.inputs.push(Input {
            hash: [0; 32],
            r: signature.r().to_be_bytes(),
            s: s.to_be_bytes(),
            recovery_id: u8::from(signature.v()),
        });
    }
}

fn with_sender<P: DerefMut<Target = TxBody>>(
    Fresh(mut parcel): Fresh<P>,
    sender: Result<Address, Shed>,
) -> Result<Recovered<P>, Rejected<P>> {
    match sender {
        Ok(sender) => {
            parcel.sender = sender;
            Ok(Recovered(parcel))
        }
        Err(why) => Err(Rejected { parcel, why }),
    }
}

/// The sender of one transaction: [`Recover::sender`] where no buffer is at hand.
pub fn recover_sender(envelope: &TxEnvelope) -> Result<Address, Shed> {
    Recover::new().sender(envelope)
}

//! The cell a transaction travels in, and the first of the typestates around it.
//!
//! A [`TxBody`] is made once, at start, and used again and again: the raw bytes keep their buffer. The engine moves small
//! handles `P` to it (an index into its pool); tests use `Box<TxBody>`. What a stage has proven about the body is the
//! wrapper around the handle: [`Frame`] has proven nothing.

use std::ops::DerefMut;

use alloy_consensus::{Transaction, TxEnvelope};
use alloy_primitives::{Address, B256, U256};

use crate::shed::Shed;

/// One transaction on its way through the pipeline.
#[derive(Debug, Default)]
pub struct TxBody {
    pub(crate) raw: Vec<u8>,
    pub(crate) envelope: Option<TxEnvelope>,
    pub(crate) hash: B256,
    pub(crate) sender: Address,
    pub(crate) received_ms: u64,
    pub(crate) origin: u64,
}

impl TxBody {
    /// An empty cell whose buffer holds `capacity` bytes before it has to grow.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { raw: Vec::with_capacity(capacity), ..Self::default() }
    }

    /// Puts a new transaction into the cell; what was there is forgotten, its buffer is kept.
    ///
    /// `raw` is the EIP-2718 encoding as it came, `received_ms` unix milliseconds, `origin` the engine's own token for
    /// whoever waits for an answer.
    pub fn fill(&mut self, raw: &[u8], received_ms: u64, origin: u64) {
        self.clear();
        self.raw.extend_from_slice(raw);
        self.received_ms = received_ms;
        self.origin = origin;
    }

    /// Empties the cell and keeps its buffer.
    pub fn clear(&mut self) {
        self.raw.clear();
        self.envelope = None;
        self.hash = B256::ZERO;
        self.sender = Address::ZERO;
        self.received_ms = 0;
        self.origin = 0;
    }

    /// The EIP-2718 encoding.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The decoded transaction; `None` before the decode stage.
    pub fn envelope(&self) -> Option<&TxEnvelope> {
        self.envelope.as_ref()
    }

    /// The transaction hash; zero before the decode stage.
    pub fn hash(&self) -> B256 {
        self.hash
    }

    /// The sender; zero before the recover stage.
    pub fn sender(&self) -> Address {
        self.sender
    }

    /// When the engine received it, in unix milliseconds.
    pub fn received_ms(&self) -> u64 {
        self.received_ms
    }

    /// The engine's reply token.
    pub fn origin(&self) -> u64 {
        self.origin
    }

    /// The decoded transaction of a body that has been through decode.
    pub(crate) fn decoded(&self) -> &TxEnvelope {
        self.envelope.as_ref().expect("only decode makes a Decoded, and it fills in the envelope")
    }

    /// The most wei the sender can be charged: gas limit times fee cap, plus value. Saturates.
    pub(crate) fn cost(&self) -> U256 {
        let tx = self.decoded();
        U256::from(tx.gas_limit()).saturating_mul(U256::from(tx.max_fee_per_gas())).saturating_add(tx.value())
    }
}

/// A handle to a filled cell: nothing is known yet about the bytes in it.
#[derive(Debug)]
pub struct Frame<P>(pub(crate) P);

impl<P: DerefMut<Target = TxBody>> Frame<P> {
    /// Starts a filled cell on its way.
    pub fn new(parcel: P) -> Self {
        Self(parcel)
    }
}

/// A transaction that leaves the pipeline early, with the handle to give back and the reason to tell.
#[derive(Debug)]
pub struct Rejected<P> {
    /// The handle, to go home to its pool.
    pub parcel: P,
    /// What the client is told.
    pub why: Shed,
}

/// The methods every typestate has: look at the body, or give up the proof and have the handle back.
macro_rules! typestate {
    ($name:ident) => {
        impl<P: std::ops::DerefMut<Target = $crate::parcel::TxBody>> $name<P> {
            /// The transaction.
            pub fn body(&self) -> &$crate::parcel::TxBody {
                &self.0
            }

            /// The handle, to read what the engine keeps beside the body.
            pub fn parcel(&self) -> &P {
                &self.0
            }

            /// Gives up what was proven and returns the handle.
            pub fn dissolve(self) -> P {
                self.0
            }

            #[allow(dead_code)]
            pub(crate) fn reject(self, why: $crate::shed::Shed) -> $crate::parcel::Rejected<P> {
                $crate::parcel::Rejected { parcel: self.0, why }
            }
        }
    };
}
pub(crate) use typestate;

typestate!(Frame);

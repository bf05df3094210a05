//! What goes in, what comes out, and the checks that need no arithmetic.

use thiserror::Error;

use crate::lanes::Row;

/// A signature over a hash. Numbers are big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// What was signed.
    pub hash: [u8; 32],
    /// The x coordinate of the nonce's point, modulo the order.
    pub r: [u8; 32],
    /// The proof.
    pub s: [u8; 32],
    /// Bit 0: y of the point is odd. Bit 1: its x is r plus the order. Above 3: no recovery id.
    pub recovery_id: u8,
}

/// The last 20 bytes of the Keccak-256 of the public key, or why there is no key.
pub type Outcome = Result<[u8; 20], RecoverError>;

/// Why a signature has no signer (SEC 1, section 4.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecoverError {
    /// There are only four.
    #[error("recovery id {0} is not in 0..=3")]
    RecoveryId(u8),
    /// r is zero or not below the order.
    #[error("r is not in 1..n")]
    R,
    /// s is zero or not below the order.
    #[error("s is not in 1..n")]
    S,
    /// The x coordinate that r and the recovery id name is not below p, or no point has it.
    #[error("r and the recovery id are no point's")]
    NoPoint,
    /// The signature holds for no key: the key would be the point at infinity.
    #[error("the key is at infinity")]
    Infinity,
}

/// n, the lowest word first.
const ORDER: [u64; 4] = [0xbfd2_5e8c_d036_4141, 0xbaae_dce6_af48_a03b, 0xffff_ffff_ffff_fffe, u64::MAX];
/// p - n.
const FIELD_LESS_ORDER: [u64; 4] = [0x402d_a172_2fc9_baee, 0x4551_2319_50b7_5fc4, 1, 0];

/// Four words, the lowest first.
pub(crate) fn words(bytes: &[u8; 32]) -> [u64; 4] {
    core::array::from_fn(|i| {
        let mut piece = [0; 8];
        piece.copy_from_slice(&bytes[24 - 8 * i..32 - 8 * i]);
        u64::from_be_bytes(piece)
    })
}

fn below(a: &[u64; 4], b: &[u64; 4]) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

impl Input {
    /// The checks that come before any arithmetic, in the order in which every backend reports them.
    pub(crate) fn check(&self) -> Result<(), RecoverError> {
        if self.recovery_id > 3 {
            return Err(RecoverError::RecoveryId(self.recovery_id));
        }
        let (r, s) = (words(&self.r), words(&self.s));
        if r == [0; 4] || !below(&r, &ORDER) {
            return Err(RecoverError::R);
        }
        if s == [0; 4] || !below(&s, &ORDER) {
            return Err(RecoverError::S);
        }
        if self.recovery_id & 2 != 0 && !below(&r, &FIELD_LESS_ORDER) {
            return Err(RecoverError::NoPoint);
        }
        Ok(())
    }

    /// The x coordinate that r and the recovery id name. Only after [`Input::check`].
    pub(crate) fn x(&self) -> [u8; 32] {
        if self.recovery_id & 2 == 0 {
            return self.r;
        }
        let mut carry = 0;
        let mut x = [0; 32];
        for (i, (word, order)) in words(&self.r).into_iter().zip(ORDER).enumerate() {
            let sum = u128::from(word) + u128::from(order) + carry;
            x[24 - 8 * i..32 - 8 * i].copy_from_slice(&(sum as u64).to_be_bytes());
            carry = sum >> 64;
        }
        x
    }

    /// Writes a number into lane `lane` of four rows.
    pub(crate) fn spread(number: &[u8; 32], rows: &mut [Row; 4], lane: usize) {
        for (row, word) in rows.iter_mut().zip(words(number)) {
            row.0[lane] = word;
        }
    }
}

//! Multiples of the generator, made once for the whole process by libsecp256k1.
//!
//! A scalar has 26 digits of ten bits. Digits 0 to 12 belong to even windows of the ladder and multiply G; digits 13 to 25 belong to odd
//! windows, where the ladder stands at 10 j + 5 bits while the digit weighs 130 + 10 j, and multiply 2^125 G. So there are two tables
//! of the odd multiples 1, 3, .. 1023: 64 KiB together, and every window of the ladder meets exactly one of them.

use std::sync::OnceLock;

use secp256k1::{PublicKey, SecretKey};

use crate::lanes::Row;

/// Odd multiples in a table.
pub(crate) const MULTIPLES: usize = 512;

/// The two tables; a row is x and y, four words each, the lowest first.
pub(crate) struct Base {
    /// (2 i + 1) G.
    pub(crate) even: [Row; MULTIPLES],
    /// (2 i + 1) 2^125 G.
    pub(crate) odd: [Row; MULTIPLES],
}

/// The generator of SEC 2, section 2.4.1: x and y, the lowest word first.
pub(crate) const GENERATOR: Row = Row([
    0x59f2_815b_16f8_1798,
    0x029b_fcdb_2dce_28d9,
    0x55a0_6295_ce87_0b07,
    0x79be_667e_f9dc_bbac,
    0x9c47_d08f_fb10_d4b8,
    0xfd17_b448_a685_5419,
    0x5da4_fbfc_0e11_08a8,
    0x483a_da77_26a3_c465,
]);

/// The tables.
pub(crate) fn base() -> &'static Base {
    static BASE: OnceLock<Box<Base>> = OnceLock::new();
    BASE.get_or_init(|| Box::new(Base { even: multiples(0), odd: multiples(125) }))
}

fn multiples(power: usize) -> [Row; MULTIPLES] {
    let mut bytes = [0; 32];
    bytes[31 - power / 8] = 1 << (power % 8);
    let start = key(bytes);
    bytes[31 - (power + 1) / 8] = 1 << ((power + 1) % 8);
    if (power + 1) / 8 != power / 8 {
        bytes[31 - power / 8] = 0;
    }
    let twice = key(bytes);
    let mut point = start;
    core::array::from_fn(|i| {
        if i > 0 {
            point = point.combine(&twice).expect("small odd multiples of a point are neither opposite nor at infinity");
        }
        row(&point)
    })
}

fn key(bytes: [u8; 32]) -> PublicKey {
    let secret = SecretKey::from_secret_bytes(bytes).expect("a power of two below the order");
    PublicKey::from_secret_key(&secret)
}

fn row(point: &PublicKey) -> Row {
    let bytes = point.serialize_uncompressed();
    let mut row = Row::default();
    for (i, word) in row.0.iter_mut().enumerate() {
        // Words 0 to 3 are x from its end, 4 to 7 are y.
        let end = if i < 4 { 33 - 8 * i } else { 65 - 8 * (i - 4) };
        let mut piece = [0; 8];
        piece.copy_from_slice(&bytes[end - 8..end]);
        *word = u64::from_be_bytes(piece);
    }
    row
}

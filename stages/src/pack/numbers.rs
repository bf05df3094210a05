//! Numbers of people: few significant decimal digits and many zeros. A head byte says how many zeros and how many bytes.

use alloy_primitives::U256;

use super::UnpackError;
use super::columns::{Column, Columns, Readers};

/// Zeros a head byte can tell with up to [`SHORT_BYTES`] significant bytes.
const ZEROS: u8 = 28;

/// Significant bytes that may go with zeros.
const SHORT_BYTES: u8 = 8;

/// Heads from here on: so many significant bytes, no zeros.
const PLAIN: u8 = SHORT_BYTES * ZEROS;

/// Writes a number: its head in one column, its significant bytes, big endian, in another.
///
/// Head `h` below 224: `h / 28` bytes, then `h % 28` decimal zeros. Above: `h - 224 + 8` bytes. A full 32 bytes is head 248.
pub(super) fn put(columns: &mut Columns, head: Column, tail: Column, value: U256) {
    let (digits, zeros) = strip(value);
    let short = digits.byte_len();
    if short < usize::from(SHORT_BYTES) {
        columns.push(head, short as u8 * ZEROS + zeros);
        columns.extend(tail, &digits.to_be_bytes::<32>()[32 - short..]);
    } else {
        let len = value.byte_len();
        columns.push(head, PLAIN + (len as u8 - SHORT_BYTES));
        columns.extend(tail, &value.to_be_bytes::<32>()[32 - len..]);
    }
}

/// Reads a number back.
pub(super) fn get(readers: &mut Readers<'_>, head: Column, tail: Column) -> Result<U256, UnpackError> {
    let head = readers.get(head).byte()?;
    let (len, zeros) = if head < PLAIN { (head / ZEROS, head % ZEROS) } else { (head - PLAIN + SHORT_BYTES, 0) };
    if len > 32 {
        return Err(UnpackError::Damaged("a number is too long"));
    }
    let digits = U256::from_be_slice(readers.get(tail).bytes(usize::from(len))?);
    digits.checked_mul(U256::from(10).pow(U256::from(zeros))).ok_or(UnpackError::Damaged("a number is too large"))
}

/// Reads a number that has to fit a smaller type.
pub(super) fn get_as<T: TryFrom<U256>>(
    readers: &mut Readers<'_>,
    head: Column,
    tail: Column,
) -> Result<T, UnpackError> {
    T::try_from(get(readers, head, tail)?).map_err(|_| UnpackError::Damaged("a number is too large"))
}

/// The number without its decimal zeros, as far as a head can tell them, and how many there were.
pub(super) fn strip(value: U256) -> (U256, u8) {
    if value.is_zero() {
        return (value, 0);
    }
    if let Ok(mut small) = u128::try_from(value) {
        let mut zeros = 0;
        while zeros < ZEROS - 1 && small % 10 == 0 {
            small /= 10;
            zeros += 1;
        }
        return (U256::from(small), zeros);
    }
    (value, 0)
}

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
    if let Ok(small) = u128::try_from(value) {
        let (digits, zeros) = strip(small);
        let short = significant(digits);
        if short < usize::from(SHORT_BYTES) {
            columns.push(head, short as u8 * ZEROS + zeros);
            return columns.extend(tail, &digits.to_be_bytes()[16 - short..]);
        }
    }
    let len = value.byte_len();
    columns.push(head, PLAIN + (len as u8 - SHORT_BYTES));
    columns.extend(tail, &value.to_be_bytes::<32>()[32 - len..]);
}

/// Reads a number back.
pub(super) fn get(readers: &mut Readers<'_>, head: Column, tail: Column) -> Result<U256, UnpackError> {
    let head = readers.get(head).byte()?;
    let (len, zeros) = if head < PLAIN { (head / ZEROS, head % ZEROS) } else { (head - PLAIN + SHORT_BYTES, 0) };
    if len > 32 {
        return Err(UnpackError::Damaged("a number is too long"));
    }
    let bytes = readers.get(tail).bytes(usize::from(len))?;
    if len > 8 {
        return Ok(U256::from_be_slice(bytes));
    }
    let digits = bytes.iter().fold(0, |digits, byte| digits << 8 | u128::from(*byte));
    let power = 10u128.pow(u32::from(zeros));
    Ok(digits.checked_mul(power).map_or_else(|| U256::from(digits) * U256::from(power), U256::from))
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
pub(super) fn strip(mut value: u128) -> (u128, u8) {
    let mut zeros = 0;
    if value == 0 {
        return (value, zeros);
    }
    // Division of 128 bits is slow: nine zeros at a time while it is needed.
    while value > u128::from(u64::MAX) && zeros + 9 < ZEROS && value.is_multiple_of(1_000_000_000) {
        value /= 1_000_000_000;
        zeros += 9;
    }
    while value > u128::from(u64::MAX) && zeros + 1 < ZEROS && value.is_multiple_of(10) {
        value /= 10;
        zeros += 1;
    }
    if let Ok(mut small) = u64::try_from(value) {
        while zeros + 1 < ZEROS && small % 10 == 0 {
            small /= 10;
            zeros += 1;
        }
        value = u128::from(small);
    }
    (value, zeros)
}

/// How many bytes a number has without leading zeros.
fn significant(value: u128) -> usize {
    16 - value.leading_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn stripped_numbers_are_the_same_numbers(digits: u64, shift in 0u32..64, power in 0u32..20) {
            let value = u128::from(digits >> shift) * 10u128.pow(power);
            let (stripped, zeros) = strip(value);
            prop_assert!(zeros < ZEROS);
            prop_assert_eq!(stripped * 10u128.pow(u32::from(zeros)), value);
            prop_assert!(value == 0 || stripped % 10 != 0 || zeros == ZEROS - 1);
        }
    }
}

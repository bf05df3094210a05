//! Reading and writing the small things: varints (LEB128) and runs of bytes, with every read bounded by what is there.

use super::UnpackError;

/// Appends a number, seven bits a byte, the lowest first.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes being read from the front.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], UnpackError> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(UnpackError::Damaged("ends early"))?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], UnpackError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(UnpackError::Damaged("ends early"))?;
        self.0 = rest;
        Ok(*bytes)
    }

    pub(super) fn byte(&mut self) -> Result<u8, UnpackError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn varint(&mut self) -> Result<u64, UnpackError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(UnpackError::Damaged("a number is too long"))
    }

    /// A count of things that each take memory: no more than `most`.
    pub(super) fn count(&mut self, what: &'static str, most: usize) -> Result<usize, UnpackError> {
        let have = self.varint()?;
        if have > most as u64 {
            return Err(UnpackError::TooLarge { what, have, limit: most as u64 });
        }
        Ok(have as usize)
    }

    pub(super) fn end(&self) -> Result<(), UnpackError> {
        if self.0.is_empty() { Ok(()) } else { Err(UnpackError::Damaged("goes on after its end")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn varints_read_back(values: Vec<u64>) {
            let mut out = Vec::new();
            values.iter().for_each(|value| put_varint(&mut out, *value));
            let mut reader = Reader(&out);
            for value in values {
                prop_assert_eq!(reader.varint().ok(), Some(value));
            }
            prop_assert!(reader.end().is_ok());
        }

        #[test]
        fn any_bytes_give_a_varint_or_an_error(bytes: Vec<u8>) {
            let mut reader = Reader(&bytes);
            while reader.varint().is_ok() {}
        }
    }

    #[test]
    fn a_varint_of_more_than_64_bits_is_refused() {
        assert!(Reader(&[0xff; 9]).varint().is_err());
        assert!(Reader(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]).varint().is_ok());
        assert!(Reader(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]).varint().is_err());
    }
}

//! Messages in the byte stream of a link: a big-endian u32 length, then the message. Length 0 is a keep-alive.

use bytes::{Buf, Bytes, BytesMut};

use crate::limits;

use super::Junk;

/// Appends a message to what is about to be written.
pub(super) fn put(out: &mut Vec<u8>, message: &[u8]) {
    out.extend_from_slice(&(message.len() as u32).to_be_bytes());
    out.extend_from_slice(message);
}

/// Cuts a byte stream into messages.
#[derive(Debug, Default)]
pub(super) struct Reframer {
    buffer: BytesMut,
}

impl Reframer {
    /// Adds what was read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message.
    ///
    /// # Errors
    /// A message longer than [`limits::MESSAGE_MAX_BYTES`].
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Junk> {
        let Some(head) = self.buffer.get(..4) else { return Ok(None) };
        let length = head.iter().fold(0, |n, b| n << 8 | usize::from(*b));
        if length > limits::MESSAGE_MAX_BYTES {
            return Err(Junk(format!("a message of {length} bytes")));
        }
        if self.buffer.len() < 4 + length {
            return Ok(None);
        }
        self.buffer.advance(4);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn any_split_gives_the_same_messages() {
        let messages: [&[u8]; 4] = [b"one", b"", b"a longer one", b"x"];
        let mut stream = Vec::new();
        messages.iter().for_each(|m| put(&mut stream, m));
        for step in 1..=stream.len() {
            let mut frames = Reframer::default();
            let mut seen = Vec::new();
            for part in stream.chunks(step) {
                frames.push(part);
                while let Some(message) = frames.next().unwrap() {
                    seen.push(message);
                }
            }
            assert_eq!(seen, messages);
        }
    }

    #[test]
    fn an_oversized_message_is_junk_before_it_is_read() {
        let mut frames = Reframer::default();
        frames.push(&(limits::MESSAGE_MAX_BYTES as u32 + 1).to_be_bytes());
        assert!(frames.next().is_err());
    }
}

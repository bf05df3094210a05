//! The client's side of framed TCP, for load generators and tests: one half sends, the other takes answers, each on a thread of its own.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::intake::{Reply, encode_request};

/// Requests gathered before they are written, bytes.
const SEND_BYTES: usize = 64 * 1024;

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// Connects to a framed TCP edge.
///
/// # Errors
/// What the system says.
pub fn connect(address: SocketAddr) -> io::Result<(TcpSender, TcpReceiver)> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let receiver = TcpReceiver { stream: stream.try_clone()?, bytes: Vec::new(), used: 0 };
    Ok((TcpSender { stream, next: 0, out: Vec::with_capacity(SEND_BYTES) }, receiver))
}

/// The sending half. Dropping it sends what is left and tells the node that nothing more will come.
pub struct TcpSender {
    stream: TcpStream,
    next: u64,
    out: Vec<u8>,
}

impl TcpSender {
    /// Sends a transaction (EIP-2718 bytes), at the latest at the next [`flush`](Self::flush); returns its frame number. Blocks
    /// while the node does not read.
    ///
    /// # Errors
    /// What the system says; the connection is of no more use then.
    pub fn send(&mut self, transaction: &[u8]) -> io::Result<u64> {
        encode_request(transaction, &mut self.out);
        if self.out.len() >= SEND_BYTES {
            self.flush()?;
        }
        self.next += 1;
        Ok(self.next - 1)
    }

    /// Sends what was gathered.
    ///
    /// # Errors
    /// What the system says.
    pub fn flush(&mut self) -> io::Result<()> {
        let written = self.stream.write_all(&self.out);
        self.out.clear();
        written
    }
}

impl Drop for TcpSender {
    fn drop(&mut self) {
        // Who must know whether the last bytes left calls `flush`.
        let _ = self.flush();
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

/// The receiving half.
pub struct TcpReceiver {
    stream: TcpStream,
    bytes: Vec<u8>,
    used: usize,
}

impl TcpReceiver {
    /// The next answer and the number of the frame that it is for; `None` when the node has closed the connection.
    ///
    /// # Errors
    /// What the system says, or [`io::ErrorKind::InvalidData`] when the peer does not speak this protocol.
    pub fn receive(&mut self) -> io::Result<Option<(u64, Reply)>> {
        loop {
            let waiting = &self.bytes[self.used..];
            match Reply::decode(waiting).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))? {
                Some((sequence, reply, bytes)) => {
                    self.used += bytes;
                    return Ok(Some((sequence, reply)));
                }
                None if !self.read_more()? => return Ok(None),
                None => {}
            }
        }
    }

    fn read_more(&mut self) -> io::Result<bool> {
        self.bytes.drain(..self.used);
        self.used = 0;
        let have = self.bytes.len();
        self.bytes.resize(have + READ_BYTES, 0);
        let read = self.stream.read(&mut self.bytes[have..]);
        self.bytes.truncate(have + read.as_ref().copied().unwrap_or(0));
        Ok(read? > 0)
    }
}

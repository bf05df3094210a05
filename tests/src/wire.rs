//! Bytes on a TCP connection, where a client library would refuse to send what a test has to send.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// How long the other side may take to answer or to close.
const LIMIT: Duration = Duration::from_secs(20);

/// Sends bytes and reads until the other side closes: what it answered.
///
/// # Panics
/// If it does not close.
pub fn sent_until_closed(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).unwrap_or_else(|e| panic!("{to}: {e}"));
    stream.set_read_timeout(Some(LIMIT)).expect("a time limit");
    stream.set_write_timeout(Some(LIMIT)).expect("a time limit");
    // The other side may close before it has read all of it.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return answer,
            Ok(length) => answer.extend_from_slice(&piece[..length]),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                panic!("{to} did not close the connection within {} s", LIMIT.as_secs())
            }
            // A reset closes too.
            Err(_) => return answer,
        }
    }
}

/// Posts a body as it is, by HTTP: status line, headers and body of the answer.
#[must_use]
pub fn post(to: SocketAddr, body: &str) -> String {
    let length = body.len();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {to}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    String::from_utf8_lossy(&sent_until_closed(to, &[head.as_bytes(), body.as_bytes()].concat())).into_owned()
}

/// The sum of a metric over its labels, of which each of `labels` must be there.
#[must_use]
pub fn metric(of: SocketAddr, name: &str, labels: &str) -> f64 {
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {of}\r\nConnection: close\r\n\r\n");
    let text = String::from_utf8_lossy(&sent_until_closed(of, request.as_bytes())).into_owned();
    let lines = text.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])) && line.contains(labels)
    });
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

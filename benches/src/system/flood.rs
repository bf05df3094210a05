//! The least a JSON-RPC client can cost: batches laid out before the start, sent over a few connections as fast as each is answered. The same
//! for every server, so that what differs is the server.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use alloy_primitives::hex;
use eyre::{Result, WrapErr, bail, ensure, eyre};
use serde_json::Value;

/// Transactions of a batch.
pub const BATCH: usize = 100;
/// What a batch may take to be answered.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// Pause before what a server has no room for is sent again.
const AGAIN_AFTER: Duration = Duration::from_millis(5);
/// How long a server may be without room.
const NO_ROOM_LIMIT: Duration = Duration::from_secs(30);

/// One connection's batches.
pub struct Lane {
    bodies: Vec<Vec<u8>>,
    raws: Vec<Vec<u8>>,
}

/// Lays transactions out for so many connections: each account's stay in one, in order, if there are whole turns of accounts.
#[must_use]
pub fn lanes(raws: Vec<Vec<u8>>, connections: usize) -> Vec<Lane> {
    let mut shares: Vec<Vec<Vec<u8>>> = (0..connections).map(|_| Vec::new()).collect();
    for (at, raw) in raws.into_iter().enumerate() {
        shares[at % connections].push(raw);
    }
    let lane = |raws: Vec<Vec<u8>>| Lane { bodies: raws.chunks(BATCH).map(body_of).collect(), raws };
    shares.into_iter().map(lane).collect()
}

/// Sends everything; returns when all was taken. How often the server had no room.
///
/// # Errors
/// If the server refuses a transaction for good, or does not answer.
pub fn send(address: SocketAddr, lanes: &[Lane]) -> Result<u64> {
    thread::scope(|scope| {
        let running: Vec<_> = lanes.iter().map(|lane| scope.spawn(move || lane.send(address))).collect();
        running.into_iter().map(|lane| lane.join().map_err(|_| eyre!("a sender panicked"))?).sum()
    })
}

impl Lane {
    fn send(&self, address: SocketAddr) -> Result<u64> {
        let mut connection = Connection::open(address)?;
        let mut busy = 0;
        for (body, raws) in self.bodies.iter().zip(self.raws.chunks(BATCH)) {
            let answer = connection.ask(body)?;
            if !contains(&answer, b"\"error\"") {
                continue;
            }
            let began = Instant::now();
            let mut left = refused(&answer, raws)?;
            while !left.is_empty() {
                ensure!(
                    began.elapsed() < NO_ROOM_LIMIT,
                    "the server has had no room for {} s",
                    NO_ROOM_LIMIT.as_secs()
                );
                busy += left.len() as u64;
                thread::sleep(AGAIN_AFTER);
                let answer = connection.ask(&body_of(&left))?;
                left = refused(&answer, &left)?;
            }
        }
        Ok(busy)
    }
}

/// Those of a batch for which there was no room.
fn refused(answer: &[u8], raws: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
    let answers: Vec<Value> = serde_json::from_slice(answer).wrap_err("an answer to a batch")?;
    let mut left = Vec::new();
    for answer in answers {
        let Some(message) = answer["error"]["message"].as_str() else { continue };
        let index = answer["id"].as_u64().unwrap_or_default() as usize;
        if message.contains("already known") {
            continue;
        }
        ensure!(
            message.contains("busy") || message.contains("account limit exceeded"),
            "the server refuses: {message}"
        );
        left.extend(raws.get(index).cloned());
    }
    Ok(left)
}

fn body_of(raws: &[Vec<u8>]) -> Vec<u8> {
    let mut calls = Vec::with_capacity(raws.len());
    for (id, raw) in raws.iter().enumerate() {
        let raw = hex::encode(raw);
        calls.push(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"eth_sendRawTransaction","params":["0x{raw}"]}}"#));
    }
    request(&format!("[{}]", calls.join(",")))
}

fn request(json: &str) -> Vec<u8> {
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length:";
    format!("{head} {}\r\n\r\n{json}", json.len()).into_bytes()
}

/// Asks one method of a server.
///
/// # Errors
/// If it does not answer, or with an error.
pub fn ask(address: SocketAddr, method: &str, params: &Value) -> Result<Value> {
    let json = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let answer = Connection::open(address)?.ask(&request(&json))?;
    let mut answer: Value = serde_json::from_slice(&answer).wrap_err_with(|| format!("the answer to {method}"))?;
    if !answer["error"].is_null() {
        bail!("{method}: {}", answer["error"]);
    }
    Ok(answer["result"].take())
}

/// A kept HTTP/1.1 connection.
struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).wrap_err_with(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        Ok(Self { stream, read: Vec::with_capacity(64 * 1024) })
    }

    /// The body of the answer.
    fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        self.stream.write_all(request)?;
        let head = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                break self.read.drain(..end + 4).collect::<Vec<u8>>();
            }
            self.more()?;
        };
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        match length.and_then(|length| length.trim().parse::<usize>().ok()) {
            Some(length) => {
                while self.read.len() < length {
                    self.more()?;
                }
                Ok(self.read.drain(..length).collect())
            }
            None if head.contains("chunked") => self.chunks(),
            None => bail!("an answer without a length: {head}"),
        }
    }

    fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let Some(end) = find(&self.read, b"\r\n") else {
                self.more()?;
                continue;
            };
            let line: Vec<u8> = self.read.drain(..end + 2).collect();
            let size = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).wrap_err("a chunk's size")?;
            while self.read.len() < size + 2 {
                self.more()?;
            }
            body.extend(self.read.drain(..size));
            self.read.drain(..2);
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn more(&mut self) -> Result<()> {
        let mut bytes = [0; 16 * 1024];
        let count = self.stream.read(&mut bytes).wrap_err("waiting for an answer")?;
        ensure!(count > 0, "the server closed the connection");
        self.read.extend_from_slice(&bytes[..count]);
        Ok(())
    }
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    find(bytes, what).is_some()
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_accounts_transactions_stay_in_one_lane_in_order() {
        // Four accounts in turn, three transactions each; account and nonce are the bytes.
        let raws = (0..12_u8).map(|at| vec![at % 4, at / 4]).collect();
        let lanes = lanes(raws, 2);
        assert_eq!(lanes[1].raws, [[1, 0], [3, 0], [1, 1], [3, 1], [1, 2], [3, 2]]);
    }

    #[test]
    fn only_what_there_was_no_room_for_is_sent_again_and_a_refusal_ends_the_load() {
        let raws = vec![vec![0], vec![1], vec![2]];
        let busy = br#"[{"id":0,"result":"0x"},{"id":1,"error":{"message":"the node is busy"}},{"id":2,"error":{"message":"already known"}}]"#;
        assert_eq!(refused(busy, &raws).unwrap(), [[1]]);
        let refusal = br#"[{"id":0,"error":{"message":"nonce too low"}}]"#;
        assert!(refused(refusal, &raws).unwrap_err().to_string().contains("nonce too low"));
    }
}

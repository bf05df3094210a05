//! Connections from one node to another one's port, both ways.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::road::Road;
use crate::node::loopback;

/// Pieces of a stream that may be under way in one direction; the reader waits for room beyond.
const QUEUE: usize = 256;
/// Largest piece, in bytes.
const PIECE_BYTES: usize = 16 << 10;
/// Connections at one time between one ordered pair of nodes; further ones are closed.
const CONNECTIONS: usize = 32;

/// Starts a relay to `target`; gives the address at which it takes connections.
pub fn start(tasks: &mut JoinSet<()>, target: SocketAddr, there: Arc<Road>, back: Arc<Road>) -> io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(loopback(0))?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let address = listener.local_addr()?;
    tasks.spawn(accept(listener, target, there, back));
    Ok(address)
}

async fn accept(listener: TcpListener, target: SocketAddr, there: Arc<Road>, back: Arc<Road>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        if connections.len() < CONNECTIONS {
            connections.spawn(connect(client, target, there.clone(), back.clone()));
        }
    }
}

/// A node that is down refuses the connection, and so it ends here.
async fn connect(client: TcpStream, target: SocketAddr, there: Arc<Road>, back: Arc<Road>) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    // Either fails only on a connection that is gone.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(carry(from_client, to_server, there), carry(from_server, to_client, back));
}

/// Carries one direction until it ends; its end is carried too.
async fn carry(from: OwnedReadHalf, to: OwnedWriteHalf, road: Arc<Road>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::join!(read(from, sender, &road), write(to, receiver, &road));
}

async fn read(mut from: OwnedReadHalf, queue: mpsc::Sender<(Instant, Vec<u8>)>, road: &Road) {
    let mut buffer = vec![0; PIECE_BYTES];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if queue.send((road.piece_due(), buffer[..length].to_vec())).await.is_err() {
            return;
        }
    }
}

async fn write(mut to: OwnedWriteHalf, mut queue: mpsc::Receiver<(Instant, Vec<u8>)>, road: &Road) {
    while let Some((due, piece)) = queue.recv().await {
        sleep_until(due).await;
        road.open().await;
        if to.write_all(&piece).await.is_err() {
            return;
        }
        road.carried(piece.len());
    }
    road.open().await;
    // A connection that is gone needs no end.
    let _ = to.shutdown().await;
}

//! Datagrams from one node to another one's port, and its answers back.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::{
    net::UdpSocket,
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::road::Road;
use crate::node::loopback;

/// Datagrams that may be under way in one direction; further ones are dropped, as by a router.
const QUEUE: usize = 8_192;
/// Largest datagram, in bytes.
const DATAGRAM_BYTES: usize = 65_535;

type Datagram = (Instant, Vec<u8>);

/// Starts a relay to `target`; gives the address at which it takes datagrams.
pub fn start(tasks: &mut JoinSet<()>, target: SocketAddr, there: Arc<Road>, back: Arc<Road>) -> io::Result<SocketAddr> {
    let (front, rear) = (Arc::new(bind(None)?), Arc::new(bind(Some(target))?));
    let address = front.local_addr()?;
    // Where the answers go: whence the last datagram came.
    let (client, clients) = watch::channel(None);
    let (to_target, from_client) = mpsc::channel(QUEUE);
    let (to_client, from_target) = mpsc::channel(QUEUE);
    tasks.spawn(take(front.clone(), there.clone(), to_target, Some(client)));
    tasks.spawn(take(rear.clone(), back.clone(), to_client, None));
    tasks.spawn(deliver(rear, there, from_client, None));
    tasks.spawn(deliver(front, back, from_target, Some(clients)));
    Ok(address)
}

fn bind(target: Option<SocketAddr>) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(loopback(0))?;
    if let Some(target) = target {
        socket.connect(target)?;
    }
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

async fn take(
    socket: Arc<UdpSocket>,
    road: Arc<Road>,
    queue: mpsc::Sender<Datagram>,
    client: Option<watch::Sender<Option<SocketAddr>>>,
) {
    let mut buffer = vec![0; DATAGRAM_BYTES];
    loop {
        // A node that is down refuses what was sent to it, which comes back as an error here.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        if let Some(client) = &client {
            client.send_if_modified(|known| known.replace(from) != Some(from));
        }
        if let Some(due) = road.datagram_due()
            && queue.try_send((due, buffer[..length].to_vec())).is_err()
        {
            road.drop_one();
        }
    }
}

async fn deliver(
    socket: Arc<UdpSocket>,
    road: Arc<Road>,
    mut queue: mpsc::Receiver<Datagram>,
    client: Option<watch::Receiver<Option<SocketAddr>>>,
) {
    while let Some((due, datagram)) = queue.recv().await {
        sleep_until(due).await;
        let sent = match &client {
            None => socket.send(&datagram).await,
            Some(client) => {
                let to = *client.borrow();
                match to {
                    Some(to) => socket.send_to(&datagram, to).await,
                    None => continue,
                }
            }
        };
        match sent {
            Ok(_) => road.delivered(),
            Err(_) => road.drop_one(),
        }
    }
}

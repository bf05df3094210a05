//! A lane over framed TCP: a thread that sends and one that takes answers.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use horae_node::edges::tcp_client::{TcpReceiver, TcpSender, connect};

use super::{Desk, LINGER, Lane, RECONNECT_AFTER, flight::Flight};

type Link = (TcpSender, TcpReceiver);

/// Connects and starts the threads.
pub(super) fn start(lane: Lane, address: SocketAddr) -> io::Result<()> {
    let link = connect(address)?;
    thread::spawn(move || serve(lane, address, link));
    Ok(())
}

fn serve(mut lane: Lane, address: SocketAddr, link: Link) {
    let mut link = Some(link);
    while !lane.is_stopped() {
        let flight = Arc::new(Mutex::new(Flight::default()));
        let ended =
            link.take().map_or_else(|| connect(address), Ok).and_then(|link| exchange(&mut lane, link, &flight));
        if let Err(error) = ended {
            tracing::debug!(%error, "a TCP lane lost its node and connects again");
        }
        lane.desk.lost(flight.lock().unwrap_or_else(PoisonError::into_inner).end());
        if !lane.is_stopped() {
            thread::sleep(RECONNECT_AFTER);
        }
    }
}

/// Ends when the lane is stopped or the connection is gone.
fn exchange(lane: &mut Lane, (mut sender, receiver): Link, flight: &Arc<Mutex<Flight>>) -> io::Result<()> {
    let closed = Arc::new(AtomicBool::new(false));
    let taker = {
        let (desk, flight, closed) = (lane.desk.clone(), flight.clone(), closed.clone());
        thread::spawn(move || {
            let ended = answers(&desk, receiver, &flight);
            closed.store(true, Ordering::Relaxed);
            ended
        })
    };
    let mut send = || -> io::Result<()> {
        // An answer may bring back what there was no room for, so the lane stays open until it is stopped.
        while !lane.is_stopped() && !closed.load(Ordering::Relaxed) {
            let (burst, pause) = lane.burst();
            flight.lock().unwrap_or_else(PoisonError::into_inner).extend(&burst);
            for parcel in burst {
                sender.send(lane.raw(parcel))?;
            }
            sender.flush()?;
            thread::sleep(pause.unwrap_or(LINGER));
        }
        Ok(())
    };
    let sent = send();
    if lane.is_stopped() {
        return Ok(());
    }
    drop(sender);
    let taken = taker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    sent.and(taken)
}

fn answers(desk: &Desk, mut receiver: TcpReceiver, flight: &Mutex<Flight>) -> io::Result<()> {
    while let Some((frame, reply)) = receiver.receive()? {
        desk.hear(flight, frame, &reply);
    }
    Ok(())
}

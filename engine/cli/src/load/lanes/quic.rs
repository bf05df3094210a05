//! A lane over QUIC: one stream of many transactions.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use horae_node::edges::quic_client::{QuicClient, QuicClientError, Trust};
use tokio::time::sleep;

use super::{LINGER, Lane, RECONNECT_AFTER, flight::Flight};

pub(super) async fn connect(address: SocketAddr) -> Result<QuicClient, QuicClientError> {
    QuicClient::connect(address, Trust::AnyNode).await
}

pub(super) async fn serve(mut lane: Lane, address: SocketAddr, client: QuicClient) {
    let mut client = Some(client);
    while !lane.is_stopped() {
        let flight = Arc::new(Mutex::new(Flight::default()));
        let ended = match client.take() {
            Some(client) => exchange(&mut lane, &client, &flight).await,
            None => match connect(address).await {
                Ok(client) => exchange(&mut lane, &client, &flight).await,
                Err(error) => Err(error),
            },
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a QUIC lane lost its node and connects again");
        }
        lane.desk.lost(flight.lock().unwrap_or_else(PoisonError::into_inner).end());
        if !lane.is_stopped() {
            sleep(RECONNECT_AFTER).await;
        }
    }
}

/// Ends when the lane is stopped or the connection is gone.
async fn exchange(lane: &mut Lane, client: &QuicClient, flight: &Mutex<Flight>) -> Result<(), QuicClientError> {
    let (mut sender, mut receiver) = client.open().await?;
    let desk = lane.desk.clone();
    let answers = async {
        while let Some((frame, reply)) = receiver.receive().await? {
            desk.hear(flight, frame, &reply);
        }
        Ok(())
    };
    let sending = async {
        // An answer may bring back what there was no room for, so the lane stays open until it is stopped.
        while !lane.is_stopped() {
            let (burst, pause) = lane.burst();
            flight.lock().unwrap_or_else(PoisonError::into_inner).extend(&burst);
            for parcel in burst {
                sender.send(lane.raw(parcel)).await?;
            }
            sender.flush().await?;
            sleep(pause.unwrap_or(LINGER)).await;
        }
        Ok(())
    };
    tokio::select! {
        ended = answers => ended,
        ended = sending => ended,
    }
}

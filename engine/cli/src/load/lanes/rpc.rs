//! A lane over JSON-RPC: batches of `eth_sendRawTransaction`, one after another.

use alloy_primitives::hex;
use jsonrpsee::core::traits::ToRpcParams;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tokio::time::sleep;

use super::{Answer, Lane, RECONNECT_AFTER};
use crate::rpc::Rpc;

/// Parameters of `eth_sendRawTransaction`, without a tree in between.
struct Raw(String);

impl Raw {
    fn of(raw: &[u8]) -> Self {
        let mut text = String::with_capacity(2 * raw.len() + 6);
        text.push_str("[\"0x");
        text.push_str(&hex::encode(raw));
        text.push_str("\"]");
        Self(text)
    }
}

impl ToRpcParams for Raw {
    fn to_rpc_params(self) -> Result<Option<Box<RawValue>>, serde_json::Error> {
        RawValue::from_string(self.0).map(Some)
    }
}

pub(super) async fn serve(mut lane: Lane, rpc: Rpc) {
    loop {
        let (burst, pause) = lane.burst();
        if burst.is_empty() {
            match pause {
                Some(pause) => sleep(pause).await,
                None => return,
            }
            continue;
        }
        let params: Vec<Raw> = burst.iter().map(|parcel| Raw::of(lane.raw(*parcel))).collect();
        match rpc.try_batch::<IgnoredAny>("eth_sendRawTransaction", params).await {
            Ok(answers) => {
                for (parcel, answer) in burst.into_iter().zip(answers) {
                    match answer {
                        Ok(IgnoredAny) => lane.desk.take(parcel, &Answer::Taken),
                        Err((_, reason)) => lane.desk.take(parcel, &Answer::Refused(&reason)),
                    }
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a batch had no answer and is sent again");
                lane.desk.lost(burst);
                sleep(RECONNECT_AFTER).await;
            }
        }
    }
}

//! Around every call: counting and timing it; and the calls of a batch run side by side, not one after the other.
//!
//! A batch of transactions would otherwise wait for each to be admitted before the next is handed over. The calls are
//! begun in the order of the batch, so transactions of one sender keep theirs.

use std::time::Instant;

use futures_util::future::join_all;
use jsonrpsee::core::middleware::{Batch, BatchEntry, Notification, RpcServiceT};
use jsonrpsee::core::server::{BatchResponseBuilder, MethodResponse};
use jsonrpsee::types::Request;
use jsonrpsee::types::error::METHOD_NOT_FOUND_CODE;

use super::limits::MAX_RESPONSE_BYTES;
use crate::edges::metrics::names;

/// A service with this around it.
#[derive(Clone, Debug)]
pub(super) struct Calls<S> {
    inner: S,
}

impl<S> Calls<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }
}

/// Method names of clients' making would make metrics without end.
fn meter(method: String, began: Instant, response: &MethodResponse) {
    let known = response.as_error_code() != Some(METHOD_NOT_FOUND_CODE);
    let method = if known { method } else { "unknown".into() };
    let outcome = if response.is_error() { "error" } else { "ok" };
    metrics::histogram!(names::RPC_SECONDS, "method" => method.clone()).record(began.elapsed().as_secs_f64());
    metrics::counter!(names::RPC_REQUESTS, "method" => method, "outcome" => outcome).increment(1);
}

impl<S> RpcServiceT for Calls<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            NotificationResponse = MethodResponse,
            BatchResponse = MethodResponse,
        > + Send
        + Sync
        + Clone
        + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let inner = self.inner.clone();
        async move {
            let method = request.method_name().to_owned();
            let began = Instant::now();
            let response = inner.call(request).await;
            meter(method, began, &response);
            response
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let service = self.clone();
        async move {
            let mut notified = false;
            let mut calls = Vec::with_capacity(batch.len());
            for entry in batch.into_iter() {
                match entry {
                    Ok(BatchEntry::Notification(notification)) => {
                        notified = true;
                        service.notification(notification).await;
                    }
                    Ok(BatchEntry::Call(request)) => calls.push(Ok(service.call(request))),
                    Err(bad) => {
                        let (error, id) = bad.into_parts();
                        calls.push(Err(MethodResponse::error(id, error)));
                    }
                }
            }
            let answers = join_all(calls.into_iter().map(|call| async move {
                match call {
                    Ok(call) => call.await,
                    Err(answer) => answer,
                }
            }));
            let mut all = BatchResponseBuilder::new_with_limit(MAX_RESPONSE_BYTES as usize);
            for answer in answers.await {
                if let Err(too_big) = all.append(answer) {
                    return too_big;
                }
            }
            if all.is_empty() && notified {
                return MethodResponse::notification();
            }
            MethodResponse::from_batch(all.finish())
        }
    }

    fn notification<'a>(&self, notification: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }
}

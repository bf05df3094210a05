//! The hot path: a POST that is nothing but plain `eth_sendRawTransaction` calls is answered here, in front of jsonrpsee.
//!
//! No JSON tree, task, timer or wake-up per transaction: the body is scanned where it lies ([`scan`]), all hex is decoded into one
//! buffer, the whole request is handed over with one wake-up and waited for with one, and the answers are written around
//! the ids as they came. Whatever is not byte for byte such a call (escapes, notifications, other methods or fields, damaged
//! JSON or hex, more than a batch may have, no length announced) goes on to jsonrpsee as it came. So the answers are the same to the byte.

mod answers;
mod reading;
mod scan;

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use alloy_primitives::hex;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either};
use http::{HeaderMap, Method, header};
use jsonrpsee::core::BoxError;
use jsonrpsee::server::http::{content_type_is_json, response};
use jsonrpsee::server::{ConnectionGuard, HttpBody, HttpRequest, HttpResponse};
use tower::Service;

use self::reading::Reading;
use self::scan::{Call, Plain, Scanned};
use super::context::Context;
use super::limits::{MAX_CONNECTIONS, MAX_REQUEST_BYTES};
use super::send;
use crate::edges::metrics::names;

/// As jsonrpsee's server counts and times it.
const METHOD: &str = "eth_sendRawTransaction";

/// What all connections share.
#[derive(Clone)]
pub(super) struct HotPath {
    context: Context,
    guard: ConnectionGuard,
}

impl HotPath {
    pub(super) fn new(context: Context) -> Self {
        Self { context, guard: ConnectionGuard::new(MAX_CONNECTIONS as usize) }
    }

    /// Puts the hot path in front of `inner`.
    pub(super) fn before<S>(&self, inner: S) -> Hot<S> {
        Hot { path: self.clone(), inner: Arc::new(inner) }
    }
}

/// A service with the hot path in front of it.
pub(super) struct Hot<S> {
    path: HotPath,
    /// Cloned only for what goes there.
    inner: Arc<S>,
}

impl<S> Clone for Hot<S> {
    fn clone(&self) -> Self {
        Self { path: self.path.clone(), inner: Arc::clone(&self.inner) }
    }
}

impl<S> Service<HttpRequest> for Hot<S>
where
    S: Service<HttpRequest, Response = HttpResponse, Error = BoxError> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = Either<S::Future, BoxFuture<'static, Result<HttpResponse, BoxError>>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), BoxError>> {
        // As jsonrpsee's own service: what is too much is refused, nothing waits.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let Some(length) = plain_post(&request) else {
            return Either::Left((*self.inner).clone().call(request));
        };
        let Self { path, inner } = self.clone();
        Either::Right(async move { path.answer(request, length, &inner).await }.boxed())
    }
}

/// The length of the body of a request that may be for the hot path.
fn plain_post(request: &HttpRequest) -> Option<usize> {
    let headers = request.headers();
    let plain = request.method() == Method::POST && !headers.contains_key(header::UPGRADE);
    if plain && content_type_is_json(request) { length_of(headers) } else { None }
}

fn length_of(headers: &HeaderMap) -> Option<usize> {
    let length: usize = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()?;
    (length <= MAX_REQUEST_BYTES as usize).then_some(length)
}

impl HotPath {
    async fn answer<S>(&self, request: HttpRequest, length: usize, inner: &Arc<S>) -> Result<HttpResponse, BoxError>
    where
        S: Service<HttpRequest, Response = HttpResponse, Error = BoxError> + Clone,
    {
        let Some(permit) = self.guard.try_acquire() else { return Ok(response::too_many_requests()) };
        let (parts, body) = request.into_parts();
        let mut reading = Reading::new(body, length);
        if reading.read_while_plain().await
            && let Some(answer) = self.send(reading.text()).await
        {
            return Ok(response::ok_response(answer));
        }
        drop(permit);
        let replay = HttpBody::new(reading.replay());
        (**inner).clone().call(HttpRequest::from_parts(parts, replay)).await
    }

    /// Sends what `text` says, if it is nothing but plain calls, and gives the body of the answer.
    async fn send(&self, text: &[u8]) -> Option<Vec<u8>> {
        let Scanned::Plain(plain) = scan::scan(text) else { return None };
        let began = Instant::now();
        let buffer = decoded(&plain.calls)?;
        let raws = slices(&buffer, &plain.calls);
        let admissions = send::send_all(&self.context, &raws).await;
        let (answer, refused) = answers::write(&plain, &admissions);
        meter(&plain, refused, began);
        Some(answer)
    }
}

/// All transactions, one after the other; `None` if one is not hex.
fn decoded(calls: &[Call<'_>]) -> Option<Vec<u8>> {
    let mut buffer = vec![0; calls.iter().map(Call::raw_bytes).sum()];
    let mut rest = buffer.as_mut_slice();
    for call in calls {
        let (raw, after) = rest.split_at_mut(call.raw_bytes());
        hex::decode_to_slice(call.hex, raw).ok()?;
        rest = after;
    }
    Some(buffer)
}

fn slices<'a>(mut buffer: &'a [u8], calls: &[Call<'_>]) -> Vec<&'a [u8]> {
    let cut = |call: &Call<'_>| {
        let (raw, rest) = buffer.split_at(call.raw_bytes());
        buffer = rest;
        raw
    };
    calls.iter().map(cut).collect()
}

/// As [`Calls`](super::layer::Calls) counts and times each.
fn meter(plain: &Plain<'_>, refused: usize, began: Instant) {
    let calls = plain.calls.len();
    metrics::histogram!(names::RPC_SECONDS, "method" => METHOD).record_many(began.elapsed().as_secs_f64(), calls);
    for (outcome, count) in [("ok", calls - refused), ("error", refused)] {
        if count > 0 {
            metrics::counter!(names::RPC_REQUESTS, "method" => METHOD, "outcome" => outcome).increment(count as u64);
        }
    }
}

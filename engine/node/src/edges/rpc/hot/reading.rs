//! Reading a body that may be plain calls, so that it can be given on as it came if it is something else.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use jsonrpsee::core::BoxError;
use jsonrpsee::server::HttpBody;

use super::scan::{Scanned, scan};

/// A body, and what was read of it.
pub(super) struct Reading {
    rest: HttpBody,
    /// Announced by the client, bytes; the transport sees to it that no more come.
    length: usize,
    /// The first frame, apart: jsonrpsee looks at it alone to tell a batch from a call.
    first: Option<Bytes>,
    /// All that was read, the first frame included, if there is more than that.
    all: Vec<u8>,
    failed: Option<BoxError>,
}

impl Reading {
    pub(super) fn new(body: HttpBody, length: usize) -> Self {
        Self { rest: body, length, first: None, all: Vec::new(), failed: None }
    }

    /// Reads to the end; stops after the first frame if that does not begin plain calls. Says whether it came to the end.
    pub(super) async fn read_while_plain(&mut self) -> bool {
        loop {
            match poll_fn(|context| Pin::new(&mut self.rest).poll_frame(context)).await {
                None => return self.first.is_some(),
                Some(Err(why)) => {
                    self.failed = Some(why);
                    return false;
                }
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    if !self.take(data) {
                        return false;
                    }
                }
            }
        }
    }

    fn take(&mut self, data: Bytes) -> bool {
        let Some(first) = &self.first else {
            let whole = data.len() == self.length;
            let plain = whole || !matches!(scan(&data), Scanned::Other);
            self.first = Some(data);
            return plain;
        };
        if self.all.is_empty() {
            self.all.extend_from_slice(first);
        }
        self.all.extend_from_slice(&data);
        true
    }

    /// What was read.
    pub(super) fn text(&self) -> &[u8] {
        match &self.first {
            Some(first) if self.all.is_empty() => first,
            _ => &self.all,
        }
    }

    /// The body as if nothing had been read.
    pub(super) fn replay(self) -> Replay {
        let skip = self.first.as_ref().map_or(0, Bytes::len);
        let more = (self.all.len() > skip).then(|| Bytes::from(self.all).slice(skip..));
        Replay { first: self.first, more, failed: self.failed, rest: self.rest }
    }
}

/// What was read, why it could not be read on, and what was not read yet.
pub(super) struct Replay {
    first: Option<Bytes>,
    more: Option<Bytes>,
    failed: Option<BoxError>,
    rest: HttpBody,
}

impl Body for Replay {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(data) = self.first.take().or_else(|| self.more.take()) {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(why) = self.failed.take() {
            return Poll::Ready(Some(Err(why)));
        }
        Pin::new(&mut self.rest).poll_frame(context)
    }
}

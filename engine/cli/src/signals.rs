//! Ctrl-C and `kill`.

use tokio::signal::unix::{SignalKind, signal};

use crate::error::CliError;

/// A future that ends at the first SIGINT, SIGTERM or SIGHUP from now on.
///
/// # Errors
/// The system refused the handlers.
pub fn asked_to_stop() -> Result<impl Future<Output = &'static str> + Send + 'static, CliError> {
    let listen = |kind| signal(kind).map_err(|e| CliError::because("cannot listen for signals", e));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
            _ = hangup.recv() => "SIGHUP",
        }
    })
}

//! SIGINT and SIGTERM: the first asks for an end in good order, the next for one at once.

use std::io;

/// Calls `on_signal` with the number of each SIGINT and SIGTERM, on a thread of its own.
///
/// # Errors
///
/// The result of registering for them.
#[cfg(unix)]
pub(crate) fn on_signal(on_signal: impl Fn(i32) + Send + 'static) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new()
        .name("ws-signals".into())
        .spawn(move || signals.forever().for_each(on_signal))?;
    Ok(())
}

/// Elsewhere the system ends the process.
#[cfg(not(unix))]
pub(crate) fn on_signal(_: impl Fn(i32) + Send + 'static) -> io::Result<()> {
    Ok(())
}

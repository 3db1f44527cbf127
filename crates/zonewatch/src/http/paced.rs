//! A connection whose other end must take what it asked for: a write that stands still for too long is an error.
//!
//! A reader that takes a byte a second would else hold its answer, and its place among the connections, for as long as it likes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// See the module.
pub struct Paced {
    stream: TcpStream,
    patience: Duration,
    /// Runs while a write stands still.
    standstill: Option<Pin<Box<Sleep>>>,
    is_asking: Arc<AtomicBool>,
}

impl Paced {
    /// Any single byte that is taken shows patience anew.
    pub fn new(stream: TcpStream, patience: Duration) -> Self {
        Self { stream, patience, standstill: None, is_asking: Arc::new(AtomicBool::new(true)) }
    }

    /// Whether the other end has something to say to the end: it has begun, or said nothing yet. Else it is only idle.
    pub fn is_asking(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_asking)
    }

    fn watched<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.standstill = None;
            self.is_asking.store(false, Relaxed);
            return written;
        }
        let patience = self.patience;
        let standstill = self.standstill.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(standstill.as_mut().poll(context));
        // What the system has taken and the other end has not is dropped too; it could be megabytes.
        let _ = self.stream.set_zero_linger();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Paced {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, into))?;
        if into.filled().len() > before {
            self.is_asking.store(true, Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Paced {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watched(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watched(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

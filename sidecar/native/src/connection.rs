//! One connection: who is there, an HTTP/2 preface in time, then hyper with every limit set.

use std::future::Future;
use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::config::Config;
use crate::counters::Counters;
use crate::exchange::Peer;
use crate::service::Service;

/// What every HTTP/2 client says first.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Streams that a client opened and reset before they were served; past it the connection ends (rapid reset).
const MAX_PENDING_ACCEPT_RESET_STREAMS: usize = 64;

/// Streams that we reset for a client's errors; past it the connection ends (made-you-reset).
const MAX_LOCAL_ERROR_RESET_STREAMS: usize = 256;

/// Metadata up to so many times its limit is read and refused with a gRPC status. Beyond, HTTP/2 itself refuses
/// the call, and past four times that again it ends the connection.
const METADATA_HEADROOM: u32 = 8;

/// HTTP/2's own default and least value, said aloud.
const MAX_FRAME_BYTES: u32 = 16 * 1024;

/// Bytes of answers kept for a stream whose caller does not read; its stream is then not polled further.
const MAX_SEND_BUFFER_BYTES: usize = 256 * 1024;

/// Serves connections that have been accepted.
pub struct Acceptor {
    pub service: Arc<Service>,
    max_connections: usize,
    allowed_uids: Vec<u32>,
    handshake_timeout: Duration,
    http2: http2::Builder<TokioExecutor>,
}

/// Counts a connection as long as it lives.
pub struct Counted(Arc<Counters>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connection_count.fetch_sub(1, Relaxed);
    }
}

impl Acceptor {
    pub fn new(config: &Config, service: Arc<Service>) -> Self {
        // SAFETY: geteuid has no preconditions and cannot fail.
        let own_uid = unsafe { libc::geteuid() };
        let allowed_uids = config.allowed_uids.clone();
        Self {
            service,
            max_connections: config.max_connections,
            allowed_uids: allowed_uids.unwrap_or_else(|| vec![own_uid, 0]),
            handshake_timeout: config.handshake_timeout(),
            http2: http2_limits(config),
        }
    }

    /// Awaits `future`, or returns None as soon as the server drains.
    pub async fn unless_draining<F: Future>(&self, future: F) -> Option<F::Output> {
        self.service.drain.run_until_cancelled(future).await
    }

    /// Counts a new connection, unless there are too many.
    pub fn count_in(&self) -> Option<Counted> {
        let counters = &self.service.counters;
        if counters.connection_count() >= self.max_connections {
            counters.refuse();
            return None;
        }
        counters.connection_count.fetch_add(1, Relaxed);
        Some(Counted(Arc::clone(counters)))
    }

    /// The name of a Unix socket's peer if it may connect.
    pub fn identify(&self, stream: &UnixStream) -> Option<String> {
        let credentials = stream.peer_cred().ok();
        let Some(peer) = credentials.filter(|peer| self.allowed_uids.contains(&peer.uid())) else {
            self.service.counters.refuse();
            return None;
        };
        let pid = peer.pid().unwrap_or(0);
        Some(format!(
            "unix:uid={},gid={},pid={pid}",
            peer.uid(),
            peer.gid()
        ))
    }

    /// Serves one connection to its end.
    pub async fn serve<R, W>(
        self: Arc<Self>,
        mut reader: R,
        writer: W,
        peer: Arc<Peer>,
        _counted: Counted,
    ) where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let greeting = timeout(self.handshake_timeout, read_preface(&mut reader));
        match self.unless_draining(greeting).await {
            Some(Ok(true)) => {}
            Some(_) => return self.service.counters.refuse(),
            None => return,
        }
        let io = tokio::io::join(Cursor::new(PREFACE).chain(reader), writer);
        let calls = peer.calls.clone();
        let service = Arc::clone(&self.service);
        let service =
            service_fn(move |request| Arc::clone(&service).serve(Arc::clone(&peer), request));
        let connection = self.http2.serve_connection(TokioIo::new(io), service);
        let mut connection = std::pin::pin!(connection);
        // A connection's error is its client's affair; each of its calls has been counted.
        if self.unless_draining(connection.as_mut()).await.is_some() {
            return;
        }
        // GOAWAY waits for the calls that are in; new ones are refused with a status meanwhile. With calls in
        // flight it could cost them their answers: h2 takes a WINDOW_UPDATE for a stream that came too late
        // for GOAWAY as a protocol error of the whole connection, and grpc core sends one with every call.
        calls.close();
        tokio::select! {
            _ = connection.as_mut() => return,
            () = calls.wait() => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// Whether the client opens with HTTP/2, decided at the first byte that is not its preface.
async fn read_preface<R: AsyncRead + Unpin>(reader: &mut R) -> bool {
    let mut seen = 0;
    let mut buffer = [0; PREFACE.len()];
    while seen < PREFACE.len() {
        match reader.read(&mut buffer[seen..]).await {
            Ok(count) if count > 0 => seen += count,
            _ => return false,
        }
        if buffer[..seen] != PREFACE[..seen] {
            return false;
        }
    }
    true
}

fn http2_limits(config: &Config) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .keep_alive_interval(config.keepalive_interval())
        .keep_alive_timeout(config.keepalive_timeout())
        .initial_connection_window_size(config.initial_window_bytes)
        .initial_stream_window_size(config.initial_window_bytes)
        .max_concurrent_streams(config.max_concurrent_streams)
        .max_header_list_size(config.max_metadata_bytes.saturating_mul(METADATA_HEADROOM))
        .max_frame_size(MAX_FRAME_BYTES)
        .max_send_buf_size(MAX_SEND_BUFFER_BYTES)
        .max_pending_accept_reset_streams(MAX_PENDING_ACCEPT_RESET_STREAMS)
        .max_local_error_reset_streams(MAX_LOCAL_ERROR_RESET_STREAMS);
    builder
}

//! The server's life on its own thread: accept, serve, drain, end.

use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::authority::AuthorityMender;
use crate::config::Config;
use crate::connection::Acceptor;
use crate::counters::Counters;
use crate::exchange::{Backend, Peer};
use crate::listener::{SocketFile, bind_tcp, bind_unix};
use crate::service::Service;

/// How long accepting pauses when the system has no descriptors left; calls on open connections go on.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running server. Dropping it closes it at once.
pub struct Server {
    pub tcp_port: Option<u16>,
    pub counters: Arc<Counters>,
    drain: CancellationToken,
    running: Mutex<Option<Running>>,
}

/// What `close` needs once.
struct Running {
    close: oneshot::Sender<Duration>,
    thread: JoinHandle<()>,
}

/// The sockets of a server, bound but not yet served.
struct Sockets {
    tcp: Option<std::net::TcpListener>,
    unix: Option<(std::os::unix::net::UnixListener, SocketFile)>,
}

impl Server {
    /// Binds, then serves on a thread of its own; `companion` runs beside it on that thread.
    pub fn start<F>(config: &Config, backend: Arc<dyn Backend>, companion: F) -> io::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let sockets = Sockets::bind(config)?;
        let tcp_port = match &sockets.tcp {
            Some(listener) => Some(listener.local_addr()?.port()),
            None => None,
        };
        let counters = Arc::new(Counters::new(config.methods.len()));
        let drain = CancellationToken::new();
        let service = Service::new(config, backend, Arc::clone(&counters), drain.clone());
        let acceptor = Arc::new(Acceptor::new(config, Arc::new(service)));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (close, closing) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("holdfast-net".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::spawn(companion);
                    run(sockets, acceptor, closing).await;
                });
            })?;
        Ok(Self {
            tcp_port,
            counters,
            drain,
            running: Mutex::new(Some(Running { close, thread })),
        })
    }

    /// Takes no more connections and calls in.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Drains, waits up to `grace` until every answer is flushed, then cuts what is left.
    pub fn close(&self, grace: Duration) {
        self.drain();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Running { close, thread }) = running.take() {
            // Either fails only if the thread has died, which ends the server just as well.
            let _ = close.send(grace);
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}

impl Sockets {
    fn bind(config: &Config) -> io::Result<Self> {
        let tcp = config.tcp_address.as_deref().map(bind_tcp).transpose()?;
        // With callers of other users the peer's credentials are the gate, not the file's mode.
        let mode = if config.allowed_uids.is_some() {
            0o666
        } else {
            0o600
        };
        let unix = config.unix_path.as_deref();
        let unix = unix
            .map(|path| bind_unix(Path::new(path), mode))
            .transpose()?;
        Ok(Self { tcp, unix })
    }
}

async fn run(sockets: Sockets, acceptor: Arc<Acceptor>, closing: oneshot::Receiver<Duration>) {
    let connections = TaskTracker::new();
    if let Some(listener) = sockets.tcp {
        let accept = accept_tcp(listener, Arc::clone(&acceptor), connections.clone());
        tokio::spawn(accept);
    }
    if let Some((listener, file)) = sockets.unix {
        let accept = accept_unix(listener, file, Arc::clone(&acceptor), connections.clone());
        tokio::spawn(accept);
    }
    let grace = closing.await.unwrap_or(Duration::ZERO);
    connections.close();
    // What is not finished by then is cut when the runtime is dropped.
    let _ = timeout(grace, connections.wait()).await;
}

async fn accept_tcp(
    listener: std::net::TcpListener,
    acceptor: Arc<Acceptor>,
    connections: TaskTracker,
) {
    let listener = TcpListener::from_std(listener).expect("registered with the runtime");
    while let Some(accepted) = acceptor.unless_draining(listener.accept()).await {
        let Ok((stream, address)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // A connection that is gone already fails again, and properly, when it is read.
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        admit(
            &acceptor,
            &connections,
            reader,
            writer,
            format!("tcp:{address}"),
        );
    }
}

async fn accept_unix(
    listener: std::os::unix::net::UnixListener,
    file: SocketFile,
    acceptor: Arc<Acceptor>,
    connections: TaskTracker,
) {
    let listener = UnixListener::from_std(listener).expect("registered with the runtime");
    while let Some(accepted) = acceptor.unless_draining(listener.accept()).await {
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Some(peer) = acceptor.identify(&stream) else {
            continue;
        };
        let (reader, writer) = stream.into_split();
        let reader = AuthorityMender::new(reader);
        admit(&acceptor, &connections, reader, writer, peer);
    }
    drop(file);
}

fn admit<R, W>(
    acceptor: &Arc<Acceptor>,
    connections: &TaskTracker,
    reader: R,
    writer: W,
    peer: String,
) where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let Some(counted) = acceptor.count_in() else {
        return;
    };
    let peer = Arc::new(Peer::new(peer));
    connections.spawn(Arc::clone(acceptor).serve(reader, writer, peer, counted));
}

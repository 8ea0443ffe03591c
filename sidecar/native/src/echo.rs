//! The bare transport of the benchmarks: the same server, answering each message with itself, without Python.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use tokio::time::Instant;
use tonic::Status;

use crate::config::Config;
use crate::exchange::{Answer, Backend, Item, ReplyTo};
use crate::server::Server;

/// Adds the echo server's names to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<EchoServer>()
}

/// Answers at once, on the network thread.
struct Echo;

impl Backend for Echo {
    fn submit(&self, item: Item, reply_to: ReplyTo) -> Result<(), Status> {
        reply_to.send(Answer {
            status: 0,
            payload: item.payload,
            arrived: Instant::now(),
        });
        Ok(())
    }
}

/// Serves the methods of a `TransportConfig` with their own payloads.
#[pyclass(frozen, module = "holdfast_sidecar._native")]
struct EchoServer {
    server: Server,
}

#[pymethods]
impl EchoServer {
    #[new]
    fn new(config: Config) -> PyResult<Self> {
        let server = Server::start(&config, Arc::new(Echo), std::future::ready(()))?;
        Ok(Self { server })
    }

    #[getter]
    fn tcp_port(&self) -> Option<u16> {
        self.server.tcp_port
    }

    fn close(&self, py: Python<'_>, grace_ms: u64) {
        py.detach(|| self.server.close(Duration::from_millis(grace_ms)));
    }
}

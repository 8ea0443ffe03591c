//! The transport as Python sees it: batches out, answers in.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::config::Config;
use crate::counters::LATENCY_BOUNDS_US;
use crate::exchange::{Exchange, Item, Reply};
use crate::server::Server;

/// Adds the transport's names to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add(
        "LATENCY_BOUNDS_US",
        PyTuple::new(module.py(), LATENCY_BOUNDS_US)?,
    )?;
    module.add_class::<Transport>()
}

/// Counts of one method: path, answers by status code, answers by latency bucket, latency sum in microseconds.
type MethodSnapshot = (String, Vec<u64>, Vec<u64>, u64);

/// The native transport; see `interface.Transport` for what each call means.
#[pyclass(frozen, module = "holdfast_sidecar._native")]
struct Transport {
    exchange: Arc<Exchange>,
    server: Server,
    method_paths: Vec<String>,
    max_batch_items: usize,
}

#[pymethods]
impl Transport {
    #[new]
    fn new(config: Config) -> PyResult<Self> {
        let exchange = Arc::new(Exchange::new(config.max_pending_items));
        let companion = run_exchange(Arc::clone(&exchange));
        let backend = Arc::clone(&exchange);
        Ok(Self {
            exchange,
            server: Server::start(&config, backend, companion)?,
            max_batch_items: config.max_batch_items,
            method_paths: config
                .methods
                .into_iter()
                .map(|method| method.path)
                .collect(),
        })
    }

    #[getter]
    fn tcp_port(&self) -> Option<u16> {
        self.server.tcp_port
    }

    fn next_batch<'py>(&self, py: Python<'py>, timeout_ns: i64) -> PyResult<Bound<'py, PyList>> {
        let timeout = Duration::from_nanos(u64::try_from(timeout_ns).unwrap_or(0));
        let items = self.exchange.next_batch(py, timeout, self.max_batch_items);
        let items = items
            .into_iter()
            .map(|(call_id, item)| to_python(py, call_id, &item));
        PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)
    }

    fn reply(&self, replies: &Bound<'_, PyList>) -> PyResult<()> {
        let replies = replies.iter().map(|reply| from_python(&reply));
        self.exchange.reply(replies.collect::<PyResult<Vec<_>>>()?);
        Ok(())
    }

    fn wake(&self) {
        self.exchange.wake();
    }

    fn drain(&self) {
        self.server.drain();
    }

    fn close(&self, py: Python<'_>, grace_ms: u64) {
        py.detach(|| self.server.close(Duration::from_millis(grace_ms)));
        self.exchange.close();
    }

    /// (methods, connection_count, pending_count, refused_count)
    fn statistics(&self) -> (Vec<MethodSnapshot>, usize, usize, u64) {
        let counters = &self.server.counters;
        let methods = self.method_paths.iter().zip(&counters.methods);
        let methods = methods.map(|(path, counters)| {
            let (statuses, latencies, latency_sum_us) = counters.snapshot();
            (path.clone(), statuses, latencies, latency_sum_us)
        });
        (
            methods.collect(),
            counters.connection_count(),
            self.exchange.pending_count(),
            counters.refused_count(),
        )
    }
}

/// What the exchange does on the network thread.
async fn run_exchange(exchange: Arc<Exchange>) {
    tokio::join!(exchange.announce_arrivals(), exchange.deliver_replies());
}

fn to_python<'py>(py: Python<'py>, call_id: u64, item: &Item) -> PyResult<Bound<'py, PyTuple>> {
    let payload = PyBytes::new(py, &item.payload);
    let peer = match &item.authorization {
        None => item.peer.python_name(py).clone(),
        Some(authorization) => item.peer.caller_name(py, authorization),
    };
    (call_id, item.method, payload, peer, item.deadline_ns).into_pyobject(py)
}

fn from_python(reply: &Bound<'_, PyAny>) -> PyResult<Reply> {
    let (call_id, status, payload): (u64, i32, Bound<'_, PyBytes>) = reply.extract()?;
    Ok(Reply {
        call_id,
        status,
        payload: Bytes::copy_from_slice(payload.as_bytes()),
    })
}

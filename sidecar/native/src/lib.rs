//! `holdfast_sidecar._native`: the transport that carries calls, and the load generator that measures it.
//!
//! Native code is a leaf: it moves bytes and counts them, and holds no rule of the domain.

use pyo3::prelude::*;

mod authority;
mod codec;
mod config;
mod connection;
mod counters;
mod deadline;
mod echo;
mod exchange;
mod listener;
mod loadgen;
mod server;
mod service;
mod status;
mod stream;
mod transport;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    transport::register(module)?;
    echo::register(module)?;
    loadgen::register(module)
}

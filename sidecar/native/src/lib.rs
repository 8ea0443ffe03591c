//! `holdfast_sidecar._native`: the transport that carries calls, and the load generator that measures it.
//!
//! Native code is a leaf: it moves bytes and counts them, and holds no rule of the domain.

use pyo3::prelude::*;

mod loadgen;
mod transport;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    transport::register(module)?;
    loadgen::register(module)
}

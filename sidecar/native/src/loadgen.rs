//! The load generator of the benchmark harness. Registers its classes in the extension module.

use pyo3::prelude::*;

/// Adds the load generator's names to the module.
pub fn register(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}

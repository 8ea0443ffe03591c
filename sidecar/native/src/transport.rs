//! The transport's Python face. Registers its classes in the extension module.

use pyo3::prelude::*;

/// Adds the transport's names to the module.
pub fn register(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}

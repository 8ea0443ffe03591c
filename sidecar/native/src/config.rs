//! What Python says about the transport: where to listen and every limit (`TransportConfig` of `interface.py`).

use std::time::Duration;

use pyo3::prelude::*;

/// `holdfast_sidecar.transport.interface.TransportConfig`, read attribute by attribute.
#[derive(FromPyObject, Clone)]
pub struct Config {
    pub methods: Vec<MethodSpec>,
    pub tcp_address: Option<String>,
    pub unix_path: Option<String>,
    pub allowed_uids: Option<Vec<u32>>,
    pub max_batch_items: usize,
    pub max_pending_items: usize,
    pub max_message_bytes: usize,
    pub max_metadata_bytes: u32,
    pub max_concurrent_streams: u32,
    pub max_stream_items: usize,
    pub max_connections: usize,
    handshake_timeout_ms: u64,
    keepalive_interval_ms: u64,
    keepalive_timeout_ms: u64,
    pub initial_window_bytes: u32,
}

impl Config {
    pub fn handshake_timeout(&self) -> Duration {
        Duration::from_millis(self.handshake_timeout_ms)
    }

    pub fn keepalive_interval(&self) -> Duration {
        Duration::from_millis(self.keepalive_interval_ms)
    }

    pub fn keepalive_timeout(&self) -> Duration {
        Duration::from_millis(self.keepalive_timeout_ms)
    }
}

/// One gRPC method by its full path.
#[derive(FromPyObject, Clone)]
pub struct MethodSpec {
    pub path: String,
    kind: KindValue,
}

/// `MethodKind`, an enum of strings.
#[derive(FromPyObject, Clone)]
struct KindValue {
    value: String,
}

impl MethodSpec {
    pub fn is_stream(&self) -> bool {
        self.kind.value == "bidi"
    }
}

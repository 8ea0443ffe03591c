//! gRPC statuses: those that Python answers with, and those that the transport itself refuses with.

use bytes::Bytes;
use prost::Message;
use tonic::{Code, Status};

/// Who speaks in `google.rpc.ErrorInfo`.
const ERROR_DOMAIN: &str = "holdfast";

/// Longest grpc-message sent. Clients begin to refuse a call whose trailers pass 8 KiB, and escapes triple
/// a message that is not ASCII.
const MAX_MESSAGE_BYTES: usize = 1_024;

/// Longest `google.rpc.Status` sent, which base64 lengthens by a third; a longer one is left out.
const MAX_DETAILS_BYTES: usize = 3_072;

/// `google.rpc.Status` as far as this crate looks into one.
#[derive(Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.ErrorInfo` without metadata.
#[derive(Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
}

/// The message alone of a `google.rpc.Status`; the rest is skipped, not parsed.
#[derive(Message)]
struct StatusMessage {
    #[prost(string, tag = "2")]
    message: String,
}

/// The status of an answer: its code, and the serialised `google.rpc.Status` that says more.
pub fn from_answer(code: i32, details: Bytes) -> Status {
    let code = Code::from_i32(code);
    match StatusMessage::decode(details.as_ref()) {
        Ok(parsed) if details.len() > MAX_DETAILS_BYTES => {
            Status::new(code, shorten(parsed.message))
        }
        Ok(parsed) => Status::with_details(code, shorten(parsed.message), details),
        Err(_) => Status::new(code, "no readable google.rpc.Status"),
    }
}

/// A refusal by the transport, with `ErrorInfo` saying why in capitals.
pub fn refusal(code: Code, reason: &str, message: &str) -> Status {
    let info = ErrorInfo {
        reason: reason.to_owned(),
        domain: ERROR_DOMAIN.to_owned(),
    };
    let status = RpcStatus {
        code: code as i32,
        message: message.to_owned(),
        details: vec![Any {
            type_url: "type.googleapis.com/google.rpc.ErrorInfo".to_owned(),
            value: info.encode_to_vec(),
        }],
    };
    Status::with_details(code, message, status.encode_to_vec().into())
}

/// Cuts a message at a character boundary.
fn shorten(mut message: String) -> String {
    let mut end = MAX_MESSAGE_BYTES.min(message.len());
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.truncate(end);
    message
}

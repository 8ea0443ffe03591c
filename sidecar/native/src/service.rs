//! What happens to a call: routed by its path, checked against the limits, handed to the backend, answered.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tonic::body::Body;
use tonic::server::{ClientStreamingService, Grpc, StreamingService};
use tonic::{Code, Status, Streaming};

use crate::codec::RawCodec;
use crate::config::Config;
use crate::counters::{Counters, MethodCounters};
use crate::deadline::{self, Deadline};
use crate::exchange::{Answer, Backend, Item, Peer, ReplyTo};
use crate::status::{from_answer, refusal};
use crate::stream::AnswerStream;

/// What HTTP/2 adds to each header's name and value when it counts a header list (RFC 9113, 6.5.2).
const HEADER_OVERHEAD_BYTES: usize = 32;

/// The methods of a server and what stands behind them.
pub struct Service {
    routes: FxHashMap<String, Route>,
    max_message_bytes: usize,
    max_metadata_bytes: usize,
    pub max_stream_items: usize,
    pub backend: Arc<dyn Backend>,
    pub counters: Arc<Counters>,
    pub drain: CancellationToken,
}

#[derive(Clone, Copy)]
struct Route {
    method: usize,
    is_stream: bool,
}

impl Service {
    pub fn new(
        config: &Config,
        backend: Arc<dyn Backend>,
        counters: Arc<Counters>,
        drain: CancellationToken,
    ) -> Self {
        let route = |(method, spec): (usize, &crate::config::MethodSpec)| {
            let is_stream = spec.is_stream();
            (spec.path.clone(), Route { method, is_stream })
        };
        Self {
            routes: config.methods.iter().enumerate().map(route).collect(),
            max_message_bytes: config.max_message_bytes,
            max_metadata_bytes: config.max_metadata_bytes as usize,
            max_stream_items: config.max_stream_items,
            backend,
            counters,
            drain,
        }
    }

    /// Answers one HTTP/2 request.
    pub async fn serve(
        self: Arc<Self>,
        peer: Arc<Peer>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        let arrived = Instant::now();
        if !is_grpc(request.headers()) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Ok(response);
        }
        let Some(&route) = self.routes.get(request.uri().path()) else {
            let message = "no such method here";
            return Ok(refusal(Code::Unimplemented, "UNKNOWN_METHOD", message).into_http());
        };
        let deadline = match self.admit(request.headers(), arrived) {
            Ok(deadline) => deadline,
            Err(status) => {
                let counters = &self.counters.methods[route.method];
                counters.record_answer(status.code(), arrived.elapsed());
                return Ok(status.into_http());
            }
        };
        let mut grpc = Grpc::new(RawCodec).max_decoding_message_size(self.max_message_bytes);
        let call = Call {
            service: self,
            method: route.method,
            _in_flight: peer.calls.token(),
            peer,
            authorization: request.headers().get(http::header::AUTHORIZATION).cloned(),
            deadline,
            arrived,
            finished: false,
        };
        Ok(if route.is_stream {
            grpc.streaming(Once(Some(call)), request).await
        } else {
            grpc.client_streaming(Once(Some(call)), request).await
        })
    }

    /// Checks what the headers alone can say.
    fn admit(&self, headers: &HeaderMap, arrived: Instant) -> Result<Deadline, Status> {
        if self.drain.is_cancelled() {
            self.counters.refuse();
            return Err(draining());
        }
        if header_list_bytes(headers) > self.max_metadata_bytes {
            self.counters.refuse();
            let message = format!("metadata is limited to {} bytes", self.max_metadata_bytes);
            return Err(refusal(
                Code::ResourceExhausted,
                "METADATA_TOO_LARGE",
                &message,
            ));
        }
        if headers
            .get("grpc-encoding")
            .is_some_and(|encoding| encoding != "identity")
        {
            let message = "compressed messages are not taken";
            let mut status = refusal(Code::Unimplemented, "COMPRESSION_UNSUPPORTED", message);
            let identity = tonic::metadata::MetadataValue::from_static("identity");
            status
                .metadata_mut()
                .insert("grpc-accept-encoding", identity);
            return Err(status);
        }
        Deadline::read(headers, arrived)
    }
}

/// A call that has been let in. Counts itself as cancelled when it is dropped unfinished.
pub struct Call {
    pub service: Arc<Service>,
    method: usize,
    _in_flight: TaskTrackerToken,
    peer: Arc<Peer>,
    authorization: Option<HeaderValue>,
    pub deadline: Deadline,
    arrived: Instant,
    finished: bool,
}

impl Call {
    pub fn counters(&self) -> &MethodCounters {
        &self.service.counters.methods[self.method]
    }

    /// Hands one message to the backend.
    pub fn submit(&self, payload: Bytes, reply_to: ReplyTo) -> Result<(), Status> {
        let item = Item {
            method: self.method,
            payload,
            peer: Arc::clone(&self.peer),
            authorization: self.authorization.clone(),
            deadline_ns: self.deadline.boottime_ns,
        };
        let submitted = self.service.backend.submit(item, reply_to);
        submitted.inspect_err(|_| self.service.counters.refuse())
    }

    /// Says in our words what tonic found wrong with a message.
    pub fn explain(&self, fault: Status) -> Status {
        if fault.code() != Code::OutOfRange {
            return fault;
        }
        self.service.counters.refuse();
        let limit = self.service.max_message_bytes;
        let message = format!("a message is limited to {limit} bytes");
        refusal(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", &message)
    }

    /// The call needs no more counting when it is dropped.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    async fn answer_unary(mut self, mut requests: Streaming<Bytes>) -> Result<Bytes, Status> {
        let outcome = match self.deadline.at {
            Some(at) => timeout_at(at, self.exchange_unary(&mut requests))
                .await
                .unwrap_or_else(|_| Err(deadline::exceeded())),
            None => self.exchange_unary(&mut requests).await,
        };
        let code = outcome.as_ref().err().map_or(Code::Ok, Status::code);
        self.counters().record_answer(code, self.arrived.elapsed());
        self.finish();
        outcome
    }

    async fn exchange_unary(&self, requests: &mut Streaming<Bytes>) -> Result<Bytes, Status> {
        let message = requests
            .message()
            .await
            .map_err(|fault| self.explain(fault))?;
        let payload = message.ok_or_else(|| {
            refusal(
                Code::InvalidArgument,
                "MISSING_MESSAGE",
                "the call carries no message",
            )
        })?;
        // The call is whole only at the end of its stream.
        requests
            .trailers()
            .await
            .map_err(|fault| self.explain(fault))?;
        let (sender, receiver) = oneshot::channel();
        self.submit(payload, ReplyTo::Unary(sender))?;
        let answer = receiver.await.map_err(|_| draining())?;
        outcome_of(answer)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.finished {
            self.counters().record_status(Code::Cancelled);
        }
    }
}

/// The message of an answer, or the status that it carries.
pub fn outcome_of(answer: Answer) -> Result<Bytes, Status> {
    match answer.status {
        0 => Ok(answer.payload),
        code => Err(from_answer(code, answer.payload)),
    }
}

/// The answer to what comes in while the server shuts down; callers may try again elsewhere or later.
pub fn draining() -> Status {
    refusal(Code::Unavailable, "DRAINING", "the server is shutting down")
}

/// The size of headers as HTTP/2 counts it.
fn header_list_bytes(headers: &HeaderMap) -> usize {
    let size = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        name.as_str().len() + value.len() + HEADER_OVERHEAD_BYTES
    };
    headers.iter().map(size).sum()
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A call as a tonic service, which asks for `&mut` though it calls once.
struct Once(Option<Call>);

impl Once {
    fn take(&mut self) -> Call {
        self.0.take().expect("tonic calls a service once a request")
    }
}

impl ClientStreamingService<Bytes> for Once {
    type Response = Bytes;
    type Future = BoxFuture<Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        let answer = self.take().answer_unary(request.into_inner());
        Box::pin(async move { answer.await.map(tonic::Response::new) })
    }
}

impl StreamingService<Bytes> for Once {
    type Response = Bytes;
    type ResponseStream = AnswerStream;
    type Future = std::future::Ready<Result<tonic::Response<AnswerStream>, Status>>;

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        let answers = AnswerStream::new(self.take(), request.into_inner());
        std::future::ready(Ok(tonic::Response::new(answers)))
    }
}

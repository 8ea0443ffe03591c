//! A bidirectional stream: reads messages as long as few enough answers are owed, and yields answers as they come.
//!
//! It is polled for answers only while the caller takes them, so a caller that does not read is not read from.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Sleep;
use tokio_stream::Stream;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Code, Status, Streaming};

use crate::deadline;
use crate::exchange::{Answer, ReplyTo};
use crate::service::{Call, draining, outcome_of};

/// The answers of one stream.
pub struct AnswerStream {
    call: Call,
    requests: Streaming<Bytes>,
    sender: mpsc::UnboundedSender<Answer>,
    answers: mpsc::UnboundedReceiver<Answer>,
    owed_count: usize,
    /// How the stream ends once nothing is owed; None while it is read.
    ending: Option<Result<(), Status>>,
    deadline: Option<Pin<Box<Sleep>>>,
    drain: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl AnswerStream {
    pub fn new(call: Call, requests: Streaming<Bytes>) -> Self {
        let (sender, answers) = mpsc::unbounded_channel();
        Self {
            requests,
            sender,
            answers,
            owed_count: 0,
            ending: None,
            deadline: call
                .deadline
                .at
                .map(|at| Box::pin(tokio::time::sleep_until(at))),
            drain: Box::pin(call.service.drain.clone().cancelled_owned()),
            call,
        }
    }

    /// Takes messages in until none is there, the limit is reached, or the stream is at its end.
    fn poll_requests(&mut self, context: &mut Context<'_>) {
        while self.ending.is_none() && self.owed_count < self.call.service.max_stream_items {
            let Poll::Ready(message) = Pin::new(&mut self.requests).poll_next(context) else {
                return;
            };
            self.ending = match message {
                Some(Ok(payload)) => self.take_in(payload).err().map(Err),
                Some(Err(fault)) => Some(Err(self.call.explain(fault))),
                None => Some(Ok(())),
            };
        }
    }

    fn take_in(&mut self, payload: Bytes) -> Result<(), Status> {
        self.call
            .submit(payload, ReplyTo::Stream(self.sender.clone()))?;
        self.owed_count += 1;
        Ok(())
    }

    /// Counts an answer and turns it into what the caller gets.
    fn hand_over(&mut self, answer: Answer) -> Result<Bytes, Status> {
        self.owed_count -= 1;
        let latency = answer.arrived.elapsed();
        let outcome = outcome_of(answer);
        let code = outcome.as_ref().err().map_or(Code::Ok, Status::code);
        self.call.counters().record_answer(code, latency);
        if outcome.is_err() {
            self.call.finish();
        }
        outcome
    }

    /// Ends the stream by the transport's own word.
    fn end(&mut self, ending: Result<(), Status>) -> Option<Result<Bytes, Status>> {
        self.call.finish();
        let status = ending.err()?;
        self.call.counters().record_status(status.code());
        Some(Err(status))
    }
}

impl Stream for AnswerStream {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(Some(answer)) = this.answers.poll_recv(context) {
            return Poll::Ready(Some(this.hand_over(answer)));
        }
        if let Some(deadline) = &mut this.deadline
            && deadline.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(this.end(Err(deadline::exceeded())));
        }
        if this.ending.is_none() && this.drain.as_mut().poll(context).is_ready() {
            this.ending = Some(Err(draining()));
        }
        this.poll_requests(context);
        // An echo answers at once: look again, for nothing else would wake this task.
        if let Poll::Ready(Some(answer)) = this.answers.poll_recv(context) {
            return Poll::Ready(Some(this.hand_over(answer)));
        }
        match this.ending.take_if(|_| this.owed_count == 0) {
            Some(ending) => Poll::Ready(this.end(ending)),
            None => Poll::Pending,
        }
    }
}

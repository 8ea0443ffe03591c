//! Where the two threads meet: requests go to Python in batches, answers come back in batches.
//!
//! The network thread never takes the interpreter lock and Python never waits for the network thread.
//! Each side wakes the other once a batch, not once a call: a wake across threads is a system call.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;
use rustc_hash::FxHashMap;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tonic::{Code, Status};

use crate::status::refusal;

/// The other end of a connection, with its Python name made once, when first asked for.
pub struct Peer {
    /// One token for each call of this connection that has been let in and is not over.
    pub calls: TaskTracker,
    name: String,
    python_name: PyOnceLock<Py<PyString>>,
}

impl Peer {
    pub fn new(name: String) -> Self {
        Self {
            calls: TaskTracker::new(),
            name,
            python_name: PyOnceLock::new(),
        }
    }

    pub fn python_name<'py>(&self, py: Python<'py>) -> &Bound<'py, PyString> {
        self.python_name
            .get_or_init(py, || PyString::new(py, &self.name).unbind())
            .bind(py)
    }

    /// The Python name of who makes a call with this `authorization`.
    pub fn caller_name<'py>(
        &self,
        py: Python<'py>,
        authorization: &HeaderValue,
    ) -> Bound<'py, PyString> {
        let authorization = String::from_utf8_lossy(authorization.as_bytes());
        PyString::new(py, &format!("{} {authorization}", self.name))
    }
}

/// One request or one message of a stream, on its way to Python.
pub struct Item {
    pub method: usize,
    pub payload: Bytes,
    pub peer: Arc<Peer>,
    /// The call's `authorization` metadata, which few calls have.
    pub authorization: Option<HeaderValue>,
    pub deadline_ns: i64,
}

/// An answer as Python gave it.
pub struct Reply {
    pub call_id: u64,
    pub status: i32,
    pub payload: Bytes,
}

/// An answer on its way to its caller.
pub struct Answer {
    pub status: i32,
    pub payload: Bytes,
    /// When the item that it answers arrived.
    pub arrived: Instant,
}

/// Where the answer of an item goes.
pub enum ReplyTo {
    Unary(oneshot::Sender<Answer>),
    Stream(mpsc::UnboundedSender<Answer>),
}

impl ReplyTo {
    /// Hands an answer on; one whose caller has gone is dropped.
    pub fn send(self, answer: Answer) {
        match self {
            Self::Unary(sender) => drop(sender.send(answer)),
            Self::Stream(sender) => drop(sender.send(answer)),
        }
    }
}

/// What stands behind the server: takes items in and answers each of them, now or later.
pub trait Backend: Send + Sync + 'static {
    /// Takes an item in, or refuses it.
    fn submit(&self, item: Item, reply_to: ReplyTo) -> Result<(), Status>;
}

/// An answer that Python owes.
struct Owed {
    reply_to: ReplyTo,
    arrived: Instant,
}

/// Items on their way to Python.
#[derive(Default)]
struct Inbox {
    items: Vec<(u64, Item)>,
    last_call_id: u64,
    python_waits: bool,
    woken: bool,
}

impl Inbox {
    fn is_ready(&self) -> bool {
        self.woken || !self.items.is_empty()
    }

    fn take(&mut self, max_items: usize) -> Vec<(u64, Item)> {
        self.woken = false;
        if self.items.len() <= max_items {
            let spare = Vec::with_capacity(self.items.len());
            return std::mem::replace(&mut self.items, spare);
        }
        self.items.drain(..max_items).collect()
    }
}

/// The backend whose answers come from Python.
pub struct Exchange {
    max_pending_items: usize,
    inbox: Mutex<Inbox>,
    arrival: Condvar,
    submitted: Notify,
    /// Touched by the network thread, but for its length.
    owed: Mutex<FxHashMap<u64, Owed>>,
    outbox: Mutex<Vec<Reply>>,
    replied: Notify,
    closed: AtomicBool,
}

impl Exchange {
    pub fn new(max_pending_items: usize) -> Self {
        Self {
            max_pending_items,
            inbox: Mutex::default(),
            arrival: Condvar::new(),
            submitted: Notify::new(),
            owed: Mutex::default(),
            outbox: Mutex::default(),
            replied: Notify::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// Python's side: what has arrived, waiting up to `timeout` for the first item.
    ///
    /// The interpreter lock is given up only if there is something to wait for: taking it back can cost
    /// a switch interval when other Python threads are busy.
    pub fn next_batch(
        &self,
        py: Python<'_>,
        timeout: Duration,
        max_items: usize,
    ) -> Vec<(u64, Item)> {
        let mut inbox = lock(&self.inbox);
        if inbox.is_ready() || timeout.is_zero() || self.closed.load(Relaxed) {
            return inbox.take(max_items);
        }
        drop(inbox);
        py.detach(|| {
            let (mut inbox, _) = self
                .arrival
                .wait_timeout_while(lock(&self.inbox), timeout, |inbox| {
                    inbox.python_waits = !inbox.is_ready();
                    inbox.python_waits
                })
                .unwrap_or_else(PoisonError::into_inner);
            inbox.python_waits = false;
            inbox.take(max_items)
        })
    }

    /// Python's side: hands answers over; wakes the network thread if it has none to deal with.
    pub fn reply(&self, replies: Vec<Reply>) {
        if replies.is_empty() || self.closed.load(Relaxed) {
            return;
        }
        let mut outbox = lock(&self.outbox);
        let first = outbox.is_empty();
        outbox.extend(replies);
        drop(outbox);
        if first {
            self.replied.notify_one();
        }
    }

    /// Makes the running or next `next_batch` return at once.
    pub fn wake(&self) {
        lock(&self.inbox).woken = true;
        self.arrival.notify_one();
    }

    /// No answer is taken and no batch is waited for from now on.
    pub fn close(&self) {
        self.closed.store(true, Relaxed);
        self.wake();
    }

    /// Items taken in and not answered.
    pub fn pending_count(&self) -> usize {
        lock(&self.owed).len()
    }

    /// Network side, runs for ever: tells Python of arrivals.
    ///
    /// It is a task of its own so that it runs after the tasks that are ready now: Python wakes to all
    /// that one read of the sockets brought, not to its first item.
    pub async fn announce_arrivals(&self) {
        loop {
            self.submitted.notified().await;
            if std::mem::take(&mut lock(&self.inbox).python_waits) {
                self.arrival.notify_one();
            }
        }
    }

    /// Network side, runs for ever: hands Python's answers to the calls that they belong to.
    pub async fn deliver_replies(&self) {
        loop {
            self.replied.notified().await;
            let replies = std::mem::take(&mut *lock(&self.outbox));
            let mut owed = lock(&self.owed);
            for reply in replies {
                if let Some(Owed { reply_to, arrived }) = owed.remove(&reply.call_id) {
                    reply_to.send(Answer {
                        status: reply.status,
                        payload: reply.payload,
                        arrived,
                    });
                }
            }
        }
    }
}

impl Backend for Exchange {
    fn submit(&self, item: Item, reply_to: ReplyTo) -> Result<(), Status> {
        let arrived = Instant::now();
        let mut owed = lock(&self.owed);
        if owed.len() >= self.max_pending_items {
            let message = "too many calls wait for an answer";
            return Err(refusal(
                Code::ResourceExhausted,
                "TOO_MANY_PENDING",
                message,
            ));
        }
        let mut inbox = lock(&self.inbox);
        inbox.last_call_id += 1;
        let call_id = inbox.last_call_id;
        inbox.items.push((call_id, item));
        drop(inbox);
        owed.insert(call_id, Owed { reply_to, arrived });
        self.submitted.notify_one();
        Ok(())
    }
}

/// Locks; no code that holds one of these locks can leave a half-made change behind when it panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

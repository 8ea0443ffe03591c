//! The client side of one HTTP/2 connection (RFC 9113) as gRPC uses it, without I/O: bytes in, completions out.
//!
//! The generator shares its processors with the server that it measures. A general client spends several microseconds
//! a call on wakers, header maps and buffers; this one writes frames into one buffer and reads them in place.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::hpack::{RequestEncoder, STATUS_UNKNOWN, read_answer};
use super::scenario::{MESSAGE_PREFIX_BYTES, Step};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEADER_BYTES: usize = 9;
const MAX_FRAME_BYTES: usize = 16_384;
const DEFAULT_WINDOW_BYTES: i64 = 65_535;
const MAX_WINDOW_BYTES: u32 = 0x7fff_ffff;

/// Bytes received after which a window is filled up again.
const REFILL_BYTES: u32 = 1 << 29;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;

/// The gRPC status of a stream that the server reset, by HTTP/2 error code: INTERNAL where none is named.
const RESET_STATUSES: [(u32, u8); 3] = [(7, 14), (8, 1), (11, 8)];
const STATUS_INTERNAL: u8 = 13;

/// The end of one call, or the answer to one message of a stream.
pub struct Completion {
    pub call: u32,
    pub status: u8,
    /// Whether the answer was the one expected; false also where the status is not OK.
    pub expected: bool,
}

/// A call to be sent, or one that waits for its turn.
pub struct Outgoing {
    pub call: u32,
    pub step: usize,
    pub message: Vec<u8>,
}

/// Why a connection is of no further use.
#[derive(Debug)]
pub struct Broken(pub String);

impl Broken {
    fn because(reason: &str) -> Self {
        Self(reason.to_owned())
    }
}

struct Stream {
    /// The call that waits for an answer; None for an idle bidirectional stream.
    call: Option<u32>,
    step: usize,
    expected: bool,
    send_window: i64,
    received_bytes: u32,
    partial: Vec<u8>,
}

/// One connection's state.
pub struct Connection {
    /// Bytes to be written to the socket.
    pub out: Vec<u8>,
    encoder: RequestEncoder,
    next_stream_id: u32,
    streams: FxHashMap<u32, Stream>,
    /// Bidirectional streams without a message in flight, by step.
    idle: Vec<Vec<u32>>,
    waiting: VecDeque<Outgoing>,
    spare_messages: Vec<Vec<u8>>,
    max_streams: usize,
    /// Whether the server's settings are here; calls sent before them could pass its limits.
    pub is_introduced: bool,
    send_window: i64,
    initial_stream_window: i64,
    received_bytes: u32,
    /// Set once the server leaves: why.
    leaving: Option<String>,
}

impl Connection {
    pub fn new(authority: &str, step_count: usize) -> Self {
        let mut connection = Self {
            out: PREFACE.to_vec(),
            encoder: RequestEncoder::new(authority),
            next_stream_id: 1,
            streams: FxHashMap::default(),
            idle: vec![Vec::new(); step_count],
            waiting: VecDeque::new(),
            spare_messages: Vec::new(),
            max_streams: usize::MAX,
            is_introduced: false,
            send_window: DEFAULT_WINDOW_BYTES,
            initial_stream_window: DEFAULT_WINDOW_BYTES,
            received_bytes: 0,
            leaving: None,
        };
        connection.write_settings();
        let window = MAX_WINDOW_BYTES - DEFAULT_WINDOW_BYTES as u32;
        connection.write_window_update(0, window);
        connection
    }

    /// An empty buffer for the next message.
    pub fn message_buffer(&mut self) -> Vec<u8> {
        self.spare_messages.pop().unwrap_or_default()
    }

    /// Sends a call now, or as soon as the windows and the stream limit allow.
    pub fn send(&mut self, outgoing: Outgoing, steps: &[Step]) {
        if self.waiting.is_empty() && self.can_send(&outgoing, steps) {
            self.write_call(outgoing, steps);
        } else {
            self.waiting.push_back(outgoing);
        }
    }

    /// Takes received bytes in; returns how many of them made whole frames.
    pub fn receive(
        &mut self,
        input: &[u8],
        steps: &[Step],
        completions: &mut Vec<Completion>,
    ) -> Result<usize, Broken> {
        let mut taken = 0;
        while let Some(header) = input[taken..].first_chunk::<FRAME_HEADER_BYTES>() {
            let [a, b, c, kind, flags, ..] = *header;
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            if length > MAX_FRAME_BYTES {
                return Err(Broken::because(
                    "the server sent a frame above the size allowed",
                ));
            }
            let start = taken + FRAME_HEADER_BYTES;
            let Some(payload) = input.get(start..start + length) else {
                break;
            };
            let stream_id = read_u32(&header[5..]) & MAX_WINDOW_BYTES;
            self.on_frame(kind, flags, stream_id, payload, steps, completions)?;
            taken = start + length;
        }
        self.send_waiting(steps);
        Ok(taken)
    }

    fn on_frame(
        &mut self,
        kind: u8,
        flags: u8,
        stream_id: u32,
        payload: &[u8],
        steps: &[Step],
        completions: &mut Vec<Completion>,
    ) -> Result<(), Broken> {
        match kind {
            DATA => {
                self.count_received(stream_id, payload.len() as u32);
                let data = unpadded(flags, payload)?;
                self.on_data(stream_id, data, steps, completions)?;
                if flags & END_STREAM != 0 {
                    self.end(stream_id, STATUS_UNKNOWN, completions);
                }
            }
            HEADERS => self.on_headers(flags, stream_id, payload, completions)?,
            RST_STREAM => self.end(stream_id, read_reset(payload), completions),
            SETTINGS if flags & ACK == 0 => self.on_settings(payload)?,
            PING if flags & ACK == 0 => self.write_frame(PING, ACK, 0, payload),
            WINDOW_UPDATE => self.on_window_update(stream_id, payload)?,
            GOAWAY => self.leaving = Some(read_goodbye(payload)),
            CONTINUATION => return Err(Broken::because("the server sent a header block in parts")),
            _ => {}
        }
        match &self.leaving {
            Some(reason) if self.streams.values().all(|stream| stream.call.is_none()) => {
                Err(Broken(reason.clone()))
            }
            _ => Ok(()),
        }
    }

    fn on_headers(
        &mut self,
        flags: u8,
        stream_id: u32,
        payload: &[u8],
        completions: &mut Vec<Completion>,
    ) -> Result<(), Broken> {
        if flags & END_HEADERS == 0 {
            return Err(Broken::because("the server sent a header block in parts"));
        }
        let skipped = if flags & PRIORITY != 0 { 5 } else { 0 };
        let block = unpadded(flags, payload)?
            .get(skipped..)
            .ok_or_else(|| Broken::because("the server sent a header frame cut short"))?;
        if flags & END_STREAM != 0 {
            let headers = read_answer(block)
                .ok_or_else(|| Broken::because("the server sent unreadable headers"))?;
            let status = headers.grpc_status.unwrap_or(STATUS_UNKNOWN);
            self.end(stream_id, status, completions);
        }
        Ok(())
    }

    fn on_data(
        &mut self,
        stream_id: u32,
        data: &[u8],
        steps: &[Step],
        completions: &mut Vec<Completion>,
    ) -> Result<(), Broken> {
        let Some(stream) = self.streams.get_mut(&stream_id) else {
            return Ok(());
        };
        let mut gathered = std::mem::take(&mut stream.partial);
        let mut rest = if gathered.is_empty() {
            data
        } else {
            gathered.extend_from_slice(data);
            &gathered[..]
        };
        while let Some(message) = split_message(&mut rest)? {
            stream.expected = steps[stream.step].is_expected(message);
            if !steps[stream.step].stream {
                continue;
            }
            let call = stream.call.take();
            let call = call.ok_or_else(|| {
                Broken::because("the server answered a message that was not sent")
            })?;
            completions.push(Completion {
                call,
                status: 0,
                expected: stream.expected,
            });
            self.idle[stream.step].push(stream_id);
        }
        stream.partial = rest.to_vec();
        Ok(())
    }

    /// The end of a stream: of a unary call its status, of a bidirectional stream that of the message in flight.
    fn end(&mut self, stream_id: u32, status: u8, completions: &mut Vec<Completion>) {
        let Some(stream) = self.streams.remove(&stream_id) else {
            return;
        };
        match stream.call {
            Some(call) => completions.push(Completion {
                call,
                status,
                expected: status == 0 && stream.expected,
            }),
            None => self.idle[stream.step].retain(|idle| *idle != stream_id),
        }
    }

    fn on_settings(&mut self, payload: &[u8]) -> Result<(), Broken> {
        self.is_introduced = true;
        for setting in payload.chunks_exact(6) {
            let value = read_u32(&setting[2..]);
            match u16::from_be_bytes([setting[0], setting[1]]) {
                MAX_CONCURRENT_STREAMS => self.max_streams = value as usize,
                INITIAL_WINDOW_SIZE => {
                    let change = i64::from(value) - self.initial_stream_window;
                    self.initial_stream_window = i64::from(value);
                    for stream in self.streams.values_mut() {
                        stream.send_window += change;
                    }
                }
                HEADER_TABLE_SIZE if value < 4_096 => {
                    return Err(Broken::because(
                        "the server allows less than 4096 bytes of header table",
                    ));
                }
                _ => {}
            }
        }
        self.write_frame(SETTINGS, ACK, 0, &[]);
        Ok(())
    }

    fn on_window_update(&mut self, stream_id: u32, payload: &[u8]) -> Result<(), Broken> {
        if payload.len() != 4 {
            return Err(Broken::because("the server sent a window update cut short"));
        }
        let increment = i64::from(read_u32(payload) & MAX_WINDOW_BYTES);
        if stream_id == 0 {
            self.send_window += increment;
        } else if let Some(stream) = self.streams.get_mut(&stream_id) {
            stream.send_window += increment;
        }
        Ok(())
    }

    fn count_received(&mut self, stream_id: u32, byte_count: u32) {
        self.received_bytes += byte_count;
        if self.received_bytes > REFILL_BYTES {
            let refill = std::mem::take(&mut self.received_bytes);
            self.write_window_update(0, refill);
        }
        let Some(stream) = self.streams.get_mut(&stream_id) else {
            return;
        };
        stream.received_bytes += byte_count;
        if stream.received_bytes > REFILL_BYTES {
            let refill = std::mem::take(&mut stream.received_bytes);
            self.write_window_update(stream_id, refill);
        }
    }

    fn send_waiting(&mut self, steps: &[Step]) {
        while let Some(outgoing) = self.waiting.pop_front() {
            if !self.can_send(&outgoing, steps) {
                return self.waiting.push_front(outgoing);
            }
            self.write_call(outgoing, steps);
        }
    }

    fn can_send(&self, outgoing: &Outgoing, steps: &[Step]) -> bool {
        let byte_count = outgoing.message.len() as i64;
        let idle = match self.idle[outgoing.step].last() {
            Some(stream_id) if steps[outgoing.step].stream => self.streams.get(stream_id),
            _ => None,
        };
        let stream_window = idle.map_or(self.initial_stream_window, |stream| stream.send_window);
        let may_open = idle.is_some() || self.streams.len() < self.max_streams;
        self.leaving.is_none() && may_open && byte_count <= self.send_window.min(stream_window)
    }

    fn write_call(&mut self, outgoing: Outgoing, steps: &[Step]) {
        let step = &steps[outgoing.step];
        let byte_count = outgoing.message.len() as i64;
        let idle = if step.stream {
            self.idle[outgoing.step].pop()
        } else {
            None
        };
        let stream_id = idle.unwrap_or_else(|| self.open_stream(outgoing.step, step));
        let stream = self
            .streams
            .get_mut(&stream_id)
            .expect("an idle or new stream is known");
        stream.call = Some(outgoing.call);
        stream.send_window -= byte_count;
        self.send_window -= byte_count;
        self.write_message(stream_id, &outgoing.message, !step.stream);
        let mut spare = outgoing.message;
        spare.clear();
        self.spare_messages.push(spare);
    }

    fn open_stream(&mut self, step_index: usize, step: &Step) -> u32 {
        let stream_id = self.next_stream_id;
        assert!(
            stream_id < MAX_WINDOW_BYTES,
            "a connection carries at most 2^30 calls"
        );
        self.next_stream_id += 2;
        let stream = Stream {
            call: None,
            step: step_index,
            expected: false,
            send_window: self.initial_stream_window,
            received_bytes: 0,
            partial: Vec::new(),
        };
        self.streams.insert(stream_id, stream);
        let start = self.out.len();
        write_frame_header(HEADERS, END_HEADERS, stream_id, 0, &mut self.out);
        self.encoder.encode(&step.path, &mut self.out);
        let length = self.out.len() - start - FRAME_HEADER_BYTES;
        self.out[start..start + 3].copy_from_slice(&(length as u32).to_be_bytes()[1..]);
        stream_id
    }

    fn write_message(&mut self, stream_id: u32, message: &[u8], ends: bool) {
        let mut chunks = message.chunks(MAX_FRAME_BYTES).peekable();
        while let Some(chunk) = chunks.next() {
            let is_last = ends && chunks.peek().is_none();
            let flags = if is_last { END_STREAM } else { 0 };
            self.write_frame(DATA, flags, stream_id, chunk);
        }
    }

    fn write_settings(&mut self) {
        let mut payload = Vec::new();
        for (setting, value) in [
            (HEADER_TABLE_SIZE, 0),
            (ENABLE_PUSH, 0),
            (INITIAL_WINDOW_SIZE, MAX_WINDOW_BYTES),
        ] {
            payload.extend_from_slice(&setting.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        self.write_frame(SETTINGS, 0, 0, &payload);
    }

    fn write_window_update(&mut self, stream_id: u32, increment: u32) {
        self.write_frame(WINDOW_UPDATE, 0, stream_id, &increment.to_be_bytes());
    }

    fn write_frame(&mut self, kind: u8, flags: u8, stream_id: u32, payload: &[u8]) {
        write_frame_header(kind, flags, stream_id, payload.len(), &mut self.out);
        self.out.extend_from_slice(payload);
    }
}

fn write_frame_header(kind: u8, flags: u8, stream_id: u32, length: usize, out: &mut Vec<u8>) {
    let [_, a, b, c] = (length as u32).to_be_bytes();
    let [d, e, f, g] = stream_id.to_be_bytes();
    out.extend_from_slice(&[a, b, c, kind, flags, d, e, f, g]);
}

fn read_u32(bytes: &[u8]) -> u32 {
    let array = bytes.first_chunk().expect("four bytes are there");
    u32::from_be_bytes(*array)
}

fn read_reset(payload: &[u8]) -> u8 {
    let code = payload
        .first_chunk()
        .map(|bytes| u32::from_be_bytes(*bytes));
    let named = RESET_STATUSES
        .iter()
        .find(|(reset, _)| Some(*reset) == code);
    named.map_or(STATUS_INTERNAL, |(_, status)| *status)
}

/// What a GOAWAY says: the last stream, an error code, and words for people.
fn read_goodbye(payload: &[u8]) -> String {
    let code = payload.get(4..8).map_or(0, read_u32);
    let words = String::from_utf8_lossy(payload.get(8..).unwrap_or_default());
    format!("the server said goodbye, with error {code} and the words {words:?}")
}

fn unpadded(flags: u8, payload: &[u8]) -> Result<&[u8], Broken> {
    if flags & PADDED == 0 {
        return Ok(payload);
    }
    let broken = || Broken::because("the server sent a frame with more padding than bytes");
    let (&padding, rest) = payload.split_first().ok_or_else(broken)?;
    let length = rest
        .len()
        .checked_sub(usize::from(padding))
        .ok_or_else(broken)?;
    Ok(&rest[..length])
}

/// Takes one whole length-prefixed message off the front of `rest`.
fn split_message<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Broken> {
    let Some((prefix, body)) = rest.split_first_chunk::<MESSAGE_PREFIX_BYTES>() else {
        return Ok(None);
    };
    if prefix[0] != 0 {
        return Err(Broken::because("the server sent a compressed message"));
    }
    let Some((message, after)) = body.split_at_checked(read_u32(&prefix[1..]) as usize) else {
        return Ok(None);
    };
    *rest = after;
    Ok(Some(message))
}

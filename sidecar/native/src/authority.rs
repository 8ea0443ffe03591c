//! Makes the `:authority` of Unix-socket clients acceptable to hyper, which checks it by RFC 3986.
//!
//! grpc core, and with it the Python, C++, Ruby and PHP clients, names a Unix socket's server by its escaped path,
//! "%2Frun%2Fholdfast.sock"; grpc-java and older grpc-go send the path itself. h2 resets each such call with
//! PROTOCOL_ERROR (hyperium/h2#487, open since 2020). Nothing here reads the authority, so each byte that a
//! host name may not have is overwritten by a dash before h2 sees it. The length stays, and so does HPACK's
//! table, which then holds the mended value for the calls that follow.
//!
//! Only what is sent as plain text is mended; a Huffman-coded authority is passed on as it is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::connection::PREFACE;

const FRAME_HEADER_BYTES: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;
const PRIORITY_BYTES: usize = 5;

/// The name of the header to mend; grpc core spells it out, others use its index.
const AUTHORITY: &[u8] = b":authority";

/// Its index in HPACK's static table.
const AUTHORITY_INDEX: u64 = 1;

/// Reads a connection, mending authorities on the way.
pub struct AuthorityMender<R> {
    reader: R,
    frames: Frames,
}

impl<R> AuthorityMender<R> {
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            frames: Frames {
                rest_left: PREFACE.len(),
                ..Frames::default()
            },
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for AuthorityMender<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.reader).poll_read(context, buffer))?;
        self.frames.mend(&mut buffer.filled_mut()[before..]);
        Poll::Ready(Ok(()))
    }
}

/// Follows the frames of a connection, however reads cut them up.
#[derive(Default)]
struct Frames {
    header: [u8; FRAME_HEADER_BYTES],
    header_seen: usize,
    /// Bytes of this frame before its header block: padding length and priority.
    prefix_left: usize,
    padded: bool,
    block_left: usize,
    /// Bytes of this frame that are no header block.
    rest_left: usize,
    fields: Fields,
}

impl Frames {
    fn mend(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            let step = if self.prefix_left > 0 {
                self.read_prefix(bytes[0])
            } else if self.block_left > 0 {
                let block_bytes = self.block_left.min(bytes.len());
                bytes[..block_bytes]
                    .iter_mut()
                    .for_each(|byte| self.fields.step(byte));
                self.block_left -= block_bytes;
                block_bytes
            } else if self.rest_left > 0 {
                let skipped = self.rest_left.min(bytes.len());
                self.rest_left -= skipped;
                skipped
            } else {
                self.read_header(bytes[0])
            };
            bytes = &mut bytes[step..];
        }
    }

    fn read_header(&mut self, byte: u8) -> usize {
        self.header[self.header_seen] = byte;
        self.header_seen += 1;
        if self.header_seen == FRAME_HEADER_BYTES {
            self.header_seen = 0;
            let [high, middle, low, kind, flags, ..] = self.header;
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            self.begin_payload(kind, flags, length);
        }
        1
    }

    fn begin_payload(&mut self, kind: u8, flags: u8, length: usize) {
        let has = |flag: u8| kind == HEADERS && flags & flag != 0;
        self.padded = has(PADDED);
        let priority_bytes = if has(PRIORITY) { PRIORITY_BYTES } else { 0 };
        self.prefix_left = (usize::from(self.padded) + priority_bytes).min(length);
        let left = length - self.prefix_left;
        if kind == HEADERS {
            self.fields = Fields::Start;
        }
        let is_block = kind == HEADERS || kind == CONTINUATION;
        (self.block_left, self.rest_left) = if is_block { (left, 0) } else { (0, left) };
    }

    fn read_prefix(&mut self, byte: u8) -> usize {
        if std::mem::take(&mut self.padded) {
            self.rest_left = usize::from(byte).min(self.block_left);
            self.block_left -= self.rest_left;
        }
        self.prefix_left -= 1;
        1
    }
}

/// Where in a header block (RFC 7541) the next byte stands.
#[derive(Clone, Copy, Default)]
enum Fields {
    #[default]
    Start,
    /// In the further bytes of a number.
    Number(Purpose, u64, u32),
    /// At the length of a text.
    Length(Part),
    /// In a text with so many bytes left; whether it is plain.
    Text(Part, u64, bool),
}

/// What a number says.
#[derive(Clone, Copy)]
enum Purpose {
    /// A whole field, or the size of the table: nothing follows.
    Whole,
    NameIndex,
    /// The length of a text; whether it is plain.
    TextLength(Part, bool),
}

/// Which text of a literal field.
#[derive(Clone, Copy)]
enum Part {
    /// A name, of which so many bytes are those of `AUTHORITY`; None once one is not.
    Name(Option<usize>),
    Value,
    Authority,
}

impl Fields {
    fn step(&mut self, byte: &mut u8) {
        *self = match *self {
            Self::Start => Self::begin_field(*byte),
            Self::Number(purpose, value, shift) => {
                let more = u64::from(*byte & 0x7f).checked_shl(shift).unwrap_or(0);
                let value = value.saturating_add(more);
                match *byte & 0x80 {
                    0 => Self::after_number(purpose, value),
                    _ => Self::Number(purpose, value, shift.saturating_add(7)),
                }
            }
            Self::Length(part) => {
                let plain = *byte & 0x80 == 0;
                Self::begin_number(*byte, 7, Purpose::TextLength(part, plain))
            }
            Self::Text(part, left, plain) => {
                let part = if plain { part.step(byte) } else { part };
                match left {
                    1 => Self::after_text(part),
                    _ => Self::Text(part, left - 1, plain),
                }
            }
        }
    }

    fn begin_field(byte: u8) -> Self {
        match byte {
            0x80.. => Self::begin_number(byte, 7, Purpose::Whole),
            0x40.. => Self::begin_number(byte, 6, Purpose::NameIndex),
            0x20.. => Self::begin_number(byte, 5, Purpose::Whole),
            _ => Self::begin_number(byte, 4, Purpose::NameIndex),
        }
    }

    fn begin_number(byte: u8, prefix_bits: u32, purpose: Purpose) -> Self {
        let greatest = (1 << prefix_bits) - 1;
        match byte & greatest {
            value if value < greatest => Self::after_number(purpose, u64::from(value)),
            _ => Self::Number(purpose, u64::from(greatest), 0),
        }
    }

    fn after_number(purpose: Purpose, value: u64) -> Self {
        match (purpose, value) {
            (Purpose::Whole, _) => Self::Start,
            (Purpose::NameIndex, 0) => Self::Length(Part::Name(Some(0))),
            (Purpose::NameIndex, AUTHORITY_INDEX) => Self::Length(Part::Authority),
            (Purpose::NameIndex, _) => Self::Length(Part::Value),
            (Purpose::TextLength(part, _), 0) => Self::after_text(part),
            (Purpose::TextLength(part, plain), length) => Self::Text(part, length, plain),
        }
    }

    fn after_text(part: Part) -> Self {
        match part {
            Part::Name(Some(matched)) if matched == AUTHORITY.len() => {
                Self::Length(Part::Authority)
            }
            Part::Name(_) => Self::Length(Part::Value),
            Part::Value | Part::Authority => Self::Start,
        }
    }
}

impl Part {
    fn step(self, byte: &mut u8) -> Self {
        match self {
            Self::Name(Some(matched)) if AUTHORITY.get(matched) == Some(byte) => {
                Self::Name(Some(matched + 1))
            }
            Self::Name(_) => Self::Name(None),
            Self::Value => Self::Value,
            Self::Authority => {
                if !is_host_byte(*byte) {
                    *byte = b'-';
                }
                Self::Authority
            }
        }
    }
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'.'
}

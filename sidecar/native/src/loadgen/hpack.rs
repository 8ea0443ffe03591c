//! As much of HPACK (RFC 7541) as a gRPC client needs: request headers out, `grpc-status` in.
//!
//! Requests use the dynamic table, as real clients do, so that a server's cost a call is the real one. Answers
//! cannot: the generator announces a table of size 0.

use rustc_hash::FxHashMap;

const INDEXED: u8 = 0x80;
const WITH_INDEXING: u8 = 0x40;
const SIZE_UPDATE: u8 = 0x20;
const HUFFMAN: u8 = 0x80;

/// Static table: ":authority", ":method POST", ":path", ":scheme http", ":status 200", "content-type".
const AUTHORITY: u64 = 1;
const METHOD_POST: u64 = 3;
const PATH: u64 = 4;
const SCHEME_HTTP: u64 = 6;
const STATUS_200: u64 = 8;
const CONTENT_TYPE: u64 = 31;
const STATIC_COUNT: u64 = 61;

const GRPC_STATUS: &[u8] = b"grpc-status";
const GRPC_STATUS_HUFFMAN: &[u8] = &[0x9a, 0xca, 0xc8, 0xb2, 0x12, 0x34, 0xda, 0x8f];

/// Highest gRPC status code.
pub const MAX_STATUS: u8 = 16;

/// Says UNKNOWN: the answer ended without a status that can be read.
pub const STATUS_UNKNOWN: u8 = 2;

/// Writes the header blocks of one connection's requests.
pub struct RequestEncoder {
    authority: Vec<u8>,
    /// Place in the order of insertion, by name and value; a newer entry has a lower index.
    inserted: FxHashMap<Vec<u8>, u64>,
}

impl RequestEncoder {
    pub fn new(authority: &str) -> Self {
        Self {
            authority: authority.as_bytes().to_vec(),
            inserted: FxHashMap::default(),
        }
    }

    /// Appends the header block of a call of `path`.
    pub fn encode(&mut self, path: &[u8], out: &mut Vec<u8>) {
        write_integer(INDEXED, 7, METHOD_POST, out);
        write_integer(INDEXED, 7, SCHEME_HTTP, out);
        self.field(PATH, b"", path, out);
        let authority = std::mem::take(&mut self.authority);
        self.field(AUTHORITY, b"", &authority, out);
        self.authority = authority;
        self.field(0, b"te", b"trailers", out);
        self.field(CONTENT_TYPE, b"", b"application/grpc", out);
    }

    fn field(&mut self, name_index: u64, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        if let Some(place) = self.inserted.get(value) {
            let age = self.inserted.len() as u64 - 1 - place;
            return write_integer(INDEXED, 7, STATIC_COUNT + 1 + age, out);
        }
        write_integer(WITH_INDEXING, 6, name_index, out);
        if name_index == 0 {
            write_string(name, out);
        }
        write_string(value, out);
        self.inserted
            .insert(value.to_vec(), self.inserted.len() as u64);
    }
}

/// What a header block of an answer says.
#[derive(Debug, PartialEq)]
pub struct AnswerHeaders {
    pub grpc_status: Option<u8>,
}

/// Reads a header block of an answer; None if it is malformed or names a dynamic entry.
pub fn read_answer(block: &[u8]) -> Option<AnswerHeaders> {
    let mut reader = Reader { rest: block };
    let mut headers = AnswerHeaders { grpc_status: None };
    while let Some(&first) = reader.rest.first() {
        if first & INDEXED != 0 {
            let index = reader.integer(7)?;
            if index != STATUS_200 && index > STATIC_COUNT {
                return None;
            }
        } else if first & WITH_INDEXING != 0 {
            reader.literal(6, &mut headers)?;
        } else if first & SIZE_UPDATE != 0 {
            reader.integer(5)?;
        } else {
            reader.literal(4, &mut headers)?;
        }
    }
    Some(headers)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn literal(&mut self, prefix_bits: u32, headers: &mut AnswerHeaders) -> Option<()> {
        let name_index = self.integer(prefix_bits)?;
        let is_status = match name_index {
            0 => {
                let (huffman, name) = self.string()?;
                name == if huffman {
                    GRPC_STATUS_HUFFMAN
                } else {
                    GRPC_STATUS
                }
            }
            1..=STATIC_COUNT => false,
            _ => return None,
        };
        let (huffman, value) = self.string()?;
        if is_status {
            let code = read_code(huffman, value).unwrap_or(STATUS_UNKNOWN);
            headers.grpc_status = Some(code);
        }
        Some(())
    }

    fn string(&mut self) -> Option<(bool, &'a [u8])> {
        let huffman = self.rest.first()? & HUFFMAN != 0;
        let length = usize::try_from(self.integer(7)?).ok()?;
        let (value, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some((huffman, value))
    }

    fn integer(&mut self, prefix_bits: u32) -> Option<u64> {
        let (first, mut rest) = self.rest.split_first()?;
        let mask = (1_u64 << prefix_bits) - 1;
        let mut value = u64::from(*first) & mask;
        if value == mask {
            for shift in (0..=28).step_by(7) {
                let (byte, after) = rest.split_first()?;
                rest = after;
                value += u64::from(byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    break;
                }
            }
        }
        self.rest = rest;
        Some(value)
    }
}

fn write_integer(pattern: u8, prefix_bits: u32, value: u64, out: &mut Vec<u8>) {
    let mask = (1_u64 << prefix_bits) - 1;
    if value < mask {
        return out.push(pattern | value as u8);
    }
    out.push(pattern | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn write_string(value: &[u8], out: &mut Vec<u8>) {
    write_integer(0, 7, value.len() as u64, out);
    out.extend_from_slice(value);
}

fn read_code(huffman: bool, value: &[u8]) -> Option<u8> {
    let mut plain = [0_u8; 2];
    let digits = if huffman {
        unpack_digits(value, &mut plain)?
    } else {
        value
    };
    let code: u8 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (code <= MAX_STATUS).then_some(code)
}

/// Decodes at most two digits: '0' to '2' have five bits, '3' to '9' six, ones fill the last byte.
fn unpack_digits<'a>(packed: &[u8], plain: &'a mut [u8; 2]) -> Option<&'a [u8]> {
    let bit_count = packed.len() * 8;
    let bits = match *packed {
        [a] => u32::from(a) << 24,
        [a, b] => u32::from(a) << 24 | u32::from(b) << 16,
        _ => return None,
    };
    let (mut at, mut count) = (0, 0);
    while bit_count - at >= 5 && (bits << at) >> 27 != 0x1f {
        let five = (bits << at) >> 27;
        let six = (bits << at) >> 26;
        let (digit, width) = match (five, six) {
            (0..=2, _) => (five as u8, 5),
            (_, 0x19..=0x1f) => (six as u8 - 0x16, 6),
            _ => return None,
        };
        *plain.get_mut(count)? = b'0' + digit;
        count += 1;
        at += width;
    }
    Some(&plain[..count])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_plain_and_huffman_statuses() {
        for code in 0..=MAX_STATUS {
            let mut plain = vec![0x00];
            write_string(GRPC_STATUS, &mut plain);
            write_string(code.to_string().as_bytes(), &mut plain);
            assert_eq!(read_answer(&plain).unwrap().grpc_status, Some(code));
        }
        for (packed, code) in [
            (&[0x07][..], 0),
            (&[0x67][..], 3),
            (&[0x7f][..], 9),
            (&[0x08, 0x3f][..], 10),
            (&[0x0b, 0x9f][..], 16),
        ] {
            let mut block = vec![SIZE_UPDATE, 0x88, 0x00, HUFFMAN | 8];
            block.extend_from_slice(GRPC_STATUS_HUFFMAN);
            block.push(HUFFMAN | packed.len() as u8);
            block.extend_from_slice(packed);
            assert_eq!(read_answer(&block).unwrap().grpc_status, Some(code));
        }
    }

    #[test]
    fn refuses_what_is_cut_off_or_dynamic() {
        assert_eq!(read_answer(&[INDEXED | 62]), None);
        assert_eq!(read_answer(&[0x00, 0x05, b'a']), None);
        assert_eq!(read_answer(&[0x7f]), None);
    }

    #[test]
    fn indexes_what_it_has_sent() {
        let mut encoder = RequestEncoder::new("localhost");
        let (mut first, mut second, mut other) = (Vec::new(), Vec::new(), Vec::new());
        encoder.encode(b"/a/B", &mut first);
        encoder.encode(b"/a/B", &mut second);
        encoder.encode(b"/a/C", &mut other);
        assert_eq!(second, [0x83, 0x86, 0xc1, 0xc0, 0xbf, 0xbe]);
        assert_eq!(&other[..4], [0x83, 0x86, 0x44, 4]);
        assert_eq!(&other[8..], [0xc1, 0xc0, 0xbf]);
    }
}

//! A non-blocking connection to the server under test, and the wait for several of them.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

/// Bytes of answers read at once.
const READ_BYTES: usize = 256 * 1024;

/// A stream socket and what was read from it and not yet taken.
pub struct Socket {
    stream: Stream,
    input: Vec<u8>,
    filled: usize,
    written: usize,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Connects to "host:port" or "unix:PATH".
    pub fn connect(target: &str) -> io::Result<Self> {
        let stream = if let Some(path) = target.strip_prefix("unix:") {
            let stream = UnixStream::connect(path)?;
            stream.set_nonblocking(true)?;
            Stream::Unix(stream)
        } else {
            let stream = TcpStream::connect(target)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Stream::Tcp(stream)
        };
        Ok(Self {
            stream,
            input: vec![0; READ_BYTES],
            filled: 0,
            written: 0,
        })
    }

    /// Writes as much of `out` as the socket takes; clears it once all is written.
    pub fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        while self.written < out.len() {
            match self.stream.write(&out[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        out.clear();
        self.written = 0;
        Ok(())
    }

    /// Reads once; false when there is nothing to read now.
    pub fn read(&mut self) -> io::Result<bool> {
        match self.stream.read(&mut self.input[self.filled..]) {
            Ok(0) => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the server closed the connection",
            )),
            Ok(count) => {
                self.filled += count;
                Ok(true)
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// What was read and not yet taken.
    pub fn input(&self) -> &[u8] {
        &self.input[..self.filled]
    }

    /// Drops the first `count` bytes of the input.
    pub fn take(&mut self, count: usize) {
        self.input.copy_within(count..self.filled, 0);
        self.filled -= count;
    }

    fn as_raw_fd(&self) -> RawFd {
        match &self.stream {
            Stream::Tcp(stream) => stream.as_raw_fd(),
            Stream::Unix(stream) => stream.as_raw_fd(),
        }
    }

    /// What `wait` is to wait for.
    pub fn interest(&self, wants_write: bool) -> libc::pollfd {
        let write = if wants_write { libc::POLLOUT } else { 0 };
        libc::pollfd {
            fd: self.as_raw_fd(),
            events: libc::POLLIN | write,
            revents: 0,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(buffer),
            Self::Unix(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until one of `interests` is ready or `timeout_ns` has passed; false when a signal came first.
pub fn wait(interests: &mut [libc::pollfd], timeout_ns: u64) -> io::Result<bool> {
    let timeout = libc::timespec {
        tv_sec: (timeout_ns / 1_000_000_000) as libc::time_t,
        tv_nsec: (timeout_ns % 1_000_000_000) as libc::c_long,
    };
    // SAFETY: the slice and the timespec are valid for the length of the call; a null mask changes no signal mask.
    let ready = unsafe {
        libc::ppoll(
            interests.as_mut_ptr(),
            interests.len() as libc::nfds_t,
            &timeout,
            std::ptr::null(),
        )
    };
    match ready {
        0.. => Ok(true),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            error => Err(error),
        },
    }
}

/// Makes waits of this thread end when they are due: the system's default lets them sleep 50 µs longer.
pub fn sharpen_timers() {
    // SAFETY: PR_SET_TIMERSLACK takes one number and touches nothing but this thread.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
}

//! Where callers come in: a TCP port, and a Unix socket that nobody can reach before it is ready.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Listens on "host:port".
pub fn bind_tcp(address: &str) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A listening socket's file, removed when dropped unless somebody has replaced it.
pub struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|inode| inode == self.inode) {
            // It may be gone by now; there is nobody left to tell.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens on a Unix socket whose file has `mode`, replacing what a dead server left there.
///
/// The socket is bound inside a private folder, given its mode there, and renamed to its place only
/// when it listens, so that there is no moment at which others could connect or find it half made.
pub fn bind_unix(path: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)?;
    ensure_free(path)?;
    let private = parent.join(format!(".hf{}", std::process::id()));
    DirBuilder::new().mode(0o700).create(&private)?;
    let hidden = private.join("s");
    let bound = bind_hidden(&hidden, mode).and_then(|listener| {
        fs::rename(&hidden, path)?;
        Ok(listener)
    });
    // Both are gone after a success; after a failure, leave nothing behind.
    let _ = fs::remove_file(&hidden);
    fs::remove_dir(&private)?;
    let file = SocketFile {
        path: path.to_owned(),
        inode: identity(path)?,
    };
    Ok((bound?, file))
}

fn bind_hidden(hidden: &Path, mode: u32) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(hidden)?;
    fs::set_permissions(hidden, Permissions::from_mode(mode))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Refuses to take the place of a living server or of a file that is no socket.
fn ensure_free(path: &Path) -> io::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !metadata.file_type().is_socket() {
        let message = format!("{} exists and is not a socket", path.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    if UnixStream::connect(path).is_ok() {
        let message = format!("another server listens on {}", path.display());
        return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
    }
    Ok(())
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

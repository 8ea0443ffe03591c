"""The console's files, and the headers that every answer has."""

import mimetypes
from importlib import resources
from pathlib import PurePosixPath

from aiohttp import web
from aiohttp.typedefs import Handler

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_FOREVER = "public, max-age=31536000, immutable"
_HASHED_FOLDER = "assets"
"""Files below it have their content's hash in their names."""

_NOT_BUILT = "The console is not in this installation: it is built with npm, see docs/console.md. The API is here."


class ConsoleFiles:
    """The built console, read once: it is small, and answers then wait for no disk."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        folder = resources.files("holdfast_ledger.console") / "static"
        if folder.is_dir():
            self._read(folder, "")

    def _read(self, folder: resources.abc.Traversable, prefix: str) -> None:
        for entry in folder.iterdir():
            if entry.is_dir():
                self._read(entry, f"{prefix}{entry.name}/")
            else:
                self._files[prefix + entry.name] = entry.read_bytes()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answers with a file; a path without one is a view of the console, which finds its way by itself."""
        path = request.path.lstrip("/")
        if not self._files:
            return web.Response(status=404, text=_NOT_BUILT)
        if path not in self._files:
            if _would_be_file(path):
                raise web.HTTPNotFound
            path = "index.html"
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        caching = _FOREVER if path.startswith(f"{_HASHED_FOLDER}/") else "no-cache"
        response = web.Response(
            body=self._files[path], headers={"Content-Type": _with_charset(kind), "Cache-Control": caching}
        )
        response.enable_compression()
        return response


def _would_be_file(path: str) -> bool:
    """Whether a path names a file: below the hashed ones, or with an ending beside `index.html`.

    Views are elsewhere, and may have names with dots in their paths, such as /accounts/a.b.
    """
    folder, _, name = path.rpartition("/")
    return path.startswith(f"{_HASHED_FOLDER}/") or (not folder and bool(PurePosixPath(name).suffix))


def _with_charset(kind: str) -> str:
    return f"{kind}; charset=utf-8" if kind.startswith("text/") or kind.endswith(("javascript", "json")) else kind


@web.middleware
async def with_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives every answer the headers of `HEADERS`; what calls answer is not kept by anybody."""
    try:
        response = await handler(request)
    except web.HTTPException as fault:
        response = web.Response(status=fault.status, text=fault.reason)
    for name, value in HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")
    return response

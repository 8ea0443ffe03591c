"""The real engine behind ClickHouse's HTTP protocol: what a server of a cluster answers, for the client of clusters.

Statements come as ClickHouse's servers take them: in the body or in the URL, with parameters as `param_NAME`, settings
beside them, rows of an INSERT in the body. Errors go back as a server tells them.
"""

import re
import tempfile
import threading
from email.message import Message
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import chdb
from clickhouse_connect.driver._backend.httpcommon import decompress_response

PLACES = frozenset(("query", "database", "user", "password", "session_id", "query_id", "compress", "decompress"))
OF_HTTP = frozenset(("enable_http_compression", "send_progress_in_http_headers", "wait_end_of_query", "buffer_size"))
OF_HTTP |= {"http_headers_progress_interval_ms", "client_protocol_version", "default_format"}


class HttpEngine:
    """A server. Any password but the right one is refused."""

    def __init__(self, folder: Path, password: str) -> None:
        """Serves at once, on `port`."""
        engine = self
        self._path = str(folder)
        self._password = password
        self._keep = chdb.connect(self._path)
        self.ended = False

        class Handler(BaseHTTPRequestHandler):
            """One request."""

            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                """Carries a statement out; a server that has ended answers nobody, on no connection."""
                if engine.ended:
                    self.close_connection = True
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = self._chunks()
                status, answer = engine.answer(self.path, self.headers, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.send_header("X-ClickHouse-Timezone", "UTC")
                if status != 200 and (code := re.search(rb"Code: (\d+)", answer)):
                    self.send_header("X-ClickHouse-Exception-Code", code[1].decode())
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST

            def _chunks(self) -> bytes:
                data = b""
                while size := int(self.rfile.readline(), 16):
                    data += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return data

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, target: str, headers: Message, body: bytes) -> tuple[int, bytes]:
        """Returns the status and the body of the answer."""
        given = dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
        body = decompress_response(body, headers.get("Content-Encoding"))
        if (kind := headers.get("Content-Type", "")).startswith("multipart/form-data"):
            form = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
            for part in form.get_payload():
                assert isinstance(part, Message)
                name = str(part.get_param("name", header="content-disposition"))
                given[name] = bytes(part.get_payload(decode=True)).decode()
            body = b""
        if not self._allowed(headers):
            return 403, b"Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)"
        sql = given.get("query", "")
        if not sql:
            sql, _, body = _split(body)
        try:
            return 200, self._run(sql, body, given)
        except Exception as fault:  # noqa: BLE001 - whatever the engine says is the answer
            found = re.search(r"Code: .*", str(fault), re.DOTALL)
            return 500, (found[0] if found else str(fault)).encode()

    def _allowed(self, headers: Message) -> bool:
        """As basic authentication or in a server's own header."""
        import base64

        told = headers.get("X-ClickHouse-Key") or ""
        if (basic := headers.get("Authorization", "")).startswith("Basic "):
            told = base64.b64decode(basic[6:]).decode().partition(":")[2]
        return told == self._password

    def _run(self, sql: str, body: bytes, given: dict[str, str]) -> bytes:
        connection = chdb.connect(self._path)
        try:
            for name, value in given.items():
                if name not in PLACES | OF_HTTP and not name.startswith("param_"):
                    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
                    connection.query(f"SET {name} = '{quoted}'")
            parameters = {name[6:]: value for name, value in given.items() if name.startswith("param_")}
            found = re.search(r"\bFORMAT\s+(\w+)\s*;?\s*$", sql)
            kind = found[1] if found else given.get("default_format", "TabSeparated")
            with tempfile.NamedTemporaryFile() as file:
                if body and found:
                    file.write(body)
                    file.flush()
                    sql = f"{sql[: found.start()]} FROM INFILE '{file.name}' FORMAT {kind}"
                elif found:
                    sql = sql[: found.start()]
                return bytes(connection.query(sql, kind, params=parameters).bytes())
        finally:
            connection.close()

    def close(self) -> None:
        """Ends the server."""
        self.ended = True
        self._server.shutdown()
        self._server.server_close()
        self._keep.close()


def _split(body: bytes) -> tuple[str, str, bytes]:
    """Returns a statement that is the body, and the rows that follow an INSERT's FORMAT."""
    if found := re.match(rb"\s*INSERT INTO .*? FORMAT \w+\n", body, re.DOTALL):
        return found[0].decode(), "", body[found.end() :]
    return body.decode(), "", b""

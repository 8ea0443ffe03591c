"""HTTP/JSON over a real socket: the same calls, faults and rules as over gRPC, and what browsers are told."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from holdfast.v1 import access_service_pb2 as access
from holdfast.v1 import access_service_pb2_grpc as access_grpc
from holdfast_ledger.http import calls
from holdfast_ledger.http import server as http_server
from holdfast_ledger.http.pages import ConsoleFiles, with_headers
from yarl import URL

from tests.ledger.harness import Ledger, running

LEDGER = "holdfast.v1.LedgerService"


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[tuple[Ledger, aiohttp.ClientSession]]:
    async with running(folder, http_listen="127.0.0.1:0", **settings) as ledger:
        base = f"http://127.0.0.1:{ledger.server.http_port}"
        async with aiohttp.ClientSession(base) as session:
            yield ledger, session


async def post(session: aiohttp.ClientSession, path: str, body: object, **headers: str) -> tuple[int, Any]:
    async with session.post(path, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_calls_answer_as_over_grpc(tmp_path: Path) -> None:
    async with serving(tmp_path) as (ledger, session):
        status, made = await post(session, f"/{LEDGER}/CreateAccount", {"account": {"accountId": "a"}})
        assert (status, made["account"]["accountId"]) == (200, "a")
        await ledger.open_pool(2**53 + 1)
        status, got = await post(session, f"/{LEDGER}/GetPool", {"account_id": "a", "poolId": "general"})
        assert status == 200
        assert got["balance"]["posted"] == str(2**53 + 1), "int64 are strings, since JavaScript's numbers are not"
        assert got["pool"]["policy"]["enforcement"] == "ENFORCEMENT_STRICT"


async def test_faults_are_told_as_connect_does(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, session):
        table = [
            ("GetAccount", {"accountId": "x"}, 404, "not_found", "ACCOUNT_NOT_FOUND", {"account_id": "x"}),
            ("GetAccount", {}, 400, "invalid_argument", "BAD_MESSAGE", {"field": "account_id"}),
            ("GetAccount", {"acount": "x"}, 400, "invalid_argument", "BAD_MESSAGE", {"field": "message"}),
            ("GetAccount", ["x"], 400, "invalid_argument", "BAD_MESSAGE", {"field": "message"}),
        ]
        for method, body, status, code, reason, metadata in table:
            got, told = await post(session, f"/{LEDGER}/{method}", body)
            assert (got, told["code"], told["reason"], told["metadata"]) == (status, code, reason, metadata)


async def test_bodies_that_are_not_a_call(tmp_path: Path) -> None:
    async with serving(tmp_path, max_message_bytes=65_536) as (_, session):
        path = f"/{LEDGER}/GetAccount"
        async with session.post(path, data="{}", headers={"Content-Type": "text/plain"}) as answer:
            assert answer.status == 415
        kind = {"Content-Type": "application/json"}
        for body in (b"{", b"\xff", b"[" * 10_000, b'{"account_id": NaN}', b""):
            async with session.post(path, data=body, headers=kind) as answer:
                assert answer.status == 400, body
        async with session.post(path, data=b'{"account_id": "' + b"x" * 70_000 + b'"}', headers=kind) as answer:
            assert answer.status == 413
        async with session.post(f"/{LEDGER}/NoSuchCall", json={}) as answer:
            assert answer.status in (404, 405)
        async with session.post("/holdfast.v1.IngestService/PushEvents", json={}) as answer:
            assert answer.status in (404, 405), "sidecars speak gRPC"


async def test_credentials_and_the_trail_hold_over_http_too(tmp_path: Path) -> None:
    async with serving(tmp_path) as (ledger, session):
        await ledger.open_pool()
        said = access.Credential(credential_id="busy", role=access.ROLE_OPERATOR, account_id="a", calls_per_s=1)
        stub = access_grpc.AccessServiceStub(ledger.channel)
        token = (await stub.CreateCredential(access.CreateCredentialRequest(credential=said))).token
        policy = {"accountId": "a", "poolId": "general"}
        bearer = {"Authorization": f"Bearer {token}"}
        status, _ = await post(session, f"/{LEDGER}/SetPolicy", policy, **bearer)
        assert status == 200
        path = f"/{LEDGER}/SetPolicy"
        answers = await asyncio.gather(*(session.post(path, json=policy, headers=bearer) for _ in range(60)))
        refused = [answer for answer in answers if answer.status == 429]
        assert refused, "sixty at once do not take a minute"
        assert refused[0].headers["Retry-After"] == "1"
        assert (await refused[0].json())["reason"] == "RATE_LIMITED"
        status, told = await post(session, f"/{LEDGER}/SetPolicy", policy, Authorization="Bearer hf_no")
        assert (status, told["reason"]) == (401, "UNAUTHENTICATED")
        record = (await stub.ListAuditRecords(access.ListAuditRecordsRequest())).records[0]
        assert (record.credential_id, record.peer) == ("busy", "http 127.0.0.1")


async def test_what_every_answer_tells_a_browser(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, session):
        for path in ("/", "/nothing.js", "/accounts/a"):
            async with session.get(path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert "Access-Control-Allow-Origin" not in answer.headers
        async with session.post(f"/{LEDGER}/ListAccounts", json={}) as answer:
            assert answer.headers["Cache-Control"] == "no-store"
        async with session.options(f"/{LEDGER}/ListAccounts") as answer:
            assert answer.status == 405, "no other site's page may call"


async def test_a_name_bent_to_this_address_is_not_served(tmp_path: Path) -> None:
    async with serving(tmp_path, http_hosts="console.example, Other.example") as (_, session):
        path = f"/{LEDGER}/ListAccounts"
        for name, status in (
            ("evil.example", 421),
            ("evil.example:80", 421),
            ("console.example", 200),
            ("console.example:8443", 200),
            ("other.example", 200),
            ("localhost:1", 200),
            ("[::1]:80", 200),
        ):
            async with session.post(path, json={}, headers={"Host": name}) as answer:
                assert answer.status == status, name


async def test_json_is_that_of_protobuf(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, session):
        async with session.post(f"/{LEDGER}/ListAccounts", json={"pageSize": 5}) as answer:
            assert json.loads(await answer.text()) == {}
        status, told = await post(session, f"/{LEDGER}/ListAccounts", {"pageSize": "lots"})
        assert (status, told["reason"]) == (400, "BAD_MESSAGE")


async def test_a_view_may_have_a_dot_in_its_path_and_a_file_that_is_not_there_is_missed() -> None:
    files = ConsoleFiles()
    files._files = {"index.html": b"<p>console", "assets/a.js": b"1", "favicon.svg": b"<svg/>"}
    application = web.Application(middlewares=[with_headers])
    application.router.add_get("/{path:.*}", files.serve)
    table = {
        "/": (200, b"<p>console"),
        "/accounts/a.b": (200, b"<p>console"),
        "/accounts/a.b/pools/c.svg": (200, b"<p>console"),
        "/favicon.svg": (200, b"<svg/>"),
        "/assets/a.js": (200, b"1"),
        "/assets/b.js": (404, b"Not Found"),
        "/robots.txt": (404, b"Not Found"),
        "/..%2F..%2Fetc%2Fpasswd": (200, b"<p>console"),
        "/assets/..%2F..%2Ffigures.py": (404, b"Not Found"),
    }
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        for path, (status, body) in table.items():
            async with session.get(URL(f"http://127.0.0.1:{server.port}{path}", encoded=True)) as answer:
                assert (answer.status, await answer.read()) == (status, body), path


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /holdfast.v1.LedgerService/ListAccounts HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        b"POST /holdfast.v1.LedgerService/ListAccounts HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    ],
    ids=["nothing", "half a head", "half a body"],
)
async def test_who_does_not_go_on_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(http_server, "IDLE_S", 0.1)
    monkeypatch.setattr(http_server, "LINGER_S", 0.1)
    monkeypatch.setattr(calls, "BODY_TIMEOUT_S", 0.1)
    async with running(tmp_path, http_listen="127.0.0.1:0") as ledger:
        reader, writer = await asyncio.open_connection("127.0.0.1", ledger.server.http_port)
        writer.write(sent)
        answer = await asyncio.wait_for(reader.read(1_024), 60)
        assert not answer or answer.startswith(b"HTTP/1.1 408")
        writer.close()


async def test_what_is_packed_is_bounded_when_it_is_unpacked(tmp_path: Path) -> None:
    async with serving(tmp_path, max_message_bytes=65_536) as (_, session):
        packed = gzip.compress(b'{"account_id": "' + b"x" * 10_000_000 + b'"}')
        assert len(packed) < 65_536
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        async with session.post(f"/{LEDGER}/GetAccount", data=packed, headers=headers) as answer:
            assert answer.status == 413

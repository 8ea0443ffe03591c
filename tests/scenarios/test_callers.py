"""Who called is told by the ledger of each debit, whichever way the call came and whichever transport took it."""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import grpc
import pytest
from holdfast.v1 import decision_pb2 as decision
from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast.v1 import ledger_service_pb2 as ledger_pb
from holdfast.v1.enforcement_service_pb2_grpc import EnforcementServiceStub

from tests.scenarios.world import ACCOUNT, CALL_TIMEOUT_S, CHANNEL_OPTIONS, POOL, START_TIMEOUT_S, World, wait_until

TOKEN = "a-secret-that-nobody-tells"
CREDENTIALS = f"""
[[credentials]]
name = "billing"
token_sha256 = "{sha256(TOKEN.encode()).hexdigest()}"
"""


def charge(world: World, operation_id: str, target: str, token: str = "") -> None:
    metadata = (("authorization", f"Bearer {token}"),) if token else None
    with grpc.insecure_channel(target, options=CHANNEL_OPTIONS) as channel:
        stub = EnforcementServiceStub(channel)
        request = pb.ChargeRequest(operation_id=operation_id, account_id=ACCOUNT, pool_id=POOL, delta=1)
        # A busy ledger may take longer than a call waits for rights.
        wait_until(
            lambda: stub.Charge(request, metadata=metadata, timeout=CALL_TIMEOUT_S).verdict == decision.VERDICT_ALLOW,
            START_TIMEOUT_S,
        )


def callers(world: World) -> dict[str, str]:
    with world.ledger_stub() as stub:
        request = ledger_pb.ListEntriesRequest(account_id=ACCOUNT, pool_id=POOL, page_size=1000)
        entries = stub.ListEntries(request, timeout=CALL_TIMEOUT_S, wait_for_ready=True).entries
    return {entry.operation_id: entry.caller for entry in entries if entry.operation_id}


@pytest.mark.parametrize("transport", ["native", "portable"])
def test_each_debit_tells_who_called(make_world: Callable[..., World], tmp_path: Path, transport: str) -> None:
    """Through a kill of the sidecar too: the name is kept with the debit."""
    file, socket = tmp_path / "credentials.toml", tmp_path / "sidecar.sock"
    file.write_text(CREDENTIALS)
    world = make_world("--transport", transport, "--credentials-file", str(file), "--listen-unix", str(socket))
    world.begin()
    tcp, unix = world.sidecar.address, f"unix:{socket}"
    charge(world, "tcp", tcp)
    charge(world, "unix", unix)
    charge(world, "listed", unix, TOKEN)
    charge(world, "unlisted", tcp, "another")
    world.sidecar.kill()
    world.sidecar.start()
    world.wait_until_deciding()
    world.wait_until_settled()
    assert callers(world) == {
        "tcp": "address:127.0.0.1",
        "unix": f"uid:{os.geteuid()}",
        "listed": "billing",
        "unlisted": f"address:127.0.0.1 token:{sha256(b'another').hexdigest()[:8]}",
    }

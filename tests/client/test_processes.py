"""What needs a process of its own: forks, interpreter exit, and what an import brings in."""

import subprocess
import sys
import textwrap

import pytest

from tests.client.conftest import Sidecar


def run_python(script: str, *arguments: str, timeout_s: float = 120) -> str:
    """Runs a script with warnings as errors and returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


PREFORK = """
    import os, sys, holdfast
    client = holdfast.Client(sys.argv[1], timeout_ms=5_000)
    if sys.argv[2] == "used":
        client.charge("acme", 1)
    workers = []
    for number in range(4):
        pid = os.fork()
        if pid == 0:
            with client.reserve("acme", 1_000) as hold:
                hold.settle(100)
            assert client.statistics().calls == 2, client.statistics()
            sys.exit(0)
        workers.append(pid)
    assert all(os.waitpid(pid, 0)[1] == 0 for pid in workers)
    client.charge("acme", 1)
    assert client.statistics().retries == 0, client.statistics()
    print("ended")
"""


@pytest.mark.parametrize("parent", ["unused", "used"])
def test_workers_of_a_preforking_server_each_have_a_channel(sidecar: Sidecar, parent: str) -> None:
    """As gunicorn does it, with a client made at import; also when the parent had called before it forked.

    The children end without disturbing the parent's connection.
    """
    assert run_python(PREFORK, sidecar.target, parent) == "ended\n"
    assert sidecar.posted["acme"] == 10_000_000 - 4 * 100 - (2 if parent == "used" else 1)


def test_a_forked_asyncio_worker_has_a_channel_of_its_own(sidecar: Sidecar) -> None:
    """The usual order: the client is made at import, the loop runs in the worker."""
    script = """
        import asyncio, os, sys, holdfast
        client = holdfast.AsyncClient(sys.argv[1], timeout_ms=5_000)

        async def work():
            async with client, client.session() as session:
                async with session.reserve("acme", 1_000) as hold:
                    await hold.settle(100)
                async with client.reserve("acme", 1_000) as hold:
                    await hold.settle(100)

        pid = os.fork()
        asyncio.run(work())
        if pid:
            assert os.waitpid(pid, 0)[1] == 0
            print("ended")
    """
    assert run_python(script, sidecar.target) == "ended\n"
    assert sidecar.posted["acme"] == 9_999_600


def test_a_fork_amid_a_session_leaves_the_parents_alone(sidecar: Sidecar) -> None:
    script = """
        import os, sys, holdfast
        client = holdfast.Client(sys.argv[1], timeout_ms=5_000)
        session = client.session()
        session.charge("acme", 1)
        pid = os.fork()
        if pid == 0:
            with client.session() as own:
                own.charge("acme", 1)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        session.charge("acme", 1)
        assert session.statistics().breaks == 0
        print("ended")
    """
    assert run_python(script, sidecar.target) == "ended\n"
    assert sidecar.posted["acme"] == 9_999_997


@pytest.mark.parametrize("ending", ["pass", "sys.exit(0)", "chunks = None"])
def test_an_interpreter_ends_with_everything_open(sidecar: Sidecar, ending: str) -> None:
    """Nothing is closed: a channel, a session with its thread, a hold, a generator in the midst of a block."""
    script = f"""
        import sys, holdfast
        client = holdfast.Client(sys.argv[1])
        session = client.session()
        left_open = session.reserve("acme", 5)

        def stream():
            with client.reserve("acme", 1_000) as hold:
                while True:
                    hold.spend(10)
                    yield

        chunks = stream()
        next(chunks)
        {ending}
    """
    run_python(script, sidecar.target)


def test_an_interrupted_program_settles_what_was_counted(sidecar: Sidecar) -> None:
    """Ctrl-C while a stream is under way: asyncio cancels the task, and the block settles before the end."""
    script = """
        import asyncio, os, signal, sys, holdfast

        async def main():
            async with holdfast.AsyncClient(sys.argv[1]) as client:
                async with client.reserve("acme", 1_000) as hold:
                    hold.spend(70)
                    os.kill(os.getpid(), signal.SIGINT)
                    await asyncio.Event().wait()

        # Whoever started the tests in the background has them ignore it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("interrupted")
    """
    assert run_python(script, sidecar.target) == "interrupted\n"
    (settle,) = sidecar.seen_of("settle")
    assert (settle.amount, settle.estimated) == (70, True)


def test_the_client_needs_grpc_and_protobuf_alone(sidecar: Sidecar) -> None:
    """Everything else is absent; reading an ErrorInfo works without googleapis-common-protos."""
    script = """
        import importlib.abc, sys

        ours = {"grpc", "holdfast", "google", "typing_extensions"}  # the last one is grpcio's
        absent = ("google.rpc", "google.api")

        class Absent(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path, target=None):
                top = name.partition(".")[0]
                if top not in ours | sys.stdlib_module_names or name.startswith(absent):
                    raise ModuleNotFoundError(name, name=name)

        sys.meta_path.insert(0, Absent())
        import holdfast
        try:
            holdfast.Client(sys.argv[1]).release("acme", "none")
        except holdfast.NotFound as error:
            print(error.reason, error.metadata)
    """
    assert run_python(script, sidecar.target) == "HOLD_NOT_FOUND {'hold_id': 'none'}\n"


def test_the_client_goes_with_googleapis_common_protos_in_either_order() -> None:
    for first, second in (("holdfast", "google.rpc.status_pb2"), ("google.rpc.error_details_pb2", "holdfast")):
        run_python(f"import {first}, {second}, google.rpc.status_pb2, google.rpc.error_details_pb2, grpc_status")


def test_neither_import_nor_construction_opens_anything() -> None:
    script = """
        import os, threading
        import grpc
        before = set(os.listdir("/proc/self/fd")), threading.active_count()
        import holdfast
        holdfast.Client().session(), holdfast.AsyncClient().session()
        assert (set(os.listdir("/proc/self/fd")), threading.active_count()) == before
    """
    run_python(script)


def test_the_environment_names_the_sidecar(sidecar: Sidecar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_SIDECAR", sidecar.target)
    assert run_python("import holdfast; print(bool(holdfast.Client().check('acme')))") == "True\n"

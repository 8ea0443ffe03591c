"""Two hosts with copies of one folder: one of them stops loudly, and no debit of either is lost or posted twice."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast_sidecar.bootstrap import EXIT_FENCED
from holdfast_sidecar.replay import EXIT_DONE, EXIT_LOCKED

from tests.scenarios.world import ACCOUNT, CALL_TIMEOUT_S, START_TIMEOUT_S, Server, World, wait_until

AMOUNT = 9
FLAGS = ("--partition-after-ms", "1000")


class Copies:
    """A sidecar and a copy of its folder, both cut off from the ledger, with debits that it has not got."""

    def __init__(self, world: World, original_count: int, copy_count: int) -> None:
        """Both have 3 debits that are posted and 5 that are not; then each makes some of its own."""
        self.world = world
        self.history: list[str] = []
        world.begin()
        self.charge(world.sidecar, "posted", 3)
        world.wait_until_settled()
        world.ledger.kill()
        self.charge(world.sidecar, "shared", 5)
        world.sidecar.send(signal.SIGSTOP)
        self.copy = world.another_sidecar("copy", *FLAGS)
        shutil.copytree(world.folder / "sidecar", world.folder / "copy")
        world.sidecar.send(signal.SIGCONT)
        self.copy.start()
        world.wait_until_deciding(self.copy.address)
        self.charge(world.sidecar, "original", original_count)
        self.charge(self.copy, "copy", copy_count)

    def charge(self, server: Server, name: str, count: int) -> None:
        """Charges on a host, and remembers what was answered."""
        with self.world.stub(server.address) as stub:
            for number in range(count):
                request = pb.ChargeRequest(operation_id=f"{name}-{number}", account_id=ACCOUNT, delta=AMOUNT)
                assert stub.Charge(request, timeout=CALL_TIMEOUT_S, wait_for_ready=True).verdict == 1
                self.history.append(request.operation_id)

    def meet(self, first: Server, second: Server) -> None:
        """The ledger comes back, for one of them a little earlier."""
        second.send(signal.SIGSTOP)
        self.world.ledger.start()
        wait_until(lambda: self.world.balance(first.address).unposted == 0, START_TIMEOUT_S)
        second.send(signal.SIGCONT)

    def assert_posted(self) -> None:
        """The ledger has what the callers were answered, each once, to the unit, and its books agree."""
        assert sorted(self.world.debits()) == sorted((name, AMOUNT) for name in self.history)
        assert self.world.ledger_balance().spent_total == AMOUNT * len(self.history)
        audit = ["ledger", "audit", "--database", str(self.world.folder / "ledger.db")]
        assert holdfast(*audit) == 0


def holdfast(*arguments: str) -> int:
    """Runs a command; returns its exit status."""
    program = "import sys; from holdfast.cli import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", program, *arguments], timeout=120, check=False).returncode


def replay(world: World, folder: Path, *flags: str) -> int:
    """Runs `holdfast replay`; returns its exit status."""
    return holdfast("replay", str(folder), "--ledger", world.ledger.address, *flags)


def test_the_original_was_there_first_and_the_copy_is_fenced(make_world: Callable[..., World]) -> None:
    copies = Copies(make_world(*FLAGS), original_count=4, copy_count=2)
    copies.meet(copies.world.sidecar, copies.copy)
    assert copies.copy.wait() == EXIT_FENCED
    copies.charge(copies.world.sidecar, "later", 2)
    copies.world.wait_until_settled()
    assert_replayed(copies, copies.world.folder / "copy")
    assert copies.world.sidecar.alive


def test_the_copy_was_there_first_and_the_original_is_fenced(make_world: Callable[..., World]) -> None:
    copies = Copies(make_world(*FLAGS), original_count=4, copy_count=2)
    copies.meet(copies.copy, copies.world.sidecar)
    assert copies.world.sidecar.wait() == EXIT_FENCED
    copies.charge(copies.copy, "later", 2)
    wait_until(lambda: copies.world.balance(copies.copy.address).unposted == 0, START_TIMEOUT_S)
    assert_replayed(copies, copies.world.folder / "sidecar")
    assert copies.copy.alive


def test_a_copy_that_made_more_than_the_original_stops_both_and_loses_nothing(
    make_world: Callable[..., World],
) -> None:
    """By its sequences alone it looks like the original restarted; what it made below the mark would be lost."""
    copies = Copies(make_world(*FLAGS), original_count=4, copy_count=6)
    copies.meet(copies.world.sidecar, copies.copy)
    assert copies.copy.wait() == EXIT_FENCED
    assert "DIVERGED" in copies.copy.log()
    assert copies.world.sidecar.wait() == EXIT_FENCED
    assert_replayed(copies, copies.world.folder / "copy")


def assert_replayed(copies: Copies, folder: Path) -> None:
    """The loser's debits are missing, a dry run changes nothing, a replay brings them, another one changes nothing."""
    before = copies.world.debits()
    assert len(before) < len(copies.history)
    assert replay(copies.world, folder, "--dry-run") == EXIT_DONE
    assert copies.world.debits() == before
    for _ in range(2):
        assert replay(copies.world, folder) == EXIT_DONE
        copies.assert_posted()


def test_a_folder_in_use_is_not_replayed(world: World) -> None:
    assert replay(world, world.folder / "sidecar") == EXIT_LOCKED

"""`holdfast meters` against a ledger process: a file is applied, applied again, and read back."""

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from holdfast.commands import meters
from holdfast.v1 import meter_pb2 as wire

from tests.scenarios.world import START_TIMEOUT_S, Server

FILE = """
[[meters]]
meter_id = "render-minutes"
event_type = "page.rendered"
aggregation = "sum"
quantity = "seconds"
divisor = 60
unit = "minutes"
pool_id = "general"
price_amount = 2_500
filters = [{ key = "plan", operator = "not_in", values = ["internal"] }]

[[meters]]
meter_id = "users"
event_type = "page.rendered"
aggregation = "unique"
dimension = "user"
period = "day"
"""


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A ledger process."""
    folder = tmp_path_factory.mktemp("ledger")
    server = Server("ledger", [], folder / "ledger.log")
    server._flags = ["--listen", server.address, "--database", str(folder / "ledger.db"), "--metrics-port", "0"]
    server.start()
    with grpc.insecure_channel(server.address) as channel:
        grpc.channel_ready_future(channel).result(START_TIMEOUT_S)
    yield server
    server.end()


def test_a_file_is_applied_and_read_back(ledger: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Twice it changes nothing; what it no longer names goes with --prune."""
    file, flags = tmp_path / "meters.toml", ["--ledger", ledger.address]
    file.write_text(FILE)
    for status in ("added", "unchanged"):
        assert meters.main(["apply", str(file), *flags]) == 0
        assert capsys.readouterr().out == f"{status} render-minutes\n{status} users\n"
    assert meters.main(["list", *flags]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "meter           events         counts                unit     pool     price",
        "render-minutes  page.rendered  sum of seconds        minutes  general  2500 for 1",
        "users           page.rendered  unique of user a day",
    ]
    file.write_text(FILE.partition('[[meters]]\nmeter_id = "users"')[0].replace("2_500", "3_000"))
    assert meters.main(["apply", str(file), "--prune", *flags]) == 0
    assert capsys.readouterr().out == "changed render-minutes\ndeleted users\n"
    assert meters.main(["list", "--json", *flags]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["meters"]
    assert (listed["price_amount"], listed["aggregation"]) == ("3000", "AGGREGATION_SUM")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1", "something else than tables"),
        ('[[meters]]\naggregation = "mean"', "meters[0]"),
        ('[[meters]]\nmetre_id = "x"', "metre_id"),
        ("[[meters", "at end of document"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(text: str, told: str) -> None:
    """With the place."""
    with pytest.raises(meters.InvalidMeters) as caught:
        meters.parse(text.encode())
    assert told in str(caught.value)


def test_the_contract_s_names_are_taken_too() -> None:
    """With their prefix."""
    text = '[[meters]]\nmeter_id = "m"\naggregation = "AGGREGATION_MAX"\nperiod = "METER_PERIOD_HOUR"'
    (meter,) = meters.parse(text.encode())
    assert (meter.aggregation, meter.period) == (wire.AGGREGATION_MAX, wire.METER_PERIOD_HOUR)


def test_a_ledger_that_refuses_is_told(ledger: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the field."""
    file = tmp_path / "meters.toml"
    file.write_text(FILE.replace('quantity = "seconds"', ""))
    assert meters.main(["apply", str(file), "--ledger", ledger.address]) == 1
    assert "meter.quantity" in capsys.readouterr().err

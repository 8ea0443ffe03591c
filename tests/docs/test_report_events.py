"""The guide to events: its code as it stands there, and the settings and metrics that it names."""

import re
from collections.abc import Iterator
from pathlib import Path

import holdfast
import pytest
from holdfast import reports
from holdfast_sidecar.config import SidecarConfig

from tests.scenarios.world import World

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
SECTION = TEXT.partition("\n## Events\n")[2].partition("\n## ")[0]
[CODE] = re.findall(r"^```python\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
COLLECTOR = (ROOT / "sidecar" / "holdfast_sidecar" / "observe" / "collector.py").read_text(encoding="utf-8")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A ledger and a sidecar, at which clients ask."""
    made = World(tmp_path)
    made.begin()
    monkeypatch.setenv("HOLDFAST_SIDECAR", made.sidecar.address)
    yield made
    made.end()


@pytest.mark.usefixtures("world")
def test_the_guide_does_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    """What it prints is what its comments say."""
    exec(compile(CODE, "docs/usage.md", "exec"), {"holdfast": holdfast, "reports": reports})
    expected = re.findall(r"print\(.*\)\s+# (.+)$", CODE, re.MULTILINE)
    assert capsys.readouterr().out.splitlines() == expected


def test_its_settings_are_there_with_these_defaults() -> None:
    fields = SidecarConfig.model_fields
    for name in re.findall(r"`((?:event|lease|map|max|tell)_[a-z_]+)`", SECTION):
        assert name in fields
    assert fields["event_id_retention_ms"].default == 3_600_000
    assert fields["event_id_limit"].default == 2_000_000
    assert fields["event_grace_ms"].default == 35 * 86_400_000
    assert fields["event_future_ms"].default == 300_000
    assert fields["event_outbox_bytes"].default == 1 << 30
    assert fields["max_message_bytes"].default == 256 << 10


def test_its_metrics_are_there() -> None:
    found = re.findall(r"`holdfast_([a-z_]+)`", SECTION)
    assert len(found) == 4
    for name in found:
        assert f'"{name}"' in COLLECTOR or f'"holdfast_{name}"' in COLLECTOR

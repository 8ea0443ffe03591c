"""The file of meters in the guide is one."""

import re
from pathlib import Path

from holdfast.commands.meters import parse
from holdfast_ledger.metering.meters import checked

PAGE = Path(__file__).parents[2] / "docs" / "usage.md"


def test_the_meters_of_the_guide_can_be_set() -> None:
    (text,) = re.findall(r"```toml meters\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert [checked("meter", one).meter_id for one in parse(text.encode())] == ["render-minutes", "daily-users"]

"""The model of the usage store answers as the real engine does, over the batches of a whole run."""

from pathlib import Path

from holdfast_ledger.metering.differences import Differences, unpack_charges
from holdfast_ledger.metering.prices import Cards
from holdfast_ledger.metering.questions import Batches
from holdfast_ledger.metering.turns import differences
from holdfast_ledger.usage import schema
from holdfast_ledger.usage.embedded import EmbeddedDatabase
from holdfast_ledger.usage.feeder import Feeder

from tests.ledger.usage.feeding import nothing_touched
from tests.simulation.ledger import SimDatabase, SimStore
from tests.simulation.patching import replaced
from tests.simulation.plan import make_plan
from tests.simulation.rules import START_MS
from tests.simulation.world import World

SEED = 37
"""Of a run that has all that is compared, without rules or restores: its ledger has in the end what each turn saw."""


def comparable(found: Differences) -> tuple[object, ...]:
    """All that a turn comes to, in an order of its own: the engine's is none."""
    lists = sorted(found.charges), sorted(found.corrections), sorted(found.figures), sorted(found.refused)
    charged = {key: {k: sorted(v) for k, v in unpack_charges(c).items()} for key, c in found.batch_charges.items()}
    counts = found.counted_count, found.duplicate_count, found.conflict_count, found.void_count, found.refused_count
    return lists, charged, counts


def test_the_model_says_what_the_engine_says(tmp_path: Path) -> None:
    """Charges, corrections, figures and refusals of each turn, of a run with duplicates, conflicts and voids."""
    world = World(make_plan(SEED))
    with replaced(SimDatabase, "close", lambda _: None):
        outcome = world.run()
    assert outcome.ok, outcome.violation
    store = SimStore(world.replicas.database, lambda: None, lambda _: None)
    database = EmbeddedDatabase(tmp_path / "usage", memory_mb=512)
    try:
        schema.create(database)
        feeder = Feeder(database, store.reading, lambda: START_MS, nothing_touched)
        while feeder.turn().behind:
            pass
        for told in world.replicas.looking.found:
            batches = Batches(told.after_key, told.until_key)
            with store.reading() as reader:
                found = differences(database, reader, Cards(), batches)
            assert comparable(found) == comparable(told), batches
    finally:
        database.close()
        world.replicas.database.connection.close()
    turns = world.replicas.looking.found
    for name in ("charges", "corrections", "figures", "refused", "conflict_count", "void_count"):
        assert any(getattr(turn, name) for turn in turns), name

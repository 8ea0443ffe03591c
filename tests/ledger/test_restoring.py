"""An operator tells the ledger that its database was restored."""

from pathlib import Path

import pytest
from holdfast_ledger.bootstrap import main
from holdfast_ledger.restoring import restored
from holdfast_ledger.store.interface import NEVER, LedgerState
from holdfast_ledger.store.rule_rows import VERSIONS_A_GENERATION
from holdfast_ledger.store.sqlite import SqliteStore

from tests.ledger.harness import RECLAIM_AFTER_MS, TERMS, Books, Clock, instance


def test_a_generation_begins_in_which_nothing_is_given_for_a_while(books: Books) -> None:
    now_ms = books.clock.now_ms()
    assert restored(books.store, now_ms, 5_000, TERMS) == LedgerState(2, now_ms + 5_000)
    assert restored(books.store, now_ms, 0, TERMS) == LedgerState(3, now_ms)


def test_what_sidecars_have_goes_back_as_if_they_had_been_heard_of_now(books: Books) -> None:
    books.open_pool()
    books.grant("g", 100)
    books.hello()
    books.hello("t", instance=instance(2))
    books.want(40)
    books.clock.advance(RECLAIM_AFTER_MS - 1)
    restored(books.store, books.clock.now_ms(), 0, TERMS)
    books.clock.advance(1)
    books.sweep()
    assert books.lease().outstanding == 40
    assert books.sidecar("t").reclaim_at_ms == books.clock.now_ms() - 1 + RECLAIM_AFTER_MS
    assert books.sidecar().allowance_reclaim_at_ms == NEVER
    books.clock.advance(RECLAIM_AFTER_MS - 1)
    books.sweep()
    assert books.lease().outstanding == 0


def test_rules_have_versions_that_no_sidecar_knows(books: Books) -> None:
    books.open_pool()
    assert books.pool().rules_version == 0
    restored(books.store, books.clock.now_ms(), 0, TERMS)
    assert books.pool().rules_version == VERSIONS_A_GENERATION + 1, "also those of accounts that had no rules"
    restored(books.store, books.clock.now_ms(), 0, TERMS)
    assert books.pool().rules_version == 2 * VERSIONS_A_GENERATION + 1
    new = books.open_pool(account_id="b").account_key
    assert books.pool(account_id="b").rules_version == 0
    books.write(lambda writer: writer.raise_rules_version([new]))
    assert books.pool(account_id="b").rules_version == 2 * VERSIONS_A_GENERATION + 1
    assert books.pool().rules_version == 2 * VERSIONS_A_GENERATION + 1


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "l.sqlite"
    store = SqliteStore(path)
    Books(store, Clock()).open_pool()
    store.close()
    assert main(["restored", "--database", str(path), "--wait-ms", "1234"]) == 0
    assert "generation 2: no new rights for 1234 ms" in capsys.readouterr().out
    assert main(["restored", "--database", str(path), "--lease-validity-ms", "7000"]) == 0
    assert "generation 3: no new rights for 7000 ms" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "named"), [(["--wait-ms", "-1"], "--wait-ms"), (["--lease-validity-ms", "0"], "lease_validity_ms")]
)
def test_bad_settings_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    assert main(["restored", "--database", str(tmp_path / "l.sqlite"), *arguments]) == 64
    assert named in capsys.readouterr().err


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["restored", "--database", str(tmp_path / "none.sqlite")]) == 64
    assert "there is no such file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []

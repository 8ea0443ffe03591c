"""Rules in every store: saved, replaced, found by id and by node, listed in order, and each lookup by an index."""

from pathlib import Path

import pytest
from holdfast_ledger.store.interface import Store
from holdfast_ledger.store.postgres import PostgresStore
from holdfast_ledger.store.rule_rows import (
    AccountRules,
    Budget,
    ConcurrencyLimit,
    Plan,
    RateCard,
    RateLimit,
    Subject,
    SubjectNode,
)
from holdfast_ledger.store.sqlite import SqliteStore

from tests.ledger.harness import Books, Clock


def budget(account_key: int, budget_id: str, subject: str = "", **fields: int | str) -> Budget:
    plain = Budget(account_key, budget_id, subject, 1, 0, 100, 0, "", "credits", "", "{}", 2, 0, 0, "[]")
    return plain._replace(**fields)  # type: ignore[arg-type]  # each as its field


@pytest.fixture
def key(books: Books) -> int:
    """An account with a pool, and one beside it."""
    books.open_pool("general", "b")
    return books.open_pool().account_key


def test_subjects_are_saved_renamed_listed_and_deleted(books: Books, key: int) -> None:
    paths = ["org", "org/a", "org/a/1", "org-b", "org0", "org/é"]
    books.write(lambda writer: writer.save_subjects(Subject(key, path, path.upper()) for path in paths))
    books.write(lambda writer: writer.save_subjects([Subject(key, "org", "renamed")]))
    with books.store.reading() as reader:
        assert [s.subject for s in reader.subjects(key, "", 100)] == sorted(paths, key=str.encode)
        assert [s.subject for s in reader.subjects(key, "org-b", 2)] == ["org/a", "org/a/1"]
        assert reader.subjects(key - 1, "", 100) == []
        named = reader.subjects_named(key, ["org", "org/a", "none"])
    assert named == {"org": Subject(key, "org", "renamed"), "org/a": Subject(key, "org/a", "ORG/A")}
    books.write(lambda writer: writer.delete_subject(key, "org/a/1"))
    with books.store.reading() as reader:
        assert reader.subjects_named(key, ["org/a/1"]) == {}


def test_nodes_know_whether_there_is_anything_below(books: Books, key: int) -> None:
    paths = ["a", "a/b", "a!", "a0", "c"]
    books.write(lambda writer: writer.save_subjects(Subject(key, path) for path in paths))
    other = books.pool("general", "b").account_key
    with books.store.reading() as reader:
        wanted = [(key, path) for path in ["", *paths, "none"]] + [(other, ""), (other, "a")]
        found = {(node.account_key, node.subject): node for node in reader.nodes(wanted)}
    assert found.pop((other, "")) == SubjectNode(other, "", False)
    assert {subject: node.has_children for (_, subject), node in found.items()} == {
        "": True,
        "a": True,
        "a/b": False,
        "a!": False,
        "a0": False,
        "c": False,
    }


def test_budgets_are_saved_replaced_and_found_by_id_by_node_and_by_what_they_share(books: Books, key: int) -> None:
    other = books.pool("general", "b").account_key
    rows = [
        budget(key, "1"),
        budget(key, "3", "a", alert_bps="[5000, 10000]", match='{"model": "é"}', currency="eur", pool_id="p"),
        budget(key, "2", "a", limit_amount=0, share_bps=2_500, share_of_budget_id="1"),
        budget(key, "4", "a/b", share_bps=1, share_of_budget_id="2", period_unit=5, rolling_ms=60_000, anchor_ms=7),
        budget(other, "1", "a"),
    ]
    books.write(lambda writer: writer.save_budgets(rows))
    changed = rows[0]._replace(limit_amount=2**63 - 1, action=2)
    books.write(lambda writer: writer.save_budgets([changed]))
    with books.store.reading() as reader:
        assert reader.budgets_named(key, ["1", "4", "none"]) == {"1": changed, "4": rows[3]}
        assert reader.budgets_at([(key, ""), (key, "a"), (other, "")]) == [changed, rows[2], rows[1]]
        assert reader.budgets_sharing(key, ["1", "2"]) in ([rows[2], rows[3]], [rows[3], rows[2]])
        assert reader.budgets_sharing(other, ["1"]) == []
        assert [row.budget_id for row in reader.budgets(key, "1", 2)] == ["2", "3"]
        assert reader.budgets_at([]) == []
    books.write(lambda writer: writer.delete_budget(key, "1"))
    with books.store.reading() as reader:
        assert reader.budgets_named(key, ["1"]) == {}
        assert reader.budgets_named(other, ["1"]) == {"1": rows[4]}


def test_limits_are_saved_replaced_and_found(books: Books, key: int) -> None:
    rates = [RateLimit(key, "r", "a", 3, '["input", "output"]', 5, 1_000, 7, 1, 0, "{}"), RateLimit(
        key, "q", "a", 1, "[]", 1, 1, 1, 0, 1, '{"k": "v"}'
    )]  # fmt: skip
    counts = [ConcurrencyLimit(key, "c", "a", 9, 1, 0, "{}"), ConcurrencyLimit(key, "b", "", 1, 0, 1, "{}")]
    books.write(lambda writer: writer.save_rate_limits(rates))
    books.write(lambda writer: writer.save_rate_limits([rates[0]._replace(burst=8)]))
    books.write(lambda writer: writer.save_concurrency_limits(counts))
    books.write(lambda writer: writer.save_concurrency_limits([counts[0]._replace(max_count=10)]))
    with books.store.reading() as reader:
        assert reader.rate_limits_at([(key, "a")]) == [rates[1], rates[0]._replace(burst=8)]
        assert reader.rate_limits_named(key, ["q", "none"]) == {"q": rates[1]}
        assert [row.limit_id for row in reader.rate_limits(key, "q", 9)] == ["r"]
        assert reader.concurrency_limits_at([(key, "a"), (key, "a/b")]) == [counts[0]._replace(max_count=10)]
        assert reader.concurrency_limits_named(key, ["b"]) == {"b": counts[1]}
        assert [row.limit_id for row in reader.concurrency_limits(key, "", 9)] == ["b", "c"]
    books.write(lambda writer: writer.delete_rate_limit(key, "r"))
    books.write(lambda writer: writer.delete_concurrency_limit(key, "c"))
    with books.store.reading() as reader:
        assert [row.limit_id for row in reader.rate_limits(key, "", 9)] == ["q"]
        assert [row.limit_id for row in reader.concurrency_limits(key, "", 9)] == ["b"]


def test_the_terms_of_an_account_are_its_own_its_plan_s_and_its_card_s(books: Books, key: int) -> None:
    with books.store.writing() as writer:
        assert writer.terms_of(["a", "none"])["a"][1:] == ("a", 0, 0, "{}", "{}", "", 0, 0, "UTC")
        writer.save_plan(Plan("pro", "Pro", '{"x": true}'))
        writer.save_rate_card(RateCard("models", 3, 1, b"\x00card"))
        rules = AccountRules(key, "Europe/Berlin", 1, "pro", '{"y": 5}', "models", 1)
        writer.save_account_rules(AccountRules(key))
        writer.save_account_rules(rules)
        writer.raise_rules_version([key])
        assert writer.account_rules(key) == rules
        assert writer.terms_of(["a"]) == {
            "a": (key, "a", 1, 1, '{"y": 5}', '{"x": true}', "models", 3, 1, "Europe/Berlin")
        }
        assert (writer.accounts_of_plan("pro"), writer.accounts_of_rate_card("models")) == ([key], [key])
        assert (writer.accounts_of_plan("free"), writer.accounts_of_rate_card("other")) == ([], [])
    assert books.pool().rules_version == 1
    assert books.pool("general", "b").rules_version == 0


def test_plans_and_cards_are_listed(store: Store) -> None:
    with store.writing() as writer:
        for plan_id in ("b", "a", "c"):
            writer.save_plan(Plan(plan_id, "", "{}"))
        writer.save_plan(Plan("a", "A", "{}"))
        writer.delete_plan("c")
        writer.save_rate_card(RateCard("b", 1, 0, b""))
        writer.save_rate_card(RateCard("a", 1, 1, b"content"))
        assert writer.plans("", 10) == [Plan("a", "A", "{}"), Plan("b", "", "{}")]
        assert writer.lock_plan("c") is None
        assert writer.rate_cards("", 10) == [RateCard("a", 1, 1, b"")]
        assert writer.lock_rate_card("a") == RateCard("a", 1, 1, b"content")
        assert writer.rate_card("b") == RateCard("b", 1, 0, b"")


def test_pools_that_were_leased_are_known(books: Books, key: int) -> None:
    books.open_pool("idle")
    books.hello()
    books.want(0)
    with books.store.reading() as reader:
        assert reader.leased_pools([key]) == [books.pool().pool_key]
        assert reader.leased_pools([books.pool("general", "b").account_key]) == []


def test_every_lookup_is_by_an_index_and_by_all_that_is_asked_for(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "l.sqlite")
    with store.reading() as reader:
        asked: list[str] = []
        reader._connection.set_trace_callback(asked.append)
        reader.nodes([(1, ""), (1, "a")])
        reader.budgets_at([(1, "a")])
        reader.rate_limits_at([(1, "a")])
        reader.concurrency_limits_at([(1, "a")])
        reader.subjects_named(1, ["a"])
        reader.budgets_named(1, ["b"])
        reader.budgets_sharing(1, ["b"])
        reader.rate_limits_named(1, ["r"])
        reader.concurrency_limits_named(1, ["c"])
        reader._connection.set_trace_callback(None)
        plans = [[row[3] for row in reader._rows(f"EXPLAIN QUERY PLAN {sql}")] for sql in asked if "json_each" in sql]
    store.close()
    steps = [step for plan in plans for step in plan if not step.startswith(("LIST", "CORRELATED", "USE TEMP"))]
    scanned = {step.split()[1] for step in steps if step.startswith("SCAN")}
    assert scanned == {"json_each"}
    found = [step.partition("(")[2] for step in steps if step.startswith("SEARCH")]
    assert sorted(found) == sorted(
        [
            "rowid=?)",  # the account itself
            "account_key=?)",  # whether it has subjects
            "account_key=? AND subject=?)",
            "account_key=? AND subject>? AND subject<?)",  # whether there are any below
            *["account_key=? AND subject=?)"] * 4,
            "account_key=? AND budget_id=?)",
            "account_key=? AND share_of_budget_id=?)",
            *["account_key=? AND limit_id=?)"] * 2,
        ]
    )


def test_postgresql_finds_rules_by_the_right_index_though_there_were_none_when_it_was_first_asked(
    postgres_url: str,
) -> None:
    store = PostgresStore(postgres_url)
    books = Books(store, Clock())
    key = books.open_pool().account_key
    for _ in range(7):
        books.write(lambda writer: (writer.budgets_at([(key, "s1")]), writer.budgets_named(key, ["b1"])))
    for start in range(0, 5_000, 1_000):
        rows = [budget(key, f"b{n}", f"s{n}") for n in range(start, start + 1_000)]
        with store.writing() as writer:
            writer.save_budgets(rows)
    connection = store._writer
    for name, index, value in (("subject", "budgets_of_subject", "s1"), ("budget_id", "budgets_pkey", "b1")):
        with store.writing() as writer:
            sql = f"EXPLAIN SELECT r.* FROM {writer._each('budgets', name)}"
            plan = "\n".join(row[0] for row in writer._rows_replanned(sql, *writer._nodes([(key, value)])))
        assert f"using {index}" in plan
        assert f"({name} =" in plan
    prepared = connection.execute(b"SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%budgets r%'")
    assert prepared.fetchone() == (0,), "a plan that is kept would be the one for an empty table"
    store.close()

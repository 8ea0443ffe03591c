"""Questions to a real engine, one behaviour each; `test_reference` compares random ones with plain Python."""

import itertools
from collections.abc import Callable
from functools import partial

import pytest
from holdfast.v1 import usage_service_pb2 as api
from holdfast_ledger.access.caller import Caller, Role
from holdfast_ledger.errors import (
    InvalidArgument,
    PermissionDenied,
    QuestionTimeout,
    QuestionTooLarge,
    Unavailable,
)
from holdfast_ledger.queries import views
from holdfast_ledger.queries.question import digest_of
from holdfast_ledger.queries.rolling import Roller
from holdfast_ledger.queries.statements import Builder, Statement
from holdfast_ledger.queries.tokens import Tokens, TracePageToken, trace_digest
from holdfast_ledger.usage.database import UsageStoreDown

from tests.ledger.queries.setting import DAY_MS, HOUR_MS, NOW_MS, START_MS, Row, Setting, asked, cells, clear

OF_A, OF_B = Caller("1", Role.READER, "a"), Caller("2", Role.READER, "b")
EVIL = "x'); DROP TABLE usage; --"


def refused(call: Callable[[], object]) -> str:
    """The field that a call is refused for."""
    with pytest.raises(InvalidArgument) as fault:
        call()
    return fault.value.metadata["field"]


def test_an_answer_says_what_it_is_of(setting: Setting) -> None:
    """Steps without usage are among the steps and not among the cells; the unit is that of all figures."""
    setting.feed(Row(value=3), Row(value=4, time_ms=START_MS + 5 * HOUR_MS))
    answer = setting.ask(granularity=api.GRANULARITY_HOUR)
    assert cells(answer) == [(0, (), 3), (5, (), 4)]
    assert list(answer.steps_unix_ms) == [START_MS + hour * HOUR_MS for hour in range(24)]
    assert (answer.total, answer.compared_total, answer.unit, answer.exponent) == (7, 0, "input", 6)
    assert answer.complete_until_unix_ms == START_MS


def test_figures_of_several_units_have_none(setting: Setting) -> None:
    """Two meters summed have no unit; a filter that leaves one of them does."""
    setting.feed(Row(value=3), Row(value=4, meter="output"))
    assert setting.ask().unit == ""
    only = [api.UsageFilter(key="meter", operator=api.FILTER_OPERATOR_IN, values=["output"])]
    answer = setting.ask(filters=only)
    assert (answer.total, answer.unit) == (4, "output")


def test_an_empty_store_answers_nothing(setting: Setting) -> None:
    """No rows, no error: also for dimensions, which nothing can be said of."""
    answer = setting.ask(group_by=["model"], granularity=api.GRANULARITY_DAY)
    assert (list(answer.cells), answer.total, len(answer.steps_unix_ms)) == ([], 0, 1)


def test_turns_under_way_do_not_show(setting: Setting) -> None:
    """Rows count when their turn is complete."""
    setting.feed(Row(value=3))
    setting.feed(Row(value=4), complete=False)
    assert setting.ask().total == 3
    setting.complete()
    assert setting.ask().total == 7


def test_rows_that_arrive_twice_count_once(setting: Setting) -> None:
    """Read from rows and from sums."""
    setting.feed(Row(value=3), twice=True)
    assert setting.ask(use_rollups=False).total == 3
    Roller(setting.database).turn(NOW_MS)
    assert setting.ask().total == 3


def test_sums_beyond_int64_are_refused_and_not_wrapped(setting: Setting) -> None:
    """Each cell alone is fine, and so is a sum that comes back into range."""
    huge = 2**63 - 1
    setting.feed(Row(value=huge), Row(value=huge, time_ms=START_MS + HOUR_MS), Row(value=-huge, account="b"))
    assert setting.ask().total == huge
    assert refused(lambda: setting.ask(account_id="a")) == "measure"
    Roller(setting.database).turn(NOW_MS)
    assert setting.ask().total == huge
    assert refused(lambda: setting.ask(account_id="a")) == "measure"


# Pages.


def test_pages_belong_to_one_state(setting: Setting) -> None:
    """What is fed meanwhile, and hours that are summed meanwhile, change no later page, nor the totals."""
    setting.feed(*(Row(value=1, dimensions={"model": f"m{number:02}"}) for number in range(10)))
    Roller(setting.database).turn(NOW_MS)
    page = asked(group_by=["model"], page_size=4)
    found, totals = [], set()
    for turn in range(3):
        answer = setting.answers().query(page, OF_A, NOW_MS + turn)
        found += [(cell.group[0], cell.value) for cell in answer.cells]
        totals.add(answer.total)
        page.page_token = answer.next_page_token
        setting.feed(Row(value=5, dimensions={"model": "m05"}), Row(value=5, dimensions={"model": "m055"}))
        Roller(setting.database).turn(NOW_MS + turn * DAY_MS)
    assert found == [(f"m{number:02}", 1) for number in range(10)]
    assert totals == {10}
    assert page.page_token == ""
    assert setting.ask(group_by=["model"]).total == 40


def test_page_tokens_are_of_one_question_and_do_not_last(setting: Setting) -> None:
    """Another question's, another caller's, an old, a cut and an invented one are refused."""
    setting.feed(*(Row(dimensions={"model": str(number)}) for number in range(3)))
    answers, page = setting.answers(), asked(group_by=["model"], page_size=1)
    token = answers.query(page, OF_A, NOW_MS).next_page_token
    page.page_token = token
    assert answers.query(page, OF_A, NOW_MS + 600_000).cells[0].group == ["1"]
    assert refused(lambda: answers.query(page, OF_A, NOW_MS + 600_001)) == "page_token"
    assert refused(lambda: answers.query(page, Caller(), NOW_MS)) == "page_token"
    for other in ({"top": 1}, {"group_by": ["model", "meter"]}, {"measure": 2}, {"end_unix_ms": START_MS + 1}):
        said = {"group_by": ["model"], "page_token": token, **other}
        assert refused(partial(answers.query, asked(**said), OF_A, NOW_MS)) == "page_token"
    for broken in (token[:-3], "x", ".", "a.b", token + "A", "é", "." + "A" * 300_000):
        assert refused(partial(setting.ask, group_by=["model"], page_token=broken)) == "page_token"


def test_forged_tokens_are_refused(setting: Setting) -> None:
    """One of a ledger with another secret, and ours with anything changed: of a page, a figure and a trace's page."""
    setting.feed(*(Row(dimensions={"model": str(number)}) for number in range(3)))
    page, forger = asked(group_by=["model"], page_size=1), Tokens(b"guessed")
    first = setting.answers().query(page, OF_A, NOW_MS)
    read = Tokens(setting.secret).read_page(first.next_page_token, digest_of(page, "a"), 1, NOW_MS)
    page.page_token = forger.write_page(read)
    assert refused(partial(setting.answers().query, page, OF_A, NOW_MS)) == "page_token"
    whole = setting.ask(caller=OF_A).cells[0].trace_token
    assert len(setting.trace(whole, OF_A).traces) == 3
    forged = forger.trace_writer(asked(), 1).write(START_MS, False, [])
    assert refused(partial(setting.trace, forged, OF_A)) == "trace_token"
    for place in range(0, len(whole) - 1, 7):
        other = "A" if whole[place] != "A" else "B"
        assert refused(partial(setting.trace, whole[:place] + other + whole[place + 1 :], OF_A)) == "trace_token"
    after = forger.write_trace_page(TracePageToken(trace_digest(whole, "a"), NOW_MS, START_MS, 0, 1))
    assert refused(partial(setting.trace, whole, OF_A, page_token=after)) == "page_token"


def test_pages_end_before_they_are_too_long(setting: Setting) -> None:
    """Of cells and of traces with long values: each is shown once, and an answer is what clients take."""
    values = [str(number) + 60_000 * "é" for number in range(20)]
    setting.feed(*(Row(dimensions={"model": value}) for value in values))
    page, found = asked(group_by=["model"], page_size=1_000), list[str]()
    while True:
        answer = setting.answers().query(page, OF_A, NOW_MS)
        assert answer.ByteSize() < 4 << 20
        found += [cell.group[0] for cell in answer.cells]
        page.page_token = answer.next_page_token
        if not page.page_token:
            break
    assert found == sorted(values)
    token, traced, after = setting.ask().cells[0].trace_token, list[str](), ""
    while True:
        traces = setting.trace(token, page_size=1_000, page_token=after)
        assert traces.ByteSize() < 4 << 20
        traced += [trace.dimensions["model"] for trace in traces.traces]
        after = traces.next_page_token
        if not after:
            break
    assert sorted(traced) == sorted(values)


def test_a_page_of_a_store_that_was_made_anew_is_refused(setting: Setting) -> None:
    """Its state has another number there, or will be another one."""
    setting.feed(Row(), complete=False)
    setting.feed(*(Row(dimensions={"model": str(number)}) for number in range(3)))
    token = setting.ask(group_by=["model"], page_size=1).next_page_token
    clear(setting.database)
    setting.turn = 0
    setting.feed(*(Row(dimensions={"model": str(number)}) for number in range(3)))
    assert refused(partial(setting.ask, group_by=["model"], page_size=1, page_token=token)) == "page_token"


def test_a_page_may_have_another_size(setting: Setting) -> None:
    """The size is of the page, not of the question."""
    setting.feed(*(Row(dimensions={"model": str(number)}) for number in range(5)))
    first = setting.ask(group_by=["model"], page_size=2)
    last = setting.ask(group_by=["model"], page_size=100, page_token=first.next_page_token)
    assert [cell.group[0] for cell in last.cells] == ["2", "3", "4"]


def test_a_million_values_are_paged_and_topped(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """All can be had by pages; the largest with the rest at once."""
    monkeypatch.setattr(views, "QUESTION_TIMEOUT_MS", 200_000)  # a busy machine has its time
    setting.feed(Row(value=1))
    setting.database.command(
        "INSERT INTO usage (row_id, batch_no, time, account_id, meter_id, quantity, source, dimensions) "
        "SELECT number + 10, 1, fromUnixTimestamp64Milli({start:Int64}, 'UTC'), 'a', 'input', 1 + (number = 77), "
        "'debit', map('user', toString(number)) FROM numbers(1000000)",
        {"start": START_MS},
    )
    first = setting.ask(group_by=["user"], page_size=10_000, use_rollups=False)
    assert (len(first.cells), first.total, list(first.cells[1].group)) == (10_000, 1_000_002, ["0"])
    token = first.next_page_token
    second = setting.ask(group_by=["user"], page_size=2, page_token=token, use_rollups=False)
    assert first.cells[-1].group[0] < second.cells[0].group[0] < second.cells[1].group[0]
    top = setting.ask(group_by=["user"], top=2, granularity=api.GRANULARITY_DAY, use_rollups=False)
    assert cells(top) == [(0, ("",), 1), (0, ("77",), 2), (0, (), 999_999)]


# The largest.


def test_ties_among_the_largest_go_by_name(setting: Setting) -> None:
    """The same ones each time, whatever the order of rows."""
    setting.feed(*(Row(value=5, dimensions={"model": name}) for name in ("d", "b", "c", "a")))
    answer = setting.ask(group_by=["model"], top=2)
    assert cells(answer) == [(0, ("a",), 5), (0, ("b",), 5), (0, (), 10)]
    assert [cell.rest for cell in answer.cells] == [False, False, True]


def test_the_largest_are_those_of_the_window_and_not_of_a_step(setting: Setting) -> None:
    """A group that is large in one step and small in all is among the rest, and compared as such."""
    late = START_MS + HOUR_MS
    setting.feed(
        Row(value=9, dimensions={"model": "a"}), Row(value=8, dimensions={"model": "b"}),
        Row(value=8, time_ms=late, dimensions={"model": "b"}), Row(value=1, time_ms=START_MS - 1),
    )  # fmt: skip
    answer = setting.ask(group_by=["model"], top=1, granularity=api.GRANULARITY_HOUR, previous_period=True)
    assert [(cell.rest, cell.value, cell.compared_value) for cell in answer.cells] == [
        (False, 8, 0), (True, 9, 0), (False, 8, 0), (True, 0, 1),
    ]  # fmt: skip
    assert (answer.total, answer.compared_total) == (25, 1)


@pytest.mark.parametrize("granularity", [api.GRANULARITY_UNSPECIFIED, api.GRANULARITY_HOUR])
def test_what_is_only_in_the_window_before_is_never_among_the_largest(
    setting: Setting, granularity: api.Granularity
) -> None:
    """It is compared as part of the rest, though there would be room."""
    setting.feed(
        Row(value=5, dimensions={"model": "a"}), Row(value=-3, dimensions={"model": "b"}),
        Row(value=9, time_ms=START_MS - DAY_MS, dimensions={"model": "c"}),
    )  # fmt: skip
    answer = setting.ask(group_by=["model"], top=3, previous_period=True, granularity=granularity)
    assert [(list(cell.group), cell.value, cell.compared_value) for cell in answer.cells] == [
        (["a"], 5, 0), (["b"], -3, 0), ([], 0, 9),
    ]  # fmt: skip


# Accounts.


def test_a_caller_of_one_account_reads_that_account_alone(setting: Setting) -> None:
    """Whatever it asks: other accounts are refused by name, and not found by filter or key."""
    setting.feed(Row(value=1), Row(account="b", value=2, dimensions={"secret": "s"}))
    assert setting.ask(caller=OF_A).total == 1
    assert cells(setting.ask(caller=OF_A, group_by=["account"])) == [(0, ("a",), 1)]
    only_b = [api.UsageFilter(key="account", operator=api.FILTER_OPERATOR_IN, values=["b"])]
    assert setting.ask(caller=OF_A, filters=only_b).total == 0
    for call in (
        lambda: setting.ask(caller=OF_A, account_id="b"),
        lambda: setting.keys(OF_A, account_id="b"),
        lambda: setting.trace(setting.ask(account_id="b").cells[0].trace_token, OF_A),
    ):
        with pytest.raises(PermissionDenied):
            call()
    assert "secret" not in setting.keys(OF_A)
    assert setting.keys(OF_A, key="account") == ["a"]
    assert refused(lambda: setting.ask(caller=OF_A, group_by=["secret"])) == "group_by[0]"
    token = setting.ask(group_by=["account"]).cells[1].trace_token
    assert list(setting.trace(token, OF_A).traces) == []


def test_every_statement_says_whose_rows_it_reads(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each source of each statement of a scoped question has the account among its conditions."""
    seen: list[Statement] = []
    made = Builder._done

    def done(builder: Builder, sql: str) -> Statement:
        seen.append(made(builder, sql))
        return seen[-1]

    monkeypatch.setattr(Builder, "_done", done)
    setting.feed(Row(dimensions={"model": "m"}), Row(table="spend"), Row(table="events"))
    for measure, granularity in itertools.product((1, 2, 3, 4), (0, 3)):
        said = asked(measure=measure, granularity=granularity, group_by=["subject"], top=1, previous_year=True)
        answer = setting.answers().query(said, OF_A, NOW_MS)
        for cell in answer.cells:
            setting.trace(cell.trace_token, OF_A)
    setting.keys(OF_A)
    setting.keys(OF_A, key="model")
    assert len(seen) > 15
    for statement in seen:
        sources = statement.sql.count("FROM ") - statement.sql.count("FROM (")
        assert sources == statement.sql.count("WHERE (account_id = {")
        assert "a" in statement.parameters.values()


def test_what_callers_say_is_never_sql(setting: Setting) -> None:
    """In values, keys, subjects, filters and accounts."""
    row = Row(account=EVIL, subject=EVIL, meter=EVIL, dimensions={EVIL: EVIL})
    setting.feed(row)
    keys = ["account", "subject", "meter", EVIL]
    filters = [api.UsageFilter(key=key, operator=api.FILTER_OPERATOR_PREFIX, values=[EVIL]) for key in keys]
    answer = setting.ask(account_id=EVIL, group_by=keys, filters=filters, top=1, granularity=api.GRANULARITY_DAY)
    assert cells(answer) == [(0, (EVIL,) * 4, 1)]
    trace = setting.trace(answer.cells[0].trace_token).traces[0]
    assert (trace.account_id, dict(trace.dimensions)) == (EVIL, {EVIL: EVIL})
    assert setting.keys(key=EVIL, prefix=EVIL) == [EVIL]
    Roller(setting.database).turn(NOW_MS)
    assert setting.keys()[-1] == EVIL
    assert setting.ask().total == 1


# Keys.


def test_unknown_dimensions_are_refused_with_those_there_are(setting: Setting) -> None:
    """In groups and in filters; not when the window is empty."""
    setting.feed(Row(dimensions={"model": "m", "account": "x"}))
    for use_rollups in (False, True):
        with pytest.raises(InvalidArgument) as fault:
            setting.ask(group_by=["meter", "modle"], use_rollups=use_rollups)
        assert fault.value.metadata["field"] == "group_by[1]"
        assert "'modle'" in fault.value.message
        assert fault.value.message.endswith("meter, sidecar, caller, dimension:account, model")
        Roller(setting.database).turn(NOW_MS)
    bad = [api.UsageFilter(key="modle", operator=api.FILTER_OPERATOR_EXISTS)]
    assert refused(lambda: setting.ask(filters=bad)) == "filters[0].key"
    assert setting.ask(group_by=["modle"], start_unix_ms=START_MS - DAY_MS, end_unix_ms=START_MS).total == 0


def test_a_dimension_may_be_named_as_a_built_in_key(setting: Setting) -> None:
    """With its prefix."""
    setting.feed(Row(dimensions={"account": "x"}))
    assert cells(setting.ask(group_by=["account", "dimension:account"])) == [(0, ("a", "x"), 1)]


def test_keys_and_values_are_listed_most_used_first(setting: Setting) -> None:
    """Alike from rows and from sums; dimensions after the built-in keys."""
    rows = [Row(dimensions={"model": "b", "feature": "f"}), Row(dimensions={"model": "b"}), Row(meter="output")]
    setting.feed(*rows, Row(dimensions={"model": "a"}), Row(table="spend", dimensions={"model": "a", "zone": "z"}))
    for _ in range(2):
        assert setting.keys()[-3:] == ["model", "feature", "zone"]
        assert setting.keys(key="model") == ["a", "b"]
        assert setting.keys(key="model", prefix="b") == ["b"]
        assert setting.keys(key="meter", page_size=1) == ["input"]
        assert setting.keys(key="zone", start_unix_ms=START_MS + 1) == []
        Roller(setting.database).turn(NOW_MS)


# Traces.


def test_a_figure_is_traced_to_its_rows(setting: Setting) -> None:
    """Entries with grant, operation, hold and sidecar; the newest first, what adds nothing left out."""
    setting.feed(
        Row(table="spend", value=5, subject="x/y", dimensions={"model": "m"}),
        Row(table="spend", value=-2, time_ms=START_MS + 1, grant="h", dimensions={"model": "m"}),
        Row(table="spend", value=0, dimensions={"model": "m"}),
        Row(table="spend", value=9, dimensions={"model": "n"}),
        Row(table="spend", value=9, time_ms=START_MS + HOUR_MS, dimensions={"model": "m"}),
    )
    answer = setting.ask(measure=2, group_by=["model"], granularity=api.GRANULARITY_HOUR)
    cell = answer.cells[0]
    later, earlier = setting.trace(cell.trace_token).traces
    assert cell.value == later.value + earlier.value == 3
    assert (later.grant_id, later.entry_id, later.operation_id) == ("h", 2, "op2")
    assert (earlier.time_unix_ms, earlier.account_id, earlier.pool_id) == (START_MS, "a", "general")
    assert (earlier.subject, earlier.sidecar_id, dict(earlier.dimensions)) == ("x/y", "s1", {"model": "m"})


def test_counts_are_traced_to_debits_and_events(setting: Setting) -> None:
    """Of both tables, in one order, page by page."""
    setting.feed(
        *(Row(table="spend", time_ms=START_MS + number) for number in range(4)),
        *(Row(table="events", time_ms=START_MS + number) for number in range(4)),
        Row(table="events", value=-1, time_ms=START_MS + 3),
        Row(table="events", value=0), Row(table="spend", counts=0),
    )  # fmt: skip
    cell = setting.ask(measure=4).cells[0]
    assert cell.value == 7
    pages: list[api.UsageTrace] = []
    token = ""
    while True:
        answer = setting.trace(cell.trace_token, page_size=2, page_token=token)
        pages += answer.traces
        token = answer.next_page_token
        if not token:
            break
    assert [trace.time_unix_ms - START_MS for trace in pages] == [3, 3, 3, 2, 2, 1, 1, 0, 0]
    assert sum(trace.value for trace in pages) == 7
    assert len({(trace.operation_id, trace.event_id, trace.value) for trace in pages}) == 9


def test_the_rest_is_traced_too(setting: Setting) -> None:
    """To the rows of all groups but the largest, of the figure's own state."""
    setting.feed(*(Row(value=number, dimensions={"model": str(number)}) for number in range(1, 6)))
    answer = setting.ask(group_by=["model", "meter"], top=2)
    setting.feed(Row(value=7, dimensions={"model": "1"}))
    traces = setting.trace(answer.cells[-1].trace_token).traces
    assert sorted(trace.value for trace in traces) == [1, 2, 3]


def test_trace_tokens_are_checked(setting: Setting) -> None:
    """What is cut, changed, of another kind or says what no question says is refused."""
    setting.feed(Row(), Row())
    answer = setting.ask(group_by=["meter"])
    token = answer.cells[0].trace_token
    page = setting.trace(token, page_size=1).next_page_token
    for broken in (token[:-2], token[1:], "", page, "." + token):
        assert refused(partial(setting.trace, broken)) == "trace_token"
    for broken in (token, page[:-1]):
        assert refused(partial(setting.trace, token, page_token=broken)) == "page_token"
    assert refused(lambda: setting.trace(token, page_size=1_001)) == "page_size"


def test_long_questions_make_short_pages(setting: Setting) -> None:
    """Trace tokens carry the question: a page stays below what clients take, and the next ones have the others."""
    setting.feed(*(Row(dimensions={"model": f"{number:03}"}) for number in range(200)))
    values = [f"{number:063}" for number in range(900)]
    long = [api.UsageFilter(key="model", operator=api.FILTER_OPERATOR_NOT_IN, values=values)]
    token, count, pages = "", 0, 0
    while pages == 0 or token:
        answer = setting.ask(group_by=["model"], filters=long, page_token=token)
        assert answer.ByteSize() < 4 * 2**20
        token, count, pages = answer.next_page_token, count + len(answer.cells), pages + 1
    assert count == 200
    assert pages > 2
    assert len(setting.trace(answer.cells[0].trace_token).traces) == 1


# What is too much.


def test_too_many_groups_and_too_much_time_are_told_apart(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its own fault."""
    setting.feed(*(Row(dimensions={"user": str(number)}) for number in range(50)))
    settings = "SETTINGS max_rows_to_group_by = 10, group_by_overflow_mode = 'throw'"
    monkeypatch.setattr("holdfast_ledger.queries.statements.SETTINGS", settings)
    with pytest.raises(QuestionTooLarge):
        setting.ask(group_by=["user"])
    monkeypatch.undo()
    monkeypatch.setattr(views, "QUESTION_TIMEOUT_MS", 1)
    setting.database.command(
        "INSERT INTO usage (row_id, batch_no, time, account_id, dimensions) SELECT number + 100, 1, "
        "fromUnixTimestamp64Milli({start:Int64}, 'UTC'), 'a', map('user', toString(number)) FROM numbers(300000)",
        {"start": START_MS},
    )
    with pytest.raises(QuestionTimeout):
        setting.ask(group_by=["user", "subject_3"], use_rollups=False)


def test_a_store_that_is_down_is_unavailable(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying again may help."""

    def down(*_: object, **__: object) -> object:
        raise UsageStoreDown("starting")

    monkeypatch.setattr(setting.database, "query", down)
    calls: list[Callable[[], object]] = [setting.ask, setting.keys]
    for call in calls:
        with pytest.raises(Unavailable):
            call()

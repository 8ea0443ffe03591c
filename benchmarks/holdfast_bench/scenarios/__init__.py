"""The scenarios, a file each, by the name that the command line knows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from holdfast_bench.options import Options
from holdfast_bench.results import Report
from holdfast_bench.scenarios import (
    check,
    estimates,
    events,
    failover,
    fanout,
    holds,
    hot_pool,
    ingest,
    ledger,
    lifecycle,
    python_client,
    reserve,
    session,
    subjects,
    trace,
    transport,
    uplink,
    usage_query,
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Something that can be measured."""

    summary: str
    run: Callable[[Options], Report]


SCENARIOS: Mapping[str, Scenario] = {
    "transport": Scenario("an echo through each transport: what remains when nothing is decided", transport.run),
    "check": Scenario("Check, 50 in flight", check.run),
    "reserve": Scenario("Reserve, 50 in flight", reserve.run),
    "lifecycle": Scenario("Reserve, then its Settle, 50 in flight", lifecycle.run),
    "fanout": Scenario("bursts of 50 Reserves in one tick; latency of the slowest of each", fanout.run),
    "session": Scenario("a Session's messages of 50 Reserves", session.run),
    "python-client": Scenario("50 Reserves in one tick through the Python client's Session", python_client.run),
    "trace": Scenario("LLM calls over time: reserve, extend, settle", trace.run),
    "holds": Scenario("start, memory and cost an operation with many open holds", holds.run),
    "subjects": Scenario("memory, cost an operation and start with many active subjects", subjects.run),
    "uplink": Scenario("what streaming the debits costs the decisions", uplink.run),
    "failover": Scenario("a ledger killed under load: time until all sidecars are in step again", failover.run),
    "hot-pool": Scenario("eight sidecars on one pool of a real ledger, demand skewed", hot_pool.run),
    "ledger": Scenario("debits a second that the ledger posts, on either store, a stream a replica", ledger.run),
    "events": Scenario("events a second, durable and charged, and when a query shows them", events.run),
    "ingest": Scenario("rows a second that are taken in from Parquet, CSV and JSON lines", ingest.run),
    "usage-query": Scenario("questions about usage, over millions of rows", usage_query.run),
    "estimates": Scenario(
        "what is left of a wallet at the first denial: worst-case against learned holds", estimates.run
    ),
}

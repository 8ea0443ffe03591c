"""A producer of events in a process of its own: reports them as fast as a sidecar takes them, or at a rate.

Usage: python -m holdfast_bench.event_load TARGET SOURCE SECONDS EVENTS_PER_S. Rate 0: as fast as they are taken. The
requests are made before the first is sent, so that what is measured is the sidecar. At the end one line of JSON: events
accepted, seconds, faults.
"""

import json
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import grpc
from holdfast.v1 import usage_service_pb2 as pb

EVENTS_A_REQUEST = 500
ACCOUNTS = tuple(f"bench-{number}" for number in range(5))
EVENT_TYPE = "model.call"
IN_FLIGHT = 4
"""Requests under way."""
MAX_EVENTS_PER_S = 60_000
"""For how many requests are made: no sidecar has taken more."""
_METHOD = "/holdfast.v1.UsageService/ReportEvents"
_MODELS = ("gpt-5", "gpt-5-mini", "claude")
_REGIONS = ("eu", "us")
TIMEOUT_S = 60.0


def requests_of(source: str, count: int, now_ms: int) -> list[bytes]:
    """Requests as a gateway sends them: calls of models by a few agents of several accounts, a minute's worth."""
    template = pb.UsageEvent(source=source, type=EVENT_TYPE, time_unix_ms=now_ms)
    made: list[bytes] = []
    for number in range(count):
        request = pb.ReportEventsRequest()
        for place in range(EVENTS_A_REQUEST):
            event = request.events.add()
            event.CopyFrom(template)
            event.id = f"{number:012x}-{place:019x}"
            event.account_id = ACCOUNTS[place % len(ACCOUNTS)]
            event.subject = f"team-{place % 2}/agent"
            event.time_unix_ms = now_ms - place
            event.dimensions["model"] = _MODELS[place % len(_MODELS)]
            event.dimensions["region"] = _REGIONS[number % len(_REGIONS)]
            event.dimensions["feature"] = "chat"
            event.quantities["tokens"] = 100 + place
            event.quantities["milliseconds"] = 7 * place
        made.append(request.SerializeToString())
    return made


def main(argv: Sequence[str]) -> int:
    """Runs the load."""
    target, source, seconds, rate_per_s = argv[0], argv[1], float(argv[2]), float(argv[3])
    count = int(seconds * (rate_per_s or MAX_EVENTS_PER_S) / EVENTS_A_REQUEST) + 1
    requests = requests_of(source, count, time.time_ns() // 1_000_000)
    accepted_count, faults = 0, list[str]()
    with grpc.insecure_channel(target) as channel:
        call: Any = channel.unary_unary(_METHOD, None, pb.ReportEventsResponse.FromString)
        begun_s = time.monotonic()
        under_way: deque[grpc.Future[pb.ReportEventsResponse]] = deque()
        for place, request in enumerate(requests):
            elapsed_s = time.monotonic() - begun_s
            if elapsed_s > seconds:
                break
            if rate_per_s:
                time.sleep(max(0.0, place * EVENTS_A_REQUEST / rate_per_s - elapsed_s))
            under_way.append(call.future(request, timeout=TIMEOUT_S))
            if len(under_way) >= IN_FLIGHT:
                accepted_count += _accepted(under_way.popleft(), faults)
        while under_way:
            accepted_count += _accepted(under_way.popleft(), faults)
        took_s = time.monotonic() - begun_s
    sys.stdout.write(json.dumps({"accepted_count": accepted_count, "took_s": took_s, "faults": faults[:5]}) + "\n")
    return 0


def _accepted(answer: "grpc.Future[pb.ReportEventsResponse]", faults: list[str]) -> int:
    try:
        response = answer.result()
    except grpc.RpcError as error:
        faults.append(str(error))
        return 0
    faults.extend(f"{result.field}: {result.message}" for result in response.results)
    return response.accepted_count


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

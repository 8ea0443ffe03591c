"""The rules of the uplink's protocol, one a test; the clock is the test's."""

import pytest
from holdfast.v1 import ledger_sync_service_pb2 as pb
from holdfast_sidecar.engine.events import (
    Connected,
    DebitsAcked,
    Disconnected,
    Fenced,
    LeaseAsk,
    LeasesRenewed,
    LeaseState,
    LeaseStatus,
    LeasesUpdated,
    LeaseWant,
    RulesAsk,
    RulesUpdated,
)
from holdfast_sidecar.uplink.lifecycle import LocalProtocolError, State
from holdfast_sidecar.uplink.limits import UplinkLimits

from tests.sidecar.uplink.wiring import (
    ALLOWANCE_VALIDITY_MS,
    HEARTBEAT_MS,
    MS,
    START_NS,
    VALIDITY_MS,
    Wired,
    ack,
    heartbeat_ack,
    identity,
    welcome,
)

ASK = LeaseAsk(1, (LeaseWant("acme", "general", 10, 5, 0, 0, 0),))
RULES_ASK = RulesAsk(1, (("acme", "research"),))
RULES_ANSWER = pb.SyncResponse(rules_update=pb.RulesUpdate(request_id=1))


# Hello and Welcome


def test_hello_says_who_and_how_far() -> None:
    hello = Wired(identity(epoch=3, last_sequence=20, acked_sequence=15)).open()
    assert (hello.sidecar_id, hello.epoch, hello.instance) == ("host-1", 3, b"i" * 16)
    assert (hello.last_sequence, hello.acked_sequence, hello.max_hold_ttl_ms) == (20, 15, 60_000)


def test_a_second_hello_carries_the_epoch_and_the_marks_of_now() -> None:
    wired = Wired()
    wired.streaming(last_sequence=9)
    wired.send()
    wired.receive(ack(4))
    wired.close()
    wired.after(1_000)
    hello = wired.open()
    assert (hello.epoch, hello.last_sequence, hello.acked_sequence) == (1, 9, 4)


def test_a_welcome_to_another_life_of_the_folder_is_against_the_contract() -> None:
    """A folder's totals belong to its life: in another one they would count rights that it never had."""
    wired = Wired()
    wired.streaming()
    wired.close()
    assert wired.open().birth_epoch == 1, "Hello tells the life that Welcome told"
    other = welcome(2)
    other.welcome.birth_epoch = 2
    wired.receive(other)
    assert wired.protocol.state is State.CLOSING
    assert "life 2" in wired.protocol.closing_reason


def test_welcome_counts_the_leases_from_hello_not_from_its_receipt() -> None:
    wired = Wired()
    wired.open()
    wired.after(700)
    lease = pb.Lease(account_id="a", pool_id="p", status=pb.LEASE_STATUS_UNKNOWN_POOL)
    message = welcome(4, 12)
    message.welcome.leases.append(lease)
    (event,) = wired.receive(message)
    assert event == Connected(
        epoch=4,
        birth_epoch=1,
        acked_sequence=12,
        lease_valid_until_ns=START_NS + VALIDITY_MS * MS,
        heard_at_ns=START_NS + 700 * MS,
        leases=(LeaseState("a", "p", LeaseStatus.UNKNOWN_POOL),),
        allowance_valid_until_ns=START_NS + ALLOWANCE_VALIDITY_MS * MS,
    )


def test_no_debit_leaves_before_the_epoch_of_welcome_is_durable() -> None:
    wired = Wired(identity(epoch=1, last_sequence=3))
    wired.open()
    wired.receive(welcome(2))
    assert wired.send() == []
    wired.notify(3, 1)
    assert wired.send() == []
    wired.notify(3, 2)
    assert wired.send() == [1, 2, 3]


def test_a_reconnect_in_a_durable_epoch_streams_at_once() -> None:
    wired = Wired()
    wired.streaming(last_sequence=2)
    wired.close()
    wired.after(1_000)
    wired.open()
    wired.receive(welcome(1))
    assert wired.protocol.state is State.STREAMING
    assert wired.send() == [1, 2]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epoch", 0),
        ("heartbeat_interval_ms", 0),
        ("window_debit_count", 0),
        ("lease_validity_ms", -1),
        ("allowance_validity_ms", -1),
    ],
)
def test_a_welcome_out_of_range_ends_the_stream(field: str, value: int) -> None:
    wired = Wired()
    wired.open()
    message = welcome()
    setattr(message.welcome, field, value)
    assert wired.receive(message) == []
    assert wired.protocol.state is State.CLOSING
    assert "broke the contract" in wired.protocol.closing_reason


def test_an_epoch_that_goes_back_ends_the_stream() -> None:
    wired = Wired(identity(epoch=5))
    wired.open()
    assert wired.receive(welcome(4)) == []
    assert wired.protocol.state is State.CLOSING


@pytest.mark.parametrize("response", [ack(1), heartbeat_ack(1), pb.SyncResponse()])
def test_nothing_comes_before_welcome(response: pb.SyncResponse) -> None:
    wired = Wired()
    wired.open()
    assert wired.receive(response) == []
    assert wired.protocol.state is State.CLOSING


def test_a_second_welcome_ends_the_stream() -> None:
    wired = Wired()
    wired.streaming()
    assert wired.receive(welcome()) == [Disconnected()]
    assert wired.protocol.state is State.CLOSING


def test_a_message_of_a_newer_ledger_is_passed_over() -> None:
    wired = Wired()
    wired.streaming()
    assert wired.receive(pb.SyncResponse()) == []
    assert wired.protocol.state is State.STREAMING


# Debits


def test_debits_leave_in_batches_without_repeats() -> None:
    wired = Wired(limits=UplinkLimits(batch_debit_count=4, linger_ms=0))
    wired.streaming(last_sequence=10)
    assert [wired.send() for _ in range(4)] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10], []]


def test_debits_resume_after_the_ledgers_mark() -> None:
    wired = Wired(identity(last_sequence=10, acked_sequence=5))
    wired.streaming(acked_sequence=8, last_sequence=10)
    assert wired.send() == [9, 10]


def test_the_window_of_the_ledger_holds_until_acks_open_it() -> None:
    wired = Wired(limits=UplinkLimits(linger_ms=0))
    wired.streaming(window_debit_count=6, last_sequence=20)
    assert [wired.send() for _ in range(3)] == [[1, 2, 3], [4, 5, 6], []]
    assert wired.receive(ack(2)) == [DebitsAcked(2, wired.now_ns)]
    assert [wired.send(), wired.send()] == [[7, 8], []]


def test_bytes_not_acked_are_bounded() -> None:
    wired = Wired(limits=UplinkLimits(batch_bytes=100, window_bytes=200, linger_ms=0))
    wired.streaming(last_sequence=100)
    sent = [sequence for _ in range(50) for sequence in wired.send()]
    assert 0 < len(sent) < 20
    wired.receive(ack(sent[-1]))
    assert wired.send()[0] == sent[-1] + 1


def test_small_messages_are_paced_and_the_first_one_is_not() -> None:
    wired = Wired()
    wired.streaming(last_sequence=1)
    assert wired.send() == [1]
    wired.notify(2, 1)
    assert wired.send() == []
    assert wired.protocol.paced_until_ns(wired.now_ns) == wired.now_ns + 5 * MS
    wired.after(5)
    assert wired.protocol.paced_until_ns(wired.now_ns) is None
    assert wired.send() == [2]


def test_full_messages_are_not_paced() -> None:
    wired = Wired(limits=UplinkLimits(batch_debit_count=3))
    wired.streaming(last_sequence=8)
    assert [wired.send() for _ in range(3)] == [[1, 2, 3], [4, 5, 6], []]


def test_an_ack_that_goes_back_says_nothing() -> None:
    wired = Wired()
    wired.streaming(last_sequence=5)
    wired.send()
    wired.receive(ack(4))
    assert wired.receive(ack(3)) == []
    assert wired.protocol.acked_sequence == 4


def test_an_ack_may_pass_what_this_stream_sent() -> None:
    """The debits of the stream before may be posted after its end."""
    wired = Wired(limits=UplinkLimits(batch_debit_count=2, linger_ms=0))
    wired.streaming(last_sequence=6)
    assert wired.send() == [1, 2]
    wired.receive(ack(4))
    assert wired.send() == [5, 6]


def test_an_ack_of_what_was_never_made_ends_the_stream() -> None:
    wired = Wired()
    wired.streaming(last_sequence=5)
    assert wired.receive(ack(6)) == [Disconnected()]
    assert wired.protocol.acked_sequence == 0


def test_more_debits_than_wanted_are_a_defect() -> None:
    wired = Wired(limits=UplinkLimits(batch_debit_count=2))
    wired.streaming(last_sequence=5)
    wanted = wired.protocol.debits_wanted(wired.now_ns)
    assert wanted is not None
    with pytest.raises(LocalProtocolError):
        wired.protocol.debits_read(wanted, [(1, b""), (2, b""), (3, b"")], wired.now_ns)


# A ledger that lost or gained something


def test_a_ledger_restored_from_an_older_backup_is_caught_up() -> None:
    wired = Wired(identity(epoch=1, last_sequence=9, acked_sequence=8))
    wired.streaming(acked_sequence=5, last_sequence=9)
    assert wired.send() == [6, 7, 8, 9]


def test_beyond_the_retained_window_it_stops_loudly() -> None:
    wired = Wired(identity(epoch=1, last_sequence=9, acked_sequence=8))
    wired.kept_from = 7
    wired.streaming(acked_sequence=5, last_sequence=9)
    assert wired.send() == []
    disconnected, fenced = wired.events()
    assert disconnected == Disconnected()
    assert isinstance(fenced, Fenced)
    assert fenced.reason == "LEDGER_BEHIND"
    assert wired.protocol.state is State.FENCED


def test_a_hole_in_the_outbox_stops_loudly() -> None:
    wired = Wired()
    wired.kept_from = 3
    wired.streaming(last_sequence=9)
    wired.send()
    assert [event.reason for event in wired.events() if isinstance(event, Fenced)] == ["OUTBOX_GAP"]


def test_an_empty_folder_takes_the_ledgers_mark_over() -> None:
    wired = Wired()
    wired.open()
    wired.receive(welcome(7, 500))
    wired.notify(500, 7)
    wired.notify(502, 7)
    assert wired.send() == [501, 502]


def test_a_ledger_ahead_of_the_folder_stops_loudly() -> None:
    """Else the ledger would drop the next debits as ones it has."""
    wired = Wired(identity(epoch=1, last_sequence=3, acked_sequence=3))
    wired.open()
    *_, fenced = wired.receive(welcome(1, 500))
    assert isinstance(fenced, Fenced)
    assert fenced.reason == "LEDGER_AHEAD"
    assert wired.protocol.state is State.FENCED


# Leases


def test_a_heartbeat_renews_from_the_moment_it_was_made() -> None:
    wired = Wired()
    wired.streaming()
    wired.protocol.tick(wired.after(HEARTBEAT_MS))
    made_ns = wired.now_ns
    (request,) = wired.control()
    assert request.heartbeat.heartbeat_id == 1
    wired.after(900)
    assert wired.receive(heartbeat_ack(1, 4_000)) == [
        LeasesRenewed(made_ns + 4_000 * MS, wired.now_ns, made_ns + ALLOWANCE_VALIDITY_MS * MS)
    ]


def test_welcome_and_heartbeats_tell_the_revision_of_the_meters() -> None:
    """Each time, so that a host that could not get them asks again."""
    wired = Wired()
    wired.open()
    message = welcome(4, 0)
    message.welcome.meters_revision = 7
    (connected,) = wired.receive(message)
    assert isinstance(connected, Connected)
    assert connected.meters_revision == 7
    wired.notify(0, 4)
    wired.protocol.tick(wired.after(HEARTBEAT_MS))
    wired.control()
    ack = heartbeat_ack(1, 4_000)
    ack.heartbeat_ack.meters_revision = 8
    (renewed,) = wired.receive(ack)
    assert isinstance(renewed, LeasesRenewed)
    assert renewed.meters_revision == 8


def test_a_heartbeat_counts_once_and_an_older_one_not_after_it() -> None:
    wired = Wired()
    wired.streaming()
    for _ in range(2):
        wired.protocol.tick(wired.after(HEARTBEAT_MS))
        wired.receive(pb.SyncResponse())
    assert len(wired.receive(heartbeat_ack(2))) == 1
    assert wired.receive(heartbeat_ack(2)) == []
    assert wired.receive(heartbeat_ack(1)) == []
    assert wired.receive(heartbeat_ack(77)) == []


def test_heartbeats_keep_the_ledgers_interval() -> None:
    wired = Wired()
    wired.streaming()
    assert wired.protocol.wake_at_ns() == START_NS + HEARTBEAT_MS * MS
    wired.protocol.tick(wired.after(HEARTBEAT_MS - 1))
    assert wired.control() == []
    wired.protocol.tick(wired.after(1))
    assert len(wired.control()) == 1
    wired.protocol.tick(wired.now_ns)
    assert wired.control() == []


def test_lease_asks_leave_once_and_their_answer_is_told() -> None:
    wired = Wired()
    wired.streaming()
    wired.protocol.notify(0, 1, [ASK], wired.now_ns)
    (request,) = wired.control()
    assert request.lease_request.request_id == 1
    assert not wired.protocol.idle
    update = pb.SyncResponse(lease_update=pb.LeaseUpdate(request_id=1))
    assert wired.receive(update) == [LeasesUpdated(1, (), wired.now_ns)]
    assert wired.protocol.idle


def test_lease_asks_come_after_an_adopted_epoch_in_the_same_notice() -> None:
    wired = Wired()
    wired.open()
    wired.receive(welcome(1))
    wired.protocol.notify(0, 1, [ASK], wired.now_ns)
    assert len(wired.control()) == 1


def test_lease_asks_die_with_their_stream() -> None:
    wired = Wired()
    wired.streaming()
    wired.protocol.notify(0, 1, [ASK], wired.now_ns)
    wired.close()
    assert wired.events() == [Disconnected()]
    wired.protocol.notify(0, 1, [ASK], wired.now_ns)
    wired.after(1_000)
    wired.open()
    wired.receive(welcome(1))
    assert wired.control() == []


def test_rules_asks_leave_once_and_their_answer_is_told_once() -> None:
    wired = Wired()
    wired.streaming()
    wired.protocol.notify(0, 1, [ASK, RULES_ASK], wired.now_ns)
    leases, rules = wired.control()
    assert leases.WhichOneof("message") == "lease_request"
    assert [want.subject for want in rules.rules_request.wants] == ["research"]
    assert wired.receive(RULES_ANSWER) == [RulesUpdated(1, (), (), (), wired.now_ns)]
    assert wired.receive(RULES_ANSWER) == []
    assert not wired.protocol.idle, "the lease request has a number of its own"


def test_a_drain_does_not_wait_for_rules() -> None:
    wired = Wired()
    wired.streaming()
    wired.protocol.notify(0, 1, [RULES_ASK], wired.now_ns)
    assert wired.protocol.idle


@pytest.mark.parametrize("request_id", [0, 2])
def test_rules_that_nobody_asked_for_are_passed_over(request_id: int) -> None:
    """What they leave out cannot be told."""
    wired = Wired()
    wired.streaming()
    wired.protocol.notify(0, 1, [RULES_ASK], wired.now_ns)
    assert wired.receive(pb.SyncResponse(rules_update=pb.RulesUpdate(request_id=request_id))) == []
    assert wired.protocol.state is State.STREAMING


def test_rules_asks_die_with_their_stream() -> None:
    wired = Wired()
    wired.streaming()
    wired.protocol.notify(0, 1, [RULES_ASK], wired.now_ns)
    wired.close()
    wired.protocol.notify(0, 1, [RULES_ASK], wired.now_ns)
    wired.after(1_000)
    wired.open()
    wired.receive(welcome(1))
    assert wired.control() == []
    assert wired.receive(RULES_ANSWER) == []


def test_bad_rules_do_not_end_the_stream() -> None:
    wired = Wired()
    wired.streaming()
    wired.protocol.notify(0, 1, [RULES_ASK], wired.now_ns)
    message = pb.SyncResponse(rules_update=pb.RulesUpdate(request_id=1))
    message.rules_update.nodes.add(account_id="acme", subject="research").rate_limits.add(limit_id="r")
    (event,) = wired.receive(message)
    assert isinstance(event, RulesUpdated)
    assert event.refused == (("acme", "research", "rate limit 'r': unit 0 is not known"),)
    assert wired.protocol.state is State.STREAMING


def test_a_ledger_that_does_not_read_is_given_up() -> None:
    wired = Wired(limits=UplinkLimits(control_message_count=3))
    wired.streaming()
    wired.protocol.notify(0, 1, [ASK] * 4, wired.now_ns)
    assert wired.protocol.state is State.CLOSING
    assert wired.control() == []


def test_a_lease_of_no_known_status_ends_the_stream() -> None:
    wired = Wired()
    wired.streaming()
    update = pb.LeaseUpdate(leases=[pb.Lease(account_id="a", pool_id="p")])
    assert wired.receive(pb.SyncResponse(lease_update=update)) == [Disconnected()]


# Silence, ends, and trying again


def test_a_silent_ledger_is_given_up_after_two_heartbeats() -> None:
    wired = Wired()
    wired.streaming()
    wired.after(300)
    wired.receive(heartbeat_ack(0))
    wired.protocol.tick(wired.after(2 * HEARTBEAT_MS - 1))
    assert wired.events() == []
    wired.protocol.tick(wired.after(1))
    assert wired.protocol.state is State.CLOSING
    assert wired.events() == [Disconnected()]
    assert wired.send() == []


@pytest.mark.parametrize(("opened", "timeout_ms"), [(False, 1_500), (True, 3_000)])
def test_an_attempt_that_leads_nowhere_is_given_up(opened: bool, timeout_ms: int) -> None:
    wired = Wired()
    wired.protocol.dial(wired.now_ns)
    if opened:
        wired.protocol.stream_opened(wired.now_ns)
    wired.protocol.tick(wired.after(timeout_ms - 1))
    assert wired.protocol.wake_at_ns() == wired.now_ns + 1 * MS
    wired.protocol.tick(wired.after(1))
    assert wired.protocol.state is State.CLOSING
    assert wired.events() == []


def test_pauses_double_up_to_their_end_and_jitter_fills_them() -> None:
    wired = Wired()
    pauses = []
    for _ in range(9):
        wired.protocol.dial(wired.now_ns)
        wired.close(jitter=0.5)
        wake_at_ns = wired.protocol.wake_at_ns()
        assert wake_at_ns is not None
        pauses.append((wake_at_ns - wired.now_ns) // MS)
        wired.now_ns = wake_at_ns
    assert pauses == [25, 50, 100, 200, 400, 500, 500, 500, 500]


@pytest.mark.parametrize(("lived_ms", "pause_ms"), [(9_999, 800), (10_000, 50)])
def test_only_a_stable_stream_forgets_the_failures_before_it(lived_ms: int, pause_ms: int) -> None:
    wired = Wired()
    for _ in range(4):
        wired.protocol.dial(wired.now_ns)
        wired.close(jitter=0)
    wired.streaming()
    wired.after(lived_ms)
    wired.close(jitter=1 - 1e-12)
    wake_at_ns = wired.protocol.wake_at_ns()
    assert wake_at_ns is not None
    assert round((wake_at_ns - wired.now_ns) / MS) == pause_ms


@pytest.mark.parametrize("reason", ["FENCED", "LEDGER_BEHIND"])
def test_a_fence_is_final(reason: str) -> None:
    wired = Wired()
    wired.streaming(last_sequence=3)
    wired.close(9, reason)
    assert wired.events() == [Disconnected(), Fenced(reason, "it ended")]
    wired.protocol.tick(wired.after(60_000))
    wired.notify(9, 1)
    assert wired.protocol.wake_at_ns() is None
    assert (wired.control(), wired.send(), wired.events()) == ([], [], [])
    with pytest.raises(LocalProtocolError):
        wired.protocol.dial(wired.now_ns)


def test_a_fence_counts_even_where_the_stream_was_given_up() -> None:
    wired = Wired()
    wired.streaming()
    wired.protocol.abandon(wired.now_ns, "garbage")
    wired.close(9, "FENCED")
    assert wired.protocol.state is State.FENCED


@pytest.mark.parametrize(
    ("status", "reason"), [(0, ""), (3, "BAD_MESSAGE"), (9, "SEQUENCE_GAP"), (10, "REPLACED"), (10, "FENCED"), (14, "")]
)
def test_every_other_end_is_tried_again(status: int, reason: str) -> None:
    wired = Wired()
    wired.streaming()
    wired.close(status, reason)
    assert wired.events() == [Disconnected()]
    assert wired.protocol.state is State.DISCONNECTED


def test_what_comes_after_the_stream_was_given_up_is_not_heard() -> None:
    wired = Wired()
    wired.streaming(last_sequence=2)
    wired.send()
    wired.protocol.abandon(wired.now_ns, "garbage")
    wired.events()
    assert wired.receive(ack(2)) == []
    assert wired.protocol.acked_sequence == 0


def test_the_clock_may_not_go_back() -> None:
    wired = Wired()
    with pytest.raises(LocalProtocolError, match="went back by 1 ns"):
        wired.protocol.tick(wired.now_ns - 1)


def test_the_last_sequence_may_not_go_back() -> None:
    wired = Wired()
    wired.notify(5, 0)
    with pytest.raises(LocalProtocolError, match="4 after 5"):
        wired.notify(4, 0)


@pytest.mark.parametrize(
    "limits", [{"window_bytes": 1}, {"send_message_bytes": 1}, {"backoff_min_ms": 0}, {"batch_debit_count": 0}]
)
def test_limits_that_contradict_one_another_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        UplinkLimits(**limits)

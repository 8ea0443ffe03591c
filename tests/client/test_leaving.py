"""What happens to a hold whose block ends without a settle: nothing spent is lost, nothing unspent stays held."""

from collections.abc import Iterator

import grpc
import holdfast
import pytest
from holdfast.sync import Hold

from tests.client.conftest import Caller, Fault, MakeClient, Sidecar


class Broken(Exception):
    """What ends a block."""


def abort(hold: Hold, counted: int) -> None:
    """A block that is broken after something was counted, or nothing."""
    with hold:
        if counted:
            hold.spend(counted)
        raise Broken


def unavailable(reason: str = "DRAINING") -> Fault:
    return Fault(grpc.StatusCode.UNAVAILABLE, reason)


def test_nothing_spent_is_released(caller: Caller, sidecar: Sidecar) -> None:
    with caller.reserve("acme", 1_000):
        pass
    assert len(sidecar.seen_of("release")) == 1
    assert (sidecar.held(), sidecar.posted["acme"]) == (0, 10_000_000)


def test_an_exception_before_spending_releases(caller: Caller, sidecar: Sidecar) -> None:
    with pytest.raises(Broken), caller.reserve("acme", 1_000):
        raise Broken
    assert len(sidecar.seen_of("release")) == 1
    assert sidecar.held() == 0


def test_what_was_counted_is_settled_as_actual(caller: Caller, sidecar: Sidecar) -> None:
    """A stream that ended normally was counted to its end."""
    with caller.reserve("acme", 1_000) as hold:
        for chunk in (100, 20, 3):
            hold.spend(chunk)
    (settle,) = sidecar.seen_of("settle")
    assert (settle.amount, settle.final, settle.estimated) == (123, True, False)
    assert not sidecar.seen_of("release")


def test_an_aborted_stream_is_settled_as_an_estimate(caller: Caller, sidecar: Sidecar) -> None:
    """Once bytes arrived, an abort never gives the whole hold back."""
    with pytest.raises(Broken):
        abort(caller.reserve("acme", 1_000), 100)
    (settle,) = sidecar.seen_of("settle")
    assert (settle.amount, settle.final, settle.estimated) == (100, True, True)
    assert (sidecar.posted["acme"], sidecar.held()) == (9_999_900, 0)


@pytest.mark.parametrize(("counted", "rest"), [(0, 0), (250, 0), (400, 100)])
def test_parts_already_settled_are_not_debited_again(caller: Caller, sidecar: Sidecar, counted: int, rest: int) -> None:
    """The debits sum to the larger of what was counted and what was settled."""
    hold = caller.reserve("acme", 1_000)
    hold.settle(300, final=False)
    with pytest.raises(Broken):
        abort(hold, counted)
    assert [(settle.amount, settle.final) for settle in sidecar.seen_of("settle")] == [(300, False), (rest, True)]
    assert sidecar.held() == 0
    assert not sidecar.seen_of("release")


def test_spending_more_than_held_is_settled_in_full(caller: Caller, sidecar: Sidecar) -> None:
    with caller.reserve("acme", 100) as hold:
        assert hold.spend(150) == -50
    assert sidecar.posted["acme"] == 9_999_850


def test_what_is_spent_cannot_be_negative(caller: Caller) -> None:
    with caller.reserve("acme", 100) as hold, pytest.raises(ValueError, match="negative"):
        hold.spend(-1)


def test_a_settle_whose_answer_was_lost_is_sent_again_on_leaving(make_client: MakeClient, sidecar: Sidecar) -> None:
    """The same id and amount, so the debit that may have landed is the only one; and no release."""
    sidecar.fail("settle", unavailable(), after=True)
    with pytest.raises(holdfast.Unavailable), make_client(retries=0).reserve("acme", 1_000) as hold:
        hold.settle(600)
    first, second = sidecar.seen_of("settle")
    assert first == second
    assert (sidecar.posted["acme"], sidecar.held()) == (9_999_400, 0)
    assert not sidecar.seen_of("release")


def test_settling_again_after_a_lost_answer_debits_once(make_client: MakeClient, sidecar: Sidecar) -> None:
    sidecar.fail("settle", unavailable(), after=True)
    hold = make_client(retries=0).reserve("acme", 1_000)
    with pytest.raises(holdfast.Unavailable):
        hold.settle(600)
    assert hold.settle(600).debited_amount == 600
    assert sidecar.posted["acme"] == 9_999_400


def test_settling_another_amount_after_a_lost_answer_does_not_debit_twice(
    make_client: MakeClient, sidecar: Sidecar
) -> None:
    """The first is learned of before the second is sent: here it had landed, and the hold is closed."""
    sidecar.fail("settle", unavailable(), after=True)
    hold = make_client(retries=0).reserve("acme", 1_000)
    with pytest.raises(holdfast.Unavailable):
        hold.settle(600)
    with pytest.raises(holdfast.HoldClosed):
        hold.settle(700)
    assert (sidecar.posted["acme"], hold.settled_amount) == (9_999_400, 600)


def test_a_part_whose_answer_was_lost_is_learned_of_first(make_client: MakeClient, sidecar: Sidecar) -> None:
    sidecar.fail("settle", unavailable(), after=True)
    with make_client(retries=0).reserve("acme", 1_000) as hold:
        hold.spend(500)
        with pytest.raises(holdfast.Unavailable):
            hold.settle(300, final=False)
    assert [settle.amount for settle in sidecar.seen_of("settle")] == [300, 300, 200]
    assert sidecar.posted["acme"] == 9_999_500


def test_a_lost_release_does_not_disturb(make_client: MakeClient, sidecar: Sidecar) -> None:
    """The hold's time to live gives it back; the block's own outcome is what counts."""
    client = make_client(retries=0)
    sidecar.fail("release", unavailable())
    with client.reserve("acme", 1_000):
        pass
    assert client.statistics().releases_lost == 1


def test_a_hold_that_expired_does_not_disturb(client: holdfast.Client, sidecar: Sidecar) -> None:
    with client.reserve("acme", 1_000) as hold:
        sidecar.holds[hold.hold_id].open = False


def test_a_lost_debit_is_told(make_client: MakeClient, sidecar: Sidecar, caplog: pytest.LogCaptureFixture) -> None:
    """A block that ended well raises; its error names the operation id to send again."""
    client = make_client(retries=0)
    sidecar.fail("settle", unavailable())
    hold = client.reserve("acme", 1_000)
    hold.spend(10)
    with pytest.raises(holdfast.Unavailable) as caught, hold:
        pass
    assert caught.value.operation_id == sidecar.seen_of("settle")[0].operation_id
    assert caught.value.operation_id in caplog.text
    assert client.statistics().settles_lost == 1


def test_a_lost_debit_does_not_hide_the_exception(
    make_client: MakeClient, sidecar: Sidecar, caplog: pytest.LogCaptureFixture
) -> None:
    """A block that ended with an exception keeps it, with a note."""
    sidecar.fail("settle", unavailable())
    hold = make_client(retries=0).reserve("acme", 1_000)
    with pytest.raises(Broken) as caught:
        abort(hold, 10)
    (note,) = caught.value.__notes__
    assert hold.hold_id in note
    assert hold.hold_id in caplog.text


def test_a_dropped_generator_settles_what_was_counted(sidecar: Sidecar) -> None:
    """The consumer of a stream walks away: the block ends at the generator's collection."""
    with holdfast.Client(sidecar.target) as client:

        def stream() -> Iterator[int]:
            with client.reserve("acme", 1_000) as hold:
                for chunk in range(100):
                    hold.spend(10)
                    yield chunk

        chunks = stream()
        assert [next(chunks), next(chunks)] == [0, 1]
        del chunks
    (settle,) = sidecar.seen_of("settle")
    assert (settle.amount, settle.estimated) == (20, True)
    assert sidecar.held() == 0

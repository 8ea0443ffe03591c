"""What the configuration bounds in a request."""

import pytest
from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast_sidecar.dispatcher.decode import Decoder
from holdfast_sidecar.dispatcher.invalid import Invalid


@pytest.mark.parametrize(("asked", "given"), [(0, 100), (7, 7), (1_000, 1_000)])
def test_a_page_is_as_large_as_asked_for(asked: int, given: int) -> None:
    request = pb.ListHoldsRequest(account_id="acme", page_size=asked)
    assert Decoder(1_000, 256).list_holds(request).page_size == given


@pytest.mark.parametrize("asked", [0, 50, 51, 1_000])
def test_a_page_is_never_larger_than_the_setting(asked: int) -> None:
    request = pb.ListHoldsRequest(account_id="acme", page_size=asked)
    assert Decoder(1_000, 256, max_list_page=50).list_holds(request).page_size == 50


def test_the_longest_time_to_live_is_the_settings() -> None:
    decoder = Decoder(1_000, 256)
    request = pb.ReserveRequest(operation_id="a", account_id="acme", amount=1, ttl_ms=1_000)
    assert decoder.reserve(request).ttl_ms == 1_000
    request.ttl_ms = 1_001
    with pytest.raises(Invalid, match="ttl_ms"):
        decoder.reserve(request)


def test_an_execute_has_no_more_operations_than_the_setting() -> None:
    check = pb.Operation(check=pb.CheckRequest(account_id="acme"))
    assert len(Decoder(1_000, 2).execute(pb.ExecuteRequest(operations=[check] * 2))[0]) == 2
    with pytest.raises(Invalid, match="operations"):
        Decoder(1_000, 2).execute(pb.ExecuteRequest(operations=[check] * 3))

"""Faults that several operations share, each with what to do about it."""

from holdfast_sidecar.engine.operations import Fault, FaultCode


def reused_id(message: str, *metadata: tuple[str, str]) -> Fault:
    return Fault(FaultCode.ALREADY_EXISTS, "OPERATION_ID_REUSED", message, metadata)


def hold_not_found(hold_id: str) -> Fault:
    return Fault(FaultCode.NOT_FOUND, "HOLD_NOT_FOUND", "no such hold on this host", (("hold_id", hold_id),))


def overflow() -> Fault:
    return Fault(
        FaultCode.INVALID_ARGUMENT,
        "AMOUNT_OVERFLOW",
        "the pool's total would pass 2^63 - 1",
        (("field", "amount"),),
    )

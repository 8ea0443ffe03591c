"""What became of messages that were handed to a producer."""

from collections.abc import Callable

from confluent_kafka import KafkaError


def noting(faults: list[KafkaError]) -> Callable[[KafkaError | None, object], None]:
    """Returns what a producer is to call of each message: it notes why one was not delivered."""

    def told(fault: KafkaError | None, _: object) -> None:
        if fault is not None:
            faults.append(fault)

    return told

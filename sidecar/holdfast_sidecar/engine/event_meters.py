"""The meters by which events are charged as they are taken in, and whether the ledger is to be asked for them.

The ledger tells the revision when it welcomes this host and with each heartbeat; a host that has another one asks.
"""

from collections.abc import Sequence

from holdfast_rating.metering import UsageMeter

from holdfast_sidecar.engine.event_rows import NO_METERS, Meters


class EventMeters:
    """Meters by the type of events that they count."""

    def __init__(self, meters: Meters) -> None:
        self._by_type: dict[str, list[UsageMeter]] = {}
        self._request_id = 0
        """Of the ask under way; 0: none."""
        self.revision = 0
        self.count = 0
        """Meters that charge events here."""
        self._wanted = False
        self._put(meters)

    def of_type(self, event_type: str) -> Sequence[UsageMeter]:
        """Returns the meters that charge events of a type at once."""
        return self._by_type.get(event_type, ())

    def told(self, revision: int) -> Meters | None:
        """The ledger told its revision; returns what is to be stored at once: that there are none any more."""
        self._wanted = revision not in (0, self.revision)
        if revision == 0 and self.revision:
            self._put(NO_METERS)
            return NO_METERS
        return None

    def take_ask(self, request_id: int) -> bool:
        """Returns whether to ask for them with the next request, whose id this is."""
        if not self._wanted or self._request_id:
            return False
        self._request_id = request_id
        return True

    def was_asked(self, request_id: int) -> bool:
        """Whether they were asked for by this request."""
        return 0 < self._request_id == request_id

    def stream_closed(self) -> None:
        """What is being asked for will not be answered."""
        self._request_id = 0

    def take(self, meters: Meters | None) -> Meters | None:
        """Takes in the answer to an ask, None: it has none in it; returns what is to be stored."""
        self._request_id = 0
        self._wanted = False
        if meters is None or meters.revision == self.revision:
            return None
        self._put(meters)
        return meters

    def _put(self, meters: Meters) -> None:
        self.revision = meters.revision
        self._by_type.clear()
        charging = [meter for meter in meters.meters if meter.charged_at_once]
        self.count = len(charging)
        for meter in charging:
            self._by_type.setdefault(meter.event_type, []).append(meter)

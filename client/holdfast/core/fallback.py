"""What takes the place of an answer that did not come, where the caller has chosen so in advance."""

from holdfast.answers import Answer, Checked, Extended, Mode, Reason, Reserved
from holdfast.core.settings import OnUnavailable, check_choice
from holdfast.core.statistics import Counters
from holdfast.errors import Unavailable
from holdfast.operations import Operation


def without_answer(operation: Operation, error: Unavailable, choice: OnUnavailable, counters: Counters) -> Answer:
    """The answer that `on_unavailable` gives to a check, reserve or extend; "raise" raises the error.

    Its figures are zero, its reason is NO_ANSWER and its mode UNSPECIFIED: nothing is known. "allow" grants what
    was asked for; what quantities come to is not known here, so they are granted zero.
    """
    check_choice(choice)
    if choice == "raise":
        raise error
    allowed = choice == "allow"
    counters.add("allowed_unanswered" if allowed else "denied_unanswered")
    decision = (allowed, Reason.NO_ANSWER, "", 0, 0, 0, 0, Mode.UNSPECIFIED)
    match operation.WhichOneof("operation"):
        case "check":
            return Checked(*decision, operation.check.amount if allowed else 0)
        case "reserve":
            return Reserved(*decision, operation.reserve.amount if allowed else 0, 0, 0)
        case "extend":
            return Extended(*decision, operation.extend.add_amount if allowed else 0, 0, 0, 0)
        case _:
            raise error

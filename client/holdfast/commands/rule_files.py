"""The TOML in which operators write an account's rules, as messages of the contract, and back. Text alone, no I/O.

The names are those of `holdfast.v1.governance_service`; what is shorter here:

    account = "acme"

    [rules]                            # AccountRules
    time_zone = "Europe/Berlin"
    plan_id = "pro"
    features = { seats = 5, vision = true, region = ["eu", "us"] }

    [[plans]]                          # Plan; the same for all accounts
    plan_id = "pro"

    [[rate_cards]]                     # RateCard, its content in a file beside this one
    rate_card_id = "standard"
    file = "card.json"

    [[subjects]]                       # Subject
    subject = "research"

    [[budgets]]                        # Budget
    budget_id = "research-month"
    subject = "research"
    limit_amount = 5_000_000_000
    currency = "credits"
    period = "month"                   # or { unit = "week", anchor = 2026-01-15T00:00:00Z }, { rolling_ms = 60_000 }

    [[rate_limits]]                    # RateLimit, the rule's fields beside the subject
    limit_id = "rpm"
    unit = "requests"
    amount = 60
    per_ms = 60_000
    burst = 10

    [[concurrency_limits]]             # ConcurrencyLimit, likewise
    limit_id = "runs"
    max_count = 8
"""

import datetime
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from holdfast.v1 import decision_pb2
from holdfast.v1 import governance_service_pb2 as pb

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MS = datetime.timedelta(milliseconds=1)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_MessageT = TypeVar("_MessageT", bound=Message)
_Table = Mapping[str, object]


class InvalidRules(Exception):
    """The file is not what it should be; says where, and why."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")


@dataclass(frozen=True, slots=True)
class RuleFile:
    """What a file says, each list in the file's order."""

    account: str = ""
    rules: pb.AccountRules | None = None
    plans: list[pb.Plan] = field(default_factory=list)
    rate_cards: list[pb.RateCard] = field(default_factory=list)
    subjects: list[pb.Subject] = field(default_factory=list)
    budgets: list[pb.Budget] = field(default_factory=list)
    rate_limits: list[pb.RateLimit] = field(default_factory=list)
    concurrency_limits: list[pb.ConcurrencyLimit] = field(default_factory=list)


def parse(text: str, read_card: Callable[[str], str]) -> RuleFile:
    """What a file says; `read_card` reads a rate card's file. Raises InvalidRules, which names the entry."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidRules("file", f"cannot be parsed: {error}") from error
    known = set(RuleFile.__slots__)
    if unknown := sorted(set(data) - known):
        raise InvalidRules(unknown[0], f"is none of {', '.join(sorted(known))}")
    account = data.get("account", "")
    if not isinstance(account, str):
        raise InvalidRules("account", "is no text")
    rules = data.get("rules")
    return RuleFile(
        account,
        None if rules is None else _message("rules", pb.AccountRules(), _table("rules", rules)),
        _messages("plans", data, pb.Plan),
        _messages("rate_cards", data, pb.RateCard, lambda where, table: _with_content(where, table, read_card)),
        _messages("subjects", data, pb.Subject),
        _messages("budgets", data, pb.Budget, _with_period),
        _messages("rate_limits", data, pb.RateLimit, _with_rule),
        _messages("concurrency_limits", data, pb.ConcurrencyLimit, _with_rule),
    )


def write(name: str, message: Message) -> str:
    """One entry as `parse` reads it: under [rules], or under [[name]]."""
    values = _plain(message)
    rule = values.pop("rule", {})
    values |= rule if isinstance(rule, dict) else {}
    head = f"[{name}]" if name == "rules" else f"[[{name}]]"
    return "\n".join([head, *(f"{_key(key)} = {_toml(value)}" for key, value in values.items())]) + "\n"


def describe(message: Message) -> dict[str, str]:
    """The fields of an entry as text, by name, to show how one differs from another."""
    values = _plain(message)
    rule = values.pop("rule", {})
    values |= rule if isinstance(rule, dict) else {}
    return {name: _toml(value) for name, value in values.items()}


# From tables to messages.


def _messages(
    section: str,
    data: _Table,
    kind: Callable[[], _MessageT],
    prepare: Callable[[str, dict[str, object]], dict[str, object]] = lambda where, table: table,
) -> list[_MessageT]:
    entries = data.get(section, [])
    if not isinstance(entries, list):
        raise InvalidRules(section, f"is no list: write [[{section}]]")
    read = []
    for number, entry in enumerate(entries):
        where = f"{section}[{number}]"
        read.append(_message(where, kind(), prepare(where, dict(_table(where, entry)))))
    return read


def _message(where: str, message: _MessageT, table: _Table) -> _MessageT:
    try:
        return json_format.ParseDict(_fit(where, cast(Descriptor, message.DESCRIPTOR), table), message)
    except json_format.ParseError as error:
        raise InvalidRules(where, str(error)) from error


def _fit(where: str, kind: Descriptor, table: _Table) -> dict[str, object]:
    """The table as protobuf's JSON would have it: full names of enumeration values, features by kind."""
    fitted: dict[str, object] = {}
    for name, value in table.items():
        place, of = f"{where}.{name}", kind.fields_by_name.get(name)
        if name == "rule":  # ours alone: in the file its fields stand beside the subject
            place = where
        if of is None:
            raise InvalidRules(place, f"is none of {', '.join(sorted(kind.fields_by_name))}")
        if name == "features":
            fitted[name] = {key: _feature(f"{place}.{key}", item) for key, item in _table(place, value).items()}
        elif of.enum_type is not None:
            fitted[name] = _enum_name(place, of.enum_type, value)
        elif of.message_type is not None and isinstance(value, dict) and not of.message_type.GetOptions().map_entry:
            fitted[name] = _fit(place, of.message_type, value)
        elif isinstance(value, float):
            raise InvalidRules(place, "is no whole number")
        else:
            fitted[name] = value
    return fitted


def _feature(where: str, value: object) -> dict[str, object]:
    match value:
        case bool():
            return {"enabled": value}
        case int():
            return {"maximum": value}
        case list():
            return {"choices": {"values": value}}
        case _:
            raise InvalidRules(where, "is neither true nor false, nor a number, nor a list of values")


def _enum_name(where: str, kind: EnumDescriptor, value: object) -> str:
    prefix = _prefix(kind)
    choices = [name.removeprefix(prefix).lower() for name in list(kind.values_by_name)[1:]]
    if value not in choices:
        raise InvalidRules(where, f"is none of {', '.join(choices)}")
    return f"{prefix}{str(value).upper()}"


def _with_content(where: str, table: dict[str, object], read_card: Callable[[str], str]) -> dict[str, object]:
    file = table.pop("file", None)
    if not isinstance(file, str):
        raise InvalidRules(f"{where}.file", "names no file")
    content = read_card(file)
    if file.endswith(".toml"):  # the same names; the contract has it as JSON
        try:
            content = json.dumps(tomllib.loads(content), default=datetime.datetime.isoformat)
        except (tomllib.TOMLDecodeError, TypeError) as error:
            raise InvalidRules(file, f"cannot be parsed: {error}") from error
    return {**table, "content": content}


def _with_period(where: str, table: dict[str, object]) -> dict[str, object]:
    period = table.get("period", {})
    fitted: dict[str, object] = {"unit": period}
    if not isinstance(period, str):
        fitted = dict(_table(f"{where}.period", period))
    if "rolling_ms" in fitted:
        fitted.setdefault("unit", "rolling")
    if "anchor" in fitted:
        fitted["anchor_unix_ms"] = _unix_ms(f"{where}.period.anchor", fitted.pop("anchor"))
    return {**table, "period": fitted}


def _with_rule(where: str, table: dict[str, object]) -> dict[str, object]:
    subject = {"subject": table.pop("subject")} if "subject" in table else {}
    return {**subject, "rule": table}


def _unix_ms(where: str, value: object) -> int:
    if not isinstance(value, datetime.datetime) or value.tzinfo is None:
        raise InvalidRules(where, "is no time with a zone, such as 2026-01-15T00:00:00Z")
    return (value - _EPOCH) // _MS


def _table(where: str, value: object) -> _Table:
    if not isinstance(value, dict):
        raise InvalidRules(where, "is no table")
    return cast(_Table, value)


# From messages to tables, and to text.


def _plain(message: Message) -> dict[str, object]:
    plain: dict[str, object] = {}
    for of, value in message.ListFields():
        if of.name == "features":
            plain[of.name] = {name: _plain_feature(item) for name, item in sorted(value.items())}
        elif of.message_type is not None and of.message_type.GetOptions().map_entry:
            plain[of.name] = dict(sorted(value.items()))
        elif of.message_type is not None:
            plain[of.name] = _plain_period(value) if isinstance(value, pb.Period) else _plain(value)
        elif of.enum_type is not None:
            plain[of.name] = _short(of, value)
        else:
            plain[of.name] = list(value) if of.is_repeated else value
    return plain


def _plain_feature(value: decision_pb2.FeatureValue) -> object:
    match value.WhichOneof("value"):
        case "choices":
            return list(value.choices.values)
        case "maximum":
            return value.maximum
        case _:
            return value.enabled


def _plain_period(period: pb.Period) -> object:
    unit = _short(cast(FieldDescriptor, pb.Period.DESCRIPTOR.fields_by_name["unit"]), period.unit)
    if period.rolling_ms:
        return {"rolling_ms": period.rolling_ms}
    return {"unit": unit, "anchor": _EPOCH + period.anchor_unix_ms * _MS} if period.anchor_unix_ms else unit


def _short(of: FieldDescriptor, number: int) -> str:
    kind = of.enum_type
    assert kind is not None
    return str(kind.values_by_number[number].name).removeprefix(_prefix(kind)).lower()


def _prefix(kind: EnumDescriptor) -> str:
    return str(kind.values_by_number[0].name).removesuffix("UNSPECIFIED")


def _toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime.datetime():
            return value.isoformat().replace("+00:00", "Z")
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case dict():
            return f"{{ {_items(value.items())} }}" if value else "{}"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def _items(items: Iterable[tuple[str, object]]) -> str:
    return ", ".join(f"{_key(name)} = {_toml(value)}" for name, value in items)


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)

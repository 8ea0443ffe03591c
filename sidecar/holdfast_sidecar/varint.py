"""Parts of protobuf's wire format, for those that splice serialised messages (protobuf encoding guide)."""

_LENGTH_DELIMITED = 2


def varint(value: int) -> bytes:
    """Returns a number >= 0 in base 128, least significant group first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def embedded(field: int, message: bytes) -> bytes:
    """Returns a serialised message as a field of another one."""
    return varint(field << 3 | _LENGTH_DELIMITED) + varint(len(message)) + message

"""Protobuf's number format, for the two places that splice serialised messages (protobuf encoding guide)."""


def varint(value: int) -> bytes:
    """Returns a number >= 0 in base 128, least significant group first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)

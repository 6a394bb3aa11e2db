"""Whether decoding can really begin at a packet that its file calls a key frame."""

from __future__ import annotations

from collections.abc import Iterator

INSTANTANEOUS = 5
SLICES = (1, INSTANTANEOUS)
INTRA_SLICES = (2, 4, 7, 9)
HEVC_RANDOM_ACCESS = range(16, 24)


def starts_clean(packet: bytes, codec: str, extra: bytes) -> bool:
    """Whether every frame from this one on, in display order, can be decoded starting here.

    In H.264 a recovery point inside gradual intra refresh is called a key frame too, but its pictures are whole only
    some frames later; there all slices must be intra slices. The other codecs mean what they say.

    Args:
        packet: A packet marked as key frame.
        codec: FFmpeg's name of the codec.
        extra: The stream's extra data, which says how the packet is cut into units.
    """
    if codec == "h264":
        slices = [unit for unit in units(packet, length_size(extra, 4)) if unit and unit[0] & 31 in SLICES]
        return bool(slices) and all(slice_type(unit) in INTRA_SLICES for unit in slices)
    if codec == "hevc":
        return any(unit and (unit[0] >> 1) & 63 in HEVC_RANDOM_ACCESS for unit in units(packet, length_size(extra, 21)))
    return True


def starts_instantaneously(packet: bytes, codec: str, extra: bytes) -> bool:
    """Whether an H.264 packet makes the decoder forget all frames before it (an IDR picture)."""
    return codec == "h264" and any(
        unit and unit[0] & 31 == INSTANTANEOUS for unit in units(packet, length_size(extra, 4))
    )


def length_size(extra: bytes, place: int) -> int:
    """Bytes in the length before each unit; 0 where start codes separate the units."""
    return (extra[place] & 3) + 1 if len(extra) > place and extra[0] == 1 else 0


def units(packet: bytes, size: int) -> Iterator[bytes]:
    """Cuts a packet into the network abstraction layer units of H.264 and HEVC."""
    if size == 0:
        yield from (unit.removesuffix(b"\0") for unit in packet.split(b"\0\0\1")[1:])
        return
    place = 0
    while place + size <= len(packet):
        length = int.from_bytes(packet[place : place + size], "big")
        yield packet[place + size : place + size + length]
        place += size + length


def slice_type(unit: bytes) -> int:
    """Reads the type of an H.264 slice: the second number after the unit's first byte; -1 where the unit is cut off."""
    bits = "".join(f"{byte:08b}" for byte in unit[1:12])
    _, rest = exponential_golomb(bits)
    return exponential_golomb(rest)[0]


def exponential_golomb(bits: str) -> tuple[int, str]:
    """Reads an exponential Golomb code: its number and the bits after it, -1 where the bits end before it does."""
    zeros = len(bits) - len(bits.lstrip("0"))
    end = 2 * zeros + 1
    if end > len(bits):
        return -1, ""
    return int(bits[zeros:end], 2) - 1, bits[end:]

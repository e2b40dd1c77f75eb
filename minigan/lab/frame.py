"""A frame: facts, and arrays, as bytes that a browser reads without copying.

    4 bytes     L, little-endian
    L bytes     JSON: the facts, and `arrays`: name, dtype, shape and offset of each, behind the JSON
    the rest    the arrays

JSON and arrays begin at multiples of 8 bytes, so that a typed array can lie where the bytes came to lie.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Frame", "finite"]

_ALIGN = 8


class Frame(NamedTuple):
    """header: JSON-able facts. arrays: float32 or uint8, by name."""

    header: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    def encode(self) -> bytes:
        """The bytes; what is neither uint8 nor float32 becomes float32."""
        parts, entries, offset = list[bytes](), list[dict[str, Any]](), 0
        for name, array in self.arrays.items():
            dtype = "uint8" if array.dtype == np.uint8 else "float32"
            data = np.ascontiguousarray(array, "<f4" if dtype == "float32" else dtype).tobytes()
            entries.append({"name": name, "dtype": dtype, "shape": list(array.shape), "offset": offset})
            data += bytes(-len(data) % _ALIGN)
            parts.append(data)
            offset += len(data)
        header = json.dumps(finite({**self.header, "arrays": entries}), allow_nan=False).encode()
        header += b" " * (-(4 + len(header)) % _ALIGN)
        return b"".join([len(header).to_bytes(4, "little"), header, *parts])

    @classmethod
    def decode(cls, data: bytes) -> Frame:
        """The frame of these bytes."""
        length = int.from_bytes(data[:4], "little")
        header, arrays = json.loads(data[4 : 4 + length]), {}
        for entry in header.pop("arrays"):
            start, count = 4 + length + entry["offset"], math.prod(entry["shape"])
            dtype = np.dtype(entry["dtype"]).newbyteorder("<")
            arrays[entry["name"]] = np.frombuffer(data, dtype, count, start).reshape(entry["shape"])
        return cls(header, arrays)


def finite(value: Any) -> Any:
    """The same for JSON, which knows no number that is not finite: null in its place."""
    if isinstance(value, Mapping):
        return {name: finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""A module that passes for CuPy where there is none: NumPy arrays that refuse to meet NumPy arrays.

On a GPU, an array of the device cannot be mixed with one of the host: that is the mistake which a backend that was
only ever run on NumPy is likely to hide. This stand-in makes it an error on any machine. It says nothing about
CuPy's own behaviour, which the tests marked `gpu` are for.
"""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np


def _check(values: Any) -> None:
    for value in values:
        if isinstance(value, (list, tuple)):
            _check(value)
        elif isinstance(value, np.ndarray) and not isinstance(value, DeviceArray):
            raise TypeError(f"an array of the host, {value.dtype} {value.shape}, met one of the device")


def _host(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_host(v) for v in value)
    return value.view(np.ndarray) if isinstance(value, DeviceArray) else value


def _device(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return np.asarray(value).view(DeviceArray)  # reductions give 0-d arrays of the device, not scalars
    return tuple(_device(v) for v in value) if isinstance(value, tuple) else value


class DeviceArray(np.ndarray[Any, Any]):
    """An array "of the device"."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.get("out", ())
        _check((inputs, out, kwargs.get("where", ())))
        kwargs = {name: _host(value) for name, value in kwargs.items()}
        result = getattr(ufunc, method)(*_host(inputs), **kwargs)
        return out[0] if out else _device(result)

    def __array_function__(self, func: Any, kinds: Any, args: Any, kwargs: Any) -> Any:
        _check((args, tuple(kwargs.values())))
        result = func(*_host(args), **{name: _host(value) for name, value in kwargs.items()})
        return kwargs["out"] if "out" in kwargs else _device(result)

    def __setitem__(self, key: Any, value: Any) -> None:
        _check((value,))
        super().__setitem__(key, value)

    def __getitem__(self, key: Any) -> Any:
        return _device(super().__getitem__(key))


class FakeCupy(types.ModuleType):
    """What `import cupy` gives: NumPy's functions, on arrays of the device."""

    __version__ = "14.0.0"
    ndarray = DeviceArray

    def __init__(self, devices: int = 1) -> None:
        super().__init__("cupy")
        stream = types.SimpleNamespace(synchronize=lambda: None)
        runtime = types.SimpleNamespace(getDeviceCount=lambda: devices)
        self.cuda = types.SimpleNamespace(runtime=runtime, get_current_stream=lambda: stream)

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if isinstance(found, (type, np.ufunc)) or not callable(found):
            return found
        return lambda *args, **kwargs: _device(found(*args, **kwargs))

    def asarray(self, a: Any, dtype: Any = None) -> Any:
        return _device(np.asarray(_host(a), dtype=dtype))

    def asnumpy(self, a: Any) -> Any:
        return np.array(_host(a))


def install(monkeypatch: Any, devices: int = 1) -> None:
    """Let `import cupy` find the stand-in."""
    monkeypatch.setitem(sys.modules, "cupy", FakeCupy(devices))

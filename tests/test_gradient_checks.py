"""`minigan gradcheck`: the library's check of its own gradients, and that it notices a wrong one."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

import minigan
from minigan import cli, gradient_checks
from minigan.nn import BatchNorm, Tanh


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A matrix of a few rows, where it is not the library that is to be checked."""
    monkeypatch.setattr(
        gradient_checks,
        "LAYERS",
        {name: gradient_checks.LAYERS[name] for name in ("Dense", "ReLU", "Tanh", "BatchNorm")},
    )


def test_every_layer_of_the_library_is_in_the_matrix() -> None:
    names = " ".join(gradient_checks.LAYERS)
    public = [kind for kind in vars(minigan).values() if isinstance(kind, type) and issubclass(kind, minigan.Layer)]
    assert [kind.__name__ for kind in public if kind is not minigan.Layer and kind.__name__ not in names] == []


def test_all_gradients_are_right_in_both_dtypes() -> None:
    rows = list(gradient_checks.matrix(["numpy"]))
    assert len(rows) == 2 * len(gradient_checks.LAYERS)
    for row in rows:
        assert row.failure is None
        assert all(error <= gradient_checks.TOLERANCE[row.dtype] for error in row.errors.values())


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_wrong_slope_is_found(monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    right = Tanh.slope

    def wrong(self: Tanh, xp: Any, y: Any, out: Any, mask: Any) -> None:
        right(self, xp, y, out, mask)
        out *= 1.01 if y.dtype == dtype else 1

    monkeypatch.setattr(Tanh, "slope", wrong)
    rows = {row.layer: row for row in gradient_checks.matrix(["numpy"], [dtype])}
    assert rows["Tanh"].failure is not None
    assert f"Tanh under D, numpy, {dtype}" in rows["Tanh"].failure
    assert math.isnan(rows["Tanh"].errors["D"])
    assert rows["ReLU"].failure is None


def test_an_array_that_could_not_be_checked_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient_checks, "gradcheck", lambda *_, **__: {"input": 0.0, "0.weight": float("nan")})
    row = next(gradient_checks.matrix(["numpy"], ["float64"]))
    assert row.failure is not None
    assert "no direction of 0.weight could be checked" in row.failure


@pytest.mark.usefixtures("few")
def test_the_command_prints_the_matrix(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["gradcheck", "--backend", "numpy", "--dtype", "float64"]) == 0
    printed = capsys.readouterr().out
    assert all(layer in printed for layer in gradient_checks.LAYERS)
    worst = max(float(cell) for cell in re.findall(r"\b\d\.\de[-+]\d\d\b", printed.rpartition("all gradients")[0]))
    assert f"all gradients are right: at worst {worst:.1e} in float64 (allowed: 1e-06 in float64)" in printed


@pytest.mark.usefixtures("few")
def test_the_command_fails_with_an_explanation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = BatchNorm.forward

    def forward(self: BatchNorm, x: Any, run: Any, act: Any = None) -> Any:
        y, back = right(self, x, run, act)
        return y, lambda dy, params, inputs: back(dy, params, inputs) * 2

    monkeypatch.setattr(BatchNorm, "forward", forward)
    assert cli.main(["gradcheck", "--backend", "numpy", "--dtype", "float64"]) == 1
    printed = capsys.readouterr().out
    assert "WRONG" in printed
    assert "BatchNorm under D" in printed

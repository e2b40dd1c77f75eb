"""Operations that follow each other, as one kernel: at small batches a launch costs more than the work of most.

Within `Backend.fuse` the CuPy backend holds operations back. When somebody needs the results they are launched here, in
their order, neighbours as one where there is a kernel for them:

    y ← φ(y + b), batch normalisation of y, running statistics                   a layer's end, forward
    y ← φ(y + b), logits = y wᵀ, logits + b                                      a Dense layer with one output
    back through the batch normalisation, and through φ and b                    backward
    db of one output, its dw and dx, and back through the φ and b before         backward

Each kernel computes what the operations would one by one, in the same order, so fusing changes no bit but those of dw,
which would be cuBLAS's. Where blocks share the rows of a column (`CupyBackend._chunks`) a normalisation is two
kernels, either way, and what stands before or behind it is part of them. Checked by tests/test_graph.py, with and
without.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from .cuda_arguments import NULL, activation, int32, or_null, power_of_two, rows_cols, same

if TYPE_CHECKING:
    from .cupy_backend import CupyBackend

Array = Any

KNOWN = ("bias_act", "bias_act_grad", "batchnorm", "batchnorm_grad", "track")  # and products: those held back


class Held(NamedTuple):
    """An operation that was asked for: its name, its arguments by name, and what computes it alone."""

    name: str
    arguments: dict[str, Any]
    operation: Callable[..., Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.arguments[name]
        except KeyError:
            raise AttributeError(name) from None

    def run(self) -> None:
        self.operation(**self.arguments)


def launch(be: CupyBackend, held: list[Held]) -> None:
    """Launch operations in their order."""
    while held:
        taken = next(filter(None, (rule(be, held) for rule in RULES)), 0)
        if not taken:
            held[0].run()
        del held[: taken or 1]


# --- the rules: each launches the first operations if it has a kernel for them, and returns how many they were


def _layer_end(be: CupyBackend, held: list[Held]) -> int:
    before, rest = _first(held, _bias_act_in_place)
    if not rest or rest[0].name != "batchnorm":
        return 0
    norm, follow = rest[0], None
    if before is not None and not same(before.out, norm.x):
        return 0
    if rest[1:] and rest[1].name == "track" and same(rest[1].mean, norm.mean):
        follow = rest[1]
    if before is None and follow is None:
        return 0
    batchnorm(be, *_given(norm), before=before, follow=follow)
    return 1 + (before is not None) + (follow is not None)


def _thin_product(be: CupyBackend, held: list[Held]) -> int:
    before, rest = _first(held, _bias_act_in_place)
    if not rest or rest[0].name != "gemm" or not is_thin(rest[0].a, rest[0].b, rest[0].out, rest[0].accumulate):
        return 0
    product = rest[0]
    if before is not None and not same(before.out, product.a):
        return 0
    end, _ = _first(rest[1:], lambda op: _bias_act_in_place(op) and op.act is None and same(op.x, product.out))
    if before is None and end is None:
        return 0
    thin_product(be, product.a, product.b, product.out, before=before, end=end)
    return 1 + (before is not None) + (end is not None)


def _thin_product_back(be: CupyBackend, held: list[Held]) -> int:
    db, rest = _first(held, lambda op: _back_in_place(op) and op.act is None and op.dbias is not None)
    if len(rest) < 2 or rest[0].name not in ("gemm", "gemms") or not _back_in_place(rest[1]):
        return 0
    product, back = rest[:2]
    products = product.products if product.name == "gemms" else [(product.a, product.b, product.out, False)]
    g, W, dx, added = products[-1]
    if added or g.shape[1] != 1 or not g.flags.c_contiguous or len(products) > 2 or be._chunks(dx) > 1:
        return 0
    if not same(back.dy, dx) or (db is not None and not same(db.dy, g)):
        return 0
    dw, add_dw = None, False
    if len(products) == 2:
        gT, x, dw, add_dw = products[0]
        if not (same(gT.T, g) and same(x, back.y) and dw.flags.c_contiguous):
            return 0
    elif db is not None or back.dbias is not None:
        return 0
    sums = or_null(back.dbias), int32(back.accumulate), or_null(dw), int32(add_dw), or_null(db and db.dbias)
    shape = int32(len(dx)), int32(dx.shape[1]), *activation(back.act, dx)
    args = g, W, back.y, dx, *sums, int32(db is not None and db.accumulate), *shape
    be._launch("head_grad", dx, *be._strips(dx), *args)
    return 2 + (db is not None)


def _layer_end_back(be: CupyBackend, held: list[Held]) -> int:
    if len(held) < 2 or held[0].name != "batchnorm_grad" or not _back_in_place(held[1]):
        return 0
    norm, before = held[:2]
    if not (same(norm.dy, before.dy) and same(norm.x, before.y)):
        return 0
    batchnorm_grad(be, *_given(norm), before=before)
    return 2


def _first(held: list[Held], wanted: Callable[[Held], bool]) -> tuple[Held | None, list[Held]]:
    """The first operation, if it is one that is wanted, and the rest."""
    return (held[0], held[1:]) if held and wanted(held[0]) else (None, held)


def _bias_act_in_place(op: Held) -> bool:
    return op.name == "bias_act" and same(op.x, op.out)


def _back_in_place(op: Held) -> bool:
    return op.name == "bias_act_grad" and same(op.dy, op.out)


def _given(op: Held) -> list[Any]:
    """The arguments of an operation, without the backend."""
    return [value for name, value in op.arguments.items() if name != "self"]


RULES = (_layer_end, _thin_product, _thin_product_back, _layer_end_back)


# --- the kernels that stand for one operation or several


def is_thin(a: Array, b: Array, out: Array, accumulate: bool) -> bool:
    """Whether a product has one column, and its factors lie so that a kernel of our own can take them."""
    lies_well = a.flags.c_contiguous and b.strides[0] == b.itemsize and out.flags.c_contiguous
    return bool(out.shape[1] == 1 and lies_well and not accumulate)


def thin_product(
    be: CupyBackend, y: Array, w: Array, out: Array, *, before: Held | None = None, end: Held | None = None
) -> None:
    """before: the bias and the activation that make y. end: the bias that is added to the result."""
    bias, act = (None, None) if before is None else (before.bias, before.act)
    args = y, int32(before is not None), or_null(bias), *activation(act, y), w, or_null(end and end.bias), out
    be._launch("head", y, (len(y),), (1, power_of_two(y.shape[1], 256)), *args, int32(y.shape[1]))


def batchnorm(
    be: CupyBackend,
    x: Array,
    gamma: Array,
    beta: Array,
    eps: float,
    act: Any,
    out: Array,
    mean: Array,
    var: Array,
    inv_std: Array,
    *,
    before: Held | None = None,
    follow: Held | None = None,
) -> None:
    """before: the bias and the activation that make x. follow: the running statistics that are moved."""
    bias, act0 = (None, None) if before is None else (before.bias, before.act)
    running = (NULL, NULL, x.dtype.type(0), x.dtype.type(0), NULL)
    if follow is not None:
        running = be._following(x, follow.n, follow.momentum, follow.running_mean, follow.running_var)
    first, shape = (x, int32(before is not None), or_null(bias), *activation(act0, x)), rows_cols(x)
    rest = gamma, beta, x.dtype.type(eps), out, mean, var, inv_std, *shape, *activation(act, x), *running
    if be._chunks(x) == 1:
        be._launch("batchnorm", x, *be._strips(x), *first, *rest)
        return
    found = be._partial("sums", x.dtype), be._partial("squares", x.dtype)
    be._launch("batchnorm_chunks", x, *be._strips(x), *first, *found, *shape)
    be._launch("normalize_chunks", x, *be._strips(x), x, *found, *rest)


def batchnorm_grad(
    be: CupyBackend,
    dy: Array,
    y: Array,
    act: Any,
    x: Array,
    gamma: Array,
    mean: Array,
    inv_std: Array,
    dgamma: Array,
    dbeta: Array,
    from_batch: bool,
    *,
    before: Held | None = None,
) -> None:
    """before: the way back through the activation and the bias that made x."""
    dbias, add, act0 = (None, False, None) if before is None else (before.dbias, before.accumulate, before.act)
    given, found, shape = (x, gamma, mean, inv_std), (dgamma, dbeta, int32(from_batch)), rows_cols(x)
    first, last = activation(act, x), activation(act0, x)
    if be._chunks(x) == 1:
        end: tuple[Any, ...] = (int32(before is not None), or_null(dbias), int32(add), *last)
        be._launch("batchnorm_grad", x, *be._strips(x), dy, y, *given, *found, *shape, *first, *end)
        return
    sums = be._partial("sums", x.dtype), be._partial("squares", x.dtype)
    partial: Array = NULL if dbias is None else be._partial("biases", x.dtype)
    be._launch("batchnorm_grad_chunks", x, *be._strips(x), dy, y, x, mean, inv_std, *sums, *shape, *first)
    end = (int32(before is not None), partial, *last)
    be._launch("batchnorm_back_chunks", x, *be._strips(x), dy, *given, *sums, *found, *shape, *end)
    if dbias is not None:
        be._add_chunks(x, partial, dbias, add)

"""Minibatch standard deviation (Karras et al. 2018, "Progressive Growing of GANs", section 3).

    forward    y_n = (x_n1, ..., x_nF, σ̄),   σ̄ = Σ_f σ_f/F,   σ_f = √(v_f + ε),   v_f = Σ_n d_nf²/N,   d = x − μ

where μ and v are those of the batch. A generator that makes the same sample again and again is given away by σ̄.
With c = Σ_n dL/dy_n,F+1, the gradient of L with respect to σ̄, and G = ∂σ̄/∂x:

    dL/dx_nf = dL/dy_nf + c G_nf,   G_nf = d_nf/(N F σ_f)                            (Σ_n d = 0: μ adds nothing)

For penalties on gradients (see `Layer.twice`): the tangent is ẏ_n = (ẋ_n, ⟨G, ẋ⟩), so S = ⟨dy, ẏ⟩ depends on x through
c ⟨G, ẋ⟩, and its gradient is c times a product with the Hessian of σ̄; with ḋ = ẋ − mean of ẋ over the batch

    ∂S/∂x_nf = c Ġ_nf,   Ġ_nf = (ḋ_nf − d_nf σ̇_f/σ_f)/(N F σ_f),   σ̇_f = Σ_n d_nf ẋ_nf/(N σ_f)

Several processes that share a batch (backend/group.py) take all Σ_n over all its samples.
Checked by tests/test_gradients.py and tests/test_second_order.py.
"""

from __future__ import annotations

from typing import Any

from ..spec import number
from .layer import Back, Layer, Pass

Array = Any


class MinibatchStdDev(Layer):
    """(N, F) to (N, F + 1): the new feature is the standard deviation over the batch, averaged over the features.

    eps: added to the variance of each feature.
    Training needs N ≥ 2. Inference takes the batch as well, so that a sample's output always depends on its company;
    a single sample is taken for a batch without variation, and gets √eps. A penalty on gradients is allowed, though
    the samples are mixed: the gradient is then that of the sum of all outputs, as in the paper's critic.
    Raises ValueError for a batch of another number of axes, of one sample in training, or an eps that is not positive.

    >>> import minigan, numpy as np
    >>> net = minigan.Sequential(minigan.MinibatchStdDev())
    >>> y, back = net(np.array([[1.0, 0.0], [5.0, 0.0]]))      # standard deviations 2 and 0
    >>> y.round(3).tolist()
    [[1.0, 0.0, 1.0], [5.0, 0.0, 1.0]]
    """

    mixes_samples = True

    def __init__(self, eps: float = 1e-8) -> None:
        self.eps = number("eps", eps, "(0, inf)", of="MinibatchStdDev")

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) != 2:
            raise ValueError(f"expected a batch of shape (N, F), got {tuple(shape)}: put a Flatten() before it")
        return shape[0], shape[1] + 1

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:
        y, G, _ = self._append(x, run)
        return y, lambda dy, params, inputs: _through(dy, G, run) if inputs else None

    def twice(self, x: Array, run: Pass) -> tuple[Array, Back]:
        y, G, inv_std = self._append(x, run)
        be, xp = run.backend, run.backend.xp

        def back(dy: Array) -> tuple[Array, Back]:
            return _through(dy, G, run), lambda xdot: push(dy, xdot)

        def push(dy: Array, xdot: Array) -> tuple[Array, Back]:
            product, each, total = run.empty(G.shape), run.empty(inv_std.shape), run.empty((1,))
            xp.multiply(G, xdot, out=product)
            be.column_sum(product, each)
            run.group.total(each)
            each.sum(keepdims=True, out=total)
            return _joined(xdot, total, run), lambda dy2: pull(dy, xdot, each, dy2)

        def pull(dy: Array, xdot: Array, each: Array, dy2: Array | None) -> Array:
            """c Ġ + dy₂ through the forward. each: Σ_n G ẋ for each feature, which is σ̇/F."""
            dx2, term, c = run.empty(G.shape), run.empty(G.shape), _last(dy, run)
            _centre(xdot, dx2, run)
            xp.divide(dx2, G.size * run.group.size, out=dx2)
            xp.multiply(G, each, out=term)
            xp.multiply(term, G.shape[1], out=term)
            xp.subtract(dx2, term, out=dx2)
            xp.multiply(dx2, inv_std, out=dx2)
            xp.multiply(dx2, c, out=dx2)
            return dx2 if dy2 is None else xp.add(dx2, _through(dy2, G, run), out=dx2)

        return y, back

    def _append(self, x: Array, run: Pass) -> tuple[Array, Array, Array]:
        """y (N, F + 1), G (N, F) and 1/σ (F,)."""
        self.output_shape(x.shape)
        if run.train and len(x) * run.group.size < 2:
            raise ValueError(
                "a single sample has no deviation from its batch: use a batch of 2 or more, or train=False"
            )
        be, xp = run.backend, run.backend.xp
        G, square = run.empty(x.shape), run.empty(x.shape)
        var, inv_std, mean_std = run.empty(x.shape[1:]), run.empty(x.shape[1:]), run.empty((1,))
        _centre(x, G, run)
        xp.multiply(G, G, out=square)
        be.column_sum(square, var)
        xp.divide(var, len(x), out=var)
        run.group.mean(var)
        be.inverse_std(var, self.eps, inv_std)
        xp.multiply(G, inv_std, out=G)
        xp.divide(G, G.size * run.group.size, out=G)
        xp.divide(1, inv_std, out=var).sum(keepdims=True, out=mean_std)
        xp.divide(mean_std, G.shape[1], out=mean_std)
        return _joined(x, mean_std, run), G, inv_std


def _joined(x: Array, last: Array, run: Pass) -> Array:
    """(N, F) and one number, which becomes the last feature of every sample."""
    y = run.empty((len(x), x.shape[1] + 1))
    y[:, :-1] = x
    y[:, -1:] = last
    return y


def _last(dy: Array, run: Pass) -> Array:
    """c: the sum of the last column, (1,)."""
    return run.group.total(dy[:, -1].sum(keepdims=True, out=run.empty((1,))))


def _through(dy: Array, G: Array, run: Pass) -> Array:
    """dL/dx = dy without its last column + c G."""
    dx = run.backend.xp.multiply(G, _last(dy, run), out=run.empty(G.shape))
    return run.backend.xp.add(dx, dy[:, :-1], out=dx)


def _centre(x: Array, out: Array, run: Pass) -> None:
    """out = x − its mean over the batch."""
    be, mean = run.backend, run.empty(x.shape[1:])
    be.column_sum(x, mean)
    be.xp.divide(mean, len(x), out=mean)
    run.group.mean(mean)
    be.xp.subtract(x, mean, out=out)

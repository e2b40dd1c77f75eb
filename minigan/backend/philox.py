"""Counter-based random numbers: noise as a pure function of (seed, purpose, step).

Philox4x64-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") scrambles a counter with a key.
There is no hidden state: to draw the latents of step 17 one encrypts the counters that belong to step 17. So a
resumed run needs no generator state, two purposes never share numbers, and every backend draws the same stream:

    key     = (seed, purpose)
    counter = (block, step, lane, 0),   block = 1, 2, 3, ...

This is exactly NumPy's own `np.random.Philox(key=..., counter=(0, step, lane, 0))`, which the tests compare with.
The functions here are plain array code for any array module `xp`; the NumPy backend calls NumPy's C version.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from .counter import Count

Array = Any


class Purpose(IntEnum):
    """Who draws. Each purpose has a key of its own, so no two parts of the library ever see the same numbers."""

    INITIALISE = 1  # weights; step = index of the parameter
    CALL = 2  # dropout and noise of a network called by hand; step = number of calls so far
    SHUFFLE = 3  # order of the images; step = epoch
    LATENT_D = 4  # z of the fakes that D is trained on; step = number of D updates
    LATENT_G = 5  # z of the fakes that G is trained on; step = number of G updates
    LATENT_SAMPLE = 6  # z of samples that a person asks for
    G_FOR_D = 7  # layers with noise, pass by pass
    D_REAL = 8
    D_FAKE = 9
    G_FOR_G = 10
    D_FOR_G = 11
    CHECK = 12  # directions of the gradient check
    D_FOR_G_REAL = 13  # the real samples that G's objective compares with
    POOL = 14  # normal numbers that are used again and again
    ENCODER = 15  # z of the samples that an encoder of G's learns from; step = number of its updates
    PENALTY = 32  # and those that follow: one for each penalty


class Share(NamedTuple):
    """Which rows of whole minibatches a process has that plays with others (group.py): the rank-th of `size` shares.

    parts: of how many minibatches, one behind the other, an array holds its rows, and how many of each, in proportion.
    """

    rank: int
    size: int
    parts: tuple[int, ...] = (1,)


class Stream(NamedTuple):
    """Names one sequence of random numbers. `lane` separates the layers of one pass.

    share: that is drawn of it; None: all.
    """

    seed: int
    purpose: int
    step: Count = 0
    lane: int = 0
    share: Share | None = None


_MULTIPLIER = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
MASK64 = (1 << 64) - 1


def _multiply(xp: Any, a: Array, constant: int) -> tuple[Array, Array]:
    """High and low 64 bits of a * constant, from four 32-bit products."""
    u64 = xp.uint64
    mask, half = u64(0xFFFFFFFF), u64(32)
    b_low, b_high = u64(constant & 0xFFFFFFFF), u64(constant >> 32)
    a_low, a_high = a & mask, a >> half
    low_low, low_high, high_low = a_low * b_low, a_low * b_high, a_high * b_low
    carry = (low_low >> half) + (low_high & mask) + (high_low & mask)
    high = a_high * b_high + (low_high >> half) + (high_low >> half) + (carry >> half)
    return high, (carry << half) | (low_low & mask)


def pieces(out: Array, stream: Stream) -> Iterator[tuple[Array, int]]:
    """The parts of `out` (n, ...) that a stream fills without a gap, and from which of its numbers on it does.

    >>> rows = np.empty((4, 3))                          # two of each of two minibatches, and of each the second half
    >>> [(part.shape, first) for part, first in pieces(rows, Stream(0, 1, share=Share(1, 2, parts=(1, 1))))]
    [((2, 3), 6), ((2, 3), 18)]
    """
    if stream.share is None:
        yield out, 0
        return
    (rank, size, parts), n, begin = stream.share, len(out), 0
    each, whole = math.prod(out.shape[1:]), sum(parts)
    for part in parts:
        rows = n * part // whole
        yield out[begin : begin + rows], (begin * size + rank * rows) * each
        begin += rows


def words(xp: Any, stream: Stream, count: int, first: int = 0) -> Array:
    """`count` 32-bit words of a stream, from the given one on, as a uint32 array (count,)."""
    skipped, count = first % 8, count + first % 8
    blocks = -(-count // 8)
    c0 = xp.arange(1 + first // 8, 1 + first // 8 + blocks, dtype=xp.uint64)
    c1 = xp.full(blocks, stream.step & MASK64, dtype=xp.uint64)
    c2 = xp.full(blocks, stream.lane & MASK64, dtype=xp.uint64)
    c3 = xp.zeros(blocks, dtype=xp.uint64)
    key = [stream.seed & MASK64, stream.purpose & MASK64]
    for _ in range(10):
        high0, low0 = _multiply(xp, c0, _MULTIPLIER[0])
        high1, low1 = _multiply(xp, c2, _MULTIPLIER[1])
        c0, c1, c2, c3 = high1 ^ c1 ^ xp.uint64(key[0]), low1, high0 ^ c3 ^ xp.uint64(key[1]), low0
        key = [(k + w) & MASK64 for k, w in zip(key, _WEYL, strict=True)]
    out = xp.stack([c0, c1, c2, c3], axis=1).reshape(-1)
    halves = xp.stack([out & xp.uint64(0xFFFFFFFF), out >> xp.uint64(32)], axis=1)  # low half first, as NumPy
    return halves.reshape(-1)[skipped:count].astype(xp.uint32)


def uniforms(xp: Any, stream: Stream, count: int, first: int = 0) -> Array:
    """float32 numbers in [0, 1): the upper 24 bits of each word."""
    return (words(xp, stream, count, first) >> xp.uint32(8)).astype(xp.float32) * xp.float32(2.0**-24)


def normals(xp: Any, stream: Stream, count: int, first: int = 0) -> Array:
    """float32 standard normals by Box and Muller (1958), a pair of normals for each pair of uniforms.

    With u, w uniform, r = √(−2 ln(1−u)) and φ = 2πw:  r cos φ and r sin φ are independent N(0, 1).
    The uniform has 24 bits, so 1−u is never 0 and |z| ≤ √(48 ln 2) ≈ 5.77.
    """
    skipped, count = first % 2, count + first % 2
    u = uniforms(xp, stream, count + count % 2, first - skipped).reshape(-1, 2)
    radius = xp.sqrt(xp.float32(-2) * xp.log(xp.float32(1) - u[:, 0]))
    angle = xp.float32(2 * math.pi) * u[:, 1]
    return xp.stack([radius * xp.cos(angle), radius * xp.sin(angle)], axis=1).reshape(-1)[skipped:count]


POOL = 1 << 20


@functools.cache
def pool() -> Array:
    """Normal numbers, float32 (POOL,), the same for everybody: drawing them again costs a copy."""
    numbers = normals(np, Stream(0, Purpose.POOL), POOL)
    numbers.flags.writeable = False
    return numbers


def place(xp: Any, stream: Stream) -> Array:
    """A random place in the pool, int64, a function of the stream."""
    return (words(xp, stream, 1) >> xp.uint32(32 - POOL.bit_length() + 1)).astype(xp.int64)


def permuted(xp: Any, positions: Array, n: int, seed: int, epoch: int) -> Array:
    """Where a fresh random order of n items puts each position: a keyed bijection of {0, ..., n−1}.

    A Feistel network of six rounds permutes the numbers of 2·b bits, where 4ᵇ ≥ n; a result outside the range is
    sent through again until it falls inside ("cycle walking", Black and Rogaway 2002), which keeps it a bijection.
    So any minibatch of any epoch is found from its position alone, without an index array of n entries.

    positions: int64 array with values in [0, n). Returns int64 of the same shape.
    """
    u32 = xp.uint32
    bits = max(1, ((n - 1).bit_length() + 1) // 2)
    mask, shift = u32((1 << bits) - 1), u32(bits)
    keys = [u32(k) for k in words(np, Stream(seed, Purpose.SHUFFLE, epoch), 6).tolist()]
    out = positions.astype(xp.int64)
    walking = xp.arange(out.size)
    while walking.size:
        value = out[walking].astype(u32)
        left, right = value >> shift, value & mask
        for key in keys:
            mixed = (right + key) * u32(0x85EBCA6B)  # the finaliser of MurmurHash3
            mixed = (mixed ^ (mixed >> u32(13))) * u32(0xC2B2AE35)
            left, right = right, left ^ ((mixed ^ (mixed >> u32(16))) & mask)
        result = ((left << shift) | right).astype(xp.int64)
        out[walking] = result
        walking = walking[result >= n]
    return out

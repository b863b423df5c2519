"""A teacher's answer in short: the most likely classes, and the mass of all the others.

With C classes a dense row of logits takes 2 C bytes, which is too much where C is a vocabulary. The
short form keeps K log-probabilities, their classes, and the log of what is left over; read back,
the rest is spread evenly over the other C - K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from datapruner.core.types import AnyArray, FloatArray, IntArray
from datapruner.errors import InputError

__all__ = ["TopK", "check_temperature", "top_k"]


@dataclass(frozen=True, eq=False)
class TopK:
    """The K most likely classes of each position, and the mass of the rest.

    Attributes:
        values: shape (..., K), float; natural logs of probabilities, falling.
        classes: shape (..., K), integers in [0, width), none twice in a position.
        rest: shape (...), float; log of the mass of the other classes, -inf where there are none.
        width: C, the number of classes, at least K.
        lengths: shape (b,), int64: how many of the positions of each row are real, where ``values``
            has shape (b, L, K) and rows were padded on the right; None: all are.
    """

    values: FloatArray
    classes: AnyArray
    rest: FloatArray
    width: int
    lengths: IntArray | None = None

    def dense(self) -> FloatArray:
        """Log-probabilities of all classes, shape (..., C), float32; the rest evenly spread.

        A position sums to 1 up to the rounding of what was stored. Padded positions are even.
        """
        others = self.width - self.values.shape[-1]
        with np.errstate(divide="ignore"):
            tail = self.rest.astype(np.float32) - np.float32(np.log(max(others, 1)))
        out = np.empty((*self.rest.shape, self.width), dtype=np.float32)
        out[...] = tail[..., None]
        np.put_along_axis(
            out, self.classes.astype(np.int64), self.values.astype(np.float32), axis=-1
        )
        return out

    def bound(self, temperature: float = 1.0) -> FloatArray:
        """How far the spread-out answer can be from the teacher's own: total variation, at most.

        That is the mass it gives to the classes outside the top K. At temperature 1 it is the rest
        itself; above 1 it grows fast, for flattening lifts C - K classes at once. Rounding to
        float16 comes on top: each log-probability is off by at most 2**-11 of itself.

        Args:
            temperature: the one the answer is softened with, 1 or more. Below 1 an even rest takes
                less than the true one may, and nothing can be promised.

        Returns:
            Shape (...), float64, in [0, 1].

        Raises:
            InputError: a temperature below 1 or not finite.
        """
        if not 1 <= temperature < np.inf:
            raise InputError(
                f"temperature is {temperature}; the bound holds from 1 on, for below 1 an even "
                "rest weighs less than the true one."
            )
        others = self.width - self.values.shape[-1]
        if not others:
            return np.zeros(self.rest.shape)
        top = (self.values.astype(np.float64) / temperature).max(-1)
        kept = np.exp(self.values.astype(np.float64) / temperature - top[..., None]).sum(-1)
        each = (self.rest.astype(np.float64) - np.log(others)) / temperature
        tail = others * np.exp(each - top)
        return np.asarray(tail / (kept + tail))


def top_k(logits: Any, k: int) -> TopK:
    """The short form of some logits.

    Args:
        logits: shape (..., C), any float dtype, finite.
        k: how many classes to keep, 1 <= k <= C.

    Returns:
        Of equal logits the one of the lower class stands first; which of them are kept at the
        border depends on that position's values alone.

    Raises:
        InputError: k out of range.
    """
    z = np.asarray(logits, dtype=np.float32)
    width = z.shape[-1] if z.ndim else 0
    if not 1 <= k <= width:
        raise InputError(f"topk is {k}; of {width} classes between 1 and {width} can be kept.")
    kept = np.sort(np.argpartition(z, width - k, axis=-1)[..., width - k :], axis=-1)
    top = np.take_along_axis(z, kept, axis=-1)
    order = np.argsort(-top, axis=-1, kind="stable")
    kept, top = np.take_along_axis(kept, order, axis=-1), np.take_along_axis(top, order, axis=-1)
    with np.errstate(over="ignore"):  # farther apart than float32 reaches: no mass at all
        mass = np.exp(z - top[..., :1])
        below = top - top[..., :1]
    whole = np.log(mass.sum(-1, dtype=np.float64))
    np.put_along_axis(mass, kept, 0.0, axis=-1)
    with np.errstate(divide="ignore"):
        rest = np.log(mass.sum(-1, dtype=np.float64)) - whole
    return TopK(
        values=(below - whole[..., None]).astype(np.float32),
        classes=kept.astype(np.int32),
        rest=rest.astype(np.float32),
        width=width,
    )


def check_temperature(temperature: float) -> float:
    """The temperature, if it is one.

    Raises:
        InputError: not a finite number above 0.
    """
    if not 0 < temperature < np.inf:
        raise InputError(f"temperature is {temperature}; it must be a finite number above 0.")
    return float(temperature)

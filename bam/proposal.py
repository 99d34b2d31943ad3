"""λ and T from what stage 1 shows without group labels: which errors stay the same as it trains on.

**Scale of λ.** Row i is in one batch of B an epoch. The gradient of the batch's mean loss on its amplified logits
z = f + λb is g/B, that on b is λg/B; SGD with learning rate η and momentum m moves b by η/(1 - m) times that before
the row is next visited, if an epoch has many more steps than 1/(1 - m), and λb by λ times that:

    λb <- λb - s g    with the strength  s = λ² η / (B (1 - m)).

If f stands still, a small residual r = z - z* follows r <- (1 - s h) r with h the curvature of the loss: h = 2 for
‖z - e_y‖², and at most 1/2 for the cross-entropy of a softmax (its Hessian is diag(p) - p pᵀ, whose largest eigenvalue
is at most 1/2, at p = (1/2, 1/2, 0, ...)). So a = s h is the share of a residual that b takes up in one visit: a = 1
takes all of it, and a > 2 overshoots more each time. Squared loss: full at s = 1/2, unstable above 1; cross-entropy: 2
and 4.

**What λ does.** b starts at 0 and is moved by λ times the gradients that the row sends to the model's logits, with one
learning rate and momentum for both. So the sum over all visits of these gradients is -b/(λ η') = -(λb)/(λ² η'), η' the
learning rate with its momentum: once λb is as large as the residual, the row has taught the model all that it will,
and that is less by 1/λ². At λ = 0 nothing limits it, and a row that is missed teaches until it no longer is.

Shapes: E watched epochs, n examples, C classes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bam.error_set import find

CURVATURES = {"squared": 2.0, "cross_entropy": 0.5}
SHARES = (0.0, 1 / 16, 1 / 4, 1 / 2, 1.0)  # what b takes up of a residual in one visit, for each λ that is tried
WATCHED = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100)
SAME = 0.95  # Jaccard overlap from which an error set counts as that of the watched epoch before
SHORTEST = 3  # watched epochs in a row that make a plateau
FEWEST = 10  # examples in an error set
SMALLEST = 1e-3  # and share of the training split
LARGEST_IN_CLASS = 0.4  # share of a class in the error set
MEMORISED = 0.5  # training error over validation error
LARGEST_FACTOR = 50

Guard = Literal["", "few errors", "a class is missed", "memorises"]


@dataclass(frozen=True)
class Watch:
    """What one run shows after one epoch, all of it without the auxiliary variables.

    Attributes
    ----------
    size : examples in the error set
    train_error : share of the training split in the error set
    val_error : share of the validation split that is missed; None if validation is not drawn as training is
    class_errors : for each class, the share of its training examples in the error set
    overlap : Jaccard overlap of the error set with that of the watched epoch before, 1 for two empty ones; None at
        the first
    missed : the error set, bool array of shape (n,)
    """

    epoch: int
    size: int
    train_error: float
    val_error: float | None
    class_errors: tuple[float, ...]
    overlap: float | None
    missed: np.ndarray = field(compare=False, repr=False)


@dataclass(frozen=True)
class Candidate:
    """One λ and what its run showed; `failed` says why it stopped early, and is empty if it did not."""

    coefficient: float
    share: float
    failed: str
    watches: tuple[Watch, ...]

    @property
    def plateau(self) -> tuple[Watch, ...]:
        """The longest run of watched epochs that pass every guard and overlap by `SAME` or more.

        The earliest of equally long ones; empty if the training failed, or if no run is as long as `SHORTEST`.
        """
        longest: tuple[Watch, ...] = ()
        current: tuple[Watch, ...] = ()
        for watch in () if self.failed else self.watches:
            goes_on = bool(current) and watch.overlap is not None and watch.overlap >= SAME
            current = () if guard(watch) else (*current, watch) if goes_on else (watch,)
            longest = max(longest, current, key=len)
        return longest if len(longest) >= SHORTEST else ()


@dataclass(frozen=True)
class Proposal:
    """A λ and a T, and the plateau they come from.

    Attributes
    ----------
    coefficient : λ
    epochs : T, the second watched epoch of the plateau: the first at which the error set was seen to stay
    lasts : whether the plateau goes on to the last watched epoch
    overlaps : every other λ that has a plateau -> Jaccard overlap of the error set at its end with that at this one's
    """

    coefficient: float
    epochs: int
    plateau: tuple[Watch, ...]
    lasts: bool
    overlaps: Mapping[float, float]

    @property
    def confirmed_by(self) -> list[float]:
        """The other λ whose plateau ends with the same error set (overlap `SAME` or more), smallest first."""
        return sorted(coefficient for coefficient, overlap in self.overlaps.items() if overlap >= SAME)

    @property
    def at(self) -> Watch:
        """What the run shows at T."""
        return self.plateau[1]


def coefficients(
    loss: Literal["squared", "cross_entropy"], *, learning_rate: float, momentum: float, batch_size: int
) -> dict[float, float]:
    """Return λ -> share of a residual that b takes up in one visit, smallest first; λ to 2 significant digits.

    >>> list(coefficients("squared", learning_rate=1e-2, momentum=0.9, batch_size=32))
    [0.0, 3.2, 6.3, 8.9, 13.0]
    """
    unit = batch_size * (1 - momentum) / (learning_rate * CURVATURES[loss])
    return {float(f"{math.sqrt(share * unit):.2g}"): share for share in SHARES}


def watched_epochs(n_epochs: int) -> tuple[int, ...]:
    """Return the epochs to watch in a run of `n_epochs`, its last among them.

    >>> watched_epochs(9)
    (1, 2, 3, 4, 5, 6, 8, 9)
    """
    return tuple(sorted({epoch for epoch in WATCHED if epoch < n_epochs} | {n_epochs}))


def observe(
    epochs: Sequence[int],
    classes: np.ndarray,
    labels: np.ndarray,
    *,
    val_errors: Sequence[float | None],
    n_classes: int,
) -> tuple[Watch, ...]:
    """Reduce what a run predicts on its training split to the statistics that the rule sees.

    Parameters
    ----------
    epochs : the E watched epochs
    classes : integer array of shape (E, n), classes predicted on the training split without auxiliary variables
    labels : integer array of shape (n,)
    val_errors : E fractions, or None each
    """
    per_class = np.maximum(np.bincount(labels, minlength=n_classes), 1)
    watches: list[Watch] = []
    before: np.ndarray | None = None
    for epoch, predicted, val_error in zip(epochs, classes, val_errors, strict=True):
        missed = find(predicted, labels)
        shares = np.bincount(labels[missed], minlength=n_classes) / per_class
        overlap = None if before is None else jaccard(before, missed)
        size = int(missed.sum())
        watches.append(Watch(int(epoch), size, size / len(labels), val_error, tuple(shares.tolist()), overlap, missed))
        before = missed
    return tuple(watches)


def jaccard(first: np.ndarray, second: np.ndarray) -> float:
    """Return |A ∩ B| / |A ∪ B| of two bool masks; 1 if both are empty."""
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else 1.0


def guard(watch: Watch) -> Guard:
    """Say what disqualifies an error set at one epoch, or nothing.

    - `few errors`: fewer than 10 examples, or than a thousandth of the training split.
    - `a class is missed`: more than 40 % of some class. A model that has not begun to learn, or is kept from it by a b
      that takes up everything, predicts one class always; its error set is the other classes, and never changes.
    - `memorises`: the training error is below half of the validation error.
    """
    if watch.size < FEWEST or watch.train_error < SMALLEST:
        return "few errors"
    if max(watch.class_errors) > LARGEST_IN_CLASS:
        return "a class is missed"
    if watch.val_error is not None and watch.train_error < MEMORISED * watch.val_error:
        return "memorises"
    return ""


def propose(candidates: Sequence[Candidate]) -> Proposal | None:
    """Return the λ with the longest plateau, counted in watched epochs, and its second epoch as T.

    None if no candidate has a plateau. Of equal plateaus the smallest λ wins: it does the same with less interference.
    """
    best = max(candidates, key=lambda c: (len(c.plateau), -c.coefficient), default=None)
    if best is None or not best.plateau:
        return None
    end = best.plateau[-1]
    others = [c for c in candidates if c.plateau and c.coefficient != best.coefficient]
    overlaps = {c.coefficient: jaccard(c.plateau[-1].missed, end.missed) for c in others}
    return Proposal(best.coefficient, best.plateau[1].epoch, best.plateau, end == best.watches[-1], overlaps)


def upweight_factor(share: float) -> int:
    """Return the µ that gives an error set, a share of the training split, the weight of the rest; from 1 to 50.

    A start, not tested.

    >>> upweight_factor(44 / 898)
    19
    """
    return min(max(round((1 - share) / share), 1), LARGEST_FACTOR)

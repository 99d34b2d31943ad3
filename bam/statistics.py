"""Intervals and paired comparisons over seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

CONFIDENCE = 0.95
ROUNDING = 1e-12


@dataclass(frozen=True)
class Summary:
    """Mean over seeds with its spread; `std` and the interval are None where undefined."""

    mean: float
    std: float | None
    low: float | None
    high: float | None
    n_seeds: int


def wilson_interval(n_correct: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return Wilson's score interval for a proportion, within [0, 1].

    References
    ----------
    Wilson 1927, JASA 22(158): 209-212.

    >>> [round(x, 3) for x in wilson_interval(8, 10)]
    [0.49, 0.943]
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = n_correct / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At 0 or n correct a bound is the share itself, which rounding may miss by the last bit.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def over_seeds(values: Sequence[float], pooled: tuple[int, int] | None = None) -> Summary:
    """Return mean, sample standard deviation (ddof 1) and a 95 % t interval clipped to [0, 1].

    Parameters
    ----------
    values
        One accuracy (a fraction) a seed.
    pooled
        (correct, n) summed over seeds. Where all values are equal the t interval would have
        no width; the Wilson interval of the pooled count then stands instead.
    """
    mean, std, half = _t_half_width(values)
    if std is None or half is None:
        return Summary(mean, None, None, None, len(values))
    if std == 0 and pooled is not None:
        low, high = wilson_interval(*pooled)
        return Summary(mean, std, low, high, len(values))
    return Summary(mean, std, max(0.0, mean - half), min(1.0, mean + half), len(values))


def of_differences(values: Sequence[float]) -> Summary:
    """Return the same as `over_seeds` for differences of accuracies: clipped to [-1, 1]."""
    mean, std, half = _t_half_width(values)
    if std is None or half is None:
        return Summary(mean, None, None, None, len(values))
    return Summary(mean, std, max(-1.0, mean - half), min(1.0, mean + half), len(values))


def paired(first: Sequence[float], second: Sequence[float]) -> Summary:
    """Compare two methods over the same seeds: the summary of first - second, seed by seed.

    Raises
    ------
    ValueError
        If the two do not have one value for each of the same seeds.
    """
    if len(first) != len(second):
        raise ValueError(f"paired needs equal numbers of seeds, got {len(first)} and {len(second)}")
    return of_differences([a - b for a, b in zip(first, second, strict=True)])


def welch_interval(
    mean: float, std: float, n: int, other_mean: float, other_std: float, other_n: int
) -> tuple[float, float]:
    """Return the 95 % interval of a difference of means of two independent samples with spreads of their own.

    Parameters
    ----------
    mean, std, n
        Mean, sample standard deviation (ddof 1) and size of the first sample, n >= 2.
    other_mean, other_std, other_n
        The same of the second, which is subtracted.

    Returns
    -------
    (low, high), without width if neither sample has a spread

    Raises
    ------
    ValueError
        If a sample has fewer than two values.

    References
    ----------
    Welch 1947, Biometrika 34: 28-35.

    >>> [round(bound, 3) for bound in welch_interval(0.8, 0.03, 5, 0.7, 0.05, 3)]
    [-0.004, 0.204]
    """
    if min(n, other_n) < 2:
        raise ValueError(f"welch_interval needs two values a sample, got {n} and {other_n}")
    difference, parts = mean - other_mean, (std**2 / n, other_std**2 / other_n)
    variance = sum(parts)
    if variance == 0:
        return difference, difference
    freedom = variance**2 / (parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (other_n - 1))
    half = _t_quantile(freedom) * math.sqrt(variance)
    return difference - half, difference + half


def interval_against(mean: float, std: float, n: int, other: float, other_error: float) -> tuple[float, float]:
    """Return the 95 % interval of a mean over n >= 2 values minus one number with a known standard error.

    Welch's, with infinite degrees of freedom for the second.
    """
    ours, theirs = std**2 / n, other_error**2
    if ours + theirs == 0:
        return mean - other, mean - other
    freedom = math.inf if ours == 0 else (ours + theirs) ** 2 / (ours**2 / (n - 1))
    half = _t_quantile(freedom) * math.sqrt(ours + theirs)
    return mean - other - half, mean - other + half


def _t_half_width(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    array = np.asarray(values, dtype=np.float64)
    if len(array) < 2:
        return float(array.mean()), None, None
    # Accuracies are multiples of 1/n, so a spread below this is rounding, and is 0.
    std = 0.0 if np.ptp(array) < ROUNDING else float(array.std(ddof=1))
    quantile = _t_quantile(len(array) - 1)
    return float(array.mean()), std, quantile * std / math.sqrt(len(array))


def _t_quantile(freedom: float) -> float:
    """Return the quantile of Student's t that leaves half of 1 - CONFIDENCE above it."""
    from scipy.special import stdtrit  # what scipy.stats.t.ppf calls, without the half second of importing it

    return float(stdtrit(freedom, 0.5 + CONFIDENCE / 2))

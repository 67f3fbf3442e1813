"""How far a counted rate can be trusted: exact and approximate intervals from the binomial law alone."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from contrafake.errors import UsageError
from contrafake.measure._checks import fraction


def binomial_tail(n: int, k: int, p: float) -> float:
    """P(X >= k) for X ~ Bin(n, p).

    Weights of the outcomes follow from the mode's (set to 1) by products of ratios, and are divided by their sum: no
    factorial is ever formed, so nothing overflows or cancels. Checked to a relative 1e-9 for n up to one million.

    Args:
        n: Number of trials, 0 or more.
        k: Smallest number of successes counted; any integer.
        p: Chance of success, 0 to 1.

    Returns:
        0 to 1; probabilities below about 1e-300 may come out as 0.

    Raises:
        UsageError: `n` is negative or `p` outside [0, 1].
    """
    if n < 0:
        raise UsageError("n", f"{n} trials")
    fraction("p", p)
    if k <= 0:
        return 1.0
    if k > n or p == 0:
        return 0.0
    if p == 1:
        return 1.0
    mode = min(int((n + 1) * p), n)
    odds = p / (1 - p)
    # Beyond this reach the weights are below the smallest float (Bernstein's inequality).
    reach = int(40 * math.sqrt(n * p * (1 - p))) + 500
    above = np.arange(mode + 1, min(n, mode + reach) + 1, dtype=np.float64)
    upper = np.cumprod((n - above + 1) / above * odds)
    if k > mode:
        tail, rest = upper[k - mode - 1 :].sum(), upper[: k - mode - 1].sum()
    else:
        tail, rest = upper.sum(), 0.0
    below = np.arange(mode, max(0, mode - reach), -1, dtype=np.float64)
    lower = np.cumprod(below / (n - below + 1) / odds)
    inside = max(0, mode - k)
    if k <= mode:
        tail, rest = tail + 1 + lower[:inside].sum(), lower[inside:].sum()
    else:
        rest += 1 + lower.sum()
    return float(tail / (tail + rest))


def beta_quantile(q: float, a: int, b: int) -> float:
    """The x below which a Beta(a, b) variable falls with probability q, for positive integers.

    Bisection on I_x(a, b) = P(Bin(a + b - 1, x) >= a) (Abramowitz and Stegun 26.5.24), to a relative 1e-13.

    Args:
        q: Probability, 0 to 1.
        a: First parameter, 1 or more.
        b: Second parameter, 1 or more.

    Returns:
        0 to 1.

    Raises:
        UsageError: `q` is outside [0, 1], or `a` or `b` below 1.
    """
    fraction("q", q)
    if a < 1 or b < 1:
        raise UsageError("beta parameters", f"{a} and {b} are not both 1 or more")
    if q in (0, 1):
        return float(q)
    low, high = 0.0, 1.0
    while high - low > 1e-13 * high and high > 1e-300:
        middle = (low + high) / 2
        if binomial_tail(a + b - 1, a, middle) < q:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def clopper_pearson(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of a rate after k of n: it covers the true rate at least as often as promised.

    Clopper and Pearson, Biometrika 26 (1934). Errs on the wide side.

    Args:
        k: Number of successes, 0 to n.
        n: Number of trials, 1 or more.
        confidence: Promised coverage, strictly between 0 and 1.

    Returns:
        (low, high), with low <= k / n <= high.

    Raises:
        UsageError: Counts or confidence out of range.
    """
    _check_counts(k, n, lowest=0)
    tail = (1 - fraction("confidence", confidence, open_ends=True)) / 2
    low = 0.0 if k == 0 else beta_quantile(tail, k, n - k + 1)
    high = 1.0 if k == n else beta_quantile(1 - tail, k + 1, n - k)
    return low, high


def wilson(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a rate after k of n: covers as often as promised on average over rates, and is narrower.

    Wilson, JASA 22 (1927).

    Args:
        k: Number of successes, 0 to n.
        n: Number of trials, 1 or more.
        confidence: Promised coverage, strictly between 0 and 1.

    Returns:
        (low, high), with low <= k / n <= high.

    Raises:
        UsageError: Counts or confidence out of range.
    """
    _check_counts(k, n, lowest=0)
    z = NormalDist().inv_cdf((1 + fraction("confidence", confidence, open_ends=True)) / 2)
    centre = k + z * z / 2
    spread = z * math.sqrt(k * (n - k) / n + z * z / 4)
    low = 0.0 if k == 0 else (centre - spread) / (n + z * z)
    high = 1.0 if k == n else (centre + spread) / (n + z * z)
    return low, high


def order_statistic_interval(k: int, n: int, confidence: float = 0.95) -> tuple[float, float, float]:
    """True exceedance rate of a threshold put at the k-th largest of n independent scores.

    Whatever the scores' (continuous) distribution, that rate is Beta(k, n - k + 1) distributed over draws of the n
    (David and Nagaraja, Order Statistics, section 2.1). On real images it is the false alarm rate to expect from an
    operating point estimated on them: of the n themselves, k - 1 lie above it.

    Args:
        k: Rank of the score used as threshold, 1 = the largest, to n.
        n: Number of scores, 1 or more.
        confidence: Central probability of the interval, strictly between 0 and 1.

    Returns:
        (low, mean, high), the mean being k / (n + 1).

    Raises:
        UsageError: Rank or confidence out of range.
    """
    _check_counts(k, n, lowest=1)
    tail = (1 - fraction("confidence", confidence, open_ends=True)) / 2
    return beta_quantile(tail, k, n - k + 1), k / (n + 1), beta_quantile(1 - tail, k, n - k + 1)


def _check_counts(k: int, n: int, lowest: int) -> None:
    if n < 1 or not lowest <= k <= n:
        raise UsageError("counts", f"{k} of {n} is not possible")

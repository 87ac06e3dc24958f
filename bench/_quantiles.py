"""How a sample of times is told."""

from collections.abc import Sequence

import numpy as np


def quantile(values: Sequence[float], share: float) -> float:
    """Interpolated; not a number where there are no values."""
    return float(np.quantile(values, share)) if len(values) else float("nan")


def spread(values: Sequence[float]) -> str:
    """Seconds as p50 / p95 / max."""
    return " / ".join(f"{quantile(values, share):.2f}" for share in (0.5, 0.95, 1.0))

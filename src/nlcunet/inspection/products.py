"""Products of matrices by torch instead of NumPy.

The threads that NumPy's library multiplies with spin while they wait for each other, and take no notice of how many
torch may use. On a machine that has other work to do, a reading of one megapixel then took 5.5 s instead of 0.3 s.
"""

import numpy as np
import torch
from jaxtyping import Float


def multiply(
    first: Float[np.ndarray, "rows inner"], second: Float[np.ndarray, "inner columns"]
) -> Float[np.ndarray, "rows columns"]:
    """The matrix product of two arrays of one type."""
    product: np.ndarray = (torch.from_numpy(first) @ torch.from_numpy(second)).numpy()
    return product


def principal_variances(samples: Float[np.ndarray, "count size"]) -> Float[np.ndarray, " size"]:
    """Variances of samples along their principal axes, largest first, none below 0."""
    centred = torch.from_numpy(samples - samples.mean(axis=0))
    covariance = (centred.T @ centred).double() / len(centred)
    variances: np.ndarray = torch.linalg.eigvalsh(covariance).flip(0).clamp(min=0).numpy()
    return variances

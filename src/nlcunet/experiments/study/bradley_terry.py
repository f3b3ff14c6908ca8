"""Strengths from pairwise choices: Bradley and Terry's model, by maximum likelihood.

    P(i is chosen over j) = 1 / (1 + exp(s_j - s_i)),   sum of all s = 0

A difference of scores is the log odds of a choice. R. A. Bradley and M. E. Terry, "Rank analysis of incomplete block
designs: I. The method of paired comparisons", Biometrika 39 (1952).

A maximum exists if and only if the systems cannot be split into two groups of which one never lost against the other
(L. R. Ford, American Mathematical Monthly 64 (1957)). Where they can, PSEUDO_WINS are added to both sides of every
pair, which keeps scores finite and in order; the result says so.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

PSEUDO_WINS = 0.5
"""Of a binomial proportion this is Haldane's and Anscombe's correction, and that of Jeffreys' prior."""

MAX_STEPS = 100
LONGEST_STEP = 2.0
TOLERANCE = 1e-10


@dataclass(frozen=True, kw_only=True)
class Strengths:
    """Scores of many sets of choices at once."""

    scores: Float[np.ndarray, "sets systems"]
    """Log strengths; each row sums to 0."""
    is_regularised: Bool[np.ndarray, " sets"]
    """Whether there was no maximum, and pseudo-wins were added."""


def fit_strengths(wins: Float[np.ndarray, "sets systems systems"]) -> Strengths:
    """The scores that make the choices most likely, by Newton's method.

    Args:
        wins: ``wins[:, i, j]`` is how often i was chosen over j; need not be whole. The diagonal is ignored.
    """
    num_systems = wins.shape[1]
    wins = wins * (1 - np.eye(num_systems))
    is_regularised = ~_has_maximum(wins)
    pseudo = PSEUDO_WINS * (1 - np.eye(num_systems))
    wins = wins + is_regularised[:, None, None] * pseudo
    counts = wins + wins.swapaxes(1, 2)
    scores = np.zeros(wins.shape[:2])
    likelihood = _log_likelihood(wins, scores)
    for _ in range(MAX_STEPS):
        chances = _chances(scores)
        gradient = (wins - counts * chances).sum(axis=2)
        if np.all(np.abs(gradient) <= TOLERANCE * (1 + counts.sum(axis=2))):
            break
        weights = counts * chances * (1 - chances)
        # the Hessian is singular along (1, …, 1); adding 1 there keeps the sum of scores at 0
        hessian = np.eye(num_systems) * weights.sum(axis=2)[:, None, :] - weights + 1 / num_systems
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        step *= np.minimum(1, LONGEST_STEP / np.maximum(np.abs(step).max(axis=1, keepdims=True), LONGEST_STEP))
        scores, likelihood = _climb(wins, scores, step, likelihood)
    return Strengths(scores=scores - scores.mean(axis=1, keepdims=True), is_regularised=is_regularised)


def _climb(
    wins: Float[np.ndarray, "sets systems systems"],
    scores: Float[np.ndarray, "sets systems"],
    step: Float[np.ndarray, "sets systems"],
    likelihood: Float[np.ndarray, " sets"],
) -> tuple[Float[np.ndarray, "sets systems"], Float[np.ndarray, " sets"]]:
    """Take the step, halved where it would lead down."""
    for _ in range(30):
        moved = _log_likelihood(wins, scores + step)
        is_lower = moved < likelihood - 1e-12 * np.abs(likelihood)
        if not is_lower.any():
            break
        step = np.where(is_lower[:, None], step / 2, step)
    return scores + step, _log_likelihood(wins, scores + step)


def _chances(scores: Float[np.ndarray, "sets systems"]) -> Float[np.ndarray, "sets systems systems"]:
    """Of each system to be chosen over each other one."""
    return np.asarray(np.exp(-np.logaddexp(0, scores[:, None, :] - scores[:, :, None])))


def _log_likelihood(
    wins: Float[np.ndarray, "sets systems systems"], scores: Float[np.ndarray, "sets systems"]
) -> Float[np.ndarray, " sets"]:
    return np.asarray(-(wins * np.logaddexp(0, scores[:, None, :] - scores[:, :, None])).sum(axis=(1, 2)))


def _has_maximum(wins: Float[np.ndarray, "sets systems systems"]) -> Bool[np.ndarray, " sets"]:
    """Whether every system can be reached from every other one along wins (Ford's condition)."""
    reached = (wins > 0) | np.eye(wins.shape[1], dtype=bool)
    for middle in range(wins.shape[1]):  # Warshall's closure
        reached = reached | (reached[:, :, middle, None] & reached[:, None, middle, :])
    return np.asarray(reached.all(axis=(1, 2)))

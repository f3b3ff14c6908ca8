"""How often 95 % intervals of the perceptual study hold the score of the whole population, by number of participants.

Three systems, scores 0.8, 0 and -0.8; each participant has scores of their own, normally distributed around these, and
answers 8 comparisons of each pair. Prints a Markdown table.
"""

import argparse

import numpy as np

from nlcunet.experiments.study.bootstrap import bootstrap
from nlcunet.experiments.study.bradley_terry import fit_strengths

SCORES = np.array([0.8, 0.0, -0.8])
COMPARISONS = 8
ABOVE = np.triu(np.ones((3, 3)), 1)


def chances(scores: np.ndarray) -> np.ndarray:
    """Of each system to be chosen over each other one, for each participant."""
    return 1 / (1 + np.exp(scores[:, None, :] - scores[:, :, None]))


def measure_coverage(people: int, spread: float, studies: int, resamples: int) -> float:
    """Share of the intervals that hold the truth."""
    random = np.random.default_rng(0)
    population = SCORES + spread * random.standard_normal((400_000, 3))
    truth = fit_strengths(chances(population).mean(axis=0, keepdims=True)).scores[0]
    held = 0
    for number in range(studies):
        first = random.binomial(COMPARISONS, chances(random.choice(population, people))) * ABOVE
        found = bootstrap(first + (COMPARISONS * ABOVE - first).swapaxes(1, 2), resamples, number)
        if found is not None:
            held += int(((found.lower <= truth) & (truth <= found.upper)).sum())
    return held / (len(SCORES) * studies)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, nargs="+", default=[5, 10, 20, 40])
    parser.add_argument("--spread", type=float, nargs="+", default=[0.0, 0.3, 0.8])
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--resamples", type=int, default=1000)
    flags = parser.parse_args()
    print(f"| participants | {' | '.join(f'spread {spread}' for spread in flags.spread)} |")
    print(f"|{'---:|' * (1 + len(flags.spread))}")
    for people in flags.people:
        shares = [measure_coverage(people, spread, flags.studies, flags.resamples) for spread in flags.spread]
        print(f"| {people} | {' | '.join(f'{100 * share:.1f} %' for share in shares)} |", flush=True)


if __name__ == "__main__":
    main()

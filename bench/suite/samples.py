"""Order statistics and their uncertainty. Nothing here knows what was measured."""

import math
import random
import statistics

DRAWS = 4000


def median(values):
    return statistics.median(values)


def upper_quartile(values):
    """The smallest value that three quarters do not exceed, as the programs have it."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(0.75 * len(ordered)) - 1)]


def middle_mean(values):
    """The mean of the middle half: nearly as steady as a mean, and no outlier moves it."""
    ordered = sorted(values)
    cut = len(ordered) // 4
    return statistics.fmean(ordered[cut:len(ordered) - cut])


def _interval(draw, confidence, seed):
    chance = random.Random(seed)  # the same figures give the same interval
    drawn = sorted(draw(chance) for _ in range(DRAWS))
    tail = (1 - confidence) / 2
    return drawn[int(tail * DRAWS)], drawn[min(DRAWS - 1, int((1 - tail) * DRAWS))]


def interval_of(values, estimate, confidence):
    """Bootstrap interval of an estimate over rounds."""
    return _interval(lambda chance: estimate(chance.choices(values, k=len(values))), confidence, len(values))


def ratio_interval(over, under, estimate, confidence):
    """Bootstrap interval of estimate(over) / estimate(under), drawn independently: their rounds need not be the same."""
    def draw(chance):
        return (estimate(chance.choices(over, k=len(over)))
                / estimate(chance.choices(under, k=len(under))))
    return _interval(draw, confidence, len(over) + len(under))

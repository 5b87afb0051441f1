# SPDX-License-Identifier: Apache-2.0
"""Rows of the table, and what a few runs come to. Two kinds that are compared
run by turns, so a ratio is the median of the pairs' own ratios: what else the
machine did meanwhile fell on both of a pair."""

import math
import statistics

median = statistics.median
ENOUGH = 5


def times_of(runs, why=""):
    """How often, and why not oftener."""
    if runs is None:
        return ""
    few = "fewer than five" if runs < ENOUGH and not why else ""
    return f"n={runs}" + (f" ({why or few})" if why or few else "")


def row(what, value, unit="", goal=None, within=None, beside="", note="",
        runs=None, why=""):
    """One line of the table. within: None when there is no goal. why: there
    are fewer than five runs."""
    return {"what": what, "value": value, "unit": unit, "goal": goal,
            "within": within, "beside": beside, "runs": runs,
            "note": "; ".join(t for t in (note, times_of(runs, why)) if t)}


def at_most(what, value, most, unit="", **more):
    return row(what, round(value, 3), unit, f"≤ {most:g}", value <= most,
               **more)


def at_least(what, value, least, unit="", **more):
    return row(what, round(value, 3), unit, f"≥ {least:g}", value >= least,
               **more)


def ratios(ours, theirs):
    """Of each pair, in the order they were measured."""
    return [a / b for a, b in zip(ours, theirs)]


def paired(ours, theirs):
    return median(ratios(ours, theirs))


def quartiles(values):
    """As text: half of the values lie between the two."""
    if len(values) < 3:
        return f"{min(values):.2f} to {max(values):.2f}"
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"quartiles {low:.3f} to {high:.3f}"


def exponent(points):
    """Of y = a x^b, by least squares on the logarithms."""
    xs = [math.log(x) for x, _ in points]
    ys = [math.log(y) for _, y in points]
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    return (sum((x - mx) * (y - my) for x, y in zip(xs, ys))
            / sum((x - mx) ** 2 for x in xs))

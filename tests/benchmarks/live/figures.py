"""What the live benchmarks make of their samples: percentiles, medians, verdicts, tables. No input or output."""

import math
import statistics


def percentile(samples, percent):
    """The nearest-rank percentile: the smallest sample that at least that share of all samples does not exceed."""
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def summary(samples):
    """Median and extremes of a few runs, as a dict."""
    return {"median": statistics.median(samples), "least": min(samples), "most": max(samples)}


class Verdict:
    """A figure and what was wanted of it.

    limit: the wanted value; at_least: whether more is better; digits: of the printed numbers
    """

    def __init__(self, what, value, limit, unit, at_least=True, digits=1):
        self.what, self.value, self.limit, self.unit = what, value, limit, unit
        self.at_least, self.digits = at_least, digits

    @property
    def reached(self):
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def text(self):
        """A line for people: reached, or missed by how much."""
        kind = "at least" if self.at_least else "at most"
        wanted = f"{kind} {self.limit:g} {self.unit}"
        if self.reached:
            end = "reached"
        else:
            end = f"MISSED by {abs(self.value - self.limit) / self.limit * 100:.1f} %"
        return f"{self.what}: {self.value:.{self.digits}f} {self.unit}, wanted {wanted}: {end}"

    def as_dict(self):
        return {
            "what": self.what,
            "value": self.value,
            "unit": self.unit,
            "limit": self.limit,
            "at_least": self.at_least,
            "reached": self.reached,
        }


def table(rows, left=1):
    """Lines of a text table; the first row is the head, the first `left` columns are set left, the others right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) if i < left else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))]
        lines.append("  ".join(cells).rstrip())
    return lines


def per_packet(cpu_ns, count):
    """CPU time divided by a number of packets, ns; 0 if there were none."""
    return cpu_ns / count if count else 0.0

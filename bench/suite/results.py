"""All runs of a session: where the cores were in each, and what a cell of them comes to."""

import collections

import samples

# As bench/harness/placement.hpp has it, there for one program and here for all of a session.
NEAR_WITHIN, SMT_BELOW, FAR_ABOVE = 1.25, 0.7, 1.4
LEAST_CPU_SHARE = 0.97

PLACED = ("ping_pong", "stream", "single", "batch")  # where the cores are decides what these cost

LATENCY_NOISE, RATE_NOISE = 0.10, 0.20  # what two sessions of the same code differ by

Cell = collections.namedtuple("Cell", "bench part transport size")


class Session:
    def __init__(self, runs):
        self.runs = runs
        probes = sorted(value for run in runs if run["bench"] in ("ping_pong", "throughput") and "failure" not in run
                        for value in probes_of(run))
        self.near_ns = near_of(probes)
        self.counts = collections.Counter()
        self.cells = collections.defaultdict(list)
        self.failures = collections.Counter()
        for run in runs:
            run["placement"] = self.placement_of(run)
            if "failure" in run:
                self.failures[f"{run['transport']}: {run['failure']}"] += 1
            elif run["bench"] in ("ping_pong", "throughput"):
                self.counts[run["placement"]] += 1
        # Quoted is the placement in which most runs were: whichever it is, ratios in it are of like with like.
        self.placement = max(("near", "far", "smt"), key=lambda place: self.counts[place])
        for run in runs:
            if "failure" not in run and run["placement"] in (self.placement, "any"):
                self.cells[cell_of(run)].append(run)

    def placement_of(self, run):
        # A process that is woken, set up or killed waits for the kernel, not for a cache line.
        if run["part"] not in PLACED:
            return "any"
        if not run["gives_core_away"] and run["cpu_share"] < LEAST_CPU_SHARE:
            return "disturbed"
        before, after = (self.name_of(value) for value in probes_of(run))
        return before if before == after else "mixed"

    def name_of(self, one_way_ns):
        if one_way_ns < SMT_BELOW * self.near_ns:
            return "smt"
        return "far" if one_way_ns > FAR_ABOVE * self.near_ns else "near"

    def disturbed_share(self):
        everything = sum(self.counts.values())
        return (self.counts["disturbed"] + self.counts["mixed"]) / everything if everything else 1.0

    def values(self, cell, field):
        return [run[field] for run in self.cells.get(cell, []) if run.get(field) is not None]

    def of(self, bench, part, size=None, origin=None, name=None):
        """Cells with runs, by what they are."""
        return [cell for cell, runs in self.cells.items()
                if (cell.bench, cell.part) == (bench, part) and size in (None, cell.size)
                and origin in (None, runs[0]["origin"]) and (name is None or cell.transport.startswith(name))]


def cell_of(run):
    size = f"{run['producers']:.0f}+{run['consumers']:.0f}" if run["part"] in ("crowd", "fan_out") else run["message_bytes"]
    return Cell(run["bench"], run["part"], run["transport"], size)


def probes_of(run):
    return run["raw_word_before_ns"], run["raw_word_after_ns"]


def near_of(probes):
    """The fastest value on which a fifth of all probes agree."""
    quorum = max(1, len(probes) // 5)
    for i, value in enumerate(probes):
        members = [probe for probe in probes[i:] if probe <= NEAR_WITHIN * value]
        if len(members) >= quorum:
            return members[len(members) // 2]
    return 0


def is_rate(field):
    return field == "messages_per_second"


def estimate_of(field):
    return samples.upper_quartile if is_rate(field) else samples.median

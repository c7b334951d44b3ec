#!/usr/bin/env python3
"""Two versions of the library, in pairs: each round runs every cell with A and with B one right after the other, in a
random order. Shown is the time B needs for a message against A's, with an interval, and a verdict in words.

Called by scripts/bench --compare, which has built both with the benches of this checkout."""

import argparse
import collections
import json
import math
import os
import random
import statistics
import sys
import time

import programs
import samples

Cell = collections.namedtuple("Cell", "name program arguments part value is_rate")

CONFIDENCE = 0.99        # ten cells of nothing show a difference in one comparison of ten
LEAST_DIFFERENCE = 0.01  # less is code alignment, and not worth a word
LEAST_PAIRS = 8
SAME_PLACE = 1.4         # raw one-word ping-pongs of a pair that differ by more were measured in different placements
LEAST_CPU_SHARE = 0.97


def latency(transport, size):
    return Cell(f"latency {transport} {size}", "bench_ping_pong",
                ["--only", "=" + transport, "--sizes", size], "ping_pong", "p50_ns", False)


def rate(transport, size, batch=False):
    return Cell(f"{'batch' if batch else 'rate'} {transport} {size}", "bench_throughput",
                ["--only", "=" + transport, "--sizes", size, "--parts", "batch" if batch else "single"],
                "batch" if batch else "single", "messages_per_second", True)


def crowd(transport, size):
    return Cell(f"crowd {transport} {size}", "bench_many", ["--only", "=" + transport, "--crowds", size],
                "crowd", "messages_per_second", True)


def wakeup(transport, part, value, is_rate):
    return Cell(f"{part} {transport}", "bench_wakeup", ["--only", "=" + transport, "--parts", part],
                part, value, is_rate)


DEFAULT = [
    latency("sluice:spsc", "8"), latency("sluice:spsc", "64"), latency("sluice:spsc", "4K"),
    latency("sluice:mpmc", "8"), latency("sluice:mpmc", "64"),
    rate("sluice:spsc", "8"), rate("sluice:spsc", "64"), rate("sluice:spsc", "64", batch=True),
    rate("sluice:mpmc", "8"), rate("sluice:mpmc", "64"),
]
MORE = [
    *(latency("sluice:spsc", size) for size in ("256", "1K", "64K", "1M")),
    *(rate("sluice:spsc", size) for size in ("256", "1K", "4K", "64K", "1M")),
    rate("sluice:spsc", "8", batch=True), rate("sluice:mpmc", "64", batch=True),
    *(latency(f"sluice:{ring}-bytes", size) for ring in ("spsc", "mpmc") for size in ("64", "1K")),
    *(rate(f"sluice:{ring}-bytes", size) for ring in ("spsc", "mpmc") for size in ("64", "1K")),
    *(of(f"sluice:{ring}", "64") for of in (latency, rate) for ring in ("topic", "topic-many")),
    latency("sluice:spsc copy", "64"), rate("sluice:spsc copy", "64"),
    latency("sluice:spsc busy_spin", "64"), rate("sluice:spsc busy_spin", "64"),
    crowd("sluice:mpmc", "1+1"), crowd("sluice:mpmc", "2+2"), crowd("sluice:mpmc", "4+4"),
    *(wakeup(f"sluice:{ring} spin_then_park", part, value, part == "stream")
      for ring in ("spsc", "mpmc") for part, value in (("ping_pong", "p50_ns"), ("stream", "messages_per_second"))),
    *(wakeup(f"sluice:{ring} park", part, value, False)
      for ring in ("spsc", "mpmc") for part, value in (("ping_pong", "p50_ns"), ("wake", "wake_p50_ns"))),
]


def measure(folder, cell):
    """@return (value, the slower and the faster raw ping-pong), or None for a run that cannot be counted."""
    # Some 10 ms are for finding out how long a tick is and for the probes; a crowd needs turns of the scheduler.
    document = programs.run(os.path.join(folder, cell.program), [*cell.arguments, "--rounds", "1"], 30)
    for run in document["runs"]:
        if run["part"] != cell.part:
            continue
        if "failure" in run:
            raise programs.ProgramFailed(f"{cell.name}: {run['failure']}")
        probes = (run["raw_word_before_ns"], run["raw_word_after_ns"])
        if cell.part in ("ping_pong", "single", "batch") and not run["gives_core_away"] \
                and run["cpu_share"] < LEAST_CPU_SHARE:
            return None
        return (run[cell.value], probes) if run[cell.value] > 0 else None
    raise programs.ProgramFailed(f"{cell.name}: no such run in the result of {cell.program}")


def same_place(first, second):
    probes = [value for value in (*first, *second) if value > 0]
    return not probes or max(probes) <= SAME_PLACE * min(probes)


def verdict(ratio, low, high, pairs):
    if pairs < LEAST_PAIRS:
        return "too few pairs"
    if low <= 1 <= high or abs(ratio - 1) < LEAST_DIFFERENCE:
        return "no difference shown"
    return "B is faster" if ratio < 1 else "B is slower"


def report(cells, pairs, dropped):
    interval = f"{CONFIDENCE:.0%} interval"
    print(f"{'cell':<40} {'A':>12} {'B':>12} {'time B / A':>10} {interval:>16} {'pairs':>6}  verdict")
    for cell in cells:
        taken = pairs[cell.name]
        if not taken:
            print(f"{cell.name:<40} no undisturbed pair in one placement ({dropped[cell.name]} dropped)")
            continue
        logs = [math.log(a / b if cell.is_rate else b / a) for a, b in taken]
        ratio = math.exp(samples.middle_mean(logs))
        low, high = (math.exp(edge) for edge in samples.interval_of(logs, samples.middle_mean, CONFIDENCE))
        shown = [statistics.median(side) for side in zip(*taken)]
        unit = "M/s" if cell.is_rate else "ns"
        if cell.is_rate:
            shown = [value / 1e6 for value in shown]
        print(f"{cell.name:<40} {shown[0]:>8.1f} {unit:<3} {shown[1]:>8.1f} {unit:<3} {ratio:>10.3f} "
              f"{low:>8.3f} .. {high:<5.3f} {len(taken):>5}  {verdict(ratio, low, high, len(taken))}"
              + (f" ({dropped[cell.name]} dropped)" if dropped[cell.name] else ""))


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench --compare A B", description=__doc__,
                                     usage="%(prog)s [OPTION...]")
    parser.add_argument("a", help=argparse.SUPPRESS)  # folders with the programs, by scripts/bench
    parser.add_argument("b", help=argparse.SUPPRESS)
    parser.add_argument("--cells", help="comma-separated parts of cell names; 'all' for every one (a default set)")
    parser.add_argument("--list-cells", action="store_true")
    parser.add_argument("--seconds", type=float, default=120,
                        help="rounds are begun until then (120); 0: build, and measure another time")
    parser.add_argument("--rounds", type=int, default=0, help="this many rounds at most (no limit)")
    parser.add_argument("--cpus", help="cores of the two processes (0,1)")
    parser.add_argument("--json", help="every pair, for later")
    options = parser.parse_args()

    cells = DEFAULT
    if options.list_cells or options.cells == "all":
        cells = DEFAULT + MORE
    elif options.cells:
        wanted = options.cells.split(",")
        cells = [cell for cell in DEFAULT + MORE if any(part in cell.name for part in wanted)]
    if options.list_cells:
        for cell in cells:
            print(cell.name + ("" if cell in DEFAULT else "   (not in the default set)"))
        return 0
    if not cells:
        print("no cell has such a name (--list-cells names them)", file=sys.stderr)
        return 2
    if options.cpus:
        cells = [cell._replace(arguments=[*cell.arguments, "--cpus", options.cpus]) for cell in cells]

    pairs = {cell.name: [] for cell in cells}
    dropped = collections.Counter()
    began = time.monotonic()
    rounds = 0
    while time.monotonic() - began < options.seconds and (options.rounds == 0 or rounds < options.rounds):
        rounds += 1
        programs.say(f"round {rounds}, {time.monotonic() - began:.0f} of {options.seconds:.0f} s")
        for cell in random.sample(cells, len(cells)):
            order = random.sample(["a", "b"], 2)
            try:
                seen = {side: measure(getattr(options, side), cell) for side in order}
            except programs.ProgramFailed as failure:
                print(f"error: {failure}", file=sys.stderr)
                return 1
            if None in seen.values() or not same_place(seen["a"][1], seen["b"][1]):
                dropped[cell.name] += 1
                continue
            pairs[cell.name].append((seen["a"][0], seen["b"][0]))
    if rounds == 0:
        print("built; nothing was measured")
        return 0
    report(cells, pairs, dropped)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump([{"cell": cell.name, "is_rate": cell.is_rate, "pairs": pairs[cell.name],
                        "dropped": dropped[cell.name]} for cell in cells], file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())

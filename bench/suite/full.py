#!/usr/bin/env python3
"""Everything that is measured, within a given time, and one table of what must hold.

Called by scripts/bench, which has built the programs. They run one at a time, in rounds: each round starts every program
of the session in a new random order for one interleaved round of its own, so that a slow minute of the machine meets all
of them. A program or a transport that does not answer in time is named and left out from there on."""

import argparse
import collections
import datetime
import os
import platform
import random
import subprocess
import sys
import time

import programs
import report
from results import Session

# They start daemons, or look for each other, before each run: every other round is enough for figures that far off.
SLOW_PEERS = ["iceoryx", "Fast DDS", "ZeroMQ", "nng"]

Slice = collections.namedtuple("Slice", "name program arguments every limit_seconds")
Slice.__doc__ = "One invocation; `every` third round, say; 0: only in the first."


def slices(quick):
    sizes = ["--sizes", "8,64,4K"] if quick else []
    short = ["--run-ms", "15", "--warm-up-ms", "3"] if quick else []
    once = ["--rounds", "1"]
    fast = ["--except", ",".join(SLOW_PEERS)]
    slow = ["--only", ",".join(SLOW_PEERS)]
    talking = ["--parts", "ping_pong,wake,stream"]
    return [
        Slice("latency", "bench_ping_pong", [*once, *sizes, *short, *fast], 1, 120),
        Slice("throughput", "bench_throughput", [*once, *sizes, *short, *fast, "--parts", "single,batch"], 1, 120),
        Slice("sleeping", "bench_wakeup", [*once, *short, *fast, *talking], 1, 120),
        Slice("crowds", "bench_many", [*once, *fast], 1, 120),
        Slice("set-up", "bench_setup", ["--rounds", "9" if quick else "7"], 0 if quick else 1, 60),
        Slice("latency, slow peers", "bench_ping_pong", [*once, *sizes, *short, *slow], 2, 120),
        Slice("throughput, slow peers", "bench_throughput", [*once, *sizes, *short, *slow, "--parts", "single,batch"],
              2, 120),
        Slice("sleeping, slow peers", "bench_wakeup", [*once, *short, *slow, *talking], 2, 120),
        Slice("system calls", "bench_wakeup", ["--rounds", "2", "--only", "sluice", "--parts", "calls"], 0, 120),
        Slice("idle", "bench_wakeup", [*once, *(["--only", "park"] if quick else []), "--parts", "idle"], 0, 120),
        Slice("recovery", "bench_recovery", ["--rounds", "1" if quick else "3"], 0 if quick else 3, 120),
    ]


class Runner:
    def __init__(self, folder, cpus):
        self.folder = folder
        self.cpus = cpus
        self.runs = []
        self.silent = []  # transports that do not answer
        self.broken = {}  # slices that do not
        self.heads = {}

    def run(self, piece):
        if piece.name in self.broken:
            return
        arguments = [*piece.arguments, "--cpus", self.cpus]
        if self.silent:
            names = ",".join("=" + name for name in self.silent)
            if "--except" in arguments:
                arguments[arguments.index("--except") + 1] += "," + names
            else:
                arguments += ["--except", names]
        try:
            document = programs.run(os.path.join(self.folder, piece.program), arguments, piece.limit_seconds)
        except (programs.ProgramFailed, OSError) as failure:
            self.broken[piece.name] = f"{piece.program}: {failure}"
            programs.say(f"   {piece.program}: {failure}")
            return
        self.heads.setdefault(document["bench"], {key: document[key] for key in document
                                                  if key not in ("runs", "printed")})
        for run in document["runs"]:
            run["bench"] = document["bench"]
            if run.get("failure", "").startswith("did not answer") and run["transport"] not in self.silent:
                self.silent.append(run["transport"])
                programs.say(f"   {run['transport']} did not answer: left out from here on")
            # A curve is drawn for one size; the rest of the curves would be most of the file.
            if run["message_bytes"] != 64:
                run.pop("curve_ns", None)
            self.runs.append(run)

    def google_benchmark(self, program, what, arguments, limit_seconds=120):
        try:
            return programs.run(os.path.join(self.folder, program), arguments, limit_seconds,
                                ("--benchmark_out={}", "--benchmark_out_format=json"))
        except (programs.ProgramFailed, OSError) as failure:
            self.broken[what] = f"{program}: {failure}"
            return None

    def micro(self, quick):
        seconds = "0.01" if quick else "0.2"
        return self.google_benchmark("bench_micro", "single calls", ["--benchmark_min_time=" + seconds])

    def memory(self, quick):
        return self.google_benchmark("bench_memory", "mapped memory", ["--quick"] if quick else [])

    def durability(self, quick):
        """A disk that takes three times as long as the one it was written on is named, not waited for."""
        if quick:
            return self.google_benchmark("bench_durable", "durability", ["--benchmark_filter=^durable/64/"], 10)
        return self.google_benchmark("bench_durable", "durability", [], 45)


def version():
    found = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", usage="%(prog)s [OPTION...]", description=__doc__,
                                     epilog="scripts/bench --compare A B --help tells of comparing two versions")
    parser.add_argument("folder", help=argparse.SUPPRESS)  # with the programs, by scripts/bench
    parser.add_argument("--quick", action="store_true",
                        help="about a minute: three sizes, short runs; for a look, not for a claim")
    parser.add_argument("--seconds", type=float, help="no round is begun after this (540; quick: 50)")
    parser.add_argument("--cpus", default="0,1", help="cores of the two processes (0,1)")
    parser.add_argument("--out", help="folder of the results (bench/results, if the machine was quiet enough)")
    options = parser.parse_args()
    seconds = options.seconds or (50 if options.quick else 540)

    began = time.monotonic()
    started = datetime.datetime.now(datetime.timezone.utc)
    runner = Runner(options.folder, options.cpus)
    spent = collections.defaultdict(list)
    all_slices = slices(options.quick)
    rounds = 0
    alone = {}  # what programs of Google Benchmark measured, once
    while True:
        due = [piece for piece in all_slices
               if (rounds == 0 if piece.every == 0 else rounds % piece.every == 0)]
        random.shuffle(due)
        is_last = False
        for piece in due:
            # The first round is always whole. Later, nothing is begun that would not be through in time.
            expected = max(spent[piece.name], default=0)
            if rounds > 0 and time.monotonic() - began + expected > seconds:
                is_last = True
                continue
            at = time.monotonic()
            programs.say(f"round {rounds + 1}, {at - began:3.0f} of {seconds:.0f} s: {piece.name}")
            runner.run(piece)
            spent[piece.name].append(time.monotonic() - at)
        if rounds == 0:
            for what, measure in (("single calls", runner.micro), ("mapped memory", runner.memory),
                                  ("durability", runner.durability)):
                programs.say(f"round 1, {time.monotonic() - began:3.0f} of {seconds:.0f} s: {what}")
                alone[what] = measure(options.quick)
        rounds += 1
        if is_last or time.monotonic() - began > seconds:
            break

    head = {
        "date": started.strftime("%Y-%m-%dT%H:%M:%SZ"), "version": version(), "quick": options.quick,
        "seconds": round(time.monotonic() - began), "rounds": rounds, "cpus": options.cpus, "cores": os.cpu_count(),
        "kernel": platform.release(),
    }
    for name in ("cpu", "compiler", "absent"):
        head[name] = next((one[name] for one in runner.heads.values()), None)
    head["curve_shares"] = next((one["curve_shares"] for one in runner.heads.values()), [])
    session = Session(runner.runs)
    return report.write(head, session, runner, alone, options.out)


if __name__ == "__main__":
    sys.exit(main())

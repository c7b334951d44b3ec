"""The session as tables: printed, and stored beside its runs and its plots."""

import json
import os
import re

import plots
import samples
import targets
from results import Cell, estimate_of, is_rate

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MOST_DISTURBED = 0.25  # a session with more than this is not for the record
SIZE_ORDER = (8, 64, 256, 1024, 4096, 65536, 1048576)


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(value) for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def shown(value, unit):
    if unit == "M/s":
        return f"{value / 1e6:.3g}"
    if unit == "us":
        return f"{value / 1e3:.1f}"
    return f"{value:.0f}"


def matrix(session, bench, part, field, unit):
    """A row for each transport, a column for each size."""
    cells = session.of(bench, part)
    sizes = [size for size in SIZE_ORDER if any(cell.size == size for cell in cells)]
    origins = {cell.transport: session.cells[cell][0]["origin"] for cell in cells}
    rows = []
    for name in sorted(origins, key=lambda name: (["floor", "sluice", "reference", "peer"].index(origins[name]), name)):
        row = [name]
        for size in sizes:
            values = session.values(Cell(bench, part, name, size), field)
            row.append(f"{shown(estimate_of(field)(values), unit)} ({len(values)})" if values else "-")
        rows.append(row)
    return table(["", *(targets.SIZES[size] for size in sizes)], rows) if rows else "nothing was measured\n"


def row_of(session, cell, fields):
    row = []
    for field, unit, choose in fields:
        values = session.values(cell, field)
        row.append("-" if not values else choose(values) if unit is None else shown(choose(values), unit))
    return row


def blocking(session):
    names = sorted({cell.transport for cell in session.cells if cell.bench == "wakeup"})
    rows = []
    for name in names:
        def of(part):
            return Cell("wakeup", part, name, 64)
        row = [name]
        row += row_of(session, of("ping_pong"), [("p50_ns", "us", samples.median), ("p99_ns", "us", samples.median)])
        row += row_of(session, of("wake"), [("wake_p50_ns", "us", samples.median),
                                            ("send_p50_ns", "us", samples.median)])
        row += row_of(session, of("idle"), [("idle_cpu_share", None, lambda v: f"{samples.median(v):.3%}")])
        row += row_of(session, of("stream"), [("messages_per_second", "M/s", samples.upper_quartile),
                                              ("messages_per_second", "M/s", min)])
        calls = session.cells.get(of("calls"), [])
        row.append("-" if not calls else f"{max(run['system_calls'] / run['messages'] for run in calls):.6f}")
        rows.append(row)
    return table(["64 B", "ping-pong p50, us", "p99", "wake of an idle one, us", "send call, us", "idle CPU",
                  "stream, M/s", "worst", "system calls a message"], rows)


def crowds(session):
    cells = sorted(session.of("many", "crowd") + session.of("many", "fan_out"),
                   key=lambda cell: (cell.part, cell.size, cell.transport))
    return table(["64 B", "", "processes", "M/s", "worst round", "least served consumer", "least heard producer",
                  "longest silence, ms"],
                 [[cell.transport, cell.part.replace("_", " "), cell.size,
                   *row_of(session, cell, [
                       ("messages_per_second", "M/s", samples.median), ("messages_per_second", "M/s", min),
                       ("least_consumer_share", None, lambda v: f"{samples.median(v):.2f}"),
                       ("least_producer_share", None, lambda v: f"{samples.median(v):.2f}"),
                       ("longest_gap_ns", None, lambda v: f"{max(v) / 1e6:.0f}")])] for cell in cells])


def setting_up(session):
    steps = [(prefix + step + "_ns", "us", samples.median)
             for prefix in ("cold_", "") for step in ("create", "attach", "first")]
    sizes = [(name + "_bytes", None, lambda v: f"{samples.median(v) / 1024:.0f}")
             for name in ("mapped", "empty", "full", "producer_rss", "consumer_rss")]
    names = sorted({cell.transport for cell in session.of("setup", "setup")})
    return table(["1,024 x 64 B", "create, us, new process", "attach", "first message", "create, warm", "attach",
                  "first message", "mapped, KiB", "empty", "full", "producer's RSS +", "consumer's RSS +"],
                 [[name, *row_of(session, Cell("setup", "setup", name, 64), steps),
                   *row_of(session, Cell("setup", "memory", name, 64), sizes)] for name in names])


def recovery(session):
    cells = sorted(cell for cell in session.cells if cell.bench == "recovery")
    return table(["ms after kill -9", "", "median", "least", "worst", "kills"],
                 [[cell.transport, cell.part,
                   *(f"{choose(session.values(cell, 'recovered_ns')) / 1e6:.1f}"
                     for choose in (samples.median, min, max)),
                   len(session.values(cell, "recovered_ns"))] for cell in cells])


def single_calls(micro):
    if micro is None:
        return "not measured\n"
    rows = []
    for one in micro["benchmarks"]:
        if one.get("error_occurred"):
            rows.append([one["name"], "failed: " + one.get("error_message", "")])
        elif "items_per_second" in one:  # an iteration is a thousand pairs of push and pop
            rows.append([one["name"], f"{1e9 / one['items_per_second']:.3g} ns a pair"])
        else:
            rows.append([one["name"], f"{one['real_time']:.3g} {one['time_unit']}"])
    tail = [line for line in micro["printed"].splitlines() if line.startswith("sluice:")]
    return table(["one process", "a call"], rows) + "\n" + "".join(f"- {line}\n" for line in tail)


def mapped_memory(memory):
    if memory is None:
        return "not measured\n"
    known = {"name", "family_index", "per_family_instance_index", "run_name", "run_type", "repetitions",
             "repetition_index", "threads", "aggregate_name", "aggregate_unit", "iterations", "real_time", "cpu_time",
             "time_unit", "label"}
    rows = []
    for one in memory["benchmarks"]:
        name = one["run_name"].split("/iterations:")[0]
        if one.get("error_occurred"):
            rows.append([name, one.get("error_message", "failed"), ""])
        elif one.get("aggregate_name") == "median":
            beside = [one["label"]] if one.get("label") else []
            beside += [f"{key} {value:.3g}" for key, value in one.items() if key not in known]
            rows.append([name, f"{one['real_time']:.3g} {one['time_unit']}", ", ".join(beside)])
    return table(["mapped memory", "median", "beside"], sorted(rows))


def durability(durable):
    """A row for each durability, and how many times as fast a channel of that size is without."""
    if durable is None:
        return "not measured\n"
    rates, failures = {}, []
    for one in durable["benchmarks"]:
        _, size, how = one["run_name"].split("/")[:3]
        if one.get("error_occurred"):
            failures.append(f"- {size} B, {how}: {one.get('error_message', 'failed')}\n")
        elif one.get("aggregate_name") == "median":
            rates[how, int(size)] = one["items_per_second"]
    sizes = sorted({size for _, size in rates})
    rows = []
    for how in dict.fromkeys(how for how, _ in rates):
        row = [how.replace("_", " ")]
        for size in sizes:
            rate, none = rates.get((how, size)), rates.get(("none", size))
            row += [f"{rate:,.0f}" if rate else "-", f"{none / rate:,.1f} x" if rate and none else "-"]
        rows.append(row)
    header = [column for size in sizes for column in (f"{targets.SIZES[size]}, messages/s", "without it")]
    return (table(["one spsc channel on a disk", *header], rows) if rows else "nothing was measured\n") + "".join(failures)


def verdicts(lines):
    return table(["measure", "must", "measured", f"{targets.CONFIDENCE:.0%} interval", "verdict", ""],
                 [[line.measure, line.must, line.measured, line.interval, line.verdict, line.detail] for line in lines])


def name_of(head):
    cpu = re.sub(r"\((r|tm|c)\)", "", (head["cpu"] or "unknown").lower())
    cpu = re.sub(r"[^a-z0-9]+", "-", cpu).strip("-")
    return f"{head['date'][:10]}-{cpu}"


def text_of(head, session, runner, alone, lines, picture):
    counts = targets.counts(lines)
    placements = ", ".join(f"{name} {count}" for name, count in sorted(session.counts.items()))
    parts = [f"# {head['date'][:10]}, {head['cpu']}\n",
             f"Version {head['version']}, {head['cores']} cores, Linux {head['kernel']}, g++ {head['compiler']}; "
             f"processes on cores {head['cpus']}; {head['rounds']} rounds in {head['seconds']} s"
             f"{', quick: for a look, not for a claim' if head['quick'] else ''}.\n",
             f"Near here is {session.near_ns:.0f} ns one way for a raw word. Quoted are runs in the placement "
             f"**{session.placement}**, in which most were ({placements}). Latency: median over rounds; throughput: upper "
             "quartile over rounds; in brackets the number of runs. Differences below 10 % (latency) or 20 % (throughput) "
             "are noise; intervals are bootstrapped over rounds.\n",
             "## What must hold\n", ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) + ".\n",
             verdicts(lines)]
    if picture:
        parts += [f"![latency percentiles and throughput by size]({picture})\n"]
    for title, part, field, unit in (("p50", "ping_pong", "p50_ns", "ns"), ("p99", "ping_pong", "p99_ns", "ns"),
                                     ("p99.9", "ping_pong", "p999_ns", "ns")):
        parts += [f"## One-way latency {title}, busy poll, ns\n", matrix(session, "ping_pong", part, field, unit)]
    parts += ["## Throughput, one at a time, M messages/s\n",
              matrix(session, "throughput", "single", "messages_per_second", "M/s"),
              "## Throughput, in batches of 32, M messages/s\n",
              matrix(session, "throughput", "batch", "messages_per_second", "M/s"),
              "## Able to sleep\n", blocking(session), "## Crowds on two cores\n", crowds(session),
              "## Setting up, and memory\n", setting_up(session), "## After a kill\n", recovery(session),
              "## Single calls\n", single_calls(alone["single calls"]),
              "## Mapped memory\n", mapped_memory(alone["mapped memory"]),
              "## Durability\n", durability(alone["durability"])]
    missing = [f"- absent, not found when this was built: {name}\n" for name in head["absent"] or []]
    missing += [f"- did not answer, and was left out from there on: {name}\n" for name in runner.silent]
    missing += [f"- failed: {what} ({count} runs)\n" for what, count in sorted(session.failures.items())]
    missing += [f"- not measured: {name}: {why}\n" for name, why in sorted(runner.broken.items())]
    parts += ["## What is missing\n", "".join(missing) or "Nothing.\n"]
    return "\n".join(parts)


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, list):
        return [rounded(one) for one in value]
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return value


def write(head, session, runner, alone, out):
    lines = targets.judge_all(session)
    is_for_the_record = not head["quick"] and session.disturbed_share() <= MOST_DISTURBED
    folder = out or os.path.join(ROOT, "bench/results" if is_for_the_record else "build/bench-results")
    os.makedirs(folder, exist_ok=True)
    name = name_of(head)
    path = os.path.join(folder, name)
    picture = f"{name}.svg" if plots.draw(session, head, path + ".svg") else None
    text = text_of(head, session, runner, alone, lines, picture)
    with open(path + ".md", "w", encoding="utf-8") as file:
        file.write(text)
    with open(path + ".json", "w", encoding="utf-8") as file:
        document = {"head": head, "placement": session.placement, "near_ns": session.near_ns,
                    "verdicts": [line._asdict() for line in lines],
                    **{what.replace(" ", "_"): found["benchmarks"] if found else None for what, found in alone.items()},
                    "silent": runner.silent, "broken": runner.broken, "runs": session.runs}
        json.dump(rounded(document), file, separators=(",", ":"))
        file.write("\n")

    width = max(len(line.measure) for line in lines)
    for line in lines:
        print(f"{line.measure:<{width}}  {line.must:<40} {line.measured:>9}  {line.verdict}")
    print(", ".join(f"{count} {kind}" for kind, count in sorted(targets.counts(lines).items())))
    for kind, found in (("did not answer", runner.silent), ("not measured", runner.broken), ("absent", head["absent"])):
        for one in found or []:
            print(f"{kind}: {one}")
    print(f"runs by placement: {dict(session.counts)}; quoted: {session.placement}")
    if not is_for_the_record and not out:
        why = "--quick" if head["quick"] else f"{session.disturbed_share():.0%} of the runs were disturbed or moved"
        print(f"not for the record ({why}): bench/results is left as it is")
    print(f"results: {os.path.relpath(path)}.md, .json" + (", .svg" if picture else ""))
    return 0

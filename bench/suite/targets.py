"""What must hold, against what was measured. Every line of the list is in the table, measured or not."""

import collections

import samples
from results import Cell, LATENCY_NOISE, RATE_NOISE, estimate_of, is_rate

CONFIDENCE = 0.95
FEW_RUNS = 3

Line = collections.namedtuple("Line", "measure must measured interval verdict detail")

KIB = 1024
SMALL, LARGE = (256, 1024, 4096), (65536, 1048576)
SIZES = {8: "8 B", 64: "64 B", 256: "256 B", 1024: "1 KiB", 4096: "4 KiB", 65536: "64 KiB", 1048576: "1 MiB"}


def judge(value, limit, at_most, noise, strict=False):
    """@return in words whether the value is on the right side of the limit, and how far from it."""
    if at_most:
        is_met, beyond = (value < limit if strict else value <= limit), value / limit - 1 if limit else value
    else:
        is_met, beyond = (value > limit if strict else value >= limit), 1 - value / limit
    if is_met:
        return "met, within noise" if limit and -beyond < noise else "met"
    if not limit:
        return "missed"
    return f"missed by {beyond:.0%}" + (", within noise" if beyond <= noise else "")


class Table:
    def __init__(self, session):
        self.session = session
        self.lines = []

    def add(self, measure, must, measured="-", interval="", verdict="not measured", detail=""):
        self.lines.append(Line(measure, must, measured, interval, verdict, detail))

    def best(self, cells, field):
        """The cell that does best at this field."""
        cells = [cell for cell in cells if self.session.values(cell, field)]
        choose = max if is_rate(field) else min
        return choose(cells, key=lambda cell: estimate_of(field)(self.session.values(cell, field)), default=None)

    def ratio(self, measure, must, ours, field, against, limit, at_most, noise, strict=False, against_field=None):
        """A line for ours / against. @param against  cells, of which the best counts."""
        own = self.session.values(ours, field)
        against_field = against_field or field
        other = self.best(against, against_field)
        if not own or other is None:
            missing = ours.transport if not own else "what it is to be compared with"
            return self.add(measure, must, detail=f"no run of {missing} in this session that could be counted")
        theirs = self.session.values(other, against_field)
        estimate = estimate_of(field)
        if estimate(theirs) <= 0:
            return self.add(measure, must, detail=f"{other.transport} measured 0")
        value = estimate(own) / estimate(theirs)
        low, high = samples.ratio_interval(own, theirs, estimate, CONFIDENCE)
        few = " (few runs)" if min(len(own), len(theirs)) < FEW_RUNS else ""
        name = f"{other.transport} batch" if other.part == "batch" else other.transport
        return self.add(measure, must, f"{value:.2f}", f"{low:.2f} .. {high:.2f}",
                        judge(value, limit, at_most, noise, strict) + few,
                        f"{amount(estimate(own), field)} / {amount(estimate(theirs), field)} of {name}, "
                        f"{len(own)} and {len(theirs)} runs")

    def absolute(self, measure, must, values, limit, at_most, noise, show, detail="", estimate=samples.median):
        if not values:
            return self.add(measure, must, detail=detail or "no run in this session that could be counted")
        value = estimate(values)
        low, high = samples.interval_of(values, estimate, CONFIDENCE)
        few = " (few runs)" if len(values) < FEW_RUNS else ""
        return self.add(measure, must, show(value), f"{show(low)} .. {show(high)}" if len(values) > 1 else "",
                        judge(value, limit, at_most, noise) + few, f"{detail}{', ' if detail else ''}{len(values)} runs")


def amount(value, field):
    if is_rate(field):
        return f"{value / 1e6:.3g} M/s"
    return f"{value:.0f} ns" if value < 10_000 else f"{value / 1e3:.1f} us"


def judge_all(session):
    table = Table(session)
    for part in (latency, tails, throughput, any_length, mpmc, topics, calls, sleeping, waking, setting_up, for_users):
        part(table, session)
    return table.lines


def latency(table, session):
    for size, limit in ((8, 1.10), (64, 1.15)):
        ours = Cell("ping_pong", "ping_pong", "sluice:spsc", size)
        what = f"SPSC one-way latency p50, {SIZES[size]}, busy poll"
        table.ratio(what, f"<= {limit} x slot floor", ours, "p50_ns",
                    session.of("ping_pong", "ping_pong", size, name="floor:slot"), limit, True, LATENCY_NOISE)
        table.ratio(what, "below every peer", ours, "p50_ns", session.of("ping_pong", "ping_pong", size, "peer"),
                    1, True, LATENCY_NOISE, strict=True)
    for size in SMALL + LARGE:
        ours = Cell("ping_pong", "ping_pong", "sluice:spsc", size)
        what = f"SPSC one-way latency p50, {SIZES[size]}, in place"
        table.ratio(what, "<= 1.25 x slot floor", ours, "p50_ns",
                    session.of("ping_pong", "ping_pong", size, name="floor:slot"), 1.25, True, LATENCY_NOISE)
        table.ratio(what, "not above the best peer", ours, "p50_ns",
                    session.of("ping_pong", "ping_pong", size, "peer"), 1, True, LATENCY_NOISE)


def tails(table, session):
    for size in (8, 64):
        for field, name in (("p99_ns", "p99"), ("p999_ns", "p99.9")):
            table.ratio(f"SPSC one-way latency {name}, {SIZES[size]}", "not above the best peer",
                        Cell("ping_pong", "ping_pong", "sluice:spsc", size), field,
                        session.of("ping_pong", "ping_pong", size, "peer"), 1, True, LATENCY_NOISE)


def throughput(table, session):
    def against_peers(size, part, limit):
        peers = [*session.of("throughput", "single", size, "peer"), *session.of("throughput", "batch", size, "peer")]
        how = "in batches" if part == "batch" else "one at a time"
        table.ratio(f"SPSC throughput, {SIZES[size]}, {how}",
                    f">= {limit} x best peer" if limit != 1 else "not below the best peer",
                    Cell("throughput", part, "sluice:spsc", size), "messages_per_second", peers, limit, False,
                    RATE_NOISE)
    for size, single, batch in ((8, 1.5, 2.5), (64, 1.3, 2)):
        against_peers(size, "single", single)
        against_peers(size, "batch", batch)
    for size in SMALL + LARGE:
        against_peers(size, "single", 1)


def any_length(table, session):
    for ring in ("spsc", "mpmc"):
        for size in (64, 1024):
            table.ratio(f"{ring} latency p50 of messages of any length, {SIZES[size]}", "<= 1.15 x the ring of one size",
                        Cell("ping_pong", "ping_pong", f"sluice:{ring}-bytes", size), "p50_ns",
                        [Cell("ping_pong", "ping_pong", f"sluice:{ring}", size)], 1.15, True, LATENCY_NOISE)
            table.ratio(f"{ring} throughput of messages of any length, {SIZES[size]}", ">= 0.8 x the ring of one size",
                        Cell("throughput", "single", f"sluice:{ring}-bytes", size), "messages_per_second",
                        [Cell("throughput", "single", f"sluice:{ring}", size)], 0.8, False, RATE_NOISE)
    for size in (64, 1024):
        table.ratio(f"spsc throughput of messages of any length, {SIZES[size]}", "above every peer",
                    Cell("throughput", "single", "sluice:spsc-bytes", size), "messages_per_second",
                    session.of("throughput", "single", size, "peer"), 1, False, RATE_NOISE, strict=True)


def mpmc(table, session):
    for size in (8, 64):
        table.ratio(f"MPMC 1+1 latency p50, {SIZES[size]}", "not behind ref:vyukov_mpmc",
                    Cell("ping_pong", "ping_pong", "sluice:mpmc", size), "p50_ns",
                    [Cell("ping_pong", "ping_pong", "ref:vyukov_mpmc", size)], 1, True, LATENCY_NOISE)
        table.ratio(f"MPMC 1+1 throughput, {SIZES[size]}", "not behind ref:vyukov_mpmc",
                    Cell("throughput", "single", "sluice:mpmc", size), "messages_per_second",
                    [Cell("throughput", "single", "ref:vyukov_mpmc", size)], 1, False, RATE_NOISE)
    for crowd in ("2+2", "4+4"):
        ours = Cell("many", "crowd", "sluice:mpmc", crowd)
        what = f"MPMC 64 B, {crowd} processes on two cores"
        table.ratio(what, "above every peer", ours, "messages_per_second", session.of("many", "crowd", crowd, "peer"),
                    1, False, RATE_NOISE, strict=True)
        table.ratio(what, ">= 2 x Boost.Interprocess mq", ours, "messages_per_second",
                    [Cell("many", "crowd", "Boost.Interprocess mq", crowd)], 2, False, RATE_NOISE)
        table.absolute(what, "least served consumer >= half its share", session.values(ours, "least_consumer_share"),
                       0.5, False, 0, lambda share: f"{share:.2f}", "sluice:mpmc")
    table.ratio("MPMC 64 B, 4+4 processes on two cores", ">= a third of 1+1",
                Cell("many", "crowd", "sluice:mpmc", "4+4"), "messages_per_second",
                [Cell("many", "crowd", "sluice:mpmc", "1+1")], 1 / 3, False, RATE_NOISE)


def topics(table, session):
    for size in (64, 1024):
        table.ratio(f"topic, one subscriber, latency p50, {SIZES[size]}", "<= 1.1 x our spsc",
                    Cell("ping_pong", "ping_pong", "sluice:topic", size), "p50_ns",
                    [Cell("ping_pong", "ping_pong", "sluice:spsc", size)], 1.1, True, LATENCY_NOISE)
    for fan_out in ("1+1", "1+2", "1+4"):
        table.ratio(f"topic 64 B, {fan_out}, delivered", "above every peer", Cell("many", "fan_out", "sluice:topic", fan_out),
                    "messages_per_second", session.of("many", "fan_out", fan_out, "peer"), 1, False, RATE_NOISE,
                    strict=True)
    for fan_out in ("1+2", "1+4"):
        table.ratio(f"topic 64 B, {fan_out}, delivered", ">= a third of 1+1",
                    Cell("many", "fan_out", "sluice:topic", fan_out), "messages_per_second",
                    [Cell("many", "fan_out", "sluice:topic", "1+1")], 1 / 3, False, RATE_NOISE)
    for crowd in ("2+2", "4+4"):
        table.ratio(f"MPMC any length 64 B, {crowd} processes on two cores", ">= 5 x Boost.Interprocess mq",
                    Cell("many", "crowd", "sluice:mpmc-bytes", crowd), "messages_per_second",
                    [Cell("many", "crowd", "Boost.Interprocess mq", crowd)], 5, False, RATE_NOISE)


def calls(table, session):
    """Of a service the links show half of a call, so half of what a call may take."""
    ours = Cell("ping_pong", "ping_pong", "sluice:service", 64)
    table.ratio("call of a service, 64 B, busy poll", "<= 2.3 x our spsc one way, halved", ours, "p50_ns",
                [Cell("ping_pong", "ping_pong", "sluice:spsc", 64)], 1.15, True, LATENCY_NOISE)
    table.ratio("call of a service, 64 B, busy poll", "below every peer's round trip", ours, "p50_ns",
                session.of("ping_pong", "ping_pong", 64, "peer"), 1, True, LATENCY_NOISE, strict=True)
    table.ratio("call of a service, 64 B, asleep", "<= 2.2 x a raw futex wake, halved",
                Cell("wakeup", "ping_pong", "sluice:service park", 64), "p50_ns",
                [Cell("wakeup", "ping_pong", "floor:futex", 64)], 1.1, True, LATENCY_NOISE)


def sleeping(table, session):
    ours = Cell("wakeup", "stream", "sluice:spsc spin_then_park", 64)
    what = "SPSC throughput when both may sleep, 64 B"
    table.ratio(what, ">= 0.6 x busy poll (the same calls)", ours, "messages_per_second",
                [Cell("wakeup", "stream", "sluice:spsc busy_spin", 64)], 0.6, False, RATE_NOISE)
    table.ratio(what, ">= 0.6 x busy poll (polled in place)", ours, "messages_per_second",
                [Cell("throughput", "single", "sluice:spsc", 64)], 0.6, False, RATE_NOISE)
    table.ratio(what, ">= 8 x best blocking peer", ours, "messages_per_second",
                session.of("wakeup", "stream", 64, "peer"), 8, False, RATE_NOISE)
    for ring in ("spsc", "mpmc"):
        table.ratio(f"{ring.upper()} active partners that may sleep, latency p50, 64 B", "<= 2 x busy poll",
                    Cell("wakeup", "ping_pong", f"sluice:{ring} spin_then_park", 64), "p50_ns",
                    [Cell("ping_pong", "ping_pong", f"sluice:{ring}", 64)], 2, True, LATENCY_NOISE)


def waking(table, session):
    for ring in ("spsc", "mpmc"):
        table.ratio(f"{ring.upper()} asleep ping-pong", "<= 1.15 x raw futex",
                    Cell("wakeup", "ping_pong", f"sluice:{ring} park", 64), "p50_ns",
                    [Cell("wakeup", "ping_pong", "floor:futex", 64)], 1.15, True, LATENCY_NOISE)
        for strategy in ("park", "spin_then_park"):
            table.ratio(f"{ring.upper()} wake of an idle consumer, {strategy}", "<= 1.15 x raw futex",
                        Cell("wakeup", "wake", f"sluice:{ring} {strategy}", 64), "wake_p50_ns",
                        [Cell("wakeup", "wake", "floor:futex", 64)], 1.15, True, LATENCY_NOISE)
    for ring in ("spsc", "mpmc"):
        for strategy in ("busy_spin", "spin_then_park"):
            name = f"sluice:{ring} {strategy}"
            runs = session.cells.get(Cell("wakeup", "calls", name, 64), [])
            names = ", ".join(sorted({run["names"] for run in runs}))
            table.absolute(f"{ring.upper()} system calls a message while neither side sleeps, {strategy}", "0, counted",
                           [run["system_calls"] / run["messages"] for run in runs], 0, True, 0,
                           lambda share: f"{share:.6f}", f"in the least disturbed run; all runs: {names}", min)
    for ring in ("spsc", "mpmc"):
        for strategy in ("park", "spin_then_park"):
            table.absolute(f"{ring.upper()} idle parked consumer, {strategy}", "<= 0.1 % of a core",
                           session.values(Cell("wakeup", "idle", f"sluice:{ring} {strategy}", 64), "idle_cpu_share"),
                           0.001, True, 0.1, lambda share: f"{share:.3%}")


def setting_up(table, session):
    def micro(value):
        return f"{value / 1e3:.0f} us"
    for ring in ("spsc", "mpmc"):
        cell = Cell("setup", "setup", f"sluice:{ring}", 64)
        what = f"{ring.upper()} 1,024 x 64 B, registry and seats included"
        for prefix, where in (("cold_", "in a new process"), ("", "in a warm one")):
            for step, limit in (("create", 150_000), ("attach", 100_000), ("first", 300_000)):
                name = "first message" if step == "first" else step
                table.absolute(f"{what}: {name}, {where}", f"<= {limit // 1000} us",
                               session.values(cell, f"{prefix}{step}_ns"), limit, True, LATENCY_NOISE, micro)
            both = [run[f"{prefix}create_ns"] + run[f"{prefix}attach_ns"] for run in session.cells.get(cell, [])]
            table.absolute(f"{what}: create and attach, {where}", "<= 500 us", both, 500_000, True, LATENCY_NOISE,
                           micro)
        use = Cell("setup", "memory", f"sluice:{ring}", 64)
        table.absolute(f"{ring.upper()} 1,024 x 64 B: memory when full", "<= payload + 80 KiB",
                       session.values(use, "full_bytes"), (64 + 80) * KIB, True, 0, lambda size: f"{size / KIB:.0f} KiB")
        table.absolute(f"{ring.upper()} 1,024 x 64 B: mapped", "<= 144 KiB", session.values(use, "mapped_bytes"),
                       144 * KIB, True, 0, lambda size: f"{size / KIB:.0f} KiB")


def for_users(table, session):
    """No must: what a user may expect."""
    ours = Cell("ping_pong", "ping_pong", "sluice:spsc", 8)
    own = session.values(ours, "p50_ns")
    words = [samples.median([run["raw_word_before_ns"], run["raw_word_after_ns"]]) for run in session.cells.get(ours, [])]
    for name, values in (("a raw word in one line both ways", words),
                         ("a raw word in a line each way",
                          session.values(Cell("ping_pong", "ping_pong", "floor:word each way", 8), "p50_ns"))):
        if not own or not values:
            table.add(f"SPSC 8 B latency p50 against {name}", "(for users)", detail="no run that could be counted")
            continue
        low, high = samples.ratio_interval(own, values, samples.median, CONFIDENCE)
        table.add(f"SPSC 8 B latency p50 against {name}", "(for users)",
                  f"{samples.median(own) / samples.median(values):.2f}", f"{low:.2f} .. {high:.2f}", "-",
                  f"{samples.median(own):.0f} / {samples.median(values):.0f} ns")


def counts(lines):
    result = collections.Counter()
    for line in lines:
        if line.verdict == "-":
            continue
        kind = line.verdict.split(",")[0].split(" by")[0].split(" (")[0]
        result["missed, within noise" if kind == "missed" and "within noise" in line.verdict else kind] += 1
    return result

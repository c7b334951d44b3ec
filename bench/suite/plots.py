"""Two plots in one SVG, drawn by gnuplot: latency percentiles of 64 B messages, and throughput by message size."""

import os
import subprocess
import tempfile

import samples
from results import Cell

# sluice, floors, references, peers: told apart by colour and by dashes.
LINES = {"sluice": "lw 3", "floor": "lw 1.5 dt 3 lc rgb '#888888'", "reference": "lw 1.5 dt 2 lc rgb '#bbaa66'",
         "peer": "lw 1.5"}
COLOURS = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#17becf", "#bcbd22", "#ff7f0e", "#004d66"]
SHOWN_OF_OURS = ("sluice:spsc", "sluice:mpmc")
CURVE_BYTES = 64


def curves(session, shares):
    """(title, origin, [(share, ns)]) for each transport: the median over rounds, point by point."""
    found = []
    for cell in session.of("ping_pong", "ping_pong", CURVE_BYTES):
        runs = [run for run in session.cells[cell] if run.get("curve_ns")]
        if not runs or (runs[0]["origin"] == "sluice" and cell.transport not in SHOWN_OF_OURS):
            continue
        points = [(share, samples.median([run["curve_ns"][i] for run in runs])) for i, share in enumerate(shares)]
        found.append((cell.transport, runs[0]["origin"], points))
    return in_order(found)


def rates(session):
    """(title, origin, [(bytes, messages/s)])."""
    found = {}
    for cell in [*session.of("throughput", "single"), *session.of("throughput", "batch", name="sluice:spsc")]:
        origin = session.cells[cell][0]["origin"]
        if origin == "sluice" and cell.transport not in SHOWN_OF_OURS:
            continue
        title = cell.transport + (" batch" if cell.part == "batch" else "")
        value = samples.upper_quartile(session.values(cell, "messages_per_second"))
        found.setdefault((title, origin), []).append((cell.size, value))
    return in_order([(title, origin, sorted(points)) for (title, origin), points in found.items()])


def in_order(found):
    return sorted(found, key=lambda one: (list(LINES).index(one[1]), one[0]))


def colours_of(*panels):
    """The same transport has the same colour in every panel."""
    names = []
    for title, origin, _ in (one for panel in panels for one in panel):
        if "lc " not in LINES[origin] and title not in names:
            names.append(title)
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}


def plot_command(found, colours, folder, prefix, using):
    parts = []
    for i, (title, origin, points) in enumerate(found):
        path = os.path.join(folder, f"{prefix}{i}.dat")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{x} {y}\n" for x, y in points)
        style = LINES[origin]
        if "lc " not in style:
            style += f" lc rgb '{colours[title]}'"
        marks = "with linespoints pt 7 ps 0.4" if prefix == "rate" else "with lines"
        quoted = title.replace("'", "''")
        parts.append(f"'{path}' using {using} {marks} {style} title '{quoted}' noenhanced")
    return "plot " + ", ".join(parts) if parts else "plot 1 notitle"


def draw(session, head, path):
    """@return whether there is a picture."""
    with tempfile.TemporaryDirectory(prefix="sluice_plot_") as folder:
        panels = curves(session, head["curve_shares"]), rates(session)
        colours = colours_of(*panels)
        latency = plot_command(panels[0], colours, folder, "curve", "(1/(1-$1)):2")
        rate = plot_command(panels[1], colours, folder, "rate", "1:2")
        script = f"""
set terminal svg size 1500,640 font 'sans,12' background '#ffffff'
set output '{path}'
set multiplot layout 1,2
set grid lc rgb '#dddddd'
set key outside right top vertical font ',10' samplen 1.5 width -2
set title 'One-way latency of {CURVE_BYTES} B messages, busy poll'
set logscale xy
set xrange [1:10000]
set xtics ('0' 1, 'p50' 2, 'p90' 10, 'p99' 100, 'p99.9' 1000, 'p99.99' 10000)
set xlabel 'share of the messages that took no longer'
set ylabel 'ns'
{latency}
set title 'Throughput, one producer, one consumer, busy poll'
set xrange [6:1400000]
set xtics ('8' 8, '64' 64, '256' 256, '1 Ki' 1024, '4 Ki' 4096, '64 Ki' 65536, '1 Mi' 1048576)
set xlabel 'bytes a message'
set ylabel 'messages/s'
set format y '%.0s%c'
{rate}
unset multiplot
"""
        try:
            subprocess.run(["gnuplot", "-"], input=script, text=True, check=True, capture_output=True, timeout=60)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"no plots: gnuplot: {getattr(error, 'stderr', None) or error}")
            return False
    return True

"""Runs bench programs, one at a time and never for longer than allowed, and hands back the runs they measured."""

import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile


class ProgramFailed(Exception):
    pass


def share_the_cores():
    """In a child: ordinary time slices. More processes than cores, under a scheduler that never takes a core away from
    a polling one, measure that scheduler."""
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def end(process):
    """Ends a program and all that it forked: they share its group. What a killed one had made is taken away."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    name = f"sluice_bench_{process.pid}"
    on_disk = [f"{folder}/{name}_{file}" for folder in ("/var/tmp", "/tmp", ".")
               for file in ("read", "written", "by_pwrite", "flushed")]
    on_disk += [f"{folder}/bench-durable-{process.pid}" for folder in ("/var/tmp", "/tmp", ".")]
    for left in glob.glob(f"/dev/shm/{name}[!0-9]*") + [f"/dev/shm/{name}"] + on_disk:
        if os.path.isdir(left):
            shutil.rmtree(left, ignore_errors=True)
        elif os.path.exists(left):
            os.unlink(left)


def run(path, arguments, limit_seconds, json_option=("--json", "{}")):
    """One invocation. @return its JSON document. @raise ProgramFailed when it hangs, is killed, or says nothing.

    A program exits with 1 when a run of some transport failed: that is in its document, and not our failure.
    """
    with tempfile.TemporaryDirectory(prefix="sluice_bench_") as folder:
        out = os.path.join(folder, "runs.json")
        process = subprocess.Popen([path, *arguments, *(part.format(out) for part in json_option)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                                   preexec_fn=share_the_cores if path.endswith("bench_many") else None)
        try:
            printed, errors = process.communicate(timeout=limit_seconds)
        except subprocess.TimeoutExpired:
            raise ProgramFailed(f"did not end within {limit_seconds:.0f} s") from None
        finally:
            end(process)
        if process.returncode not in (0, 1):
            raise ProgramFailed(f"ended with {process.returncode}: {errors.strip()[-300:]}")
        try:
            with open(out, encoding="utf-8") as file:
                document = json.load(file)
        except (OSError, ValueError) as error:
            raise ProgramFailed(f"left no result ({error}): {errors.strip()[-300:]}") from None
    document["printed"] = printed
    return document


def say(text):
    print(text, file=sys.stderr, flush=True)

"""Runs bench programs, one at a time and never for longer than allowed, and hands back the runs they measured."""

import json
import os
import signal
import subprocess
import sys
import tempfile


class ProgramFailed(Exception):
    pass


def end(process):
    """Ends a program and everybody it forked: they share its group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run(path, arguments, limit_seconds):
    """One invocation. @return its JSON document. @raise ProgramFailed when it hangs, is killed, or says nothing.

    A program exits with 1 when a run of some transport failed: that is in its document, and not our failure.
    """
    with tempfile.TemporaryDirectory(prefix="sluice_bench_") as folder:
        out = os.path.join(folder, "runs.json")
        process = subprocess.Popen([path, *arguments, "--json", out], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True, start_new_session=True)
        try:
            _, errors = process.communicate(timeout=limit_seconds)
        except subprocess.TimeoutExpired:
            raise ProgramFailed(f"did not end within {limit_seconds:.0f} s") from None
        finally:
            end(process)
        if process.returncode not in (0, 1):
            raise ProgramFailed(f"ended with {process.returncode}: {errors.strip()[-300:]}")
        try:
            with open(out, encoding="utf-8") as file:
                return json.load(file)
        except (OSError, ValueError) as error:
            raise ProgramFailed(f"left no result ({error}): {errors.strip()[-300:]}") from None


def names(path):
    """What a program can measure, as it lists it: (name, whether it is there)."""
    listed = subprocess.run([path, "--list"], capture_output=True, text=True, check=True, timeout=60).stdout
    found = []
    for line in listed.splitlines():
        name = line[:30].strip() if len(line) > 30 else line.strip()
        found.append((name, "absent: not found" not in line))
    return found


def say(text):
    print(text, file=sys.stderr, flush=True)

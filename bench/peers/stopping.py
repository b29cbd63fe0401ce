"""Programs that print JSON, run one after the other, of which SIGTERM or Ctrl-C stops the one that runs:
for compare.py and compare_train.py."""

import json
import os
import signal
import subprocess
import sys
import time

GRACE = 8.0  # seconds in which a program that is stopped may print what it has; gpu-report.sh gives 15


class Stopped(Exception):
    """Before it had printed anything."""


class Runner:
    def __init__(self):
        self.stopped = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)

    def stop(self, *_):
        """No other program begins either."""
        self.stopped = True

    def run_json(self, command, limit=None):
        """What the program printed. Of one that is stopped it is what it had, marked "stopped"."""
        if self.stopped:
            raise Stopped
        command = list(map(str, command))
        print("+ " + " ".join(command), file=sys.stderr, flush=True)
        # Signals reach it once, through this program: a second one would end memlong-bench at once.
        program = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        end = None if limit is None else time.monotonic() + limit
        while True:
            try:
                output, _ = program.communicate(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                late = end is not None and time.monotonic() > end
                if self.stopped or late:
                    output = end_program(program)
                    break
        if program.returncode == 0:
            return json.loads(output)
        if not self.stopped:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(command, limit)
            raise subprocess.CalledProcessError(program.returncode, command)
        try:
            return json.loads(output) | {"stopped": True}
        except ValueError:
            raise Stopped from None


def end_program(program):
    """What it printed. Nothing of it is left, nor of what it started."""
    program.terminate()
    try:
        output, _ = program.communicate(timeout=GRACE)
    except subprocess.TimeoutExpired:
        end_group(program)
        output, _ = program.communicate()
    end_group(program)
    return output


def end_group(program):
    try:
        os.killpg(program.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass

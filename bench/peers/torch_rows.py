"""What torch_llama.py and memlong_way.py share in measuring and reporting."""

import json
import resource
import signal
import statistics
import sys
import time

import torch


def now(device):
    """Seconds, when all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def host_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def start_peak(device):
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def device_mib(device):
    """{"device_mib": the most since start_peak}; nothing on the CPU."""
    if device.type != "cuda":
        return {}
    return {"device_mib": torch.cuda.max_memory_allocated(device) / 2 ** 20}


def rates(device, run, tokens, repeat, warm=None):
    """Tokens a second of each run, after one that does not count (`warm`, or run itself)."""
    (warm or run)()
    found = []
    for _ in range(repeat):
        start = now(device)
        run()
        found.append(tokens / (now(device) - start))
    return found


def row(test, found, **more):
    return {"test": test, "unit": "tokens/s", "value": statistics.median(found), "runs": found,
            "more": more}


class Stop(BaseException):
    """By SIGTERM or Ctrl-C."""


class Report:
    """Rows as they come; each is told on standard error too. A row that fails (mostly for memory) is left
    out, and named. With `with report:` around all the work, SIGTERM or Ctrl-C end that, and the rows
    so far are printed."""

    def __init__(self):
        self.rows, self.left_out, self.stopped = [], {}, False

    def __enter__(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)
        return self

    def __exit__(self, kind, error, trace):
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # it is at its end
        return kind is Stop

    def stop(self, *_):
        if not self.stopped:
            self.stopped = True
            raise Stop

    def add(self, test, make):
        """make() gives a row, or None where it is left out by intent."""
        try:
            made = make()
        except RuntimeError as error:  # torch.cuda.OutOfMemoryError is one
            if self.stopped:  # as when a graph is captured
                raise Stop from None
            self.left_out[test] = str(error).splitlines()[0] if str(error) else repr(error)
            print(f"left out: {test}: {self.left_out[test]}", file=sys.stderr, flush=True)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        else:
            if made is not None:
                self.rows.append(made)
                print(json.dumps(made), file=sys.stderr, flush=True)

    def print(self, program, device, **more):
        """The end of the program: exit code 1 where it was stopped."""
        report = {"program": program, "device": device_name(device),
                  "threads": torch.get_num_threads(), **more, "left_out": self.left_out,
                  "rows": self.rows, **({"stopped": True} if self.stopped else {})}
        print(json.dumps(report, indent=1), flush=True)
        sys.exit(1 if self.stopped else 0)


def device_name(device):
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def numbers(text):
    return [int(word) for word in text.split(",") if word]


def add_common_options(parser):
    parser.add_argument("model", help="a folder, or shape:NAME for random weights (shapes.py)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--dialog", type=numbers, default=[])
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch takes")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--limit-seconds", type=float, default=3600.0,
                        help="a dialog that takes longer is not read to its end")


def apply_common(args):
    """The device."""
    torch.manual_seed(1)
    if args.threads:
        torch.set_num_threads(args.threads)
    return torch.device(args.device)

#!/usr/bin/env python3
"""Prefill, decode and a growing dialog of a Llama in PyTorch, eager, bf16, full attention.

  bench/peers/torch_llama.py FOLDER --prompt 512,2048 --depth 512,2048 --generate 32
  bench/peers/torch_llama.py FOLDER --dialog 1000,16000,80000
  bench/peers/torch_llama.py shape:openllama-3b --device cuda --prompt 2048,16384,80000

A cache of keys and values and scaled_dot_product_attention; needs torch and numpy. On a GPU prompts
take the fastest of flash and cuDNN attention, tried for each length before it counts (--backend
forces one); tokens, and messages behind others, take flash attention, which needs no mask and splits
keys over the GPU (cuDNN would plan anew for every length).

Prints JSON: rows with the names that memlong-bench has, and which attention each ran; on SIGTERM the rows
that it has, with exit code 1. The dialog is read
in messages of 512 tokens; read_seconds and the memory are of all up to that length (device_mib
contains the cache, which is as large as the longest; kv_mib is the part of it in use).
"""

import argparse
import sys

import torch
import torch.nn.functional as F
from decode_graph import DecodeGraph
from torch_model import SWITCHES, Llama, open_weights, sdpa, use_backend
from torch_rows import (Report, add_common_options, apply_common, device_mib, host_mib, now, numbers,
                        rates, row, start_peak)

MESSAGE = 512


class CachedLlama(Llama):
    """With the keys and values of all that it has read."""

    def __init__(self, weights, positions, dtype=torch.bfloat16):
        super().__init__(weights, positions, dtype)
        self.k, self.v = self.cache(positions), self.cache(positions)

    def forward(self, ids, begin):
        """Logits of the last of ids [T], which follow `begin` tokens of the cache."""
        end = begin + ids.shape[0]
        rope = self.rope(begin, ids.shape[0])
        x = self.embed(ids)
        for i in range(len(self.layers)):
            def attend(q, k, qkv, i=i):
                self.k[i, 0, :, begin:end] = k.transpose(0, 1)
                self.v[i, 0, :, begin:end] = qkv[:, self.h + self.g:].transpose(0, 1)
                return sdpa(q, self.k[i, :, :, :end], self.v[i, :, :, :end], self.scale)
            x = self.block(i, x, rope, attend)
        return self.logits(x)

    def read(self, ids, piece):
        """All of ids, from the first position on; in pieces of so many tokens, or at once (0)."""
        for at in range(0, ids.shape[0], piece or ids.shape[0]):
            out = self.forward(ids[at:at + (piece or ids.shape[0])], at)
        return out

    def generate(self, ids, begin, count):
        for at in range(begin, begin + count):
            self.forward(ids[at:at + 1], at)


def fastest_backend(model, count):
    """Of the attention of one layer over `count` tokens."""
    qkv = torch.randn(count, model.h + model.g, model.d, device=model.device).to(model.dtype)
    q, k = qkv.split((model.h, model.g), 1)
    model.k[0, 0, :, :count] = k.transpose(0, 1)
    seconds = {}
    for name in ("flash", "cudnn"):
        use_backend(name)
        try:
            run = lambda: sdpa(q, model.k[0, :, :, :count], model.v[0, :, :, :count], model.scale)
            seconds[name] = count / max(rates(model.device, run, count, 2))
        except RuntimeError as error:
            print(f"{name} attention cannot: {str(error).splitlines()[0]}", file=sys.stderr)
    return min(seconds, key=seconds.get) if seconds else "efficient"


class Measurement:
    def __init__(self, model, args, chosen):
        """chosen: gets the attention of each test."""
        self.model, self.args, self.device, self.chosen = model, args, model.device, chosen
        self.length, self.seconds, self.begun = 0, 0.0, None  # of the dialog
        count = max(args.prompt + args.depth + args.dialog) + args.generate
        self.ids = torch.randint(0, model.vocab, (count,), device=self.device)
        self.host_before = host_mib()

    def backend(self, test, name):
        if self.device.type == "cuda":
            use_backend(name)
            self.chosen[test] = name

    def prefill(self, n):
        args, name = self.args, self.args.backend
        if self.device.type == "cuda":
            name = "flash" if args.piece else fastest_backend(self.model, n) if name == "auto" else name
        self.backend(f"pp{n}", name)
        start_peak(self.device)
        found = rates(self.device, lambda: self.model.read(self.ids[:n], args.piece), n, args.repeat)
        return row(f"pp{n}", found, **device_mib(self.device))

    def decode(self, test, depth):
        """Rates of tokens behind `depth` others, which are in the cache."""
        args, model = self.args, self.model
        if args.cuda_graph:
            self.chosen[test] = "graph, matmul"
            graph = DecodeGraph(model, depth, args.generate)
            run = lambda: graph.generate(self.ids)
        else:
            self.backend(test, "flash")
            run = lambda: model.generate(self.ids, depth, args.generate)
        return rates(self.device, run, args.generate, args.repeat)

    def decode_row(self, test, depth):
        self.backend(test, "flash")
        start_peak(self.device)
        if depth:
            self.model.read(self.ids[:depth], MESSAGE * 8 if self.device.type == "cuda" else 0)
        return row(test, self.decode(test, depth), **device_mib(self.device))

    def begin_dialog(self):
        few = min(MESSAGE, max(self.args.dialog)) // 2
        for begin, count in ((0, few), (few, few), (2 * few, 1)):  # so that no first call counts
            self.model.forward(self.ids[:count], begin)
        self.begun = now(self.device)
        start_peak(self.device)

    def dialog_row(self, test, target):
        """Goes on from the shorter one. RuntimeError where it takes too long, or memory is short."""
        self.backend(test, "flash")
        if self.begun is None:
            self.begin_dialog()
        while self.length < target:
            if self.seconds >= self.args.limit_seconds:
                raise RuntimeError(f"at {self.length} tokens after {self.seconds:.0f} s")
            count = min(MESSAGE, target - self.length)
            start = now(self.device)
            self.model.forward(self.ids[self.length:self.length + count], self.length)
            self.seconds += now(self.device) - start
            self.length += count
        found = self.decode(test, target)
        return row(test, found, read_seconds=self.seconds, resident_mib=host_mib(),
                   beyond_start_mib=host_mib() - self.host_before,
                   wall_seconds=now(self.device) - self.begun, kv_mib=self.kv_mib(target),
                   **device_mib(self.device))

    def kv_mib(self, length):
        return 2 * self.model.k[:, :, :, :length].numel() * self.model.k.element_size() / 2 ** 20


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    add_common_options(parser)
    parser.add_argument("--prompt", type=numbers, default=[])
    parser.add_argument("--depth", type=numbers, default=[])
    parser.add_argument("--generate", type=int, default=32)
    parser.add_argument("--piece", type=int, default=0,
                        help="tokens of a prompt that are read at once; default: all")
    parser.add_argument("--backend", choices=["auto", *SWITCHES], default="auto",
                        help="attention of prompts on a GPU")
    parser.add_argument("--cuda-graph", action="store_true",
                        help="tokens from a CUDA graph (decode_graph.py)")
    args = parser.parse_args()
    device = apply_common(args)
    report, chosen = Report(), {}
    before = host_mib()  # of Python and torch alone
    positions = max(args.prompt + args.depth + args.dialog) + args.generate
    with report, torch.inference_mode():
        measurement = Measurement(CachedLlama(open_weights(args.model, device), positions), args, chosen)
        measurement.host_before = before
        for n in args.prompt:
            report.add(f"pp{n}", lambda n=n: measurement.prefill(n))
        for depth in args.depth:
            name = f"tg{args.generate}" + (f"@{depth}" if depth else "")
            report.add(name, lambda: measurement.decode_row(name, depth))
        for target in sorted(args.dialog):
            name = f"dialog-{target}"
            report.add(name, lambda: measurement.dialog_row(name, target))
    report.print(f"PyTorch {torch.__version__}" + (", CUDA graph" if args.cuda_graph else ""), device,
                 attention=chosen)


if __name__ == "__main__":
    main()

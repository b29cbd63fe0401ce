#!/usr/bin/env python3
"""The MemLong way (arXiv 2408.16967) in eager PyTorch, bf16: retrieve, concatenate, attend.

  bench/peers/memlong_way.py FOLDER --dialog 1000,16000
  bench/peers/memlong_way.py shape:openllama-3b --device cuda --dialog 1000,16000,80000

As published: text is read chunk by chunk, every chunk by all layers in one forward pass; the memory
layer's keys, before rotation, and values go into a bank on the device, with one unit vector a chunk;
the last chunk's vector asks the bank (inner products, top k), the chunks found are put in order of
time, and their keys and values are concatenated before the local ones in the reading layers, for all
heads and tokens the same. Memory is not rotated and all visible, local keys are causal, and there is
one softmax over both. --attention plain is that code's arithmetic (products, mask, softmax in f32);
sdpa, the default, is PyTorch's fused kernel for the same, on a GPU flash attention without a mask.

Not as published: the vector is the mean of the chunk's input embeddings, not that of a second model (which
would cost more); a chunk sees the window behind it, not only itself, in windows that overlap, with
rotated keys kept; answers ask once a chunk, not once a token; the bank has its place from the
start, where the published code makes it anew for each chunk. The released code cannot generate with a
cache, so that the windows are memlong's: they, the memory layer and the reading layers are the
settings that memlong-bench takes for the same model; top-k and chunk too, and no more of them.

Prints JSON: rows dialog-N as torch_llama.py and memlong-bench have them; on SIGTERM those that it has,
with exit code 1. An answer is as many tokens as a window moves on, or --generate; read_seconds and memory
are of all up to that length.
"""

import argparse

import torch
import torch.nn.functional as F
from memory_settings import find_settings
from torch_model import Llama, open_weights, plain_attention, sdpa, use_backend
from torch_rows import (Report, add_common_options, apply_common, device_mib, host_mib, now, numbers,
                        rates, row, start_peak)

MESSAGE = 512
ATTENTION = {"sdpa": sdpa, "plain": plain_attention}


class MemLong(Llama):
    """One dialog: its window's keys and values, and the bank of all that was read."""

    def __init__(self, weights, settings, ids, attention, dtype=torch.bfloat16):
        super().__init__(weights, settings["window"], dtype)
        self.m, self.readers = settings["layer"], set(settings["reading_layers"])
        self.chunk, self.top_k = settings["chunk"], settings["top_k"]
        self.attention, self.ids = attention, ids
        bos = weights.config.get("bos_token_id", 1)
        self.lead = torch.tensor([bos] if settings["bos"] else [], dtype=torch.long, device=self.device)
        self.capacity = settings["window"] - self.lead.shape[0]
        self.overlap = settings["overlap"]
        self.stride = self.capacity - self.overlap
        self.k, self.v = self.cache(settings["window"]), self.cache(settings["window"])
        raw = (settings["window"], self.g, self.d)  # of the memory layer, not rotated
        self.raw_k = torch.zeros(raw, dtype=dtype, device=self.device)
        chunks = ids.shape[0] // self.chunk + 1
        bank = (chunks, self.g, self.chunk, self.d)
        self.bank_k, self.bank_v = (torch.zeros(bank, dtype=dtype, device=self.device)
                                    for _ in range(2))
        self.vectors = torch.zeros(chunks, self.width[0], dtype=torch.float32, device=self.device)
        self.restart()

    def restart(self):
        self.start = self.size = self.rows = self.written = 0
        self.memory, self.found, self.out = None, None, None

    def read(self, end):
        """To token `end` of ids; self.out has the logits of the last."""
        while self.size < end:
            if self.size - self.start == self.capacity:
                self.open_window(self.start + self.stride)
            boundary = (self.size // self.chunk + 1) * self.chunk
            stop = min(end, boundary, self.start + self.capacity)
            self.forward(self.size, stop, logits=stop == end)
            self.size = stop
            if stop == boundary:
                self.write(stop // self.chunk - 1)
                self.retrieve()

    def open_window(self, start):
        """The overlap is read again, in one pass."""
        self.start, self.rows = start, 0
        self.retrieve()
        self.forward(start, self.size)

    def write(self, chunk):
        """A chunk keeps what the first window that completes it says."""
        if chunk < self.written:
            return
        begin = self.rows - self.chunk
        self.bank_k[chunk] = self.raw_k[begin:self.rows].transpose(0, 1)
        self.bank_v[chunk] = self.v[self.m, 0, :, begin:self.rows]
        ids = self.ids[chunk * self.chunk:(chunk + 1) * self.chunk]
        self.vectors[chunk] = F.normalize(self.embed(ids).float().mean(0), dim=0)
        self.written = chunk + 1

    def retrieve(self):
        """With the last whole chunk, among those that lie before the window."""
        before, last = self.start // self.chunk, self.size // self.chunk - 1
        self.memory = self.found = None
        if before == 0:
            return
        scores = self.vectors[:before] @ self.vectors[last]
        self.found = scores.topk(min(self.top_k, before)).indices.sort().values
        self.memory = [bank[self.found].transpose(0, 1).flatten(1, 2)[None]
                       for bank in (self.bank_k, self.bank_v)]  # [1, G, M, D]

    def forward(self, begin, end, logits=False):
        ids = self.ids[begin:end]
        if self.rows == 0:
            ids = torch.cat((self.lead, ids))
        old, self.rows = self.rows, self.rows + ids.shape[0]
        rope, x = self.rope(old, ids.shape[0]), self.embed(ids)
        for i in range(len(self.layers)):
            x = self.block(i, x, rope, lambda q, k, qkv, i=i: self.attend(i, old, q, k, qkv))
        if logits:
            self.out = self.logits(x)

    def attend(self, i, old, q, k, qkv):
        if i == self.m:
            self.raw_k[old:self.rows] = qkv[:, self.h:self.h + self.g]
        self.k[i, 0, :, old:self.rows] = k.transpose(0, 1)
        self.v[i, 0, :, old:self.rows] = qkv[:, self.h + self.g:].transpose(0, 1)
        keys, values = self.k[i, :, :, :self.rows], self.v[i, :, :, :self.rows]
        if self.memory is not None and i in self.readers:
            keys = torch.cat((self.memory[0], keys), 2)
            values = torch.cat((self.memory[1], values), 2)
        return self.attention(q, keys, values, self.scale)

    def back_to(self, size, start):
        """As it was with `size` tokens: the window is read again."""
        self.restart()
        self.written = size // self.chunk
        if start:
            self.size = start + self.overlap
            self.open_window(start)
        self.read(size)


def bench_dialog(model, args, report, before):
    device, seconds = model.device, 0.0
    generate = args.generate or model.stride
    model.read(min(max(args.dialog), model.capacity + 2 * model.chunk))  # so that no first call counts
    model.restart()
    start_peak(device)

    def answer(size, count):
        for end in range(size + 1, size + count + 1):
            model.read(end)

    def read(target):
        nonlocal seconds
        while model.size < target:
            if seconds >= args.limit_seconds:
                raise RuntimeError(f"at {model.size} tokens after {seconds:.0f} s")
            watch = now(device)
            model.read(min(model.size + MESSAGE, target))
            seconds += now(device) - watch

    def measure(size, start):
        """Rates of an answer; afterwards the dialog is as it was."""
        found = []
        for i in range(args.repeat + 1):
            count = generate if i else min(generate, 2 * model.chunk)  # the first does not count
            rate = rates(device, lambda: answer(size, count), count, 1, warm=lambda: None)
            found += rate if i else []
            model.back_to(size, start)
        return found

    def dialog_row(test, target):
        if report.left_out:  # the model may have stopped in the middle of a token
            raise RuntimeError("a shorter dialog is left out")
        read(target)
        found = measure(target, model.start)
        return row(test, found, read_seconds=seconds, resident_mib=host_mib(),
                   beyond_start_mib=host_mib() - before, **device_mib(device))

    for target in sorted(args.dialog):
        name = f"dialog-{target}"
        report.add(name, lambda: dialog_row(name, target))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    add_common_options(parser)
    parser.add_argument("--generate", type=int, default=0,
                        help="tokens of an answer; default: as many as a window moves on")
    parser.add_argument("--attention", choices=sorted(ATTENTION), default="sdpa")
    settings = parser.add_argument_group("memory (default: as memlong-bench has it for this model)")
    for name in ("memory-layer", "chunk", "top-k", "window", "overlap"):
        settings.add_argument("--" + name, type=int)
    settings.add_argument("--reading-layers", type=numbers)
    args = parser.parse_args()
    device = apply_common(args)
    before = host_mib()  # of Python and torch alone
    report, settings = Report(), {}
    with report, torch.inference_mode():
        weights = open_weights(args.model, device)
        settings.update(find_settings(args.model, weights.config))
        given = {"layer": args.memory_layer, "reading_layers": args.reading_layers,
                 "chunk": args.chunk, "top_k": args.top_k, "window": args.window,
                 "overlap": args.overlap}
        settings.update({key: value for key, value in given.items() if value is not None})
        longest = max(args.dialog) + max(args.generate, settings["window"])
        ids = torch.randint(0, weights.config["vocab_size"], (longest,), device=device)
        model = MemLong(weights, settings, ids, ATTENTION[args.attention])
        if device.type == "cuda":
            use_backend("flash")
        bench_dialog(model, args, report, before)
    report.print(f"the MemLong way, PyTorch {torch.__version__}, {args.attention}", device,
                 settings=settings)


if __name__ == "__main__":
    main()

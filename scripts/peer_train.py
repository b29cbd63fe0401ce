#!/usr/bin/env python3
"""Training steps of memlong's two stages in PyTorch, to compare speed with memlong-train.

  scripts/peer_train.py                                  both stages, both shapes, one process each
  scripts/peer_train.py --stage upper --shape models/reference/config.json
  scripts/peer_train.py --stage upper --shape openllama-3b --device cuda --window 1024 --memory 1024

Needs torch, nothing else. The weights are random: only shapes matter. Not part of the tests.

upper  B windows of T tokens. Layers below the memory layer, and its input norm, k and v, run without
       gradient; in every layer from there on (or in --reading-layers) a token attends in one softmax to
       M constant memory keys and to its window. One memory set a window (memlong reads one a segment, so as many keys a
       token, in more pieces). A tied head is frozen, an untied one learns, as in memlong-train.
all    B pairs: a past goes through the writer, with gradient; the later span goes through every layer
       and reads its own past's keys and values and those of D other pairs. Tokens are counted in
       both spans.

Products and attention in bf16, masters and AdamW's moments in f32; either bf16 weights beside f32
masters (--precision masters), or autocast with f32 weights. On a GPU attention is flash, without a
mask (memory is all visible, so that causality is aligned to the last key), with heads padded to a
multiple of 8. There the upper half of openllama-3b takes, in masters: 6.9 GB of weights and 18 bytes for
each of 1.69 G that learn (gradient, master, its gradient, two moments), 37 GB; activations some 2 MB a
token and logits 0.5 MB, with 8 rows of 1024 21 GB. Stage `all` of that shape does not fit 80 GB.

Wall time means something only where load_average stays below the threads; cpu_seconds, of all threads
together, says more on a busy machine (set GOMP_SPINCOUNT=1000 there, or waiting counts as work).
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention.bias import causal_lower_right

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bench" / "peers"))
from shapes import SHAPES, config_of  # noqa: E402 (it lies there)

# Not the one of shapes.py, which has as many kv heads as heads.
SHAPE_100M = {"num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12,
              "num_key_value_heads": 4, "intermediate_size": 2048, "vocab_size": 32000,
              "tie_word_embeddings": True}


class Shape:
    def __init__(self, config):
        self.layers = config["num_hidden_layers"]
        self.c = config["hidden_size"]
        self.h = config["num_attention_heads"]
        self.g = config["num_key_value_heads"]
        self.d = config.get("head_dim") or self.c // self.h
        self.f = config["intermediate_size"]
        self.v = config["vocab_size"]
        self.m = self.layers // 2
        self.tied = config.get("tie_word_embeddings", False)
        self.theta = config.get("rope_theta", 10000.0)


def rotate(x, cos, sin):
    """x [B, T, heads, D], halves paired."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Block(nn.Module):
    """q apart from k and v only where they are not trained together (the memory layer)."""

    def __init__(self, s, split):
        super().__init__()
        self.s = s
        kv = 2 * s.g * s.d
        self.norm1 = nn.Parameter(torch.ones(s.c))
        self.norm2 = nn.Parameter(torch.ones(s.c))
        self.q = nn.Linear(s.c, s.h * s.d, bias=False) if split else None
        self.kv = nn.Linear(s.c, kv, bias=False) if split else None
        self.qkv = None if split else nn.Linear(s.c, s.h * s.d + kv, bias=False)
        self.o = nn.Linear(s.h * s.d, s.c, bias=False)
        self.gate_up = nn.Linear(s.c, 2 * s.f, bias=False)
        self.down = nn.Linear(s.f, s.c, bias=False)

    def keys_values(self, x):
        """Of the memory layer: the normed input, and k, v [B, T, G, D] before rotation."""
        s = self.s
        h = F.rms_norm(x, (s.c,), self.norm1, 1e-5)
        k, v = self.kv(h).unflatten(-1, (2 * s.g, s.d)).chunk(2, -2)
        return h, k, v

    def forward(self, x, cos, sin, memory=None, mask=None, written=None):
        s = self.s
        if written is not None:
            h, k, v = written
            q = self.q(h).unflatten(-1, (s.h, s.d))
        else:
            h = F.rms_norm(x, (s.c,), self.norm1, 1e-5)
            q, k, v = self.qkv(h).unflatten(-1, (s.h + 2 * s.g, s.d)).split((s.h, s.g, s.g), -2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if memory is not None:  # [B, M, G, D] each
            k, v = torch.cat((memory[0], k), 1), torch.cat((memory[1], v), 1)
        y = attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), mask)
        x = x + self.o(y.transpose(1, 2).flatten(2))
        gate, up = self.gate_up(F.rms_norm(x, (s.c,), self.norm2, 1e-5)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


def attend(q, k, v, mask):
    grouped = q.shape[1] != k.shape[1]
    if q.is_cuda:
        d = q.shape[-1]
        q, k, v = (F.pad(y, (0, -d % 8)) for y in (q, k, v)) if d % 8 else (q, k, v)
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=causal_lower_right(q.shape[2], k.shape[2]), scale=d ** -0.5,
            enable_gqa=grouped)
        return y[..., :d]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None,
                                          enable_gqa=grouped)


class Model(nn.Module):
    """readers: the layers that attend to memory; none named: all from the memory layer on."""

    def __init__(self, s, readers=()):
        super().__init__()
        self.s, self.readers = s, readers
        self.embedding = nn.Embedding(s.v, s.c)
        self.blocks = nn.ModuleList(Block(s, split=i == s.m) for i in range(s.layers))
        self.norm = nn.Parameter(torch.ones(s.c))
        self.head = None if s.tied else nn.Linear(s.c, s.v, bias=False)
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02)

    def write(self, ids, cos, sin):
        """Layers below the memory layer; then its k and v."""
        x = self.embedding(ids)
        for block in self.blocks[:self.s.m]:
            x = block(x, cos, sin)
        return x, self.blocks[self.s.m].keys_values(x)

    def read(self, x, written, cos, sin, memory, mask):
        x = self.blocks[self.s.m](x, cos, sin, memory, mask, written)
        for i in range(self.s.m + 1, self.s.layers):
            reads = not self.readers or i in self.readers
            x = self.blocks[i](x, cos, sin, *((memory, mask) if reads else (None, None)))
        return F.rms_norm(x, (self.s.c,), self.norm, 1e-5)

    def loss(self, x, targets):
        head = self.embedding if self.head is None else self.head
        return F.cross_entropy(F.linear(x, head.weight).flatten(0, 1).float(), targets.flatten())


class Stage:
    """Fixed inputs of one stage; calling it gives the loss."""

    def __init__(self, model, args, dtype):
        self.model, self.stage = model, args.stage
        s = model.s
        rows = args.batch
        t = args.window if args.stage == "upper" else args.span
        self.ids = torch.randint(0, s.v, (rows, t))
        self.past = torch.randint(0, s.v, (rows, args.span))
        self.targets = torch.randint(0, s.v, (rows, t))
        self.distractors = args.distractors
        keys = args.memory if args.stage == "upper" else args.span * (1 + args.distractors)
        self.memory = [torch.randn(rows, keys, s.g, s.d).to(dtype) for _ in range(2)]
        frequency = s.theta ** (-torch.arange(0, s.d, 2, dtype=torch.float64) / s.d)
        angle = torch.outer(torch.arange(max(t, args.span), dtype=torch.float64), frequency)[:, None]
        self.cos, self.sin = angle.cos().to(dtype), angle.sin().to(dtype)
        local = torch.ones(t, t, dtype=torch.bool).tril()
        mask = torch.cat((torch.ones(t, keys, dtype=torch.bool), local), 1)
        # Added to the scores: the fused kernel takes it as it is, a boolean one it converts each time.
        self.mask = torch.zeros(t, keys + t, dtype=dtype).masked_fill_(~mask, float("-inf"))
        self.tokens = rows * (t if args.stage == "upper" else t + args.span)

    def __call__(self):
        t = self.ids.shape[1]
        cos, sin = self.cos[:t], self.sin[:t]
        if self.stage == "upper":
            with torch.no_grad():
                x, written = self.model.write(self.ids, cos, sin)
            memory = self.memory
        else:
            n = self.past.shape[1]
            _, (_, k, v) = self.model.write(self.past, self.cos[:n], self.sin[:n])
            memory = [torch.cat([y.roll(i, 0) for i in range(1 + self.distractors)], 1)
                      for y in (k, v)]
            x, written = self.model.write(self.ids, cos, sin)
        x = self.model.read(x, written, cos, sin, memory, self.mask)
        return self.model.loss(x, self.targets)


def trained(model, stage):
    if stage == "all":
        return list(model.parameters())
    chosen = []
    for i, block in enumerate(model.blocks):
        for name, parameter in block.named_parameters():
            if i > model.s.m or (i == model.s.m and not name.startswith(("kv.", "norm1"))):
                chosen.append(parameter)
    return [*chosen, model.norm, *(model.head.parameters() if model.head else [])]


class Trainer:
    def __init__(self, parameters, masters):
        self.parameters = parameters
        self.masters = [p.detach().float().clone() for p in parameters] if masters else parameters
        if masters:
            for master in self.masters:
                master.grad = torch.zeros_like(master)
        self.optimizer = torch.optim.AdamW(self.masters, lr=1e-4, betas=(0.9, 0.95),
                                           weight_decay=0.1, fused=True)

    def step(self):
        if self.masters is not self.parameters:
            torch._foreach_copy_([m.grad for m in self.masters], [p.grad for p in self.parameters])
        nn.utils.clip_grad_norm_(self.masters, 1.0, foreach=True)
        self.optimizer.step()
        if self.masters is not self.parameters:
            with torch.no_grad():
                torch._foreach_copy_(self.parameters, self.masters)
        for parameter in self.parameters:
            parameter.grad = None


def synchronize(args):
    if args.device == "cuda":
        torch.cuda.synchronize()


def resident_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(args):
    torch.manual_seed(1)
    torch.set_num_threads(args.threads)
    if args.shape == "100m":
        config = SHAPE_100M
    else:
        config = (config_of(args.shape) if args.shape in SHAPES
                  else json.loads(Path(args.shape).read_text()))
    before = resident_mib()
    low = args.precision == "masters"
    with torch.device(args.device):
        model = Model(Shape(config), args.reading_layers)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    parameters = trained(model, args.stage)
    for parameter in parameters:
        parameter.requires_grad_(True)
    if low:
        model = model.to(torch.bfloat16)
        parameters = trained(model, args.stage)
    with torch.device(args.device):
        step = Stage(model, args, torch.bfloat16 if args.precision != "f32" else torch.float32)
    trainer = Trainer(parameters, masters=low)
    forward = torch.compile(step) if args.compile else step
    times, cpu_times, losses = [], [], []
    if args.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    for i in range(args.warmup + args.steps):
        synchronize(args)
        start, cpu_start = time.perf_counter(), time.process_time()
        with (torch.autocast(args.device, torch.bfloat16) if args.precision == "autocast"
              else nullcontext()):
            loss = forward()
        loss.backward()
        trainer.step()
        synchronize(args)
        times.append(time.perf_counter() - start)
        cpu_times.append(time.process_time() - cpu_start)
        losses.append(loss.item())
    seconds = statistics.median(times[args.warmup:])
    print(json.dumps({
        "device": torch.cuda.get_device_name() if args.device == "cuda" else "cpu",
        "stage": args.stage, "shape": args.shape, "precision": args.precision,
        "torch": torch.__version__, "compile": args.compile, "rows": args.batch,
        "threads": args.threads,
        "parameters": sum(p.numel() for p in model.parameters()),
        "trained": sum(p.numel() for p in parameters), "tokens": step.tokens,
        "seconds": round(seconds, 4), "fastest": round(min(times[args.warmup:]), 4),
        "tokens_per_s": round(step.tokens / seconds, 1),
        "cpu_seconds": round(statistics.median(cpu_times[args.warmup:]), 4),
        "load_average": round(os.getloadavg()[0], 1), "peak_mib": round(resident_mib()),
        "peak_mib_beyond_torch": round(resident_mib() - before),
        **({"device_mib": round(torch.cuda.max_memory_allocated() / 2 ** 20)}
           if args.device == "cuda" else {}),
        "first_loss": round(losses[0], 4), "last_loss": round(losses[-1], 4)}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    reference = Path(__file__).resolve().parent.parent / "models/reference/config.json"
    parser.add_argument("--stage", choices=["upper", "all"])
    parser.add_argument("--shape", help="a config.json, 100m, or a name of bench/peers/shapes.py")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["masters", "autocast", "f32"], default="masters")
    parser.add_argument("--compile", action="store_true", help="through torch.compile")
    parser.add_argument("--batch", type=int, default=0, help="rows; default 8 (upper), 16 (all)")
    parser.add_argument("--window", type=int, default=512, help="upper: T")
    parser.add_argument("--memory", type=int, default=512, help="upper: M")
    parser.add_argument("--reading-layers", default=(), metavar="N,...",
                        type=lambda text: [int(word) for word in text.split(",")],
                        help="which attend to memory, the memory layer first; default: all from it on")
    parser.add_argument("--span", type=int, default=256, help="all: tokens of past and later")
    parser.add_argument("--distractors", type=int, default=3, help="all: D")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    args = parser.parse_args()
    if args.stage and args.shape:
        args.batch = args.batch or (8 if args.stage == "upper" else 16)
        run(args)
        return
    for shape in [args.shape] if args.shape else [str(reference), "100m"]:
        for stage in [args.stage] if args.stage else ["upper", "all"]:
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--shape", shape, "--stage",
                            stage], check=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Prefill, decode and a growing dialog of a Llama model folder in PyTorch, eager, bf16, on the CPU.

  bench/peers/torch_llama.py FOLDER --prompt 512,2048 --depth 512,2048 --generate 32
  bench/peers/torch_llama.py FOLDER --dialog 1000,16000,80000

Full attention over a cache of keys and values, by scaled_dot_product_attention; needs torch and numpy.
Prints JSON: rows with the names that memlong-bench has. The dialog is read in messages of 512
tokens; read_seconds and peak_mib are of all up to that length.
"""

import argparse
import json
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from hf_folder import Folder

MESSAGE = 512


class Model:
    def __init__(self, path, positions):
        folder = Folder(path)
        c = folder.config
        self.h = c["num_attention_heads"]
        self.g = c.get("num_key_value_heads", self.h)
        self.d = c.get("head_dim") or c["hidden_size"] // self.h
        self.vocab, self.eps = c["vocab_size"], c["rms_norm_eps"]

        def load(*parts):
            tensors = [torch.from_numpy(folder.bf16(p).copy()).view(torch.bfloat16) for p in parts]
            return torch.cat(tensors)

        self.embedding = load("model.embed_tokens.weight")
        tied = c.get("tie_word_embeddings", False)
        self.head = self.embedding if tied else load("lm_head.weight")
        self.norm = load("model.norm.weight")
        self.layers = []
        for i in range(c["num_hidden_layers"]):
            at = f"model.layers.{i}."
            self.layers.append({
                "norm1": load(at + "input_layernorm.weight"),
                "norm2": load(at + "post_attention_layernorm.weight"),
                "qkv": load(*(f"{at}self_attn.{n}_proj.weight" for n in "qkv")),
                "o": load(at + "self_attn.o_proj.weight"),
                "gate_up": load(at + "mlp.gate_proj.weight", at + "mlp.up_proj.weight"),
                "down": load(at + "mlp.down_proj.weight")})
        frequency = c.get("rope_theta", 10000.0) ** (
            -torch.arange(0, self.d, 2, dtype=torch.float64) / self.d)
        angle = torch.outer(torch.arange(positions, dtype=torch.float64), frequency)[:, None]
        self.cos, self.sin = angle.cos().bfloat16(), angle.sin().bfloat16()
        shape = (len(self.layers), 1, self.g, positions, self.d)
        self.k, self.v = (torch.empty(shape, dtype=torch.bfloat16) for _ in range(2))

    def rotate(self, x, begin):
        cos, sin = (table[begin:begin + x.shape[0]] for table in (self.cos, self.sin))
        a, b = x.chunk(2, -1)
        return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)

    def forward(self, ids, begin):
        """Logits of the last of ids [T], which follow `begin` tokens of the cache."""
        count, end = ids.shape[0], begin + ids.shape[0]
        mask = None
        if begin > 0 and count > 1:
            mask = torch.zeros(count, end, dtype=torch.bfloat16)
            mask[:, begin:] = torch.full((count, count), float("-inf")).triu(1)
        x = F.embedding(ids, self.embedding)
        width = x.shape[-1:]
        for i, layer in enumerate(self.layers):
            n = F.rms_norm(x, width, layer["norm1"], self.eps)
            qkv = F.linear(n, layer["qkv"]).unflatten(-1, (self.h + 2 * self.g, self.d))
            q, k, v = qkv.split((self.h, self.g, self.g), -2)
            self.k[i, 0, :, begin:end] = self.rotate(k, begin).transpose(0, 1)
            self.v[i, 0, :, begin:end] = v.transpose(0, 1)
            y = F.scaled_dot_product_attention(
                self.rotate(q, begin).transpose(0, 1)[None], self.k[i, :, :, :end],
                self.v[i, :, :, :end], attn_mask=mask, is_causal=mask is None and count > 1,
                enable_gqa=self.h != self.g)
            x = x + F.linear(y[0].transpose(0, 1).flatten(1), layer["o"])
            gate, up = F.linear(F.rms_norm(x, width, layer["norm2"], self.eps),
                                layer["gate_up"]).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, layer["down"])
        return F.linear(F.rms_norm(x[-1:], width, self.norm, self.eps), self.head).float()


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rates(run, tokens, repeat):
    """Tokens a second of each run, after one that does not count."""
    found = []
    for i in range(repeat + 1):
        start = time.perf_counter()
        run()
        if i:
            found.append(tokens / (time.perf_counter() - start))
    return found


def row(test, found, **more):
    return {"test": test, "unit": "tokens/s", "value": statistics.median(found), "runs": found,
            "more": more}


def generate(model, ids, begin, count):
    for at in range(begin, begin + count):
        model.forward(ids[at:at + 1], at)


def bench_window(model, args):
    ids = torch.randint(0, model.vocab, (max(args.prompt + args.depth) + args.generate,))
    for n in args.prompt:
        yield row(f"pp{n}", rates(lambda n=n: model.forward(ids[:n], 0), n, args.repeat))
    for depth in args.depth:
        if depth:
            model.forward(ids[:depth], 0)
        name = f"tg{args.generate}" + (f"@{depth}" if depth else "")
        run = lambda depth=depth: generate(model, ids, depth, args.generate)
        yield row(name, rates(run, args.generate, args.repeat))


def bench_dialog(model, args, before):
    start, length, seconds = time.perf_counter(), 0, 0.0
    ids = torch.randint(0, model.vocab, (max(args.dialog) + args.generate,))
    for target in sorted(args.dialog):
        while length < target and seconds < args.limit_seconds:
            count = min(MESSAGE, target - length)
            watch = time.perf_counter()
            model.forward(ids[length:length + count], length)
            seconds += time.perf_counter() - watch
            length += count
        if length < target:
            print(f"stopped at {length} tokens after {seconds:.0f} s", file=sys.stderr, flush=True)
            return
        found = rates(lambda: generate(model, ids, length, args.generate), args.generate, args.repeat)
        yield row(f"dialog-{target}", found, read_seconds=seconds, resident_mib=peak_mib(),
                  beyond_start_mib=peak_mib() - before, wall_seconds=time.perf_counter() - start)


def numbers(text):
    return [int(word) for word in text.split(",") if word]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--prompt", type=numbers, default=[])
    parser.add_argument("--depth", type=numbers, default=[])
    parser.add_argument("--generate", type=int, default=32)
    parser.add_argument("--dialog", type=numbers, default=[])
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch takes")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--limit-seconds", type=float, default=3600.0,
                        help="a dialog that takes longer is not read to its end")
    args = parser.parse_args()
    torch.manual_seed(1)
    if args.threads:
        torch.set_num_threads(args.threads)
    before = peak_mib()  # of Python and torch alone
    positions = max(args.prompt + args.depth + args.dialog) + args.generate
    with torch.inference_mode():
        model = Model(args.folder, positions)
        rows = []
        if args.prompt or args.depth:
            rows += bench_window(model, args)
        if args.dialog:
            rows += bench_dialog(model, args, before)
    print(json.dumps({"program": f"PyTorch {torch.__version__}", "threads": torch.get_num_threads(),
                      "rows": rows}, indent=1))


if __name__ == "__main__":
    main()

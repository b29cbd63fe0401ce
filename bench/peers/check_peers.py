#!/usr/bin/env python3
"""Holds torch_llama.py and memlong_way.py against a plain computation. Not part of the tests.

  bench/peers/check_peers.py [--device cuda] [--model FOLDER]

The plain computation takes a Llama's formulas row by row in f64, with nothing cached or padded. The
model is tiny and random, with heads of 12 dimensions (padded to 16) and grouped keys; on the CPU it
computes in f32, on a GPU in bf16, in which fused attention works. Errors are relative norms. With
--model, and the package transformers, that folder's logits are compared with those of
LlamaForCausalLM too.
"""

import argparse
import sys

import torch
from decode_graph import DecodeGraph
from memlong_way import ATTENTION, MemLong
from shapes import tensors_of
from torch_llama import CachedLlama
from torch_model import open_weights, use_backend

CONFIG = {"vocab_size": 97, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 5,
          "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5,
          "rope_theta": 10000.0, "tie_word_embeddings": False, "bos_token_id": 1}
SETTINGS = {"layer": 2, "reading_layers": [2, 4], "chunk": 4, "top_k": 3, "window": 24, "overlap": 8}


class TinyWeights:
    """Larger than usual, so that attention is far from even."""

    def __init__(self, device):
        self.config, self.device = CONFIG, device
        self.all = {name: (0.2 * torch.randn(shape) + (len(shape) == 1)).bfloat16()
                    for name, shape in tensors_of(CONFIG)}

    def __call__(self, name):
        return self.all[name].to(self.device)


class Plain:
    """One window, all rows at once, f64."""

    def __init__(self, weights):
        self.w = {name: values.double() for name, values in weights.all.items()}

    def norm(self, x, name):
        return x * (x.square().mean(-1, keepdim=True) + CONFIG["rms_norm_eps"]).rsqrt() * self.w[name]

    def rotated(self, x, row):
        """x [heads, D] at position `row`."""
        d = x.shape[1]
        angle = row * CONFIG["rope_theta"] ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
        a, b = x[:, :d // 2], x[:, d // 2:]
        return torch.cat((a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()), 1)

    def run(self, ids, sets, chunks):
        """ids of the window's rows; sets[row]: chunks that the row reads; chunks: their (k, v), lists of
        rows [G, D]. Logits of all rows, and the memory layer's k and v [T, G, D]."""
        h, g = CONFIG["num_attention_heads"], CONFIG["num_key_value_heads"]
        x, kept = self.w["model.embed_tokens.weight"][ids], None
        for i in range(CONFIG["num_hidden_layers"]):
            at = f"model.layers.{i}."
            n = self.norm(x, at + "input_layernorm.weight")
            q, k, v = ((n @ self.w[f"{at}self_attn.{p}_proj.weight"].T).unflatten(1, (heads, -1))
                       for p, heads in (("q", h), ("k", g), ("v", g)))
            if i == SETTINGS["layer"]:
                kept = (k, v)
            turned = [self.rotated(row, t) for t, row in enumerate(k)]
            rows = []
            for t in range(len(ids)):
                keys, values = turned[:t + 1], list(v[:t + 1])
                if i in SETTINGS["reading_layers"]:
                    for chunk in sets[t]:
                        keys, values = keys + list(chunks[chunk][0]), values + list(chunks[chunk][1])
                query = self.rotated(q[t], t)
                heads = []
                for j in range(h):
                    own = j // (h // g)
                    scores = torch.stack([key[own] @ query[j] for key in keys]) / len(query[j]) ** 0.5
                    heads.append(scores.softmax(0) @ torch.stack([value[own] for value in values]))
                rows.append(torch.cat(heads))
            x = x + torch.stack(rows) @ self.w[at + "self_attn.o_proj.weight"].T
            n = self.norm(x, at + "post_attention_layernorm.weight")
            gate, up = (n @ self.w[f"{at}mlp.{p}_proj.weight"].T for p in ("gate", "up"))
            x = x + (gate * gate.sigmoid() * up) @ self.w[at + "mlp.down_proj.weight"].T
        return self.norm(x, "model.norm.weight") @ self.w["lm_head.weight"].T, kept

    def dialog(self, ids, bos):
        """Logits of every token when it is first read, window by window; and how many read memory."""
        chunk, top_k = SETTINGS["chunk"], SETTINGS["top_k"]
        capacity = SETTINGS["window"] - bos
        table = self.w["model.embed_tokens.weight"]
        vectors = [table[ids[c:c + chunk]].mean(0) for c in range(0, len(ids) - chunk + 1, chunk)]
        vectors = [v / v.norm() for v in vectors]
        logits, chunks, read, start, readers = [], [], 0, 0, 0
        while read < len(ids):
            end = min(start + capacity, len(ids))
            sets = []
            for token in range(start, end):
                query, before = max(token, read) // chunk - 1, start // chunk
                order = sorted(range(before), key=lambda c: -float(vectors[c] @ vectors[query]))
                sets.append(sorted(order[:top_k]))
            sets = [sets[0]] * bos + sets
            window = ([CONFIG["bos_token_id"]] * bos) + ids[start:end]
            out, (k, v) = self.run(window, sets, chunks)
            logits += list(out[bos + read - start:])
            readers += sum(map(bool, sets[bos + read - start:]))
            while (len(chunks) + 1) * chunk <= end:
                rows = slice(bos + len(chunks) * chunk - start, bos + (len(chunks) + 1) * chunk - start)
                chunks.append((k[rows], v[rows]))
            read, start = end, start + capacity - SETTINGS["overlap"]
        return torch.stack(logits), readers


class Checks:
    def __init__(self, device):
        self.device, self.failed = device, False
        self.dtype = torch.float32 if device == "cpu" else torch.bfloat16
        self.tolerance = 1e-4 if device == "cpu" else 5e-2

    def hold(self, what, ours, theirs, tolerance=None):
        ours, theirs = ours.double().cpu(), theirs.double().cpu()
        error = float((ours - theirs).norm() / theirs.norm())
        good = error <= (tolerance or self.tolerance)
        self.failed |= not good
        print(f"{'good' if good else 'BAD '} {what}: {error:.1e}")

    def full(self, weights, ids, expected):
        """torch_llama.py: at once, in messages, token by token, from a graph."""
        device_ids = torch.tensor(ids, device=self.device)
        model = CachedLlama(weights, len(ids), self.dtype)
        for backend in ("flash", "cudnn") if self.device == "cuda" else ("",):
            if backend:
                use_backend(backend)
            try:
                out = model.forward(device_ids, 0)
            except RuntimeError as error:
                if backend != "cudnn":
                    raise
                print(f"skipped: prompt at once {backend}: {str(error).splitlines()[0]}")
            else:
                self.hold(f"prompt at once {backend}", out[0], expected[-1])
        if self.device == "cuda":
            use_backend("flash")
        self.hold("prompt in pieces", model.read(device_ids, 7)[0], expected[-1])
        half = len(ids) // 2
        for at in range(half, len(ids)):
            out = model.forward(device_ids[at:at + 1], at)
        self.hold("token by token", out[0], expected[-1])
        graph = DecodeGraph(model, half, len(ids) - half)
        for _ in range(2):
            out = graph.generate(device_ids)
        self.hold("token by token, fixed shapes", out[0], expected[-1])

    def memory(self, weights, plain, ids, bos):
        expected, readers = plain.dialog(ids, bos)
        assert readers > len(ids) // 3, "too few tokens read memory"
        device_ids = torch.tensor(ids + [0] * SETTINGS["window"], device=self.device)
        settings = SETTINGS | {"bos": bool(bos)}
        for name, attention in ATTENTION.items():
            model = MemLong(weights, settings, device_ids, attention, self.dtype)
            found = []
            for end in range(1, len(ids) + 1):  # the first half in messages, the rest token by token
                if end > len(ids) // 2 or end % 9 == 0:
                    model.read(end)
                    found.append((end - 1, model.out[0]))
            what = f"memory, {name}, {'with' if bos else 'without'} BOS, {readers} tokens read it"
            rows = torch.stack([expected[at] for at, _ in found])
            self.hold(what, torch.stack([out for _, out in found]), rows)
            out, start = model.out.clone(), model.start
            model.read(len(ids) + SETTINGS["window"])
            model.back_to(len(ids), start)
            self.hold("  and back again", model.out[0], out[0])
        model = MemLong(weights, settings | {"window": 80}, device_ids, attention, self.dtype)
        model.read(len(ids))
        window = [CONFIG["bos_token_id"]] * bos + ids
        full = CachedLlama(weights, len(window), self.dtype)
        out = full.forward(torch.tensor(window, device=self.device), 0)
        self.hold("empty bank, beside torch_llama.py", model.out[0], out[0])

    def folder(self, path):
        from transformers import AutoModelForCausalLM
        theirs = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
        ids = torch.randint(0, theirs.config.vocab_size, (200,))
        ours = CachedLlama(open_weights(path, self.device), 200, self.dtype)
        self.hold("the folder, beside transformers", ours.forward(ids.to(self.device), 0)[0],
                  theirs(ids[None]).logits[0, -1])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--model", help="a folder to compare with transformers")
    args = parser.parse_args()
    torch.manual_seed(3)
    checks = Checks(args.device)
    with torch.inference_mode():
        weights = TinyWeights(args.device)
        plain = Plain(weights)
        ids = torch.randint(2, CONFIG["vocab_size"], (62,)).tolist()
        checks.full(weights, ids, plain.run(ids, [[]] * len(ids), [])[0])
        for bos in (0, 1):
            checks.memory(weights, plain, ids, bos)
        if args.model:
            checks.folder(args.model)
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()

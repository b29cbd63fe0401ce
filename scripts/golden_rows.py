#!/usr/bin/env python3
"""Recomputes the rows of tests/data/recall/golden.jsonl, in float64, sharing no code with memlong.

  python3 scripts/golden_rows.py MODEL_DIR tests/data/recall/recall-2k.jsonl > golden.jsonl
  python3 scripts/golden_rows.py MODEL_DIR DIALOGS --compare tests/data/recall/golden.jsonl

MODEL_DIR   a Llama folder as memlong reads it: config.json, model.safetensors, tokenizer.model,
            tokenizer_config.json, sif.safetensors, memlong.toml, and the upper layers in the adapter
            folder that memlong.toml names, if it names one
--compare   writes no rows: says how these differ from the rows of a file; exit code 1 when positions,
            chunks or ids do, or a log-probability by more than --tolerance

Every question stands in a window that begins at the chunk boundary 256 tokens before the end of its
answer, and ends with that answer. Chunks before the window are memory, read by the window as far as
it stands. Weights as they are in the files, memory keys and values rounded to bf16 as in a bank,
everything else in float64. The standard error names near ties, where another implementation or bf16
may choose otherwise: the last chunk retrieved and the first left out, the two likeliest ids.

Needs numpy, sentencepiece, safetensors. Not part of the tests.
"""

import argparse
import json
import math
import sys
import tomllib
from pathlib import Path

import numpy as np
import safetensors
import sentencepiece

ANSWER_SPAN = 256  # tokens from the window's beginning, moved to a chunk boundary, to the answer's end
SIF_A = 1e-4
CLOSE_SCORES = 1e-3
CLOSE_LOG_PROBABILITIES = 0.1


# Files


def read_safetensors(path):
    tensors = {}
    for name, entry in safetensors.deserialize(Path(path).read_bytes()):
        if entry["dtype"] == "BF16":
            bits = np.frombuffer(entry["data"], "<u2").astype(np.uint32) << 16
            values = bits.view(np.float32)
        else:
            values = np.frombuffer(entry["data"], {"F16": "<f2", "F32": "<f4", "F64": "<f8"}[entry["dtype"]])
        tensors[name] = values.astype(np.float64).reshape(entry["shape"])
    return tensors


def round_to_bf16(x):
    """To nearest, ties to even."""
    bits = x.astype(np.float32).view(np.uint32)
    bits = (bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(np.float64)


class Settings:
    """config.json and memlong.toml; refuses what this script does not compute."""

    def __init__(self, folder):
        config = json.loads((folder / "config.json").read_text())
        toml = tomllib.loads((folder / "memlong.toml").read_text())
        memory, window = toml["memory"], toml["window"]
        for what, wrong in {
            "architecture": config["architectures"] != ["LlamaForCausalLM"],
            "rope_scaling": config.get("rope_scaling") is not None,
            "attention_bias": config.get("attention_bias", False),
            "embedder": memory.get("embedder", "sif") != "sif",
            "window.bos": window.get("bos", False),
        }.items():
            if wrong:
                sys.exit(f"golden_rows.py: error: {folder}: this {what} is not supported here")
        self.layers = config["num_hidden_layers"]
        self.heads = config["num_attention_heads"]
        self.kv_heads = config["num_key_value_heads"]
        self.head_dim = config.get("head_dim") or config["hidden_size"] // self.heads
        self.eps, self.theta = config["rms_norm_eps"], config["rope_theta"]
        self.tied = config["tie_word_embeddings"]
        self.memory_layer, self.reading = memory["layer"], set(memory["reading_layers"])
        self.chunk, self.top_k = memory["chunk"], memory["top_k"]
        self.neighbours = memory.get("neighbours", 0)
        self.recency = memory.get("recency", 0.0)
        self.query_chunks, self.recent_chunks = memory.get("query_chunks", 1), memory.get("recent_chunks", 0)
        self.window, self.overlap = window["size"], window["overlap"]
        self.adapter = toml.get("adapter", {}).get("path")


# The network. Shapes: x [T, C], q [H, T, D], k and v [G, T, D]


class Network:
    def __init__(self, folder, settings):
        self.s = settings
        self.weights = read_safetensors(folder / "model.safetensors")
        if settings.adapter:
            upper = read_safetensors(folder / settings.adapter / "upper_layers.safetensors")
            unknown = sorted(set(upper) - set(self.weights))
            if unknown:
                sys.exit(f"golden_rows.py: error: the adapter has {unknown[0]}, the model has not")
            writer = [f"model.layers.{i}." for i in range(settings.memory_layer)] + ["model.embed_tokens."]
            writer += [f"model.layers.{settings.memory_layer}.{part}." for part in
                       ("input_layernorm", "self_attn.k_proj", "self_attn.v_proj")]
            changed = [name for name in upper if name.startswith(tuple(writer))]
            if changed:
                sys.exit(f"golden_rows.py: error: the adapter changes the writer: {changed[0]}")
            self.weights |= upper
        self.embedding = self.weights["model.embed_tokens.weight"]

    def linear(self, x, name):
        return x @ self.weights[f"model.{name}.weight"].T

    def norm(self, x, name):
        scale = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + self.s.eps)
        return x * scale * self.weights[f"model.{name}.weight"]

    def split_heads(self, x):
        return x.reshape(len(x), -1, self.s.head_dim).transpose(1, 0, 2)

    def rope(self, x):
        """Rotates [heads, T, D] by positions 0..T-1; element i is paired with i + D/2."""
        half = self.s.head_dim // 2
        frequency = self.s.theta ** (-np.arange(half) / half)
        angle = np.arange(x.shape[1])[:, None] * frequency
        a, b = x[..., :half], x[..., half:]
        cos, sin = np.cos(angle), np.sin(angle)
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    def keys_values(self, x, layer):
        """Keys before rotation, and values."""
        x = self.norm(x, f"layers.{layer}.input_layernorm")
        return [self.split_heads(self.linear(x, f"layers.{layer}.self_attn.{p}_proj")) for p in "kv"]

    def attention(self, x, layer, segments):
        """segments: (begin, end, K, V) that cover the window; K and V [G, M, D] stand unrotated at
        position 0, before the local keys, in the same softmax."""
        group = self.s.heads // self.s.kv_heads
        q = self.split_heads(self.linear(self.norm(x, f"layers.{layer}.input_layernorm"),
                                         f"layers.{layer}.self_attn.q_proj"))
        q = self.rope(q) / math.sqrt(self.s.head_dim)
        k, v = self.keys_values(x, layer)
        k = self.rope(k)
        out = np.empty_like(q)
        for begin, end, memory_k, memory_v in segments:
            keys = np.repeat(np.concatenate([memory_k, k[:, :end]], 1), group, 0)
            values = np.repeat(np.concatenate([memory_v, v[:, :end]], 1), group, 0)
            scores = q[:, begin:end] @ keys.transpose(0, 2, 1)
            future = np.arange(end)[None, :] > np.arange(begin, end)[:, None]
            scores[:, :, memory_k.shape[1]:][:, future] = -np.inf
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            out[:, begin:end] = (weights / weights.sum(-1, keepdims=True)) @ values
        out = out.transpose(1, 0, 2).reshape(len(x), -1)
        return self.linear(out, f"layers.{layer}.self_attn.o_proj")

    def block(self, x, layer, segments):
        x = x + self.attention(x, layer, segments)
        mlp = f"layers.{layer}.mlp."
        y = self.norm(x, f"layers.{layer}.post_attention_layernorm")
        gate = self.linear(y, mlp + "gate_proj")
        return x + self.linear(gate / (1 + np.exp(-gate)) * self.linear(y, mlp + "up_proj"), mlp + "down_proj")

    def no_memory(self, length):
        nothing = np.empty((self.s.kv_heads, 0, self.s.head_dim))
        return [(0, length, nothing, nothing)]

    def lower(self, ids):
        """The input of the memory layer."""
        x = self.embedding[ids]
        for layer in range(self.s.memory_layer):
            x = self.block(x, layer, self.no_memory(len(ids)))
        return x

    def upper(self, x, segments):
        """Logarithms of the next token's probabilities [T, V]."""
        for layer in range(self.s.memory_layer, self.s.layers):
            x = self.block(x, layer, segments if layer in self.s.reading else self.no_memory(len(x)))
        head = self.embedding if self.s.tied else self.weights["lm_head.weight"]
        logits = self.norm(x, "norm") @ head.T
        logits -= logits.max(-1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


# The memory


class Dialog:
    """Token ids of `<s>` and all turns, each `<|role|>text<|end|>`; turns: (role, begin, end)."""

    def __init__(self, folder, tokenizer, turns):
        known = json.loads((folder / "tokenizer_config.json").read_text())
        special = {p: tokenizer.piece_to_id(p) for p in
                   [known["bos_token"], *known["additional_special_tokens"]]}
        self.ids = [special[known["bos_token"]]]
        self.turns = []
        for turn in turns:
            begin = len(self.ids)
            self.ids += [special[f"<|{turn['role']}|>"], *tokenizer.encode(turn["content"]), special["<|end|>"]]
            self.turns.append((turn["role"], begin, len(self.ids)))


class Memory:
    """Keys, values and vectors of a dialog's complete chunks."""

    def __init__(self, folder, network, ids):
        self.s, self.ids = network.s, ids
        self.chunk_kv, self.network = [], network
        sif = read_safetensors(folder / "sif.safetensors")
        rows = network.embedding / np.linalg.norm(network.embedding, axis=1, keepdims=True)
        weight = SIF_A / (SIF_A + sif["token_probability"])
        self.rows = sif.get("token_vectors", rows * weight[:, None])
        self.component = sif["component"]
        self.write()
        size = self.s.chunk
        self.vectors = np.array([self.embed(ids[i * size:(i + 1) * size]) for i in range(len(self.chunk_kv))])

    def write(self):
        """Each chunk's keys and values come from the first window that completes it."""
        size, begin = self.s.chunk, 0
        while (len(self.chunk_kv) + 1) * size <= len(self.ids):
            window = self.ids[begin:begin + self.s.window]
            k, v = map(round_to_bf16, self.network.keys_values(self.network.lower(window), self.s.memory_layer))
            while (len(self.chunk_kv) + 1) * size <= begin + len(window):
                at = len(self.chunk_kv) * size - begin
                self.chunk_kv.append((k[:, at:at + size], v[:, at:at + size]))
            begin += self.s.window - self.s.overlap

    def embed(self, ids):
        x = self.rows[ids].mean(0)
        x = x - (x @ self.component) / (self.component @ self.component) * self.component
        return x / np.linalg.norm(x)

    def search(self, queries, begin, text, where):
        """The best chunks of those before the window, best first; for text the nearer the better, and then
        the last ones, which are not among the best. With scores."""
        eligible = begin // self.s.chunk
        if eligible == 0:
            return [], []
        recent = min(self.s.recent_chunks, eligible) if text else 0
        scores = np.max([self.vectors[:eligible] @ self.embed(q) for q in queries], axis=0)
        back = np.maximum(1, begin / self.s.chunk - np.arange(eligible))
        ranks = scores - (self.s.recency * np.log2(back) if text else 0)
        order = np.argsort(-ranks[:eligible - recent], kind="stable")
        best = self.with_neighbours(order)
        out = next((rank for rank, chunk in enumerate(order) if chunk not in best), 0)
        if out > 0 and ranks[order[out - 1]] - ranks[order[out]] < CLOSE_SCORES:
            print(f"{where}: chunks {order[out - 1]} and {order[out]} have scores "
                  f"{ranks[order[out - 1]]:.6f} and {ranks[order[out]]:.6f}", file=sys.stderr)
        best = np.concatenate([best, np.arange(eligible - recent, eligible)]).astype(int)
        return best.tolist(), scores[best].tolist()

    def with_neighbours(self, order):
        """The best top_k; the chunks beside the first `neighbours` of them come right after each."""
        chosen, bring = [], self.s.neighbours
        for chunk in order.tolist():
            if chunk in chosen:
                continue
            more = [chunk]
            if bring > 0:
                more += [c for c in (chunk - 1, chunk + 1) if 0 <= c < len(order)]
                bring -= 1
            chosen += [c for c in more if c not in chosen]
            if len(chosen) >= self.s.top_k:
                break
        return np.array(chosen[:self.s.top_k])

    def gather(self, chunks):
        """Keys and values of a set, oldest first."""
        if not chunks:
            return [np.empty((self.s.kv_heads, 0, self.s.head_dim))] * 2
        return [np.concatenate([self.chunk_kv[c][i] for c in sorted(chunks)], 1) for i in (0, 1)]


def retrieval_points(dialog, settings, begin, end):
    """(token, queries, whether recent chunks are read) for the segments of window begin..end: the last
    completed chunks at every chunk boundary; an answered message alone, once, from its first token until
    its answer is a chunk long; beside these chunks from there until the user speaks again."""
    points = {}
    for at in range(begin, end, settings.chunk):
        points[at] = [dialog.ids[max(0, at - settings.query_chunks * settings.chunk):at]]
    alone = set()
    message, start = None, None
    for role, turn_begin, turn_end in dialog.turns:
        if role == "user":
            message, start = dialog.ids[turn_begin:turn_end], turn_begin
        if role != "assistant" or message is None:
            continue
        for at in list(points):
            if start <= at < turn_begin + settings.chunk and at < turn_end:
                del points[at]
            elif turn_begin < at < turn_end:
                points[at].append(message)
        first = max(begin, start)
        if first < min(turn_begin + settings.chunk, turn_end, end):
            points[first] = [message]
            alone.add(first)
        start = turn_end  # another answer to the same message begins with itself
    return [(at, queries, at not in alone) for at, queries in sorted(points.items())]


# Rows


def report_close_ids(log_p, where):
    for i, best in enumerate(np.argsort(-log_p, axis=-1)[:, :2]):
        margin = log_p[i, best[0]] - log_p[i, best[1]]
        if margin < CLOSE_LOG_PROBABILITIES:
            print(f"{where}, answer token {i}: ids {best[0]} and {best[1]}, {margin:.3f} nats apart",
                  file=sys.stderr)


def ask(network, memory, dialog, probe, row):
    s = network.s
    _, answer_start, answer_end = dialog.turns[probe["turn"]]
    begin = max(0, answer_end - ANSWER_SPAN) // s.chunk * s.chunk
    segments, asked = [], None
    points = retrieval_points(dialog, s, begin, answer_end)
    for (at, queries, text), after in zip(points, [p[0] for p in points[1:]] + [answer_end]):
        found = memory.search(queries, begin, text, f"turn {probe['turn']}, token {at}")
        segments.append((at - begin, after - begin, *memory.gather(found[0])))
        if at <= answer_start:
            asked = found
    wanted = dialog.ids[answer_start + 1:answer_end]
    x = network.lower(dialog.ids[begin:answer_end])
    predicting = slice(answer_start - begin, answer_end - begin - 1)

    log_p = network.upper(x, segments)[predicting]
    without = network.upper(x, network.no_memory(len(x)))[predicting]
    report_close_ids(log_p, f"turn {probe['turn']}")
    positions = np.arange(len(wanted))
    fact = probe["fact_turn"]
    place = None if fact is None else dialog.turns[fact][1:]
    return row | {
        "turn": probe["turn"], "tokens": len(dialog.ids), "window_start": begin,
        "answer_start": answer_start, "answer_end": answer_end, "retrieved": sorted(asked[0]),
        "by_score": asked[0], "scores": [round(x, 5) for x in asked[1]],
        "fact_chunks": place and [place[0] // s.chunk, (place[1] - 1) // s.chunk],
        "argmax": log_p.argmax(-1).tolist(), "wanted_ids": wanted,
        "log_probability": round(float(log_p[positions, wanted].sum()), 3),
        "without_memory": round(float(without[positions, wanted].sum()), 3)}


def all_rows(folder, dialogs):
    network = Network(folder, Settings(folder))
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    for number, line in enumerate(dialogs.read_text().splitlines()):
        item = json.loads(line)
        dialog = Dialog(folder, tokenizer, item["turns"])
        memory = Memory(folder, network, dialog.ids)
        for probe in item["probes"]:
            yield ask(network, memory, dialog, probe, {"file": dialogs.name, "dialog": number})


def compare(rows, wanted, tolerance):
    """Prints every difference; true when there is none that counts."""
    good = len(rows) == len(wanted)
    print(f"{len(rows)} rows, {len(wanted)} in the file")
    worst = {"scores": 0.0, "log_probability": 0.0, "without_memory": 0.0}
    for row, want in zip(rows, wanted):
        for key in want:
            if key in worst:
                difference = float(np.max(np.abs(np.subtract(row[key], want[key]))))
                worst[key] = max(worst[key], difference)
                same = key == "scores" or difference <= tolerance
            else:
                same = row.get(key) == want[key]
            if not same:
                good = False
                print(f"dialog {want['dialog']} turn {want['turn']}: {key} {row.get(key)}, not {want[key]}")
    print("largest differences:", ", ".join(f"{key} {value:.5f}" for key, value in worst.items()))
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("dialogs", type=Path)
    parser.add_argument("--compare", type=Path, metavar="FILE")
    parser.add_argument("--tolerance", type=float, default=0.1, help="nats (default 0.1)")
    args = parser.parse_args()
    if not args.compare:
        for row in all_rows(args.model, args.dialogs):
            print(json.dumps(row), flush=True)
        return 0
    wanted = [json.loads(line) for line in args.compare.read_text().splitlines()]
    return 0 if compare(list(all_rows(args.model, args.dialogs)), wanted, args.tolerance) else 1


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Writes a model folder with random bf16 weights of a well-known shape, for figures without a download.

  bench/peers/random_model.py 100m FOLDER

The tokenizer is a stand-in: bytes, single letters, and pieces that no text has.
"""

import argparse
import json
import struct
from pathlib import Path

import numpy as np
from hf_folder import to_bf16
from shapes import SHAPES, config_of, tensors_of


def write_weights(file, config):
    header, offset = {}, 0
    for name, shape in tensors_of(config):
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    random = np.random.default_rng(1)
    with open(file, "wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for _, shape in tensors_of(config):
            if len(shape) == 1:
                stream.write(to_bf16(np.ones(shape)).tobytes())
                continue
            for _ in range(shape[0]):  # row by row: the largest shapes have large matrices
                row = random.standard_normal(shape[1], np.float32)
                stream.write(to_bf16(0.02 * row).tobytes())


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, payload):
    """A protobuf field that has a length."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def tokenizer_model(vocab):
    """A sentencepiece model (BPE with byte fallback) as its protobuf says."""
    normal, unknown, control, byte = 1, 2, 3, 6
    pieces = [("<unk>", unknown), ("<s>", control), ("</s>", control)]
    pieces += [(f"<0x{i:02X}>", byte) for i in range(256)]
    pieces += [(chr(i), normal) for i in range(33, 127)] + [("\u2581", normal)]
    pieces += [(f"\u2581\u2581{i}", normal) for i in range(vocab - len(pieces))]
    out = b""
    for i, (text, kind) in enumerate(pieces[:vocab]):
        score = struct.pack("<f", -float(i) if kind == normal else 0.0)
        out += field(1, field(1, text.encode()) + b"\x15" + score + b"\x18" + varint(kind))
    trainer = b"\x18" + varint(2) + b"\x20" + varint(vocab) + varint(35 << 3) + b"\x01"
    return out + field(2, trainer) + field(3, field(1, b"identity"))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("shape", choices=sorted(SHAPES))
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    config = config_of(args.shape)
    args.folder.mkdir(parents=True, exist_ok=True)
    (args.folder / "tokenizer.model").write_bytes(tokenizer_model(config["vocab_size"]))
    write_weights(args.folder / "model.safetensors", config)
    (args.folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


if __name__ == "__main__":
    main()

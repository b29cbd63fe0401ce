"""A model folder as Hugging Face lays it out: its config and its tensors, without other packages than
numpy. bf16 tensors come as uint16, their upper halves of f32."""

import json
import struct
from pathlib import Path

import numpy as np

KINDS = {"BF16": np.uint16, "F16": np.float16, "F32": np.float32}


class Folder:
    def __init__(self, path):
        self.path = Path(path)
        self.config = json.loads((self.path / "config.json").read_text())
        self.places = {}
        for file in sorted(self.path.glob("*.safetensors")):
            if file.name != "sif.safetensors":
                self._index(file)

    def _index(self, file):
        with open(file, "rb") as stream:
            size = struct.unpack("<Q", stream.read(8))[0]
            header = json.loads(stream.read(size))
        for name, entry in header.items():
            if name != "__metadata__":
                begin, end = entry["data_offsets"]
                self.places[name] = (file, entry["dtype"], entry["shape"], 8 + size + begin, end - begin)

    def __contains__(self, name):
        return name in self.places

    def kind(self, name):
        return self.places[name][1]

    def tensor(self, name):
        file, kind, shape, offset, size = self.places[name]
        raw = np.memmap(file, np.uint8, "r", offset, size)
        return np.frombuffer(raw, KINDS[kind]).reshape(shape)

    def f32(self, name):
        values = self.tensor(name)
        if self.kind(name) != "BF16":
            return values.astype(np.float32)
        return (values.astype(np.uint32) << 16).view(np.float32)

    def bf16(self, name):
        """As uint16; rounded to nearest even where the folder has something wider."""
        if self.kind(name) == "BF16":
            return self.tensor(name)
        return to_bf16(self.f32(name))


def to_bf16(values):
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)

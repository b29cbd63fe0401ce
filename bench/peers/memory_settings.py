"""The memory settings of a model, found as the programs of memlong find them: the folder's memlong.toml,
else the file of configs/models/ that fits, else defaults from the shape (src/model/memory_settings.h).
Needs Python 3.11."""

import tomllib
from pathlib import Path

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "models"
FIELDS = {"layers": "num_hidden_layers", "hidden": "hidden_size", "ffn": "intermediate_size",
          "heads": "num_attention_heads", "vocab": "vocab_size"}


def from_shape(config):
    layers = config["num_hidden_layers"]
    window = min(config["max_position_embeddings"], 2048)
    chunk = min(max(window // 8, 1), 128)
    return {"layer": layers // 2, "reading_layers": list(range(layers // 2, layers)), "chunk": chunk,
            "top_k": 8, "window": window, "overlap": max(window // 4, chunk),
            "bos": config.get("bos_token_id") is not None}


def fits(match, config):
    """Whether a [match] table is one of this model."""
    heads = config["num_attention_heads"]
    actual = {key: config[field] for key, field in FIELDS.items()}
    actual |= {"architecture": config["architectures"][0],
               "kv_heads": config.get("num_key_value_heads", heads)}
    return all(actual[key] == value for key, value in match.items())


def overlaid(base, tables):
    memory, window = tables.get("memory", {}), tables.get("window", {})
    settings = base | {key: memory[key] for key in ("layer", "reading_layers", "chunk", "top_k")
                       if key in memory}
    for key, name in (("window", "size"), ("overlap", "overlap"), ("bos", "bos")):
        settings[key] = window.get(name, settings[key])
    return settings


def find_settings(source, config):
    """source: a folder, or shape:NAME. What only memlong has (neighbours, recency ...) is left out."""
    base = from_shape(config)
    own = Path(source) / "memlong.toml"
    if own.exists():
        return overlaid(base, tomllib.loads(own.read_text()))
    for file in sorted(CONFIGS.glob("*.toml")):
        tables = tomllib.loads(file.read_text())
        if "match" in tables and fits(tables["match"], config):
            return overlaid(base, tables)
    return base

"""A Llama in eager PyTorch, for torch_llama.py and memlong_way.py: weights, layers, attention.

Rows of heads are padded with zeros to a multiple of 8 when weights are loaded (100 becomes 104): the
fused kernels of scaled_dot_product_attention ask for that, and would copy all keys and values each
time, or refuse. Zeros change no inner product.
"""

import functools

import torch
import torch.nn.functional as F
from hf_folder import Folder
from shapes import config_of, tensors_of
from torch.nn.attention.bias import causal_lower_right


class FolderWeights:
    """Tensors of a model folder, bf16, on a device."""

    def __init__(self, path, device):
        self.folder = Folder(path)
        self.config, self.device = self.folder.config, device

    def __call__(self, name):
        values = torch.from_numpy(self.folder.bf16(name).copy()).view(torch.bfloat16)
        return values.to(self.device)


class RandomWeights:
    """Random tensors of a shape, bf16, made on the device."""

    def __init__(self, config, device):
        self.config, self.device = config, device
        self.shapes = dict(tensors_of(config))

    def __call__(self, name):
        values = torch.empty(self.shapes[name], dtype=torch.bfloat16, device=self.device)
        return values.fill_(1.0) if values.dim() == 1 else values.normal_(0.0, 0.02)


def open_weights(source, device):
    """source: a folder, or shape:NAME."""
    if source.startswith("shape:"):
        return RandomWeights(config_of(source.removeprefix("shape:")), device)
    return FolderWeights(source, device)


def rotate(x, cos, sin):
    """x [T, heads, D], halves paired; sin has its sign: [-sin, sin]."""
    a, b = x.chunk(2, -1)
    return torch.addcmul(x * cos, torch.cat((b, a), -1), sin)


class Llama:
    """Layers without a cache. Tokens are rows: x [T, C]; T tokens, C hidden, H heads, G kv heads, D
    head dimension with its padding."""

    def __init__(self, weights, positions, dtype=torch.bfloat16):
        c = weights.config
        self.device, self.dtype = torch.device(weights.device), dtype
        self.h = c["num_attention_heads"]
        self.g = c.get("num_key_value_heads", self.h)
        true_d = c.get("head_dim") or c["hidden_size"] // self.h
        self.d = (true_d + 7) // 8 * 8
        self.scale = true_d ** -0.5
        self.vocab, self.eps, self.width = c["vocab_size"], c["rms_norm_eps"], (c["hidden_size"],)
        pad = (self.d - true_d) // 2

        def load(*names):
            return torch.cat([weights(n).to(dtype) for n in names])

        def rows(name, heads):  # [heads * true D, C]
            return F.pad(load(name).unflatten(0, (heads, 2, -1)), (0, 0, 0, pad)).flatten(0, 2)

        def columns(name):  # [C, H * true D]
            return F.pad(load(name).unflatten(1, (self.h, 2, -1)), (0, pad)).flatten(1)

        self.embedding = load("model.embed_tokens.weight")
        tied = c.get("tie_word_embeddings", False)
        self.head = self.embedding if tied else load("lm_head.weight")
        self.norm = load("model.norm.weight")
        self.layers = []
        for i in range(c["num_hidden_layers"]):
            at = f"model.layers.{i}."
            heads = {"q": self.h, "k": self.g, "v": self.g}
            self.layers.append({
                "norm1": load(at + "input_layernorm.weight"),
                "norm2": load(at + "post_attention_layernorm.weight"),
                "qkv": torch.cat([rows(f"{at}self_attn.{n}_proj.weight", heads[n]) for n in "qkv"]),
                "o": columns(at + "self_attn.o_proj.weight"),
                "gate_up": load(at + "mlp.gate_proj.weight", at + "mlp.up_proj.weight"),
                "down": load(at + "mlp.down_proj.weight")})
        theta = c.get("rope_theta") or c.get("rope_parameters", {}).get("rope_theta", 10000.0)
        frequency = theta ** (-torch.arange(0, true_d, 2, dtype=torch.float64) / true_d)
        angle = torch.outer(torch.arange(positions, dtype=torch.float64), F.pad(frequency, (0, pad)))
        cos, sin = angle.cos()[:, None], angle.sin()[:, None]  # [positions, 1, D / 2]
        self.cos = torch.cat((cos, cos), -1).to(self.device, dtype)
        self.sin = torch.cat((-sin, sin), -1).to(self.device, dtype)

    def cache(self, positions):
        """Keys or values of all layers: [L, 1, G, positions, D]."""
        shape = (len(self.layers), 1, self.g, positions, self.d)
        return torch.zeros(shape, dtype=self.dtype, device=self.device)

    def embed(self, ids):
        return F.embedding(ids, self.embedding)

    def rope(self, begin, count):
        return self.cos[begin:begin + count], self.sin[begin:begin + count]

    def block(self, i, x, rope, attend):
        """attend(q, k, qkv), rotated q [T, H, D] and k [T, G, D], and all before rotation
        [T, H + 2G, D], gives [T, H, D]."""
        layer = self.layers[i]
        n = F.rms_norm(x, self.width, layer["norm1"], self.eps)
        qkv = F.linear(n, layer["qkv"]).unflatten(-1, (self.h + 2 * self.g, self.d))
        q, k = rotate(qkv[:, :self.h + self.g], *rope).split((self.h, self.g), 1)
        x = x + F.linear(attend(q, k, qkv).flatten(1), layer["o"])
        n = F.rms_norm(x, self.width, layer["norm2"], self.eps)
        gate, up = F.linear(n, layer["gate_up"]).chunk(2, -1)
        return x + F.linear(F.silu(gate) * up, layer["down"])

    def logits(self, x):
        """Of the last row."""
        n = F.rms_norm(x[-1:], self.width, self.norm, self.eps)
        return F.linear(n, self.head).float()


@functools.lru_cache(maxsize=2)
def causal_mask(count, keys, dtype, device):
    """[count, keys], to be added to scores: the last `count` keys are the queries' own."""
    mask = torch.zeros(count, keys, dtype=dtype, device=device)
    mask[:, keys - count:] = torch.full((count, count), float("-inf"), device=device).triu(1)
    return mask


def sdpa(q, k, v, scale):
    """q [T, H, D]; k, v [1, G, S, D]; the last key is the last query's own. [T, H, D]. On a GPU no mask is
    made: flash attention takes this form of causality as it is. (Its tensor subclass has that from
    PyTorch; on the CPU it would make a mask in every layer.)"""
    count, keys = q.shape[0], k.shape[2]
    mask = None
    if 1 < count < keys:
        mask = (causal_lower_right(count, keys) if q.is_cuda
                else causal_mask(count, keys, q.dtype, q.device))
    y = F.scaled_dot_product_attention(
        q.transpose(0, 1)[None], k, v, attn_mask=mask, is_causal=1 < count == keys, scale=scale,
        enable_gqa=q.shape[1] != k.shape[1])
    return y[0].transpose(0, 1)


def plain_attention(q, k, v, scale):
    """The same by products and a softmax in f32, as the code of the MemLong paper."""
    count, groups = q.shape[0], q.shape[1] // k.shape[1]
    if groups > 1:
        k, v = (y.repeat_interleave(groups, 1) for y in (k, v))
    scores = q.transpose(0, 1) @ k[0].transpose(1, 2) * scale
    if count > 1:
        scores = scores + causal_mask(count, k.shape[2], q.dtype, q.device)
    weights = scores.softmax(-1, dtype=torch.float32).to(q.dtype)
    return (weights @ v[0]).transpose(0, 1)


SWITCHES = {"flash": torch.backends.cuda.enable_flash_sdp,
            "cudnn": torch.backends.cuda.enable_cudnn_sdp,
            "efficient": torch.backends.cuda.enable_mem_efficient_sdp,
            "math": torch.backends.cuda.enable_math_sdp}


def use_backend(name):
    """From now on scaled_dot_product_attention runs this one on a GPU, or fails."""
    for each, switch in SWITCHES.items():
        switch(each == name)

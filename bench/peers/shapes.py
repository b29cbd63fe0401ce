"""Well-known shapes of Llama models, as memlong-bench --shape has them."""

# layers, hidden, ffn, heads, kv heads, vocabulary, positions, tied
SHAPES = {
    "reference": (8, 256, 704, 4, 2, 4096, 512, True),
    "100m": (12, 768, 2048, 12, 12, 32000, 2048, True),
    "1b": (22, 2048, 5632, 32, 4, 32000, 2048, False),
    "openllama-3b": (26, 3200, 8640, 32, 32, 32000, 2048, False),
}
# What memlong-bench calls them, where that differs.
NAMES = {"1b": "tinyllama-1.1b"}


def config_of(shape):
    """The config.json of a shape."""
    layers, hidden, ffn, heads, kv_heads, vocab, positions, tied = SHAPES[shape]
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": vocab,
            "hidden_size": hidden, "intermediate_size": ffn, "num_hidden_layers": layers,
            "num_attention_heads": heads, "num_key_value_heads": kv_heads, "hidden_act": "silu",
            "max_position_embeddings": positions, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
            "tie_word_embeddings": tied, "attention_bias": False, "bos_token_id": 1,
            "eos_token_id": 2, "torch_dtype": "bfloat16"}


def tensors_of(config):
    """Names and shapes, in the order of a model's file."""
    c, f, v = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    d = c // config["num_attention_heads"]
    kv = config["num_key_value_heads"] * d
    yield "model.embed_tokens.weight", (v, c)
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        yield layer + "input_layernorm.weight", (c,)
        for name, shape in (("q", (c, c)), ("k", (kv, c)), ("v", (kv, c)), ("o", (c, c))):
            yield f"{layer}self_attn.{name}_proj.weight", shape
        yield layer + "post_attention_layernorm.weight", (c,)
        for name, shape in (("gate", (f, c)), ("up", (f, c)), ("down", (c, f))):
            yield f"{layer}mlp.{name}_proj.weight", shape
    yield "model.norm.weight", (c,)
    if not config["tie_word_embeddings"]:
        yield "lm_head.weight", (v, c)

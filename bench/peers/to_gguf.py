#!/usr/bin/env python3
"""A Llama model folder as one GGUF file, matrices in bf16, so that llama.cpp can run the same weights.

  bench/peers/to_gguf.py FOLDER FILE.gguf

Needs the packages gguf and numpy; with sentencepiece the folder's tokenizer goes along, without it a
list of made-up pieces. Untied and tied heads, grouped heads, q/k/v biases; no adapter is laid over the weights.
"""

import argparse
from pathlib import Path

import gguf
import numpy as np
from hf_folder import Folder

LAYER_TENSORS = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj"}


def interleave(rows, heads):
    """Rows of a head so that the pairs that are rotated together stand side by side: Hugging Face pairs
    row i with row i + D/2, llama.cpp's `llama` architecture 2i with 2i + 1."""
    shape = rows.shape
    return rows.reshape(heads, 2, shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(shape)


def names(config):
    """(GGUF name, Hugging Face name, heads whose rows are interleaved or 0)"""
    yield "token_embd.weight", "model.embed_tokens.weight", 0
    heads = {"attn_q": config["num_attention_heads"],
             "attn_k": config.get("num_key_value_heads", config["num_attention_heads"])}
    for layer in range(config["num_hidden_layers"]):
        for ours, theirs in LAYER_TENSORS.items():
            for part in ("weight", "bias"):
                yield (f"blk.{layer}.{ours}.{part}", f"model.layers.{layer}.{theirs}.{part}",
                       heads.get(ours, 0))
    yield "output_norm.weight", "model.norm.weight", 0
    yield "output.weight", "lm_head.weight", 0


def add_config(writer, config, name):
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    theta = config.get("rope_theta") or config.get("rope_parameters", {}).get("rope_theta", 10000.0)
    writer.add_name(name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads", heads))
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(theta)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)


def pieces(folder, vocab):
    """Texts, scores and kinds of all tokens."""
    texts = [f"<piece {i}>" for i in range(vocab)]
    scores, kinds = [0.0] * vocab, [int(gguf.TokenType.NORMAL)] * vocab
    for i, text in enumerate(("<unk>", "<s>", "</s>")):
        texts[i] = text
        kinds[i] = int(gguf.TokenType.CONTROL if i else gguf.TokenType.UNKNOWN)
    for i in range(256):
        texts[3 + i], kinds[3 + i] = f"<0x{i:02X}>", int(gguf.TokenType.BYTE)
    file = folder / "tokenizer.model"
    try:
        import sentencepiece
    except ImportError:
        return texts, scores, kinds
    if not file.exists():
        return texts, scores, kinds
    model = sentencepiece.SentencePieceProcessor(str(file))
    for i in range(min(vocab, model.vocab_size())):
        texts[i], scores[i] = model.id_to_piece(i), model.get_score(i)
        kinds[i] = int(gguf.TokenType.UNKNOWN if model.is_unknown(i)
                       else gguf.TokenType.CONTROL if model.is_control(i)
                       else gguf.TokenType.BYTE if model.is_byte(i) else gguf.TokenType.NORMAL)
    return texts, scores, kinds


def add_tokenizer(writer, folder, config):
    texts, scores, kinds = pieces(folder, config["vocab_size"])
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(texts)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(config.get("bos_token_id", 1))
    eos = config.get("eos_token_id", 2)
    writer.add_eos_token_id(eos[0] if isinstance(eos, list) else eos)
    writer.add_unk_token_id(0)


def add_tensors(writer, folder):
    for ours, theirs, heads in names(folder.config):
        if theirs not in folder:
            continue
        shape = folder.tensor(theirs).shape
        if len(shape) == 1:
            values = folder.f32(theirs)
            writer.add_tensor(ours, interleave(values, heads) if heads else values)
            continue
        values = folder.bf16(theirs)
        values = np.ascontiguousarray(interleave(values, heads) if heads else values)
        writer.add_tensor(ours, values.view(np.uint8), raw_dtype=gguf.GGMLQuantizationType.BF16)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("file", type=Path)
    args = parser.parse_args()
    folder = Folder(args.folder)
    writer = gguf.GGUFWriter(args.file, "llama")
    add_config(writer, folder.config, args.folder.resolve().name)
    add_tokenizer(writer, args.folder, folder.config)
    add_tensors(writer, folder)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()

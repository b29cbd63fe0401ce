#!/usr/bin/env python3
"""Writes tests/data/encoders: small random sentence encoders as folders of Hugging Face, and what transformers and
tokenizers make of some texts with them.

  python3 scripts/golden_encoders.py FOLDER      writes FOLDER/NAME/..., FOLDER/golden.json

Vocabularies are learnt from examples/novel.txt. Vectors are computed in float64. Needs torch, transformers,
tokenizers, sentencepiece and safetensors (2.15, 5.23, 0.23, 0.2.3 and 0.8 were used). Not part of the tests.
"""

import argparse
import io
import json
import os
import sys
from pathlib import Path

import sentencepiece
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    XLMRobertaConfig,
    XLMRobertaModel,
    XLMRobertaTokenizer,
)

ROOT = Path(__file__).resolve().parent.parent
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXTS = [
    "Hello, world!",
    "The captain stood on the deck and looked at the sea.",
    "the CAPTAIN stood ON the deck",
    "a",
    "...",
    "It's 12:45; isn't it? (Yes - \u201cquite\u201d \u2026) $5 ~ `x` a_b",
    "Caf\u00e9 na\u00efve \u00c5ngstr\u00f6m \u0152uvre \u00df \u1e9e \u0130stanbul I\u0307",
    "Cafe\u0301 n\u0303 e\u0308\u0301",
    "\u6f22\u5b57\u3068\u304b\u306a\u3001\u30ab\u30bf\u30ab\u30ca\u3002 sea\u6d77sea",
    "\ud55c\uad6d\uc5b4 \u0415\u0449\u0451 \u043e\u0434\u0438\u043d \u03a3\u039f\u03a6\u039f\u03a3",
    "\ufb01nd \uff21\uff22 \u00bd\u00b2 \u2460",
    "tab\tnew\nline\r\nnul\x00 del\x7f soft\u00adhyphen zero\u200bwidth no\u00a0break \u3000wide \ufeffmark \ufffd",
    "\U0001f642 sea \U0001f468\u200d\U0001f469\u200d\U0001f467 \U00020000 \ue000 \u0378",
    "  spaces   at  both ends  ",
    "x" * 100 + " " + "y" * 101 + " end",
    "antidisestablishmentarianism unquestionably",
    "A word and a word and a word and a word and a word and a word and a word and a word and a word and a word.",
]


def novel():
    return (ROOT / "examples/novel.txt").read_text(encoding="utf8")[:200_000]


def fill(model, seed):
    """Weights large enough that every part of the network shows in the result."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in sorted(model.named_parameters()):
        noise = torch.randn(value.shape, generator=generator)
        norm = "LayerNorm.weight" in name
        value.data = (1 + 0.3 * noise if norm else 0.3 * noise).to(torch.float16).to(torch.float32)
    return model.eval()


def word_pieces(lower_case, tokens):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower_case)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=tokens, special_tokens=SPECIALS, show_progress=False, limit_alphabet=90,
        initial_alphabet=list("$~`_\u6f22\u00e9\u00df\u03c3\u00b7"),
    )  # fmt: skip
    tokenizer.train_from_iterator(novel().splitlines(), trainer)
    data = json.loads(tokenizer.to_str())  # in an order that does not change from run to run
    learnt = SPECIALS + sorted(set(data["model"]["vocab"]) - set(SPECIALS))
    data["model"]["vocab"] = {token: i for i, token in enumerate(learnt)}
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def pieces(folder):
    """A sentencepiece model whose table of replacements is short."""
    rules = [("\ufb01", "fi"), ("\uff21", "A"), ("\uff22", "B"), ("\u00bd", "1/2"), ("\u00b2", "2")]
    rules += [("e\u0301", "\u00e9"), ("n\u0303", "\u00f1"), ("\u3000", " "), ("\u00a0", " "), ("\t", " ")]
    rules += [("\n", " "), ("\r", " "), ("\u200b", " "), ("\ufeff", "")]
    points = lambda text: " ".join(f"{ord(c):X}" for c in text)  # noqa: E731
    out = io.BytesIO()
    text = [line for line in novel().splitlines() if line.strip()]
    before = Path.cwd()
    os.chdir(folder)  # the model file keeps the name
    tsv = Path("rules.tsv")
    tsv.write_text("".join(f"{points(a)}\t{points(b)}\n" for a, b in rules), encoding="utf8")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text), model_writer=out, vocab_size=300, model_type="unigram",
        normalization_rule_tsv="rules.tsv", character_coverage=1.0, minloglevel=2,
    )  # fmt: skip
    tsv.unlink()
    os.chdir(before)
    (folder / "sentencepiece.bpe.model").write_bytes(out.getvalue())


def write_json(file, value):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value, indent=1) + "\n", encoding="utf8")


def write_config(folder, config, **also):
    kept = ["model_type", "num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads"]
    kept += ["vocab_size", "max_position_embeddings", "type_vocab_size", "layer_norm_eps", "hidden_act", "pad_token_id"]
    write_json(folder / "config.json", {key: getattr(config, key) for key in kept} | also)


def write_modules(folder):
    names = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(names)
    ]
    write_json(folder / "modules.json", modules)


def write_pooling(folder, cls):
    modes = {"pooling_mode_cls_token": cls, "pooling_mode_mean_tokens": not cls, "pooling_mode_max_tokens": False}
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 32} | modes)


def bert_mean(folder):
    """As all-MiniLM comes: tokenizer.json, modules.json, the longest text below what the model has positions for."""
    tokenizer = word_pieces(True, 300)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = BertConfig(
        vocab_size=304, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=64,
    )  # fmt: skip
    model = fill(BertModel(config, add_pooling_layer=True), 1)
    save_file({k: v.to(torch.float16) for k, v in model.state_dict().items()}, str(folder / "model.safetensors"))
    write_config(folder, config)
    write_modules(folder)
    write_pooling(folder, cls=False)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 24, "do_lower_case": False})
    return tokenizer, model, False, 24


def bert_cls(folder):
    """As older models come: vocab.txt, a torch file, names with a prefix. With upper case, and accents."""
    tokenizer = word_pieces(False, 280)
    vocab = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token, _ in vocab), encoding="utf8")
    write_json(folder / "tokenizer_config.json", {"do_lower_case": False, "tokenizer_class": "BertTokenizer"})
    again = BertTokenizer(str(folder / "vocab.txt"), do_lower_case=False)
    config = BertConfig(
        vocab_size=len(vocab), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=40,
        max_position_embeddings=32, layer_norm_eps=1e-5,
    )  # fmt: skip
    model = fill(BertModel(config, add_pooling_layer=False), 2)
    torch.save({"bert." + k: v for k, v in model.state_dict().items()}, folder / "pytorch_model.bin")
    write_config(folder, config)
    write_pooling(folder, cls=True)
    return again, model, True, 32


def xlm_roberta(folder):
    """As BGE-M3 comes: sentencepiece, the first token's row; and no word of pooling: the mean."""
    pieces(folder)
    tokenizer = XLMRobertaTokenizer.from_pretrained(str(folder))
    config = XLMRobertaConfig(
        vocab_size=302, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        max_position_embeddings=42, type_vocab_size=1, pad_token_id=1, layer_norm_eps=1e-5,
    )  # fmt: skip
    model = fill(XLMRobertaModel(config, add_pooling_layer=False), 3)
    weights = {"roberta." + k: v.to(torch.bfloat16) for k, v in model.state_dict().items()}
    model.load_state_dict({k[8:]: v.to(torch.float32) for k, v in weights.items()})
    save_file(weights, str(folder / "model.safetensors"))
    write_config(folder, config)
    return tokenizer, model, False, 40


def ids_of(tokenizer, text, most):
    if isinstance(tokenizer, Tokenizer):
        ids = tokenizer.encode(text, add_special_tokens=True).ids
    else:
        ids = tokenizer(text, add_special_tokens=True).input_ids
    return ids if len(ids) <= most else ids[: most - 1] + ids[-1:]


@torch.no_grad()
def vector_of(model, cls, ids):
    rows = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
    vector = rows[0] if cls else rows.mean(0)
    return (vector / vector.norm()).tolist()


def write_all(folder):
    page = []
    for make in [bert_mean, bert_cls, xlm_roberta]:
        name = make.__name__.replace("_", "-")
        (folder / name).mkdir(parents=True, exist_ok=True)
        tokenizer, model, cls, most = make(folder / name)
        model = model.double()
        lines = []
        for text in TEXTS:
            ids = ids_of(tokenizer, text, most)
            vector = [round(x, 8) for x in vector_of(model, cls, ids)]
            lines.append(json.dumps({"text": text, "ids": ids, "vector": vector}, separators=(",", ":")))
        page.append(f'"{name}": [\n' + ",\n".join(lines) + "\n]")
    (folder / "golden.json").write_text("{" + ",\n".join(page) + "}\n", encoding="utf8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    write_all(parser.parse_args().folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Writes tests/data/tokenizers: small tokenizer.json files of the kinds that models have, and the ids
that Hugging Face's tokenizers library gives for some texts, and for all of examples/novel.txt.

  python3 scripts/golden_tokens.py FOLDER            writes FOLDER/KIND/tokenizer.json, FOLDER/golden.json

Vocabularies are learnt from examples/novel.txt. Needs tokenizers (0.23 was used). Not part of the tests.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = Path(__file__).resolve().parent.parent
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
MARK = "\u2581"
TEXTS = [
    "",
    "a",
    " ",
    "\n",
    "  ",
    "\n\n",
    " \n",
    "Hello, world!",
    " Hello",
    "  two spaces  and   three ",
    "It's you'LL they'd I'Ve o'clock 'tis",
    "line one\nline two\n\nparagraph\r\n\r\n\tindented\n    four\n",
    "12345 3.14159 2026-11-23 1,000,000 x2y3",
    "\u0663\u0664 \u00bd\u00b2\u2463\u2163",
    "Caf\u00e9 na\u00efve \u0153uvre \u00c5ngstr\u00f6m",
    "Cafe\u0301 n\u0303 e\u0308\u0301 \u212b \u2126",
    "\ufb01nd \uff21\uff22 \uff76\uff9e \u00bc",
    "\u0415\u0449\u0451 \u043e\u0434\u0438\u043d \u0442\u0435\u043a\u0441\u0442",
    "\u6f22\u5b57\u3068\u304b\u306a\u3001\u30ab\u30bf\u30ab\u30ca\u3002",
    "\ud55c\uad6d\uc5b4 \ubb38\uc7a5",
    "\u0639\u0631\u0628\u064a \u0646\u0635 \u0e44\u0e17\u0e22 \u0939\u093f\u0928\u094d\u0926\u0940",
    "\U0001f642\U0001f44d\U0001f3fd \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001d4d0\U0001d7d9",
    "a\u00a0b\u2003c\u3000d\u200be\u2028f\ufeffg",
    "def f(x):\n    return {'a': [x**2, -1]}  # why?!\n",
    "https://example.org/a_b?c=d&e=%20f#g",
    "a\u2581b \u2581\u2581 \u0120 <0x41>",
    "tab\tnul\x00del\x7f.",
    "x <tool_call>y</tool_call><tool_call>",
    "?!?!...---___===    ",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bababababababababababa",
]


def trained(text, tokens, alphabet, normalizer=None, pre_tokenizer=None, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    most = max(len(alphabet), 90)
    trainer = trainers.BpeTrainer(
        vocab_size=tokens, initial_alphabet=alphabet, show_progress=False, limit_alphabet=most
    )
    tokenizer.train_from_iterator(text.splitlines(keepends=True), trainer)
    return tokenizer


def bytes_first(tokenizer):
    """The vocabulary of a sentencepiece model: <unk>, <s>, </s>, the bytes, then the rest."""
    data = json.loads(tokenizer.to_str())
    first = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    vocab = {token: i for i, token in enumerate(first)}
    for token, _ in sorted(data["model"]["vocab"].items(), key=lambda item: item[1]):
        vocab.setdefault(token, len(vocab))
    data["model"].update(vocab=vocab, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def by_bytes(text, tokens, splits, normalizer=None, **byte_level):
    pre = pre_tokenizers.Sequence([*splits, pre_tokenizers.ByteLevel(**byte_level)])
    tokenizer = trained(text, tokens, pre_tokenizers.ByteLevel.alphabet(), normalizer, pre)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(pattern, behavior, invert)


def llama3(text):
    tokenizer = by_bytes(text, 460, [split(Regex(LLAMA3))], add_prefix_space=False, use_regex=False)
    tokenizer.model.ignore_merges = True
    tokenizer.add_special_tokens(
        ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    )
    begin = ("<|begin_of_text|>", tokenizer.token_to_id("<|begin_of_text|>"))
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single="<|begin_of_text|> $A", special_tokens=[begin]),
        ]
    )
    return tokenizer


def qwen2(text):
    splits = [split(Regex(QWEN2))]
    tokenizer = by_bytes(text, 460, splits, normalizers.NFC(), add_prefix_space=False, use_regex=False)
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.add_tokens(["<tool_call>", "</tool_call>"])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def gpt2(text):
    """With digits apart, as SmolLM2 has it."""
    digits = [pre_tokenizers.Digits(individual_digits=True)]
    tokenizer = by_bytes(text, 440, digits, add_prefix_space=False, use_regex=True)
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    return tokenizer


def splits(text):
    """Every behaviour of a Split."""
    cuts = [
        split(Regex(r"\p{N}{1,3}")),
        split(Regex(r"[\u4e00-\u9fa5\u3040-\u30ff]"), "contiguous"),
        split("_", "merged_with_previous"),
        split("/", "merged_with_next"),
        split("-", "removed"),
        split(Regex(LLAMA3), "removed", True),
        pre_tokenizers.Digits(individual_digits=False),
    ]
    return by_bytes(text, 420, cuts, normalizers.NFKC(), add_prefix_space=False, use_regex=False)


def prefixed(text):
    """A space before a text that begins with none."""
    return by_bytes(text, 400, [], add_prefix_space=True, use_regex=True)


def llama2(text):
    steps = [normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)]
    alphabet = sorted(set(text.replace(" ", MARK)))[:90]
    words = pre_tokenizers.Metaspace(prepend_scheme="never")
    tokenizer = trained(text, 420, alphabet, pre_tokenizer=words)
    tokenizer.pre_tokenizer = None
    tokenizer.normalizer = normalizers.Sequence(steps)
    data = json.loads(tokenizer.to_str())
    data["pre_tokenizer"] = None
    tokenizer = bytes_first(Tokenizer.from_str(json.dumps(data)))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def metaspace(text):
    """As transformers writes Llama 2 today: a prefix at the beginning only, words apart."""
    alphabet = sorted(set(text.replace(" ", MARK)))[:90]
    words = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    tokenizer = bytes_first(trained(text, 420, alphabet, pre_tokenizer=words))
    tokenizer.add_tokens(["<tool_call>"])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def characters(text):
    """Characters without bytes: what is not known is one <unk> a run."""
    words = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer = trained(text, 300, [], pre_tokenizer=words, unk_token="<unk>", fuse_unk=True)
    tokenizer.add_special_tokens(["<unk>"])
    data = json.loads(tokenizer.to_str())
    data["model"]["vocab"]["<unk>"] = len(data["model"]["vocab"])
    data["added_tokens"][0]["id"] = data["model"]["vocab"]["<unk>"]
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    return tokenizer


def write_all(folder):
    novel = (ROOT / "examples/novel.txt").read_text(encoding="utf8")
    text = novel[:200_000]
    golden = {"texts": TEXTS + [text[5000:7000]], "novel": {}, "ids": {}}
    for make in [llama3, qwen2, gpt2, prefixed, splits, llama2, metaspace, characters]:
        tokenizer = make(text)
        name = make.__name__
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "tokenizer.json").write_text(tokenizer.to_str() + "\n", encoding="utf8")
        golden["ids"][name] = [tokenizer.encode(one, add_special_tokens=False).ids for one in golden["texts"]]
        ids = " ".join(map(str, tokenizer.encode(novel, add_special_tokens=False).ids))
        golden["novel"][name] = hashlib.sha256(ids.encode()).hexdigest()
    lines = [f'{json.dumps(name)}: {json.dumps(ids, separators=(",", ":"))}' for name, ids in golden["ids"].items()]
    page = f'{{"texts": {json.dumps(golden["texts"])},\n"novel": {json.dumps(golden["novel"])},\n'
    page += '"ids": {\n' + ",\n".join(lines) + "\n}}\n"
    (folder / "golden.json").write_text(page, encoding="utf8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    write_all(parser.parse_args().folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Dictionary look-up of the Focused Transformer (arXiv 2307.03170, section 4.1) as dialogs of the recall form.

A record is a system message of 8 symbols, four of a key and four of its value; a question is a user's message of the key, the answer
its value. Keys of a dialog are distinct, everything is random: an answer can only be looked up.
    python3 training/dictionary --mode train --records 2-24 --count 20000 --out train.jsonl     items of stage 1: records, then all questions
    python3 training/dictionary --mode test --records 25000 --questions 100 --count 1 --out test-250k.jsonl
    python3 training/dictionary --mode model --out models/dictionary                          a model folder without weights
"""
import argparse
import json
import pathlib
import random
import struct

SYMBOLS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstu"  # 57, with 7 special tokens a vocabulary of 64
SPECIAL = ["<unk>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
HALF = 4

CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 64, "hidden_size": 128, "intermediate_size": 352,
    "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 4, "hidden_act": "silu", "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "bfloat16",
}
# Training has spans of 28 to 112 tokens, two to eight questions and answers. In windows longer than these answers end too early.
SETTINGS = """# A window holds 64 tokens, a record is a chunk of 10.
[memory]
layer = 2
reading_layers = [2, 3]
chunk = 10
top_k = 32
embedder = "sif"

[window]
size = 64
overlap = 16
bos = false
"""


def symbols(rng):
    return "".join(rng.choices(SYMBOLS, k=HALF))


def dialog(rng, records, questions):
    keys = set()
    while len(keys) < records:
        keys.add(symbols(rng))
    pairs = [(key, symbols(rng)) for key in sorted(keys)]
    rng.shuffle(pairs)
    turns = [{"role": "system", "content": key + value} for key, value in pairs]
    probes = []
    for index in rng.sample(range(records), min(questions, records)):
        key, value = pairs[index]
        turns += [{"role": "user", "content": key}, {"role": "assistant", "content": value}]
        probes.append({"turn": len(turns) - 1, "answer": value, "fact_turn": index})
    return {"turns": turns, "probes": probes, "later": records}


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def number_field(number, value):
    return varint(number << 3) + varint(value)


def tokenizer_model():
    """A sentencepiece model of 64 single symbols (sentencepiece_model.proto: pieces 1, trainer_spec 2, normalizer_spec 3)."""
    kinds = {"<unk>": 2}  # 1 normal, 2 unknown, 3 control
    out = b""
    for piece in SPECIAL + list(SYMBOLS):
        kind = kinds.get(piece, 3 if piece in SPECIAL else 1)
        out += field(1, field(1, piece.encode()) + varint(2 << 3 | 5) + struct.pack("<f", 0.0) + number_field(3, kind))
    out += field(2, number_field(3, 2) + number_field(4, 64) + number_field(40, 0) + number_field(41, 1) + number_field(42, 2))
    out += field(3, field(1, b"identity") + number_field(3, 0) + number_field(4, 0) + number_field(5, 0))
    return out


def write_model(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
    (folder / "memlong.toml").write_text(SETTINGS)
    (folder / "tokenizer.model").write_bytes(tokenizer_model())
    template = "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}"
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "LlamaTokenizer", "add_bos_token": False, "add_eos_token": False, "legacy": False, "bos_token": "<s>",
        "eos_token": "</s>", "unk_token": "<unk>", "additional_special_tokens": SPECIAL[3:],
        "chat_template": template + "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"}, indent=1) + "\n")


def bounds(text):
    """"24" or "2-24"."""
    first, _, last = text.partition("-")
    low, high = int(first), int(last or first)
    if not 1 <= low <= high:
        raise argparse.ArgumentTypeError(f"not a number of records: {text}")
    return low, high


def main():
    parser = argparse.ArgumentParser(prog="dictionary", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=["train", "test", "model"], required=True)
    parser.add_argument("--records", type=bounds, default=(24, 24), metavar="N[-M]", help="records of a dialog, 10 tokens each (default 24)")
    parser.add_argument("--questions", type=int, help="questions of a dialog (train: one for each record; test: 20)")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    if args.mode == "model":
        return write_model(args.out)
    rng = random.Random(f"{args.mode} {args.seed}")
    with args.out.open("w") as out:
        for _ in range(args.count):
            records = rng.randint(*args.records)
            questions = args.questions or (records if args.mode == "train" else 20)
            print(json.dumps(dialog(rng, records, questions)), file=out)


main()

#!/usr/bin/env python3
"""Compares memlong with Hugging Face transformers and peft: logits without memory, in f32.

  scripts/check_peft.py --bin build/release/bin                        the base, adapters that peft writes
  scripts/check_peft.py --bin build/release/bin --adapter RUN/adapter  an adapter that memlong wrote, too
  scripts/check_peft.py --bin build/release/bin --merged FOLDER        a merged model (in f32), too

Needs the packages torch, transformers and peft, and no network. Not part of the tests. Exit code 1
when a difference is larger than --tolerance.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

PROJECTIONS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
               "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]


class Check:
    def __init__(self, args):
        self.model = Path(args.model)
        self.eval = str(Path(args.bin) / "memlong-eval")
        self.tolerance = args.tolerance
        self.failed = []
        config = json.loads((self.model / "config.json").read_text())
        self.layers = config["num_hidden_layers"]
        self.memory_layer = args.memory_layer
        if self.memory_layer is None:
            settings = tomllib.loads((self.model / "memlong.toml").read_text())
            self.memory_layer = settings["memory"]["layer"]
        generator = torch.Generator().manual_seed(1)
        self.ids = torch.randint(3, config["vocab_size"], (1, args.tokens), generator=generator)

    def memlong(self, model, adapter="none"):
        """Logits [T, V], or the message with which the adapter was refused."""
        with tempfile.TemporaryDirectory() as folder:
            ids, out = Path(folder) / "ids.txt", Path(folder) / "out.safetensors"
            ids.write_text(" ".join(str(i) for i in self.ids[0].tolist()))
            done = subprocess.run(
                [self.eval, "logits", "--model", str(model), "--adapter", str(adapter), "--dtype",
                 "f32", "--device", "cpu", "--memory-layer", str(self.memory_layer), "--ids", str(ids),
                 "--out", str(out)], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                return done.stderr.strip()
            return load_file(out)["logits"]

    def logits(self, model):
        with torch.no_grad():
            return model(self.ids).logits[0].float()

    def base(self, folder=None):
        return AutoModelForCausalLM.from_pretrained(folder or self.model, dtype=torch.float32).eval()

    def compare(self, what, ours, theirs):
        if isinstance(ours, str):
            print(f"{what:58} FAILED: {ours}")
            self.failed.append(what)
            return
        worst = (ours - theirs).abs().max().item()
        relative = ((ours - theirs).norm() / theirs.norm()).item()
        good = worst <= self.tolerance
        print(f"{what:58} largest difference {worst:.1e}, relative {relative:.1e}"
              f"{'' if good else '  FAILED'}")
        if not good:
            self.failed.append(what)

    def expect_refusal(self, what, folder, words):
        message = self.memlong(self.model, folder)
        good = isinstance(message, str) and words in message and "\n" not in message
        print(f"{what:58} {'refused' if good else f'NOT REFUSED AS EXPECTED: {message}'}")
        if not good:
            self.failed.append(what)

    def upper_targets(self, projections):
        """Layers above the writer, by their full names."""
        m = self.memory_layer
        return [f"model.layers.{i}.{name}" for i in range(m, self.layers) for name in projections
                if i > m or name not in ("self_attn.k_proj", "self_attn.v_proj")]

    def written_by_peft(self, folder, dtype=torch.float32, norms=True, seed=2, **options):
        """A LoRA with random A and B, saved; returns peft's own logits with it."""
        torch.manual_seed(seed)
        saved = None
        if norms:
            saved = [f"layers.{i}.{name}" for i in range(self.memory_layer, self.layers)
                     for name in ("input_layernorm", "post_attention_layernorm")
                     if i > self.memory_layer or name != "input_layernorm"] + ["model.norm"]
        options = {"r": 8, "lora_alpha": 24, "init_lora_weights": False,
                   "target_modules": self.upper_targets(PROJECTIONS), "modules_to_save": saved,
                   **options}
        model = get_peft_model(self.base(), LoraConfig(task_type="CAUSAL_LM", **options))
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "modules_to_save" in name:
                    parameter += 0.3 * torch.randn_like(parameter)
                if "lora_" in name or "modules_to_save" in name:
                    parameter.copy_(parameter.to(dtype).float())
        result = self.logits(model.eval())
        model.to(dtype).save_pretrained(folder)
        return result


def check_peft_adapters(check, folder):
    """(b): folders that peft wrote."""
    last = check.layers - 1
    variants = {
        "all products and norms": {},
        "q only, bf16": {"dtype": torch.bfloat16, "norms": False, "r": 4,
                            "target_modules": check.upper_targets(["self_attn.q_proj"])},
        "f16": {"dtype": torch.float16},
        # alpha / sqrt(r) = 2.8, as strong as the others: with 24 the f32 forward passes alone, on the
        # same merged weights, differ by 2e-4.
        "use_rslora": {"use_rslora": True, "lora_alpha": 8},
        "rank_pattern, alpha_pattern": {
            "rank_pattern": {f"model.layers.{last}.mlp.up_proj": 3, "o_proj": 5},
            "alpha_pattern": {"^model.layers.%d.mlp.up_proj" % last: 40, "self_attn.o_proj": 7}},
        "target_modules as a regular expression": {
            "target_modules": rf"model\.layers\.({last - 1}|{last})\.mlp\..*_proj"},
        "initialised as gaussian": {"init_lora_weights": "gaussian"},
    }
    plain = check.memlong(check.model)
    for i, (what, options) in enumerate(variants.items()):
        adapter = folder / f"peft-{i}"
        theirs = check.written_by_peft(adapter, **options)
        if not isinstance(plain, str):
            effect = (theirs - plain).abs().max().item()
            assert effect > 100 * check.tolerance, f"{what}: the adapter changes nothing ({effect})"
        check.compare(f"peft's adapter: {what}", check.memlong(check.model, adapter), theirs)
    for what, words, options in [
            ("all layers", "belongs to the writer", {"target_modules": ["q_proj", "v_proj"]}),
            ("DoRA", "use_dora asks for DoRA", {"use_dora": True}),
            ("trained biases of B", "lora_bias asks for", {"lora_bias": True}),
            ("PiSSA", "changes the base", {"init_lora_weights": "pissa"})]:
        adapter = folder / f"refused-{what.split()[0]}"
        check.written_by_peft(adapter, norms=False, **options)
        check.expect_refusal(f"peft's adapter: {what}", adapter, words)


def check_our_adapter(check, folder, adapter):
    """(a): a folder that memlong wrote, loaded by peft: exactly its layers, nothing left out."""
    model = PeftModel.from_pretrained(check.base(), adapter).eval()
    again = folder / "again"
    model.save_pretrained(again)
    before = load_file(Path(adapter) / "adapter_model.safetensors")
    after = load_file(again / "adapter_model.safetensors")
    same = before.keys() == after.keys() and all(
        torch.equal(before[name].float(), after[name].float()) for name in before)
    print(f"{'our adapter: peft loads and saves every tensor unchanged':58} {same} "
          f"({len(before)} tensors)")
    if not same:
        check.failed.append("tensors of our adapter")
    ours = check.memlong(check.model, adapter)
    check.compare("our adapter: peft", ours, check.logits(model))
    check.compare("our adapter: peft, merge_and_unload", ours,
                  check.logits(model.merge_and_unload()))
    return ours


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    root = Path(__file__).resolve().parent.parent
    parser.add_argument("--bin", default=root / "build/release/bin", help="folder of memlong-eval")
    parser.add_argument("--model", default=root / "models/reference", help="base model")
    parser.add_argument("--memory-layer", type=int, help="default: what its memlong.toml says")
    parser.add_argument("--adapter", help="a PEFT folder that memlong wrote for that base")
    parser.add_argument("--merged", help="a folder that 'memlong-train merge --save-dtype f32' wrote")
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--tolerance", type=float, default=1e-4, help="of a logit")
    args = parser.parse_args()
    check = Check(args)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        check.compare("the base", check.memlong(check.model), check.logits(check.base()))
        check_peft_adapters(check, folder)
        adapted = check_our_adapter(check, folder, args.adapter) if args.adapter else None
        if args.merged:
            theirs = check.logits(check.base(args.merged))
            check.compare("merged model: transformers", check.memlong(args.merged), theirs)
            if adapted is not None:
                check.compare("merged model: base with our adapter", adapted, theirs)
    if check.failed:
        sys.exit(f"failed: {', '.join(check.failed)}")


if __name__ == "__main__":
    main()

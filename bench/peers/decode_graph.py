"""Decode of torch_llama.py from a CUDA graph: one launch a token.

All shapes are those of the last token: attention is by products over the whole stretch of the cache, with
a mask that lets keys in one by one, for scaled_dot_product_attention has no form that is both
fixed in shape and split over many keys. The position lies on the device and counts itself. On the
CPU the same steps run without a graph, so that they can be checked.
"""

import torch


class DecodeGraph:
    def __init__(self, model, begin, count):
        """`count` tokens behind the `begin` ones of the model's cache, any number of times."""
        self.model, self.begin, self.count = model, begin, count
        self.id = torch.zeros(1, dtype=torch.long, device=model.device)
        self.at = torch.zeros(1, dtype=torch.long, device=model.device)
        self.mask = torch.zeros(begin + count, dtype=torch.float32, device=model.device)
        self.graph, self.out = None, None
        if model.device.type == "cuda":
            self.capture()

    def capture(self):
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.reset()
                self.step()
        torch.cuda.current_stream().wait_stream(side)
        self.reset()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step()
        self.graph = graph

    def reset(self):
        self.at.fill_(self.begin)
        self.mask[:self.begin] = 0.0
        self.mask[self.begin:] = float("-inf")

    def attend(self, i, q, k, qkv):
        """q [1, H, D]."""
        model, keys = self.model, self.begin + self.count
        v = qkv[:, model.h + model.g:]
        model.k[i].index_copy_(2, self.at, k.transpose(0, 1)[None])
        model.v[i].index_copy_(2, self.at, v.transpose(0, 1)[None])
        grouped = q.reshape(model.g, model.h // model.g, model.d)
        scores = torch.bmm(grouped, model.k[i, 0, :, :keys].transpose(1, 2))
        scores = torch.add(self.mask, scores, alpha=model.scale)  # f32
        y = torch.bmm(scores.softmax(-1).to(model.dtype), model.v[i, 0, :, :keys])
        return y.reshape(1, model.h, model.d)

    def step(self):
        model = self.model
        self.mask.index_fill_(0, self.at, 0.0)
        rope = model.cos.index_select(0, self.at), model.sin.index_select(0, self.at)
        x = model.embed(self.id)
        for i in range(len(model.layers)):
            x = model.block(i, x, rope, lambda q, k, qkv, i=i: self.attend(i, q, k, qkv))
        self.out = model.logits(x)
        self.at.add_(1)

    def generate(self, ids):
        """Reads ids[begin:begin + count] one by one; logits of the last."""
        self.reset()
        for at in range(self.begin, self.begin + self.count):
            self.id.copy_(ids[at:at + 1])
            if self.graph is None:
                self.step()
            else:
                self.graph.replay()
        return self.out

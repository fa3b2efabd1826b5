"""Writes `goldens/operations.safetensors`: every differentiable operation and its gradients by PyTorch, and AdamW.

For each case, named as in `DerivativeCases.swift`: `<case>/input.<i>`, `<case>/seed` (the derivative by the output),
`<case>/output` and `<case>/gradient.<i>` in float32, and the last two again in float64 as `<case>/exact/...`, which
shows how far float32 itself is off. Pictures are [batch, channels, height, width].

`adamw/...`: ten steps of `torch.optim.AdamW` after `clip_grad_norm_` over two parameters of different weight:
`initial.<i>`, `gradients.<i>` and `parameters.<i>` [10, n], `norms` [10] and `rates` [10].
"""

import torch
from torch.nn import functional

import common

BELOW_RIGHT = (0, 1, 0, 1)
BROADCASTS = {
    "same": ([3, 5], [3, 5]),
    "time": ([2, 3, 4, 5], [2, 1, 1, 5]),
    "position": ([2, 7, 5], [7, 5]),
    "outer": ([3, 1], [1, 4]),
    "scalar": ([2, 3], []),
    "first": ([5], [2, 3, 5]),
    "inner": ([2, 3, 4], [2, 3, 1]),
    "alternating": ([2, 3, 4, 5], [1, 3, 1, 5]),
}
INDICES = torch.tensor([[0, 3, 3, 5, 0, 0, 2], [0, 3, 3, 5, 0, 0, 2]], dtype=torch.int32)


def geglu(x):
    hidden, gate = x.chunk(2, dim=-1)
    return hidden * functional.gelu(gate)


def attention(causal):
    def run(query, key, value):
        heads = [x.transpose(1, 2) for x in (query, key, value)]
        return functional.scaled_dot_product_attention(*heads, is_causal=causal).transpose(1, 2)
    return run


def convolution(**arguments):
    return lambda x, weight, bias: functional.conv2d(x, weight, bias, **arguments)


def upsampled(height, width):
    return lambda x: functional.interpolate(x, size=(height, width), mode="nearest")


# Each case: a function and the shapes, or tensors, of its inputs.
CASES = {
    **{f"add-{name}": (torch.add, *shapes) for name, shapes in BROADCASTS.items()},
    **{f"multiply-{name}": (torch.mul, *shapes) for name, shapes in BROADCASTS.items()},
    "multiply-number": (lambda x: x * -0.75, [3, 5]),
    "sum": (lambda x: x.sum() * 0.25, [3, 5, 7]),
    "meanSquaredError": (
        lambda x, target: functional.mse_loss(x, target, reduction="none").mean(dim=(1, 2)),
        [3, 4, 5], torch.linspace(-2, 2, 60).reshape(3, 4, 5)),
    "silu": (functional.silu, [4, 33]),
    "gelu": (functional.gelu, [4, 33]),
    "quickGELU": (lambda x: x * torch.sigmoid(1.702 * x), [4, 33]),
    "geglu": (geglu, [2, 3, 10]),
    "upsampledNearest-twice": (upsampled(6, 8), [2, 5, 3, 4]),
    "upsampledNearest-odd": (upsampled(5, 7), [2, 5, 3, 4]),
    "reshaped": (lambda x: x.reshape(6, 4), [2, 3, 4]),
    "concatenated-last": (lambda x, y: torch.cat([x, y], dim=-1), [2, 3, 4], [2, 3, 5]),
    "concatenated-first": (lambda x, y: torch.cat([x, y], dim=0), [2, 3], [4, 3]),
    "gathered": (lambda table, indices: functional.embedding(indices, table), [6, 5], INDICES),
    "convolution-1x1": (convolution(), [2, 5, 4, 3], [7, 5, 1, 1], [7]),
    "convolution-3x3": (convolution(padding=1), [2, 3, 5, 4], [4, 3, 3, 3], [4]),
    "convolution-stride2": (convolution(padding=1, stride=2), [1, 3, 7, 6], [4, 3, 3, 3], [4]),
    "convolution-below-right": (
        lambda x, weight, bias: functional.conv2d(functional.pad(x, BELOW_RIGHT), weight, bias, stride=2),
        [1, 3, 6, 8], [2, 3, 3, 3], [2]),
    "linear-bias": (functional.linear, [2, 5, 7], [3, 7], [3]),
    "linear-plain": (functional.linear, [4, 7], [3, 7]),
    "groupNorm-plain": (lambda x, *affine: functional.group_norm(x, 3, *affine, eps=1e-5), [2, 6, 3, 5], [6], [6]),
    "groupNorm-silu": (
        lambda x, *affine: functional.silu(functional.group_norm(x, 3, *affine, eps=1e-5)), [2, 6, 3, 5], [6], [6]),
    "layerNorm": (lambda x, *affine: functional.layer_norm(x, [9], *affine, eps=1e-5), [2, 4, 9], [9], [9]),
    "attention-self": (attention(False), [2, 5, 2, 8], [2, 5, 2, 8], [2, 5, 2, 8]),
    "attention-cross": (attention(False), [1, 4, 2, 5], [1, 7, 2, 5], [1, 7, 2, 5]),
    "attention-causal": (attention(True), [2, 6, 1, 4], [2, 6, 1, 4], [2, 6, 1, 4]),
}


def run(function, inputs, seed, dtype):
    """The output and the gradients of the inputs that were drawn; given tensors are constants."""
    inputs = [x.detach().to(dtype).requires_grad_(x.requires_grad) if x.is_floating_point() else x for x in inputs]
    output = function(*inputs)
    output.backward(seed.to(dtype))
    gradients = {f"gradient.{i}": x.grad for i, x in enumerate(inputs) if x.requires_grad}
    return {"output": output, **gradients}


def operations():
    tensors = {}
    for name, (function, *arguments) in CASES.items():
        inputs = [x if isinstance(x, torch.Tensor) else torch.randn(x).mul(1.5).requires_grad_() for x in arguments]
        seed = torch.randn(function(*inputs).shape)
        found = run(function, inputs, seed, torch.float32)
        exact = run(function, inputs, seed, torch.float64)
        for i, x in enumerate(inputs):
            tensors[f"{name}/input.{i}"] = x
        tensors[f"{name}/seed"] = seed
        tensors.update({f"{name}/{key}": value for key, value in found.items()})
        tensors.update({f"{name}/exact/{key}": value for key, value in exact.items()})
    return tensors


def adamw():
    steps, counts = 10, [37, 5]
    parameters = [torch.nn.Parameter(torch.randn(count)) for count in counts]
    optimizer = torch.optim.AdamW(parameters, lr=0.0)
    tensors = {f"adamw/initial.{i}": x.detach().clone() for i, x in enumerate(parameters)}
    gradients = [torch.randn(steps, count) * torch.logspace(-3, 1, steps)[:, None] for count in counts]
    rates = torch.linspace(1e-4, 1e-2, steps, dtype=torch.float64)
    norms, values = [], [[] for _ in counts]
    for step in range(steps):
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient[step].clone()
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, 1.0))
        optimizer.param_groups[0]["lr"] = rates[step].item()
        optimizer.step()
        for value, parameter in zip(values, parameters):
            value.append(parameter.detach().clone())
    for i in range(len(counts)):
        tensors[f"adamw/gradients.{i}"] = gradients[i]
        tensors[f"adamw/parameters.{i}"] = torch.stack(values[i])
    return {**tensors, "adamw/norms": torch.stack(norms), "adamw/rates": rates}


if __name__ == "__main__":
    common.deterministic()
    common.write("operations", {**operations(), **adamw()}, __file__)

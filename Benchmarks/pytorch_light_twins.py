"""The twins of operations that move memory more than they compute: normalisations, activations, sums, copies, AdamW."""

import torch
import torch.nn.functional as F

from pytorch_twins import NUMBER, SHAPE, backward, numbers, picture, twin


@twin(rf"groupNorm {SHAPE} groups {NUMBER}( silu)?")
def group_norm(shape, groups, silu):
    x, gamma, beta = picture(shape), numbers(shape[3]), numbers(shape[3])
    activation = F.silu if silu else lambda x: x
    return lambda: activation(F.group_norm(x, groups, gamma, beta))


@twin(rf"groupNormBackward {SHAPE} groups {NUMBER}( silu)?")
def group_norm_backward(shape, groups, silu):
    operands = [tensor.requires_grad_() for tensor in [picture(shape), numbers(shape[3]), numbers(shape[3])]]
    out = F.group_norm(operands[0], groups, *operands[1:])
    return backward(F.silu(out) if silu else out, *operands)


@twin(rf"layerNorm {SHAPE}")
def layer_norm(shape):
    x, gamma, beta = torch.randn(shape), numbers(shape[-1]), numbers(shape[-1])
    return lambda: F.layer_norm(x, shape[-1:], gamma, beta)


@twin(rf"layerNormBackward {SHAPE}")
def layer_norm_backward(shape):
    operands = [tensor.requires_grad_() for tensor in [torch.randn(shape), numbers(shape[-1]), numbers(shape[-1])]]
    return backward(F.layer_norm(operands[0], shape[-1:], *operands[1:]), *operands)


def gated(x):
    wide, gate = x.chunk(2, dim=-1)
    return wide * F.gelu(gate)


@twin(rf"geglu \[{NUMBER}, 2 x {NUMBER}\]")
def geglu(rows, width):
    x = numbers(rows, 2 * width)
    return lambda: gated(x)


@twin(rf"gegluBackward \[{NUMBER}, 2 x {NUMBER}\]")
def geglu_backward(rows, width):
    x = numbers(rows, 2 * width).requires_grad_()
    return backward(gated(x), x)


# What moves memory more than it computes.


@twin(rf"binary add {SHAPE} {SHAPE}")
def add(a, b):
    a, b = [picture(shape) if len(shape) == 4 else torch.randn(shape) for shape in (a, b)]
    return lambda: a + b


@twin(rf"unary quickGELU {SHAPE}")
def quick_gelu(shape):
    x = torch.randn(shape)
    return lambda: x * torch.sigmoid(1.702 * x)


@twin(rf"binary quickGELUBackward {SHAPE} {SHAPE}")
def quick_gelu_backward(shape, _):
    x = torch.randn(shape).requires_grad_()
    return backward(x * torch.sigmoid(1.702 * x), x)


@twin(rf"sum {SHAPE}")
def sum_of_rows(shape):
    x = torch.randn(shape)
    return lambda: x.sum(dim=1)


@twin(rf"copyBlocks {SHAPE} into {SHAPE} .* overwrite")
def copy_into(shape, joined):
    x, out = picture(shape), picture(joined)
    return lambda: out[:, :shape[3]].copy_(x)


@twin(rf"upsampleNearest {SHAPE} to {NUMBER}x{NUMBER}")
def upsample(shape, height, width):
    x = picture(shape)
    return lambda: F.interpolate(x, (height, width), mode="nearest")


@twin(rf"upsampleNearestBackward {SHAPE} to {NUMBER}x{NUMBER}")
def upsample_backward(shape, height, width):
    x = picture(shape).requires_grad_()
    return backward(F.interpolate(x, (height, width), mode="nearest"), x)


@twin(rf"gather {SHAPE} of {SHAPE}")
def embedding(indices, shape):
    indices, table = torch.randint(0, shape[0], indices), torch.randn(shape)
    return lambda: F.embedding(indices, table)


@twin(rf"gatherBackward {SHAPE} of {SHAPE}")
def embedding_backward(indices, shape):
    indices, table = torch.randint(0, shape[0], indices), torch.randn(shape).requires_grad_()
    return backward(F.embedding(indices, table), table)


@twin(rf"meanSquaredError {SHAPE}")
def mean_squared_error(shape):
    a, b = torch.randn(shape), torch.randn(shape)
    return lambda: F.mse_loss(a, b)


@twin(rf"meanSquaredErrorBackward {SHAPE}")
def mean_squared_error_backward(shape):
    a, b = torch.randn(shape).requires_grad_(), torch.randn(shape)
    return backward(F.mse_loss(a, b), a)


@twin(rf"normal {SHAPE} .*")
def normal(shape):
    return lambda: torch.randn(shape)


# Around the optimiser.


@twin(rf"fill 0\.0 {SHAPE}")
def fill(shape):
    x = torch.randn(shape)
    return lambda: x.zero_()


@twin(rf"cast {SHAPE} to")
def copy(shape):
    x, out = torch.randn(shape), torch.randn(shape)
    return lambda: out.copy_(x)


@twin(rf"sumOfSquares {SHAPE}")
def norm(shape):
    x = torch.randn(shape)
    return lambda: torch.linalg.vector_norm(x)


@twin(rf"adamW {SHAPE} step 2 .*")
def adamw(shape):
    parameter = torch.randn(shape).requires_grad_()
    parameter.grad = torch.randn(shape)
    optimizer = torch.optim.AdamW([parameter], lr=1e-6, fused=True)
    return optimizer.step

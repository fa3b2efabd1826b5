"""The twins of dbtool's operations in PyTorch, what diffusers' networks call in the same place: the registry, and the
convolutions, matrix products and attentions.

Pictures lie in PyTorch's default order, [batch, channels, height, width]. Derivatives come without the forward pass
before them.
"""

import json
import re

import torch
import torch.nn.functional as F

TWINS = []
SHAPE = r"(\[[\d, ]+\])"
NUMBER = r"(\d+)"
# What does not change what PyTorch has to do.
NEGLIGIBLE = re.compile(r" (float32|mean 0|wanted 111|times 1\.0)(?= |$)")


def twin(pattern):
    """Says that a function makes the twins of the operations whose names match: it gets the shapes and numbers in the
    name, and returns what is to be measured."""
    def register(make):
        TWINS.append((re.compile(pattern), make))
        return make
    return register


def work_for(name):
    """What to call for an operation, or nothing where there is no twin."""
    for pattern, make in TWINS:
        if match := pattern.fullmatch(NEGLIGIBLE.sub("", name)):
            return make(*[json.loads(text) if text and text[0] in "[0123456789" else text for text in match.groups()])
    return None


def numbers(*shape):
    return torch.randn(shape)


def picture(shape):
    batch, height, width, channels = shape
    return torch.randn(batch, channels, height, width)


def backward(out, *inputs):
    """The derivatives of `out` by the inputs, for a gradient that is given."""
    gradient = torch.randn_like(out)
    return lambda: torch.autograd.grad(out, inputs, gradient, retain_graph=True)


# Convolutions.


CONVOLUTION = rf" {SHAPE} with {SHAPE} stride {NUMBER} padding {NUMBER} {NUMBER} {NUMBER} {NUMBER}"


@twin("convolution" + CONVOLUTION + r"( \+ bias)?")
def convolution(shape, weight, stride, top, left, bottom, right, bias):
    x, weight = picture(shape), torch.randn(weight)
    bias = torch.randn(weight.shape[0]) if bias else None
    if (top, left) == (bottom, right):
        return lambda: F.conv2d(x, weight, bias, stride, (top, left))
    return lambda: F.conv2d(F.pad(x, (left, right, top, bottom)), weight, bias, stride)


def convolution_backward(wanted, shape, weight, stride, top, left):
    x, weight = picture(shape), torch.randn(weight)
    gradient = torch.randn_like(F.conv2d(x, weight, None, stride, (top, left)))
    return lambda: torch.ops.aten.convolution_backward(
        gradient, x, weight, None, [stride, stride], [top, left], [1, 1], False, [0, 0], 1, wanted)


@twin("convolutionBackwardInput" + CONVOLUTION)
def convolution_backward_input(shape, weight, stride, top, left, bottom, right):
    return convolution_backward([True, False, False], shape, weight, stride, top, left)


@twin("convolutionBackwardWeight" + CONVOLUTION)
def convolution_backward_weight(shape, weight, stride, top, left, bottom, right):
    return convolution_backward([False, True, False], shape, weight, stride, top, left)


# Products and attention.


@twin(rf"matrixProduct ABᵀ {NUMBER}x{NUMBER}x{NUMBER}( \+ bias)?")
def linear(m, n, k, bias):
    x, weight, bias = numbers(m, k), numbers(n, k), numbers(n) if bias else None
    return lambda: F.linear(x, weight, bias)


@twin(rf"matrixProduct AB {NUMBER}x{NUMBER}x{NUMBER}")
def linear_backward_input(m, n, k):
    gradient, weight = numbers(m, k), numbers(k, n)
    return lambda: gradient.mm(weight)


@twin(rf"matrixProduct AᵀB {NUMBER}x{NUMBER}x{NUMBER}")
def linear_backward_weight(m, n, k):
    gradient, x = numbers(k, m), numbers(k, n)
    return lambda: gradient.t().mm(x)


def heads(shape, is_trained=False):
    """[batch, heads, tokens, size], as diffusers sees [batch, tokens, heads, size]."""
    return torch.randn(shape, requires_grad=is_trained).transpose(1, 2)


def attention_operands(shape, keys, is_trained=False):
    return heads(shape, is_trained), *[heads([shape[0], keys, *shape[2:]], is_trained) for _ in range(2)]


@twin(rf"attention {SHAPE} keys {NUMBER}( causal)?")
def attention(shape, keys, causal):
    q, k, v = attention_operands(shape, keys)
    return lambda: F.scaled_dot_product_attention(q, k, v, is_causal=bool(causal))


@twin(rf"attentionBackward {SHAPE} keys {NUMBER}( causal)?")
def attention_backward(shape, keys, causal):
    q, k, v = attention_operands(shape, keys, is_trained=True)
    return backward(F.scaled_dot_product_attention(q, k, v, is_causal=bool(causal)), q, k, v)

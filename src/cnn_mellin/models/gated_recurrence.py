"""Gated recurrent layers on a CPU, whose weight gradients take one product per layer instead of one per frame.

Torch's own backward adds a product to the gradient of the recurrent weights at every frame: with few utterances in a
batch, reading and writing that gradient takes most of a training step. Here the gradients of all gates are kept until
the last frame, and multiplied once. Everything that does not depend on the next frame is computed for all frames in one
operation.
"""

from __future__ import annotations

from typing import Any, TypeGuard

import torch
from torch.nn.utils.rnn import PackedSequence

from cnn_mellin.layers.dropout_rows import DropoutRows, dropout

__all__ = ["is_faster", "packed_gru"]


def is_faster(layers: torch.nn.RNNBase) -> TypeGuard[torch.nn.GRU]:
    """Check whether `packed_gru` can replace these layers and is faster: a GRU in training on a CPU, without autocast.

    >>> is_faster(torch.nn.GRU(3, 4)), is_faster(torch.nn.LSTM(3, 4)), is_faster(torch.nn.GRU(3, 4).eval())
    (True, False, False)
    """
    return (
        isinstance(layers, torch.nn.GRU)
        and layers.training
        and bool(layers.bias)
        and layers.weight_hh_l0.device.type == "cpu"
        and torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
    )


def packed_gru(gru: torch.nn.GRU, packed: PackedSequence, rows: DropoutRows | None = None) -> PackedSequence:
    """Compute `gru(packed)[0]`, up to rounding, with a faster backward on a CPU.

    Args:
        gru: layers with biases, any number of them, in one direction or two. Dropout between layers uses the same
            random numbers as torch's.
        packed: features (frames, inputs), longest sequence first.
        rows: frames of a whole batch that `packed` holds, for dropout; None if it holds them all.

    Returns:
        (frames, directions x hidden), packed like the features.

    Raises:
        RuntimeError: gradients of gradients are requested.

    >>> gru = torch.nn.GRU(3, 4, bidirectional=True)
    >>> packed = torch.nn.utils.rnn.pack_sequence([torch.randn(5, 3), torch.randn(2, 3)])
    >>> torch.allclose(packed_gru(gru, packed).data, gru(packed)[0].data, atol=1e-6)
    True
    """
    sizes = packed.batch_sizes.tolist()
    data = packed.data
    for layer in range(gru.num_layers):
        outputs = []
        for direction in range(2 if gru.bidirectional else 1):
            suffix = f"l{layer}{'_reverse' if direction else ''}"
            names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            weights = [getattr(gru, f"{name}_{suffix}") for name in names]
            out: torch.Tensor = _Recurrence.apply(data, *weights, sizes, bool(direction))  # type: ignore[no-untyped-call]
            outputs.append(out)
        data = outputs[0] if len(outputs) == 1 else torch.cat(outputs, 1)
        if gru.dropout and gru.training and layer < gru.num_layers - 1:
            data = dropout(data, gru.dropout, rows)
    return PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)


class _Recurrence(torch.autograd.Function):
    """One layer in one direction."""

    @staticmethod
    def forward(
        ctx: Any,
        data: torch.Tensor,
        weight_in: torch.Tensor,
        weight: torch.Tensor,
        bias_in: torch.Tensor,
        bias: torch.Tensor,
        sizes: list[int],
        backwards: bool,
    ) -> torch.Tensor:
        size = weight.size(1)
        from_input = torch.addmm(bias_in, data, weight_in.t())
        from_input[:, : 2 * size] += bias[: 2 * size]
        rows = len(data)
        gates = data.new_empty(rows, 2 * size)  # reset, update
        recurrent, candidate, before, out = (data.new_empty(rows, size) for _ in range(4))
        transposed, bias_n = weight.t(), bias[2 * size :]
        hidden = data.new_zeros(sizes[0] if sizes else 0, size)
        for begin, number in _walk(sizes, backwards):
            end = begin + number
            previous = hidden[:number]
            before[begin:end] = previous
            product = previous @ transposed
            gate = gates[begin:end]
            torch.add(from_input[begin:end, : 2 * size], product[:, : 2 * size], out=gate).sigmoid_()
            torch.add(product[:, 2 * size :], bias_n, out=recurrent[begin:end])
            torch.addcmul(
                from_input[begin:end, 2 * size :], gate[:, :size], recurrent[begin:end], out=candidate[begin:end]
            ).tanh_()
            torch.lerp(candidate[begin:end], previous, gate[:, size:], out=out[begin:end])
            hidden[:number] = out[begin:end]
        ctx.save_for_backward(data, weight_in, weight, gates, recurrent, candidate, before)
        ctx.sizes, ctx.backwards = sizes, backwards
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_output: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        data, weight_in, weight, gates, recurrent, candidate, before = ctx.saved_tensors
        size = weight.size(1)
        reset, update = gates[:, :size], gates[:, size:]
        # Derivative of each gate's input with respect to the output of its frame, for all frames.
        grad_candidate = (1 - update) * (1 - candidate * candidate)
        factors = torch.stack(
            [
                grad_candidate * recurrent * reset * (1 - reset),
                (before - candidate) * update * (1 - update),
                grad_candidate * reset,
            ],
            1,
        )
        grad_gates = torch.empty_like(factors)
        grad_hidden = torch.empty_like(grad_output)
        later = grad_output.new_zeros(ctx.sizes[0] if ctx.sizes else 0, size)
        for begin, number in _walk(ctx.sizes, not ctx.backwards):
            end = begin + number
            total = torch.add(grad_output[begin:end], later[:number], out=grad_hidden[begin:end])
            torch.mul(factors[begin:end], total.unsqueeze(1), out=grad_gates[begin:end])
            later[:number] = torch.addmm(total * update[begin:end], grad_gates[begin:end].flatten(1), weight)
        recurrent_gates = grad_gates.flatten(1)
        grad_weight = recurrent_gates.t() @ before
        grad_bias = recurrent_gates.sum(0)
        grad_gates[:, 2] = grad_hidden * grad_candidate
        input_gates = grad_gates.flatten(1)
        grad_data = input_gates @ weight_in if ctx.needs_input_grad[0] else None
        return grad_data, input_gates.t() @ data, grad_weight, input_gates.sum(0), grad_bias, None, None


def _walk(sizes: list[int], backwards: bool) -> list[tuple[int, int]]:
    """First row and number of rows of each frame, forwards or backwards in time."""
    begins, begin = [], 0
    for number in sizes:
        begins.append((begin, number))
        begin += number
    return begins[::-1] if backwards else begins

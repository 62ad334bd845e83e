"""Dynamic gather: the gather formulation for lengths that are unknown while a program is compiled or exported.

The residue of t + s modulo the input dilation u decides which kernel frames have a tap at output frame t, whatever the
lengths are. The program itself computes the input frames that they read, (t + s)(k + d) / u - 1.
"""

from __future__ import annotations

import torch

from cnn_mellin.ops.autocast import autocast_type
from cnn_mellin.ops.geometry import Geometry

__all__ = ["correlate_dynamically"]


def correlate_dynamically(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    geometry: Geometry,
    padding: int,
) -> torch.Tensor:
    """Correlate signal (N, C, T, F) with kernel (O, C, K, W); T and the output's length T' are numbers or symbols.

    For each residue r, the outputs t = u m + r are computed for the same range of m; those below T' are then selected.

    >>> geometry = Geometry(4, 2, 1, 1, 1, 2, 1, 1, (0, 0), 1)
    >>> correlate_dynamically(torch.ones(1, 1, 4, 1), torch.ones(1, 1, 2, 1), None, geometry, 0).flatten().tolist()
    [2.0, 2.0]
    """
    signal_length, kernel_length, output_offset, kernel_offset, input_dilation, output_length = geometry.along_time
    along_frequency = ((1, geometry.stride), (0, padding), (1, geometry.dilation))
    device, dtype = signal.device, autocast_type(signal)
    residues_by_taps: dict[tuple[int, ...], list[int]] = {}
    for residue in range(input_dilation):
        products = [(residue + output_offset) * (frame + kernel_offset) for frame in range(kernel_length)]
        taps = tuple([frame for frame, product in enumerate(products) if product % input_dilation == 0])
        residues_by_taps.setdefault(taps, []).append(residue)
    # Two more than needed: torch compiles separate programs for sizes 0 and 1.
    num_rows = (output_length + input_dilation - 1) // input_dilation + 2
    rows = torch.arange(num_rows, device=device)
    signal = torch.nn.functional.pad(signal, (0, 0, 0, 1))  # the frame past the end is zero, for reads outside
    no_taps = signal.new_zeros((), dtype=dtype) if bias is None else bias.to(dtype).view(-1, 1, 1)
    outputs, order = [], []
    for taps, residues in residues_by_taps.items():
        order += residues
        num_outputs = len(residues) * num_rows
        if not taps:
            shape = (signal.size(0), kernel.size(0), num_outputs, geometry.output_width)
            outputs.append(no_taps.expand(shape))
            continue
        first = torch.tensor([residue + output_offset for residue in residues], device=device).unsqueeze(1)
        factors = [frame + kernel_offset for frame in taps]
        # One look-up per tap, concatenated as channels: torch exports views of symbolic sizes less reliably.
        input_frames = [
            (factor * (first + input_dilation * rows) // input_dilation - 1).flatten() for factor in factors
        ]
        read = torch.cat([signal.index_select(2, frames.clamp(max=signal_length)) for frames in input_frames], 1)
        weight = torch.cat([kernel[:, :, frame].unsqueeze(2) for frame in taps], 1)
        outputs.append(torch.nn.functional.conv2d(read, weight, bias, *along_frequency))
    places = [order.index(residue) for residue in range(input_dilation)]
    frames = torch.arange(output_length, device=device)
    places_of_frames = torch.tensor(places, device=device)[frames % input_dilation] * num_rows
    return torch.cat(outputs, 2).index_select(2, places_of_frames + frames // input_dilation)

"""The acoustic model: convolutions over windows, recurrent layers, phone logits."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, SupportsFloat

import torch
from torch.nn.utils.rnn import PackedSequence

from cnn_mellin.config.model import AcousticModelConfig
from cnn_mellin.layers import AttentionPooling, DilationLift, LogCompression, MellinConv1d, MellinLinearConv2d
from cnn_mellin.layers.dropout_rows import DropoutRows, channel_dropout, dropout
from cnn_mellin.layers.log_time_front_end import pool_time
from cnn_mellin.layers.rectified_dropout import rectified_dropout
from cnn_mellin.models.gated_recurrence import is_faster, packed_gru
from cnn_mellin.models.layer_plan import LayerPlan, plan_front_end
from cnn_mellin.models.layers_one_by_one import packed_layers
from cnn_mellin.models.utterance_normalization import normalized_utterances
from cnn_mellin.models.windows import WindowPlan, check_utterances, plan_windows, zeros_past_lengths
from cnn_mellin.ops.autocast import autocast_type
from cnn_mellin.ops.sizes import whole_number
from cnn_mellin.tensor_kind import require_floating

__all__ = ["AcousticModel"]

_NONLINEARITIES = {"relu": torch.relu_, "sigmoid": torch.sigmoid_, "tanh": torch.tanh_}


class AcousticModel(torch.nn.Module):
    """Phone logits from features, for CTC.

    Every utterance is cut into windows. Windows of padding only are never computed, so the logits and gradients of an
    utterance do not depend on the rest of the batch.

    Args:
        num_features: coefficients of a frame, F; 1 is raw audio.
        num_classes: number of symbols plus the blank, which is the last class, V.
        config: settings of the model.
        dropout_prob: probability of dropout after each convolutional layer and between recurrent layers, in training.
        convolutional_dropout_2d: drop whole channels in the convolutional layers.
        intermediate_output: add an output layer on the convolutions' outputs, for a second loss in training.
        feature_scale: (F,), divisor of each coefficient, applied first; stored with the weights.

    Attributes:
        dropout_rows: windows of a whole batch that the next batch holds, if several processes share that batch; None
            if it holds them all. Dropout draws for the whole batch.

    Raises:
        ValueError: a size is below 1, or features and lengths do not fit.

    >>> model = AcousticModel(81, 49, AcousticModelConfig(convolutional_layers=1, seed=1))
    >>> logits, lengths = model(torch.rand(2, 20, 81), torch.tensor([20, 11]))
    >>> logits.shape, lengths.tolist()
    (torch.Size([2, 7, 49]), [7, 4])
    """

    def __init__(
        self,
        num_features: int,
        num_classes: int,
        config: AcousticModelConfig | None = None,
        *,
        dropout_prob: float = 0.0,
        convolutional_dropout_2d: bool = True,
        intermediate_output: bool = False,
        feature_scale: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        num_features = whole_number("num_features", num_features)
        num_classes = whole_number("num_classes", num_classes)
        if num_features < 1:
            raise ValueError(f"num_features is {num_features}; it must be at least 1")
        if num_classes < 2:
            raise ValueError(f"num_classes is {num_classes}; it must be at least 2: one symbol and the blank")
        if isinstance(dropout_prob, bool) or not isinstance(dropout_prob, SupportsFloat) or not 0 <= dropout_prob <= 1:
            raise ValueError(f"dropout_prob is {dropout_prob!r}; it must lie in 0..1")
        self.config = config = config or AcousticModelConfig()
        self.num_features, self.num_classes = num_features, num_classes
        self.dropout_prob, self.convolutional_dropout_2d = dropout_prob, convolutional_dropout_2d
        self.dropout_rows: DropoutRows | None = None
        if feature_scale is not None:
            require_floating("feature_scale", feature_scale)
        if feature_scale is not None and feature_scale.shape != (num_features,):
            raise ValueError(f"feature_scale has shape {tuple(feature_scale.shape)}; it must be ({num_features},)")
        self.feature_scale: torch.Tensor | None
        self.register_buffer("feature_scale", feature_scale)
        self._nonlinearity = _NONLINEARITIES[config.convolutional_nonlinearity]
        with _seeded(config.seed):
            self.log_compression = LogCompression() if config.use_log_compression else None
            self.lift = DilationLift(dim=2) if config.use_lift else None
            plan, raw = plan_front_end(num_features, config), num_features == 1
            self.convs = torch.nn.ModuleList(_convolution(layer, raw) for layer in plan.layers)
            self._out_freqs = [layer.out_sizes[1] for layer in plan.layers]
            local = plan.local_branch
            self.local_branch = None if local is None else _convolution(local, raw)
            channels, _, freq = plan.pooled_sizes
            self.attention = AttentionPooling(channels, freq) if config.window_pooling == "attention" else None
            size = convolved_size = plan.output_size
            self.rnn: torch.nn.RNNBase | None = None
            if config.recurrent_layers:
                self.rnn = getattr(torch.nn, config.recurrent_type)(
                    size,
                    config.recurrent_size,
                    config.recurrent_layers,
                    dropout=dropout_prob if config.recurrent_layers > 1 else 0.0,
                    bidirectional=config.recurrent_bidirectional,
                )
                size = config.recurrent_size * (2 if config.recurrent_bidirectional else 1)
            self.out = torch.nn.Linear(size, num_classes)
            self.intermediate_out = torch.nn.Linear(convolved_size, num_classes) if intermediate_output else None
        for layer in (self.out, self.intermediate_out):
            if layer is not None:
                layer.bias.data[-1] += config.initial_blank_bias

    def forward(
        self, features: torch.Tensor, lengths: torch.Tensor, plan: WindowPlan | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the logits of every window.

        Args:
            features: (N, T, F).
            lengths: (N,), frames of each utterance, in 1..T; frames past them are not read. On the CPU, nothing waits
                for the device.
            plan: `plan_windows` of these features on their device, if it is there already.

        Returns:
            logits (N, T', V), zero past the lengths, and lengths (N,) with
            T' = (length - 1) // window_stride + 1.

        Raises:
            ValueError: dtypes, devices, shapes or lengths do not fit.
        """
        convolved, plan = self._convolved(features, lengths, plan)
        return plan.by_utterance(self._logits(convolved, plan)), plan.lengths.to(lengths.device)

    def intermediate_logits(
        self, features: torch.Tensor, lengths: torch.Tensor, plan: WindowPlan | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Compute the logits of every window, and those of the intermediate output.

        Args:
            features, lengths, plan: as in `forward`.

        Returns:
            logits (N, T', V), those of the intermediate output (N, T', V), zero past the lengths, and lengths (N,).

        Raises:
            ValueError: as `forward`, or the model has no intermediate output.

        >>> config = AcousticModelConfig(convolutional_layers=1, seed=1)
        >>> model = AcousticModel(81, 49, config, intermediate_output=True)
        >>> logits, intermediate, lengths = model.intermediate_logits(torch.rand(1, 20, 81), torch.tensor([20]))
        >>> logits.shape, intermediate.shape, lengths
        (torch.Size([1, 7, 49]), torch.Size([1, 7, 49]), tensor([7]))
        """
        if self.intermediate_out is None:
            raise ValueError("the model has no intermediate output; make it with intermediate_output=True")
        convolved, plan = self._convolved(features, lengths, plan)
        logits, intermediate = self._logits(convolved, plan), self.intermediate_out(convolved)
        return plan.by_utterance(logits), plan.by_utterance(intermediate), plan.lengths.to(lengths.device)

    def _convolved(
        self, features: torch.Tensor, lengths: torch.Tensor, plan: WindowPlan | None
    ) -> tuple[torch.Tensor, WindowPlan]:
        """Outputs of the convolutions for all windows (W, size), and the plan of these windows."""
        self._check_features(features)
        if plan is None:
            plan = self.plan_windows(features, lengths).to(features.device)
        features = self._scaled(features)
        if plan.beyond is not None:
            features = features.masked_fill(plan.beyond.unsqueeze(2), 0)
        return self.convolve(plan.windows_of(self._normalized(features, plan.num_frames))), plan

    def _logits(self, convolved: torch.Tensor, plan: WindowPlan) -> torch.Tensor:
        """Logits of all windows (W, V)."""
        if self.rnn is not None:
            convolved = self._recur(self.rnn, PackedSequence(convolved, plan.batch_sizes)).data
        logits: torch.Tensor = self.out(convolved)
        return logits

    def plan_windows(self, features: torch.Tensor, lengths: torch.Tensor) -> WindowPlan:
        """Plan the windows of a batch on the CPU, for `forward`.

        Args:
            features: (N, T, F), on any device; only their shape counts.
            lengths: (N,), frames of each utterance, in 1..T.

        Raises:
            ValueError: dtypes, shapes or lengths do not fit.
        """
        check_utterances(features, lengths, self.num_features)
        return plan_windows(lengths, features.size(1), self.config.window_span, self.config.window_stride)

    def _recur(self, rnn: torch.nn.RNNBase, packed: PackedSequence) -> PackedSequence:
        rows = self.dropout_rows if rnn.training else None
        if is_faster(rnn):
            return packed_gru(rnn, packed, rows)
        if rows is not None and rnn.dropout:
            return packed_layers(rnn, packed, rows)
        out: PackedSequence = rnn(packed)[0]
        return out

    def normalize(self, features: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Divide features by the feature scale and, if the settings say so, normalise the utterances.

        Args:
            features: (N, T, F).
            lengths: (N,), frames of each utterance; all T if None.

        Raises:
            ValueError: shapes or lengths do not fit.
        """
        features = self._scaled(features)
        if self.config.utterance_normalization != "none" and lengths is not None:
            check_utterances(features, lengths, self.num_features)
            features = zeros_past_lengths(features, lengths.cpu())
        return self._normalized(features, lengths)

    def _scaled(self, features: torch.Tensor) -> torch.Tensor:
        return features if self.feature_scale is None else features / self.feature_scale

    def _normalized(self, features: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
        """Normalise utterances that are zero past their lengths, if the settings say so."""
        if self.config.utterance_normalization == "none":
            return features
        if self.log_compression is not None:
            features = self.log_compression(features)
        return normalized_utterances(features, lengths, variance=self.config.utterance_normalization == "variance")

    def _check_features(self, features: torch.Tensor) -> None:
        require_floating("features", features)
        weight = self.out.weight
        if features.device != weight.device:
            raise ValueError(
                f"features are on {features.device}, but the model on {weight.device}; move one of them with .to"
            )
        if features.dtype != weight.dtype and autocast_type(features) != autocast_type(weight):
            raise ValueError(
                f"features has dtype {features.dtype}, but the model {weight.dtype}; they must be the same: convert "
                "one of them with .to"
            )

    def compile_convolutions(self) -> None:
        """Compile everything before the recurrent layers, for any number of windows; weights keep their names.

        The first batch waits for the compiler. Results are equal up to rounding.
        """
        self.convolve = torch.compile(self.convolve, dynamic=True)  # type: ignore[method-assign]

    def convolve(self, windows: torch.Tensor, layers: Iterable[torch.nn.Module] | None = None) -> torch.Tensor:
        """Convolve windows (W, `window_span`, F) and pool over their time, to vectors (W, size).

        Args:
            windows: windows of features that `normalize` has returned.
            layers: equivalent layers to use instead of the model's own convolutions.
        """
        if torch.compiler.is_compiling():  # for any number of windows, but of this size only
            windows = windows.view(windows.size(0), self.config.window_span, self.num_features)
        anchors = self.config.window_anchors
        if anchors > 1:
            windows = windows.unfold(1, self.config.window_size, 1).transpose(2, 3).flatten(0, 1)
        hidden = windows.unsqueeze(1)  # (W * anchors, C, time, F)
        if self.log_compression is not None and self.config.utterance_normalization == "none":
            hidden = self.log_compression(hidden)
        if self.lift is not None:
            hidden = self.lift(hidden)
        raw = self.num_features == 1
        if raw:
            hidden = hidden.squeeze(3)  # (W * anchors, C, time)
        first_frames = hidden[::anchors]
        for number, (convolution, out_freq) in enumerate(zip(layers or self.convs, self._out_freqs, strict=True)):
            if number:
                hidden = self._activate(hidden, anchors)
            hidden = convolution(hidden)
            if not raw and hidden.size(3) > out_freq:
                hidden = hidden.narrow(3, 0, out_freq)
        if anchors > 1:
            hidden = hidden.unflatten(0, (-1, anchors)).max(1).values
        if self.convs:
            hidden = self._activate(hidden)
        pooled = self._pool(hidden).flatten(1)
        if self.local_branch is None:
            return pooled
        first_frames = first_frames.narrow(2, 0, self.config.local_branch_kernel_time)
        return torch.cat([pooled, self._activate(self.local_branch(first_frames)).flatten(1)], 1)

    def _pool(self, hidden: torch.Tensor) -> torch.Tensor:
        if self.config.window_pooling == "none":
            return hidden
        if self.config.window_pooling == "attention":
            assert self.attention is not None
            pooled: torch.Tensor = self.attention(hidden)
            return pooled
        return pool_time(hidden, self.config.window_pooling, 2)

    def _activate(self, hidden: torch.Tensor, anchors: int = 1) -> torch.Tensor:
        """Apply nonlinearity and dropout in place; `hidden` is the output of a layer, with a row for each anchor."""
        rows = self.dropout_rows
        if rows is not None and anchors > 1:
            rows = rows.repeated(anchors)
        if not self.convolutional_dropout_2d and self.config.convolutional_nonlinearity == "relu":
            return rectified_dropout(hidden, self.dropout_prob if self.training else 0.0, rows)
        hidden = self._nonlinearity(hidden)
        if not self.training:
            return hidden
        drop = channel_dropout if self.convolutional_dropout_2d else dropout
        return drop(hidden, self.dropout_prob, rows)


def _convolution(layer: LayerPlan, raw: bool) -> torch.nn.Module:
    channels = (layer.in_channels, layer.out_channels)
    if not layer.mellin:
        if raw:
            return torch.nn.Conv1d(*channels, layer.kernel[0], layer.stride[0], layer.padding[0])
        return torch.nn.Conv2d(*channels, layer.kernel, layer.stride, layer.padding)
    mellin: dict[str, Any] = {
        "kernel_offset": layer.kernel_offset,
        "input_dilation": layer.input_dilation,
        "output_length": layer.out_sizes[0],
    }
    if raw:
        return MellinConv1d(*channels, layer.kernel[0], **mellin)
    # Negative padding on the right means outputs to cut off: the model narrows them.
    padding = (layer.padding[0], max(layer.padding[1], 0))
    return MellinLinearConv2d(*channels, layer.kernel, **mellin, stride=layer.stride[1], padding=padding)


@contextlib.contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    """Initialise weights from a random stream of their own, and leave torch's global stream unchanged."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield

import itertools

import pytest
import torch

from cnn_mellin.config import AcousticModelConfig
from cnn_mellin.layers import MellinConv1d, MellinLinearConv2d
from cnn_mellin.models import AcousticModel


def small(**changes) -> AcousticModelConfig:
    settings = {
        "window_size": 4,
        "window_stride": 3,
        "convolutional_layers": 2,
        "convolutional_initial_channels": 3,
        "recurrent_size": 5,
        "recurrent_layers": 2,
        "seed": 1,
    }
    return AcousticModelConfig(**{**settings, **changes})


KINDS: list[dict[str, object]] = [
    {"convolutional_mellin": mellin, "recurrent_type": cell, "recurrent_bidirectional": both}
    for mellin, cell, both in itertools.product((False, True), ("LSTM", "GRU", "RNN"), (False, True))
]
KINDS += [
    {"recurrent_layers": 0},
    {"convolutional_layers": 0},
    {"use_log_compression": False, "use_lift": False, "convolutional_mellin": True},
    {"window_size": 12, "window_pooling": "none", "convolutional_time_padding": False, "convolutional_kernel_time": 5},
    {"window_pooling": "none", "convolutional_layers": 0},
    {"utterance_normalization": "mean"},
    {"utterance_normalization": "variance", "convolutional_mellin": True},
    {"utterance_normalization": "variance", "use_log_compression": False},
    {"convolutional_nonlinearity": "tanh", "convolutional_freq_factor": 2, "convolutional_factor_schedule": 1},
]
KINDS += [
    {"window_size": 12, "window_pooling": pooling, "convolutional_mellin": True, "convolutional_kernel_offset": 2}
    for pooling in ("none", "max", "mean", "logsumexp", "attention")
]
KINDS += [
    {"local_branch_channels": 2, "convolutional_mellin": True},
    {"local_branch_channels": 2, "local_branch_kernel_time": 1, "convolutional_layers": 0, "recurrent_layers": 0},
    {"local_branch_channels": 2, "convolutional_freq_factor": 2, "window_pooling": "attention", "use_lift": False},
]


def name(kind) -> str:
    return "-".join(str(value) for value in kind.values())


@pytest.mark.parametrize("num_features", [1, 9], ids=["raw", "bank"])
@pytest.mark.parametrize("kind", KINDS, ids=name)
def test_batched_equals_one_by_one_in_outputs_and_gradients(kind, num_features, device):
    model = AcousticModel(num_features, 6, small(**kind)).double().to(device)
    lengths = torch.tensor([5, 1, 13, 8])
    features = torch.randn(4, 13, num_features, dtype=torch.float64).to(device).requires_grad_()
    logits, out_lengths = model(features, lengths)
    weights = torch.randn_like(logits)
    batched = torch.autograd.grad((logits * weights).sum(), [features, *model.parameters()])
    total = torch.zeros((), dtype=torch.float64, device=device)
    for i, length in enumerate(lengths.tolist()):
        alone, alone_length = model(features[i : i + 1, :length], torch.tensor([length]))
        assert int(alone_length) == int(out_lengths[i]) == (length - 1) // 3 + 1
        assert torch.allclose(alone[0], logits[i, : int(alone_length)], atol=1e-12)
        assert not logits[i, int(alone_length) :].any()
        total = total + (alone[0] * weights[i, : int(alone_length)]).sum()
    alone_gradients = torch.autograd.grad(total, [features, *model.parameters()])
    for ours, theirs in zip(batched, alone_gradients, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-10)


@pytest.mark.parametrize("mellin", [False, True])
def test_every_length_by_itself_and_in_a_batch(mellin):
    model = AcousticModel(5, 4, small(convolutional_mellin=mellin)).double()
    features = torch.randn(12, 12, 5, dtype=torch.float64)
    logits, _ = model(features, torch.arange(1, 13))
    for length in range(1, 13):
        alone, _ = model(features[length - 1 : length, :length], torch.tensor([length]))
        assert torch.allclose(alone[0], logits[length - 1, : alone.size(1)], atol=1e-12)


def test_state_dict_has_the_names_of_older_checkpoints():
    names = set(AcousticModel(9, 6, small(recurrent_layers=1, recurrent_bidirectional=False)).state_dict())
    assert names == {
        "log_compression.log_eps",
        "lift.log_tau",
        *(f"convs.{i}.{part}" for i in range(2) for part in ("weight", "bias")),
        *(f"rnn.{part}_{side}_l0" for part in ("weight", "bias") for side in ("ih", "hh")),
        "out.weight",
        "out.bias",
    }


def test_settings_and_raw_audio_decide_the_type_of_layers():
    assert isinstance(AcousticModel(9, 6, small(convolutional_mellin=True)).convs[0], MellinLinearConv2d)
    assert isinstance(AcousticModel(1, 6, small(convolutional_mellin=True)).convs[0], MellinConv1d)
    assert isinstance(AcousticModel(9, 6, small()).convs[0], torch.nn.Conv2d)
    assert isinstance(AcousticModel(1, 6, small()).convs[0], torch.nn.Conv1d)


@pytest.mark.parametrize("num_features", [1, 9], ids=["raw", "bank"])
def test_the_local_branch_is_a_strided_convolution_of_the_utterance(num_features):
    changes = {"convolutional_mellin": True, "convolutional_freq_factor": 2, "window_size": 8, "use_lift": False}
    config = small(**changes, local_branch_channels=2, local_branch_kernel_time=3)
    model = AcousticModel(num_features, 6, config).double()
    features = torch.randn(1, 20, num_features, dtype=torch.float64)
    windows = features[0].unfold(0, 8, 3).transpose(1, 2)
    found = model.convolve(windows)
    assert model.log_compression is not None
    assert model.local_branch is not None
    compressed = model.log_compression(features)
    kernel, bias = model.local_branch.parameters()
    if num_features == 1:
        expected = torch.nn.functional.conv1d(compressed.transpose(1, 2), kernel, bias, 3)
    else:
        expected = torch.nn.functional.conv2d(compressed.unsqueeze(1), kernel, bias, (3, 2), (0, 1))
    expected = torch.relu(expected[0, :, : len(windows)]).transpose(0, 1).flatten(1)
    torch.testing.assert_close(found[:, -expected.size(1) :], expected)
    config.local_branch_channels = 0
    alone = AcousticModel(num_features, 6, config).double().convolve(windows)
    torch.testing.assert_close(found[:, : -expected.size(1)], alone)


@pytest.mark.parametrize("mellin", [False, True])
@pytest.mark.parametrize("num_features", [1, 9], ids=["raw", "bank"])
def test_the_highest_output_over_the_anchors_of_a_window_is_kept(num_features, mellin):
    changes = {"convolutional_mellin": mellin, "window_size": 6, "window_stride": 3, "window_pooling": "none"}
    config = small(**changes, window_anchors=3, local_branch_channels=2)
    model = AcousticModel(num_features, 6, config).double()
    features, lengths = torch.randn(1, 20, num_features, dtype=torch.float64), torch.tensor([20])
    windows = model.plan_windows(features, lengths).windows_of(features)
    assert windows.shape == (7, 8, num_features)
    found = model.convolve(windows)
    model.config.window_anchors = 1
    at_anchors = torch.stack([model.convolve(windows[:, first : first + 6]) for first in range(3)])
    local = 2 * num_features
    torch.testing.assert_close(found[:, :-local], at_anchors[..., :-local].amax(0))
    torch.testing.assert_close(found[:, -local:], at_anchors[0, :, -local:])
    assert (found[:, :-local] > at_anchors[0, :, :-local]).any()


def test_pooling_by_attention_begins_as_the_mean_and_learns():
    settings = {"convolutional_mellin": True, "convolutional_kernel_offset": 2, "window_size": 12}
    model = AcousticModel(9, 6, small(**settings, window_pooling="attention"))
    mean = AcousticModel(9, 6, small(**settings, window_pooling="mean"))
    windows = torch.rand(5, 12, 9)
    pooled = model.convolve(windows)
    torch.testing.assert_close(pooled, mean.convolve(windows))
    pooled.square().sum().backward()
    assert model.attention is not None
    assert model.attention.weight.grad is not None
    assert model.attention.weight.grad.any()


def test_only_the_blanks_of_the_first_outputs_have_another_bias():
    plain = AcousticModel(9, 6, small(), intermediate_output=True)
    biased = AcousticModel(9, 6, small(initial_blank_bias=-2.5), intermediate_output=True)
    expected = {name: value.clone() for name, value in plain.state_dict().items()}
    for name in ("out.bias", "intermediate_out.bias"):
        expected[name][-1] -= 2.5
    found = biased.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    biased.load_state_dict(plain.state_dict())
    assert torch.equal(biased.out.bias, plain.out.bias)


def test_weights_depend_only_on_the_seed_and_leave_the_global_stream():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = AcousticModel(9, 6, small(seed=3))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second, other = AcousticModel(9, 6, small(seed=3)), AcousticModel(9, 6, small(seed=4))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.out.weight, other.out.weight)
    torch.manual_seed(5)
    unseeded = AcousticModel(9, 6, small(seed=None))
    torch.manual_seed(5)
    assert torch.equal(unseeded.out.weight, AcousticModel(9, 6, small(seed=None)).out.weight)


def test_an_intermediate_output_classifies_the_convolutions_outputs_and_changes_nothing_else(device):
    plain = AcousticModel(9, 6, small()).to(device)
    model = AcousticModel(9, 6, small(), intermediate_output=True).to(device)
    assert model.intermediate_out is not None
    features, lengths = torch.randn(2, 13, 9).to(device), torch.tensor([7, 13])
    logits, intermediate, out_lengths = model.intermediate_logits(features, lengths)
    assert torch.equal(logits, model(features, lengths)[0])
    assert torch.equal(logits, plain(features, lengths)[0])
    assert out_lengths.tolist() == [3, 5]
    assert not intermediate[0, 3:].any()
    window = model.convolve(features[1:, 3:7])  # the second one of the second utterance
    torch.testing.assert_close(intermediate[1, 1], model.intermediate_out(window)[0])
    with pytest.raises(ValueError, match="the model has no intermediate output"):
        plain.intermediate_logits(features, lengths)


@pytest.mark.parametrize("whole", [False, True])
def test_dropout_drops_channels_or_coefficients(whole):
    config = small(convolutional_layers=1, convolutional_initial_channels=40, recurrent_layers=0)
    model = AcousticModel(9, 6, config, dropout_prob=0.5, convolutional_dropout_2d=whole)
    dropped = model._activate(torch.ones(8, 40, 4, 9))
    channels = dropped.flatten(2)
    uniform = (channels == channels[..., :1]).all(2)
    assert uniform.all() if whole else not uniform.any()
    assert 0.4 < float((dropped == 0).float().mean()) < 0.6
    model.eval()
    assert torch.equal(model._activate(torch.ones(2, 40, 4, 9)), torch.ones(2, 40, 4, 9))


def test_feature_scale_divides_and_is_stored():
    scale = torch.tensor([1.0, 2.0, 4.0])
    plain, scaled = AcousticModel(3, 4, small()), AcousticModel(3, 4, small(), feature_scale=scale)
    features, lengths = torch.randn(1, 6, 3), torch.tensor([6])
    assert torch.allclose(scaled(features * scale, lengths)[0], plain(features, lengths)[0], atol=1e-6)
    assert torch.equal(scaled.state_dict()["feature_scale"], scale)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 3), "num_features is 0; it must be at least 1"),
        ((3, 1), "num_classes is 1; it must be at least 2: one symbol and the blank"),
    ],
)
def test_wrong_sizes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        AcousticModel(*arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_features": 3.0}, "num_features is 3.0; it must be a whole number"),
        ({"num_classes": True}, "num_classes is True; it must be a whole number"),
        ({"dropout_prob": 1.5}, "dropout_prob is 1.5; it must lie in 0..1"),
        ({"dropout_prob": float("nan")}, "dropout_prob is nan; it must lie in 0..1"),
        (
            {"feature_scale": torch.ones(3, dtype=torch.int64)},
            "feature_scale has dtype torch.int64; it must be floating",
        ),
    ],
)
def test_wrong_arguments_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        AcousticModel(**{"num_features": 3, "num_classes": 4, "config": small(), **changes})


@pytest.mark.parametrize("mellin", [False, True])
@pytest.mark.parametrize(
    ("features", "message"),
    [
        (
            torch.ones(1, 6, 3, dtype=torch.int64),
            "features has dtype torch.int64; it must be floating-point: convert it",
        ),
        (torch.ones(1, 6, 3).double(), "features has dtype torch.float64, but the model torch.float32"),
        (torch.ones(1, 6, 3).bfloat16(), "features has dtype torch.bfloat16, but the model torch.float32"),
        (torch.ones(1, 6, 3, device="meta"), "features are on meta, but the model on cpu"),
        (torch.ones(1, 6, 3).numpy(), "features is a ndarray; it must be a tensor"),
    ],
)
def test_features_of_wrong_dtype_or_device_are_named(features, message, mellin):
    model = AcousticModel(3, 4, small(convolutional_mellin=mellin))
    with pytest.raises(ValueError, match=message):
        model(features, torch.tensor([6]))


def test_autocast_accepts_features_of_its_dtype():
    model = AcousticModel(3, 4, small(recurrent_layers=0, convolutional_mellin=True))
    with torch.autocast("cpu", torch.bfloat16):
        assert model(torch.ones(1, 6, 3).bfloat16(), torch.tensor([6]))[0].isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("num_features", [1, 9])
def test_compiled_convolutions_serve_every_number_of_windows(num_features):
    from torch._dynamo.testing import CompileCounterWithBackend  # imports for seconds

    torch._dynamo.reset()
    model = AcousticModel(num_features, 4, small(convolutional_mellin=True, window_size=6)).eval()
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(model.convolve, dynamic=True, backend=counter)
    counts = set()
    for number in (20, 33, 57):  # for few windows, torch compiles separate programs
        windows = torch.randn(number, 6, num_features)
        assert torch.allclose(compiled(windows), model.convolve(windows), atol=1e-5)
        counts.add(counter.frame_count)  # the first compilation may begin twice
    assert len(counts) == 1


def test_wrong_scale_is_named():
    with pytest.raises(ValueError, match=r"feature_scale has shape \(2,\); it must be \(3,\)"):
        AcousticModel(3, 4, small(), feature_scale=torch.ones(2))

import dataclasses

import numpy as np
import pytest
import torch

from cnn_mellin.config import TrainingConfig
from cnn_mellin.random_stream import random_stream
from cnn_mellin.training.augmentation import augment, draw_augmentation

OFF = {
    "noise_eps": 0,
    "max_shift_proportion": 0,
    "max_time_warp": 0,
    "max_freq_warp": 0,
    "num_time_mask": 0,
    "num_freq_mask": 0,
}


def config(**on) -> TrainingConfig:
    return TrainingConfig(**{**OFF, **on})


def batch(lengths=(50, 31, 80), num_coefficients=7):
    generator = torch.Generator().manual_seed(1)
    features = [torch.rand(length, num_coefficients, generator=generator) + 1 for length in lengths]
    return torch.nn.utils.rnn.pad_sequence(features, batch_first=True), torch.tensor(lengths)


def augmented(settings, epoch=1, **kwargs):
    features, lengths = batch(**kwargs)
    draws = [
        draw_augmentation(settings, int(length), features.size(2), random_stream(1, "augmentation", epoch, i))
        for i, length in enumerate(lengths)
    ]
    return augment(features, lengths, draws), draws


def test_augmentation_switched_off_changes_nothing():
    (features, lengths), _ = augmented(config())
    before, before_lengths = batch()
    assert torch.equal(features, before)
    assert torch.equal(lengths, before_lengths)


@pytest.mark.parametrize(
    "on",
    [
        {"noise_eps": 0.1},
        {"max_shift_proportion": 0.3},
        {"max_tempo_factor": 2},
        {"max_tempo_factor": 1.5, "max_shift_proportion": 0.3, "max_time_warp": 9, "num_time_mask": 2},
        {"max_time_warp": 9},
        {"max_freq_warp": 3},
        {"num_time_mask": 5, "num_time_mask_proportion": 0.9, "max_time_mask_proportion": 0.3},
        {"num_freq_mask": 3, "max_freq_mask": 4},
        {"noise_eps": 0.1, "max_shift_proportion": 0.3, "max_time_warp": 9, "num_time_mask": 2, "num_freq_mask": 2},
    ],
    ids=lambda on: "+".join(on),
)
def test_one_utterance_is_augmented_as_in_a_batch(on):
    (features, lengths), draws = augmented(config(**on))
    before, before_lengths = batch()
    size = min(features.size(1), 31)
    assert not torch.equal(features[:, :size], before[:, :size])
    for i, draw in enumerate(draws):
        alone, length = augment(before[i : i + 1, : before_lengths[i]], before_lengths[i : i + 1], [draw])
        assert int(length) == int(lengths[i])
        assert torch.allclose(alone[0], features[i, : lengths[i]])
        assert not features[i, lengths[i] :].any()


def test_epochs_differ_and_repeat():
    everything = config(noise_eps=0.1, max_shift_proportion=0.3, max_time_warp=5, num_freq_mask=2)
    (first, _), (again, _), (other, _) = (augmented(everything, epoch)[0] for epoch in (1, 1, 2))
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)


def test_shifted_utterances_keep_their_end_and_grow_in_length():
    (features, lengths), draws = augmented(config(max_shift_proportion=0.5))
    before, before_lengths = batch()
    assert lengths.tolist() == [int(n) + d.before + d.after for n, d in zip(before_lengths, draws, strict=True)]
    assert features.size(1) == int(lengths.max())
    for i, draw in enumerate(draws):
        whole = before[i, : before_lengths[i]]
        assert torch.equal(features[i, draw.before : draw.before + len(whole)], whole)
        assert torch.equal(features[i, : draw.before], whole[:1].expand(draw.before, -1))
        assert torch.equal(features[i, draw.before + len(whole) : lengths[i]], whole[-1:].expand(draw.after, -1))


def test_tempo_stretches_the_time_around_each_frame():
    ramp = torch.arange(60.0).view(1, -1, 1).expand(1, 60, 2)
    lengths = set()
    for seed in range(200):
        draw = draw_augmentation(config(max_tempo_factor=2), 60, 2, random_stream(seed))
        stretched, length = augment(ramp, torch.tensor([60]), [draw])
        lengths.add(int(length))
        centres = (torch.arange(int(length)) + 0.5) * 60 / length - 0.5
        assert torch.allclose(stretched[0, :, 0], centres.clamp(0, 59), atol=1e-4)
    assert min(lengths) < 34
    assert max(lengths) > 112
    assert min(lengths) >= 30
    assert max(lengths) <= 120


def test_tempo_changes_features_even_if_shifts_restore_the_length():
    features, _ = batch(lengths=(50,))
    draw = draw_augmentation(config(), 50, 7, random_stream(1))
    same_length = dataclasses.replace(draw, stretched_length=40, before=4, after=6)
    changed, length = augment(features, torch.tensor([50]), [same_length])
    assert int(length) == 50
    assert not torch.allclose(changed, features)


def test_raw_audio_keeps_its_tempo():
    assert draw_augmentation(config(max_tempo_factor=2), 60, 1, random_stream(1)).stretched_length == 60


def test_shift_stays_within_its_proportion_and_reaches_it():
    shifts = [
        draw_augmentation(config(max_shift_proportion=0.2), 20, 3, random_stream(seed)).before for seed in range(300)
    ]
    assert set(shifts) == {0, 1, 2, 3, 4}


def test_noise_has_the_configured_strength():
    (features, _), _ = augmented(config(noise_eps=0.05), lengths=(4000, 4000))
    before, _ = batch(lengths=(4000, 4000))
    strength = (features - before).std(1) / before.abs().amax(1)
    assert torch.allclose(strength, torch.full_like(strength, 0.05), rtol=0.1)


def test_time_warp_moves_its_point_and_keeps_the_ends():
    ramp = torch.arange(101.0).view(1, -1, 1).expand(1, 101, 2)
    draw = draw_augmentation(config(max_time_warp=20), 101, 2, random_stream(5))
    warped, lengths = augment(ramp, torch.tensor([101]), [draw])
    point, moved = draw.time_warp
    assert abs(point - moved) > 1
    assert lengths.tolist() == [101]
    assert warped[0, 0, 0] == 0
    assert warped[0, -1, 0] == 100
    place = int(moved)
    assert abs(float(warped[0, place, 0]) - (point + (place - moved) * point / moved)) < 0.6
    assert (warped[0].diff(dim=0) > 0).all()


def test_frequency_warp_moves_coefficients():
    ramp = torch.arange(41.0).view(1, 1, -1).expand(1, 5, 41)
    draw = draw_augmentation(config(max_freq_warp=6), 5, 41, random_stream(2))
    warped, _ = augment(ramp, torch.tensor([5]), [draw])
    assert (warped[0, 0].diff() > 0).all()
    assert float((warped - ramp).abs().max()) == pytest.approx(abs(draw.freq_warp[0] - draw.freq_warp[1]), abs=1)


def test_masks_stay_within_their_bounds():
    masked = config(
        num_time_mask=3, max_time_mask=4, max_time_mask_proportion=0.5, num_time_mask_proportion=0.5, num_freq_mask=2
    )
    counts, widths = set(), set()
    for seed in range(200):
        draw = draw_augmentation(masked, 40, 7, random_stream(seed))
        counts.add(len(draw.time_masks))
        widths |= set(np.diff(draw.time_masks, axis=1).flatten().tolist())
        for masks, size in ((draw.time_masks, 40), (draw.freq_masks, 7)):
            assert (masks >= 0).all()
            assert (masks <= size).all()
    assert counts == {0, 1, 2, 3}
    assert widths == {0, 1, 2, 3, 4}


def test_proportions_bound_the_masks_of_short_utterances():
    draws = [draw_augmentation(config(num_time_mask=9, max_time_mask=99), 50, 7, random_stream(s)) for s in range(50)]
    assert max(len(draw.time_masks) for draw in draws) == 2  # 0.04 of 50 frames
    assert max(int(np.diff(draw.time_masks, axis=1).max(initial=0)) for draw in draws) == 2


def test_raw_audio_has_no_warps_and_no_frequency_masks():
    everything = config(max_time_warp=20, max_freq_warp=20, num_freq_mask=5)
    draw = draw_augmentation(everything, 500, 1, random_stream(1))
    assert draw.time_warp[0] == draw.time_warp[1]
    assert draw.freq_warp[0] == draw.freq_warp[1]
    assert len(draw.freq_masks) == 0


def test_utterances_of_one_frame_survive_everything():
    everything = config(noise_eps=0.1, max_time_warp=20, max_freq_warp=9, num_time_mask=3, max_shift_proportion=1)
    (features, lengths), _ = augmented(everything, lengths=(1, 2))
    assert torch.isfinite(features).all()
    assert (lengths >= torch.tensor([1, 2])).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"features": torch.ones(3, 80, 7, dtype=torch.int64)},
            "features has dtype torch.int64; it must be floating-point",
        ),
        (
            {"features": torch.ones(3, 80)},
            r"features \(3, 80\) and lengths \(3,\) do not match; they must be \(N, T, F\)",
        ),
        ({"lengths": torch.tensor([50.0, 31.0, 80.0])}, "lengths has dtype torch.float32; it must hold integers"),
        ({"lengths": [50, 31, 80]}, "lengths is a list; it must be a tensor"),
        ({"lengths": torch.tensor([50, 31])}, r"lengths \(2,\) do not match"),
        (
            {"lengths": torch.tensor([50, 31, 81])},
            r"lengths\[2\] is 81, but features have 80 frames; it must lie in 1..T",
        ),
        ({"lengths": torch.tensor([50, 0, 80])}, r"lengths\[1\] is 0, but features have 80 frames"),
        ({"draws": []}, "draws has 0 values for 3 utterances; pass one per utterance"),
        (
            {"lengths": torch.tensor([50, 32, 80])},
            r"draws\[1\] has noise of shape \(31, 7\), but the utterance has 32 fr",
        ),
    ],
)
def test_wrong_arguments_are_named(changes, message):
    features, lengths = batch()
    draws = [
        draw_augmentation(config(noise_eps=0.1), length, 7, random_stream(1, "augmentation", 1, i))
        for i, length in enumerate(lengths.tolist())
    ]
    with pytest.raises(ValueError, match=message):
        augment(**{"features": features, "lengths": lengths, "draws": draws, **changes})


@pytest.mark.parametrize(
    ("length", "num_coefficients", "message"),
    [
        (0, 7, "length is 0; it must be at least 1"),
        (5.0, 7, "length is 5.0; it must be a whole number, at least 1"),
        (5, -1, "num_coefficients is -1; it must be at least 1"),
    ],
)
def test_wrong_sizes_are_named(length, num_coefficients, message):
    with pytest.raises(ValueError, match=message):
        draw_augmentation(config(), length, num_coefficients, np.random.default_rng(1))

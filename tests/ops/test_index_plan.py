import random

import pytest

from cnn_mellin.ops.index_plan import frame_taps, slice_groups, tap_groups


@pytest.mark.parametrize("joined", [False, True])
def test_slices_hold_every_tap_once(joined):
    rng = random.Random(1)
    for _ in range(500):
        signal, kernel = rng.randint(1, 12), rng.randint(1, 7)
        s, d, u = (rng.randint(1, 6) for _ in range(3))
        shape = (signal, kernel, s, d, u, rng.randint(0, 15))
        expected = [
            (t, k, i)
            for t, taps in enumerate(frame_taps(*shape))
            for k, i in zip(taps.kernel_frames, taps.input_frames, strict=True)
        ]
        groups = slice_groups(*shape, joined)
        found = [
            (group.first + group.step * m, taps.kernel_frame, taps.first + taps.step * m)
            for group in groups
            for taps in group.slices
            for m in range(taps.number)
        ]
        assert sorted(found) == sorted(expected), shape
        assert all(group.number == max(taps.number for taps in group.slices) for group in groups)
        assert [group.number for group in groups] == sorted((group.number for group in groups), reverse=True)


def test_kernel_frames_of_the_same_outputs_are_joined_only_on_request():
    # u = 3: kernel frames 1, 2 and 4 (from 1) are not multiples of 3 and write to outputs 3, 6, 9.
    assert [len(group.slices) for group in slice_groups(9, 4, 1, 1, 3, 9, True)] == [1, 3]
    assert [len(group.slices) for group in slice_groups(9, 4, 1, 1, 3, 9, False)] == [1, 1, 1, 1]


def test_groups_hold_every_output_frame_that_has_a_tap():
    plan = tap_groups(12, 5, 1, 1, 3, 12)
    assert sum(group.num_outputs for group in plan.groups) == 12
    assert sorted(plan.order) == list(range(12))

import numpy as np

from cnn_mellin.random_stream import random_stream, stream_seed


def test_streams_depend_on_seed_and_every_name():
    names: list[tuple[int | str, ...]] = [(), ("a",), ("b",), ("a", 0), ("a", 1), (0, "a")]
    seeds = {stream_seed(1, *some) for some in names} | {stream_seed(2)}
    assert len(seeds) == 7
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_streams_never_change():
    # Users' published results depend on these numbers: they must not change between versions.
    assert stream_seed(1, "order", 3) == 3528196338433764809
    assert random_stream(1, "order", 3).integers(0, 1000, 4).tolist() == [159, 943, 360, 625]


def test_streams_do_not_disturb_each_other():
    first, second = random_stream(1, "a"), random_stream(1, "b")
    mixed = [(first.random(), second.random()) for _ in range(3)]
    assert np.array_equal([pair[0] for pair in mixed], random_stream(1, "a").random(3))

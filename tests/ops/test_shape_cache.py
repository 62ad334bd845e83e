from cnn_mellin.ops import shape_cache
from cnn_mellin.ops.shape_cache import cached_by_shape


def test_the_oldest_results_are_dropped_from_a_full_cache(monkeypatch):
    monkeypatch.setattr(shape_cache, "_MOST_RESULTS", 3)
    asked = []

    @cached_by_shape
    def double(number: int) -> int:
        asked.append(number)
        return 2 * number

    assert [double(number) for number in (1, 2, 3, 4, 4, 3, 1)] == [2, 4, 6, 8, 8, 6, 2]
    assert asked == [1, 2, 3, 4, 1]

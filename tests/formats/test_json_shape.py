import pytest

from cnn_mellin.formats.json_shape import shape_fault

SHAPE = {"name": str, "rates": [{"percent": (float, None)}], "more?": {str: int}, "on?": bool}


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"name": "a", "rates": []}, None),
        ({"name": "a", "rates": [{"percent": 3}, {"percent": None}], "more": {"x": 1}, "on": True, "new": []}, None),
        ([], "it is [], not an object"),
        ({"rates": []}, "name is missing"),
        ({"name": 3, "rates": []}, "name is 3, not text"),
        ({"name": "a", "rates": {}}, "rates is {}, not a list"),
        ({"name": "a", "rates": [{"percent": 1.5}, {"percent": "x"}]}, "rates[1].percent is 'x', not a number"),
        ({"name": "a", "rates": [{"percent": True}]}, "rates[0].percent is True, not a number"),
        ({"name": "a", "rates": [], "more": {"x": 1.5}}, "more.x is 1.5, not a whole number"),
        ({"name": "a", "rates": [], "on": 1}, "on is 1, not true or false"),
        ({"name": "a" * 10, "rates": "b" * 100}, f"rates is '{'b' * 59}..., not a list"),
    ],
)
def test_the_fault_names_the_place_that_differs(value, fault):
    assert shape_fault(value, SHAPE) == fault

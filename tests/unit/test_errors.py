"""What a message says of a wrong name."""

import pytest

from clipgap.errors import there_are


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fgo", "did you mean fog? there are: clear, Fog Day, fog"),
        ("FOG", "did you mean fog? there are: clear, Fog Day, fog"),
        ("fog-day", "did you mean Fog Day? there are: clear, Fog Day, fog"),
        ("rain", "there are: clear, Fog Day, fog"),
        (None, "there are: clear, Fog Day, fog"),
    ],
)
def test_a_name_that_comes_near_is_named(name: object, said: str) -> None:
    assert there_are(name, ("clear", "Fog Day", "fog")) == said


def test_where_there_is_no_name_none_is_said() -> None:
    assert there_are("fog", ()) == "there are: none"

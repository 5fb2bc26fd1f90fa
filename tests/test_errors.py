import pickle

import pytest

from tinyedge import errors
from tinyedge.errors import TinyedgeError


def all_errors(kind=TinyedgeError):
    return {kind} | {e for sub in kind.__subclasses__() for e in all_errors(sub)}


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = errors.__doc__ or ""
    for kind in all_errors():
        if kind.__module__ == errors.__name__:
            assert kind.__name__ in drawn, f"{kind.__name__} is missing from the drawing"


def test_every_error_has_an_exit_code_that_is_not_a_verdict():
    assert {kind.exit_code for kind in all_errors()} == {errors.BAD_INPUT, errors.TARGET_FAILED}


def test_the_message_says_what_where_found_expected_and_what_to_do():
    error = errors.DataError("it broke", where="a.png", found=1, expected=2, fix="mend it")
    assert str(error).splitlines() == [
        "it broke",
        "  where:    a.png",
        "  found:    1",
        "  expected: 2",
        "  to do:    mend it",
    ]


@pytest.mark.parametrize("kind", sorted(all_errors(), key=lambda e: e.__name__))
def test_errors_survive_pickling(kind):
    error = pickle.loads(pickle.dumps(kind("what", where="w", found="f", expected="e", fix="x")))
    assert type(error) is kind
    assert str(error) == str(kind("what", where="w", found="f", expected="e", fix="x"))

import sys

import pytest

from tinyedge.entry_point import call_entry_point, is_entry_point
from tinyedge.errors import UsageError


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A function that writes a module into the current folder, under a name that no other test uses."""
    monkeypatch.chdir(tmp_path)
    names = []

    def write(code):
        name = f"own_module_{len(names)}_{abs(hash(str(tmp_path)))}"
        names.append(name)
        (tmp_path / f"{name}.py").write_text(code)
        return name

    yield write
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("a:b", True), ("pkg.sub:make", True), ("a", False), ("a:b:c", False), ("C:/x", False), ("a.py:b", True),
     ("photos/", False), (":b", False), ("1a:b", False)],
)  # fmt: skip
def test_the_form(text, is_one):
    assert is_entry_point(text) is is_one


def test_a_file_of_that_name_goes_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:b").touch()
    assert not is_entry_point("a:b")


def test_it_is_called_with_what_it_takes_and_the_path_is_as_before(own):
    name = own(
        "def none():\n    return 'none'\n\ndef one(split):\n    return split\n\n"
        "def some(split='x', *more):\n    return split\n"
    )
    path = list(sys.path)
    assert call_entry_point(f"{name}:none", "--data", "test") == "none"
    assert call_entry_point(f"{name}:one", "--data", "test") == "test"
    assert call_entry_point(f"{name}:some", "--data", "test") == "test"
    assert sys.path == path


@pytest.mark.parametrize(
    ("code", "function", "words"),
    [
        ("def mak(): pass", "make", ["no such function", "did you mean"]),
        ("make = 3", "make", ["no such function"]),
        ("import nothing_of_this_name", "make", ["not installed", "nothing_of_this_name"]),
        ("x = 1\ndef make(:", "make", ["cannot be imported", "SyntaxError", "line 2"]),
        ("import sys\nsys.exit(3)", "make", ["cannot be imported", "SystemExit", "line 2"]),
        ("import sys\ndef make(): sys.exit()", "make", ["raises an error", "SystemExit", "line 2"]),
        ("1 / 0", "make", ["cannot be imported", "ZeroDivisionError", "line 1"]),
        ("def make():\n    return {}['k']", "make", ["raises an error", "KeyError", "line 2"]),
        ("def make(a, b): pass", "make", ["raises an error", "TypeError"]),
    ],
)
def test_what_goes_wrong_in_it_is_one_clear_error(own, code, function, words):
    name = own(code)
    with pytest.raises(UsageError) as caught:
        call_entry_point(f"{name}:{function}", "--from")
    assert "entry_point.py" not in caught.value.where
    assert all(word in str(caught.value) for word in words)
    assert f"--from {name}:{function}" in caught.value.where


def test_a_missing_module_says_where_it_was_looked_for():
    with pytest.raises(UsageError, match=r"(?s)no such module.*no_such/module\.py in the current folder"):
        call_entry_point("no_such.module:make", "--data")

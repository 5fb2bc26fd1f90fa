from __future__ import annotations

import json
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from tinyedge.errors import BAD_INPUT, PolicyError
from tinyedge.gate import DEFAULT_POLICY, load_policy, policy_toml, read_policy
from tinyedge.gate.catalogue import GATES
from tinyedge.gate.floors import Group
from tinyedge.gate.policy import General
from tinyedge.gate.policy_names import check_names
from tinyedge.gate.policy_summary import cautions, changes, with_unit

GROUPS = """\
[floors]
min_accuracy_percent = 40
[[floors.group]]
name = "traffic"
classes = ["stop", "yield"]
min_accuracy_percent = 60
[[floors.group]]
name = "people"
superclasses = ["people"]
max_drop_pp = 2
"""


def test_the_default_text_reads_back_to_the_default_policy() -> None:
    assert load_policy(policy_toml()) == DEFAULT_POLICY
    assert load_policy("") == DEFAULT_POLICY
    for gate in GATES:
        assert f"[{gate.name}]" in policy_toml()


def test_the_default_limits() -> None:
    limits = DEFAULT_POLICY.as_dict()
    assert limits["accuracy"]["max_drop_pp"] == 1.0
    assert limits["worst_class"] == {"enabled": True, "max_drop_pp": 10.0, "p_below": 0.05, "min_images_per_class": 50}
    assert limits["churn"]["max_discordance_percent"] == 10.0
    assert limits["signed_gap"]["max_gap_pp"] == 3.0
    assert limits["saturation"]["max_saturated_percent"] == 1.0
    assert limits["ties"]["max_tied_percent"] == 5.0
    assert limits["parity"]["max_argmax_flips_percent"] == 0.5


def test_a_file_changes_what_it_states_and_nothing_else() -> None:
    policy = load_policy('[policy]\nname = "release"\n[accuracy]\nmax_drop_pp = 2\n[ties]\nenabled = false\n')
    expected = DEFAULT_POLICY.as_dict()
    expected["policy"]["name"] = "release"
    expected["accuracy"]["max_drop_pp"] = 2.0
    expected["ties"]["enabled"] = False
    assert policy.as_dict() == expected
    assert load_policy(policy_toml(policy)) == policy


def test_optional_limits_and_groups_are_read_and_written_back() -> None:
    policy = load_policy(GROUPS)
    floors = policy.as_dict()["floors"]
    assert floors["min_accuracy_percent"] == 40.0
    assert floors["max_ece_pp"] is None
    assert [group["name"] for group in floors["group"]] == ["traffic", "people"]
    assert floors["group"][0]["classes"] == ["stop", "yield"]
    assert floors["group"][1] == {
        "name": "people",
        "classes": [],
        "superclasses": ["people"],
        "min_accuracy_percent": None,
        "max_drop_pp": 2.0,
    }
    assert load_policy(policy_toml(policy)) == policy
    assert load_policy(policy_toml(policy)).digest == policy.digest != DEFAULT_POLICY.digest


def test_what_the_default_text_shows_commented_out_is_a_valid_policy() -> None:
    shown = "\n".join(
        line.removeprefix("# ") if "=" in line or line.startswith("# [") else line
        for line in policy_toml().splitlines()
    )
    policy = load_policy(shown)
    limits = policy.as_dict()
    assert limits["floors"]["max_size_bytes"] == 65536
    assert limits["baseline"]["max_size_growth_percent"] == 50
    assert limits["floors"]["group"][0]["classes"]
    assert None not in limits["floors"].values()


def test_texts_of_any_characters_are_written_so_that_they_read_back() -> None:
    name = "a\"b\\c\n\t\x7f\u2028 é 漢 [x] # = '"
    policy = load_policy("[policy]\nname = " + json.dumps(name).replace("\x7f", "\\u007f"))
    assert policy.name == name
    assert load_policy(policy_toml(policy)).name == name


def test_the_digest_is_of_the_settings_not_of_their_writing() -> None:
    one = load_policy("[churn]\nmax_discordance_percent = 8\n[ties]\nmax_tied_percent = 3.0")
    other = load_policy(
        'policy.name = "else"\nties = { max_tied_percent = 3 } # same\n[churn]\nmax_discordance_percent = 8.0'
    )
    assert one.digest == other.digest
    assert one.digest != DEFAULT_POLICY.digest
    assert len(one.digest) == 64


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[acuracy]\nmax_drop_pp = 1", ["unknown section", "line 1", "did you mean accuracy?"]),
        ("\n[accuracy]\n\nmax_drop = 1", ["unknown key in [accuracy]", "line 4", "did you mean max_drop_pp?"]),
        ("[churn]\nmax_drop_pp = 1\n", ["unknown key in [churn]", "line 2"]),
        ("[worst_class]\np_below = 0.05\n[accuracy]\np_below = 0.05", ["unknown key in [accuracy]", "line 4"]),
        ("max_drop_pp = 1", ["unknown section", "max_drop_pp", "line 1"]),
        ("accuracy = 1", ["[accuracy] is not a section", "line 1"]),
        ("[[accuracy]]\nmax_drop_pp = 1", ["[accuracy] is not a section"]),
        ("[accuracy]\nmax_drop_pp = 1\nmax_drop_pp = 2\n[churn]", ["says something twice", "line 3"]),
        ("[accuracy]\nmax_drop_pp = 1\n[accuracy]\nmax_drop_pp = 2", ["says something twice", "line 3"]),
        ("[accuracy\n", ["not TOML", "line 1"]),
        ("[accuracy]\nmax_drop_pp = nan", ["out of range", "line 2", "nan", "accuracy.max_drop_pp"]),
        ("[accuracy]\nmax_drop_pp = inf", ["out of range", "inf"]),
        ("[accuracy]\nmax_drop_pp = -0.5", ["out of range", "-0.5", "0 to 100"]),
        ("[accuracy]\nmax_drop_pp = 101", ["out of range", "0 to 100"]),
        ('[accuracy]\nmax_drop_pp = "1"', ["wrong type", "a number", "line 2"]),
        ("[accuracy]\nmax_drop_pp = true", ["wrong type", "a number"]),
        ("[accuracy]\nmax_drop_pp = [1]", ["wrong type"]),
        ("[accuracy]\nenabled = 1", ["wrong type", "true or false"]),
        ('[accuracy]\nenabled = "no"', ["wrong type", "true or false"]),
        ("[worst_class]\nmin_images_per_class = 50.0", ["wrong type", "a whole number"]),
        ("[worst_class]\nmin_images_per_class = 1", ["out of range", "2 to"]),
        ("[worst_class]\np_below = 5", ["out of range", "a fraction", "did you mean 0.05?"]),
        ("[policy]\nconfidence = 95", ["out of range", "a fraction", "did you mean 0.95?"]),
        ("[policy]\nconfidence = 0", ["out of range"]),
        ("[policy]\nname = 3", ["wrong type", "a text in quotes"]),
        ("accuracy.max_drop_pp = -1", ["out of range", "line 1"]),
        ("\naccuracy = { max_drop_pp = -1 }", ["out of range", "line 2"]),
        ("[policy]\nname = ''", ["a text is empty", "line 2"]),
        ('[accuracy]\nmax_drop_pp = "1.5 %"', ["wrong type", "write 1.5, without quotes"]),
        ("[floors]\nmin_accuracy_percent = 0.45", ["a percentage is due", "like a fraction", "did you mean 45?"]),
        ("[worst_class]\np_below = 5", ["looks like a percentage"]),
        ("[floors]\nmin_accuracy_percent = 1001", ["out of range"]),
        ("[floors]\nmax_ece_pp = nan", ["out of range", "line 2"]),
        ("[floors]\nmax_ece_pp = true", ["wrong type", "a number"]),
        ("[floors]\ngroup = 3", ["[floors.group] is not a list of tables", "line 2", "[[floors.group]]"]),
        ("[floors.group]\nname = 'a'", ["[floors.group] is not a list of tables", "line 1"]),
        ("[floors]\ngroup = [1]", ["is not a list of tables"]),
        (GROUPS.replace("[[floors.group]]", "[[floors.groups]]"), ["unknown key in [floors]", "line 3", "group?"]),
        (GROUPS.replace("max_drop_pp", "max_drop"), ["unknown key in [floors.group]", "line 10", "max_drop_pp?"]),
        (GROUPS.replace('"people"]', "3]"), ["an array of names", "line 9", "found:    3"]),
        (GROUPS.replace('"yield"', '"stop"'), ["a name twice", "line 5", "'stop'"]),
        (GROUPS.replace('["stop", "yield"]', '"stop"'), ["wrong type", "line 5", "an array of texts"]),
        (GROUPS.replace('["stop", "yield"]', "[]"), ["a group of classes is empty", "line 3", "traffic"]),
        (GROUPS.replace("max_drop_pp = 2", ""), ["has no limit", "line 7", "people"]),
        (
            GROUPS.replace("max_drop_pp = 2", "max_drop_pp = inf"),
            ["out of range", "line 10", "floors.group.max_drop_pp"],
        ),
        (GROUPS.replace('name = "people"\n', ""), ["a key is missing in [floors.group]", "line 7", "no name"]),
        (GROUPS.replace('name = "people"', 'name = "traffic"'), ["have one name", "line 8", "'traffic'"]),
        (GROUPS.replace('name = "people"', "name = 3"), ["wrong type", "line 8", "a text in quotes"]),
        (
            "[floors]\n" + 'group = [{name = "a", classes = ["b"], max_drop = 1}]',
            ["unknown key", "line 2", "max_drop_pp?"],
        ),
        ("a = " + "[" * 5000, ["not TOML"]),
        ("[accuracy]\nmax_drop_pp = " + "9" * 400, ["out of range", "line 2", "999..."]),
        ("[accuracy]\nmax_drop_pp = " + "9" * 5000, ["not TOML"]),
        ("[accuracy]\nmax_drop_pp = 1979-05-27", ["wrong type", "a number"]),
        ('[churn]\n"x\\u001b[31m" = 1', ["unknown key", r"x\x1b[31m"]),
        ("".join(f"[{g.name}]\nenabled = false\n" for g in GATES), ["every gate is off", "release.toml"]),
    ],
)
def test_bad_policies_are_refused_with_the_line(text: str, words: list[str]) -> None:
    with pytest.raises(PolicyError) as caught:
        load_policy(text, where="release.toml")
    for word in [*words, "release.toml"]:
        assert word in str(caught.value)
    assert caught.value.exit_code == BAD_INPUT


def test_a_policy_file_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "release.toml"
    path.write_text("[accuracy]\nmax_drop_pp = 0.5\n")
    assert read_policy(path).as_dict()["accuracy"]["max_drop_pp"] == 0.5
    path.write_bytes(b"\xff\xfe[accuracy]")
    with pytest.raises(PolicyError, match="cannot be read"):
        read_policy(path)
    with pytest.raises(PolicyError, match="cannot be read"):
        read_policy(tmp_path / "absent.toml")
    with pytest.raises(PolicyError, match="cannot be read"):
        read_policy(tmp_path)


def test_names_that_the_data_do_not_have_are_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "release.toml"
    path.write_text(GROUPS)
    policy = read_policy(path)
    check_names(policy, class_names=("go", "stop", "yield"), superclass_names=("people", "signs"), file=path)
    for classes, superclasses, words in (
        (("go", "stop", "yeild"), ("people",), ["classes", "line 5", "found:    yield", "did you mean yeild?"]),
        (("go", "stop", "yield"), ("person",), ["superclasses", "line 9", "found:    people"]),
        (("go", "stop", "yield"), (), ["superclasses", "line 9", "one of the data's 0"]),
    ):
        with pytest.raises(PolicyError) as caught:
            check_names(policy, class_names=classes, superclass_names=superclasses, file=path)
        for word in words:
            assert word in str(caught.value)
    with pytest.raises(PolicyError, match="traffic"):
        check_names(policy, class_names=("a",), superclass_names=())
    check_names(DEFAULT_POLICY, class_names=(), superclass_names=())


def test_what_differs_from_the_default_is_told_and_nothing_else() -> None:
    assert changes(DEFAULT_POLICY) == ()
    policy = load_policy(
        '[policy]\nname = "x"\n[churn]\nmax_discordance_percent = 8\n[accuracy]\nmax_drop_pp = 1\n' + GROUPS
    )
    found = [(change.section, change.key) for change in changes(policy)]
    assert found == [("churn", "max_discordance_percent"), ("floors", "min_accuracy_percent"), ("floors", "group")]
    assert (changes(policy)[0].value, changes(policy)[0].default) == (8.0, 10.0)
    assert with_unit("max_size_bytes", 65536.0) == "65,536 bytes"
    assert with_unit("max_ece_pp", None) == "not judged"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("[churn]\nmax_discordance_percent = 8", []),
        ("[churn]\nmax_discordance_percent = 0.1", ["is 0.1 %: if 10 % was meant, write 10"]),
        ("[churn]\nmax_discordance_percent = 0", []),
        ("[accuracy]\nmax_drop_pp = 100", ["accuracy.max_drop_pp = 100: nothing can exceed it"]),
        ("[accuracy]\nenabled = false\nmax_drop_pp = 100", []),
        (GROUPS.replace("max_drop_pp = 2", "max_drop_pp = 100"), ["floors.group 'people'.max_drop_pp = 100"]),
        ("[baseline]\nmax_size_growth_percent = 400", []),
        ("[policy]\nconfidence = 0.8", ["misses up to 20%"]),
    ],
)
def test_what_may_not_be_meant_is_told(text: str, words: list[str]) -> None:
    found = cautions(load_policy(text))
    assert len(found) == len(words)
    for caution, word in zip(found, words, strict=True):
        assert word in caution


def test_every_key_is_in_the_documentation() -> None:
    told = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()
    kinds = [("policy", General), *((gate.name, gate.rule) for gate in GATES), ("floors.group", Group)]
    for section, kind in kinds:
        for f in fields(kind):
            if f.name != "enabled":
                default = "has to be given" if f.default is MISSING else json.dumps(f.default)
                default = {"null": "not judged", "[]": "none"}.get(default, default)
                assert f"| `{section}.{f.name}` | {default} | {f.metadata['says']} |" in told

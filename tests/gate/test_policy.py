from __future__ import annotations

from pathlib import Path

import pytest

from tinyedge.errors import BAD_INPUT, PolicyError
from tinyedge.gate import DEFAULT_POLICY, load_policy, policy_toml, read_policy
from tinyedge.gate.catalogue import GATES


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

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencognit.domain.errors import ValidationFailed
from opencognit.security.secrets import MAX_SECRETS, join_secrets, keep_known, mask, split_secrets

LONG = "sk-ant-" + "0123456789" * 3 + "3xyz"
OTHER = "sk-ant-" + "abcdefghij" * 3 + "4abc"
BULLETS = "••••••••"

names = st.sampled_from(["model", "apiKey", "token", "name", "value", "key", "a/b", "~", "~1", "0", "1", "", "env"])
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30)
configs = st.dictionaries(
    names,
    st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@given(configs)
def test_what_is_split_can_be_joined_again(config: dict[str, Any]) -> None:
    masked, secrets = split_secrets(config)
    assert join_secrets(masked, secrets) == config


@given(configs)
def test_sending_back_what_was_shown_changes_nothing_or_is_refused(config: dict[str, Any]) -> None:
    masked, secrets = split_secrets(config)
    try:
        kept = keep_known(masked, secrets)
    except ValidationFailed:
        return
    assert kept == config


@given(configs.map(lambda config: {"outer": {"apiKey": config}}))
def test_nothing_below_a_secret_name_is_shown(config: dict[str, Any]) -> None:
    masked, _ = split_secrets(config)

    def shown(value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [leaf for child in value.values() for leaf in shown(child)]
        return [leaf for child in value for leaf in shown(child)] if isinstance(value, list) else [value]

    for leaf in shown(masked):
        assert leaf is None or isinstance(leaf, bool) or leaf == "" or "…" in leaf or leaf == BULLETS


def test_secrets_are_found_in_dicts_lists_and_pairs() -> None:
    config = {
        "model": "claude",
        "max_tokens": 4096,
        "apiKey": LONG,
        "env": {"BOT_TOKEN": OTHER, "HOME": "/work"},
        "headers": [{"name": "Authorization", "value": LONG}, {"name": "Accept", "value": "text/plain"}],
        "a/b": {"0": {"pin~secret": 1234}},
        "password": "",
        "token": None,
    }
    masked, secrets = split_secrets(config)
    assert secrets == {
        "/apiKey": LONG,
        "/env/BOT_TOKEN": OTHER,
        "/headers/0/value": LONG,
        "/a~1b/0/pin~0secret": 1234,
    }
    assert masked == config | {
        "apiKey": "sk-ant-…3xyz",
        "env": {"BOT_TOKEN": "sk-ant-…4abc", "HOME": "/work"},
        "headers": [
            {"name": "Authorization", "value": "sk-ant-…3xyz"},
            {"name": "Accept", "value": "text/plain"},
        ],
        "a/b": {"0": {"pin~secret": BULLETS}},
    }


def test_splitting_leaves_the_given_configuration_as_it_was() -> None:
    config = {"apiKey": LONG, "list": [{"token": LONG}]}
    split_secrets(config)
    assert config == {"apiKey": LONG, "list": [{"token": LONG}]}


def test_a_secret_without_a_place_is_not_lost_in_silence() -> None:
    with pytest.raises(ValueError, match="/env/token"):
        join_secrets({"env": {}}, {"/env/token": LONG})


def test_a_mask_that_comes_back_keeps_the_secret_and_a_new_secret_replaces_it() -> None:
    _, known = split_secrets({"apiKey": LONG, "env": {"token": LONG, "old_token": LONG}})
    new = {"apiKey": mask(LONG), "env": {"token": OTHER}, "model": "claude"}
    assert keep_known(new, known) == {"apiKey": LONG, "env": {"token": OTHER}, "model": "claude"}


@pytest.mark.parametrize("sent", [mask(LONG), BULLETS])
@pytest.mark.parametrize("known", [{}, {"/apiKey": OTHER}, {"/other/apiKey": LONG}])
def test_a_mask_of_no_known_secret_is_refused_and_named(sent: str, known: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed, match="/apiKey"):
        keep_known({"apiKey": sent}, known)


def test_a_secret_is_not_moved_into_the_clear() -> None:
    _, known = split_secrets({"header": {"name": "Authorization", "value": LONG}})
    with pytest.raises(ValidationFailed):
        keep_known({"header": {"name": "Comment", "value": mask(LONG)}}, known)


def test_text_that_only_looks_like_a_mask_stays() -> None:
    assert keep_known({"greeting": "Well…, hi"}, {}) == {"greeting": "Well…, hi"}


def test_items_of_a_list_never_get_each_others_secrets() -> None:
    masked, known = split_secrets({"servers": [{"url": "a", "token": "first"}, {"url": "b", "token": "second"}]})
    for servers in (masked["servers"][1:], masked["servers"][::-1]):
        with pytest.raises(ValidationFailed):
            keep_known({"servers": servers}, known)


def test_a_list_whose_masks_differ_comes_back_whole() -> None:
    config = {"servers": [{"url": "a", "token": LONG}, {"url": "b", "token": OTHER}]}
    assert keep_known(*split_secrets(config)) == config


def nested(levels: int) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for _ in range(levels):
        config = {"inner": config}
    return config


@pytest.mark.parametrize(
    "config",
    [
        nested(33),
        nested(900),
        {"tokens": {"token": ["x"] * (MAX_SECRETS + 1)}},
        {"n" * 2000: {"token": "x"}},
    ],
    ids=["deep", "very deep", "many", "long"],
)
def test_configurations_beyond_all_measure_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed):
        split_secrets(config)


def test_configurations_at_the_limits_are_taken() -> None:
    config = {"token": ["x"] * MAX_SECRETS} | nested(31)
    assert join_secrets(*split_secrets(config)) == config

"""The table of adapters."""

import pytest

from opencognit.domain.adapter import Abilities
from opencognit.providers.command_line import BashProvider
from opencognit.providers.http_call import HttpProvider
from opencognit.providers.table import providers_by_name


def test_an_adapter_is_found_by_its_name() -> None:
    bash, http = BashProvider(enabled=False), HttpProvider()
    assert providers_by_name(bash, http) == {"bash": bash, "http": http}


def test_two_adapters_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="http"):
        providers_by_name(HttpProvider(), HttpProvider())


def test_each_adapter_says_what_it_can_do() -> None:
    bash, http = BashProvider(enabled=False).abilities, HttpProvider().abilities
    assert bash == Abilities(tools=False, streaming=True, cost_known=False, repeatable=False)
    assert http == Abilities(tools=False, streaming=False, cost_known=False, repeatable=True)

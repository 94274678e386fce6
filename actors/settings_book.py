"""The `SettingsBook`: the settings of the whole server, or of one company, changed one at a time.

A secret is in three places only: in the message, sealed in its table, and with whoever needs it (`key_for`).
"""

from typing import Any

from msgspec.structs import replace
from typing_extensions import override

from opencognit.actors.persistent_actor import PersistentActor
from opencognit.domain.errors import ValidationFailed
from opencognit.domain.kinds import SETTINGS
from opencognit.domain.records import SettingSecret
from opencognit.domain.setting import (
    FALLBACK_PRICE,
    MODEL_PRICES,
    MOST_SETTINGS,
    ChangeSetting,
    Setting,
    check,
)
from opencognit.domain.setting import (
    Settings as State,
)
from opencognit.domain.wire_names import FIELDS

SettingsMessage = ChangeSetting


class SettingsBook(PersistentActor[State]):
    """The settings of one scope; there is nothing of it before the first one is set."""

    kind = SETTINGS
    protocol = SettingsMessage

    async def change_setting(self, message: ChangeSetting) -> Setting:
        """Set, replace or delete one.

        Raises:
            ValidationFailed: there cannot be such a setting, it cannot have this value, or there are too many.
        """
        company_id = self.asked_by.company_id
        book = self.state or State(id=self.id, company_id=company_id)
        if message.value is None or message.value != book.values.get(message.key):
            check(message.key, message.value)
        value, sealed = await self._shown_and_sealed(message.key, message.value, book)
        values = {key: kept for key, kept in book.values.items() if key != message.key}
        if value is not None:
            values[message.key] = value
        if len(values) > MOST_SETTINGS:
            raise ValidationFailed.of(FIELDS["key"], f"there are {MOST_SETTINGS} settings already")
        setting = Setting(key=message.key, value=value, company_id=company_id)
        secret = SettingSecret(settings_id=self.id, company_id=company_id, key=message.key, sealed=sealed)
        parts: list[Any] = [secret]
        if company_id is not None:
            parts.append(self.entry(company_id, "setting.changed", f"Changed the setting {message.key}"))
        await self.persist(replace(book, values=values), *parts, reply=setting)
        self._apply()
        return setting

    @override
    async def activated(self) -> None:
        """After a write of which nobody knows whether it became durable, the snapshot decides what holds."""
        self._apply()

    def _apply(self) -> None:
        if self.state is not None:
            values = self.state.values
            self.system.surroundings.prices.set(
                self.state.company_id, models=values.get(MODEL_PRICES), fallback=values.get(FALLBACK_PRICE)
            )

    async def _shown_and_sealed(self, key: str, value: Any, book: State) -> tuple[Any, str | None]:
        if not isinstance(value, str | int | float):
            return value, None
        sealed = await self.system.store.queries.setting_secret(self.id, key)
        masked, sealed = self.system.surroundings.secrets.split(
            {key: value}, before={key: book.values.get(key)}, sealed_before=sealed
        )
        return masked[key], sealed

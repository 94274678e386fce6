"""What is asked about settings."""

from opencognit.domain.message import decode
from opencognit.domain.setting import SERVER
from opencognit.domain.setting import Settings as State
from opencognit.store.reading import Reading, on_reader
from opencognit.store.tables import Settings, SettingSecrets


class SettingsQueries(Reading):
    """The questions."""

    @on_reader
    def all_settings(self) -> list[State]:
        """Every scope's settings, without the secrets."""
        return [decode(body, State) for body in self._column(Settings.select(Settings.body))]

    @on_reader
    def setting_secret(self, settings_id: str, key: str) -> str | None:
        """The sealed value of one secret of one scope."""
        query = SettingSecrets.select(SettingSecrets.sealed).where(
            SettingSecrets.settings_id == settings_id, SettingSecrets.key == key
        )
        row = self._first(query)
        return row[0] if row else None

    @on_reader
    def secrets_for(self, company_id: str, key: str) -> dict[str, str]:
        """The sealed values of a secret by whose it is: the company's own, the server's, or both."""
        query = SettingSecrets.select(SettingSecrets.settings_id, SettingSecrets.sealed).where(
            SettingSecrets.settings_id.in_((company_id, SERVER)), SettingSecrets.key == key
        )
        return dict(query.tuples().execute(self._readers.database))

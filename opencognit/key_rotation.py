"""`opencognit keys rotate`: a new key for all that is sealed in a data folder, and none of it lost on the way.

The new key is put beside the old one first, everything is sealed anew, and only then the old one goes. Whoever reads
the key file opens with both of them, so a server can be started again at any point where this was cut off.
"""

from pathlib import Path

import msgspec

from opencognit.data_folder import claimed
from opencognit.domain.errors import StorageUnavailable
from opencognit.security.keys import load_or_create_keys, new_key, replace_keys
from opencognit.security.secrets import SecretBox, SecretUnreadable
from opencognit.store.resealing import reseal_database


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """What was done."""

    resealed: int
    """Secrets that only the new key opens now."""
    unreadable: int
    """Secrets that no key has opened before either; they are left as they are."""
    finished: bool
    """A rotation that was cut off earlier was brought to its end; its new key is the new key."""
    copies: tuple[str, ...]
    """Copies of the database from before an update, whose secrets nothing opens any more."""


def rotate_keys(data: Path, *, tokens: bool = False, allow_old_sqlite: bool = False) -> Rotation:
    """Seal all secrets of this data folder with a new key, and forget the old one.

    Args:
        data: the data folder; no server may be working on it.
        tokens: also make a new key for the tokens of users and agents, which ends all of them.
        allow_old_sqlite: as for a server.

    Raises:
        StorageUnavailable: there is no database, a server is working on it, or it cannot be written. Once the new key
            is there both stay, and calling again goes on from there.
        KeyFileRefused: the key cannot be used.
    """
    database, keys = data / "opencognit.db", data / "keys"
    if not database.exists():
        raise StorageUnavailable(f"There is no database in {data}")
    with claimed(data):
        held = load_or_create_keys(keys / "secrets.key")
        finished = len(held) > 1
        if not finished:
            held = (new_key(), *held)
            replace_keys(keys / "secrets.key", *held)
        sealer = _Resealing(SecretBox(*held))
        number = reseal_database(database, sealer.reseal, allow_old_sqlite=allow_old_sqlite)
        replace_keys(keys / "secrets.key", held[0])
        if tokens:
            replace_keys(keys / "tokens.key", new_key())
    return Rotation(
        resealed=number - sealer.unreadable,
        unreadable=sealer.unreadable,
        finished=finished,
        copies=tuple(sorted(copy.name for copy in data.glob("opencognit.before-*.db"))),
    )


class _Resealing:
    """Seals one text after the other anew, and counts those that it cannot open.

    Attributes:
        unreadable: how many these were.
    """

    def __init__(self, box: SecretBox) -> None:
        self._box = box
        self.unreadable = 0

    def reseal(self, sealed: str) -> str:
        """The same secret, sealed with the newest key; what no key opens stays as it is."""
        try:
            return self._box.seal(self._box.open(sealed))
        except SecretUnreadable:
            self.unreadable += 1
            return sealed

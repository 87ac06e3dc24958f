"""The checksum that a cluster of Matroska may begin with (RFC 9559, 6.2): over all that follows it in the cluster."""

import zlib


class ClusterCheck:
    """Follows one cluster, of known size, while it is read."""

    def __init__(self) -> None:
        self._left = 0
        """Bytes of the cluster that are still to come; 0 outside of one."""
        self._wanted: int | None = None
        self._crc = 0

    def begin(self, size: int | None) -> None:
        """A cluster begins behind what has passed."""
        self._left = size or 0
        self._wanted = None

    def expect(self, checksum: bytes) -> None:
        """What all that passes from now on must come to."""
        self._wanted = int.from_bytes(checksum, "little") if self._left else None
        self._crc = 0

    def forget(self) -> None:
        """Nobody knows any more where the cluster ends."""
        self._left = 0

    def passed(self, data: bytes) -> bool:
        """What was read; whether a cluster ends with it that is not what it was."""
        if not self._left:
            return False
        within = data[: self._left]
        self._left -= len(within)
        if self._wanted is None:
            return False
        self._crc = zlib.crc32(within, self._crc)
        return self._left == 0 and self._crc != self._wanted

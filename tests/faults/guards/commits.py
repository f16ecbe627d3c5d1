"""Guards of the commit: sealed, synced, renamed, found again."""

from __future__ import annotations

from tests.faults.guards.mutant import Mutant

_FILES = ("tests/sinks/files/test_files.py", "tests/sinks/test_jsonl.py", "tests/sinks/test_jsonl_faults.py")
_RECORD = "write_whole(self._files, self._folder, self._goal.record, record_text(record))\n"

_SYNC = "            self._files.sync(self._folder)\n"

COMMITS = (
    Mutant(
        "what was not sealed is committed",
        "sinks/base.py",
        "        if self._evidence is None:\n            raise SinkError(\n",
        "        if False:\n            raise SinkError(\n",
        ("tests/sinks/test_base.py", *_FILES),
    ),
    Mutant(
        "a torn write is committed",
        "sinks/base.py",
        "        if self._torn:\n",
        "        if False:\n",
        ("tests/sinks/test_base.py",),
    ),
    Mutant(
        "a failed transaction is kept",
        "sinks/base.py",
        "        writer.discard()\n        raise",
        "        raise",
        ("tests/sinks/test_base.py", *_FILES),
    ),
    Mutant(
        "no fsync before the rename",
        "sinks/files/tree.py",
        "            self._data.sync()\n",
        "",
        _FILES,
    ),
    Mutant(
        "no fsync of the folder",
        "sinks/files/tree.py",
        "                self._files.unlink(self._folder, name)\n            self._files.sync(self._folder)\n",
        "                self._files.unlink(self._folder, name)\n",
        _FILES,
    ),
    Mutant(
        "the record comes after the file",
        "sinks/files/tree.py",
        "            " + _RECORD + _SYNC + "            self._data.publish()\n",
        "            self._data.publish()\n            " + _RECORD + _SYNC,
        _FILES,
    ),
    Mutant(
        "the record's name is not on the disk before the file's",
        "sinks/files/tree.py",
        _SYNC + "            self._data.publish()\n",
        "            self._data.publish()\n",
        ("tests/faults/test_power_loss.py", *_FILES),
    ),
    Mutant(
        "small files are not synced",
        "sinks/files/files.py",
        "        file.write(data)\n        file.sync()\n",
        "        file.write(data)\n",
        _FILES,
    ),
    Mutant(
        "an existing .part is written into",
        "sinks/files/disk.py",
        "os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC",
        "os.O_NOFOLLOW | os.O_CLOEXEC",
        _FILES,
    ),
    Mutant(
        "a link for a folder is followed",
        "sinks/files/disk.py",
        "return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)",
        "return os.open(name, _FOLDER, dir_fd=parent)",
        _FILES,
    ),
    Mutant(
        "files are readable by others",
        "sinks/files/disk.py",
        "_FILE_MODE = 0o600",
        "_FILE_MODE = 0o644",
        _FILES,
    ),
    Mutant(
        "a swapped .part is renamed",
        "sinks/files/files.py",
        '        if not self._is_still_named():\n            raise SinkLocked(f"{self._part} is not the file',
        '        if False:\n            raise SinkLocked(f"{self._part} is not the file',
        _FILES,
    ),
    Mutant(
        "somebody else's file is replaced",
        "sinks/files/tree.py",
        "if found is not None and (reason := _why_not_ours(found, record, self._order)):",
        "if reason := '':",
        _FILES,
    ),
    Mutant(
        "a file that was altered is found",
        "sinks/files/found.py",
        " and files.digest(file) == record.sha256",
        "",
        _FILES,
    ),
    Mutant(
        "labels may leave the folder",
        "sinks/labels.py",
        "if _LABEL.fullmatch(text) is None:",
        "if False:",
        ("tests/sinks/test_labels.py",),
    ),
)

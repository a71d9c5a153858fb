"""TAB in a real shell completes what the first hour says that it does."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "first-hour.md"
SHELLS = {
    "bash": ("--norc", "--noprofile", "-i"),
    "zsh": ("-f", "-i"),
}
SET_UP = {
    "bash": 'eval "$(_TRAPBENCH_COMPLETE=bash_source trapbench)"',
    "zsh": 'autoload -U compinit; compinit -u -D; eval "$(_TRAPBENCH_COMPLETE=zsh_source trapbench)"',
}
_PATIENCE = 60.0


class Terminal:
    """A shell that believes to have a user."""

    def __init__(self, shell: str, folder: Path) -> None:
        self._master, slave = pty.openpty()
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "TERM": "dumb", "PS1": "", "HOME": str(folder)}
        self._process = subprocess.Popen(
            [shell, *SHELLS[shell]],
            **dict.fromkeys(("stdin", "stdout", "stderr"), slave),
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
        os.close(slave)

    def types(self, text: str) -> None:
        os.write(self._master, text.encode())

    def shows(self, text: str) -> bool:
        """Whether the text appears; waits for it."""
        seen, until = "", time.monotonic() + _PATIENCE
        while text not in seen and time.monotonic() < until:
            if select.select([self._master], [], [], 1.0)[0]:
                seen += os.read(self._master, 4096).decode(errors="replace")
        return text in seen

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes_names(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    assert SET_UP[shell].rpartition("; ")[2].partition(" trapbench")[0] in PAGE.read_text("utf-8")
    terminal = Terminal(shell, tmp_path)
    try:
        terminal.types(SET_UP[shell] + "; echo rea'dy'\n")
        assert terminal.shows("ready")
        terminal.types("trapbench list pre\t\n")  # by its whole name alone are presets listed
        assert terminal.shows("sandybridge")
    finally:
        terminal.close()

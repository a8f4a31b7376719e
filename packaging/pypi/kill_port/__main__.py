"""``python -m kill_port``, and the script that is named like the distribution: the command itself."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NoReturn

from kill_port._binary import find_binary


def main() -> NoReturn:
    """Becomes the command, with this process's arguments."""
    try:
        binary = find_binary()
    except FileNotFoundError as error:
        sys.exit(f"error: {error}")
    command = [binary, *sys.argv[1:]]
    if sys.platform != "win32":
        os.execv(binary, command)
    # There, exec lets go of the console while the command still uses it.
    with subprocess.Popen(command) as process:
        while True:
            try:
                sys.exit(process.wait())
            except KeyboardInterrupt:
                # The console has told the command as well.
                continue


if __name__ == "__main__":
    main()

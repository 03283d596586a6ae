"""``python -m faltung`` runs the command ``faltung``, and ``python -m faltung script.py`` runs ``faltung run``."""

from __future__ import annotations

import sys

from faltung.cli.main import main

if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1].endswith((".py", ".pyw")):
        sys.argv.insert(1, "run")
    main()

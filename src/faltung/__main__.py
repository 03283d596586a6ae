"""``python -m faltung`` runs the command ``faltung``."""

from __future__ import annotations

from faltung.cli.main import main

if __name__ == "__main__":
    main()

"""The `isptoolkit` command."""

from .app import main as main

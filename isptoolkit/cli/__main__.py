"""`python -m isptoolkit.cli`."""

from .app import main

main()

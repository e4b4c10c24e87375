"""Load the CPU library of the installed wheel, which needs neither torch nor any other package."""

import importlib.util
from importlib import metadata
from pathlib import Path


def main() -> None:
    """Exit with the reason if the library is not used, such as an OpenMP runtime that is missing."""
    folder = Path(str(metadata.distribution("isptoolkit").locate_file("isptoolkit/kernels")))
    spec = importlib.util.spec_from_file_location("library", folder / "library.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    library, reason = module.load(folder)
    if library is None:
        raise SystemExit(f"no native kernels: {reason}")
    print(library._name)


main()

"""Change lines of the package one at a time and see whether the tests notice: `python benchmarks/mutation.py`.

What is changed, and by which tests it has to be noticed, is declared in `mutation.toml`. A sample of all changes that
the operators of cosmic-ray can make is drawn by a seed and tried on copies of the package, not on the checkout. Before
anything else every copy is checked: the tests pass on it, and a `raise` at the end of a module fails them, so that they
do see the copy. Results go to `benchmarks/results/mutation.jsonl`; a run that was stopped continues there.
"""

import argparse
import ast
import hashlib
import itertools
import json
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "mutation.jsonl"
CONFIG: dict[str, Any] = tomllib.loads((ROOT / "benchmarks" / "mutation.toml").read_text())


@dataclass(frozen=True)
class Mutant:
    """One change of one line.

    Args:
        package: of `mutation.toml`, which names the tests.
        path: of the module, from the root of the checkout.
        operator: of cosmic-ray.
        occurrence: which of the places in the module that the operator can change.
        number: of the line.
        line: as it is.
        changed: as it becomes.
    """

    package: str
    path: str
    operator: str
    occurrence: int
    number: int
    line: str
    changed: str

    @property
    def key(self) -> str:
        """Stays while the module does."""
        source = (ROOT / self.path).read_bytes()
        return hashlib.sha256(f"{self.path} {self.operator} {self.occurrence} ".encode() + source).hexdigest()[:16]

    @property
    def source(self) -> str:
        """The whole module with the change."""
        made = mutate_code((ROOT / self.path).read_text(), get_operator(self.operator)(), self.occurrence)
        assert made is not None
        return str(made)


Place = tuple[str, str, str, int]
"""Package, path, operator and occurrence of a change."""


def places_of(package: str) -> list[Place]:
    """All changes of a package that count: messages and annotations are left out."""
    found = []
    for path in sorted(path for pattern in CONFIG["packages"][package]["modules"] for path in ROOT.glob(pattern)):
        nodes, silent = list(ast_nodes(get_ast_from_path(path))), _silent(path.read_text())
        for name in CONFIG["operators"]:
            operator = get_operator(name)()
            starts = [start for node in nodes for start, _ in operator.mutation_positions(node)]
            for occurrence, start in enumerate(starts):
                if not any(first <= start < last for first, last in silent):
                    found.append((package, path.relative_to(ROOT).as_posix(), name, occurrence))
    return found


def mutant_at(place: Place) -> Mutant | None:
    """What becomes of the line; None where the module stays the same."""
    package, path, operator, occurrence = place
    source = (ROOT / path).read_text()
    mutated = mutate_code(source, get_operator(operator)(), occurrence) or source
    for number, (line, changed) in enumerate(zip(source.splitlines(), mutated.splitlines(), strict=False), 1):
        if line != changed:
            return Mutant(package, path, operator, occurrence, number, line, changed)
    return None


def _silent(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Places that no test should be about: annotations, and what is said when something is raised."""
    places: list[ast.AST] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Raise | ast.JoinedStr):
            places.append(node)
        elif isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            places.append(node.annotation)
        elif isinstance(node, ast.FunctionDef) and node.returns is not None:
            places.append(node.returns)
    return [((n.lineno, n.col_offset), (n.end_lineno, n.end_col_offset)) for n in places]  # type: ignore[attr-defined]


class Copy:
    """The package and the recipes, copied to be changed.

    Args:
        folder: that the copy is made in.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignored = shutil.ignore_patterns("__pycache__", "recipes")  # the link, which Windows may lack
        shutil.copytree(ROOT / "isptoolkit", folder / "isptoolkit", ignore=ignored)
        shutil.copytree(ROOT / "recipes", folder / "isptoolkit" / "recipes", ignore=ignored)
        import isptoolkit.kernels  # the copy has the libraries that were built when the package was installed

        for library in Path(str(isptoolkit.kernels.__file__)).parent.glob("*.so"):
            target = folder / "isptoolkit" / "kernels" / library.name
            if not target.exists():
                shutil.copy(library, target)

    def noticed(self, package: str, path: str, source: str | None) -> bool:
        """Whether the tests of a package fail with another source of a module."""
        inside = path if path.startswith("isptoolkit/") else f"isptoolkit/{path}"
        target = self.folder / inside
        kept = target.read_text()
        try:
            if source is not None:
                target.write_text(source)
            return self._failed(tests_of(package, path))
        finally:
            target.write_text(kept)

    def _failed(self, tests: list[str]) -> bool:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow"]
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.folder),
            "PYTHONSAFEPATH": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
        }
        how: dict[str, Any] = {"cwd": ROOT, "env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        try:
            done = subprocess.run([*command, *tests], timeout=CONFIG["timeout"], text=True, **how)
        except subprocess.TimeoutExpired:
            return True
        if done.returncode not in (0, 1, 2, 4):  # passed, failed, or the package or the tests could not be imported
            raise RuntimeError(f"pytest ended with status {done.returncode}:\n{done.stdout[-2000:]}")
        return done.returncode != 0


def tests_of(package: str, path: str) -> list[str]:
    """All test files of a package: first those that are named after the module, then those with golden outputs."""
    stem = Path(path).stem
    names = (stem, stem.split("_")[0], "golden")

    def rank(file: Path) -> int:
        return next((place for place, name in enumerate(names) if name in file.stem), len(names))

    asked = [ROOT / folder for folder in CONFIG["packages"][package]["tests"]]
    files = [file for test in asked for file in (sorted(test.rglob("test_*.py")) if test.is_dir() else [test])]
    return [file.relative_to(ROOT).as_posix() for file in sorted(files, key=rank)]


def prove(copy: Copy, package: str, modules: list[str]) -> None:
    """Raises unless the tests pass on the copy and fail on a module of it that raises."""
    if copy.noticed(package, modules[0], None):
        raise RuntimeError(f"the tests of {package} fail without any change")
    for path in modules:
        if not copy.noticed(package, path, (ROOT / path).read_text() + "\nraise RuntimeError('changed')\n"):
            raise RuntimeError(f"the tests of {package} do not see the copy of {path}")


def drawn(packages: list[str], count: int) -> list[Mutant]:
    """A sample of the changes of all packages alike."""
    places = [place for package in packages for place in places_of(package)]
    random.Random(CONFIG["seed"]).shuffle(places)
    return list(itertools.islice(filter(None, map(mutant_at, places)), count))


def equivalent(mutant: Mutant) -> str | None:
    """Why no test could notice it, where that is so."""
    for known in CONFIG.get("equivalent", ()):
        same = known["path"] == mutant.path and known["line"] == mutant.line.strip()
        if same and known["changed"] == mutant.changed.strip():
            return str(known["why"])
    return None


def run(chosen: list[Mutant], workers: int, again: bool, proven: bool) -> dict[str, str]:
    """Try all that have not been tried, and keep what came of it; outcomes by key."""
    rows = [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.is_file() else []
    outcomes = {row["key"]: row["outcome"] for row in rows if not (again and row["outcome"] == "survived")}
    waiting = [mutant for mutant in chosen if mutant.key not in outcomes]
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copies: queue.Queue[Copy] = queue.Queue()
        for number in range(workers):
            copies.put(Copy(Path(folder, str(number))))

        def with_copy(work: Any) -> Any:
            copy = copies.get()
            try:
                return work(copy)
            finally:
                copies.put(copy)

        def tried(mutant: Mutant) -> None:
            start = time.perf_counter()
            why = equivalent(mutant)
            if why is not None:
                outcome = "equivalent"
            else:
                noticed = with_copy(lambda copy: copy.noticed(mutant.package, mutant.path, mutant.source))
                outcome = "killed" if noticed else "survived"
            outcomes[mutant.key] = outcome
            row = {
                "key": mutant.key,
                **asdict(mutant),
                "outcome": outcome,
                "seconds": round(time.perf_counter() - start),
            }
            with RESULTS.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{len(outcomes)} {outcome:<10} {mutant.path}:{mutant.number} {mutant.changed.strip()}", flush=True)

        with ThreadPoolExecutor(workers) as pool:
            modules: dict[str, set[str]] = {}
            for mutant in waiting:
                modules.setdefault(mutant.package, set()).add(mutant.path)
            proofs = [(package, sorted(paths)) for package, paths in modules.items() if not proven]
            list(pool.map(lambda proof: with_copy(lambda copy: prove(copy, *proof)), proofs))
            print(f"the tests see the copies of {sum(len(paths) for _, paths in proofs)} modules", flush=True)
            list(pool.map(tried, waiting))
    return outcomes


def table(chosen: list[Mutant], outcomes: dict[str, str]) -> str:
    """Killed, survived and equivalent by package."""
    lines = ["| package | killed | survived | equivalent |", "| --- | --- | --- | --- |"]
    total = dict.fromkeys(("killed", "survived", "equivalent"), 0)
    for package in CONFIG["packages"]:
        found = [outcomes[mutant.key] for mutant in chosen if mutant.package == package and mutant.key in outcomes]
        counts = {kind: found.count(kind) for kind in total}
        total = {kind: total[kind] + counts[kind] for kind in total}
        lines.append(f"| {package} | " + " | ".join(map(str, counts.values())) + " |")
    lines.append("| all | " + " | ".join(map(str, total.values())) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CONFIG["packages"], default=list(CONFIG["packages"]))
    parser.add_argument("--sample", type=int, default=CONFIG["sample"], help="how many changes are tried")
    parser.add_argument("--workers", type=int, default=2, help="changes that are tried at once")
    parser.add_argument("--again", action="store_true", help="try those that survived once more")
    parser.add_argument("--proven", action="store_true", help="go on with a run that has checked the copies")
    parser.add_argument("--list", action="store_true", help="print the sample and stop")
    asked = parser.parse_args()
    chosen = drawn(asked.only, asked.sample)
    if asked.list:
        for mutant in chosen:
            print(f"{mutant.path}:{mutant.number} {mutant.operator}: {mutant.line.strip()} -> {mutant.changed.strip()}")
        return
    print(table(chosen, run(chosen, asked.workers, asked.again, asked.proven)))


if __name__ == "__main__":
    main()

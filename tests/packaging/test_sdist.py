"""The source distribution: everything that Git tracks, once."""

import tarfile
from pathlib import PurePosixPath

import pytest
from distributions import ROOT, tracked


@pytest.fixture(scope="module")
def members(sdist):
    with tarfile.open(sdist) as file:
        return [(str(PurePosixPath(*PurePosixPath(member.name).parts[1:])), member) for member in file]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a Git checkout: git clone the project")
def test_it_has_every_tracked_file(members):
    assert sorted(set(tracked()) - {name for name, _ in members}) == []


def test_it_has_nothing_else(members):
    generated = {"PKG-INFO", "setup.cfg"}
    names = [name for name, member in members if not member.isdir() and ".egg-info/" not in name]
    assert len(set(names)) == len(names)
    if (ROOT / ".git").exists():
        assert sorted(set(names) - set(tracked()) - generated) == []


def test_recipes_are_packed_once(members):
    (link,) = [member for name, member in members if name == "isptoolkit/recipes"]
    assert link.issym()
    assert link.linkname == "../recipes"
    assert [name for name, _ in members if name.startswith("isptoolkit/recipes/")] == []

"""The bytes of DNG opcodes: exiftool names them alike, and no list of bytes does harm."""

import shutil
import struct
import subprocess
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opcode_files import bad_constant, bad_list, gain_map, opcode, opcode_list, vignette, write

from isptoolkit.errors import UnreadableFile
from isptoolkit.io import describe_corrections, opcodes, read_corrections, tiff

SAMPLES = np.full((24, 32), 500, np.uint16)
GAINS = np.linspace(1, 2, 12).reshape(3, 4, 1)
GOOD = {
    "gain map": gain_map(GAINS, (0, 0, 24, 32)),
    "vignette": vignette([0.1, 0, 0, 0, 0]),
    "constant": bad_constant(0),
    "list": bad_list([(1, 2)], [(3, 4, 5, 6)]),
}


def test_names_are_those_of_exiftool(tmp_path):
    tool = shutil.which("exiftool")
    if tool is None:
        pytest.skip("needs exiftool: install the package libimage-exiftool-perl")
    path = write(tmp_path / "a.dng", SAMPLES, {2: opcode_list(*(opcode(code, b"") for code in opcodes.NAMES))})
    printed = subprocess.run([tool, "-s3", "-OpcodeList2", path], check=True, capture_output=True, text=True).stdout
    assert printed.strip().split(", ") == list(opcodes.NAMES.values())


def test_lists_are_read_in_the_order_of_processing(tmp_path):
    lists = {
        3: opcode_list(opcode(1, b"abc", flags=0), opcode(14, b"", version=(1, 6, 0, 0))),
        1: opcode_list(opcode(77, b"x", flags=3)),
    }
    entries = opcodes.read_opcodes(write(tmp_path / "a.dng", SAMPLES, lists))
    assert [(each.list, each.code, each.version, each.body) for each in entries] == [
        (1, 77, (1, 3, 0, 0), b"x"),
        (3, 1, (1, 3, 0, 0), b"abc"),
        (3, 14, (1, 6, 0, 0), b""),
    ]
    assert [str(each) for each in entries] == [
        "opcode 77 in OpcodeList1, optional",
        "WarpRectilinear in OpcodeList3, required by the file",
        "WarpRectilinear2 in OpcodeList3, optional",
    ]


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("change", [-9, -1, 1])
def test_a_body_of_another_size_is_refused(name, change, tmp_path):
    entry = GOOD[name]
    code, body = struct.unpack_from(">I", entry)[0], entry[16:]
    wrong = opcode(code, body[:change] if change < 0 else body + bytes(change))
    number = 1 if code in (4, 5) else 2
    read_corrections(write(tmp_path / "good.dng", SAMPLES, {number: opcode_list(entry)}))
    path = write(tmp_path / "a.dng", SAMPLES, {number: opcode_list(wrong)})
    with pytest.raises(UnreadableFile, match=rf"{opcodes.NAMES[code]} in OpcodeList{number}, optional cannot be read"):
        read_corrections(path)
    assert describe_corrections(path)[0].startswith("not applied: ")


def changed(at, kind, *values):
    """The good gain map with other numbers `at` a byte of its body."""
    entry = bytearray(GOOD["gain map"])
    struct.pack_into(f">{kind}", entry, 16 + at, *values)
    return bytes(entry)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (changed(20, "I", 0), "0 planes"),
        (changed(24, "I", 0), "pitch 0 x 1"),
        (gain_map(GAINS, (0, 0, 0, 0), pitch=(2, 2)), "pitch 2 x 2, area"),
        (changed(24, "2I", 2**31, 0), "pitch 2147483648 x 0"),
        (changed(32, "2I", 2**31, 2**31), "2147483648 x 2147483648 points"),
        (changed(32, "2I", 0, 4), "0 x 4 points"),
        (changed(72, "I", 2**32 - 1), "of 4294967295 planes"),
        (changed(40, "2d", 0.0, 1.0), "spacing"),
        (changed(40, "2d", -0.5, 1.0), "spacing"),
        (changed(56, "2d", float("nan"), 0.0), "origin"),
        (changed(76, "f", 0.0), "positive"),
        (changed(80, "f", -1.0), "positive"),
        (changed(80, "f", float("nan")), "positive"),
        (changed(80, "f", float("inf")), "positive"),
        (changed(80, "I", 0x7F800001), "positive"),
        (vignette([0.1] * 5, (0.5, 1.5)), "center 0.5, 1.5"),
        (vignette([float("nan")] * 5), "coefficients"),
        (vignette([-2.0, 0, 0, 0, 0]), "positive up to the corner"),
    ],
    ids=lambda value: "opcode" if isinstance(value, bytes) else None,
)
def test_impossible_values_are_refused(entry, message, tmp_path):
    path = write(tmp_path / "a.dng", SAMPLES, {2: opcode_list(entry)})
    with pytest.raises(UnreadableFile, match=message):
        read_corrections(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", struct.pack(">I", 2**32 - 1), struct.pack(">I", 2) + GOOD["vignette"]],
    ids=["empty", "one byte", "billions", "one missing"],
)
def test_a_list_that_states_more_than_it_has_is_refused(content, monkeypatch):
    monkeypatch.setattr(tiff, "main_tags", lambda path: {51009: content})
    with pytest.raises(UnreadableFile, match="OpcodeList2 cannot be read"):
        opcodes.read_opcodes("a.dng")


def test_more_opcodes_than_a_camera_writes_are_refused(tmp_path):
    most = write(tmp_path / "a.dng", SAMPLES, {2: opcode_list(*[opcode(99, b"")] * 256)})
    assert len(opcodes.read_opcodes(most)) == 256
    more = write(tmp_path / "b.dng", SAMPLES, {2: opcode_list(*[opcode(99, b"")] * 257)})
    with pytest.raises(UnreadableFile, match="257 opcodes, as no camera writes"):
        opcodes.read_opcodes(more)


@pytest.mark.parametrize("value", [2**40, (1, 2), "text", 1.5])
def test_a_list_that_is_not_bytes_is_refused(value, monkeypatch):
    monkeypatch.setattr(tiff, "main_tags", lambda path: {51009: value})
    with pytest.raises(UnreadableFile, match="instead of bytes"):
        read_corrections("a.dng")


@pytest.mark.parametrize(
    "tags",
    [
        {50829: (1, 2, 3)},
        {50829: (8, 0, 8, 9)},
        {256: 0},
        {50829: (0, 0, float("inf"), 8)},
        {257: "tall"},
        {50718: (1, 1)},
        {262: 34892, 277: (3, 3)},
    ],
)
def test_a_frame_that_makes_no_sense_is_refused(tags, monkeypatch):
    content = opcode_list(GOOD["vignette"])
    monkeypatch.setattr(tiff, "main_tags", lambda path: {256: 32, 257: 24, 262: 32803, 51009: content} | tags)
    with pytest.raises(UnreadableFile, match="the frame of its opcodes cannot be read"):
        read_corrections("a.dng")


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(st.data())
def test_mutated_lists_are_read_or_refused(data):
    """Any bytes give corrections or the typed error, and never more memory than the opcodes could need."""
    content = bytearray(opcode_list(*data.draw(st.lists(st.sampled_from([*GOOD.values()]), max_size=5))))
    for _ in range(data.draw(st.integers(0, 8))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.sampled_from((0, 1, 2, 127, 128, 255)))
    content = content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    tags = {256: 32, 257: 24, 262: 32803, data.draw(st.sampled_from((51008, 51009, 51022))): bytes(content)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiff, "main_tags", lambda path: tags)
        tracemalloc.start()
        try:
            read_corrections("a.dng")
        except UnreadableFile as error:
            assert str(error).startswith("a.dng: ")
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
        tracemalloc.stop()
        assert all(isinstance(phrase, str) for phrase in describe_corrections("a.dng"))

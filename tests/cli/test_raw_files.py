"""Commands on RAW files of every layout: options that replace metadata, frames, corrections, EXIF data, dumps."""

import json
import struct

import numpy as np
import pytest
import tifffile
import torch
from opcode_files import gain_map, opcode, opcode_list
from PIL import Image
from tagged_dng import ASCII, LONG, SHORT, samples, tag, write

from isptoolkit import Pair, Pipeline, presets, read_image, read_mosaic, read_raw

COLOR = "0.6,0.1,-0.05,-0.3,1.1,0.25,0,0.2,0.6"
ROWS = np.array(COLOR.split(","), float).reshape(3, 3).tolist()
LAYOUTS = {"mosaic": (48, 64), "linear": (48, 64, 3), "mono": (48, 64)}
MAKERS = {"classic": presets.classic, "libraw": presets.libraw}


def file_of(path, layout, *tags):
    """A DNG with levels 64 and 1023."""
    cfa = None if layout == "mono" else (0, 1, 1, 2)
    count = LAYOUTS[layout][2:] or (1,)
    levels = [tag(50714, SHORT, *[64] * count[0]), tag(50717, SHORT, *[1023] * count[0])]
    return write(path, samples(*LAYOUTS[layout]), *levels, *tags, cfa=cfa)


def refused(result):
    code, out, err = result
    assert (code, out, err.count("\n")) == (2, "", 1)
    return err


def assert_shows(path, image, atol=1.01 / 255):
    """The picture in a file equals a rendering, up to the last code (kernels and torch round differently)."""
    assert float((read_image(path) - image).abs().max()) <= atol


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("preset", MAKERS)
def test_presets_suit_the_layout_of_the_samples(run, tmp_path, layout, preset):
    path = file_of(tmp_path / "a.dng", layout)
    assert run("render", path, "-o", tmp_path / "a.png", "--preset", preset) == (0, "", "")
    sensor, capture = read_raw(path)
    assert_shows(tmp_path / "a.png", MAKERS[preset](bits=8, layout=layout)(sensor, capture))
    code, out, _ = run("roundtrip", path, "--preset", preset, "--json")
    rows = json.loads(out)["rows"]
    assert code == 0
    assert [row["stage"] for row in rows] == list(MAKERS[preset](layout=layout).names)
    assert rows[0]["on_domain"][0] < 10  # digital numbers, of 959 from black to white
    assert run("show", path, "-o", tmp_path / "a.html", "--preset", preset)[0] == 0
    assert run("show", path, "-o", tmp_path / "sheet.png", "--preset", preset)[0] == 0


def test_settings_may_suit_one_layout_only(run, tmp_path):
    path = file_of(tmp_path / "a.dng", "mono")
    assert run("render", path, "-o", tmp_path / "a.png", "--set", "clip.high=0.5")[0] == 0
    error = refused(run("render", path, "-o", tmp_path / "b.png", "--set", "demosaic.x=1"))
    assert "demosaic" in error
    assert "no stage 'balance'" in refused(run("render", path, "-o", tmp_path / "b.png", "--set", "balance.floor=0.5"))
    assert not (tmp_path / "b.png").exists()


def test_a_pipeline_for_another_layout_is_refused(run, tmp_path):
    presets.classic().save(tmp_path / "mosaic.toml")
    for layout in ("linear", "mono"):
        path = file_of(tmp_path / f"{layout}.dng", layout)
        out = ("-o", tmp_path / "a.png")
        assert "but the capture has the cfa" in refused(
            run("render", path, *out, "--pipeline", tmp_path / "mosaic.toml")
        )


@pytest.mark.parametrize(
    ("options", "values"),
    [
        (["--cfa", "bggr"], {"cfa": "BGGR"}),
        (["--black", "100"], {"black": 100}),
        (["--black", "60,61.5,62,63"], {"black": (60, 61.5, 62, 63)}),
        (["--white", "900"], {"white": 900}),
        (["--white", "auto"], {"white": "auto"}),
        (["--gains", "2,1,1.5"], {"gains": (2, 1, 1.5)}),
        (["--matrix", "1,0,0,0,1,0,0,0,1"], {"matrix": np.eye(3).tolist()}),
        (["--cfa", "MONO"], {"cfa": "MONO"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_replace_what_the_file_states(run, tmp_path, options, values):
    pixels = np.minimum(samples(48, 64), 800)  # blown below the white level
    path = write(tmp_path / "a.dng", pixels, tag(50714, SHORT, 64), tag(50717, SHORT, 1023))
    assert run("render", path, "-o", tmp_path / "a.png", *options)[0] == 0
    sensor, capture = read_raw(path, **values)
    assert capture != read_raw(path)[1]
    layout = "mono" if capture.cfa == "MONO" else "mosaic"
    assert_shows(tmp_path / "a.png", presets.classic(layout=layout)(sensor, capture))


def test_a_gray_tiff_is_a_mosaic_only_with_a_stated_filter_array(run, tmp_path):
    tifffile.imwrite(tmp_path / "a.tiff", samples(48, 64, low=2000, high=60000))
    command = [
        "render",
        tmp_path / "a.tiff",
        "--gains",
        "2,1,1.6",
        "--matrix",
        COLOR,
        "--black",
        "0",
        "--white",
        "65535",
    ]
    assert "pass --cfa" in (error := refused(run(*command, "-o", tmp_path / "a.png"))) and "cfa=" not in error
    pictures = []
    for cfa in ("RGGB", "BGGR"):
        assert run(*command, "-o", tmp_path / f"{cfa}.png", "--cfa", cfa) == (0, "", "")
        pictures.append(read_image(tmp_path / f"{cfa}.png"))
    assert not torch.equal(*pictures)
    error = refused(run(*command, "-o", tmp_path / "a.png", "--cfa", "RGGB", "--dtype", "nonsense"))
    assert "--dtype nonsense describes a headerless dump" in error
    assert not (tmp_path / "a.png").exists()
    assert "pass cfa= (--cfa)" in refused(run("info", tmp_path / "a.tiff"))
    assert json.loads(run("info", tmp_path / "a.tiff", "--cfa", "bggr", "--json")[1])["cfa"] == "BGGR"
    assert "got 'XYZ'" in refused(run("info", tmp_path / "a.tiff", "--cfa", "xyz"))
    assert "--cfa describes a RAW file" in refused(run("info", "--kernels", "--cfa", "RGGB"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_default_frame_is_the_camera_s_own_picture(run, tmp_path, layout):
    """DefaultCropOrigin is column, row; DefaultCropSize width, height."""
    crop = [tag(50719, LONG, 5, 3), tag(50720, LONG, 50, 30)]
    path = file_of(tmp_path / "a.dng", layout, *crop, tag(274, SHORT, 6))
    for name, options in (("cut", []), ("all", ["--frame", "active"]), ("lying", ["--no-rotate"])):
        assert run("render", path, "-o", tmp_path / f"{name}.png", *options)[0] == 0
    cut, whole, lying = (read_image(tmp_path / f"{name}.png") for name in ("cut", "all", "lying"))
    assert whole.shape == (1, 3, 64, 48)
    assert lying.shape == (1, 3, 30, 50)
    assert torch.equal(cut, lying.flip(2).transpose(2, 3))  # orientation 6: row 0 is the right side
    assert torch.equal(lying, whole.transpose(2, 3).flip(2)[..., 3:33, 5:55])


def test_the_crop_of_a_camera_that_libraw_knows(run, data, tmp_path):
    path = data / "digicam_corpus" / "canon-powershot-s40" / "CRW_0117.CRW"
    preview = data / "digicam_corpus" / "canon-powershot-s40" / "IMG_0102.JPG"
    assert run("render", path, "-o", tmp_path / "a.jpg")[0] == 0
    with Image.open(preview) as own, Image.open(tmp_path / "a.jpg") as rendered:
        assert sorted(rendered.size) == sorted(own.size)


def shaded(path, *extra):
    """A flat field under a vignette, with the GainMap that undoes it; `extra` opcodes follow."""
    height, width = 96, 128
    y, x = np.mgrid[:height, :width]
    gain = 1 + 2 * (((y + 0.5) / height - 0.5) ** 2 + ((x + 0.5) / width - 0.5) ** 2)
    rows, columns = np.mgrid[:9, :9] / 8
    mesh = (1 + 2 * ((rows - 0.5) ** 2 + (columns - 0.5) ** 2))[..., None]
    maps = [gain_map(mesh, (0, 0, height, width))]
    body = opcode_list(*maps, *extra)
    levels = [tag(50714, SHORT, 64), tag(50717, SHORT, 1023), (51009, 7, len(body), body, True)]
    return write(path, (64 + 600 / gain).round().astype(np.uint16), *levels)


def test_a_gain_map_is_applied_unless_the_options_refuse_it(run, tmp_path):
    path = shaded(tmp_path / "a.dng")
    for name, option in (("flat", "--corrections"), ("dark", "--no-corrections")):
        assert run("render", path, "-o", tmp_path / f"{name}.png", option) == (0, "", "")
    flat, dark = (read_image(tmp_path / f"{name}.png") * 255 for name in ("flat", "dark"))
    assert float((flat[0, 1, 2, 2] - flat[0, 1, 48, 64]).abs()) <= 3
    assert float((dark[0, 1, 2, 2] - dark[0, 1, 48, 64]).abs()) > 30
    rows = json.loads(run("roundtrip", path, "--json")[1])["rows"]
    assert [row["stage"] for row in rows][:2] == ["levels", "shading"]
    presets.classic().save(tmp_path / "mine.toml")
    assert run("render", path, "-o", tmp_path / "mine.png", "--pipeline", tmp_path / "mine.toml")[0] == 0
    assert torch.equal(read_image(tmp_path / "mine.png"), flat / 255)


def test_corrections_that_are_not_applied_are_named(run, tmp_path):
    warp = opcode(1, struct.pack(">I6d2d", 1, 1, 0, 0, 0, 0, 0, 0.5, 0.5))
    path = shaded(tmp_path / "a.dng", warp)
    for command in (["render", path, "-o", tmp_path / "a.png"], ["roundtrip", path, "--json"]):
        code, _, err = run(*command)
        assert code == 0
        assert err.count("\n") == 1
        assert err.startswith(f"isptoolkit: {path}: not applied: WarpRectilinear")
        assert run(*command, "--no-corrections")[2] == ""


def test_a_pipeline_without_a_place_for_corrections_names_the_option(run, tmp_path):
    path = shaded(tmp_path / "a.dng")
    classic = presets.classic()
    Pipeline(camera=Pair(classic, classic.inv)).save(tmp_path / "one.toml")
    arguments = ("render", path, "-o", tmp_path / "a.png", "--pipeline", tmp_path / "one.toml")
    assert "--no-corrections" in refused(run(*arguments))
    assert run(*arguments, "--no-corrections")[0] == 0


def test_a_dng_that_is_read_as_a_dump_keeps_its_samples(run, tmp_path):
    path = shaded(tmp_path / "a.dng")
    with tifffile.TiffFile(path) as tiff:
        (offset,) = tiff.pages[0].dataoffsets
    (tmp_path / "cut.dng").write_bytes(path.read_bytes()[: offset + 96 * 128 * 2])
    stated = ["--cfa", "RGGB", "--black", "64", "--white", "1023", "--gains", "2,1,1.6", "--matrix", COLOR]
    layout = ["--size", "128x96", "--offset", str(offset)]
    assert run("render", tmp_path / "cut.dng", *layout, *stated, "-o", tmp_path / "a.png") == (0, "", "")
    assert run("render", path, "--no-corrections", *stated, "-o", tmp_path / "b.png") == (0, "", "")
    assert torch.equal(*(read_image(tmp_path / f"{name}.png") for name in "ab"))


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".png"])
def test_renderings_state_what_the_camera_stated(run, tmp_path, suffix):
    path = file_of(tmp_path / "a.dng", "mosaic", tag(271, ASCII, "Acme"), tag(272, ASCII, "One"), tag(274, SHORT, 8))
    for name, options in (("up", []), ("lying", ["--no-rotate"])):
        assert run("render", path, "-o", tmp_path / f"{name}{suffix}", *options)[0] == 0
    for name, orientation in (("up", 1), ("lying", 8)):
        with Image.open(tmp_path / f"{name}{suffix}") as image:
            exif = image.getexif()
        assert (exif[271], exif[272]) == ("Acme", "One")
        assert exif.get(274, 1) == orientation


def packed12(samples):
    """MIPI RAW12: two upper bytes, then the lower four bits of both, the first one's lowest."""
    pairs = samples.reshape(len(samples), -1, 2)
    low = (pairs[..., :1] & 15) | (pairs[..., 1:] & 15) << 4
    return np.concatenate([pairs >> 4, low], -1).astype(np.uint8).reshape(len(samples), -1)


def test_packed_dumps_and_arrays_are_rendered(run, tmp_path):
    pixels = samples(48, 64, high=4095)
    rows = np.pad(packed12(pixels), ((0, 0), (0, 32)))
    (tmp_path / "a.raw").write_bytes(bytes(128) + rows.tobytes())
    np.save(tmp_path / "a.npy", pixels)
    stated = ["--cfa", "GBRG", "--black", "64", "--white", "4095", "--gains", "2,1,1.6", "--matrix", COLOR]
    layout = ["--size", "64x48", "--dtype", "mipi12", "--stride", "128", "--offset", "128"]
    values = {"cfa": "GBRG", "black": 64, "white": 4095, "gains": (2, 1, 1.6), "matrix": ROWS}
    sensor, capture = read_mosaic(tmp_path / "a.npy", **values)
    assert np.array_equal(sensor[0, 0].numpy(), pixels)
    for arguments in ([tmp_path / "a.raw", *layout], [tmp_path / "a.npy"]):
        assert run("render", *arguments, *stated, "-o", tmp_path / "a.png") == (0, "", "")
        assert_shows(tmp_path / "a.png", presets.classic()(sensor, capture))
        assert run("roundtrip", *arguments, *stated, "--json")[0] == 0
        (tmp_path / "a.png").unlink()
    error = refused(run("render", tmp_path / "a.raw", *layout[:4], *stated, "-o", tmp_path / "a.png"))
    assert "--stride 130" not in error and "--offset" in error


def test_options_that_a_dump_needs_are_asked_for_at_once(run, data, tmp_path):
    path = data / "infinite-isp" / "ColorCheckerRAW_1920x1080_12bit_BGGR.raw"
    out = ("-o", tmp_path / "a.png")
    error = refused(run("render", path, *out))
    assert error.endswith("(pass --size, --cfa, --black, --white, --gains, and --matrix)\n")
    error = refused(run("render", path, *out, "--cfa", "BGGR", "--gains", "2,1,2", "--black", "0"))
    assert error.endswith("(pass --size, --white, and --matrix)\n")
    error = refused(run("render", path, *out, "--size", "1920x1080", "--cfa", "BGGR"))
    assert error.endswith("has no header: pass --black, --white, --gains, and --matrix\n")
    error = refused(run("render", path, *out, "--cfa", "MONO"))
    assert error.endswith("(pass --size, --black, and --white)\n")
    stated = ["--cfa", "BGGR", "--black", "240", "--gains", "1.6,1,1.9", "--matrix", COLOR, "--size", "1920x1080"]
    assert "white must be a number" in refused(run("render", path, *out, *stated, "--white", "auto"))
    assert run("render", path, *out, *stated, "--white", "4095") == (0, "", "")


def test_noise_of_layouts(run, tmp_path):
    """Measured on single planes, refused for interpolated samples."""
    generator = np.random.default_rng(0)
    for layout in ("linear", "mono"):
        count = LAYOUTS[layout][2:] or (1,)
        ramp = np.linspace(100, 900, 256)[None, :, None] + np.zeros((256, 256, *count))
        noisy = generator.normal(ramp, 0.1 * ramp**0.5).round().astype(np.uint16)
        levels = [tag(50714, SHORT, *[64] * count[0]), tag(50717, SHORT, *[1023] * count[0])]
        write(tmp_path / f"{layout}.dng", noisy if layout == "linear" else noisy[..., 0], *levels, cfa=None)
    assert "interpolated" in refused(run("calibrate", "noise", tmp_path / "linear.dng"))
    assert run("calibrate", "noise", tmp_path / "mono.dng")[0] == 0


@pytest.mark.parametrize("is_link", [False, True])
def test_a_rendering_does_not_replace_its_source(run, tmp_path, is_link):
    source = target = tmp_path / "a.tif"
    tifffile.imwrite(source, samples(48, 64), photometric="minisblack", metadata=None)
    if is_link:
        (target := tmp_path / "b.tif").hardlink_to(source)
    content = source.read_bytes()
    stated = ("--cfa", "RGGB", "--black", "64", "--white", "1023", "--gains", "2,1,1.6", "--matrix", COLOR)
    assert "it is the file that is rendered" in refused(run("render", source, "-o", target, *stated))
    assert source.read_bytes() == content
    assert run("render", source, "-o", tmp_path / "c.tif", *stated)[0] == 0

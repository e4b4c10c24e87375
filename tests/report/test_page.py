"""The report page: what it holds, and in a real browser what it shows, for which no network is needed."""

import json
import re

import numpy as np
import pytest
import torch
from browsers import chromium
from torch import nn

from isptoolkit import (
    CAMERA,
    LINEAR,
    MOSAIC,
    SRGB,
    Capture,
    ChannelSplit,
    Contract,
    Learned,
    Parallel,
    Pipeline,
    Space,
    Stage,
    presets,
    stages,
)
from isptoolkit.errors import InvalidArgument
from isptoolkit.report import page as page_module
from isptoolkit.report.page import page_data, write_page
from isptoolkit.report.page_pixels import View, packed_values
from isptoolkit.report.round_trip import error_map, measure, survivors, travel

HOSTILE = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">&amp;"
STEP = 3


class Doubled(Stage):
    """From srgb to a space that the page does not know."""

    takes, gives = SRGB, Space("ycbcr", 3)
    contract = Contract(0.0, 0.0)

    def forward(self, x, capture):
        return 2 * x

    def inverse(self, y, capture):
        return y / 2


def scene(height: int, width: int, seed: int = 0) -> torch.Tensor:
    """Smooth digital numbers with noise, some of them above the white level of the fixture `capture`."""
    rows, columns = torch.meshgrid(torch.linspace(0, 3, height), torch.linspace(0, 4, width), indexing="ij")
    noise = torch.rand(height, width, generator=torch.Generator().manual_seed(seed))
    return (70 + 500 * (1 + (rows * columns).sin()) + 60 * noise).round()[None, None]


@pytest.fixture(scope="module")
def sensor() -> torch.Tensor:
    return scene(151, 202)


@pytest.fixture(scope="module")
def camera() -> Capture:
    matrix = ((0.65, 0.27, 0.08), (0.08, 0.76, 0.16), (0.01, 0.23, 0.76))
    return Capture.of("GRBG", black=(60, 64, 66, 70), white=1023, gains=(2.1, 1.0, 1.6), srgb_to_camera=matrix)


@pytest.fixture(scope="module")
def page(tmp_path_factory, sensor, camera):
    """The classic camera, with values of every third row and column."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_module, "_VALUE_BYTES", 1_000_000)
        write_page(presets.classic(), sensor, camera, path, source="scene.dng")
    return path


@pytest.fixture(scope="module")
def browser():
    with chromium("--hide-scrollbars") as browser:
        yield browser


def load(browser, path, width=1280, height=1000):
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(path.as_uri())
    wait(browser, "return document.body.dataset.view === 'whole frame'")
    return browser


def wait(browser, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 20).until(lambda driver: driver.execute_script(condition))


@pytest.fixture
def opened(browser, page):
    return load(browser, page)


def one(browser, selector):
    return browser.find_element("css selector", selector)


def every(browser, selector):
    return browser.find_elements("css selector", selector)


def hover(browser, element, x, y):
    """Move the pointer to the given shares of the element's width and height."""
    from selenium.webdriver import ActionChains

    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    size = element.size
    offset = round((x - 0.5) * size["width"]), round((y - 0.5) * size["height"])
    ActionChains(browser).move_to_element_with_offset(element, *offset).perform()
    # Browsers hand over pointer moves with the next frame.
    browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    return ActionChains(browser)


def place(browser):
    column, row = re.search(r"x (\d+), y (\d+)", one(browser, "#pixel .where").text).groups()
    return int(row), int(column)


def shown(browser, kind):
    """The values in the table of one pixel, by stage."""
    bodies = every(browser, "#pixel tbody")
    cells = [[cell.text for cell in every(body, f"td[data-value={kind}]")] for body in bodies]
    return [[np.float32(text.replace("−", "-")) for text in row if text] for row in cells]


def expected(pipeline, sensor, camera, row, column):
    journey = travel(pipeline, sensor, camera)
    forward = [*journey.inputs.values(), journey.output]
    recovered = [journey.recovered[name] for name in pipeline.names]
    at = lambda tensors: [list(tensor[0, :, row, column].numpy()) for tensor in tensors]  # noqa: E731
    return at(forward), [*at(recovered), []]


def test_the_page_opens_without_network_and_without_complaint(browser, page):
    browser.get_log("browser"), browser.get_log("performance")
    load(browser, page)
    assert browser.title == "scene.dng · isptoolkit report"
    assert len(every(browser, "section.stage")) == len(presets.classic()) + 1
    sizes = browser.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert len(sizes) == 2 * len(presets.classic()) + 1 and all(sizes)
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert requests and {url.split(":")[0] for url in requests} <= {"file", "data"}


@pytest.mark.parametrize("share", [(0.3, 0.4), (0.83, 0.12), (0.99, 0.99)])
def test_the_pointer_shows_the_values_of_the_tensors(opened, sensor, camera, share):
    frame = every(opened, "section.stage .frame")[3]
    hover(opened, frame, *share)
    row, column = place(opened)
    assert abs(column - share[0] * 202) <= STEP and abs(row - share[1] * 151) <= STEP
    assert row % STEP == STEP // 2 == column % STEP
    forward, recovered = expected(presets.classic(), sensor, camera, row, column)
    assert shown(opened, "forward") == forward
    assert shown(opened, "recovered") == recovered
    filter_letter = camera.cfa[row % 2 * 2 + column % 2]
    assert f"{filter_letter} filter" in one(opened, "#pixel .where").text


def test_the_detail_has_every_pixel(opened, sensor, camera):
    opened.execute_script("document.querySelector('input[name=view][value=\"1\"]').click()")
    wait(opened, "return document.body.dataset.view === 'detail'")
    places = set()
    for x in (0.3, 0.3 + 1.05 / 96):
        hover(opened, every(opened, "section.stage .frame")[0], x, 0.5)
        places.add(place(opened))
        forward, recovered = expected(presets.classic(), sensor, camera, *place(opened))
        assert shown(opened, "forward") == forward and shown(opened, "recovered") == recovered
    (first_row, first), (second_row, second) = sorted(places)
    assert second - first == 1 and first_row == second_row


def test_the_table_says_which_stage_clips_the_pixel(opened, sensor, camera):
    pipeline = presets.classic()
    journey = travel(pipeline, sensor, camera)
    inside = pipeline["clip"].in_domain(journey.inputs["clip"], camera)[0, 0, STEP // 2 :: STEP, STEP // 2 :: STEP]
    for kept in (True, False):
        row, column = (inside == kept).nonzero()[7].tolist()
        opened.execute_script("set(arguments[0], arguments[1], 6)", row, column)
        assert place(opened) == (row * STEP + STEP // 2, column * STEP + STEP // 2)
        assert ("clipped here" in one(opened, "#pixel tbody[data-stage='6']").text) is not kept
        assert "clipped here" not in one(opened, "#pixel tbody[data-stage='7']").text


def test_a_click_pins_the_pixel_and_keys_move_it(opened):
    from selenium.webdriver import Keys

    frame = every(opened, "section.stage .frame")[1]
    hover(opened, frame, 0.25, 0.25).click().perform()
    pinned = place(opened)
    hover(opened, frame, 0.75, 0.75)
    assert place(opened) == pinned and "pinned" in one(opened, "#pixel .where").text
    frame.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert place(opened) == (pinned[0] + 2 * STEP, pinned[1] + STEP)
    frame.send_keys(Keys.ESCAPE)
    hover(opened, frame, 0.7, 0.7)
    assert place(opened)[1] > pinned[1] + 20


def test_the_slider_moves_by_key_and_by_pointer(opened):
    from selenium.webdriver import ActionChains, Keys

    section = every(opened, "section.stage")[2]
    recovered, bar = every(section, ".frame img")[1], one(section, ".bar")
    assert "inset(0px 0px 0px 50%)" in recovered.value_of_css_property("clip-path")
    one(section, "input[type=range]").send_keys(Keys.ARROW_RIGHT * 10)
    assert "inset(0px 0px 0px 55%)" in recovered.value_of_css_property("clip-path")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", section)
    width = one(section, ".frame").size["width"]
    ActionChains(opened).click_and_hold(bar).move_by_offset(-round(0.25 * width), 0).release().perform()
    assert 29 <= float(re.search(r"([\d.]+)%", bar.get_attribute("style"))[1]) <= 31
    assert "pinned" not in one(opened, "#pixel .where").text


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(browser, page, width):
    load(browser, page, width)
    if width < 600:
        one(browser, "#handle").click()
        assert one(browser, "#pixel table").is_displayed()
    assert browser.execute_script("return document.documentElement.scrollWidth") == width
    wide = """return [...document.querySelectorAll("main *, header *, footer *")]
    .filter(node => node.getBoundingClientRect().right > innerWidth + 1).length"""
    assert browser.execute_script(wide) == 0


def test_the_map_shows_errors_on_its_scale_and_clipped_pixels_in_gray(opened, sensor, camera):
    pipeline = presets.classic()
    journey = travel(pipeline, sensor, camera)
    alive = survivors(pipeline, journey, camera)["clip"][0, 0].numpy()
    error = error_map(journey.recovered["clip"], journey.inputs["clip"], LINEAR, 958.0)[0, 0].numpy()
    script = """const canvas = document.querySelectorAll("section.stage")[6].querySelector("canvas");
    const {width, height} = canvas;
    return [width, height, ...canvas.getContext("2d").getImageData(0, 0, width, height).data]"""
    width, height, *data = opened.execute_script(script)
    pixels = np.array(data).reshape(height, width, 4)[..., :3]
    assert pixels.shape[:2] == error.shape
    gray = (pixels == (0x9A, 0xA3, 0xB2)).all(-1)
    assert 0 < gray.sum() == (~alive).sum() and (gray == ~alive).all()
    brightness = pixels.sum(-1)[alive].astype(float)
    order = np.argsort(error[alive])
    assert brightness[order[:2000]].mean() < brightness[order[-2000:]].mean()
    scale = every(opened, "section.stage .ticks")[6].text.split()
    trip = measure(pipeline, sensor, camera)
    assert scale[-2:] == ["10", "DN"] and 1 < max(row.on_domain[2] for row in trip.rows) <= 10
    opened.execute_script("document.querySelector('input[name=errors][value=all]').click()")
    wait(opened, "return !document.querySelectorAll('section.stage .ticks')[5].textContent.endsWith('10 DN')")
    assert every(opened, "section.stage .ticks")[6].text.split()[-2:] == ["10⁴", "DN"]
    assert 1e3 < max(row.everywhere[2] for row in trip.rows) <= 1e4


def test_contracts_stand_beside_what_was_measured(opened):
    quantize = every(opened, "section.stage")[9].text
    assert "inverse within a bound" in quantize and "within 0.00196" in quantize
    assert re.search(r"✓ kept: error 0\.00(19|2), allowed 0\.002, ratio (0\.9\d?|1)", quantize)
    clip = every(opened, "section.stage")[6].text
    assert "exact on its domain, lossy outside" in clip
    assert re.search(r"outside its domain\s+\d+\.\d\d % of the pixels", clip)


def test_names_are_text(tmp_path, browser, camera):
    pipeline = Pipeline(**{HOSTILE.replace(".", ""): stages.Levels(), "b": stages.WhiteBalance()})
    write_page(pipeline, scene(21, 34), camera.replace(camera=(HOSTILE,)), tmp_path / "a.html", source=HOSTILE)
    load(browser, tmp_path / "a.html")
    assert browser.title == f"{HOSTILE} · isptoolkit report"
    assert one(browser, "h1").text == HOSTILE
    assert HOSTILE.replace(".", "") in one(browser, "#stage-0 h2").text
    assert HOSTILE in one(browser, "#facts").text
    assert every(browser, "img[src=x]") == []


def test_stages_without_inverse_and_side_by_side(tmp_path, browser, camera):
    torch.manual_seed(0)
    ycbcr = Doubled.gives
    split = ChannelSplit(ycbcr, (1, 2))
    luma, chroma = split.gives
    pair = Pipeline(a=stages.Gain(1.5, space=chroma), b=stages.Gain(0.5, space=chroma))
    pipeline = Pipeline(
        levels=stages.Levels(),
        pack=stages.Pack(),
        unpack=stages.Pack().inv,
        demosaic=stages.DemosaicMalvar(),
        net=Learned(nn.Conv2d(3, 3, 3, padding=1), takes=CAMERA, gives=LINEAR),
        look=Pipeline(clip=stages.Clip(space=LINEAR), curve=stages.SRGBCurve()),
        doubled=Doubled(),
        parts=Parallel(split, luma=stages.Gain(2.0, space=luma), chroma=pair),
    )
    browser.get_log("browser")
    write_page(pipeline, scene(64, 150), camera, tmp_path / "a.html")
    load(browser, tmp_path / "a.html")
    names = [heading.text for heading in every(browser, "h2")]
    assert names == [f"{i + 1}. {name}" for i, name in enumerate(
        ["levels", "pack", "unpack", "demosaic", "net", "look › clip", "look › curve", "doubled", "parts"]
    )] + ["Output"]  # fmt: skip
    assert "no recovered image: the stage has no inverse" in one(browser, "#stage-4").text
    assert len(every(browser, "#stage-4 input")) == 0 and len(every(browser, "#stage-5 input")) == 1
    assert [len(values) for values in shown(browser, "recovered")] == [1, 1, 4, 1, 0, 3, 3, 3, 3, 0]
    graph = one(browser, "#graph").text
    assert all(word in graph for word in ("look", "luma", "chroma", "ycbcr[1:3]", "no inverse"))
    assert browser.get_log("browser") == []
    load(browser, tmp_path / "a.html", 390)
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 1), (33, 200)])
def test_every_size_and_precision_has_a_page(tmp_path, browser, camera, size, dtype):
    pipeline = Pipeline(levels=stages.Levels(), balance=stages.WhiteBalance()).to(dtype)
    sensor = scene(*size).to(dtype)
    browser.get_log("browser")
    write_page(pipeline, sensor, camera, tmp_path / "a.html")
    load(browser, tmp_path / "a.html")
    row, column = place(browser)
    texts = [cell.text for cell in every(browser, "#pixel td[data-value=forward]")]
    values = [pipeline.trace(sensor, camera)[name][0, 0, row, column] for name in pipeline.names]
    convert = np.float32 if dtype == torch.float32 else np.float64
    assert [convert(text) for text in texts] == [sensor[0, 0, row, column].item(), *(value.item() for value in values)]
    assert browser.get_log("browser") == []


def test_values_of_packed_data_are_those_of_the_cell(tmp_path, browser, camera):
    """The frame is that of the finest space, even if only the output has it."""
    packed = torch.rand(1, 4, 11, 17, generator=torch.Generator().manual_seed(0))
    write_page(Pipeline(unpack=stages.Pack().inv), packed, camera, tmp_path / "a.html")
    load(browser, tmp_path / "a.html")
    assert "34 × 22 pixels" in one(browser, "#facts").text
    browser.execute_script("set(7, 20, 0)")
    assert place(browser) == (7, 20)
    cell = [np.float32(value) for value in packed[0, :, 3, 10]]
    assert shown(browser, "forward") == [cell, [cell[2]]]
    assert shown(browser, "recovered") == [cell, []]


def test_a_frame_that_is_clipped_everywhere(tmp_path, browser, camera):
    browser.get_log("browser")
    sensor = torch.full((1, 1, 8, 8), 5000.0)
    write_page(Pipeline(levels=stages.Levels(), clip=stages.Clip(space=MOSAIC)), sensor, camera, tmp_path / "a.html")
    load(browser, tmp_path / "a.html")
    assert one(browser, "#summary").text.startswith("Some stage clips every pixel.")
    assert "unclipped" not in one(browser, "#stage-0 .numbers").text
    assert browser.get_log("browser") == []


def test_what_is_not_finite_is_shown(tmp_path, browser, camera):
    sensor = scene(40, 40)
    sensor[0, 0, 20, 20], sensor[0, 0, 3, 3] = torch.inf, torch.nan
    browser.get_log("browser")
    write_page(Pipeline(levels=stages.Levels(), gain=stages.Gain(2.0)), sensor, camera, tmp_path / "a.html")
    load(browser, tmp_path / "a.html")
    assert place(browser) == (20, 20)
    assert {cell.text for cell in every(browser, "#pixel td[data-value=forward]")} == {"∞"}
    assert browser.get_log("browser") == []


def test_figures_are_those_of_the_round_trip(sensor, camera):
    pipeline = presets.classic()
    data = page_data(pipeline, sensor, camera)
    trip = measure(pipeline, sensor, camera)
    for facts, row in zip(data["stages"], trip.rows, strict=False):
        assert (facts["name"], facts["alive"]) == (row.stage, row.alive)
        assert tuple(facts["onDomain"]) == row.on_domain and tuple(facts["everywhere"]) == row.everywhere
        counts = sum(sum(channel["counts"]) for channel in facts["histogram"]["channels"])
        size = travel(pipeline, sensor, camera).inputs[row.stage].numel()
        assert counts == round(size * (1 - facts["histogram"]["beyond"])) > 0.99 * size
    clip = pipeline["clip"].in_domain(travel(pipeline, sensor, camera).inputs["clip"], camera)
    assert data["stages"][6]["clipped"] == 1 - float(clip.double().mean())
    assert data["stages"][2]["verdict"] == "exact on its domain" and data["stages"][0]["verdict"] == "exact"


def test_a_broken_contract_is_called_broken(camera):
    class Cheat(Stage):
        takes = gives = SRGB
        contract = Contract(0.0, 0.0)

        def forward(self, x, capture):
            return 2 * x

        def inverse(self, y, capture):
            return 0.4 * y

    facts = page_data(Pipeline(cheat=Cheat()), torch.rand(1, 3, 300, 20), camera)["stages"][0]["measured"]
    assert not facts["held"] and 0.1 < facts["worst"] <= 0.2 and facts["allowed"] < 1e-4


def test_packing_loses_nothing():
    import base64
    import zlib

    values = np.random.default_rng(0).normal(size=(3, 5, 7)).astype(np.float32)
    near = np.nextafter(values, np.float32(np.inf))
    for packed, reference in ((packed_values(values, None), None), (packed_values(near, values), values)):
        data = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), np.uint8).reshape(4, -1).T.copy()
        if packed["relative"]:
            data ^= reference.view(np.uint8).reshape(-1, 4)
        assert np.array_equal(data.view(np.float32).reshape(values.shape), values if reference is None else near)
    assert packed["relative"] and not packed_values(values[::-1].copy(), values)["relative"]


def test_sampled_pixels_see_all_colors_of_a_mosaic():
    view = View("", 0, 0, 151, 202, 5)
    assert {(int(row) % 2, int(column) % 2) for row in view.rows for column in view.columns} == {
        (0, 0), (0, 1), (1, 0), (1, 1),
    }  # fmt: skip
    x = torch.arange(151 * 202.0).view(1, 1, 151, 202)
    assert view.samples(x, 1)[0, 3, 4] == x[0, 0, 17, 22]


def test_bad_paths_are_refused_before_any_work(tmp_path, camera):
    for path, message in ((tmp_path / "a.pdf", "suffix"), (tmp_path / "none" / "a.html", "does not exist")):
        with pytest.raises(InvalidArgument, match=message):
            write_page(presets.classic(), torch.zeros(0), camera, path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_pages_of_large_frames_are_bounded(tmp_path, camera):
    """Noise is what compresses worst."""
    sensor = 70 + 900 * torch.rand(1, 1, 1300, 1700)
    write_page(presets.classic(), sensor, camera, tmp_path / "a.html")
    assert 4e6 < (tmp_path / "a.html").stat().st_size < 10e6

"""The web page of a model: its phones in a real browser are those of `transcribe`."""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from cnn_mellin.audio.reading import write_sphere
from cnn_mellin.audio.resampling import resample
from cnn_mellin.decoding.greedy import greedy_segments
from cnn_mellin.decoding.transcribed_files import transcribe_file
from cnn_mellin.decoding.transcriber import Transcriber
from cnn_mellin.errors import DataError
from cnn_mellin.export import export_web_page
from cnn_mellin.export.web_page import RUNTIME, RUNTIME_VERSION
from cnn_mellin.extras import MissingPackageError
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.models import AcousticModel, AcousticModelConfig

pytest.importorskip("onnx", reason="onnx is not installed (the extra export)")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (the extra export)")

ROOT = Path(__file__).parents[2]
SYMBOLS = ["sil", "ə", "<b>", "tʃ", "&amp;", "k"]
NO_NETWORK = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


def model_and_extractor() -> tuple[AcousticModel, FeatureExtractor]:
    """A model that was never trained, whose phones nevertheless change with the sound."""
    extractor = FeatureExtractor.named("fbank-81-10ms")
    config = AcousticModelConfig(
        convolutional_layers=1,
        convolutional_mellin=True,
        convolutional_initial_channels=4,
        recurrent_size=16,
        recurrent_layers=1,
        window_size=6,
        window_stride=3,
        utterance_normalization="variance",
        seed=3,
    )
    model = AcousticModel(extractor.num_coefficients, len(SYMBOLS) + 1, config).eval()
    with torch.no_grad():
        model.out.weight.mul_(40)
    return model, extractor


def sound(seed: int, seconds: float = 1.5, rate_hz: int = 16000) -> np.ndarray:
    """Tones that change every 100 ms, with some noise, as 16-bit integers."""
    stream = np.random.default_rng(seed)
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    tone = (time_s * 10).astype(int)
    num_tones = int(seconds * 10) + 1
    frequency, loudness = stream.uniform(100, 3500, num_tones), stream.uniform(500, 12000, num_tones)
    noise = stream.normal(0, 30, len(time_s))
    return np.round(loudness[tone] * np.sin(2 * np.pi * frequency[tone] * time_s) + noise).astype(np.int16)


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    model, extractor = model_and_extractor()
    return Transcriber(model, SYMBOLS, extractor)


# Writing the page.


@pytest.fixture
def pretend_runtime(tmp_path) -> Path:
    """A folder that looks like onnxruntime-web."""
    folder = tmp_path / "onnxruntime-web"
    (folder / "dist").mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"name": "onnxruntime-web", "version": RUNTIME_VERSION}))
    for name in ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"):
        (folder / "dist" / name).write_text(name)
    return folder


def test_the_folder_holds_page_model_and_runtime(tmp_path, pretend_runtime):
    model, extractor = model_and_extractor()
    out = tmp_path / "page"
    for corpus in ("first", "Ünïcode"):  # the second replaces the first
        page = export_web_page(
            model, extractor, SYMBOLS, out, runtime=pretend_runtime, corpus=corpus, check_seconds=(0.2,)
        )
    assert json.loads((out / "model.json").read_text(encoding="utf-8")) == {
        "phones": SYMBOLS,
        "sample_rate_hz": 16000,
        "frame_shift_ms": 30,
        "full_scale": 32768,
        "corpus": "Ünïcode",
    }
    named = {path.relative_to(out).as_posix(): path.stat().st_size for path in out.rglob("*") if path.is_file()}
    assert page.model_bytes == named["model.onnx"]
    assert page.page_bytes + page.model_bytes + page.runtime_bytes == sum(named.values())
    assert page.page_bytes < 50_000
    assert (out / "runtime" / "ort.wasm.bundle.min.js").read_text() == "ort.wasm.bundle.min.mjs"
    assert "Microsoft" in (out / "runtime" / "onnxruntime_licence.txt").read_text()
    # every file that a part of the page names is there
    for path in out.glob("*.[hjc][ts]*"):
        for name in re.findall(r"""["'(](?:\./)?([\w/.-]+\.(?:js|css|json|onnx|wasm))["')]""", path.read_text("utf-8")):
            assert (out / name).is_file(), f"{path.name} names {name}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("none", rf"nowhere: does not exist; .*npm install onnxruntime-web@{RUNTIME_VERSION}, or name"),
        ("version", rf"holds onnxruntime-web 1.0.0; expected onnxruntime-web {RUNTIME_VERSION}; install it with: npm"),
        ("other", "holds left-pad 1.3.0; expected onnxruntime-web"),
        ("damaged", "holds no npm package; expected onnxruntime-web"),
        ("file", r"lacks dist/ort-wasm-simd-threaded.wasm; install it with: npm"),
    ],
)
def test_another_runtime_is_refused(tmp_path, pretend_runtime, change, message):
    about = pretend_runtime / "package.json"
    contents = {
        "version": json.dumps({"name": "onnxruntime-web", "version": "1.0.0"}),
        "other": json.dumps({"name": "left-pad", "version": "1.3.0"}),
        "damaged": "[",
    }
    about.write_text(contents.get(change, about.read_text()))
    if change == "file":
        (pretend_runtime / "dist" / "ort-wasm-simd-threaded.wasm").unlink()
    runtime = tmp_path / "nowhere" if change == "none" else pretend_runtime
    with pytest.raises(MissingPackageError, match=message):
        export_web_page(*model_and_extractor(), SYMBOLS, tmp_path / "page", runtime=runtime)
    assert not (tmp_path / "page").exists()


def test_only_a_page_is_replaced(tmp_path, pretend_runtime):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("mine")
    with pytest.raises(DataError, match="exists and is not a web page of cnn-mellin export"):
        export_web_page(*model_and_extractor(), SYMBOLS, tmp_path / "mine", runtime=pretend_runtime)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["index.html"]


def test_the_tests_install_the_same_runtime():
    script = (ROOT / "scripts" / "test_packages.sh").read_text(encoding="utf-8")
    (pattern,) = re.findall(r"sed -n '([^']+)'", script)
    source = (ROOT / "src" / "cnn_mellin" / "export" / "web_page.py").read_text(encoding="utf-8")
    expression = re.fullmatch(r"s/(.*)/\\1/p", pattern)
    assert expression is not None
    found = re.findall(expression[1].replace(r"\(", "(").replace(r"\)", ")"), source, re.MULTILINE)
    assert found == [RUNTIME_VERSION]


def test_the_documentation_installs_the_same_runtime():
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    named = [version for page in pages for version in re.findall(r"onnxruntime-web@(\S+)", page.read_text("utf-8"))]
    assert set(named) == {RUNTIME_VERSION}


# The page in a browser.


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a page."""
    runtime = ROOT / RUNTIME
    try:
        out = tmp_path_factory.mktemp("web") / "page"
        export_web_page(*model_and_extractor(), SYMBOLS, out, runtime=runtime, corpus="tones", check_seconds=(0.2,))
    except MissingPackageError:
        pytest.skip(f"onnxruntime-web {RUNTIME_VERSION} is not installed (scripts/test_packages.sh, which needs npm)")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(out))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def wait_until_done(browser: Any) -> str:
    """What the page says when it is no longer busy."""
    text = ""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        text = browser.value("document.getElementById('status').textContent")
        if not text.startswith(("Loading", "Reading", "Recognising", "Recording")):
            return text
        time.sleep(0.02)
    raise AssertionError(f"the page still says: {text}")


def open_page(browser: Any, address: str, *, width: int = 1100, dark: bool = False) -> None:
    browser.show("about:blank", width=width)
    browser.show(address, width=width, dark=dark)
    assert wait_until_done(browser) == "Ready."


def choose(browser: Any, path: Path, *, drop: bool = False) -> str:
    """Give the page a file; what it says then."""
    browser.value("document.getElementById('status').textContent = 'Loading'")
    if drop:
        browser.drop(path)
    else:
        browser.choose("#file", path)
    return wait_until_done(browser)


def shown_phones(browser: Any) -> list[tuple[str, str, str]]:
    rows = "[...document.querySelectorAll('#phones tr')].map(row => [...row.cells].map(cell => cell.textContent))"
    return [(symbol, start, end) for symbol, start, end, _ in browser.value(rows)]


def assert_phones_of_transcribe(browser: Any, transcriber: Transcriber, path: Path) -> list[str]:
    """The page shows the phones and times of `transcribe`; its symbols.

    Page and `transcribe` compute in 32 bits, in another order: log posteriors differed by at most 0.0033 in 600
    recordings. So where two classes of a frame are within 0.01 of each other, the page may have either.
    """
    shown = shown_phones(browser)
    transcription = transcribe_file(transcriber, path)
    log_probs, shift_s = transcription.log_probs.clone(), transcription.output_shift_s
    classes = torch.full([len(log_probs)], len(SYMBOLS))
    for symbol, start, end in shown:
        classes[round(float(start) / shift_s) : math.ceil(float(end) / shift_s - 0.1)] = SYMBOLS.index(symbol)
    log_probs[torch.arange(len(log_probs)), classes] += 0.01
    (segments,) = greedy_segments(log_probs[None], torch.tensor([len(log_probs)]))
    times = [(SYMBOLS[c], first * shift_s, min(end * shift_s, transcription.duration_s)) for c, first, end in segments]
    assert shown == [(symbol, f"{start:.3f}", f"{end:.3f}") for symbol, start, end in times]
    return [symbol for symbol, _, _ in shown]


FORMS = ["WAV", "WAV", "WAV", "WAV", "sphere", "sphere", "FLAC", "24 bits", "float", "two channels"]


def write(path: Path, samples: np.ndarray, form: str) -> Path:
    """Write samples in one of FORMS."""
    if form == "sphere":
        write_sphere(path.with_suffix(".WAV"), samples, 16000)
        return path.with_suffix(".WAV")
    path = path.with_suffix(".flac" if form == "FLAC" else ".wav")
    if form == "two channels":
        soundfile.write(path, np.stack([samples, samples // 3], 1), 16000)
    elif form == "float":
        soundfile.write(path, samples / 32768, 16000, subtype="FLOAT")
    elif form == "24 bits":
        soundfile.write(path, samples.astype(np.int32) << 16, 16000, subtype="PCM_24")
    else:
        soundfile.write(path, samples, 16000)
    return path


@pytest.mark.slow
def test_the_phones_of_ten_files_are_those_of_transcribe(tmp_path, browser, address, transcriber):
    open_page(browser, address)
    different: set[str] = set()
    for number, form in enumerate(FORMS):
        path = write(tmp_path / f"s{number}", sound(number, 1 + 0.137 * number), form)
        said = choose(browser, path, drop=number % 2 == 1)
        symbols = assert_phones_of_transcribe(browser, transcriber, path)
        assert said == f"{len(symbols)} phones recognised in {path.name}.", form
        assert len(symbols) >= 10
        different |= set(symbols)
    assert len(different) >= 3
    entries = browser.value("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert all(name.startswith((address, "blob:", "data:")) for name in entries)


@pytest.mark.slow
@pytest.mark.parametrize("rate_hz", [8000, 44100, 48000])
def test_other_sample_rates_are_converted_as_transcribe_converts_them(browser, address, rate_hz):
    open_page(browser, address)
    samples = (sound(1, 0.4, rate_hz) / 32768).astype(np.float32)
    program = (
        f"import('./resampling.js').then(m => [...m.resample(new Float32Array({samples.tolist()}), {rate_hz}, 16000)])"
    )
    found = np.array(browser.value(program))
    expected = resample(samples, rate_hz, 16000)
    assert len(found) == len(expected)
    middle = slice(200, -200)
    assert np.abs(found - expected)[middle].max() < 1e-3 * np.abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["s.wav", "s.flac"])
def test_files_of_another_sample_rate_have_the_phones_of_transcribe(tmp_path, browser, address, transcriber, name):
    open_page(browser, address)
    soundfile.write(tmp_path / name, sound(5, rate_hz=48000), 48000, subtype="PCM_24")
    choose(browser, tmp_path / name)
    assert_phones_of_transcribe(browser, transcriber, tmp_path / name)


@pytest.mark.slow
def test_files_that_cannot_be_recognised_are_named(tmp_path, browser, address, transcriber):
    open_page(browser, address)
    good = write(tmp_path / "good", sound(1), "WAV")
    (tmp_path / "cut.wav").write_bytes(good.read_bytes()[:-100])
    (tmp_path / "text.wav").write_text("no audio")
    (tmp_path / "empty.wav").write_bytes(b"")
    write(tmp_path / "none", sound(1, 0), "WAV")
    write(tmp_path / "short", sound(1, 0.002), "WAV")
    write(tmp_path / "long", np.zeros(16000 * 61, np.int16), "WAV")
    for name, why in {
        "cut": "is shorter than its header says; copy it again",
        "text": "is not an audio file that this browser can read; save it as 16-bit WAV",
        "empty": "is not an audio file that this browser can read; save it as 16-bit WAV",
        "none": "is too short for one frame of the model; use a longer recording",
        "short": "is too short for one frame of the model; use a longer recording",
        "long": "is 61.0 s long; cut it into pieces of at most 60 s",
    }.items():
        assert choose(browser, tmp_path / f"{name}.wav") == f"{name}.wav: {why}"
        assert browser.value("document.getElementById('status').className") == "fault"
    choose(browser, good)
    assert browser.value("document.getElementById('status').className") == ""
    assert_phones_of_transcribe(browser, transcriber, good)


@pytest.mark.slow
def test_without_a_microphone_the_page_says_so(browser, address):
    open_page(browser, address)
    browser.value("document.getElementById('record').focus()")
    browser.press("Enter")
    while (said := browser.value("document.getElementById('status').textContent")) == "Ready.":
        time.sleep(0.02)
    assert re.fullmatch(r"The microphone cannot be used \(.+\); allow it for this page, or choose a file\.", said)
    assert browser.value("document.getElementById('record').textContent") == "Record"


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [range(2), pytest.param(range(2, 10), marks=pytest.mark.soak)], ids=["two", "eight"])
def test_the_microphone_gives_the_phones_of_the_recording_that_can_be_saved(
    tmp_path, chromium, address, transcriber, seeds
):
    played = tmp_path / "played.wav"
    options = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={played}%noloop",
    ]
    with chromium(tmp_path / "profile", NO_NETWORK, *options) as browser:
        browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "saved"))
        open_page(browser, address)
        for seed in seeds:
            samples = np.concatenate([np.zeros(6400, np.int16), sound(seed), np.zeros(3200, np.int16)])
            soundfile.write(played, samples, 16000)
            browser.value("document.getElementById('record').focus()")
            browser.press("Enter")
            while browser.value("document.getElementById('status').textContent") != "Recording …":
                time.sleep(0.02)
            time.sleep(len(samples) / 16000)
            browser.press("Enter")  # the button has kept the focus
            assert wait_until_done(browser).endswith("phones recognised in your recording.")
            browser.value("document.getElementById('save').click()")
            saved = tmp_path / "saved" / "recording.wav"
            while not saved.exists():
                time.sleep(0.02)
            found, rate_hz = soundfile.read(saved, dtype="int16")
            assert rate_hz == 16000
            assert_phones_of_transcribe(browser, transcriber, saved)
            assert likeness(found, samples) > 0.9999
            saved.unlink()


def likeness(found: np.ndarray, played: np.ndarray, length: int = 3200, most_shift: int = 24) -> float:
    """Median correlation of pieces with what was played, delayed by any fraction of a sample.

    A busy machine may lose a block of samples, which spoils one piece.
    """
    padded = np.pad(played.astype(float), most_shift)
    energy = np.convolve(played.astype(float) ** 2, np.ones(length), "valid")
    likenesses = []
    for start in range(0, len(found) - length, length):
        piece = found[start : start + length].astype(float)
        if np.abs(piece).max() < 300:
            continue  # silence
        place = int((np.correlate(played.astype(float), piece, "valid") / np.sqrt(energy + 1)).argmax())
        shifted = np.lib.stride_tricks.sliding_window_view(padded[place : place + length + 2 * most_shift], length).T
        fitted = shifted @ np.linalg.lstsq(shifted, piece, rcond=None)[0]
        likenesses.append(np.corrcoef(fitted, piece)[0, 1])
    assert len(likenesses) >= 5
    return float(np.median(likenesses))


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1100, 390])
def test_axe_finds_no_fault_before_and_after_a_recording(tmp_path, browser, address, axe, width, dark):
    open_page(browser, address, width=width, dark=dark)
    shown = "v => v.id + ' ' + v.nodes.map(n => n.html.slice(0, 150)).join(' ')"
    for path in (None, write(tmp_path / "s", sound(1, 6), "WAV"), tmp_path / "none.wav"):
        if path is not None:
            path.touch()
            choose(browser, path)
        browser.value(f"{axe};1")
        assert browser.value(f"axe.run().then(r => r.violations.map({shown}))") == []
    assert browser.value("axe.run().then(r => r.passes.length)") > 15


@pytest.mark.slow
def test_on_a_phone_the_figure_scrolls_and_buttons_can_be_touched(tmp_path, browser, address):
    for width in (390, 1100):
        open_page(browser, address, width=width)
        choose(browser, write(tmp_path / "s", sound(1, 9), "WAV"))
        assert browser.value("document.documentElement.scrollWidth") <= width
        heights = "[...document.querySelectorAll('#record, .button')].map(b => b.getBoundingClientRect().height)"
        assert min(browser.value(heights)) >= 44
        assert browser.value("(box => box.scrollWidth > box.clientWidth)(document.getElementById('figure'))")
        left = "document.getElementById('names').getBoundingClientRect().left"
        before = browser.value(left)
        browser.value("document.getElementById('figure').scrollLeft = 200")
        assert browser.value(left) == before  # names of the rows stay in sight
        assert browser.value("document.getElementById('panels').getAttribute('aria-label')").startswith("Spectrogram")
        assert num_colours(browser) > 50


@pytest.mark.slow
def test_a_click_into_the_figure_plays_from_there(tmp_path, browser, address):
    open_page(browser, address)
    choose(browser, write(tmp_path / "s", sound(1, 9), "WAV"))
    assert browser.value("document.getElementById('cursor').hidden")
    browser.value("document.getElementById('panels').scrollIntoView()")
    box = browser.value("(r => [r.left, r.top])(document.getElementById('panels').getBoundingClientRect())")
    for kind in ("mousePressed", "mouseReleased"):
        place = {"x": box[0] + 300, "y": box[1] + 100}
        browser.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)
    while browser.value("document.getElementById('cursor').hidden"):
        time.sleep(0.02)
    browser.value("document.getElementById('audio').pause()")
    played_s = browser.value("document.getElementById('audio').currentTime")
    per_second = browser.value("document.getElementById('panels').getBoundingClientRect().width") / 9
    assert 300 / per_second <= played_s + 0.01
    cursor = browser.value("document.getElementById('cursor').getBoundingClientRect().left")
    assert cursor >= box[0] + 299


def num_colours(browser: Any) -> int:
    """Number of colours of the figure: it is not empty."""
    pixels = "document.getElementById('panels').getContext('2d').getImageData(0, 0, 800, 200).data"
    return int(browser.value(f"(d => new Set(new Uint32Array(d.buffer)).size)({pixels})"))

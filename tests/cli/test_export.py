import json

import numpy as np
import pytest
import torch

from cnn_mellin.cli.main import main
from cnn_mellin.config import Settings
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.export.web_page import RUNTIME_VERSION
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.formats.symbols import write_symbols
from cnn_mellin.training import load_model, train

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (the extra export)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with two models: `model` knows its features, `unknown` does not."""
    path = tmp_path_factory.mktemp("export")
    write_symbols(path / "ext", ["aa", "sil"])
    stream = np.random.default_rng(1)
    changes = {"recurrent_size": 4, "recurrent_layers": 1, "convolutional_layers": 1, "seed": 1}
    settings = Settings().updated({"model": changes, "training": {"num_epochs": 1, "seed": 1}})
    for model, feature_type in (("model", "fbank-81-10ms"), ("unknown", "mine")):
        with write_partition(path / model, PartitionDescription(81, 10.0, feature_type)) as writer:
            writer.add("u", stream.uniform(0, 5, (20, 81)), [0, 1])
        train(path / model, None, path / f"{model}-trained", settings)
    return path


def test_exported_file_computes_what_the_model_computes(folder, tmp_path, capsys):
    assert main(["export", str(folder / "model-trained"), str(tmp_path / "m.onnx")]) == 0
    assert "onnxruntime agrees with the model" in capsys.readouterr().out
    model, _ = load_model(folder / "model-trained")
    audio = np.random.default_rng(2).normal(0, 500, 7777).astype(np.float32)
    features = FeatureExtractor.named("fbank-81-10ms")(torch.from_numpy(audio))
    with torch.inference_mode():
        expected = model(features[None], torch.tensor([len(features)]))[0][0].softmax(1)
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"audio": audio})[0], expected.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["unknown-trained", "m.onnx"], r"does not say how its features (mine) were computed"),
        (["nothing", "m.onnx"], "is not a model folder"),
        (["model-trained", "none/m.onnx"], "none/m.onnx: its folder does not exist; make it first"),
        (["model-trained", "m.onnx", "--epoch", "7"], "no checkpoint of epoch 7; there are: 1"),
        (["model-trained", "m.onnx", "--features", "sig.json"], "has 41 coefficients per frame, but"),
        (["model-trained"], "export: pass either OUT.onnx, or --web DIR for a page"),
        (["model-trained", "m.onnx", "--web", "page"], "export: pass either OUT.onnx, or --web DIR for a page"),
        (["model-trained", "m.onnx", "--corpus", "TIMIT"], "--corpus: belongs to --web; leave it out, or pass --web"),
        (["model-trained", "m.onnx", "--runtime", "."], "--runtime: belongs to --web; leave it out, or pass --web"),
        (["model-trained", "--web", "page"], "node_modules/onnxruntime-web: does not exist; expected the npm package"),
        (["model-trained", "--web", "page", "--runtime", "."], ".: holds no npm package; expected onnxruntime-web"),
        (["model-trained", "--web", "."], ".: contains the input node_modules/onnxruntime-web; name another output"),
    ],
)
def test_errors_are_one_line(folder, tmp_path, monkeypatch, capsys, arguments, message):
    from cnn_mellin.features.configuration import shipped_configuration

    monkeypatch.chdir(tmp_path)
    (tmp_path / "sig.json").write_text(json.dumps(shipped_configuration("sigbank-41-2ms")))
    assert main(["export", str(folder / arguments[0]), *arguments[1:]]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["sig.json"]


def test_only_an_exported_model_is_replaced(folder, tmp_path, capsys):
    other = folder / "model-trained" / "model_001.pt"
    before = other.read_bytes()
    for out, message in (
        (other, "exists and is not an exported model"),
        (folder, "contains"),
        (tmp_path, "is a folder"),
    ):
        assert main(["export", str(folder / "model-trained"), str(out)]) == 2
        printed = capsys.readouterr().err
        assert (printed.count("\n"), f"cnn-mellin: {out}: {message}" in printed) == (1, True)
    assert other.read_bytes() == before
    for _ in range(2):
        assert main(["export", str(folder / "model-trained"), str(tmp_path / "m.onnx")]) == 0


def test_a_page_is_written_with_the_runtime_of_npm_and_never_over_other_things(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runtime = tmp_path / "node_modules" / "onnxruntime-web"
    (runtime / "dist").mkdir(parents=True)
    (runtime / "package.json").write_text(json.dumps({"name": "onnxruntime-web", "version": RUNTIME_VERSION}))
    for name in ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"):
        (runtime / "dist" / name).write_bytes(bytes(1_200_000))
    model = str(folder / "model-trained")
    assert main(["export", model, "--web", "my page", "--corpus", "TIMIT"]) == 0
    sizes, served = capsys.readouterr().out.splitlines()
    assert sizes.startswith("my page: page 0.0")
    assert f"onnxruntime-web {RUNTIME_VERSION} 2.4 MB; onnxruntime agrees with the model on" in sizes
    assert served == "try it with: python -m http.server --directory 'my page', then open http://localhost:8000"
    about = json.loads((tmp_path / "my page" / "model.json").read_text(encoding="utf-8"))
    assert (about["phones"], about["corpus"]) == (["aa", "sil"], "TIMIT")
    session = onnxruntime.InferenceSession(str(tmp_path / "my page" / "model.onnx"))
    assert session.get_modelmeta().custom_metadata_map["sample_rate_hz"] == "16000"
    for out in (model, "node_modules"):
        assert main(["export", model, "--web", out]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert main(["export", model, "--web", "my page"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my page", "node_modules"]

from pathlib import Path

import pytest

from cnn_mellin.config import read_settings
from cnn_mellin.layers import MellinLinearConv2d
from cnn_mellin.models import AcousticModel
from cnn_mellin.shipped_file import shipped_file

CONF = shipped_file("optim/model-mcorr-sm.ini").parents[1]
INIS = sorted(path.relative_to(CONF).as_posix() for path in CONF.glob("*/*.ini"))


def lines(name: str) -> list[str]:
    return shipped_file(name).read_text().splitlines()


@pytest.mark.parametrize("name", INIS)
def test_every_shipped_ini_reads(name):
    read_settings(shipped_file(name))


@pytest.mark.parametrize("pattern", ["optim/model-{}-sm.ini", "model/demo-{}.ini"])
def test_lcorr_and_mcorr_differ_in_the_one_line_that_says_which(pattern):
    linear, mellin = lines(pattern.format("lcorr")), lines(pattern.format("mcorr"))
    differing = [pair for pair in zip(linear, mellin, strict=True) if pair[0] != pair[1]]
    assert differing == [("convolutional_mellin = False", "convolutional_mellin = True")]


@pytest.mark.parametrize("name", [name for name in INIS if "corr" in name and "linear-as" not in name])
def test_what_is_called_mcorr_contains_mellin_layers_and_lcorr_none(name):
    model = AcousticModel(81, 49, read_settings(shipped_file(name)).model)
    mellin = [isinstance(layer, MellinLinearConv2d) for layer in model.convs]
    assert mellin
    assert all(mellin) == any(mellin) == ("mcorr" in Path(name).name)


def test_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match="conf/model/none.ini is not part"):
        shipped_file("model/none.ini")

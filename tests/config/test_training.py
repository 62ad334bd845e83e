import pytest

from cnn_mellin.config import Settings
from cnn_mellin.config.training import TrainingConfig
from cnn_mellin.errors import SettingsError

PLAIN = r"must be a file name \(no folder\) that holds {epoch}, such as model_{epoch:03d}.pt"


@pytest.mark.parametrize(
    "name_format",
    ["model_{epoch:03d}.pt", "{epoch}", "m {epoch:>4}.ckpt", "{epoch:x}{{}}.pt", "m_{epoch!r}", "é{epoch}"],
)
def test_formats_with_one_name_per_epoch_are_accepted(name_format):
    assert Settings().updated({"training": {"saved_model_fmt": name_format}}).training.saved_model_fmt == name_format


@pytest.mark.parametrize("name", ["saved_model_fmt", "saved_optimizer_fmt"])
@pytest.mark.parametrize(
    ("name_format", "message"),
    [
        ("model.pt", f"gives several epochs the same name; {PLAIN}"),
        ("{epoch:.1e}", f"gives several epochs the same name; {PLAIN}"),  # from epoch 10 on
        ("{epoch:g}", f"gives several epochs the same name; {PLAIN}"),  # from epoch 1000000 on
        ("{epoch.__class__}", f"gives several epochs the same name; {PLAIN}"),
        ("a/{epoch}", f"names 'a/1'; {PLAIN}"),
        ("..\\{epoch}", rf"names '..\\\\1'; {PLAIN}"),
        ("C:{epoch}", f"names 'C:1'; {PLAIN}"),
        ("m\0{epoch}", rf"names 'm\\x001'; {PLAIN}"),
        ("m\x1b{epoch}", rf"names 'm\\x1b1'; {PLAIN}"),
        ("{epoch:c}", rf"names '\\x01'; {PLAIN}"),
        (250 * "a" + "{epoch}", f"gives names of more than 200 bytes; {PLAIN}"),
        ("{epoch:>100000000000}", r"\({epoch:>100000000000} is wider than 20 characters\)"),
        ("{epoch:.100000000000f}", "is wider than 20 characters"),
        ("{epoch:{epoch}}", "is wider than 20 characters"),
        (".m_{epoch}.pt.partial", f"names .m_1.pt.partial, which is reserved in a model folder; {PLAIN}"),
        ("m_{epoch}.PARTIAL", "names m_1.PARTIAL, which is reserved in a model folder"),
        (".{epoch}.lock", "names .1.lock, which is reserved in a model folder"),
        ("within_{epoch:03d}_{epoch:06d}.pt", "names within_001_000001.pt, which is reserved"),
        ("{epoch", "must be a format of only {epoch}, such as model_{epoch:03d}.pt"),
        ("{0}", "must be a format of only {epoch}, such as model_{epoch:03d}.pt"),
        ("{epoch.x}{epoch}", "must be a format of only {epoch}, such as model_{epoch:03d}.pt"),
        ("{epoch[0]}", "must be a format of only {epoch}, such as model_{epoch:03d}.pt"),
        ("{time}_{epoch}", "must be a format of only {epoch}, such as model_{epoch:03d}.pt"),
    ],
)
def test_other_formats_are_refused_with_a_remedy(name, name_format, message):
    with pytest.raises(SettingsError, match=rf"^s.ini: \[training\] {name} = .*: .*{message}"):
        Settings().updated({"training": {name: name_format}}, "s.ini")


@pytest.mark.parametrize(
    ("model", "optimizer", "same"),
    [
        ("x_{epoch}", "x_{epoch}", "x_1"),
        ("x_{epoch}", "X_{epoch:d}", "X_1"),
        ("x_{epoch}", "x_1{epoch}", "x_11"),  # the model of epoch 11 and the optimizer of epoch 1
        ("optim_{epoch:03d}.pt", "", "optim_001.pt"),
        ("", "model_{epoch:03d}.pt", "model_001.pt"),
    ],
)
def test_models_and_optimizers_must_have_different_names(model, optimizer, same):
    given = {"saved_model_fmt": model, "saved_optimizer_fmt": optimizer}
    message = f"names {same}, as saved_model_fmt = .* does; models and optimizers must have different names, such as"
    with pytest.raises(SettingsError, match=message):
        Settings().updated({"training": given})
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**{name: value for name, value in given.items() if value})
    with pytest.raises(ValueError, match="different names"):
        TrainingConfig().saved_model_fmt = "optim_{epoch:03d}.pt"

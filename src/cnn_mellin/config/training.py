"""Settings of training."""

from __future__ import annotations

import re
import string
from functools import cache
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from cnn_mellin.config.search_range import SearchChoices, SearchRange

__all__ = ["TrainingConfig"]

_DEFAULT_NAMES = {"saved_model_fmt": "model_{epoch:03d}.pt", "saved_optimizer_fmt": "optim_{epoch:03d}.pt"}


@dataclass(config=ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False))
class TrainingConfig:
    """Settings of training: optimizer, learning rate, stopping, augmentation and checkpoints.

    Raises:
        pydantic.ValidationError: (a ValueError) a value is outside the bounds of its setting.

    >>> TrainingConfig().learning_rate
    0.0001
    """

    num_epochs: Annotated[int | None, SearchRange(10, 100)] = Field(
        default=None,
        ge=1,
        description="Number of epochs; if unset, training ends by early stopping, which must then be on",
    )
    log10_learning_rate: Annotated[float | None, SearchRange(-10, -2)] = Field(
        default=None, le=2, description="Base-10 logarithm of the learning rate; -4 if unset"
    )
    optimizer: Annotated[Literal["adam", "sgd", "rms"], SearchChoices(("adam", "sgd", "rms"))] = Field(
        default="adam", description="Optimizer: Adam, stochastic gradient descent, or RMSprop"
    )
    learning_rate_warmup_proportion: Annotated[float, SearchRange(0, 0.1, by_name_only=True)] = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Proportion of updates at the start over which the learning rate rises linearly; 0 is off",
    )
    learning_rate_decay_proportion: Annotated[float, SearchRange(0, 1, by_name_only=True)] = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Proportion of updates at the end over which the learning rate falls to 1 %; 0 is off",
    )
    max_gradient_norm: float | None = Field(
        default=None,
        gt=0,
        description="Largest norm of the gradient, which is scaled down to it; no limit if unset",
    )
    weight_averaging_decay: Annotated[float, SearchRange(0, 0.999, by_name_only=True)] = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Evaluate and keep an exponential moving average of the weights: the share of the average that an "
        "update leaves as it was, such as 0.998; 0 is off",
    )
    intermediate_ctc_weight: Annotated[float, SearchRange(0, 0.5, by_name_only=True)] = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the objective that a second CTC loss has, on the outputs of the convolutions through an "
        "output layer of its own, which is used in training only; 0 is off",
    )
    early_stopping_threshold: Annotated[float, SearchRange(0, 1)] = Field(
        default=0.0,
        ge=0,
        description="Training ends unless the dev PER (in %) falls by this much within the patience; 0 is off",
    )
    early_stopping_patience: Annotated[
        int, SearchRange(1, 30, needs="early_stopping_threshold", most="num_epochs - early_stopping_burnin")
    ] = Field(default=1, ge=1, description="Number of epochs without such a fall before training ends")
    early_stopping_burnin: Annotated[
        int, SearchRange(0, 10, needs="early_stopping_threshold", most="num_epochs - 1")
    ] = Field(default=0, ge=0, description="Number of first epochs that early stopping ignores")
    reduce_lr_threshold: Annotated[float, SearchRange(0, 1)] = Field(
        default=0.0,
        ge=0,
        description="The learning rate drops unless the dev PER (in %) falls by this much within the patience; "
        "0 is off",
    )
    reduce_lr_factor: Annotated[float, SearchRange(0.1, 0.5, needs="reduce_lr_threshold")] = Field(
        default=0.1, gt=0, lt=1, description="Factor of the learning rate when it drops"
    )
    reduce_lr_patience: Annotated[
        int, SearchRange(1, 30, needs="reduce_lr_threshold", most="num_epochs - reduce_lr_burnin")
    ] = Field(default=1, ge=1, description="Number of epochs without such a fall before the learning rate drops")
    reduce_lr_cooldown: Annotated[int, SearchRange(0, 10, needs="reduce_lr_threshold")] = Field(
        default=0, ge=0, description="Number of epochs after a drop that do not count towards the next"
    )
    reduce_lr_burnin: Annotated[int, SearchRange(0, 10, needs="reduce_lr_threshold", most="num_epochs - 1")] = Field(
        default=0, ge=0, description="Number of first epochs that learning-rate drops ignore"
    )
    reduce_lr_log10_epsilon: float = Field(
        default=-8.0, le=0, description="The learning rate does not drop by less than 10 to this power"
    )
    autocast: bool = Field(
        default=False, description="Use mixed precision: float16 with loss scaling on CUDA, bfloat16 on a CPU"
    )
    noise_eps: Annotated[float, SearchRange(1e-5, 1e-1, log=True)] = Field(
        default=1e-3,
        ge=0,
        le=1,
        description="Strength of Gaussian noise, relative to each coefficient's largest magnitude; 0 is off",
    )
    dropout_prob: Annotated[float, SearchRange(0, 0.2)] = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Dropout probability after each convolutional layer and between recurrent layers",
    )
    convolutional_dropout_2d: Annotated[bool, SearchChoices(needs="dropout_prob")] = Field(
        default=True,
        description="Drop whole channels of convolutional layers instead of single coefficients",
    )
    max_tempo_factor: Annotated[float, SearchRange(1, 2, on_raw=False, by_name_only=True)] = Field(
        default=1.0,
        ge=1,
        le=4,
        description="Largest factor by which utterances are slowed down or sped up at random; 1 is off",
    )
    max_time_warp: Annotated[float, SearchRange(0, 20, raw_factor=100, on_raw=False)] = Field(
        default=20.0,
        ge=0,
        description="Largest number of frames by which time is warped around a random point; 0 is off",
    )
    max_freq_warp: Annotated[float, SearchRange(0, 25, on_raw=False)] = Field(
        default=0.0,
        ge=0,
        description="Largest number of coefficients by which frequency is warped around a random point; 0 is off",
    )
    max_time_mask: Annotated[int, SearchRange(1, 200, raw_factor=100, needs="num_time_mask")] = Field(
        default=100, ge=1, description="Largest number of frames per time mask"
    )
    max_freq_mask: Annotated[int, SearchRange(1, 40, on_raw=False, needs="num_freq_mask")] = Field(
        default=27, ge=1, description="Largest number of coefficients per frequency mask"
    )
    max_time_mask_proportion: Annotated[float, SearchRange(0.01, 0.1, needs="num_time_mask")] = Field(
        default=0.04, gt=0, lt=1, description="Largest length of a time mask, as a proportion of the utterance"
    )
    num_time_mask: Annotated[int, SearchRange(0, 40, raw_factor=100)] = Field(
        default=2, ge=0, description="Largest number of time masks per utterance; 0 is off"
    )
    num_time_mask_proportion: Annotated[float, SearchRange(0.01, 0.1, needs="num_time_mask")] = Field(
        default=0.04,
        gt=0,
        lt=1,
        description="Largest number of time masks, as a proportion of the utterance's number of frames",
    )
    num_freq_mask: Annotated[int, SearchRange(0, 5, on_raw=False)] = Field(
        default=2, ge=0, description="Largest number of frequency masks per utterance; 0 is off"
    )
    max_shift_proportion: Annotated[float, SearchRange(0, 0.2)] = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Largest number of frames added before and after an utterance, as a proportion of its length; they "
        "repeat its first and last frame; 0 is off",
    )
    keep_last_and_best_only: bool = Field(
        default=True, description="Delete the checkpoints of all epochs but the last two and the best"
    )
    tracker: Literal["none", "trackio", "wandb", "mlflow"] = Field(
        default="none",
        description="Program that records the training to compare it with others in a browser: trackio, wandb (Weights "
        "& Biases) or mlflow; each needs the extra of its name",
    )
    saved_model_fmt: str = Field(
        default=_DEFAULT_NAMES["saved_model_fmt"],
        description="File name of the weights after an epoch; {epoch} is its number",
    )
    saved_optimizer_fmt: str = Field(
        default=_DEFAULT_NAMES["saved_optimizer_fmt"],
        validate_default=True,  # against the model's
        description="File name of the optimizer state after an epoch; {epoch} is its number",
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        lt=2**63,
        description="Seed of the order of utterances, augmentation and dropout; random if unset",
    )

    @property
    def learning_rate(self) -> float:
        """Learning rate before any schedule."""
        rate: float = 10.0 ** (-4.0 if self.log10_learning_rate is None else self.log10_learning_rate)
        return rate

    @field_validator("saved_model_fmt", "saved_optimizer_fmt")
    @classmethod
    def _format_names_a_file(cls, value: str, info: ValidationInfo) -> str:
        names = _checkpoint_names(value)
        for other in ("saved_model_fmt", "saved_optimizer_fmt"):
            if other != info.field_name and other in info.data:
                # Some file systems ignore case.
                others = {name.casefold() for name in _checkpoint_names(info.data[other])}
                same = [name for name in names if name.casefold() in others]
                if same:
                    raise ValueError(
                        f"names {same[0]}, as {other} = {info.data[other]} does; models and optimizers must have "
                        f"different names, such as {_DEFAULT_NAMES[str(info.field_name)]}"
                    )
        return value


# Enough epochs to find two with the same name, also with formats that round large numbers.
_EPOCHS = (*range(1, 300), *(10**power + step for power in (3, 4, 5, 6) for step in (0, 1)))
_MAX_NAME_BYTES = 200
_MAX_WIDTH = 20
# Other files of a model folder, and names of files being written there.
_TAKEN = re.compile(
    r"model\.json|settings\.ini|history\.csv|checkpoints\.json|curves\.png|tensorboard|within_\d+_\d+\.pt|"
    r"\.lock|\..*\.(old|lock)|.*\.partial",
    re.IGNORECASE | re.DOTALL,
)


@cache
def _checkpoint_names(name_format: str) -> tuple[str, ...]:
    """File names that a format gives to some epochs; found once, as each copy of settings is checked.

    Raises:
        ValueError: the format does not name one file per epoch.
    """
    rule = "must be a file name (no folder) that holds {epoch}, such as model_{epoch:03d}.pt"
    try:
        for _, field, spec, _ in string.Formatter().parse(name_format):
            # Formatting pads up to the width: a large one would fill the memory.
            if "{" in (spec or "") or any(int(number) > _MAX_WIDTH for number in re.findall(r"\d{1,9}", spec or "")):
                raise ValueError(f"{{{field}:{spec}}} is wider than {_MAX_WIDTH} characters")
        names = tuple(name_format.format(epoch=epoch) for epoch in _EPOCHS)
    except (LookupError, AttributeError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"must be a format of only {{epoch}}, such as model_{{epoch:03d}}.pt ({error})") from None
    if len(set(names)) < len(names):
        raise ValueError(f"gives several epochs the same name; {rule}")
    for name in names:
        hidden = next((character for character in name if not character.isprintable()), None)
        if hidden is not None or any(separator in name for separator in "/\\:"):
            raise ValueError(f"names {ascii(name)}; {rule}")
        if len(name.encode(errors="replace")) > _MAX_NAME_BYTES:
            raise ValueError(f"gives names of more than {_MAX_NAME_BYTES} bytes; {rule}")
        if _TAKEN.fullmatch(name):
            raise ValueError(f"names {name}, which is reserved in a model folder; {rule}")
    return names

"""Settings of the data: which utterances are used, and how they are batched."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from cnn_mellin.config.search_range import SearchRange

__all__ = ["DataConfig"]


@dataclass(config=ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False))
class DataConfig:
    """Settings of the data: which utterances are used, and how they are batched.

    >>> DataConfig(batch_size=16).subset_ids
    []
    """

    batch_size: Annotated[int, SearchRange(5, 10)] = Field(
        default=10, ge=1, description="Number of utterances per batch"
    )
    drop_last: bool = Field(
        default=False, description="Leave out the last batch of an epoch if it is smaller than batch_size"
    )
    max_batch_seconds: Annotated[float | None, SearchRange(30, 600, log=True, by_name_only=True)] = Field(
        default=None,
        gt=0,
        validate_default=True,  # against drop_last
        description="Largest duration of a batch in seconds, padding included, which replaces batch_size and puts "
        "utterances of similar length into the same batch; a longer utterance is a batch of its own",
    )
    first_batch_size: Annotated[int | None, SearchRange(1, 10, by_name_only=True)] = Field(
        default=None,
        ge=1,
        validate_default=True,  # against max_batch_seconds
        description="Number of utterances per batch in the first epoch, which doubles with each epoch until it is "
        "batch_size; batch_size from the start if unset",
    )
    bucket_by_length: bool = Field(
        default=False,
        description="Put utterances of similar length into the same batch, which is faster, but less random",
    )
    shortest_first_epochs: Annotated[int, SearchRange(0, 3, by_name_only=True)] = Field(
        default=0,
        ge=0,
        description="Number of first epochs in which batches come in order of length, the shortest utterances first; "
        "later ones, and with 0 all, are in random order",
    )
    audio_features: str | None = Field(
        default=None,
        description="Features to compute in training from partitions of audio: "
        "fbank-81-10ms, sigbank-41-2ms, raw, or a file NAME.json",
    )
    scale_features: bool = Field(
        default=False,
        description="Divide each coefficient by its mean magnitude in the training data, which is saved in the model",
    )
    sos: str | None = Field(default=None, description="Symbol inserted before every reference")
    eos: str | None = Field(default=None, description="Symbol appended to every reference")
    subset_ids: list[str] = Field(
        default_factory=list, description="JSON list of utterance ids; if it is not empty, training uses only these"
    )

    @field_validator("drop_last", "max_batch_seconds", "first_batch_size")
    @classmethod
    def _only_numbers_of_utterances_grow_or_are_dropped(cls, value: Any, info: ValidationInfo) -> Any:
        others = {**info.data, str(info.field_name): value}
        if others.get("max_batch_seconds") is not None:
            if others.get("drop_last"):
                raise ValueError(
                    "drop_last needs batches of batch_size utterances; set it to False or unset max_batch_seconds"
                )
            if others.get("first_batch_size") is not None:
                raise ValueError("first_batch_size and max_batch_seconds exclude each other; unset one of them")
        return value

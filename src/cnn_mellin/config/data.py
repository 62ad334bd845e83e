"""Settings of the data: which utterances are used, and how they are batched."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field
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
    bucket_by_length: bool = Field(
        default=False,
        description="Put utterances of similar length into the same batch, which is faster, but less random",
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

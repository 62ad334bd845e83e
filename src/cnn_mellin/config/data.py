"""Settings of how data is read and batched."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from cnn_mellin.config.search_range import SearchRange

__all__ = ["DataConfig"]


@dataclass(config=ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False))
class DataConfig:
    """Which utterances are used, and in what batches.

    >>> DataConfig(batch_size=16).subset_ids
    []
    """

    batch_size: Annotated[int, SearchRange(5, 10)] = Field(default=10, ge=1, description="Utterances in a batch")
    drop_last: bool = Field(default=False, description="Drop the last batch of an epoch where it is short")
    bucket_by_length: bool = Field(
        default=False,
        description="Put utterances of similar length into the same batch: faster, and less random",
    )
    scale_features: bool = Field(
        default=False,
        description="Divide each coefficient by its mean magnitude in the training data, kept in the model",
    )
    sos: str | None = Field(default=None, description="Symbol put before every reference")
    eos: str | None = Field(default=None, description="Symbol put after every reference")
    subset_ids: list[str] = Field(
        default_factory=list, description="JSON list of utterances; if it is not empty, only these are used"
    )

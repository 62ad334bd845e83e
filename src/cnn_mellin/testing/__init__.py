"""Oracles for tests of layers, of this package and of its users."""

from cnn_mellin.testing.dilation_equivariance import assert_dilation_equivariant, dilated, equivariance_error

__all__ = ["assert_dilation_equivariant", "dilated", "equivariance_error"]

"""Oracles for our tests and for users' layers."""

from cnn_mellin.testing.dilation_equivariance import assert_dilation_equivariant, dilated, equivariance_error

__all__ = ["assert_dilation_equivariant", "dilated", "equivariance_error"]

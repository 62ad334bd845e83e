"""Phone recognition with convolutions in log time (Mellin correlation), against ordinary ones."""

__version__ = "0.2.0"

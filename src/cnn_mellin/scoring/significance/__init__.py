"""Tests of significance between systems, over speakers and trainings."""

"""Readers of corpora (TIMIT, Kaldi folders, tables) and the synthesised demo corpus."""

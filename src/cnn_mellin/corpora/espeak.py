"""The synthesiser in its own process: `python -m cnn_mellin.corpora.espeak OUT.npz` with a job on standard input.

The library is loaded only here, because espeak-ng is reproducible only with a fixed order of calls in a fresh process,
and because its licence differs from that of this package. The job is a JSON object with `voice`, `rate`, `pitch`,
`range`, `seed` and `sentences`. OUT.npz receives `sample_rate_hz` and, for sentence i, `samples_i` (16-bit), `marks_i`
(kind, first sample, text position, text length) and `names_i` (the mnemonics of phones).
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

__all__ = ["PHONEME", "WORD", "main"]

_SYNCHRONOUS = 2
_PHONEME_EVENTS, _DONT_EXIT = 0x0001, 0x8000
_UTF8 = 1
_END, WORD, PHONEME = 0, 1, 7
_RATE, _PITCH, _RANGE = 1, 3, 4


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    )


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def main() -> int:
    """Synthesise the job on standard input, and write the file that the first argument names."""
    import espeakng_loader  # optional extra `demo`
    import numpy as np

    job = json.load(sys.stdin)
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data_path = espeakng_loader.get_data_path().encode()
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, data_path, _PHONEME_EVENTS | _DONT_EXIT)
    if rate <= 0:
        raise RuntimeError("espeak-ng did not start")
    blocks: list[np.ndarray] = []
    marks: list[tuple[int, int, int, int]] = []
    names: list[str] = []

    def receive(samples: Any, count: int, events: Any) -> int:
        if samples and count:
            blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        i = 0
        while events[i].type != _END:
            event = events[i]
            if event.type in (WORD, PHONEME):
                marks.append((event.type, event.sample, event.text_position, event.length))
                names.append(event.name.decode("utf-8", "replace") if event.type == PHONEME else "")
            i += 1
        return 0

    callback = _CALLBACK(receive)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(job["voice"].encode()) != 0:
        raise RuntimeError(f"espeak-ng has no voice {job['voice']}")
    for parameter, name in ((_RATE, "rate"), (_PITCH, "pitch"), (_RANGE, "range")):
        library.espeak_SetParameter(parameter, int(job[name]), 0)
    results: dict[str, Any] = {"sample_rate_hz": rate}
    for i, sentence in enumerate(job["sentences"]):
        for buffer in (blocks, marks, names):
            buffer.clear()
        library.espeak_ng_SetRandSeed(ctypes.c_long(job["seed"] + i))
        text = sentence.encode()
        library.espeak_Synth(text, len(text) + 1, 0, 1, 0, _UTF8, None, None)
        results[f"samples_{i}"] = np.concatenate(blocks)
        results[f"marks_{i}"] = np.array(marks, dtype=np.int64)
        results[f"names_{i}"] = np.array(names)
    np.savez(sys.argv[1], **results)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Training sentences from a Markov chain: some contexts are common, some rare, and one symbol never occurs."""

import random

import pytest

TOKENS = ["a", "b", "c", "d", "e"]


def random_sentences(seed: int, number: int) -> list[list[str]]:
    rng = random.Random(seed)
    sentences = []
    for _ in range(number):
        sentence = [rng.choice("ab")]
        while rng.random() < 0.85:
            sentence.append(rng.choices("abcd", [1, 5, 2, 0.3] if sentence[-1] == "a" else [6, 1, 1, 0.1])[0])
        sentences.append(sentence)
    return sentences


@pytest.fixture
def training_sentences() -> list[list[str]]:
    return random_sentences(1, 300)


@pytest.fixture
def test_sentences() -> list[list[str]]:
    return [*random_sentences(2, 60), [], ["e", "e", "a"]]

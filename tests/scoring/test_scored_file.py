import json

from cnn_mellin.scoring import ScoredFile, phone_error_rate


def test_json_has_every_row_and_no_infinity() -> None:
    result = phone_error_rate({"u": ["t", "d"], "v": []}, {"u": ["t", "t"], "v": ["k"]})
    rows = [("total", "", result.total), ("utterance", "v", result.utterances["v"])]
    content = ScoredFile("hyp.trn", result, rows).as_dict(with_matrix=True)
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    errors = {"substitutions": 1, "deletions": 0, "insertions": 1}
    assert content["rates"][0] == {"group": "total", "name": "", "percent": 100.0, "phones": 2, **errors}
    assert content["rates"][1]["percent"] is None
    assert content["unseen_symbols"] == {"k": 1}
    assert content["confusion_matrix"]["phones"] == ["d", "k", "t", None]
    assert list(ScoredFile("hyp.trn", result, rows).as_dict()) == list(content)[:-1]

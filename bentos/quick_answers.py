"""The quick way of one JSON row: from the bytes of a request to those of its answer, in one go.

Responsible for requests whose head, byte for byte, went the usual way before and was taken there.
Not responsible for what is refused, or is more than one row: whatever is not plain here goes the
usual way (`app`), which gives the same answer, or says what is wrong. By hand, as passing one
request through ASGI costs more than all that is done for its prediction.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

from bentos.columns import Row
from bentos.errors import RequestRefused
from bentos.metrics import Metrics
from bentos.model import Model
from bentos.prediction_log_writer import PredictionLog
from bentos.request_bodies import SMALL
from bentos.request_head import RequestHead, Scope, next_id
from bentos.responses import write_one
from tasks.features.transform import OTHER

_ASKED = b"POST /predict HTTP/1.1\r\n"
_END = b"\r\n\r\n"
_LONGEST_HEAD = 4_096  # bytes
_MOST_HEADS = 2_000  # a client has one for each length of its bodies
_NEVER = frozenset((b"expect", b"transfer-encoding", b"upgrade", b"x-request-id"))
_OBJECT = b"{"[0]


class Way(NamedTuple):
    """All that a row passes on its way through one model, and the heads that are known to it.

    `middle` is the place of the quantile that is the prediction, where there are several. `heads`
    gives, by the address that a connection was made to, each head's request's length.
    """

    model: Model
    decode: Callable[[bytes], Row]
    look_up: Callable[[Any], Any] | None
    encode: Callable[[Row], tuple[float, ...]]
    predict: Callable[[tuple[float, ...]], Any]
    tell: Callable[[tuple[float, ...], Any], Any]
    middle: int | None
    categories: tuple[tuple[int, str], ...]
    concurrency: int
    logs: bool
    heads: dict[str, dict[bytes, int]]


class QuickAnswers:
    """Answers what is plain, and gives None for all else."""

    def __init__(
        self,
        metrics: Metrics,
        prediction_log: PredictionLog,
        check: Callable[[RequestHead, Scope], None],
    ) -> None:
        self._metrics = metrics
        self._log = prediction_log
        self._check = check
        self._way: Way | None = None

    def rest(self) -> None:
        """Leave all requests to the usual way, until the next swap."""
        self._way = None

    def swap(self, model: Model) -> None:
        """Answer by this model, whose hosts and limits may be others: heads are learnt anew."""
        self._way = None if model.program is None else _lay_out(model, self._log.keeps(model))

    def answer(self, address: str, data: bytes, start: bytes) -> bytes | None:
        """Give the answer to a whole request; `start` is how it starts, up to its length."""
        way = self._way
        if way is None:
            return None
        end = data.find(_END, 0, _LONGEST_HEAD) + len(_END)
        if way.heads.get(address, _NONE).get(data[:end]) != len(data):
            return None
        metrics = self._metrics
        busy = metrics.in_flight + (metrics.elsewhere() if metrics.elsewhere else 0)
        if data[end] != _OBJECT or busy >= way.concurrency:
            return None
        started = perf_counter()
        try:
            row = way.decode(data[end:])
            if way.look_up is not None:
                (row,) = way.look_up([row])
            numbers = way.encode(row)
            predicted = way.predict(numbers)
            told = way.tell(numbers, predicted)
        except Exception:  # it fails the usual way, too, where it is told why
            return None
        request = next_id()
        if way.logs:
            answered = (predicted, told) if way.model.interval else predicted
            self._log.add_row(way.model, row, answered, request)
        body = write_one(way.model, predicted if way.middle is None else told[way.middle], told)
        others = [name for place, name in way.categories if numbers[place] == OTHER]
        metrics.responses["/predict", 200] += 1
        metrics.count_answered(1, others, perf_counter() - started)
        return b"%b%d\r\nx-request-id: %b\r\n\r\n%b" % (start, len(body), request.encode(), body)

    def learn(self, address: str, data: bytes, scope: Scope) -> None:
        """Know the head of a whole request from now on, if there is nothing odd about it.

        `scope` is what the HTTP parser made of the request, which is kept alive after it.
        """
        way = self._way
        if way is None or not data.startswith(_ASKED):
            return
        head, end = RequestHead(scope["headers"]), data.find(_END, 0, _LONGEST_HEAD) + len(_END)
        if end + head.length != len(data) or not 0 < head.length <= SMALL:
            return
        if not _NEVER.isdisjoint(name for name, _ in scope["headers"]):
            return
        try:
            self._check(head, scope)
        except RequestRefused:
            return
        known = way.heads.setdefault(address, {})
        if len(known) >= _MOST_HEADS:
            known.clear()
        known[data[:end]] = len(data)


_NONE: dict[bytes, int] = {}


def _lay_out(model: Model, logs: bool) -> Way:
    assert model.program is not None
    places = zip(model.categories.tolist(), model.features.categories, strict=True)
    return Way(
        model=model,
        decode=model.schema.decode_row,
        look_up=model.look_up if model.values else None,
        encode=model.program.encode,
        predict=model.predictor.predict_one,
        tell=_find_told(model),
        middle=pinball.middle if (pinball := model.definition.pinball) else None,
        categories=tuple(places),
        concurrency=model.definition.serving.concurrency,
        logs=logs,
        heads={},
    )


def _find_told(model: Model) -> Callable[[tuple[float, ...], Any], Any]:
    """Give what says of one row, and its prediction, what `Model.tell` says of many."""
    if model.definition.pinball:
        return lambda numbers, predicted: predicted
    if (interval := model.interval) is not None:
        return interval.predict_one
    kind, threshold = model.definition.target.kind, model.definition.threshold
    if kind == "regression":
        return lambda numbers, predicted: None
    if kind == "binary":
        return lambda numbers, predicted: predicted >= threshold
    classes = model.vocabulary.classes
    return lambda numbers, predicted: classes[predicted.index(max(predicted))]

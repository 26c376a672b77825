"""The OpenAPI document says what the service does: schemathesis asks it everything it allows."""

import pytest
import schemathesis
from any_model import ask
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema
from servers import Served

from bentos.app import PredictionApp

CHECKS = (
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)


@pytest.fixture(scope="module")
def api(served: Served) -> OpenApiSchema:
    return schemathesis.openapi.from_url(f"{served.url}/openapi.json")


@pytest.mark.parametrize(
    "operation",
    [
        "POST /predict",
        "POST /explain",
        *(f"GET {path}" for path in ("/model", "/readyz", "/metrics")),
    ],
)
def test_every_answer_is_one_that_the_document_promises(api: OpenApiSchema, operation: str) -> None:
    method, path = operation.split()

    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(case=api[path][method].as_strategy())
    def ask(case: Case) -> None:
        case.call_and_validate(checks=CHECKS)

    ask()


def test_document_says_the_types_and_the_token(app: PredictionApp) -> None:
    app.token = b"a token"
    _, document = ask(app, "/openapi.json")
    values = document["components"]["schemas"]["Row"]["properties"]
    assert document["security"] == [{"bearer": []}]
    assert values["flag"]["type"] == ["boolean", "null"]
    assert values["day"]["format"] == "date"
    assert values["clock"]["format"] == "time"
    assert values["span"]["format"] == "duration"

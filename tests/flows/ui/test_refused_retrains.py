"""A person is asked to act where a retrain was refused, and what it should have mended goes on."""

import httpx
from judged import MODEL, NEWEST, OLD, put
from looks import keep_looks, make_look

from flows.ui.reading import Reader
from flows.ui.refused_retrains import find_refused
from tasks.registry.versions import Published
from tasks.storage.store import Store


def test_refused_retrain_after_an_alert_asks_for_action(
    store: Store, crowned: Published, client: httpx.Client
) -> None:
    keep_looks(store, MODEL, OLD, 30)
    assert "the retrain was refused" not in client.get("/models").text  # what came after passed
    put(store, NEWEST, passed=False)
    for _ in range(2):  # the second time out of memory
        page = client.get("/models").text
        assert "✗ action needed</span>: the retrain was refused" in page
        assert f"{NEWEST}</code></a>: slices: origin EWR" in page
    assert "the retrain was refused" in client.get(f"/models/{MODEL}").text
    calm = make_look(OLD, 40)
    store.create(f"monitoring/{MODEL}/looks/{calm.name}.json", calm.model_dump_json().encode())
    assert "the retrain was refused" not in client.get("/models").text


def test_nothing_is_asked_of_another_champion_nor_without_a_look(
    store: Store, crowned: Published
) -> None:
    reader = Reader(store)
    put(store, NEWEST, passed=False)
    assert find_refused(reader, MODEL, reader.versions(MODEL), crowned, []) is None
    names = [each.name for each in keep_looks(store, MODEL, NEWEST, 30)]
    assert find_refused(reader, MODEL, reader.versions(MODEL), crowned, names) is None
    assert find_refused(reader, MODEL, reader.versions(MODEL), None, names) is None

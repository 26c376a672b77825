"""Preflight checks: what can be refused at once, before Prefect and LightGBM are loaded.

Asks the definition, its sources' schemas and the registry; reads no rows. Flows check again, since
things may change between the two.
"""

from datetime import UTC, datetime

from tasks.core.definition import Definition, parse_definition
from tasks.core.definition_file import find_definition, load_definition, project_of
from tasks.core.errors import DecisionRefused, DefinitionError, in_definition, nearest
from tasks.features.project_functions import call_functions
from tasks.features.transform import compile_features
from tasks.registry.versions import Published, find_champion, list_models, read_file, read_json
from tasks.sources.query import open_table
from tasks.storage.store import Store, open_store

_FORMATS = ("parquet", "csv")


def check_columns(model: str) -> Definition:
    """Refuse a definition whose sources cannot be read, or lack what it names."""
    path = find_definition(model)
    definition, origin = load_definition(path), str(path)
    with in_definition(origin):
        table = open_table(definition, project_of(path))
    code = call_functions(definition, project_of(path), origin)
    compile_features(definition, table.columns, origin, code.built)
    return definition


def check_past(moment: datetime | None, timed: bool = True, option: str = "--as-of") -> None:
    """Refuse a time in the future, or of rows that carry none."""
    if moment is None:
        return
    if not timed:
        raise DefinitionError(f"{option} needs [extract] time: these rows carry no time")
    if moment > datetime.now(UTC):
        raise DefinitionError(f"{option} {moment:%Y-%m-%d %H:%M} UTC is in the future")


def check_target(uri: str) -> str:
    """Take the output's format from its ending; DefinitionError where it is another one.

    >>> check_target("s3://bucket/scores.parquet")
    'parquet'
    """
    ending = uri.rpartition(".")[2]
    if ending not in _FORMATS:
        raise DefinitionError(f"--output {uri}: must end in .parquet or .csv")
    return ending


def find_tables(model: str, as_of: datetime | None) -> Definition:
    """Find the definition whose tables are materialised: the champion's, as the service has it."""
    file = load_definition(find_definition(model))
    store = open_store()
    champion = find_champion(store, file.name)
    if champion is not None:
        text = read_file(store, champion, "definition.toml").decode()
        served = parse_definition(text, champion.path)
        file = served if served.tables else file
    check_tables(file, as_of)
    return file


def check_tables(definition: Definition, as_of: datetime | None) -> None:
    """Refuse to materialise nothing, or what is not known yet."""
    if not definition.tables:
        raise DefinitionError(f"{definition.name}: has no [tables] to materialise")
    check_past(as_of)


def check_model(store: Store, model: str) -> None:
    """Refuse a model that the registry does not hold."""
    models = list_models(store)
    if model not in models:
        raise DefinitionError(
            f"{model}: has no version yet in {store.root}; {nearest(model, models)}"
        )


def need_champion(store: Store, model: str, purpose: str) -> Published:
    """Find the champion, or refuse what takes one."""
    champion = find_champion(store, model)
    if champion is None:
        check_model(store, model)
        raise DecisionRefused(f"{model}: has no champion {purpose}; approve a candidate first")
    return champion


def check_explain(store: Store, published: Published, most: int | None) -> None:
    """Refuse to name more contributions of a version than it has features, or none."""
    if most is None:
        return
    features = len(read_json(store, published, "features.json")["expressions"])
    if not 1 <= most <= features:
        raise DefinitionError(
            f"--explain {most}: {published.version} has {features} features; give 1 to {features}"
        )

"""The context of a run of the monitor: which champion, as of when, and which rows were served.

Responsible for how far back the monitor looks. Not responsible for any measure or alert.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from tasks.core.columns import FILE, LOGGED_TIME, TIME
from tasks.core.definition import Definition, Frozen
from tasks.core.definition_check import check_rules
from tasks.core.definition_file import find_definition, load_definition, project_of
from tasks.core.errors import DefinitionError, PerennialError, first_line, in_definition
from tasks.core.time_zones import in_utc
from tasks.extraction.run_plan import RunInputs
from tasks.extraction.snapshot import settle_as_of
from tasks.monitoring.prediction_log import LoggedPredictions, add_moment, read_log
from tasks.registry.versions import find_champion
from tasks.sources.query import digest_sources, open_table
from tasks.storage.store import Store, open_store
from tasks.training.published_model import PublishedModel, load

WINDOWS = 13  # looked back on: a quarter of a year, where a window is a week
_CLOCKS = timedelta(minutes=5)  # by which the clocks of two machines may disagree


class MonitoringContext(RunInputs):
    """A champion to be monitored: features, tables and target are its own, the rest the file's.

    `asked` is the as-of time that was asked for. `problem` says why the sources cannot be read.
    """

    champion: PublishedModel
    asked: datetime | None
    now: datetime
    problem: str = ""

    @property
    def version(self) -> str:
        return self.champion.version

    @property
    def window(self) -> timedelta:
        return self.definition.monitoring.window


class ServedRows(Frozen):
    """The prediction log, and the period that is looked at: after `since`, up to `until`.

    `rows` are counted by version. `ahead` counts rows logged by a clock that is ahead of ours,
    `later` those about moments after `until`: both are looked at when their time has come.
    """

    log: LoggedPredictions
    since: datetime
    until: datetime
    rows: dict[str, int]
    newest: datetime | None = None
    ahead: int = 0
    later: int = 0

    def scan(
        self, watch: MonitoringContext, version: str, length: timedelta | None = None
    ) -> pl.LazyFrame:
        """Scan a version's rows with their `TIME`; only the last ones where a length is given.

        The version must be one of `rows`: one that logged nothing has no columns.
        """
        rows = add_moment(watch.definition, self.log.scan(version)).drop(FILE)
        since = self.since if length is None else self.until - length
        return rows.filter(pl.col(TIME) > since, pl.col(TIME) <= self.until)


def settle_watch(name: str, as_of: datetime | None) -> MonitoringContext | Definition:
    """Find the champion to monitor, and as of when; without a champion, give the definition only.

    DefinitionError where `as_of` is in the future, or where rows carry no time.
    """
    path = find_definition(name)
    file, project, store = load_definition(path), project_of(path), open_store()
    now = datetime.now(UTC)
    asked = as_of and in_utc(as_of)
    if asked is not None and asked > now:
        raise DefinitionError(f"--as-of {asked:%Y-%m-%d %H:%M} UTC is in the future")
    champion = find_champion(store, file.name)
    if champion is None:
        return file
    model = load(store, champion)
    theirs = model.definition
    own = {"target": theirs.target, "serving": theirs.serving, "tables": theirs.tables}
    definition = file.model_copy(update=own).settle(model.lineage.get("threshold"))
    sources, settled, problem = _settle_sources(definition, str(path), project, asked, now)
    return MonitoringContext(
        definition=definition,
        origin=str(path),
        project=project,
        root=store.root,
        as_of=settled,
        asked_at=asked or now,
        sources=sources,
        features=model.features,
        champion=model,
        asked=asked,
        now=now,
        problem=problem,
    )


def look_at_log(watch: MonitoringContext, store: Store, folder: Path) -> ServedRows:
    """Gather the prediction log, and settle which period is looked at."""
    before = WINDOWS * watch.window + watch.definition.target.matures_after
    oldest = (watch.asked or watch.now) - before
    log = read_log(store, watch.definition.name, oldest, watch.now, folder)
    moment = pl.Datetime("us", "UTC")
    nothing = pl.LazyFrame(schema={TIME: moment, LOGGED_TIME: moment, "version": pl.String})
    frames = [
        add_moment(watch.definition, log.scan(version)).select(
            TIME, LOGGED_TIME, pl.lit(version).alias("version")
        )
        for version in log.files
    ]
    moments = pl.concat([nothing, *frames]).collect()
    past = moments.filter(pl.col(TIME) <= watch.now)[TIME].max()
    until = watch.asked or (past if isinstance(past, datetime) else watch.now)
    since = until - before
    looked_at = moments.filter(pl.col(TIME) > since, pl.col(TIME) <= until)
    newest = moments[LOGGED_TIME].max()
    return ServedRows(
        log=log,
        since=since,
        until=until,
        rows=dict(looked_at["version"].value_counts().sort("version").iter_rows()),
        newest=newest if isinstance(newest, datetime) else None,
        ahead=int((moments[LOGGED_TIME] > watch.now + _CLOCKS).sum()),
        later=int((moments[TIME] > until).sum()),
    )


def _settle_sources(
    definition: Definition, origin: str, project: Path, asked: datetime | None, now: datetime
) -> tuple[dict[str, str], datetime | None, str]:
    """Identify the sources and settle as-of; where that cannot be done, say why."""
    if asked is not None and definition.extract.time is None:
        raise DefinitionError("--as-of needs [extract] time: these rows carry no time")
    try:
        table = open_table(definition, project)
        settled = digest_sources(table), settle_as_of(table, asked, now), ""
    except PerennialError as error:
        return {}, asked, first_line(error)
    with in_definition(origin):
        check_rules(definition.checks, table.columns)
    return settled

# The image of Prefect's server, the registration, the worker and the page: commands of flows.local_stack.
#   docker build -f docs/operations/worker.Dockerfile -t perennial-worker .
FROM python:3.12-slim AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /srv/perennial
COPY . .
# asyncpg, which Prefect takes for PostgreSQL, is among Prefect's own requirements.
RUN make .venv/run

FROM python:3.12-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home perennial
WORKDIR /srv/perennial
COPY --from=build /srv/perennial .
RUN mkdir -p .perennial/prefect && chown -R perennial .perennial
USER perennial
ENV PERENNIAL_HOST=0.0.0.0 PREFECT_WORKER_WEBSERVER_HOST=127.0.0.1
ENTRYPOINT [".venv/bin/python", "-m", "flows.local_stack"]
CMD ["worker", "--", "--with-healthcheck"]
HEALTHCHECK --start-period=120s CMD [".venv/bin/python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/health')"]

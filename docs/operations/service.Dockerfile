# The image of one model's service: a released bento, and nothing but what it asks for itself.
#   docker build -f docs/operations/service.Dockerfile -t flight-delay \
#     --build-context bento="$(bentoml get flight-delay:VERSION -o path)" docs/operations
# With PERENNIAL_FOLLOW and PERENNIAL_ROOT it follows later releases and roll-backs.
FROM python:3.12-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home perennial
# The requirements are complete: --no-deps keeps pip from looking for anything they do not pin.
COPY --from=bento env/python/requirements.txt /srv/requirements.txt
RUN pip install --no-cache-dir --no-deps -r /srv/requirements.txt
COPY --from=bento . /srv/bento
USER perennial
WORKDIR /home/perennial
ENV BENTOML_DO_NOT_TRACK=true
EXPOSE 3000
ENTRYPOINT ["bentoml", "serve", "/srv/bento", "--host", "0.0.0.0", "--port", "3000"]
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:3000/readyz')"]

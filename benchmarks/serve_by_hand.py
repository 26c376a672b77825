"""What a careful engineer would write by hand to serve this one model: the peer to beat.

Features of `deployments/flight_delay.toml` in plain Python, msgspec in and out, LightGBM's prepared
call for one row; as FastAPI (`fastapi_hand`) and as a bare ASGI application (`asgi_hand`), on the
service's own server and event loop. It drifts from the definition the day that changes, which is
what it leaves out; its speed is the bar.
"""

import ctypes
import json
import math
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import lightgbm
import msgspec
import numpy as np

FOLDER = Path(os.environ["PERENNIAL_MODEL"])
OTHER = 0.0  # the code of rare and unseen levels; check it against the project's own


class Row(msgspec.Struct, gc=False):
    carrier: str | None
    origin: str | None
    dest: str | None
    distance: int | None
    sched_dep_time: int | None
    sched_arr_time: int | None
    time_hour: datetime | None
    plane_year: int | None
    seats: int | None
    manufacturer: str | None
    temp: float | None
    dewp: float | None
    humid: float | None
    wind_dir: int | None
    wind_speed: float | None
    precip: float | None
    pressure: float | None
    visib: float | None


def load() -> Any:
    """Give one function from a decoded row to its prediction."""
    levels = json.loads((FOLDER / "vocabulary.json").read_bytes())["categories"]
    names = list(json.loads((FOLDER / "features.json").read_bytes())["expressions"])
    booster = lightgbm.Booster(model_file=str(FOLDER / "model.txt"))
    library, config = lightgbm.basic._LIB, ctypes.c_void_p()
    library.LGBM_BoosterPredictForMatSingleRowFastInit(
        booster._handle, 0, 0, -1, 1, len(names), b"num_threads=1", ctypes.byref(config)
    )
    row, result, size = np.empty(len(names)), np.empty(1), ctypes.c_int64()
    pointers = (
        ctypes.c_void_p(row.ctypes.data),
        ctypes.byref(size),
        ctypes.c_void_p(result.ctypes.data),
    )
    code = {
        name: {None: math.nan, **{each: number for number, each in enumerate(known, 1)}}
        for name, known in levels.items()
    }
    single, five_hours = np.float32, timedelta(hours=5)

    def number(value: float | None) -> float:
        return math.nan if value is None else float(value)

    def rounded(value: float | None) -> float:
        return math.nan if value is None else float(single(value))

    def minutes(clock: int | None) -> float:
        return math.nan if clock is None else float(clock // 100 * 60 + clock % 100)

    def predict(r: Row) -> float:
        leaves, arrives = minutes(r.sched_dep_time), minutes(r.sched_arr_time)
        values = {
            "carrier": code["carrier"].get(r.carrier, OTHER),
            "origin": code["origin"].get(r.origin, OTHER),
            "dest": code["dest"].get(r.dest, OTHER),
            "manufacturer": code["manufacturer"].get(r.manufacturer, OTHER),
            "distance": number(r.distance),
            "dep_minute": leaves,
            "arr_minute": arrives,
            "planned_minutes": arrives - leaves,
            "weekday": math.nan
            if r.time_hour is None
            else float((r.time_hour - five_hours).isoweekday()),
            "plane_age": math.nan if r.plane_year is None else 2013.0 - r.plane_year,
            "seats": number(r.seats),
            "wind_dir": number(r.wind_dir),
            "temp": rounded(r.temp),
            "dewp": rounded(r.dewp),
            "humid": rounded(r.humid),
            "wind_speed": rounded(r.wind_speed),
            "precip": rounded(r.precip),
            "pressure": rounded(r.pressure),
            "visib": rounded(r.visib),
        }
        row[:] = [values[name] for name in names]
        library.LGBM_BoosterPredictForMatSingleRowFast(config, *pointers)
        return float(result[0])

    predict.booster = booster  # type: ignore[attr-defined]  # the prepared call uses its handle
    return predict


def fastapi_hand() -> Any:
    from fastapi import FastAPI, Request, Response

    predict, decoder, encode = load(), msgspec.json.Decoder(Row), msgspec.json.Encoder().encode
    app = FastAPI()

    async def answer(request: Request) -> Response:
        value = predict(decoder.decode(await request.body()))
        return Response(encode({"prediction": value}), media_type="application/json")

    app.post("/predict")(answer)
    return app


def asgi_hand() -> Any:
    predict, decoder, encode = load(), msgspec.json.Decoder(Row), msgspec.json.Encoder().encode

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        out = encode({"prediction": predict(decoder.decode(body))})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(out))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": out})

    return app
